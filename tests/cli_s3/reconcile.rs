//! `lakebed reconcile` over S3: long listings on both sides, and what is asked of whom.

use serde_json::json;

use crate::cloud::Cloud;
use crate::crashes::kill_at;
use crate::sandbox::{Run as _, lines};
use crate::support::s3::{At, Effect, Fault};

const LINE: &str = "reconcile s3://raw/p --to s3://lake/x --json";

#[test]
fn listings_of_many_pages_are_joined_with_what_jobs_have() {
    let cloud = Cloud::new();
    for n in 0..2_300 {
        cloud.seed(
            &format!("p/{:02}/{n:04}.json", n % 7),
            format!("{{\"id\":{n},\"at\":1714521600}}\n"),
        );
    }
    cloud.run("backfill s3://raw/p --to s3://lake/x").exits(0);
    cloud.seed("p", lines(5_000..5_010));
    cloud.seed("p2/other", lines(9_000..9_010));
    // The first of a page, the last, one between, and one behind all.
    let late = ["p/00/0000.jsom", "p/03/x", "p/06/2299.json.gz", "p/99"];
    for (n, key) in late.iter().enumerate() {
        cloud.seed(key, format!("{{\"id\":{},\"at\":1714521600}}\n", 6_000 + n));
    }
    cloud
        .server
        .model()
        .delete(At::new("raw", "p/01/0001.json"), None)
        .unwrap();
    cloud.server.clear_log();
    let json = cloud.run(LINE).exits(1).json();
    let found: Vec<_> = json["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|missing| missing["source"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<_> = ["p"].iter().chain(&late).map(|key| format!("s3://raw/{key}")).collect();
    assert_eq!(found, expected);
    assert_eq!(
        (&json["sources"]["found"], &json["sources"]["loaded"]),
        (&2_304.into(), &2_299.into())
    );
    // Listings, the mark, each outcome once, and the claim of each object that is told as missing.
    let calls = |bucket: &str, operation: &str| {
        let log = cloud.server.log();
        log.iter()
            .filter(|entry| entry.bucket == bucket && entry.operation == operation)
            .count()
    };
    assert_eq!((calls("raw", "ListObjectsV2"), calls("raw", "GetObject")), (4, 0));
    assert_eq!((calls("lake", "ListObjectsV2"), calls("lake", "GetObject")), (2, 8 + 5));
    assert_eq!(cloud.writes(), [""; 0]);

    let json = cloud.run(&format!("{LINE} --load")).exits(0).json();
    assert_eq!(json["load"]["sources"]["done"], 5, "{}", json["load"]);
    let ids: Vec<_> = (0..2_300).chain(5_000..5_010).chain(6_000..6_004).collect();
    assert!(cloud.ids("s3://lake/x") == ids, "rows are missing or doubled");
    let json = cloud.run(LINE).exits(0).json();
    assert_eq!(json["missing"], json!([]));
}

#[test]
fn objects_of_a_stopped_job_are_told_apart_and_loaded() {
    let cloud = Cloud::new();
    for n in 0..4 {
        cloud.seed(&format!("p/{n}"), lines(n * 10..n * 10 + 10));
    }
    kill_at(&cloud, "PutObject", ".parquet", 1);
    cloud.seed("p/4", lines(40..50));
    let json = cloud.run(LINE).exits(1).json();
    let sources = &json["sources"];
    assert_eq!((&sources["open"], &sources["never"]), (&4.into(), &1.into()), "{json}");
    let job = json["missing"][0]["job"].as_str().unwrap();
    assert!(
        cloud
            .server
            .model()
            .keys("lake")
            .contains(&format!("x/_lakebed/open/{job}"))
    );
    let json = cloud.run(&format!("{LINE} --load")).exits(0).json();
    let load = &json["load"]["sources"];
    // Those of the open job are in the lake when it has been settled.
    assert_eq!((&load["already"], &load["done"]), (&4.into(), &1.into()), "{load}");
    assert_eq!(cloud.ids("s3://lake/x"), (0..50).collect::<Vec<_>>());
    cloud.run(LINE).exits(0);
}

#[test]
fn files_and_objects_may_be_compared_at_once() {
    let cloud = Cloud::new();
    cloud.seed("p/a", lines(0..10));
    cloud.write("raw/b.json", lines(10..20));
    cloud.write("raw/c.json", lines(20..30));
    cloud.run("backfill s3://raw/p raw/b.json --to lake").exits(0);
    let json = cloud
        .run("reconcile s3://raw raw --to lake --json --load")
        .exits(0)
        .json();
    assert_eq!(
        (&json["sources"]["loaded"], &json["sources"]["never"]),
        (&2.into(), &1.into()),
        "{json}"
    );
    assert_eq!(cloud.ids("lake"), (0..30).collect::<Vec<_>>());
}

#[test]
fn what_s3_refuses_is_told_and_nothing_is_taken_for_missing() {
    let cloud = Cloud::new();
    cloud.seed("p/a", lines(0..10));
    cloud.run("backfill s3://raw/p --to s3://lake/x").exits(0);
    for (fault, exit, expected) in [
        (Fault::on("ListObjectsV2", Effect::ACCESS_DENIED), 2, "s3:ListBucket"),
        (Fault::on("ListObjectsV2", Effect::SLOW_DOWN), 1, "list s3://raw/p"),
        (
            Fault::on("GetObject", Effect::SLOW_DOWN).key(|key| key.contains("/jobs/")),
            1,
            "_lakebed/jobs/",
        ),
        // The third listing is the first of the lake.
        (
            Fault::on("ListObjectsV2", Effect::ACCESS_DENIED).nth(3),
            2,
            "list _lakebed/open",
        ),
    ] {
        cloud.server.inject(fault);
        let ran = cloud.command(LINE).env("AWS_MAX_ATTEMPTS", "2").run().exits(exit);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(expected), "{ran:?}");
        cloud.server.clear_faults();
    }
    for (line, expected) in [
        (
            "reconcile s3://raw/nowhere --to s3://lake/x",
            "there is no object s3://raw/nowhere, and none below it",
        ),
        ("reconcile s3://lake --to s3://lake/x", "overlap"),
        ("reconcile s3://lake/x/y --to s3://lake/x --load", "overlap"),
    ] {
        let ran = cloud.run(line).exits(2);
        assert!(ran.stderr.contains(expected), "{ran:?}");
    }
}
