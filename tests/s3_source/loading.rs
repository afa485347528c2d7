//! From objects to rows: which requests a job takes, how many at once, and that all of them say whose bucket they mean.

use std::collections::BTreeMap;

use lakebed::s3::S3;

use crate::harness::{Process, copied, gets, ids_in_s3, impatient, list, noise, raw_log, s3, seed, server};
use crate::sandbox::{events, gzip, lines, record};
use crate::support::s3::model::OWNER;
use crate::support::s3::{Effect, Entry, Fault, Server};

/// One record a line, all in one hour.
fn of_one_hour(ids: std::ops::Range<u64>) -> String {
    events(ids, 1, 2, "\n")
}

/// The requests so far without what differs from run to run: `PUT claim`, `GET raw`.
fn shape(server: &Server) -> Vec<String> {
    let of = |entry: &Entry| {
        let verb = match entry.operation {
            "GetObject" => "GET",
            "HeadObject" => "HEAD",
            "PutObject" => "PUT",
            "DeleteObject" => "DELETE",
            "ListObjectsV2" => "LIST",
            other => other,
        };
        let key = entry.key.strip_prefix("x/").unwrap_or_default();
        let what = match key.strip_prefix("_lakebed/") {
            _ if entry.bucket == "raw" => "raw",
            Some(ours) => ours.split_once('/').map_or(ours, |(what, _)| what),
            None if key.ends_with(".parquet") => "data",
            None => key,
        };
        format!("{verb} {what}")
    };
    server.log().iter().map(of).collect()
}

fn counted(server: &Server) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for one in shape(server) {
        *counts.entry(one).or_default() += 1;
    }
    counts
}

#[track_caller]
fn counts_are(server: &Server, expected: &[(&str, usize)]) {
    let expected: BTreeMap<_, _> = expected
        .iter()
        .map(|(what, count)| ((*what).to_owned(), *count))
        .collect();
    assert_eq!(counted(server), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_object_that_is_announced_takes_seven_requests() {
    let server = server();
    let process = Process::in_s3(s3(&server)).await;
    for n in 0..3 {
        seed(&server, &format!("{n}.json"), of_one_hour(n * 10..n * 10 + 10));
    }
    process.load_announced(&["0.json"]).await;
    for key in ["1.json", "2.json"] {
        server.clear_log();
        let (_, fates) = process.load_announced(&[key]).await;
        assert_eq!(fates[key], "loaded");
        let expected = [
            "GET raw",
            "GET claims",
            "PUT open",
            "PUT claims",
            "PUT data",
            "PUT jobs",
            "DELETE open",
        ];
        assert_eq!(shape(&server), expected);
    }
    assert_eq!(ids_in_s3(&server), (0..30).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn further_sources_take_three_requests_each_and_further_files_one() {
    let server = server();
    let process = Process::in_s3(s3(&server)).await;
    for n in 0..6 {
        let broken = if n == 5 { "oops\n" } else { "" };
        seed(&server, &format!("{n}"), lines(n * 20..n * 20 + 20) + broken);
    }
    process.load_announced(&["0"]).await;
    for (case, keys) in [("announced", &["1", "2"][..]), ("listed", &["3", "4", "5"])] {
        let sources = list(s3(&server), "s3://raw").await.sources;
        server.clear_log();
        let (summary, fates) = if case == "announced" {
            process.load_announced(keys).await
        } else {
            process
                .load(
                    sources
                        .into_iter()
                        .filter(|source| keys.contains(&&*source.name.key))
                        .collect(),
                )
                .await
        };
        assert!(keys.iter().all(|key| fates[*key] == "loaded"), "{fates:?}");
        let (sources, files) = (keys.len(), summary.tables["event"].files as usize);
        assert_eq!(files, 6, "one of each hour");
        let mut expected = vec![
            ("GET raw", sources),
            ("GET claims", sources),
            ("PUT open", 1),
            ("PUT claims", sources),
            ("PUT data", files),
            ("PUT jobs", 1),
            ("DELETE open", 1),
        ];
        expected.extend((case == "listed").then_some(("PUT quarantine", 1)));
        counts_are(&server, &expected);
    }
    assert_eq!(ids_in_s3(&server), (0..120).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_loaded_already_is_looked_at_and_not_read() {
    let server = server();
    seed(&server, "a", of_one_hour(0..10));
    Process::in_s3(s3(&server)).await.load_announced(&["a"]).await;
    let process = Process::in_s3(s3(&server)).await;
    server.clear_log();
    let (summary, fates) = process.load_announced(&["a"]).await;
    assert_eq!((fates["a"].as_str(), summary.sources.already), ("already", 1));
    // The first look is a GET: as a rule what is announced is new.
    assert_eq!(shape(&server), ["GET raw", "GET claims", "GET jobs", "HEAD raw"]);
    let listed = list(s3(&server), "s3://raw").await.sources;
    server.clear_log();
    let (_, fates) = process.load(listed).await;
    assert_eq!(fates["a"], "already");
    assert_eq!(
        shape(&server),
        ["GET claims", "HEAD raw"],
        "how the job ended is remembered"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_small_objects_are_one_job_and_one_file_an_hour() {
    let server = server();
    let process = Process::in_s3(s3(&server)).await;
    for n in 0..300 {
        seed(&server, &format!("d/{n:03}.gz"), gzip(lines(n * 10..n * 10 + 10)));
    }
    let sources = list(s3(&server), "s3://raw/d").await.sources;
    server.clear_log();
    let (summary, fates) = process.load(sources.clone()).await;
    assert!(
        fates.len() == 300 && fates.values().all(|fate| fate == "loaded"),
        "{fates:?}"
    );
    assert_eq!((summary.tables["event"].files, summary.tables["event"].hours), (6, 6));
    counts_are(
        &server,
        &[
            ("GET raw", 300),
            ("GET claims", 300),
            ("PUT open", 1),
            ("PUT claims", 300),
            ("PUT data", 6),
            ("PUT jobs", 1),
            ("DELETE open", 1),
            ("GET tables", 1),
            ("PUT tables", 1),
        ],
    );
    assert_eq!(ids_in_s3(&server), (0..3000).collect::<Vec<_>>());

    // A process that knows nothing of it.
    let process = Process::in_s3(s3(&server)).await;
    server.clear_log();
    let (_, fates) = process.load(sources).await;
    assert!(
        fates.len() == 300 && fates.values().all(|fate| fate == "already"),
        "{fates:?}"
    );
    let counts = counted(&server);
    assert_eq!((counts["GET claims"], counts["HEAD raw"]), (300, 300));
    assert!(counts["GET jobs"] <= 16 && counts.len() == 3, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_job_do_not_wait_for_each_other() {
    // One is not answered. How many others come before it is sent again?
    for (operation, what) in [
        ("GetObject", "d/020"),
        ("GetObject", "_lakebed/claims/"),
        ("PutObject", "_lakebed/claims/"),
    ] {
        let server = server();
        for n in 0..60 {
            seed(&server, &format!("d/{n:03}"), record(n));
        }
        let process = Process::in_s3(impatient(&server)).await;
        let sources = list(s3(&server), "s3://raw/d").await.sources;
        // The first claim of a job is laid before the others.
        let fault = Fault::on(operation, Effect::Hang)
            .key(move |key| key.contains(what))
            .nth(1 + u64::from(what != "d/020"));
        server.inject(fault);
        let (_, fates) = process.load(sources).await;
        assert!(
            fates.len() == 60 && fates.values().all(|fate| fate == "loaded"),
            "{fates:?}"
        );
        let log = server.log();
        let hung = log.iter().position(|entry| entry.fault.is_some()).unwrap();
        let again = |entry: &Entry| entry.operation == operation && entry.key == log[hung].key;
        let others = log[hung + 1..].iter().position(again).unwrap();
        // One after another there would be none.
        assert!(others >= 4, "{operation} {what}: {others} others");
        assert_eq!(ids_in_s3(&server), (0..60).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_names_the_expected_owner() {
    let server = server();
    let owned = || S3::with_client(s3(&server).client().clone(), Some(OWNER.to_owned()));
    let process = Process::in_s3(owned()).await;
    seed(&server, "a", lines(0..100) + "oops\n");
    seed(&server, "d/b", lines(100..200));
    seed(&server, "empty", "");
    process.load_announced(&["a", "empty", "nothing"]).await;
    process.load(list(owned(), "s3://raw").await.sources).await;
    assert_eq!(ids_in_s3(&server), (0..200).collect::<Vec<_>>());
    let log = server.log();
    let operations: std::collections::BTreeSet<_> = log.iter().map(|entry| entry.operation).collect();
    assert_eq!(operations.len(), 5, "{operations:?}");
    for entry in log {
        assert_eq!(entry.header("x-amz-expected-bucket-owner"), Some(OWNER), "{entry}");
    }

    // A bucket of somebody else is not read, by no door.
    server.model().bucket("raw").owner = "999999999999".to_owned();
    seed(&server, "c", lines(200..300));
    server.clear_log();
    let (summary, fates) = process.load_announced(&["c"]).await;
    assert_eq!(fates["c"], "Source.Unreadable");
    assert!(
        summary.failed[0].message.contains("LAKEBED_EXPECTED_OWNER"),
        "{:?}",
        summary.failed
    );
    assert_eq!(shape(&server), ["GET raw"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_behind_damage_is_read_because_only_at_the_end_s3_says_whether_it_is_damage() {
    let server = server();
    // A second member that is no deflate stream, and a long way to go.
    let mut damaged = gzip(lines(0..50));
    damaged.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x07]);
    damaged.extend(noise(1, 30 << 20));
    seed(&server, "a.gz", damaged);
    seed(&server, "b.gz", gzip(lines(50..100)));
    seed(&server, "c", lines(100..150));
    let process = Process::local(s3(&server)).await;
    let (summary, fates) = process.load(list(s3(&server), "s3://raw").await.sources).await;
    assert_eq!(fates.into_values().collect::<Vec<_>>(), ["loaded", "loaded", "loaded"]);
    assert_eq!(
        (summary.sources.damaged, summary.failed[0].code.as_str()),
        (1, "Codec.Corrupt")
    );
    assert_eq!(process.ids(), (0..150).collect::<Vec<_>>());
    let entries = process.lake().quarantine();
    assert_eq!((entries.len(), &entries[0]["source"]["key"]), (1, &"a.gz".into()));
    assert_eq!(gets(&server, "a.gz"), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_load_every_object_once() {
    let server = server();
    for n in 0..30 {
        seed(&server, &format!("d/{n:02}"), lines(n * 10..n * 10 + 10));
    }
    let sources = list(s3(&server), "s3://raw/d").await.sources;
    let twins = [0, 1, 2].map(|_| {
        let (server, sources) = (std::sync::Arc::clone(&server), sources.clone());
        tokio::spawn(async move {
            let process = Process::in_s3(s3(&server)).await;
            process.load(sources).await.1
        })
    });
    for twin in twins {
        let fates = twin.await.unwrap();
        assert!(
            fates.len() == 30 && fates.values().all(|fate| fate == "loaded" || fate == "already"),
            "{fates:?}"
        );
    }
    assert_eq!(ids_in_s3(&server), (0..300).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_break_off_change_no_row() {
    for seed_of_chance in 1..=4 {
        let server = server();
        let process = Process::in_s3(s3(&server)).await;
        for n in 0..40 {
            seed(&server, &format!("d/{n:02}"), lines(n * 100..n * 100 + 100));
        }
        let sources = list(s3(&server), "s3://raw/d").await.sources;
        for (n, effect) in (0..).zip([
            Effect::Cut(0),
            Effect::Cut(777),
            Effect::Cut(9000),
            Effect::SLOW_DOWN,
            Effect::CloseAfter,
            Effect::IgnoreRange,
        ]) {
            let fault = Fault::on("GetObject", effect).request(|entry: &Entry| entry.bucket == "raw");
            server.inject(fault.at_rate(0.08, seed_of_chance * 10 + n));
        }
        let (_, fates) = process.load(sources).await;
        assert!(
            fates.len() == 40 && fates.values().all(|fate| fate == "loaded"),
            "{fates:?}"
        );
        // Of those that were resumed the checksum is asked for.
        let log: Vec<_> = raw_log(&server)
            .into_iter()
            .filter(|entry| entry.operation != "HeadObject")
            .collect();
        let struck = log.iter().filter(|entry| entry.fault.is_some()).count();
        assert!(struck > 0 && log.len() <= 41 + struck, "{struck}");
        assert_eq!(ids_in_s3(&server), (0..4000).collect::<Vec<_>>());
        let (_folder, lake) = copied(&server);
        assert_eq!(lake.outcomes().len(), 1);
    }
}
