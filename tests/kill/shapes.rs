//! What is loaded: a few sets of raw objects, made once.

use std::sync::{Arc, LazyLock};

use crate::raw::{Form, Like, content};
use crate::support::judge::Content;

/// Raw objects by name, and how they are packed.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) objects: Vec<(String, Arc<Content>)>,
    pub(crate) job_bytes: &'static str,
}

/// Many small objects in four folders, one of them without any record: nearly all of a run is looking and publishing.
pub(crate) static SMALL: LazyLock<Shape> = LazyLock::new(|| {
    let mut objects: Vec<_> = (0..9)
        .map(|n: i64| {
            let name = format!("{}/{n}.json", ["a", "b", "b/c"][n as usize % 3]);
            (name, Like::small(n * 1000..n * 1000 + 10 + n * n * 2))
        })
        .map(|(name, like)| (name, Arc::new(content(like))))
        .collect();
    objects.push(("empty/none.json".to_owned(), Arc::new(content(Like::small(0..0)))));
    Shape {
        name: "small",
        objects,
        job_bytes: "256MiB",
    }
});

/// Objects of up to 700 KB in one folder, so that several jobs are made of them.
pub(crate) static MIDDLE: LazyLock<Shape> = LazyLock::new(|| {
    let object = |n: i64| {
        let like = Like {
            words: 4,
            ..Like::small(n * 10_000..n * 10_000 + [100, 5000, 2000][n as usize % 3])
        };
        (format!("m/{n:02}"), Arc::new(content(like)))
    };
    Shape {
        name: "middle",
        objects: (0..10).map(object).collect(),
        job_bytes: "1MiB",
    }
});

/// One hour of more than 8 MiB, so that an upload of two parts is left open, and small objects beside it.
pub(crate) static LARGE: LazyLock<Shape> = LazyLock::new(|| {
    let large = Like {
        ids: 100_000..106_000,
        form: Form::Lines,
        hours: 5..6,
        words: 160,
    };
    let small = (0..3).map(|n: i64| (format!("a/{n}.json"), Like::small(n * 1000..n * 1000 + 60)));
    let all = [("a/large.json".to_owned(), large)].into_iter().chain(small);
    Shape {
        name: "large",
        objects: all.map(|(name, like)| (name, Arc::new(content(like)))).collect(),
        job_bytes: "256MiB",
    }
});
