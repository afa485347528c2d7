//! Tables with a `transform`: loaded, verified, sampled and replayed, with every record in exactly one place.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use serde_json::{Value, json};

use crate::sandbox::{EVENT_YAML, Run as _, Sandbox, events, lines};

/// Sets, renames, drops, splits and fails, each for one of the kinds that [`lines`] has.
const FILTER: &str = r#"transform: |
  if .kind == "k0" then .state = "transformed"
  elif .kind == "k1" then .label = .text | del(.text)
  elif .kind == "k2" then empty
  elif .kind == "k3" then ., (.copy = true | .at |= sub_hour)
  else error("no \(.text)") end
"#;

/// A table whose rows show what became of their record.
fn yaml(filter: &str) -> String {
    let columns = EVENT_YAML.replace(
        "  text: string\n",
        "  text: string\n  state: string\n  label: string\n  copy: boolean\n",
    );
    // The hour of a record in the six of 2024-05-01, a day later.
    columns + &filter.replace("sub_hour", "(split(\"T\") | \"2024-05-02T\" + .[1])")
}

fn sandbox(filter: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("schemas/event.yaml", yaml(filter));
    sandbox
}

/// The kind of a record, as it was written.
fn kind(line: &str) -> String {
    let record: Value = serde_json::from_str(line).unwrap();
    record["kind"].as_str().unwrap().to_owned()
}

fn by_kind(text: &str) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    text.lines().for_each(|line| *kinds.entry(kind(line)).or_default() += 1);
    kinds
}

/// Of each row: its kind, whether it is a copy, whether it has text, label and state, and the day of its folder.
fn rows(sandbox: &Sandbox, lake: &str) -> BTreeMap<(String, bool, [bool; 3], bool), u64> {
    let mut found = BTreeMap::new();
    for file in sandbox.lake(lake).tables() {
        let column = |name: &str| file.rows.column_by_name(name).unwrap();
        for row in 0..file.rows.num_rows() {
            let is_there = |name: &str| column(name).is_valid(row);
            let kind = column("kind").as_string::<i32>().value(row).to_owned();
            let is_next_day = crate::lake::micros(column("at"))[row] >= 1_714_608_000_000_000;
            let filled = ["text", "label", "state"].map(is_there);
            *found.entry((kind, is_there("copy"), filled, is_next_day)).or_default() += 1;
        }
    }
    found
}

#[test]
fn records_are_set_renamed_dropped_split_and_rejected_and_all_are_counted() {
    let sandbox = sandbox(FILTER);
    let raw = lines(0..500);
    sandbox.write("raw/a.json", &raw);
    let kinds = by_kind(&raw);
    let ran = sandbox.load("").exits(0).json();
    let (dropped, added, failed) = (kinds["k2"], kinds["k3"], kinds["k4"]);
    let expected = json!({
        "read": 500, "added": added, "rows": 500 + added - dropped - failed, "quarantined": failed, "dropped": dropped
    });
    assert_eq!(ran["records"], expected);
    let lake = sandbox.lake("lake");
    lake.prove();
    let expected = [
        (("k0", false, [true, false, true], false), kinds["k0"]),
        (("k1", false, [false, true, false], false), kinds["k1"]),
        (("k3", false, [true, false, false], false), kinds["k3"]),
        (("k3", true, [true, false, false], true), kinds["k3"]),
    ];
    let expected = expected.map(|((kind, copy, filled, day), count)| ((kind.to_owned(), copy, filled, day), count));
    assert_eq!(rows(&sandbox, "lake"), expected.into());
    let verified = sandbox.run("verify lake").exits(0);
    assert!(verified.stdout.starts_with("proved"), "{verified:?}");

    let lines: Vec<&str> = raw.lines().filter(|line| kind(line) == "k4").collect();
    let entries = lake.quarantine();
    assert_eq!(entries.len(), lines.len());
    for (entry, line) in entries.iter().zip(lines) {
        use base64::Engine as _;
        let raw = base64::engine::general_purpose::STANDARD.decode(entry["rawData"].as_str().unwrap());
        assert_eq!(String::from_utf8(raw.unwrap()).unwrap(), line);
        let known = (&entry["errorCode"], &entry["errorMessage"], &entry["table"]);
        assert_eq!(
            known,
            (
                &json!("Transform.Failed"),
                &json!("the transform of table `event` raises an error"),
                &json!("event")
            )
        );
    }
    // What a person reads has numbers that add up.
    let shown = sandbox.run("backfill raw --to other").exits(0).stdout;
    let line = format!(
        "500 records: {} rows, {failed} quarantined, {dropped} dropped, {added} added\n",
        500 + added - dropped - failed
    );
    assert!(shown.contains(&line), "{shown}");
}

#[test]
fn threads_and_memory_decide_no_byte() {
    let sandbox = sandbox(FILTER);
    sandbox.write("raw/a/1.json", events(0..20_000, 24, 3, "\n"));
    sandbox.write("raw/a/2.json", events(20_000..24_000, 1, 40, ""));
    sandbox.write("raw/b/3.json", events(24_000..30_000, 24, 3, " "));
    let mut first = None;
    for (place, (threads, more)) in [
        ("1", "--jobs 1"),
        ("4", "--jobs 2 --memory 64MiB"),
        ("4", "--memory 1GiB"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut command = sandbox.command(&format!("backfill raw --to lake{place} --json {more}"));
        command.env("RAYON_NUM_THREADS", threads).run().exits(0);
        let lake = sandbox.lake(&format!("lake{place}"));
        lake.prove();
        let written = (lake.data(), lake.quarantine(), lake.outcomes());
        let first = first.get_or_insert_with(|| written.clone());
        assert!(*first == written, "{threads} threads, {more}");
    }
}

#[test]
fn a_record_whose_filter_takes_too_much_is_rejected_alone() {
    let filter = "transform: 'if .id == 3 then until(false; .) elif .id == 4 then [limit(1e9; repeat(.))] elif .id == 5 then repeat(.) \
                  elif .id == 6 then reduce range(99) as $i (.; .text += .text) else . end'\n";
    let sandbox = sandbox(filter);
    sandbox.write("raw/a.json", lines(0..10));
    sandbox.load("").exits(0);
    let lake = sandbox.lake("lake");
    assert_eq!(lake.prove().ids(), [0, 1, 2, 7, 8, 9]);
    assert_eq!(lake.codes(), [("Transform.Failed".to_owned(), 4)].into());
    assert_eq!(lake.outcomes()[0]["counts"]["records"]["added"], 0);
}

#[test]
fn numbers_that_the_filter_does_not_touch_are_as_they_were_written() {
    let sandbox = Sandbox::empty();
    let yaml = "table: event\nevent_time: { field: at }\ncolumns: { id: bigint, at: timestamp, big: \"decimal(20,0)\", dec: string }\n";
    sandbox.write("schemas/event.yaml", format!("{yaml}transform: '.id += 1'\n"));
    let record = r#"{"id":9223372036854775806,"at":1717200000.000,"big":12345678901234567890,"dec":0.1000}"#;
    sandbox.write("raw/a.json", record);
    sandbox.load("").exits(0);
    let [file] = &sandbox.lake("lake").prove().tables()[..] else {
        panic!("one file")
    };
    let column = |name: &str| file.rows.column_by_name(name).unwrap();
    assert_eq!(column("id").as_primitive::<Int64Type>().value(0), i64::MAX);
    assert_eq!(column("dec").as_string::<i32>().value(0), "0.1000");
    let big = column("big").as_primitive::<arrow::datatypes::Decimal128Type>();
    assert_eq!(big.value(0), 12_345_678_901_234_567_890);
}

#[test]
fn another_filter_is_another_plan_and_a_reload_replaces_the_rows() {
    let sandbox = sandbox("transform: 'if .kind == \"k0\" then empty else . end'\n");
    let raw = lines(0..100);
    sandbox.write("raw/a.json", &raw);
    let kept = |not: &str| {
        let lines = raw.lines().enumerate().filter(move |(_, line)| kind(line) != not);
        lines.map(|(id, _)| id as u64).collect::<Vec<_>>()
    };
    sandbox.load("").exits(0);
    assert_eq!(sandbox.lake("lake").prove().ids(), kept("k0"));
    assert_eq!(sandbox.load("").exits(0).sources()[2], 1, "loaded already");
    sandbox.write(
        "schemas/event.yaml",
        yaml("transform: 'if .kind == \"k1\" then empty else . end'\n"),
    );
    let before = sandbox.lake("lake").outcomes()[0]["job"].clone();
    sandbox.load("--reload").exits(0);
    let lake = sandbox.lake("lake");
    assert_eq!(lake.prove().ids(), kept("k1"));
    assert!(lake.outcomes().iter().any(|outcome| outcome["job"] != before));
    sandbox.run("verify lake").exits(0);
}

#[test]
fn quarantine_that_is_replayed_passes_the_present_filter() {
    let sandbox = sandbox("transform: error\n");
    let raw = lines(0..100);
    sandbox.write("raw/a.json", raw.clone() + "no json\n");
    sandbox.load("").exits(0);
    assert_eq!(sandbox.lake("lake").codes()["Transform.Failed"], 100);
    sandbox.write("schemas/event.yaml", yaml(FILTER));
    let kinds = by_kind(&raw);
    let ran = sandbox.run("replay --to lake --json").exits(0).json();
    let replayed = &ran["replayed"];
    let (dropped, failed) = (kinds["k2"], kinds["k4"]);
    let expected = json!([101, 100 - dropped - failed, dropped, failed + 1, 0]);
    let names = ["entries", "rows", "dropped", "quarantined", "partial"];
    assert_eq!(json!(names.map(|name| replayed[name].clone())), expected);
    sandbox.run("backfill raw --to fresh --json").exits(0);
    let (lake, fresh) = (sandbox.lake("lake"), sandbox.lake("fresh"));
    lake.prove();
    assert_eq!(rows(&sandbox, "lake"), rows(&sandbox, "fresh"));
    let counts = |lake: &crate::lake::Lake| {
        let done = lake.outcomes().into_iter().find(|outcome| outcome["state"] == "done");
        done.unwrap()["counts"]["records"].clone()
    };
    assert_eq!(counts(&lake), counts(&fresh));
    sandbox.run("verify lake").exits(0);
    // A filter that drops all that is left takes it out of quarantine as well.
    sandbox.write("schemas/event.yaml", yaml("transform: empty\n"));
    let ran = sandbox.run("replay --to lake --json").exits(0).json();
    assert_eq!(ran["replayed"]["dropped"], failed);
    assert_eq!(
        sandbox.lake("lake").prove().codes(),
        [("Json.Syntax".to_owned(), 1)].into()
    );
    sandbox.run("verify lake").exits(0);
}

#[test]
fn rows_of_a_source_that_is_gone_are_copied_with_its_counts() {
    let sandbox = sandbox(FILTER);
    sandbox.write("raw/a.json", lines(0..100));
    sandbox.write("raw/b.json", lines(100..200));
    let before = sandbox.load("").exits(0).json()["records"].clone();
    std::fs::remove_file(sandbox.path("raw/a.json")).unwrap();
    sandbox.write_at("raw/b.json", lines(100..200) + "\n", crate::sandbox::MODIFIED_S + 60);
    sandbox.load("").exits(0);
    let lake = sandbox.lake("lake");
    lake.prove();
    let done = lake
        .outcomes()
        .into_iter()
        .find(|outcome| outcome["state"] == "done")
        .unwrap();
    assert_eq!(done["counts"]["records"], before);
    sandbox.run("verify lake").exits(0);
}

#[test]
fn a_dry_run_shows_the_hours_and_numbers_of_the_outputs() {
    let sandbox = sandbox(FILTER);
    let raw = lines(0..200);
    sandbox.write("raw/a.json", &raw);
    let kinds = by_kind(&raw);
    let sample = sandbox.run("backfill raw --to lake --dry-run --json").exits(0).json()["sample"].clone();
    let numbers = (&sample["records"], &sample["added"], &sample["dropped"]);
    assert_eq!(numbers, (&json!(200), &json!(kinds["k3"]), &json!(kinds["k2"])));
    assert_eq!(sample["quarantined"], json!({ "Transform.Failed": kinds["k4"] }));
    let hours = sample["tables"]["event"].as_object().unwrap();
    assert!(hours.keys().any(|hour| hour.starts_with("2024-05-02T")), "{hours:?}");
    let shown = sandbox.run("backfill raw --to lake --dry-run").exits(0).stdout;
    assert!(
        shown.contains(&format!("{} would be dropped by a transform", kinds["k2"])),
        "{shown}"
    );
}

#[test]
fn a_filter_that_is_wrong_stops_the_start_with_its_place() {
    let sandbox = sandbox("transform: '.seen = now'\n");
    sandbox.write("raw/a.json", lines(0..1));
    for line in ["backfill raw --to lake", "schema check"] {
        let ran = sandbox.run(line).exits(2);
        assert!(
            ran.stderr
                .contains("event.yaml:11:21: `transform`: there is no filter `now/0` here"),
            "{ran:?}"
        );
    }
    assert!(!sandbox.lake("lake").exists());
}

#[test]
fn the_filters_of_the_readme_change_nothing_twice() {
    let readme = include_str!("../../README.md");
    let block = readme.split("\n### Changing records\n\n```yaml\n").nth(1).unwrap();
    let block = block.split("\n```\n").next().unwrap();
    let filters: Vec<String> = format!("\n{block}")
        .split("\ntransform: ")
        .skip(1)
        .map(str::to_owned)
        .collect();
    assert_eq!(filters.len(), 4);
    for filter in filters {
        let sandbox = sandbox(&format!("transform: {filter}\n"));
        let records = [
            json!({"id": 1, "at": "2024-05-01T02:00:00Z", "uid": "x", "items": ["a", "b"]}),
            json!({"id": 2, "at": "2024-05-01T02:00:00Z", "bot": true}),
        ];
        sandbox.write("sample", records.map(|record| record.to_string()).join("\n"));
        sandbox.run("schema check --sample sample").exits(0);
    }
}
