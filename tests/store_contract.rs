//! What every store promises, as one suite. A new store is one more line in `suite!`.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use std::collections::BTreeSet;
use std::future::Future;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use lakebed::s3::S3;
use lakebed::store::{
    Body, Checksum, Compared, Complete, FolderStore, LakeKey, OpenUpload, Page, Part, Put, Replace, S3Store, Store,
    Tag, UploadId, UploadPage,
};
use support::faulty::Faulty;
use support::key;
use support::memory::Memory;
use support::s3::{At, Headers, Model, Server};

/// A store and what keeps it alive.
struct Subject {
    store: Arc<dyn Store>,
    _folder: Option<tempfile::TempDir>,
    _server: Option<Server>,
}

fn memory() -> Subject {
    Subject {
        store: Arc::new(Memory::default()),
        _folder: None,
        _server: None,
    }
}

fn folder() -> Subject {
    let folder = tempfile::tempdir().unwrap();
    // Not there yet: the first write makes it.
    let store = FolderStore::open(&folder.path().join("new/lake")).unwrap();
    Subject {
        store: Arc::new(store),
        _folder: Some(folder),
        _server: None,
    }
}

fn wrapped() -> Subject {
    let folder = folder();
    Subject {
        store: Faulty::logging(folder.store),
        ..folder
    }
}

fn s3() -> Subject {
    let mut model = Model::default();
    // A policy that denies any other put.
    model.create_bucket("lake").conditional_only = true;
    model.min_part_bytes = 1;
    let server = Server::start(model);
    let location = "s3://lake/team a/lake".parse().unwrap();
    let store = S3Store::new(S3::with_client(server.client(), None), &location);
    Subject {
        store: Arc::new(store),
        _folder: None,
        _server: Some(server),
    }
}

macro_rules! suite {
    ($($name:ident: $make:expr;)*) => { $(mod $name {
        use super::*;

        #[test]
        fn an_object_is_written_once() { check($make, super::an_object_is_written_once) }
        #[test]
        fn a_replacement_needs_the_right_tag() { check($make, super::a_replacement_needs_the_right_tag) }
        #[test]
        fn deleting_is_repeatable() { check($make, super::deleting_is_repeatable) }
        #[test]
        fn ranges_are_cut_at_the_end() { check($make, super::ranges_are_cut_at_the_end) }
        #[test]
        fn bodies_come_from_memory_and_spool_files() { check($make, super::bodies_come_from_memory_and_spool_files) }
        #[test]
        fn content_is_compared_by_size_and_checksum() { check($make, super::content_is_compared_by_size_and_checksum) }
        #[test]
        fn listings_follow_the_bytes_of_whole_keys() { check($make, super::listings_follow_the_bytes_of_whole_keys) }
        #[test]
        fn long_listings_come_in_pages() { check($make, super::long_listings_come_in_pages) }
        #[test]
        fn an_upload_is_invisible_until_completed() { check($make, super::an_upload_is_invisible_until_completed) }
        #[test]
        fn an_upload_replaces_nothing() { check($make, super::an_upload_replaces_nothing) }
        #[test]
        fn an_aborted_upload_is_gone() { check($make, super::an_aborted_upload_is_gone) }
        #[test]
        fn open_uploads_are_listed_by_their_keys() { check($make, super::open_uploads_are_listed_by_their_keys) }
        #[test]
        fn long_listings_of_uploads_come_in_pages() { check($make, super::long_listings_of_uploads_come_in_pages) }
        #[test]
        fn the_clock_is_the_one_that_dates_uploads() { check($make, super::the_clock_is_the_one_that_dates_uploads) }
        #[test]
        fn of_many_writers_one_wins() { check($make, super::of_many_writers_one_wins) }
        #[test]
        fn no_replacement_is_lost() { check($make, super::no_replacement_is_lost) }
    })* };
}

suite! {
    in_memory: memory();
    in_a_folder: folder();
    behind_a_wrapper: wrapped();
    in_s3: s3();
}

fn check<F: Future<Output = ()>>(subject: Subject, test: impl FnOnce(Arc<dyn Store>) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test(Arc::clone(&subject.store)));
}

fn body(text: &str) -> Body {
    Bytes::copy_from_slice(text.as_bytes()).into()
}

async fn text(store: &dyn Store, key: &LakeKey) -> Option<String> {
    let (bytes, _) = store.get(key).await.unwrap()?;
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

async fn an_object_is_written_once(store: Arc<dyn Store>) {
    let key = key("t/hour=01/a b.parquet");
    assert_eq!(text(&*store, &key).await, None);
    assert_eq!(store.head(&key).await.unwrap(), None);
    assert_eq!(store.put_if_absent(&key, body("one")).await.unwrap(), Put::Written);
    assert_eq!(store.put_if_absent(&key, body("two")).await.unwrap(), Put::Exists);
    assert_eq!(store.put_if_absent(&key, body("one")).await.unwrap(), Put::Exists);
    assert_eq!(text(&*store, &key).await.as_deref(), Some("one"));
    let meta = store.head(&key).await.unwrap().unwrap();
    assert_eq!((meta.size, meta.tag), (3, store.get(&key).await.unwrap().unwrap().1));
    assert_eq!(
        text(&*store, &support::key("t/hour=01")).await,
        None,
        "a folder is no object"
    );
    assert_eq!(
        text(&*store, &support::key("t/hour=01/a b.parquet/x")).await,
        None,
        "an object is no folder"
    );
    assert_eq!(
        store.put_if_absent(&support::key("empty"), body("")).await.unwrap(),
        Put::Written
    );
    assert_eq!(text(&*store, &support::key("empty")).await.as_deref(), Some(""));
}

async fn a_replacement_needs_the_right_tag(store: Arc<dyn Store>) {
    let key = key("_lakebed/claims/x.json");
    let bytes = Bytes::from_static;
    assert_eq!(
        store.put_if_match(&key, bytes(b"0"), &Tag::new("none")).await.unwrap(),
        Replace::Absent
    );
    store.put_if_absent(&key, body("1")).await.unwrap();
    let (_, first) = store.get(&key).await.unwrap().unwrap();
    assert_eq!(
        store.put_if_match(&key, bytes(b"2"), &Tag::new("none")).await.unwrap(),
        Replace::Changed
    );
    assert_eq!(
        store.put_if_match(&key, bytes(b"2"), &first).await.unwrap(),
        Replace::Written
    );
    assert_eq!(
        store.put_if_match(&key, bytes(b"3"), &first).await.unwrap(),
        Replace::Changed
    );
    assert_eq!(text(&*store, &key).await.as_deref(), Some("2"));
    let (_, second) = store.get(&key).await.unwrap().unwrap();
    store.delete(&key).await.unwrap();
    assert_eq!(
        store.put_if_match(&key, bytes(b"3"), &second).await.unwrap(),
        Replace::Absent
    );
    assert_eq!(text(&*store, &key).await, None);
}

async fn deleting_is_repeatable(store: Arc<dyn Store>) {
    let key = key("t/a");
    store.delete(&key).await.unwrap();
    store.put_if_absent(&key, body("1")).await.unwrap();
    store.delete(&key).await.unwrap();
    store.delete(&key).await.unwrap();
    assert_eq!(text(&*store, &key).await, None);
    assert_eq!(store.put_if_absent(&key, body("2")).await.unwrap(), Put::Written);
}

async fn ranges_are_cut_at_the_end(store: Arc<dyn Store>) {
    let key = key("_lakebed/open/x");
    assert_eq!(store.get_range(&key, 0..5).await.unwrap(), None);
    store.put_if_absent(&key, body("0123456789")).await.unwrap();
    for (range, expected) in [
        (0..10, "0123456789"),
        (3..5, "34"),
        (8..20, "89"),
        (10..20, ""),
        (50..60, ""),
        (4..4, ""),
        (0..u64::MAX, "0123456789"),
    ] {
        let found = store.get_range(&key, range.clone()).await.unwrap().unwrap();
        assert_eq!(found, expected.as_bytes(), "{range:?}");
    }
}

async fn bodies_come_from_memory_and_spool_files(store: Arc<dyn Store>) {
    let mut spool = tempfile::tempfile().unwrap();
    let long: Vec<u8> = (0..3_000_000u32).map(|i| (i * 7) as u8).collect();
    spool.write_all(&long).unwrap();
    let spool = Arc::new(spool);
    let mut all = body("head\n");
    all.append(Body::file(Arc::clone(&spool), 1000..2_900_000));
    all.append(body("\ntail"));
    let key = key("_lakebed/open/x");
    assert_eq!(store.put_if_absent(&key, all).await.unwrap(), Put::Written);
    let expected = [b"head\n".as_slice(), &long[1000..2_900_000], b"\ntail"].concat();
    assert!(store.get(&key).await.unwrap().unwrap().0 == expected);
    let short = support::key("t/short");
    assert!(
        store
            .put_if_absent(&short, Body::file(spool, 0..3_000_001))
            .await
            .is_err()
    );
    assert_eq!(store.head(&short).await.unwrap(), None, "half an object is none");
}

async fn content_is_compared_by_size_and_checksum(store: Arc<dyn Store>) {
    let key = key("t/a");
    let compare = |text: &'static str| {
        let (store, key) = (Arc::clone(&store), key.clone());
        async move {
            store
                .compare(&key, text.len() as u64, &Checksum::of(text.as_bytes()), &[])
                .await
                .unwrap()
        }
    };
    assert_eq!(compare("one").await, Compared::Absent);
    store.put_if_absent(&key, body("one")).await.unwrap();
    assert_eq!(compare("one").await, Compared::Same);
    assert_eq!(compare("two").await, Compared::Different);
    assert_eq!(compare("longer").await, Compared::Different);
}

async fn listings_follow_the_bytes_of_whole_keys(store: Arc<dyn Store>) {
    let names = [
        "t/a", "t/a-b/x", "t/a/x", "t/a/y/z", "t/a0", "t/b", "t2/x", "t-/x", "t/é/x", "t/B",
    ];
    // `t/a` is an object and a folder in S3; a folder of files cannot hold both.
    for name in &names[1..] {
        store.put_if_absent(&key(name), body(name)).await.unwrap();
    }
    let listed = |page: Page| {
        page.objects
            .into_iter()
            .map(|found| found.key.to_string())
            .collect::<Vec<_>>()
    };
    let all = ["t/B", "t/a-b/x", "t/a/x", "t/a/y/z", "t/a0", "t/b", "t/é/x"];
    assert_eq!(listed(store.list(&key("t"), None).await.unwrap()), all);
    assert_eq!(
        listed(store.list(&key("t/a"), None).await.unwrap()),
        ["t/a/x", "t/a/y/z"]
    );
    assert_eq!(listed(store.list(&key("nowhere"), None).await.unwrap()), [""; 0]);
    for after in [
        "t/B", "t/a-b", "t/a-b/x", "t/a/", "t/a/x", "t/a/y", "t/a/y/z", "t/a/zz", "t/zz", "s", "u",
    ] {
        let Ok(after) = LakeKey::new(after) else { continue };
        let expected: Vec<_> = all.into_iter().filter(|name| *name > after.as_str()).collect();
        assert_eq!(
            listed(store.list(&key("t"), Some(&after)).await.unwrap()),
            expected,
            "after {after}"
        );
    }
    let found = &store.list(&key("t2"), None).await.unwrap().objects[0];
    assert_eq!(found.size, 4);
}

async fn long_listings_come_in_pages(store: Arc<dyn Store>) {
    for n in 0..2005 {
        store
            .put_if_absent(&key(&format!("t/hour={:02}/{n:04}", n % 24)), body(""))
            .await
            .unwrap();
    }
    let mut pages = Vec::new();
    let mut found: Vec<LakeKey> = Vec::new();
    loop {
        let page = store.list(&key("t"), found.last()).await.unwrap();
        pages.push(page.objects.len());
        found.extend(page.objects.into_iter().map(|listed| listed.key));
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, [1000, 1000, 5]);
    assert!(found.is_sorted());
}

async fn uploaded(store: &dyn Store, key: &LakeKey, texts: &[&str]) -> (UploadId, Vec<Part>) {
    let id = store.start_upload(key).await.unwrap();
    let mut parts = Vec::new();
    let mut offset = 0;
    for (n, text) in texts.iter().enumerate() {
        // A part may be sent again.
        for _ in 0..2 {
            let part = store
                .upload_part(key, &id, n as u32 + 1, offset, body(text))
                .await
                .unwrap();
            assert_eq!(part.size, text.len() as u64);
            assert!(part.sha256.is_none_or(|sum| sum == Checksum::of(text.as_bytes())));
            parts.truncate(n);
            parts.push(part);
        }
        offset += text.len() as u64;
    }
    (id, parts)
}

async fn an_upload_is_invisible_until_completed(store: Arc<dyn Store>) {
    let key = key("t/hour=01/big");
    let (id, parts) = uploaded(&*store, &key, &["first part, ", "second part"]).await;
    assert_eq!(text(&*store, &key).await, None);
    assert_eq!(store.list(&support::key("t"), None).await.unwrap().objects, []);
    // Ids and parts travel as JSON in the intent.
    let id: UploadId = serde_json::from_str(&serde_json::to_string(&id).unwrap()).unwrap();
    let parts: Vec<Part> = serde_json::from_str(&serde_json::to_string(&parts).unwrap()).unwrap();
    assert_eq!(
        store.complete_upload_if_absent(&key, &id, &parts).await.unwrap(),
        Complete::Written
    );
    assert_eq!(text(&*store, &key).await.as_deref(), Some("first part, second part"));
    let whole = Checksum::of(b"first part, second part");
    assert_eq!(store.compare(&key, 23, &whole, &parts).await.unwrap(), Compared::Same);
    assert_ne!(
        store.complete_upload_if_absent(&key, &id, &parts).await.unwrap(),
        Complete::Written
    );
    store.abort_upload(&key, &id).await.unwrap();
    assert_eq!(text(&*store, &key).await.as_deref(), Some("first part, second part"));
}

async fn an_upload_replaces_nothing(store: Arc<dyn Store>) {
    let key = key("t/big");
    let (id, parts) = uploaded(&*store, &key, &["upload"]).await;
    let (other, _) = uploaded(&*store, &key, &["other"]).await;
    assert_ne!(id, other);
    store.put_if_absent(&key, body("there")).await.unwrap();
    assert_eq!(
        store.complete_upload_if_absent(&key, &id, &parts).await.unwrap(),
        Complete::Exists
    );
    assert_eq!(text(&*store, &key).await.as_deref(), Some("there"));
    store.delete(&key).await.unwrap();
    assert_eq!(
        store.complete_upload_if_absent(&key, &id, &parts).await.unwrap(),
        Complete::Written
    );
    assert_eq!(text(&*store, &key).await.as_deref(), Some("upload"));
}

async fn an_aborted_upload_is_gone(store: Arc<dyn Store>) {
    let key = key("t/big");
    let (id, parts) = uploaded(&*store, &key, &["upload"]).await;
    store.abort_upload(&key, &id).await.unwrap();
    store.abort_upload(&key, &id).await.unwrap();
    assert!(store.upload_part(&key, &id, 1, 0, body("late")).await.is_err());
    assert_eq!(
        store.complete_upload_if_absent(&key, &id, &parts).await.unwrap(),
        Complete::NoSuchUpload
    );
    assert_eq!(text(&*store, &key).await, None);
    for id in ["", "../../etc/passwd", "0123456789abcdef"] {
        let id = UploadId::new(id);
        assert_eq!(
            store.complete_upload_if_absent(&key, &id, &parts).await.unwrap(),
            Complete::NoSuchUpload
        );
        store.abort_upload(&key, &id).await.unwrap();
    }
}

/// Keys of all that are open, page by page, and how many each page has.
async fn open_uploads(store: &dyn Store) -> (Vec<OpenUpload>, Vec<usize>) {
    let (mut all, mut pages, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let UploadPage { uploads, next } = store.list_uploads(after.as_ref()).await.unwrap();
        pages.push(uploads.len());
        all.extend(uploads);
        match next {
            Some(next) => after = Some(next),
            None => return (all, pages),
        }
    }
}

async fn open_uploads_are_listed_by_their_keys(store: Arc<dyn Store>) {
    assert_eq!(
        open_uploads(&*store).await,
        (vec![], vec![0]),
        "of a lake that is not there"
    );
    let mut expected = Vec::new();
    for name in [
        "t/hour=01/x",
        "t-/x",
        "_lakebed/quarantine/date=2024-05-01/x",
        "t/hour=01/a b+é%",
        "t/hour=01/x",
    ] {
        let (id, parts) = uploaded(&*store, &key(name), &["one"]).await;
        expected.push((key(name), id, parts));
    }
    let done = uploaded(&*store, &key("t/done"), &["one"]).await;
    store
        .complete_upload_if_absent(&key("t/done"), &done.0, &done.1)
        .await
        .unwrap();
    let gone = uploaded(&*store, &key("t/gone"), &["one"]).await;
    store.abort_upload(&key("t/gone"), &gone.0).await.unwrap();
    store.put_if_absent(&key("t/object"), body("x")).await.unwrap();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    let names = |all: &[OpenUpload]| all.iter().map(|open| open.key.clone()).collect::<Vec<_>>();
    let (open, _) = open_uploads(&*store).await;
    assert_eq!(
        names(&open),
        expected.iter().map(|(key, ..)| key.clone()).collect::<Vec<_>>()
    );
    for (key, id, _) in &expected {
        assert!(open.iter().any(|open| open.key == *key && open.id == *id), "{key}");
    }
    // What is listed can be thrown away, and no other with it.
    let first = &open[3];
    store.abort_upload(&first.key, &first.id).await.unwrap();
    let (left, _) = open_uploads(&*store).await;
    assert_eq!(left.len(), 4);
    assert!(!left.contains(first));
    let (key, id, parts) = expected
        .iter()
        .find(|(key, id, _)| (key, id) != (&first.key, &first.id))
        .unwrap();
    assert_eq!(
        store.complete_upload_if_absent(key, id, parts).await.unwrap(),
        Complete::Written
    );
}

async fn long_listings_of_uploads_come_in_pages(store: Arc<dyn Store>) {
    for n in 0..2005 {
        // Several of one key, also where a page ends.
        store
            .start_upload(&key(&format!("t/hour={:02}/{:04}", n % 24, n / 72)))
            .await
            .unwrap();
    }
    let (open, pages) = open_uploads(&*store).await;
    assert_eq!(pages, [1000, 1000, 5]);
    assert!(open.is_sorted_by(|one, next| one.key <= next.key));
    let ids: BTreeSet<&str> = open.iter().map(|open| open.id.as_str()).collect();
    assert_eq!(ids.len(), 2005, "each once");
}

async fn the_clock_is_the_one_that_dates_uploads(store: Arc<dyn Store>) {
    store
        .put_if_absent(&key("_lakebed/lake.json"), body("{}"))
        .await
        .unwrap();
    let before = store.now().await.unwrap();
    store.start_upload(&key("t/x")).await.unwrap();
    let after = store.now().await.unwrap();
    let (open, _) = open_uploads(&*store).await;
    // Clocks of file systems move in ticks, and those of S3 in seconds.
    let begun = open[0].last_modified;
    assert!(before <= begun && begun <= after, "{before:?} {begun:?} {after:?}");
    let page = store.list(&key("_lakebed"), None).await.unwrap();
    assert_eq!(page.objects.len(), 1, "nothing was written");
}

async fn of_many_writers_one_wins(store: Arc<dyn Store>) {
    for round in 0..20 {
        let key = key(&format!("t/hour={round}/x"));
        let writers: Vec<_> = (0..16)
            .map(|n| {
                let (store, key) = (Arc::clone(&store), key.clone());
                tokio::spawn(async move {
                    let text = format!("writer {n}");
                    (store.put_if_absent(&key, body(&text)).await.unwrap() == Put::Written).then_some(text)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for writer in writers {
            winners.extend(writer.await.unwrap());
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(text(&*store, &key).await.as_ref(), winners.first());
    }
}

async fn no_replacement_is_lost(store: Arc<dyn Store>) {
    let counter = key("_lakebed/tables/x.json");
    store.put_if_absent(&counter, body("0")).await.unwrap();
    let adders: Vec<_> = (0..8)
        .map(|_| {
            let (store, counter) = (Arc::clone(&store), counter.clone());
            tokio::spawn(async move {
                let mut added = 0;
                while added < 5 {
                    let (bytes, tag) = store.get(&counter).await.unwrap().unwrap();
                    let n: u32 = std::str::from_utf8(&bytes).unwrap().parse().unwrap();
                    let next = Bytes::from((n + 1).to_string());
                    if store.put_if_match(&counter, next, &tag).await.unwrap() == Replace::Written {
                        added += 1;
                    }
                }
            })
        })
        .collect();
    for adder in adders {
        adder.await.unwrap();
    }
    assert_eq!(text(&*store, &counter).await.as_deref(), Some("40"));
}

/// A folder also lists what killed processes left of single objects, and nothing else that is hidden.
#[test]
fn what_a_killed_process_left_in_a_folder_is_listed_with_the_uploads() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "half").unwrap();
    };
    let ours = [
        "_lakebed/claims/.x.json.4711.0.tmp",
        "t/hour=01/.x-0000.parquet.12.3.tmp",
        "t/hour=01/.y.0123456789abcdef.upload",
    ];
    let theirs = [
        ".gitignore",
        "t/.DS_Store",
        "t/.hidden/.x.1.2.tmp",
        "t/x.1.2.tmp",
        "t/.x.upload",
        "t/.x.tmp",
    ];
    ours.iter().chain(&theirs).for_each(|name| write(name));
    std::os::unix::fs::symlink(folder.path().join("t"), folder.path().join("link")).unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (open, _) = open_uploads(&store).await;
        let found: Vec<_> = open
            .iter()
            .map(|open| format!("{} {}", open.key, open.id.as_str()))
            .collect();
        let expected = [
            "_lakebed/claims/x.json 4711.0",
            "t/hour=01/x-0000.parquet 12.3",
            "t/hour=01/y 0123456789abcdef",
        ];
        assert_eq!(found, expected);
        for open in &open {
            store.abort_upload(&open.key, &open.id).await.unwrap();
            store.abort_upload(&open.key, &open.id).await.unwrap();
        }
        assert_eq!(open_uploads(&store).await.0, []);
    });
    assert!(ours.iter().all(|name| !folder.path().join(name).exists()));
    assert!(theirs.iter().all(|name| folder.path().join(name).exists()));
}

/// In S3 others may have uploads below the same prefix, under names that no key of a lake is.
#[test]
fn uploads_of_others_in_s3_are_passed_over() {
    let mut model = Model::default();
    model.create_bucket("lake");
    for key in ["p/t/a", "p/.hidden/x", "p/a//b", "p/a\u{1}b", "p2/x", "p", "o/x"] {
        model
            .create_upload(At::new("lake", key), Headers::default(), None, None)
            .unwrap();
    }
    let server = Server::start(model);
    let store = S3Store::new(S3::with_client(server.client(), None), &"s3://lake/p".parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (open, _) = runtime.block_on(open_uploads(&store));
    assert_eq!(open.iter().map(|open| open.key.as_str()).collect::<Vec<_>>(), ["t/a"]);
}
