//! What of a schema is part of the plan, and what is not.

use super::*;

fn canonical(text: &str) -> String {
    tables(text).canonical()
}

const FULL: &str = r#"table: t
route: { type: [a, b], v: 1 }
keys: ["x/**", "y/**"]
event_time: { field: time, formats: [rfc3339], timezone: UTC, max_future: 1d, max_past: 10d }
columns:
  id: string
  time: timestamp
  at: { type: timestamp(6), from: /x/at, formats: [auto] }
  body: { type: binary, encoding: base64 }
  geo: { type: "struct<a:int,b:int>", keys: { a: A } }
"#;

#[test]
fn what_people_read_and_how_they_spell_it_is_not_in_the_plan() {
    for (from, to) in [
        ("table: t\n", "# a comment\n\ntable: \"t\"\ndescription: words\n"),
        ("  id: string\n", "  id: { type: string, comment: words }\n"),
        ("  id: string\n", "  id: { type: STRING, from: id, required: false, }\n"),
        ("  id: string\n", "  id: { type: string, from: /id }\n"),
        (
            "route: { type: [a, b], v: 1 }",
            "route: { v: [1.0, 10e-1], /type: [b, a, b] }",
        ),
        ("[\"x/**\", \"y/**\"]", "[y/**, x/**, y/**]"),
        ("max_future: 1d", "max_future: 24h"),
        (
            "  time: timestamp\n",
            "  time: { type: timestamp, formats: [rfc3339] }\n",
        ),
        ("struct<a:int,b:int>", "struct< a : int, b : int >"),
        ("columns:", "projection: { from: 2019-01-01 }\ncolumns:"),
        (
            "columns:",
            "parquet: { row_group_bytes: 65536KiB, file_bytes: 268435456 }\ncolumns:",
        ),
        (
            "columns:",
            "unknown_fields: drop\non_mismatch: quarantine\ncoercion: lossless\nlayout: year/month/day/hour\ncolumns:",
        ),
    ] {
        let changed = FULL.replace(from, to);
        assert_ne!(changed, FULL, "{from}");
        assert_eq!(canonical(&changed), canonical(FULL), "{changed}");
    }
}

#[test]
fn all_that_decides_a_byte_is_in_the_plan() {
    let mut seen = std::collections::HashSet::from([canonical(FULL)]);
    for (from, to) in [
        ("type: [a, b]", "type: [a]"),
        ("v: 1", "v: 2"),
        ("v: 1", "v: \"1\""),
        ("v: 1", "v: true"),
        ("v: 1", "v: \"true\""),
        ("v: 1", "w: 1"),
        ("\"y/**\"", "\"z/**\""),
        ("keys: [\"x/**\", \"y/**\"]\n", ""),
        ("field: time", "field: /x/time"),
        ("formats: [rfc3339]", "formats: [rfc3339, auto]"),
        ("timezone: UTC", "timezone: Europe/Berlin"),
        ("max_future: 1d", "max_future: 2d"),
        ("max_future: 1d", "max_future: none"),
        ("max_past: 10d", "max_past: 11d"),
        ("  id: string\n", "  id: binary\n"),
        ("  id: string\n", "  key: { type: string, from: id }\n"),
        ("  id: string\n", "  id: { type: string, from: key }\n"),
        ("  id: string\n", "  id: { type: string, required: true }\n"),
        ("  id: string\n  time: timestamp\n", "  time: timestamp\n  id: string\n"),
        ("  id: string\n", ""),
        ("timestamp(6)", "timestamp"),
        ("formats: [auto]", "formats: [epoch_ms]"),
        ("formats: [auto]", "timezone: Europe/Berlin"),
        ("encoding: base64", "encoding: hex"),
        ("keys: { a: A }", "keys: { a: B }"),
        ("keys: { a: A }", "keys: { b: A }"),
        ("columns:", "unknown_fields: quarantine\ncolumns:"),
        ("columns:", "unknown_fields: { keep_in: rest }\ncolumns:"),
        ("columns:", "unknown_fields: { keep_in: other }\ncolumns:"),
        ("columns:", "on_mismatch: set_null\ncolumns:"),
        ("columns:", "coercion: strict\ncolumns:"),
        ("columns:", "layout: day/hour\ncolumns:"),
        ("columns:", "layout: datehour\ncolumns:"),
        ("columns:", "parquet: { row_group_rows: 5 }\ncolumns:"),
        ("columns:", "parquet: { row_group_bytes: 5MiB }\ncolumns:"),
        ("columns:", "parquet: { file_bytes: 5MiB }\ncolumns:"),
        ("columns:", "transform: .\ncolumns:"),
        ("columns:", "transform: .a = 1\ncolumns:"),
    ] {
        let changed = FULL.replace(from, to);
        assert!(seen.insert(canonical(&changed)), "{from} -> {to}");
    }
    let renamed = load(&[("schemas/u.yaml", &FULL.replace("table: t", "table: u"))]).unwrap();
    assert!(seen.insert(renamed.canonical()));
}

#[test]
fn a_transform_is_in_the_plan_with_its_version_however_yaml_spells_it() {
    let quoted = canonical(&format!("{FULL}transform: '.a = 1'\n"));
    assert!(quoted.ends_with(",\"transform\":[1,\".a = 1\"]}\n"), "{quoted}");
    assert_eq!(canonical(&format!("{FULL}transform: |\n  .a = 1\n")), quoted);
}

#[test]
fn the_plan_does_not_know_files_or_their_order() {
    let a = "table: a\nroute: { type: a }\nevent_time: { field: time }\ncolumns: { id: string }\n";
    let b = a.replace("table: a", "table: b").replace("type: a", "type: b");
    let one = load(&[("schemas/a.yaml", a), ("schemas/b.yaml", &b)]).unwrap();
    let other = load(&[("x/b.yml", &b), ("y/a.yml", a)]).unwrap();
    assert_eq!(one.canonical(), other.canonical());
    assert_ne!(one.canonical(), load(&[("schemas/a.yaml", a)]).unwrap().canonical());
}

/// A change of this text renames every job of every lake; it is made on purpose or not at all.
#[test]
fn the_canonical_text_stays_as_it_is() {
    assert_eq!(
        canonical(FULL),
        r#"{"table":"t","route":[[["type"],["text a","text b"]],[["v"],["number 1"]]],"keys":["x/**","y/**"],"event_time":{"field":["time"],"times":{"formats":["rfc3339"],"timezone":"UTC"},"max_future":86400,"max_past":864000},"columns":[{"name":"id","data_type":"string","from":["id"],"required":false,"times":null,"encoding":null,"keys":{}},{"name":"time","data_type":"timestamp","from":["time"],"required":false,"times":{"formats":["rfc3339"],"timezone":"UTC"},"encoding":null,"keys":{}},{"name":"at","data_type":"timestamp(6)","from":["x","at"],"required":false,"times":{"formats":["auto"],"timezone":"UTC"},"encoding":null,"keys":{}},{"name":"body","data_type":"binary","from":["body"],"required":false,"times":null,"encoding":"base64","keys":{}},{"name":"geo","data_type":"struct<a:int,b:int>","from":["geo"],"required":false,"times":null,"encoding":null,"keys":{"a":"A"}}],"unknown_fields":"drop","on_mismatch":"quarantine","coercion":"lossless","layout":"year/month/day/hour","parquet":{"row_group_rows":1000000,"row_group_bytes":67108864,"file_bytes":268435456}}
"#
    );
}
