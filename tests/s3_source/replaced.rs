//! Objects overwritten, deleted or denied after they were loaded: a job takes the place of the one that has their rows.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use lakebed::source::listing::Source;

use crate::harness::{Fates, Process, before_get, list, name, raw_log, s3, seed, server};
use crate::sandbox::lines;
use crate::support::s3::{At, Effect, Entry, Fault, Server, Versioning};

const OLD: [Range<u64>; 3] = [0..10, 20..30, 40..50];
const NEW: Range<u64> = 10..20;
const STATES: [Versioning; 3] = [Versioning::Off, Versioning::On, Versioning::Suspended];

/// Three objects that were loaded as one job, long ago.
async fn loaded(versioning: Versioning) -> (Arc<Server>, Process) {
    let server = server();
    server.model().bucket("raw").versioning = versioning;
    for (key, ids) in ["a", "b", "c"].into_iter().zip(OLD) {
        seed(&server, key, lines(ids));
    }
    let process = Process::local(s3(&server)).await;
    process.load(listed(&server).await).await;
    advance(&server, 60);
    server.clear_log();
    (server, process)
}

fn advance(server: &Server, seconds: u64) {
    server.model().advance(Duration::from_secs(seconds));
}

fn delete(server: &Server, key: &str) {
    server.model().delete(At::new("raw", key), None).unwrap();
}

async fn listed(server: &Server) -> Vec<Source> {
    list(s3(server), "s3://raw").await.sources
}

fn fates(all: &[(&str, &str)]) -> Fates {
    all.iter()
        .map(|(key, fate)| ((*key).to_owned(), (*fate).to_owned()))
        .collect()
}

#[track_caller]
fn holds(process: &Process, ranges: &[Range<u64>], case: &str) {
    let expected: Vec<u64> = ranges.iter().cloned().flatten().collect();
    assert_eq!(process.ids(), expected, "{case}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_objects_of_a_job_move_with_the_one_that_was_overwritten() {
    for versioning in STATES {
        let (server, process) = loaded(versioning).await;
        seed(&server, "a", lines(NEW));
        seed(&server, "d", lines(60..70));
        delete(&server, "b");
        advance(&server, 5);
        let (summary, became) = process.load(listed(&server).await).await;
        let case = format!("{versioning:?}");
        let expected = [("a", "loaded"), ("c", "already"), ("d", "loaded")];
        assert_eq!(became, fates(&expected), "{case}");
        assert_eq!((summary.replaced_jobs, summary.sources.done), (1, 2), "{case}");
        // What is gone from raw stays in the lake.
        holds(&process, &[NEW, 20..30, 40..50, 60..70], &case);
        let (summary, became) = process.load(listed(&server).await).await;
        let expected = [("a", "already"), ("c", "already"), ("d", "already")];
        assert_eq!((became, summary.replaced_jobs), (fates(&expected), 0), "{case}");
    }
}

/// Last-Modified counts seconds, so what is younger than two may be overwritten under the same name.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_overwritten_just_now_is_waited_for() {
    let looks = |server: &Server| {
        let log = raw_log(server);
        let heads = log
            .iter()
            .filter(|entry| entry.operation == "HeadObject" && entry.key == "a");
        heads.count()
    };
    for (age_s, expected) in [(0, 3), (1, 3), (2, 2), (60, 2)] {
        let (server, process) = loaded(Versioning::Off).await;
        seed(&server, "a", lines(NEW));
        advance(&server, age_s);
        process.load_announced(&["a"]).await;
        // One after the claim; another, and once more where it is young.
        assert_eq!(looks(&server), expected, "{age_s} s old");
        holds(&process, &[NEW, 20..30, 40..50], "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_put_back_within_the_second_is_seen() {
    let (server, process) = loaded(Versioning::Off).await;
    seed(&server, "a", lines(60..70));
    advance(&server, 5);
    process.load_announced(&["a"]).await;
    // Overwritten, and put back while the other content is waited for.
    seed(&server, "a", lines(NEW));
    let (again, mut heads) = (Arc::downgrade(&server), 0);
    server.inject(Fault::on("HeadObject", Effect::Close).request(move |entry: &Entry| {
        heads += u32::from(entry.key == "a");
        if let Some(server) = again.upgrade().filter(|_| heads == 3) {
            server.model().seed("raw", "a", lines(60..70));
            server.model().advance(Duration::from_secs(3));
        }
        false
    }));
    process.load_announced(&["a"]).await;
    process.load_announced(&["a"]).await;
    holds(&process, &[20..30, 40..50, 60..70], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_cannot_be_read_keeps_its_rows() {
    let archived = Effect::Answer(403, "InvalidObjectState");
    for (operation, effect) in [
        ("GetObject", archived),
        ("GetObject", Effect::ACCESS_DENIED),
        ("HeadObject", Effect::ACCESS_DENIED),
    ] {
        for overwritten in [false, true] {
            let case = format!("{operation} {effect:?}, overwritten: {overwritten}");
            let (server, process) = loaded(Versioning::Off).await;
            seed(&server, "a", lines(NEW));
            if overwritten {
                seed(&server, "b", lines(80..90));
            }
            advance(&server, 5);
            server.inject(Fault::on(operation, effect.clone()).key(|key| key == "b"));
            let (_, became) = process.load_announced(&["a"]).await;
            assert_eq!(became, fates(&[("a", "loaded")]), "{case}");
            holds(&process, &[NEW, 20..30, 40..50], &case);
            // Later it can be read, and is looked at like any other.
            server.clear_faults();
            let (_, became) = process.load(listed(&server).await).await;
            let b = if overwritten { "loaded" } else { "already" };
            assert_eq!(became, fates(&[("a", "already"), ("b", b), ("c", "already")]), "{case}");
            let b = if overwritten { 80..90 } else { 20..30 };
            let mut expected = [NEW, b, 40..50];
            expected.sort_by_key(|range| range.start);
            holds(&process, &expected, &case);
        }
    }
}

/// What is found out of one neighbour is found out of all, not of one after another.
#[tokio::test(flavor = "multi_thread")]
async fn many_neighbours_that_cannot_be_read_cost_few_requests() {
    const NEIGHBOURS: u64 = 100;
    for operation in ["GetObject", "HeadObject"] {
        let server = server();
        let key = |n: u64| format!("{n:03}");
        for n in 0..=NEIGHBOURS {
            seed(&server, &key(n), lines(n * 10..n * 10 + 10));
        }
        let process = Process::local(s3(&server)).await;
        process.load(listed(&server).await).await;
        advance(&server, 60);
        seed(&server, "000", lines(5000..5010));
        advance(&server, 5);
        server.clear_log();
        server.inject(Fault::on(operation, Effect::Answer(403, "InvalidObjectState")).key(|key| key != "000"));
        let (_, became) = process.load_announced(&["000"]).await;
        assert_eq!(became, fates(&[("000", "loaded")]), "{operation}");
        let requests = raw_log(&server).len() as u64;
        assert!(requests < 5 * NEIGHBOURS, "{operation}: {requests} requests");
        let expected: Vec<u64> = (10..NEIGHBOURS * 10 + 10).chain(5000..5010).collect();
        assert_eq!(process.ids(), expected, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_job_cannot_be_ended_is_told_and_the_others_are_loaded() {
    let (server, process) = loaded(Versioning::Off).await;
    let claims = process.lake().root().join("_lakebed/claims");
    let stray = name("d").id();
    let any = std::fs::read_dir(&claims).unwrap().next().unwrap().unwrap().path();
    let mut claim: serde_json::Value = serde_json::from_slice(&std::fs::read(any).unwrap()).unwrap();
    claim["job"] = "a".repeat(26).into();
    let path = claims.join(format!("{stray}.json"));
    std::fs::write(&path, claim.to_string()).unwrap();
    seed(&server, "d", lines(60..70));
    seed(&server, "e", lines(70..80));
    let (summary, became) = process.load(listed(&server).await).await;
    let expected = [
        ("a", "already"),
        ("b", "already"),
        ("c", "already"),
        ("d", "Lake"),
        ("e", "loaded"),
    ];
    assert_eq!(became, fates(&expected));
    let message = &summary.failed[0].message;
    assert!(message.contains("has neither intent nor outcome"), "{message}");
    std::fs::remove_file(path).unwrap();
    holds(&process, &[0..10, 20..30, 40..50, 70..80], "");
}

/// A neighbour that is written all the time waits for its own turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_that_never_rests_is_in_nobodys_way() {
    let (server, process) = loaded(Versioning::Off).await;
    seed(&server, "a", lines(NEW));
    advance(&server, 5);
    let (again, mut n) = (Arc::downgrade(&server), 0);
    server.inject(Fault::on("GetObject", Effect::Close).request(move |entry: &Entry| {
        if let Some(server) = again.upgrade().filter(|_| entry.key == "b") {
            n += 1;
            server.model().seed("raw", "b", lines(1000 + n..1010 + n));
            server.model().advance(Duration::from_secs(5));
        }
        false
    }));
    let (_, became) = process.load_announced(&["a"]).await;
    assert_eq!(became, fates(&[("a", "loaded")]));
    holds(&process, &[NEW, 20..30, 40..50], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_fails_what_was_asked_for_and_changes_nothing() {
    let (server, process) = loaded(Versioning::Off).await;
    seed(&server, "a", lines(NEW));
    seed(&server, "d", lines(60..70));
    advance(&server, 5);
    server.inject(Fault::on("HeadObject", Effect::SLOW_DOWN).key(|key| key == "b"));
    let (summary, became) = process.load_announced(&["a", "d"]).await;
    assert_eq!(became, fates(&[("a", "Source.Unreadable"), ("d", "loaded")]));
    assert!(summary.failed[0].transient, "{:?}", summary.failed);
    holds(&process, &[0..10, 20..30, 40..50, 60..70], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn reloading_takes_the_place_of_each_job_once() {
    for versioning in STATES {
        let (server, process) = loaded(versioning).await;
        let jobs = |process: &Process| process.lake().codes().len();
        let before = jobs(&process);
        let all = listed(&server).await;
        let (summary, became) = process.reload(all.clone()).await;
        let expected = fates(&[("a", "loaded"), ("b", "loaded"), ("c", "loaded")]);
        assert_eq!((&became, summary.replaced_jobs), (&expected, 1));
        assert_eq!(before, jobs(&process));
        holds(&process, &OLD, "reloaded");
        // One of them alone, while another cannot be read.
        server.inject(Fault::on("GetObject", Effect::ACCESS_DENIED).key(|key| key == "b"));
        let (_, became) = process.reload(all[..1].to_vec()).await;
        assert_eq!(became, fates(&[("a", "loaded")]));
        holds(&process, &OLD, "one reloaded");
        let (_, became) = process.reload(all).await;
        let expected = [("a", "loaded"), ("b", "Source.Unreadable"), ("c", "loaded")];
        assert_eq!(became, fates(&expected));
        holds(&process, &OLD, "all but one reloaded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_a_job_takes_the_place_of_another_is_read_as_it_is_then() {
    for versioning in STATES {
        for (n, key) in [(1, "a"), (1, "b")] {
            for gone in [false, true] {
                let case = format!("{versioning:?}, {key} gone: {gone}");
                let (server, process) = loaded(versioning).await;
                seed(&server, "a", lines(NEW));
                advance(&server, 5);
                before_get(&server, key, n, move |model| {
                    match gone {
                        true => drop(model.delete(At::new("raw", key), None).unwrap()),
                        false => drop(model.seed("raw", key, lines(80..90))),
                    }
                    model.advance(Duration::from_secs(5));
                });
                process.load(listed(&server).await).await;
                process.load(listed(&server).await).await;
                let (a, b) = match (key, gone) {
                    ("a", true) => (0..10, 20..30),
                    ("a", false) => (80..90, 20..30),
                    (_, true) => (NEW, 20..30),
                    (_, false) => (NEW, 80..90),
                };
                let mut expected = [a, b, 40..50];
                expected.sort_by_key(|range| range.start);
                holds(&process, &expected, &case);
            }
        }
    }
}
