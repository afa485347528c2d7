//! `lakebed schema check`: what the tables take, and where sample records would land and why.

use std::path::Path;

use serde_json::{Value, json};

use crate::sandbox::{EVENT_YAML, Run as _, Sandbox, record};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::empty();
    let event = EVENT_YAML.replace("event_time", "route: { kind: [k0, k1, k2, k3, k4] }\nevent_time");
    sandbox.write("schemas/event.yaml", event);
    let day = "table: day\nroute: { kind: day, n: 2 }\nevent_time: { field: at, max_past: none }\nlayout: day/hour\n";
    sandbox.write(
        "schemas/day.yaml",
        day.to_owned() + "columns: { at: timestamp, n: { type: tinyint, required: true } }\n",
    );
    sandbox
}

#[test]
fn sound_tables_are_listed_with_what_they_take() {
    let ran = sandbox().run("schema check").exits(0);
    assert_eq!(
        ran.stdout,
        "ok  day: 2 columns, day/hour; takes records where kind is \"day\" and n is 2\n\
         ok  event: 4 columns, year/month/day/hour; takes records where kind is \"k0\" or \"k1\" or \"k2\" or \"k3\" or \"k4\"\n"
    );
    assert_eq!(ran.stderr, "");
    let json = sandbox().run("schema check --json").exits(0).json();
    assert_eq!((&json["version"], &json["verb"]), (&1.into(), &"schema check".into()));
    let names: Vec<_> = json["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| table["table"].clone())
        .collect();
    assert_eq!(names, ["day", "event"]);
    assert_eq!(json["sample"], json!([]));
}

#[test]
fn samples_are_shown_with_table_partition_and_reason() {
    let sandbox = sandbox();
    let at = "\"at\":\"2024-05-01T23:59:59.999-01:00\"";
    let lines = [
        record(7),
        format!("{{\"kind\":\"day\",\"n\":2,{at}}}\n"),
        format!("{{\"kind\":\"day\",\"n\":3,{at}}}\n"),
        format!("{{\"kind\":\"k1\",\"id\":\"x\",{at}}}\n"),
        "{\"kind\":\"k1\",\"at\":\"someday\"}\n".to_owned(),
        "[1]\n".to_owned(),
    ];
    sandbox.write("samples/a.json", lines.concat());
    let json = sandbox.run("schema check --sample samples --json").exits(0).json();
    let hour = record(7).split("T0").nth(1).unwrap()[..1].to_owned();
    let event = format!("event/year=2024/month=05/day=01/hour=0{hour}");
    let expected = [
        json!([1, "event", event, null]),
        json!([2, "day", "day/day=2024-05-02/hour=00", null]),
        json!([3, null, null, "Route.NoTable"]),
        json!([4, "event", null, "Type.Mismatch"]),
        json!([5, "event", null, "EventTime.Unreadable"]),
        json!([6, null, null, "Json.NotAnObject"]),
    ];
    let sample = json["sample"].as_array().unwrap();
    let of = |landed: &Value| {
        json!([
            landed["record"],
            landed["table"],
            landed["partition"],
            landed["quarantined"]
        ])
    };
    assert_eq!(sample.iter().map(of).collect::<Vec<_>>(), expected);
    let mut offset = 0;
    for (landed, line) in sample.iter().zip(&lines) {
        assert_eq!(landed["offset"], offset, "{landed}");
        assert!(!landed["why"].as_str().unwrap().is_empty(), "{landed}");
        offset += line.len();
    }

    let ran = sandbox.run("schema check --sample samples/a.json").exits(0);
    for expected in [
        sandbox.path("samples/a.json").to_str().unwrap().to_owned(),
        format!("record 1 at byte 0: {event}  because kind is \"k0\" or"),
        "day/day=2024-05-02/hour=00  because kind is \"day\" and n is 2".to_owned(),
        "quarantine: Route.NoTable  ".to_owned(),
        "quarantine: Type.Mismatch  ".to_owned(),
    ] {
        assert!(ran.stdout.contains(&expected), "no {expected:?} in {}", ran.stdout);
    }
}

#[test]
fn the_example_schemas_are_sound_and_take_the_example_objects() {
    let sandbox = Sandbox::empty();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = sandbox.command("schema check --sample examples/raw --json");
    let json = command.current_dir(root).run().exits(0).json();
    assert_eq!(json["tables"].as_array().unwrap().len(), 5);
    let sample = json["sample"].as_array().unwrap();
    let rejected = sample.iter().filter(|landed| landed["quarantined"].is_string()).count();
    assert_eq!((sample.len(), rejected), (3152, 46));
}

#[test]
fn a_sample_that_holds_no_records_or_is_not_there_is_said_so() {
    let sandbox = sandbox();
    sandbox.write("samples/table.csv", "a,b\n1,2\n");
    let ran = sandbox.run("schema check --sample samples").exits(0);
    assert!(ran.stdout.contains("Object.NotJson"), "{}", ran.stdout);
    let ran = sandbox.run("schema check --sample nowhere").exits(2);
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
    sandbox.run("schema check --schemas nowhere").exits(2);
}

#[test]
fn a_transform_is_shown_by_what_it_gives() {
    let sandbox = Sandbox::empty();
    let filter = "transform: 'if .kind == \"k0\" then empty elif .items then .items[] as $id | del(.items) | .id = $id else . end'\n";
    sandbox.write("schemas/event.yaml", EVENT_YAML.to_owned() + filter);
    let at = "\"at\":\"2024-05-01T03:00:00Z\"";
    let lines = [
        format!("{{\"kind\":\"k0\",{at}}}\n"),
        format!("{{\"kind\":\"k1\",{at},\"items\":[1,2]}}\n"),
        format!("{{\"kind\":\"k1\",{at},\"items\":7}}\n"),
    ];
    sandbox.write("sample.json", lines.concat());
    let json = sandbox.run("schema check --sample sample.json --json").exits(0).json();
    let of = |landed: &Value| {
        json!([
            landed["record"],
            landed["partition"],
            landed["quarantined"],
            landed["dropped"]
        ])
    };
    let found: Vec<Value> = json["sample"].as_array().unwrap().iter().map(of).collect();
    let partition = "event/year=2024/month=05/day=01/hour=03";
    let expected = [
        json!([1, null, null, true]),
        json!([2, partition, null, null]),
        json!([2, partition, null, null]),
        json!([3, null, "Transform.Failed", null]),
    ];
    assert_eq!(found, expected);
    assert_eq!(json["not_idempotent"], Value::Null);
    let shown = sandbox.run("schema check --sample sample.json").exits(0).stdout;
    assert!(
        shown.contains("record 1 at byte 0: dropped: the transform gives nothing for it\n"),
        "{shown}"
    );
}

#[test]
fn a_transform_that_changes_what_it_gave_fails_with_the_line_of_the_record() {
    let filters = [
        (".n += 1", "is changed again"),
        (".text |= tostring", ""),
        (".tag = \"x\" + (.tag // \"\")", "is changed again"),
        ("if .seen then empty else .seen = true end", "is dropped then"),
        (". , .", "becomes 2 records then"),
        (
            "if .seen then del(.at) else .seen = true end",
            "is rejected then: EventTime.Missing",
        ),
        (".kind = \"other\"", "is rejected then: Route.NoTable"),
        (".kind = \"day\"", "belongs to table day then"),
        (".state = \"transformed\"", ""),
        ("del(.x)", ""),
        (".at |= (tostring | ascii_upcase)", ""),
    ];
    for (filter, what) in filters {
        let sandbox = sandbox();
        let event = EVENT_YAML.replace("event_time", "route: { kind: k0 }\nevent_time");
        sandbox.write("schemas/event.yaml", format!("{event}transform: |\n  {filter}\n"));
        let day =
            "table: day\nroute: { kind: day }\nevent_time: { field: at, max_past: none }\ncolumns: { at: timestamp }\n";
        sandbox.write("schemas/day.yaml", day);
        let record = "{\"kind\":\"k0\",\n  \"at\":\"2024-05-01t03:00:00z\"}\n";
        sandbox.write("sample.json", format!("{{\"kind\":\"k0\"}}\n\n{record}"));
        let exit = i32::from(!what.is_empty());
        let ran = sandbox.run("schema check --sample sample.json").exits(exit);
        let json = sandbox
            .run("schema check --sample sample.json --json")
            .exits(exit)
            .json();
        if what.is_empty() {
            assert_eq!(json["not_idempotent"], Value::Null, "{filter}");
            continue;
        }
        let path = sandbox.path("sample.json");
        let line = format!(
            "not idempotent: the transform of table event, applied twice: record 2 (line 3) of {} {what}",
            path.display()
        );
        assert!(ran.stdout.contains(&line), "{filter}: {ran:?}");
        let [changed] = &json["not_idempotent"].as_array().unwrap()[..] else {
            panic!("{json}")
        };
        let known = json!([changed["record"], changed["line"], changed["table"]]);
        assert_eq!(known, json!([2, 3, "event"]), "{filter}");
    }
}
