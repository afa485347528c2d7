//! `lakebed verify` of a lake in S3.

use crate::cloud::Cloud;
use crate::sandbox::{Run as _, lines};
use crate::support::s3::{At, Effect, Fault};

const LINE: &str = "verify s3://lake/x --json";

/// 200 rows in six hours and two entries, of two jobs.
fn cloud() -> Cloud {
    let cloud = Cloud::new();
    cloud.seed("p/a.json", lines(0..100) + "oops\n");
    cloud.seed("p/b/c.json", lines(100..200) + "oops\n");
    cloud.run("backfill s3://raw/p --to s3://lake/x").exits(0);
    cloud.server.clear_log();
    cloud
}

/// The keys of the lake that hold `part`.
fn keys(cloud: &Cloud, part: &str) -> Vec<String> {
    let keys = cloud.server.model().keys("lake");
    keys.into_iter().filter(|key| key.contains(part)).collect()
}

#[test]
fn a_lake_in_s3_is_proved_and_left_alone() {
    let cloud = cloud();
    for (line, opened) in [(LINE, true), ("verify s3://lake/x/ --json --quick", false)] {
        let json = cloud.run(line).exits(0).json();
        assert_eq!(
            (&json["rows"], &json["entries"], &json["sources"]),
            (&200.into(), &2.into(), &2.into()),
            "{json}"
        );
        assert_eq!(cloud.writes(), [""; 0]);
        let log = cloud.server.log();
        assert_eq!(
            log.iter().any(|entry| entry.key.ends_with(".parquet")),
            opened,
            "{line}"
        );
        assert!(
            log.iter().all(|entry| entry.bucket != "raw"),
            "raw objects were asked for"
        );
        cloud.server.clear_log();
    }
}

#[test]
fn what_is_wrong_in_s3_is_noticed() {
    type Damage = fn(&Cloud, &str, &str);
    let damages: [(Damage, &[&str]); 6] = [
        (
            |cloud, data, _| drop(cloud.server.model().delete(At::new("lake", data), None).unwrap()),
            &["File.Missing"],
        ),
        (
            |cloud, data, _| {
                let mut bytes = cloud.server.model().bytes("lake", data).unwrap().to_vec();
                bytes[100] ^= 4;
                cloud.server.model().seed("lake", data, bytes);
            },
            &["File.Checksum"],
        ),
        (
            |cloud, _, outcome| drop(cloud.server.model().delete(At::new("lake", outcome), None).unwrap()),
            &["File.NoOutcome", "Outcome.Missing"],
        ),
        (
            |cloud, _, _| {
                for key in ["x/event/a//b.parquet", "x/event/a\\b", "x/event/later.parquet"] {
                    cloud.server.model().seed("lake", key, "x");
                }
                // What a console makes for a folder, and what is hidden.
                cloud.server.model().seed("lake", "x/event/", "");
                cloud.server.model().seed("lake", "x/event/.hidden", "x");
                // Other lakes, and what begins alike.
                cloud.server.model().seed("lake", "x/events/other.parquet", "x");
                cloud.server.model().seed("lake", "y/event/other.parquet", "x");
            },
            &["File.Foreign"],
        ),
        (
            |cloud, data, _| {
                let denied = data.to_owned();
                cloud
                    .server
                    .inject(Fault::on("GetObject", Effect::ACCESS_DENIED).key(move |key| key == denied));
            },
            &["File.Unreadable"],
        ),
        // What breaks on the way is asked for again.
        (
            |cloud, data, _| {
                let cut = data.to_owned();
                cloud.server.inject(
                    Fault::on("GetObject", Effect::Cut(50))
                        .key(move |key| key == cut)
                        .first(2),
                );
                cloud
                    .server
                    .inject(Fault::on("ListObjectsV2", Effect::SLOW_DOWN).first(1));
            },
            &[],
        ),
    ];
    for (damage, expected) in damages {
        let cloud = cloud();
        let (data, outcome) = (keys(&cloud, ".parquet").remove(0), keys(&cloud, "/jobs/").remove(0));
        damage(&cloud, &data, &outcome);
        let json = cloud.run(LINE).exits(i32::from(!expected.is_empty())).json();
        let codes: Vec<_> = json["codes"].as_object().unwrap().keys().collect();
        assert_eq!(codes, expected, "{}", json["problems"]);
        if expected == ["File.Foreign"] {
            assert_eq!(json["codes"]["File.Foreign"], 3, "{}", json["problems"]);
        }
    }
}

#[test]
fn listings_of_many_pages_are_joined_with_what_outcomes_say() {
    let cloud = Cloud::new();
    for job in 0..2 {
        let mut text = String::new();
        for n in 0..1_250 {
            let at = 1_600_000_000 + n * 7200;
            text += &format!("{{\"id\":{},\"at\":{at}}}\n", job * 1_250 + n);
        }
        cloud.seed(&format!("p/{job}/x.json"), text);
    }
    cloud.run("backfill s3://raw/p --to s3://lake/x").exits(0);
    cloud.server.clear_log();
    let json = cloud.run(LINE).exits(0).json();
    assert_eq!((&json["files"], &json["rows"]), (&2_500.into(), &2_500.into()));
    // Three pages of the table, and one of each other folder.
    assert!(
        cloud.server.calls("ListObjectsV2") >= 3 + 5,
        "{}",
        cloud.server.calls("ListObjectsV2")
    );
    // The last of a page, the first of the next one, and one between two that are there.
    let data = keys(&cloud, ".parquet");
    for gone in [999, 1_000, 2_499] {
        cloud.server.model().delete(At::new("lake", &data[gone]), None).unwrap();
    }
    let foreign = data[1_700].replace(".parquet", ".parquet.bak");
    cloud.server.model().seed("lake", &foreign, "x");
    let json = cloud.run(&format!("{LINE} --quick")).exits(1).json();
    let mut found: Vec<_> = json["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["key"].clone())
        .collect();
    found.sort_by_key(|key| key.to_string());
    let below = |key: &String| key.strip_prefix("x/").unwrap().to_owned();
    let mut expected = [&data[999], &data[1_000], &data[2_499], &foreign].map(below);
    expected.sort();
    assert_eq!(found, expected, "{}", json["problems"]);
    assert_eq!(
        (&json["codes"]["File.Missing"], &json["codes"]["File.Unlisted"]),
        (&3.into(), &1.into())
    );
}

#[test]
fn an_s3_that_does_not_answer_proves_nothing() {
    let cloud = cloud();
    for (fault, exit, expected) in [
        (Fault::on("ListObjectsV2", Effect::ACCESS_DENIED), 2, "s3:ListBucket"),
        (
            Fault::on("GetObject", Effect::ACCESS_DENIED).key(|key| key.ends_with("lake.json")),
            2,
            "s3:GetObject",
        ),
        (Fault::on("ListObjectsV2", Effect::SLOW_DOWN), 1, "list"),
    ] {
        cloud.server.inject(fault);
        let ran = cloud.command(LINE).env("AWS_MAX_ATTEMPTS", "2").run().exits(exit);
        assert!(ran.stdout.is_empty() && ran.stderr.contains(expected), "{ran:?}");
        cloud.server.clear_faults();
    }
    let ran = cloud.run("verify s3://lake/nowhere").exits(2);
    assert!(
        ran.stderr.contains("lake s3://lake/nowhere: there is no lake"),
        "{ran:?}"
    );
}
