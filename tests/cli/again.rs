//! What a second run does: nothing, or exactly what is new.

use std::fs;

use crate::sandbox::{EVENT_YAML, MODIFIED_S, Sandbox, gzip, lines, record};

/// Five files in two folders with ids 0 to 500, loaded.
fn loaded() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", lines(0..100));
    sandbox.write("raw/b.json.gz", gzip(lines(100..200)));
    sandbox.write("raw/sub/c.json", lines(200..300));
    sandbox.write("raw/sub/d.json", lines(300..400));
    sandbox.write("raw/sub/deep/e", lines(400..500));
    sandbox.load("").exits(0);
    sandbox
}

#[track_caller]
fn holds(sandbox: &Sandbox, ids: std::ops::Range<u64>) {
    assert_eq!(sandbox.lake("lake").prove().ids(), ids.collect::<Vec<_>>());
}

#[test]
fn a_second_run_says_so_and_writes_nothing() {
    let sandbox = loaded();
    let before = sandbox.lake("lake").snapshot();
    let ran = sandbox.run("backfill raw --to lake").exits(0);
    assert_eq!(
        ran.stdout,
        "5 objects already loaded, 0 new (--reload loads them again)\n"
    );
    assert_eq!(ran.stderr, "");
    assert_eq!(sandbox.load("").exits(0).sources(), [5, 0, 5, 0, 0, 0]);
    assert!(sandbox.lake("lake").snapshot() == before, "something was written");
    holds(&sandbox, 0..500);
}

#[test]
fn only_what_is_new_is_loaded_however_it_is_named_or_packed() {
    for (line, sources) in [
        ("backfill raw --to lake", [5, 0, 5, 0, 0, 0]),
        ("backfill raw --to lake --jobs 1 --memory 64MiB", [5, 0, 5, 0, 0, 0]),
        ("backfill raw --to lake --jobs 7", [5, 0, 5, 0, 0, 0]),
        ("backfill raw/a.json raw/sub --to lake", [4, 0, 4, 0, 0, 0]),
        (
            "backfill raw/a.json raw raw/./a.json raw/sub/../a.json --to lake",
            [5, 0, 5, 0, 0, 0],
        ),
        ("backfill raw/sub/deep --to ./lake/", [1, 0, 1, 0, 0, 0]),
        ("backfill link --to lake", [5, 0, 5, 0, 0, 0]),
        ("backfill raw --to lake-link", [5, 0, 5, 0, 0, 0]),
        ("backfill raw --to lake --arrival 2024-07-01", [5, 0, 5, 0, 0, 0]),
    ] {
        let sandbox = loaded();
        sandbox.link("link", "raw");
        sandbox.link("lake-link", "lake");
        let before = sandbox.lake("lake").snapshot();
        assert_eq!(
            sandbox.run(&format!("{line} --json")).exits(0).sources(),
            sources,
            "{line}"
        );
        assert!(sandbox.lake("lake").snapshot() == before, "{line} wrote something");

        sandbox.write("raw/sub/deep/f", lines(500..600));
        let [found, done, ..] = sandbox.run(&format!("{line} --json")).exits(0).sources();
        assert_eq!([found, done], [sources[0] + 1, 1], "{line}");
        holds(&sandbox, 0..600);
    }
}

#[test]
fn a_file_alone_then_its_folder_then_all() {
    let sandbox = loaded();
    sandbox.write("raw/new/x.json", lines(500..600));
    sandbox.write("raw/new/y.json", lines(600..700));
    sandbox.write("raw/z.json", lines(700..800));
    for (raw, sources, ids) in [
        ("raw/new/y.json", [1, 1, 0, 0, 0, 0], 600),
        ("raw/new", [2, 1, 1, 0, 0, 0], 700),
        ("raw", [8, 1, 7, 0, 0, 0], 800),
        ("raw", [8, 0, 8, 0, 0, 0], 800),
    ] {
        assert_eq!(
            sandbox
                .run(&format!("backfill {raw} --to lake --json"))
                .exits(0)
                .sources(),
            sources
        );
        assert_eq!(sandbox.lake("lake").prove().ids().len() as u64, ids.min(800));
    }
    holds(&sandbox, 0..800);
}

#[test]
fn one_file_given_in_many_ways_is_loaded_once() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", lines(0..10));
    sandbox.link("raw/link.json", "raw/a.json");
    sandbox.link("other.json", "raw/a.json");
    let absolute = sandbox.path("raw/a.json");
    let line = format!(
        "backfill raw/a.json raw/a.json ./raw/../raw/a.json raw raw/link.json other.json {} --to lake --json",
        absolute.display()
    );
    assert_eq!(sandbox.run(&line).exits(0).sources(), [1, 1, 0, 0, 0, 0]);
    holds(&sandbox, 0..10);
    for raw in ["other.json", "raw/link.json", absolute.to_str().unwrap()] {
        let ran = sandbox.run(&format!("backfill {raw} --to lake --json")).exits(0);
        assert_eq!(ran.sources(), [1, 0, 1, 0, 0, 0], "{raw}");
    }
    holds(&sandbox, 0..10);
}

#[test]
fn edited_schemas_do_not_load_anything_again() {
    let column = EVENT_YAML.to_owned() + "  extra: string\n";
    let fewer = EVENT_YAML.replace("  text: string\n", "");
    let route = EVENT_YAML.replace("event_time", "route: { kind: [k0, k1, k2, k3, k4] }\nevent_time");
    let other_route = EVENT_YAML.replace("event_time", "route: { kind: nothing }\nevent_time");
    let lenient = EVENT_YAML.to_owned() + "on_mismatch: set_null\n";
    for (what, yaml) in [
        ("a column added", column),
        ("a column removed", fewer),
        ("a route", route),
        ("a route that takes nothing any more", other_route),
        ("another mode", lenient),
    ] {
        let sandbox = loaded();
        sandbox.write("schemas/event.yaml", &yaml);
        assert_eq!(sandbox.load("").exits(0).sources(), [5, 0, 5, 0, 0, 0], "{what}");
        sandbox.write("raw/f.json", record(500));
        assert_eq!(sandbox.load("").exits(0).sources(), [6, 1, 5, 0, 0, 0], "{what}");
        let new = u64::from(!what.contains("nothing"));
        holds(&sandbox, 0..500 + new);
        assert_eq!(sandbox.lake("lake").codes().len() as u64, 1 - new, "{what}");
    }
}

#[test]
fn a_table_that_cannot_take_its_new_columns_is_refused_before_anything_is_read() {
    for (yaml, expected) in [
        (EVENT_YAML.replace("id: bigint", "id: string"), "id"),
        (EVENT_YAML.replace("id: bigint", "id: int"), "id"),
        (EVENT_YAML.to_owned() + "layout: day/hour\n", "layout"),
    ] {
        let sandbox = loaded();
        sandbox.write("schemas/event.yaml", &yaml);
        sandbox.write("raw/f.json", record(500));
        let before = sandbox.lake("lake").snapshot();
        let ran = sandbox.load("").exits(2);
        assert!(
            ran.stderr.contains("table event") && ran.stderr.contains(expected),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("new name"), "no way out: {}", ran.stderr);
        assert!(sandbox.lake("lake").snapshot() == before, "something was written");
    }
}

#[test]
fn a_source_changed_after_it_was_loaded_replaces_its_rows() {
    for (what, new, modified_s) in [
        ("other records, modified later", 900..1000, MODIFIED_S + 60),
        ("more records, the same time", 0..101, MODIFIED_S),
        ("the same records, modified later", 0..100, MODIFIED_S + 1),
        ("nothing left", 0..0, MODIFIED_S + 1),
    ] {
        let sandbox = loaded();
        sandbox.write_at("raw/a.json", lines(new.clone()), modified_s);
        sandbox.write("raw/f.json", lines(500..510));
        let ran = sandbox.load("").exits(0);
        assert_eq!(ran.sources(), [6, 2, 4, 0, 0, 0], "{what}");
        assert_eq!(ran.json()["replaced_jobs"], 1, "{what}");
        let mut ids: Vec<u64> = new.chain(100..510).collect();
        ids.sort_unstable();
        let mut found = sandbox.lake("lake").prove().ids();
        found.sort_unstable();
        assert_eq!(found, ids, "{what}");

        let before = sandbox.lake("lake").snapshot();
        let ran = sandbox.run("backfill raw --to lake").exits(0);
        assert_eq!(
            ran.stdout,
            "6 objects already loaded, 0 new (--reload loads them again)\n"
        );
        assert!(
            sandbox.lake("lake").snapshot() == before,
            "{what}: something was written"
        );
    }
}

#[test]
fn what_failed_is_listed_in_the_order_of_its_names() {
    let sandbox = Sandbox::new();
    for id in 0..20 {
        sandbox.write(&format!("raw/{}/{id:02}.csv", id % 7), "a,b\n");
    }
    let ran = sandbox.load("--jobs 4").exits(1);
    let failed = ran.json()["failed"].clone();
    let names: Vec<_> = failed
        .as_array()
        .unwrap()
        .iter()
        .map(|failed| failed["source"].as_str().unwrap())
        .collect();
    assert!(names.len() == 20 && names.is_sorted(), "{names:?}");
}

#[test]
fn a_source_that_is_gone_from_raw_leaves_its_rows() {
    let sandbox = loaded();
    fs::remove_file(sandbox.path("raw/a.json")).unwrap();
    assert_eq!(sandbox.load("").exits(0).sources(), [4, 0, 4, 0, 0, 0]);
    holds(&sandbox, 0..500);
    // And back again as it was, it is the same source.
    sandbox.write("raw/a.json", lines(0..100));
    assert_eq!(sandbox.load("").exits(0).sources(), [5, 0, 5, 0, 0, 0]);
    holds(&sandbox, 0..500);
}

#[test]
fn a_lake_that_lost_its_records_is_not_loaded_again() {
    let sandbox = loaded();
    fs::remove_dir_all(sandbox.path("lake/_lakebed/jobs")).unwrap();
    let before = sandbox.lake("lake").snapshot();
    let ran = sandbox.load("").exits(1);
    assert_eq!(ran.sources(), [5, 0, 0, 5, 0, 0]);
    let first = &ran.json()["failed"][0];
    assert_eq!((&first["code"], &first["transient"]), (&"Lake".into(), &false.into()));
    let message = first["message"].as_str().unwrap();
    assert!(message.contains("damaged") && message.contains("backup"), "{message}");
    assert!(sandbox.lake("lake").snapshot() == before, "something was written");
}

#[test]
fn a_record_that_stands_twice_is_two_rows() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", record(1) + &record(2) + &record(1));
    sandbox.write("raw/b.json", record(2));
    sandbox.load("").exits(0);
    assert_eq!(sandbox.lake("lake").prove().ids(), [1, 1, 2, 2]);
}
