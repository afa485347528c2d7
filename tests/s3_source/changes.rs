//! Objects that change under a job: overwritten, deleted or forbidden between the listing and the last byte.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Fates, Process, before_get, gets, list, raw_log, s3, seed, server};
use crate::sandbox::{events, lines};
use crate::support::s3::{At, Effect, Entry, Fault, Model, Server, Versioning};

const OLD: Range<u64> = 0..9000;
const NEW: Range<u64> = 10_000..19_000;
const OTHER: Range<u64> = 20_000..20_010;
const STATES: [Versioning; 3] = [Versioning::Off, Versioning::On, Versioning::Suspended];

/// Records of a kilobyte each: 9,000 of them are an object of three ranges.
fn large(ids: Range<u64>) -> String {
    events(ids, 3, 60, "\n")
}

/// `a` of three ranges, and `b`.
fn server_with(versioning: Versioning) -> Arc<Server> {
    let server = server();
    server.model().bucket("raw").versioning = versioning;
    seed(&server, "a", large(OLD));
    seed(&server, "b", lines(OTHER));
    server
}

fn overwrite(model: &mut Model) {
    model.seed("raw", "a", large(NEW));
}

fn delete(model: &mut Model) {
    model.delete(At::new("raw", "a"), None).unwrap();
}

/// A process whose listing was made before what happens next.
async fn listed(server: &Server) -> (Process, Vec<lakebed::source::listing::Source>) {
    let sources = list(s3(server), "s3://raw").await.sources;
    let process = Process::local(s3(server)).await;
    server.clear_log();
    (process, sources)
}

fn fates(all: &[(&str, &str)]) -> Fates {
    all.iter()
        .map(|(key, fate)| ((*key).to_owned(), (*fate).to_owned()))
        .collect()
}

#[track_caller]
fn holds(process: &Process, ranges: &[Range<u64>]) {
    let expected: Vec<u64> = ranges.iter().cloned().flatten().collect();
    let ids = process.ids();
    // Not assert_eq: thousands of numbers would be printed.
    assert!(
        ids == expected,
        "{} ids, of {:?} to {:?}",
        ids.len(),
        ids.first(),
        ids.last()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_overwritten_under_the_job_is_loaded_once_in_one_version() {
    for versioning in STATES {
        for range in 1..=3 {
            let case = format!("{versioning:?}, before range {range}");
            let server = server_with(versioning);
            let (process, sources) = listed(&server).await;
            before_get(&server, "a", range, overwrite);
            let (_, became) = process.load(sources).await;
            assert_eq!(became, fates(&[("a", "loaded"), ("b", "loaded")]), "{case}");
            // Begun in a bucket with versions, it is read on in that version; else what is there now is read.
            let is_old = versioning == Versioning::On && range > 1;
            holds(&process, &[if is_old { OLD } else { NEW }, OTHER]);

            let (_, became) = process.load(list(s3(&server), "s3://raw").await.sources).await;
            let again = if is_old { "loaded" } else { "already" };
            assert_eq!(became, fates(&[("a", again), ("b", "already")]), "{case}");
            holds(&process, &[NEW, OTHER]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_put_again_with_the_same_bytes_is_loaded_as_it_is_now() {
    for versioning in STATES {
        let server = server_with(versioning);
        let (process, sources) = listed(&server).await;
        before_get(&server, "a", 1, |model| {
            model.advance(Duration::from_secs(5));
            model.seed("raw", "a", large(OLD));
        });
        let (_, became) = process.load(sources).await;
        assert_eq!(became, fates(&[("a", "loaded"), ("b", "loaded")]), "{versioning:?}");
        let (_, became) = process.load(list(s3(&server), "s3://raw").await.sources).await;
        assert_eq!(became, fates(&[("a", "already"), ("b", "already")]), "{versioning:?}");
        holds(&process, &[OLD, OTHER]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_object_that_is_overwritten_after_the_first_look_is_loaded_in_one_version() {
    for versioning in STATES {
        let server = server_with(versioning);
        let (process, _) = listed(&server).await;
        before_get(&server, "a", 2, overwrite);
        let (_, became) = process.load_announced(&["a", "b"]).await;
        assert_eq!(became, fates(&[("a", "loaded"), ("b", "loaded")]), "{versioning:?}");
        // A large one is read in ranges, of which the first was not asked for yet.
        holds(&process, &[NEW, OTHER]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_deleted_under_the_job_is_missing_and_the_others_are_loaded() {
    for versioning in STATES {
        for range in 1..=2 {
            let case = format!("{versioning:?}, before range {range}");
            let server = server_with(versioning);
            let (process, sources) = listed(&server).await;
            before_get(&server, "a", range, delete);
            let (summary, became) = process.load(sources).await;
            // Behind the marker the version is still there, where it has an id of its own.
            if versioning == Versioning::On && range == 2 {
                assert_eq!(became, fates(&[("a", "loaded"), ("b", "loaded")]), "{case}");
                holds(&process, &[OLD, OTHER]);
                continue;
            }
            assert_eq!(became, fates(&[("a", "Source.Missing"), ("b", "loaded")]), "{case}");
            assert!(
                summary.failed[0].message.contains("is not there"),
                "{:?}",
                summary.failed
            );
            assert!(!summary.failed[0].transient);
            holds(&process, &[OTHER]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_object_that_is_gone_is_missing_and_the_others_are_loaded() {
    for versioning in STATES {
        let server = server_with(versioning);
        let (process, _) = listed(&server).await;
        delete(&mut server.model());
        let (_, became) = process.load_announced(&["a", "b", "never"]).await;
        let expected = [("a", "Source.Missing"), ("b", "loaded"), ("never", "Source.Missing")];
        assert_eq!(became, fates(&expected), "{versioning:?}");
        holds(&process, &[OTHER]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_never_rests_is_given_back_and_the_others_are_loaded() {
    let server = server_with(Versioning::Off);
    let (process, sources) = listed(&server).await;
    let (again, mut n) = (Arc::downgrade(&server), 0);
    server.inject(Fault::on("GetObject", Effect::Close).request(move |entry: &Entry| {
        if let Some(server) = again.upgrade().filter(|_| entry.key == "a") {
            n += 1;
            server.model().seed("raw", "a", format!("{{\"n\":{n}}}"));
        }
        false
    }));
    let (summary, became) = process.load(sources).await;
    assert_eq!(became, fates(&[("a", "Source.Changed"), ("b", "loaded")]));
    assert!(summary.failed[0].transient, "{:?}", summary.failed);
    assert!(gets(&server, "a") <= 6, "{}", gets(&server, "a"));
    holds(&process, &[OTHER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_leave_to_read_versions_the_condition_has_to_do() {
    let by_version = |entry: &Entry| entry.query.contains_key("versionId");
    for overwritten in [false, true] {
        let server = server_with(Versioning::On);
        seed(&server, "c", large(30_000..39_000));
        let (process, sources) = listed(&server).await;
        server.inject(Fault::on("GetObject", Effect::ACCESS_DENIED).request(by_version));
        if overwritten {
            // Asked for by version, refused, asked for again.
            before_get(&server, "a", 3, overwrite);
        }
        let (_, became) = process.load(sources).await;
        assert_eq!(became, fates(&[("a", "loaded"), ("b", "loaded"), ("c", "loaded")]));
        holds(&process, &[if overwritten { NEW } else { OLD }, OTHER, 30_000..39_000]);
        let log = raw_log(&server);
        let by_version = log.iter().filter(|entry| by_version(entry)).count();
        assert!(
            (1..=3).contains(&by_version),
            "only those under way when the first was refused: {by_version}"
        );
        let gets = log.iter().filter(|entry| entry.operation == "GetObject");
        assert!(gets.clone().all(|entry| entry.header("if-match").is_some()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_may_not_be_read_fails_alone() {
    for (operations, denied) in [
        (&["GetObject", "HeadObject"][..], &["d/3"][..]),
        (&["GetObject"], &["d/3"]),
        (&["GetObject", "HeadObject"], &["d/0", "d/3", "d/4", "d/9"]),
        (&["GetObject"], &["d/0", "d/9"]),
    ] {
        for announced in [false, true] {
            let server = server();
            for n in 0..10 {
                seed(&server, &format!("d/{n}"), lines(n * 10..n * 10 + 10));
            }
            let (process, sources) = listed(&server).await;
            for operation in operations {
                server.inject(Fault::on(operation, Effect::ACCESS_DENIED).key(|key| denied.contains(&key)));
            }
            let keys: Vec<_> = sources.iter().map(|source| source.name.key.clone()).collect();
            let (summary, became) = if announced {
                process
                    .load_announced(&keys.iter().map(String::as_str).collect::<Vec<_>>())
                    .await
            } else {
                process.load(sources).await
            };
            let mut expected = Vec::new();
            for key in &keys {
                let is_denied = denied.contains(&key.as_str());
                assert_eq!(
                    became[key],
                    if is_denied { "Source.Unreadable" } else { "loaded" },
                    "{key}"
                );
                let n: u64 = key[2..].parse().unwrap();
                expected.extend((!is_denied).then_some(n * 10..n * 10 + 10));
            }
            for (failed, key) in summary.failed.iter().zip(denied) {
                let allow = format!("allow s3:GetObject on arn:aws:s3:::raw/{key}");
                assert!(failed.message.contains(&allow) && !failed.transient, "{failed:?}");
                assert_eq!(failed.source, format!("s3://raw/{key}"));
            }
            assert_eq!(summary.failed.len(), denied.len());
            holds(&process, &expected);
            assert_eq!(process.lake().outcomes().len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_objects_that_went_after_the_listing_are_found_at_once() {
    let server = server();
    for n in 0..100 {
        seed(&server, &format!("d/{n:02}"), lines(n * 10..n * 10 + 10));
    }
    let (process, sources) = listed(&server).await;
    for n in (0..100).step_by(2) {
        server
            .model()
            .delete(At::new("raw", &format!("d/{n:02}")), None)
            .unwrap();
    }
    let (summary, became) = process.load(sources).await;
    assert_eq!((summary.sources.done, summary.sources.failed), (50, 50));
    assert!(became.iter().all(|(key, fate)| {
        let is_gone = key[2..].parse::<u64>().unwrap() % 2 == 0;
        fate == if is_gone { "Source.Missing" } else { "loaded" }
    }));
    assert!(
        raw_log(&server).len() < 250,
        "{} requests for 100 objects",
        raw_log(&server).len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_a_moment_stops_no_other_object_for_good() {
    let server = server_with(Versioning::Off);
    let (process, sources) = listed(&server).await;
    server.inject(Fault::on("GetObject", Effect::SLOW_DOWN).key(|key| key == "a"));
    let (summary, became) = process.load(sources).await;
    assert_eq!(became, fates(&[("a", "Source.Unreadable"), ("b", "loaded")]));
    assert!(
        summary.failed[0].transient && summary.failed[0].message.contains("fewer requests"),
        "{:?}",
        summary.failed
    );
    holds(&process, &[OTHER]);
    server.clear_faults();
    let (_, became) = process.load(list(s3(&server), "s3://raw").await.sources).await;
    assert_eq!(became, fates(&[("a", "loaded"), ("b", "already")]));
    holds(&process, &[OLD, OTHER]);
}
