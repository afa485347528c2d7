//! `lakebed backfill` from S3 and into S3.

use std::time::Duration;

use serde_json::json;

use crate::cloud::Cloud;
use crate::sandbox::{Run as _, gzip, lines, record};
use crate::support::s3::{Effect, Fault, Versioning};

/// The same five sources in S3 and in a folder, ids 0 to 500, and beside them what must not be taken.
fn cloud() -> Cloud {
    let cloud = Cloud::new();
    for (name, bytes) in [
        ("a b+c.json", lines(0..100).into_bytes()),
        ("b.json.gz", gzip(lines(100..200))),
        ("dt=2024-05-01/c.json", lines(200..300).into_bytes()),
        ("dt=2024-05-01/d.json", lines(300..400).into_bytes()),
        ("dt=2024-05-01/deep/caf\u{e9}", lines(400..500).into_bytes()),
    ] {
        cloud.seed(&format!("p/{name}"), &bytes);
        cloud.write(&format!("raw/{name}"), &bytes);
    }
    cloud.seed("p/", "");
    cloud.write("raw/_hidden", "x");
    cloud.seed("p2/other.json", lines(900..1000));
    cloud.seed("p.json", lines(900..1000));
    cloud
}

#[test]
fn objects_and_files_go_into_folders_and_buckets() {
    for (raw, lake) in [
        ("s3://raw/p", "s3://lake/x"),
        ("s3://raw/p/", "s3://lake/x/"),
        ("s3://raw/p", "s3://lake"),
        ("s3://raw/p", "lake"),
        ("raw", "s3://lake/x"),
    ] {
        let cloud = cloud();
        let line = format!("backfill {raw} --to {lake}");
        let ran = cloud.run(&format!("{line} --json")).exits(0);
        assert_eq!(ran.sources(), [5, 5, 0, 0, 0, 1], "{line}");
        let json = ran.json();
        assert_eq!(json["lake"], lake, "{line}");
        assert_eq!(
            (&json["records"]["rows"], &json["tables"]["event"]["hours"]),
            (&500.into(), &6.into())
        );
        assert_eq!(cloud.ids(lake), (0..500).collect::<Vec<_>>(), "{line}");

        // Again: nothing to do, nothing written, and both are said.
        cloud.server.clear_log();
        let before = cloud.lake("lake").snapshot();
        let ran = cloud.run(&line).exits(0);
        assert_eq!(
            ran.stdout, "5 objects already loaded, 0 new (--reload loads them again)\n",
            "{line}"
        );
        assert_eq!(ran.stderr, "", "{line}");
        assert_eq!(cloud.writes(), [""; 0], "{line}");
        assert!(cloud.lake("lake").snapshot() == before, "{line}");

        // One more object is one more.
        cloud.seed("p/new.json", lines(500..600));
        cloud.write("raw/new.json", lines(500..600));
        assert_eq!(
            cloud.run(&format!("{line} --json")).exits(0).sources(),
            [6, 1, 5, 0, 0, 1],
            "{line}"
        );
        assert_eq!(cloud.ids(lake), (0..600).collect::<Vec<_>>(), "{line}");
    }
}

#[test]
fn what_was_done_is_said_in_words() {
    let cloud = cloud();
    cloud.seed("p/sub/bad.gz", &gzip(lines(500..600))[..200]);
    let ran = cloud.run("backfill s3://raw/p --to s3://lake/x").exits(1);
    for expected in [
        "6 objects loaded (",
        "0 already loaded, 0 failed, 1 damaged",
        "1 passed over: ",
        "event",
        "2024-05-01T00",
        "s3://raw/p/sub/bad.gz: the compressed stream is broken",
        "s3://lake/x/_lakebed/quarantine/",
    ] {
        assert!(ran.stdout.contains(expected), "no {expected:?} in {}", ran.stdout);
    }
}

#[test]
fn the_same_objects_give_the_same_bytes_wherever_the_lake_is() {
    let cloud = cloud();
    let mut found = Vec::new();
    for lake in ["s3://lake/x", "s3://lake/y/z", "lake"] {
        cloud.run(&format!("backfill s3://raw/p --to {lake} --jobs 1")).exits(0);
        found.push(cloud.with_lake(lake, |lake| lake.prove().data()));
    }
    assert!(found[0] == found[1] && found[1] == found[2]);
    cloud
        .run("backfill s3://raw/p --to again --jobs 4 --memory 64MiB")
        .exits(0);
    assert!(cloud.lake("again").data() == found[0]);
}

#[test]
fn several_places_are_one_run_and_each_object_counts_once() {
    let cloud = cloud();
    let line = "backfill s3://raw/p/b.json.gz s3://raw/p s3://raw/p/ raw/b.json.gz s3://raw/p2 --to s3://lake/x --json";
    assert_eq!(cloud.run(line).exits(0).sources(), [7, 7, 0, 0, 0, 2]);
    let mut expected: Vec<u64> = (0..500).chain(100..200).chain(900..1000).collect();
    expected.sort_unstable();
    assert_eq!(cloud.ids("s3://lake/x"), expected);
    // By any name of the place, the object is the same.
    for (raw, found) in [
        ("s3://raw/p", 5),
        ("s3://raw/p/a", 0),
        ("s3://raw/p/dt=2024-05-01", 3),
        ("s3://raw", 7),
    ] {
        let ran = cloud.run(&format!("backfill {raw} --to s3://lake/x --json"));
        if found == 0 {
            assert_eq!(ran.exit, Some(2));
            continue;
        }
        assert_eq!(
            ran.exits(0).sources()[..2],
            [found, u64::from(raw == "s3://raw")],
            "{raw}"
        );
    }
}

#[test]
fn selections_take_the_same_objects_as_in_a_folder() {
    for (selection, expected) in [
        ("", 0..500),
        ("--glob *.json.gz", 100..200),
        ("--glob **/c.json", 200..300),
        ("--glob dt=2024-05-01/*.json --since 2024-06-01", 200..400),
        ("--until 2024-06-01T00:00:01Z --glob dt=2024-05-01/deep/*", 400..500),
    ] {
        let cloud = cloud();
        for raw in ["s3://raw/p", "raw"] {
            let lake = format!("lake-of-{}", raw.len());
            cloud.run(&format!("backfill {raw} --to {lake} {selection}")).exits(0);
            assert_eq!(
                cloud.ids(&lake),
                expected.clone().collect::<Vec<_>>(),
                "{raw} {selection}"
            );
        }
    }
    let cloud = cloud();
    cloud.server.model().advance(Duration::from_secs(3600));
    cloud.seed("p/late.json", lines(500..510));
    let ran = cloud
        .run("backfill s3://raw/p --to lake --json --since 2024-06-01T01:00:00Z")
        .exits(0);
    assert_eq!(ran.json()["sources"]["unselected"], 5);
    assert_eq!(cloud.ids("lake"), (500..510).collect::<Vec<_>>());
    for selection in ["--until 2024-06-01", "--glob nothing"] {
        let ran = cloud
            .run(&format!("backfill s3://raw/p --to lake {selection}"))
            .exits(0);
        assert!(
            ran.stdout.starts_with("no objects found, 6 left out by"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_dry_run_writes_nothing_and_tells_done_from_to_do() {
    for lake in ["s3://lake/x", "lake"] {
        let cloud = cloud();
        let line = format!("backfill s3://raw/p --to {lake} --dry-run");
        let json = cloud.run(&format!("{line} --json")).exits(0).json();
        assert_eq!((&json["found"], &json["already"]), (&5.into(), &0.into()), "{lake}");
        assert_eq!(json["to_do"][0]["source"], "s3://raw/p/a b+c.json");
        assert_eq!(
            (&json["sample"]["objects"], &json["sample"]["records"]),
            (&5.into(), &500.into())
        );
        assert_eq!(json["sample"]["unreadable"], json!({}));
        let ran = cloud.run(&line).exits(0);
        assert!(
            ran.stdout.contains("5 objects found, 0 already loaded, 5 to load ("),
            "{}",
            ran.stdout
        );
        assert_eq!(cloud.writes(), [""; 0]);
        assert!(!cloud.path("lake").exists());

        cloud
            .run(&format!("backfill s3://raw/p --to {lake} --glob *.gz"))
            .exits(0);
        cloud.server.model().advance(Duration::from_secs(5));
        cloud.seed("p/b.json.gz", gzip(lines(0..10)));
        cloud.server.clear_log();
        let json = cloud.run(&format!("{line} --json")).exits(0).json();
        assert_eq!((&json["found"], &json["already"]), (&5.into(), &0.into()), "{lake}");
        assert_eq!(json["overwritten"], json!(["s3://raw/p/b.json.gz"]));
        assert_eq!(json["to_do"].as_array().unwrap().len(), 5);
        assert_eq!(cloud.writes(), [""; 0]);
    }
}

#[test]
fn a_dry_run_reads_the_beginning_of_twenty_objects_at_most() {
    let cloud = Cloud::new();
    for n in 0..30 {
        cloud.seed(&format!("p/{n:02}"), lines(n * 10..n * 10 + 10));
    }
    // Twelve ranges.
    cloud.seed("p/05", vec![b' '; 48 << 20]);
    cloud
        .server
        .inject(Fault::on("GetObject", Effect::ACCESS_DENIED).key(|key| key == "p/07"));
    let json = cloud
        .run("backfill s3://raw/p --to lake --dry-run --json")
        .exits(0)
        .json();
    assert_eq!((&json["found"], &json["sample"]["objects"]), (&30.into(), &20.into()));
    assert_eq!(json["to_do"].as_array().unwrap().len(), 30);
    let unreadable = json["sample"]["unreadable"].as_object().unwrap();
    let why = unreadable["s3://raw/p/07"].as_str().unwrap();
    assert!(unreadable.len() == 1 && why.contains("allow s3:GetObject"), "{why}");
    assert!(
        cloud.server.calls("GetObject") <= 22,
        "{} GETs",
        cloud.server.calls("GetObject")
    );
}

#[test]
fn sources_that_fail_are_named_and_the_rest_is_loaded() {
    let cloud = cloud();
    let denied = |key: &str| key == "p/b.json.gz";
    for operation in ["GetObject", "HeadObject"] {
        cloud
            .server
            .inject(Fault::on(operation, Effect::ACCESS_DENIED).key(denied));
    }
    let ran = cloud.run("backfill s3://raw/p --to s3://lake/x --json").exits(1);
    assert_eq!(ran.sources(), [5, 4, 0, 1, 0, 1]);
    let failed = &ran.json()["failed"][0];
    assert_eq!(
        (&failed["source"], &failed["code"]),
        (&"s3://raw/p/b.json.gz".into(), &"Source.Unreadable".into())
    );
    assert!(
        failed["message"]
            .as_str()
            .unwrap()
            .contains("allow s3:GetObject on arn:aws:s3:::raw/p/b.json.gz")
    );
    cloud.server.clear_faults();
    assert_eq!(
        cloud
            .run("backfill s3://raw/p --to s3://lake/x --json")
            .exits(0)
            .sources(),
        [5, 1, 4, 0, 0, 1]
    );
    assert_eq!(cloud.ids("s3://lake/x"), (0..500).collect::<Vec<_>>());
}

#[test]
fn an_object_changed_after_it_was_loaded_replaces_its_rows() {
    for versioning in [Versioning::Off, Versioning::On] {
        let cloud = cloud();
        cloud.server.model().bucket("raw").versioning = versioning;
        cloud.run("backfill s3://raw/p --to s3://lake/x").exits(0);
        cloud.server.model().advance(Duration::from_secs(5));
        cloud.seed("p/b.json.gz", gzip(lines(700..800)));
        cloud.server.model().advance(Duration::from_secs(5));
        let ran = cloud.run("backfill s3://raw/p --to s3://lake/x --json").exits(0);
        assert_eq!(ran.sources(), [5, 1, 4, 0, 0, 1]);
        let ids = cloud.ids("s3://lake/x");
        assert!(ids.len() == 500 && ids.contains(&700) && ids.contains(&799), "{ids:?}");
        let ran = cloud
            .run("backfill s3://raw/p --to s3://lake/x --reload --json")
            .exits(0);
        assert_eq!(ran.sources(), [5, 5, 0, 0, 0, 1]);
        assert_eq!(cloud.ids("s3://lake/x"), ids);
    }
}

#[test]
fn a_key_may_hold_what_a_terminal_or_a_log_would_take_for_a_command() {
    let cloud = Cloud::new();
    for (id, key) in (0..).zip([
        "p/line\nbreak",
        "p/\u{1b}[31mred",
        "p/tab\there",
        "p/\u{202e}x",
        "p/..",
        "p//",
        "p/%2B+ &=?#",
    ]) {
        cloud.seed(key, record(id));
    }
    let ran = cloud.run("backfill s3://raw/p --to s3://lake/x --dry-run").exits(0);
    assert!(ran.stdout.contains("load s3://raw/p/line\\nbreak"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\u{1b}'), "{:?}", ran.stdout);
    cloud.run("backfill s3://raw/p --to s3://lake/x").exits(0);
    assert_eq!(cloud.ids("s3://lake/x"), (0..7).collect::<Vec<_>>());
    assert_eq!(
        cloud
            .command("backfill --to s3://lake/x --json")
            .arg("s3://raw/p/%2B+ &=?#")
            .run()
            .exits(0)
            .sources()[2],
        1
    );
}

#[test]
fn a_run_over_a_thousand_objects_asks_no_more_than_it_has_to() {
    let cloud = Cloud::new();
    for n in 0..1100 {
        cloud.seed(&format!("p/{n:04}"), record(n));
    }
    cloud.run("backfill s3://raw/p --to s3://lake/x").exits(0);
    assert_eq!(cloud.ids("s3://lake/x"), (0..1100).collect::<Vec<_>>());
    let raw = cloud
        .server
        .log()
        .into_iter()
        .filter(|entry| entry.bucket == "raw")
        .count();
    assert_eq!(raw, 1100 + 3, "a GET an object, two pages, and the key itself");
    cloud.server.clear_log();
    let ran = cloud.run("backfill s3://raw/p --to s3://lake/x").exits(0);
    assert_eq!(
        ran.stdout,
        "1,100 objects already loaded, 0 new (--reload loads them again)\n"
    );
    assert_eq!(cloud.server.calls("HeadObject"), 1100);
    assert_eq!(cloud.server.calls("ListObjectsV2"), 3);
}

#[test]
#[ignore = "takes the 20 s after which an answer that stalls is given up"]
fn an_answer_that_stalls_is_given_up_and_asked_for_again() {
    let cloud = cloud();
    cloud.server.inject(
        Fault::on("GetObject", Effect::Stall(1000))
            .key(|key| key.ends_with("c.json"))
            .nth(1),
    );
    cloud.server.inject(
        Fault::on("GetObject", Effect::Hang)
            .key(|key| key.ends_with("d.json"))
            .nth(1),
    );
    cloud.run("backfill s3://raw/p --to s3://lake/x").exits(0);
    assert_eq!(cloud.ids("s3://lake/x"), (0..500).collect::<Vec<_>>());
}
