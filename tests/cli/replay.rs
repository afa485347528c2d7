//! What was rejected goes through the pipeline again: out of the lake's own quarantine, and out of error records.

use std::collections::BTreeSet;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::sandbox::{Dice, EVENT_YAML, MODIFIED_S, Sandbox, gzip, lines};

/// A table that records of `kind: late` belong to, and have none without it.
const LATE_YAML: &str = "\
table: late
route: { kind: late }
event_time: { field: at, max_past: none }
columns: { id: bigint, at: timestamp, kind: string }
";

fn late(ids: std::ops::Range<u64>) -> String {
    let record = |id| {
        format!(
            "{{\"id\":{id},\"at\":\"2024-05-02T0{}:30:00Z\",\"kind\":\"late\"}}\n",
            id % 3
        )
    };
    ids.map(record).collect()
}

/// How a time may be written that no table reads unless it is told to.
const COMPACT: &str = "[auto, \"%Y%m%dT%H%M%S\"]";

/// Two entries, of which the first is a record with a time in [`COMPACT`].
fn hopeless(id: u64) -> String {
    format!("{{\"id\":{id},\"at\":\"20240501T023000\",\"kind\":\"late\"}}\nno json {id}\n")
}

/// Two folders of records, of which those of `late` are rejected: nothing has a table that is not asked for by its route.
fn with_rejects() -> Sandbox {
    let sandbox = Sandbox::empty();
    let strict = EVENT_YAML.replace("event_time", "route: { kind: [k0, k1, k2, k3, k4] }\nevent_time");
    sandbox.write("schemas/event.yaml", &strict);
    sandbox.write("mended/event.yaml", &strict);
    sandbox.write("mended/late.yaml", LATE_YAML);
    sandbox.write("raw/a/1.json", lines(0..50) + &late(1000..1010) + &hopeless(1));
    sandbox.write("raw/a/2.json.gz", gzip(late(1010..1030) + &lines(50..80)));
    sandbox.write("raw/b/3.json", lines(80..90));
    sandbox.write_at("raw/b/4.json", late(1030..1033) + &hopeless(2), MODIFIED_S + 86_400);
    sandbox.load("").exits(0);
    assert_eq!(sandbox.lake("lake").prove().ids(), (0..90).collect::<Vec<_>>());
    sandbox
}

fn rows_and_rejects(sandbox: &Sandbox, lake: &str) -> (Vec<u64>, Vec<Value>) {
    let lake = sandbox.lake(lake);
    lake.prove();
    let mut entries = lake.quarantine();
    for entry in &mut entries {
        entry.as_object_mut().unwrap().remove("attemptsMade");
    }
    entries.sort_by_key(|entry| (entry["source"]["key"].to_string(), entry["offset"].as_u64()));
    (lake.ids(), entries)
}

/// The lake is as if everything had been loaded under these schemas.
#[track_caller]
fn is_as_loaded_with(sandbox: &Sandbox, schemas: &str) {
    let fresh = format!("fresh-{schemas}");
    sandbox
        .run(&format!("backfill raw --to {fresh} --schemas {schemas} --json"))
        .exits(0);
    assert_eq!(rows_and_rejects(sandbox, "lake"), rows_and_rejects(sandbox, &fresh));
    sandbox.run("verify lake").exits(0);
}

fn counts(summary: &Value) -> [u64; 4] {
    ["entries", "rows", "quarantined", "partial"].map(|name| summary["replayed"][name].as_u64().unwrap())
}

#[test]
fn what_a_mended_schema_takes_is_rows_and_the_rest_stays_in_quarantine() {
    let sandbox = with_rejects();
    let ran = sandbox.run("replay --to lake --schemas mended").exits(0);
    assert!(
        ran.stdout.starts_with(
            "37 entries of 2 jobs read again: 33 are rows now, 4 rejected again, 0 of which no whole record was kept\n"
        ),
        "{ran:?}"
    );
    is_as_loaded_with(&sandbox, "mended");
    let attempts = |entry: &Value| entry["attemptsMade"].as_u64();
    assert!(
        sandbox
            .lake("lake")
            .quarantine()
            .iter()
            .all(|entry| attempts(entry) == Some(2))
    );
}

#[test]
fn a_second_replay_does_nothing_and_quarantine_never_grows() {
    let sandbox = with_rejects();
    sandbox.run("replay --to lake --schemas mended").exits(0);
    let before = sandbox.lake("lake").snapshot();
    let again = sandbox.run("replay --to lake --schemas mended --json").exits(0).json();
    assert_eq!(counts(&again), [0; 4]);
    assert_eq!(again["replayed"]["entries_already"], 4);
    assert!(sandbox.lake("lake").snapshot() == before, "something was written");
    // Other schemas that mend nothing: read again, and left as it is.
    for round in 0..3 {
        let more = format!("{LATE_YAML}parquet: {{ row_group_rows: {} }}\n", 1000 + round);
        sandbox.write("mended/late.yaml", more);
        let ran = sandbox.run("replay --to lake --schemas mended --json").exits(0).json();
        assert_eq!(counts(&ran), [4, 0, 4, 0]);
        assert!(sandbox.lake("lake").snapshot() == before, "something was written");
    }
    sandbox.write("mended/late.yaml", LATE_YAML);
    assert_eq!(
        sandbox.run("replay --to lake --schemas mended").exits(0).stdout,
        "4 entries of 2 jobs were read under these schemas before, 0 to read again\n"
    );
    // Mended further, the rest of what can be mended follows.
    let compact = format!("formats: {COMPACT}, max_past");
    sandbox.write("mended/late.yaml", LATE_YAML.replace("max_past", &compact));
    let ran = sandbox.run("replay --to lake --schemas mended --json").exits(0).json();
    assert_eq!(counts(&ran), [4, 2, 2, 0]);
    is_as_loaded_with(&sandbox, "mended");
}

#[test]
fn replayed_rows_are_those_of_their_objects_loaded_again_overwritten_or_gone() {
    let sandbox = with_rejects();
    // Raw objects are not needed for it.
    fs::rename(sandbox.path("raw/a/2.json.gz"), sandbox.path("kept")).unwrap();
    sandbox.run("replay --to lake --schemas mended").exits(0);
    fs::rename(sandbox.path("kept"), sandbox.path("raw/a/2.json.gz")).unwrap();
    is_as_loaded_with(&sandbox, "mended");
    // Loaded again, nothing is there twice.
    sandbox.run("backfill raw --to lake --schemas mended --reload").exits(0);
    is_as_loaded_with(&sandbox, "mended");
    // Loaded as before, everything is as before.
    sandbox.run("backfill raw --to lake --reload").exits(0);
    is_as_loaded_with(&sandbox, "schemas");
    sandbox.run("replay lake --to lake --schemas mended").exits(0);
    sandbox.write_at("raw/a/1.json", late(2000..2005) + &lines(200..210), MODIFIED_S + 9);
    sandbox.run("backfill raw --to lake --schemas mended").exits(0);
    fs::remove_dir_all(sandbox.path("fresh-mended")).unwrap();
    is_as_loaded_with(&sandbox, "mended");
}

#[test]
fn entries_that_were_only_copied_are_read_by_the_next_replay() {
    let sandbox = with_rejects();
    // A job of the mended schemas that had to keep what it could not read again.
    fs::remove_file(sandbox.path("raw/a/2.json.gz")).unwrap();
    sandbox.write_at("raw/a/1.json", lines(0..50), MODIFIED_S + 9);
    sandbox.run("backfill raw --to lake --schemas mended").exits(0);
    assert_eq!(sandbox.lake("lake").prove().quarantine().len(), 20 + 5);
    let ran = sandbox.run("replay --to lake --schemas mended --json").exits(0).json();
    assert_eq!(counts(&ran), [25, 23, 2, 0]);
    let ids = (0..90).chain(1010..1033).collect::<Vec<_>>();
    assert_eq!(sandbox.lake("lake").prove().ids(), ids);
    let again = sandbox.run("replay --to lake --schemas mended --json").exits(0).json();
    assert_eq!(counts(&again), [0; 4]);
}

#[test]
fn a_folder_or_a_file_of_the_quarantine_is_replayed_by_itself() {
    let sandbox = with_rejects();
    let of = |date: &str| format!("lake/_lakebed/quarantine/date={date}");
    let line = format!("replay {} --to lake --schemas mended --json", of("2024-06-02"));
    let ran = sandbox.run(&line).exits(0).json();
    assert_eq!(counts(&ran), [5, 3, 2, 0]);
    let file = fs::read_dir(sandbox.path(&of("2024-06-01"))).unwrap().next().unwrap();
    let line = format!(
        "replay {} --to lake --schemas mended --json",
        file.unwrap().path().display()
    );
    assert_eq!(counts(&sandbox.run(&line).exits(0).json()), [32, 30, 2, 0]);
    is_as_loaded_with(&sandbox, "mended");
    let nothing = format!("replay {} --to lake", of("1999-01-01"));
    assert_eq!(
        sandbox.run(&nothing).exits(0).stdout,
        "nothing is in quarantine there\n"
    );
}

#[test]
fn a_dry_run_tells_what_would_become_of_it_and_writes_nothing() {
    let sandbox = with_rejects();
    let before = sandbox.lake("lake").snapshot();
    let ran = sandbox.run("replay --to lake --schemas mended --dry-run").exits(0);
    assert_eq!(
        ran.stdout,
        "37 entries of 2 jobs read again: 33 would be rows, 4 rejected again, 0 of which no whole record was kept\n\
         nothing was written\n"
    );
    assert!(sandbox.lake("lake").snapshot() == before, "something was written");
}

#[test]
fn what_quarantine_holds_only_a_part_of_stays_and_is_told() {
    let sandbox = with_rejects();
    let mut cut = gzip(lines(300..400));
    cut.truncate(cut.len() / 2);
    sandbox.write("raw/c/cut.gz", cut);
    sandbox.write("raw/c/no.parquet", "PAR1 is no JSON");
    let long = format!("{{\"id\":500,\"kind\":\"late\",\"pad\":\"{}\"}}\n", "x".repeat(1 << 20));
    sandbox.write("raw/c/long.json", long);
    sandbox.load("").exits(1);
    let entries = sandbox.lake("lake").prove().quarantine().len();
    let ran = sandbox.run("replay --to lake --schemas mended --json").exits(0).json();
    assert_eq!(counts(&ran), [37 + 3, 33, 4, 3]);
    assert_eq!(sandbox.lake("lake").prove().quarantine().len(), entries - 33);
    sandbox.write(
        "mended/late.yaml",
        LATE_YAML.replace("columns: {", "columns: { more: string,"),
    );
    let said = sandbox.run("replay --to lake --schemas mended").exits(0).stdout;
    assert!(
        said.contains("quarantine keeps a part: load their objects again"),
        "{said}"
    );
}

/// Sources, tables and mends by chance: a replay comes to what loading anew comes to.
#[test]
fn whatever_is_mended_a_replay_is_as_good_as_loading_again() {
    let columns = [
        "id: bigint",
        "id: int",
        "id: tinyint",
        "id: string",
        "id: { type: bigint, required: true }",
    ];
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let sandbox = Sandbox::empty();
        for folder in ["first", "second", "third"] {
            let id = columns[dice.below(2) as usize + usize::from(folder != "first")];
            let time = ["auto", "rfc3339", "epoch_ms"][dice.below(3) as usize];
            let route = if dice.below(2) == 0 {
                "route: { kind: [a, b] }\n"
            } else {
                ""
            };
            let fields = ["drop", "quarantine"][dice.below(2) as usize];
            let name = format!("t{}", columns.iter().position(|column| *column == id).unwrap());
            let yaml = format!(
                "table: {name}\n{route}event_time: {{ field: at, formats: [{time}], max_past: none }}\ncolumns:\n  {id}\n  at: \
                 timestamp\nunknown_fields: {fields}\n"
            );
            sandbox.write(&format!("{folder}/{name}.yaml"), yaml);
        }
        for n in 0..1 + dice.below(5) {
            let mut text = String::new();
            for _ in 0..dice.below(60) {
                let id = ["7", "300", "5000000000", "\"8\"", "null", "[]"][dice.below(6) as usize];
                let at = [
                    "\"2024-05-01T00:30:00Z\"",
                    "\"2024-05-01 01:30:00\"",
                    "1714528800000",
                    "1714528800",
                ][dice.below(4) as usize];
                let kind = ["a", "b", "c"][dice.below(3) as usize];
                text += &match dice.below(8) {
                    0 => format!("{{\"id\":{id},\"at\":{at}\n"),
                    1 => format!("{{\"id\":{id},\"at\":{at},\"kind\":\"{kind}\",\"x\":1}}\n"),
                    2 => format!("{{\"id\":{id},\"at\":{at},\"kind\":\"{kind}\"}}"),
                    _ => format!("{{\"id\":{id},\"at\":{at},\"kind\":\"{kind}\"}}\n"),
                };
            }
            let (folder, day) = (dice.below(2), dice.below(3));
            sandbox.write_at(&format!("raw/{folder}/{n}"), text, MODIFIED_S + day * 86_400);
        }
        sandbox.run("backfill raw --to lake --schemas first").exits(0);
        for folder in ["second", "third"] {
            sandbox.run(&format!("replay --to lake --schemas {folder}")).exits(0);
            sandbox.lake("lake").prove();
            sandbox.run("verify lake").exits(0);
        }
        // What is in quarantine still is what the last schemas reject of what earlier ones rejected.
        let place = |entry: &Value| (entry["source"]["key"].to_string(), entry["offset"].as_u64());
        let left: BTreeSet<_> = sandbox.lake("lake").quarantine().iter().map(place).collect();
        sandbox.run("backfill raw --to fresh --schemas third").exits(0);
        let fresh: BTreeSet<_> = sandbox.lake("fresh").quarantine().iter().map(place).collect();
        assert!(left.is_subset(&fresh), "seed {seed}: {:?}", left.difference(&fresh));
        let records = |lake: &str| {
            let lake = sandbox.lake(lake);
            let rows: usize = lake.tables().iter().map(|file| file.rows.num_rows()).sum();
            rows + lake.quarantine().len()
        };
        assert_eq!(records("lake"), records("fresh"), "seed {seed}");
    }
}

fn error_record(raw: &[u8]) -> Value {
    json!({"attemptsMade": 4, "arrivalTimestamp": 1_714_521_600_000_i64, "errorCode": "Lambda.FunctionError",
           "errorMessage": "...", "attemptEndingTimestamp": 1_714_521_700_000_i64, "rawData": STANDARD.encode(raw),
           "lambdaARN": "arn:aws:lambda:eu-west-1:111122223333:function:f"})
}

/// Of a failed conversion: other names, and more of them.
fn conversion_record(raw: &[u8]) -> Value {
    json!({"attemptsMade": 1, "arrivalTimestamp": 1_714_521_600_000_i64, "lastErrorCode": "DataFormatConversion.ParseError",
           "lastErrorMessage": "{\"id\":999}", "attemptEndingTimestamp": 1_714_521_700_000_i64,
           "rawData": STANDARD.encode(raw), "sequenceNumber": "49", "subSequenceNumber": null,
           "dataCatalogTable": {"databaseName": "db", "tableName": "t"}})
}

/// Ten records that are loaded, in error records of both kinds: alone, several in one, none in one; and what is none.
fn with_errors() -> Sandbox {
    let sandbox = Sandbox::new();
    let one = |id: u64| lines(id..id + 1).trim_end().to_owned();
    let failed: String = [
        error_record(one(0).as_bytes()).to_string() + "\n",
        // Run together, as all that Firehose writes.
        error_record(lines(1..4).as_bytes()).to_string(),
        error_record(b"").to_string(),
        error_record((one(4) + &one(5)).as_bytes()).to_string() + "\n",
        error_record(b"{\"id\":66,\"at\":\"20240501T023000\"}\nno json\n").to_string() + "\n",
        "{\"id\":7,\"at\":\"2024-05-01T00:00:00Z\"}\n".to_owned(),
        "{\"rawData\":\"*\"}\nno record\n".to_owned(),
        json!({"rawData": "eyJpZCI6", "rawDataTruncated": true}).to_string(),
    ]
    .concat();
    sandbox.write("errors/processing-failed/2024/05/01/00/f-1", failed);
    let conversions = (6..10).map(|id| conversion_record(lines(id..id + 1).as_bytes()).to_string());
    let conversions = gzip(conversions.collect::<String>());
    sandbox.write("errors/format-conversion-failed/2024/05/01/00/f-2.gz", conversions);
    sandbox
}

#[test]
fn the_records_in_error_records_are_loaded_once() {
    let sandbox = with_errors();
    let summary = sandbox.run("replay errors --to lake --json").exits(0).json();
    assert_eq!(sandbox.lake("lake").prove().ids(), (0..10).collect::<Vec<_>>());
    let records = &summary["records"];
    let counted = ["read", "added", "rows", "quarantined", "dropped"].map(|name| records[name].as_u64().unwrap());
    // Nine error records, four bad neighbours; two, one and one more in some, nothing in one.
    assert_eq!(counted, [13, 4, 10, 6, 1]);
    let codes = sandbox.lake("lake").codes();
    let expected = [("EventTime.Unreadable", 1), ("Json.Syntax", 2), ("Transform.Failed", 3)];
    assert_eq!(codes, expected.map(|(code, n)| (code.to_owned(), n)).into());
    sandbox.run("verify lake").exits(0);
    let before = sandbox.lake("lake").snapshot();
    assert_eq!(
        sandbox.run("replay errors --to lake").exits(0).stdout,
        "2 objects already loaded, 0 new\n"
    );
    let own = sandbox.run("replay --to lake --json").exits(0).json();
    assert_eq!(counts(&own), [0; 4]);
    assert!(sandbox.lake("lake").snapshot() == before, "something was written");
}

#[test]
fn what_was_rejected_out_of_error_records_is_replayed_by_itself() {
    let sandbox = with_errors();
    sandbox.run("replay errors --to lake").exits(0);
    let of_inner = |entry: &Value| entry["errorCode"] == "EventTime.Unreadable";
    let lake = sandbox.lake("lake");
    let entry = lake.quarantine().into_iter().find(of_inner).unwrap();
    let raw = STANDARD.decode(entry["rawData"].as_str().unwrap()).unwrap();
    assert_eq!(raw, b"{\"id\":66,\"at\":\"20240501T023000\"}");
    assert_eq!(entry["record"], 5);
    // A column of another type is refused.
    sandbox.write("mended/event.yaml", EVENT_YAML.replace("id: bigint", "id: string"));
    let refused = sandbox.run("replay --to lake --schemas mended").exits(2);
    assert!(refused.stderr.contains("table event"), "{refused:?}");
    let compact = format!("formats: {COMPACT}, max_past");
    sandbox.write("mended/event.yaml", EVENT_YAML.replace("max_past", &compact));
    let ran = sandbox.run("replay --to lake --schemas mended --json").exits(0).json();
    assert_eq!(counts(&ran), [6, 1, 2, 3]);
    assert_eq!(
        sandbox.lake("lake").ids(),
        [&(0..10).collect::<Vec<_>>()[..], &[66]].concat()
    );
    sandbox.lake("lake").prove();
    sandbox.run("verify lake").exits(0);
}

#[test]
fn quarantine_of_another_lake_is_loaded_as_error_records_are() {
    let sandbox = with_rejects();
    fs::create_dir(sandbox.path("copy")).unwrap();
    let mut names = Vec::new();
    for file in sandbox
        .lake("lake")
        .snapshot()
        .keys()
        .filter(|key| key.contains("quarantine/"))
    {
        let name = file.rsplit('/').next().unwrap();
        fs::copy(
            sandbox.path(&format!("lake/{file}")),
            sandbox.path(&format!("copy/{name}")),
        )
        .unwrap();
        names.push(name.to_owned());
    }
    // Of this very lake it would be there twice.
    let refused = sandbox.run("replay copy --to lake --schemas mended").exits(2);
    assert!(
        refused.stderr.contains("is a copy of quarantine of this very lake"),
        "{refused:?}"
    );
    sandbox.run("replay copy --to other --schemas mended").exits(0);
    assert_eq!(sandbox.lake("other").prove().ids(), (1000..1033).collect::<Vec<_>>());
    sandbox.run("verify other").exits(0);
}

#[test]
fn what_cannot_be_replayed_is_refused_with_the_way_out() {
    let sandbox = with_errors();
    sandbox.run("replay errors --to lake").exits(0);
    for (line, exit, message) in [
        (
            "replay lake/event --to lake",
            2,
            "is not of its quarantine: name lake/_lakebed/quarantine",
        ),
        ("replay lake errors --to lake", 2, "in a run each"),
        ("replay . --to lake", 2, "holds the lake lake and more"),
        (
            "replay --to lake --since 1d",
            2,
            "of the lake's own quarantine name a folder",
        ),
        (
            "replay --to lake --glob *",
            2,
            "of the lake's own quarantine name a folder",
        ),
        ("replay nowhere --to lake", 2, "nowhere"),
        ("replay --schemas nowhere --to lake", 2, "nowhere"),
        ("replay errors", 2, "say where the lake is"),
        (
            "replay --to typo",
            2,
            "lake typo: there is no lake: _lakebed/lake.json is missing",
        ),
        (
            "replay typo/_lakebed/quarantine --to typo --dry-run",
            2,
            "there is no lake",
        ),
    ] {
        let ran = sandbox.run(line).exits(exit);
        assert!(ran.stderr.contains(message) && ran.stdout.is_empty(), "{line}: {ran:?}");
    }
    assert!(!sandbox.path("typo").exists());
    // A file that was changed is not believed.
    let lake = sandbox.lake("lake");
    let key = lake
        .snapshot()
        .keys()
        .find(|key| key.contains("quarantine/"))
        .unwrap()
        .clone();
    fs::write(sandbox.path(&format!("lake/{key}")), gzip("{}\n")).unwrap();
    sandbox.write("wider/event.yaml", format!("{EVENT_YAML}  more: string\n"));
    let ran = sandbox.run("replay --to lake --schemas wider").exits(1);
    assert!(ran.stdout.contains("is not what its job wrote"), "{ran:?}");
}

/// A record that is refused because its lists are too wide for columns was a record all the same: its bytes count as such.
#[test]
fn records_too_wide_for_their_columns_are_replayed_where_they_are_not_any_more() {
    let sandbox = Sandbox::empty();
    let members: Vec<_> = (0..60).map(|n| format!("m{n}: bigint")).collect();
    let wide = format!("array<struct<{}>>", members.join(","));
    let yaml = |list: &str| {
        format!(
            "table: event\nevent_time: {{ field: at, max_past: none }}\ncolumns: {{ id: bigint, at: timestamp{list} }}\n"
        )
    };
    sandbox.write("schemas/event.yaml", yaml(&format!(", list: \"{wide}\"")));
    sandbox.write("mended/event.yaml", yaml(""));
    let record = |id: u64, elements: usize| {
        let list = vec!["{}"; elements].join(",");
        format!("{{\"id\":{id},\"at\":\"2024-05-01T00:00:00Z\",\"list\":[{list}]}}\n")
    };
    sandbox.write("raw/a", record(0, 3) + &record(1, 4000) + "no json\n" + &record(2, 0));
    let limited = |line: &str| {
        let mut command = sandbox.command(line);
        crate::sandbox::Run::run(command.env("LAKEBED_RECORD_BYTES_MAX", "64KiB")).exits(0)
    };
    limited("backfill raw --to lake --json");
    assert_eq!(sandbox.lake("lake").codes()["Record.TooLarge"], 1);
    let ran = limited("replay --to lake --schemas mended --json").json();
    assert_eq!(counts(&ran), [2, 1, 1, 0]);
    assert_eq!(sandbox.lake("lake").prove().ids(), [0, 1, 2]);
    sandbox.run("verify lake").exits(0);
}

#[test]
fn a_job_whose_objects_arrived_on_many_days_is_replayed() {
    let sandbox = Sandbox::empty();
    let strict = EVENT_YAML.replace("event_time", "route: { kind: other }\nevent_time");
    sandbox.write("schemas/event.yaml", strict);
    sandbox.write("mended/event.yaml", EVENT_YAML);
    for n in 0..200 {
        // Neighbours by name lie days apart, and come back to the same days.
        sandbox.write_at(
            &format!("raw/{n:03}"),
            lines(n..n + 1),
            MODIFIED_S + (n * 37 % 97) * 86_400,
        );
    }
    sandbox.load("").exits(0);
    let ran = sandbox.run("replay --to lake --schemas mended --json").exits(0).json();
    assert_eq!(counts(&ran), [200, 200, 0, 0]);
    assert_eq!(ran["replayed"]["jobs"], 1);
    is_as_loaded_with(&sandbox, "mended");
}

#[test]
fn an_error_record_with_more_records_than_a_message_can_hold_is_refused() {
    let sandbox = Sandbox::empty();
    let columns: Vec<_> = (0..400).map(|n| format!("  c{n}: string\n")).collect();
    let yaml = format!(
        "table: event\nevent_time: {{ field: at, max_past: none }}\ncolumns:\n  at: timestamp\n{}",
        columns.concat()
    );
    sandbox.write("schemas/event.yaml", yaml);
    let few = "{\"at\":1714521600}\n".repeat(50);
    let many = "{\"at\":1714521600}\n".repeat(200_000);
    let errors = [few.as_bytes(), many.as_bytes()].map(|raw| error_record(raw).to_string() + "\n");
    sandbox.write("errors/a", errors.concat());
    let summary = sandbox.run("replay errors --to lake --json").exits(0).json();
    assert_eq!(summary["records"]["rows"], 50);
    assert_eq!(
        sandbox.lake("lake").codes(),
        [("Transform.Failed".to_owned(), 1)].into()
    );
}

#[test]
fn what_has_no_outcome_is_told_and_keeps_nothing_else() {
    let sandbox = with_rejects();
    let lake = sandbox.lake("lake");
    let key = lake
        .snapshot()
        .keys()
        .find(|key| key.contains("_lakebed/jobs/"))
        .unwrap()
        .clone();
    let of_it = |entry: &Value| entry["source"]["key"].as_str().unwrap().contains("/raw/a/");
    let both = lake.quarantine().iter().filter(|entry| of_it(entry)).count();
    fs::remove_file(sandbox.path(&format!("lake/{key}"))).unwrap();
    let ran = sandbox.run("replay --to lake --schemas mended --json").exits(1).json();
    let read = counts(&ran)[0] as usize;
    assert!(read == both || read == 37 - both, "{ran}");
    let message = ran["failed"][0]["message"].as_str().unwrap();
    assert!(message.contains("neither intent nor outcome"), "{message}");
}
