//! Which files of a folder are sources: by time, by pattern, by name.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::sandbox::{Sandbox, record};

/// 2024-06-01T12:00:00Z.
const NOON_S: u64 = 1_717_243_200;

#[test]
fn since_and_until_are_half_open_over_the_time_of_modification() {
    let sandbox = Sandbox::new();
    for id in 0..5 {
        // Event times lie a month before: they must not select.
        sandbox.write_at(&format!("raw/{id}.json"), record(id), NOON_S + id * 3600);
    }
    for (number, (more, ids)) in [
        ("", 0..5),
        ("--since 2024-06-01T13:00:00Z", 1..5),
        ("--since 2024-06-01T13:00:00.001Z", 2..5),
        ("--since 2024-06-01T15:00:00+02:00", 1..5),
        ("--until 2024-06-01T13:00:00Z", 0..1),
        ("--until 2024-06-01T13:00:00.001Z", 0..2),
        ("--since 2024-06-01T13:00:00Z --until 2024-06-01T15:00:00Z", 1..3),
        ("--since 2024-06-01T13:00:00Z --until 2024-06-01T13:00:00Z", 0..0),
        ("--since 2024-06-01", 0..5),
        ("--since 2024-06-02", 0..0),
        ("--until 2024-06-02", 0..5),
        ("--until 2024-05-02", 0..0),
        ("--until 36h", 0..5),
    ]
    .into_iter()
    .enumerate()
    {
        let ran = sandbox
            .run(&format!("backfill raw --to lake{number} --json {more}"))
            .exits(0);
        let found = ids.end - ids.start;
        assert_eq!(ran.sources(), [found, found, 0, 0, 0, 0], "{more}");
        let lake = sandbox.lake(&format!("lake{number}"));
        assert_eq!(lake.prove().ids(), ids.collect::<Vec<u64>>(), "{more}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the program reads the clock here, too")]
fn an_age_counts_from_now() {
    let sandbox = Sandbox::new();
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    sandbox.write_at("raw/new.json", record(0), now_s - 3600);
    sandbox.write_at("raw/old.json", record(1), now_s - 7 * 3600);
    for (more, ids) in [
        ("--since 2h", vec![0]),
        ("--until 6h", vec![1]),
        ("--since 1d --until 5h", vec![1]),
    ] {
        sandbox
            .run(&format!("backfill raw --to lake --dry-run --json {more}"))
            .exits(0);
        let lake = format!("lake-{}", more.replace(' ', ""));
        sandbox.run(&format!("backfill raw --to {lake} {more}")).exits(0);
        assert_eq!(sandbox.lake(&lake).prove().ids(), ids, "{more}");
    }
}

#[test]
fn a_glob_is_matched_below_the_folder_that_was_named() {
    let sandbox = Sandbox::new();
    for (id, name) in [
        "a.json",
        "b.gz",
        "sub/c.json",
        "sub/d.gz",
        "sub/deep/e.json",
        "sub/deep/f",
    ]
    .iter()
    .enumerate()
    {
        sandbox.write(&format!("raw/{name}"), record(id as u64));
    }
    for (raw, glob, ids) in [
        ("raw", "*.json", vec![0]),
        ("raw", "**/*.json", vec![0, 2, 4]),
        ("raw", "sub/*", vec![2, 3]),
        ("raw", "sub/**", vec![2, 3, 4, 5]),
        ("raw/sub", "*.json", vec![2]),
        ("raw/sub", "sub/*", vec![]),
        ("raw", "**/[ef]*", vec![4, 5]),
        ("raw", "*.{json,gz}", vec![0, 1]),
        ("raw/sub/deep/e.json", "*.json", vec![4]),
        ("raw/sub/deep/e.json", "raw/**", vec![]),
        ("raw", "nothing", vec![]),
    ] {
        let lake = format!(
            "lakes/{}",
            raw.len() * 1000 + glob.bytes().map(usize::from).sum::<usize>()
        );
        let ran = sandbox
            .run(&format!("backfill {raw} --to {lake} --json --glob {glob}"))
            .exits(0);
        assert_eq!(ran.sources()[1], ids.len() as u64, "{raw} {glob}");
        assert_eq!(sandbox.lake(&lake).prove().ids(), ids, "{raw} {glob}");
    }
}

#[test]
fn hidden_names_are_passed_over_and_counted() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", record(0));
    for hidden in [
        ".a.json",
        "_b.json",
        "_SUCCESS",
        ".git/config",
        "_tmp/deep/c.json",
        "sub/.d.json",
        "sub/_e",
    ] {
        sandbox.write(&format!("raw/{hidden}"), record(9));
    }
    // A folder counts as one: what is in it is not looked at.
    let ran = sandbox.load("").exits(0);
    assert_eq!(ran.sources(), [1, 1, 0, 0, 0, 7]);
    assert_eq!(sandbox.lake("lake").prove().ids(), [0]);
    // Who names such a file means it.
    sandbox.run("backfill raw/_b.json --to lake").exits(0);
    assert_eq!(sandbox.lake("lake").prove().ids(), [0, 9]);
}

#[test]
fn a_folder_is_read_in_the_order_of_the_bytes_of_its_names() {
    let names = [
        "B.json", "a-1.json", "a.json", "a/x.json", "a0.json", "b.json", "é.json",
    ];
    let sandbox = Sandbox::new();
    for (id, name) in names.iter().enumerate().rev() {
        sandbox.write(&format!("raw/{name}"), record(id as u64));
    }
    let to_do = sandbox.run("backfill raw --to lake --json --dry-run").exits(0).json()["to_do"].clone();
    let raw = sandbox.path("raw");
    let sources: Vec<_> = to_do
        .as_array()
        .unwrap()
        .iter()
        .map(|to_do| to_do["source"].as_str().unwrap())
        .collect();
    assert_eq!(sources, names.map(|name| raw.join(name).to_str().unwrap().to_owned()));
    sandbox.load("").exits(0);
    // A job never spans two folders, so the one folder cuts the listing.
    let mut jobs: Vec<_> = sandbox
        .lake("lake")
        .outcomes()
        .iter()
        .map(|job| job["sources"].as_array().unwrap().len())
        .collect();
    jobs.sort_unstable();
    assert_eq!(jobs, [1, 3, 3]);
}

#[test]
fn an_arrival_that_is_given_stands_for_the_time_of_modification() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", record(0));
    // The record is of 2024-05-01, and one day ahead is the limit.
    for (arrival, rows, date) in [("2024-04-01", 0, "2024-04-01"), ("2024-04-30T12:00:00Z", 1, "")] {
        let lake = format!("lake-{rows}");
        sandbox
            .run(&format!("backfill raw --to {lake} --arrival {arrival}"))
            .exits(0);
        assert_eq!(sandbox.lake(&lake).prove().ids().len(), rows, "{arrival}");
        let folder = sandbox.path(&format!("{lake}/_lakebed/quarantine/date={date}"));
        assert_eq!(folder.exists(), rows == 0, "{}", folder.display());
        for entry in sandbox.lake(&lake).quarantine() {
            assert_eq!(entry["errorCode"], "EventTime.TooNew");
            assert_eq!(entry["arrivalTimestamp"], 1_711_929_600_000_u64);
        }
    }
}

#[test]
fn nothing_to_load_is_no_failure() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("raw/sub")).unwrap();
    let ran = sandbox.run("backfill raw --to lake").exits(0);
    assert_eq!(ran.stdout, "no objects found\n");
    assert_eq!(sandbox.load("").exits(0).sources(), [0; 6]);
    sandbox.write("raw/_hidden", record(0));
    let ran = sandbox.run("backfill raw --to lake").exits(0);
    assert!(ran.stdout.contains("passed over"), "{}", ran.stdout);
    sandbox.lake("lake").prove();
}
