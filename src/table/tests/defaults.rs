//! What a sound file becomes, and what is taken for what it leaves out.

use super::*;
use crate::partition::hour::Layout;

#[test]
fn everything_left_out_has_its_default() {
    let table = table(BASE);
    assert_eq!((table.name.as_str(), table.description.as_deref()), ("t", None));
    assert!(table.route.is_empty() && table.keys.is_none() && table.is_default());
    assert_eq!(table.event_time.field, FieldPath::Key("time".to_owned()));
    assert_eq!(table.event_time.max_future, Some(86_400));
    assert_eq!(table.event_time.max_past, Some(3650 * 86_400));
    assert_eq!(table.unknown_fields, UnknownFields::Drop);
    assert_eq!(table.on_mismatch, OnMismatch::Quarantine);
    assert_eq!(table.coercion, Coercion::Lossless);
    assert_eq!(table.layout, Layout::YearMonthDayHour);
    let date = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap();
    assert_eq!(
        table.projection,
        Projection {
            from: date(2015, 1, 1),
            to: date(2040, 12, 31)
        }
    );
    let parquet = ParquetOptions {
        row_group_rows: 1_000_000,
        row_group_bytes: 64 << 20,
        file_bytes: 256 << 20,
    };
    assert_eq!(table.parquet, parquet);

    let [column] = &table.columns[..] else {
        panic!("{:?}", table.columns)
    };
    assert_eq!((column.name.as_str(), &column.data_type), ("id", &ColumnType::String));
    assert_eq!(column.from, FieldPath::Key("id".to_owned()));
    assert_eq!((column.comment.as_deref(), column.required), (None, false));
    assert!(!column.is_event_time);
    assert_eq!((column.encoding, column.keys.len()), (Encoding::Base64, 0));
}

/// The JSON Schema states each default a second time, for editors; here the two meet.
#[test]
fn the_defaults_in_the_json_schema_are_those_applied() {
    let schema = table_json_schema();
    let mut written = BASE.to_owned();
    for (key, property) in schema["properties"].as_object().unwrap() {
        let mut nested = serde_json::Map::new();
        for (name, property) in property["properties"].as_object().into_iter().flatten() {
            nested.extend(property.get("default").map(|default| (name.clone(), default.clone())));
        }
        if key == "event_time" {
            assert_eq!(nested.len(), 4, "formats, timezone and two limits");
            nested.insert("field".to_owned(), "time".into());
            let event_time = serde_json::Value::Object(nested);
            written = written.replace("{ field: time }", &event_time.to_string());
        } else if !nested.is_empty() {
            written += &format!("{key}: {}\n", serde_json::Value::Object(nested));
        } else if let Some(default) = property.get("default") {
            written += &format!("{key}: {default}\n");
        }
    }
    assert_eq!(written.lines().count(), 3 + 6, "{written}");
    let (spelled_out, left_out) = (tables(&written), tables(BASE));
    assert_eq!(spelled_out.canonical(), left_out.canonical());
    assert_eq!(spelled_out.as_slice()[0].projection, left_out.as_slice()[0].projection);
}

#[test]
fn every_key_of_a_full_file_arrives() {
    let table = table(
        r#"# yaml-language-server: $schema=table.schema.json
table: t
description: Page views of the web shop
route:
  type: page_view
  version: [1, 2.50, "2", true]
  /meta/kind: [a]
keys: ["clicks/**"]
event_time:
  field: /meta/time
  formats: [rfc3339, "%d/%b/%Y"]
  timezone: Europe/Berlin
  max_future: none
  max_past: 36h
columns:
  id: string
  time: { type: timestamp, from: /meta/time }
  user_id: { type: bigint, from: /user/id, comment: Account number, required: true }
  geo: { type: "struct<city_name:string,at:struct<city_name:int,lat:double>>", keys: { city_name: "City Name" } }
  tags: array<string>
  props: map<string,string>
  amount: { type: "decimal(12,2)" }
  payload: { type: array<binary>, encoding: hex }
  seen: { type: timestamp(6), formats: epoch_ms }
unknown_fields: { keep_in: rest }
on_mismatch: set_null
coercion: strict
layout: day/hour
projection: { from: 2020-02-29, to: 2020-03-01 }
parquet: { compression: snappy, row_group_rows: 5, row_group_bytes: 1MiB, file_bytes: 2097152 }
"#,
    );
    assert_eq!(table.description.as_deref(), Some("Page views of the web shop"));
    let route: Vec<_> = table
        .route
        .iter()
        .map(|rule| (rule.field.to_string(), rule.values.clone()))
        .collect();
    let number = |token| RouteValue::Number(ExactNumber::parse(token).unwrap());
    let text = |text: &str| RouteValue::Text(text.to_owned());
    assert_eq!(route[0], ("type".to_owned(), vec![text("page_view")]));
    assert_eq!(
        route[1].1,
        [number("1"), number("2.5"), text("2"), RouteValue::Bool(true)]
    );
    assert_eq!(route[2], ("/meta/kind".to_owned(), vec![text("a")]));
    assert!(table.keys.as_ref().unwrap().matches("clicks/a/b") && !table.keys.as_ref().unwrap().matches("views/a"));
    assert_eq!((table.route_entries(), table.is_default()), (4, false));
    assert_eq!(table.event_time.field.to_string(), "/meta/time");
    assert_eq!(
        (table.event_time.max_future, table.event_time.max_past),
        (None, Some(36 * 3600))
    );
    let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "id", "time", "user_id", "geo", "tags", "props", "amount", "payload", "seen"
        ]
    );
    let column = |name: &str| table.columns.iter().find(|column| column.name == name).unwrap();
    let user = column("user_id");
    assert_eq!(
        (user.from.to_string(), user.comment.as_deref(), user.required),
        ("/user/id".to_owned(), Some("Account number"), true)
    );
    let json_keys: Vec<_> = column("geo")
        .data_type
        .structs()
        .into_iter()
        .flatten()
        .map(|m| m.json_key.as_str())
        .collect();
    assert_eq!(json_keys, ["City Name", "at", "City Name", "lat"]);
    assert_eq!(column("geo").keys["city_name"], "City Name");
    assert_eq!(
        column("amount").data_type,
        ColumnType::Decimal {
            precision: 12,
            scale: 2
        }
    );
    assert_eq!(column("payload").encoding, Encoding::Hex);
    assert!(column("time").is_event_time && !column("seen").is_event_time);
    assert_eq!(table.unknown_fields, UnknownFields::KeepIn("rest".to_owned()));
    assert_eq!(
        (table.on_mismatch, table.coercion),
        (OnMismatch::SetNull, Coercion::Strict)
    );
    assert_eq!(table.layout, Layout::DayHour);
    assert_eq!(table.projection.to.to_string(), "2020-03-01");
    let parquet = ParquetOptions {
        row_group_rows: 5,
        row_group_bytes: 1 << 20,
        file_bytes: 2 << 20,
    };
    assert_eq!(table.parquet, parquet);
}

#[test]
fn a_table_with_keys_alone_is_no_default_table() {
    let table = table(&format!("{BASE}keys: clicks/**\n"));
    assert_eq!((table.route_entries(), table.is_default()), (1, false));
}

#[test]
fn a_column_takes_the_formats_of_the_event_time_it_reads() {
    const EVENT: &str = "{ field: time, formats: [epoch_ms], timezone: Europe/Berlin }";
    for (event_time, coercion, column, formats, timezone, is_event_time) in [
        (
            "{ field: time }",
            "lossless",
            "{ type: timestamp }",
            "auto",
            "UTC",
            false,
        ),
        (
            "{ field: time }",
            "strict",
            "{ type: timestamp }",
            "rfc3339",
            "UTC",
            false,
        ),
        (
            "{ field: time }",
            "strict",
            "{ type: timestamp, timezone: Europe/Berlin }",
            "rfc3339",
            "Europe/Berlin",
            false,
        ),
        (
            "{ field: time }",
            "strict",
            "{ type: timestamp, formats: [auto] }",
            "auto",
            "UTC",
            false,
        ),
        (
            "{ field: time }",
            "strict",
            "{ type: timestamp, from: time }",
            "auto",
            "UTC",
            true,
        ),
        (EVENT, "lossless", "{ type: timestamp }", "auto", "UTC", false),
        (
            EVENT,
            "lossless",
            "{ type: timestamp, from: time }",
            "epoch_ms",
            "Europe/Berlin",
            true,
        ),
        (
            EVENT,
            "lossless",
            "{ type: timestamp, from: /time }",
            "epoch_ms",
            "Europe/Berlin",
            true,
        ),
        (
            EVENT,
            "strict",
            "{ type: timestamp, from: time }",
            "epoch_ms",
            "Europe/Berlin",
            true,
        ),
        (
            EVENT,
            "lossless",
            "{ type: timestamp, from: time, formats: [rfc3339] }",
            "rfc3339",
            "Europe/Berlin",
            false,
        ),
        (
            EVENT,
            "lossless",
            "{ type: timestamp, from: time, timezone: UTC }",
            "epoch_ms",
            "UTC",
            false,
        ),
        (
            EVENT,
            "lossless",
            "{ type: array<timestamp>, from: /a/time }",
            "auto",
            "UTC",
            false,
        ),
    ] {
        let text = format!("table: t\nevent_time: {event_time}\ncoercion: {coercion}\ncolumns:\n  c: {column}\n");
        let tables = tables(&text);
        let times = format!(r#""required":false,"times":{{"formats":["{formats}"],"timezone":"{timezone}"}}"#);
        assert!(tables.canonical().contains(&times), "{text}{}", tables.canonical());
        let taken = tables.as_slice()[0].columns[0].is_event_time;
        assert_eq!(taken, is_event_time, "{text}");
    }
}

#[test]
fn json_byte_order_marks_and_line_ends_of_windows_are_read() {
    let json = r#"{"table": "t", "event_time": {"field": "time"}, "columns": {"id": "string", "n": {"type": "int"}}}"#;
    assert_eq!(table(json).columns.len(), 2);
    assert_eq!(
        table(&format!("\u{feff}{}", BASE.replace('\n', "\r\n"))).columns.len(),
        1
    );
}

#[test]
fn anchors_and_merges_are_read() {
    let table = table(
        "table: t\nevent_time: { field: &t time }\ncolumns:\n  a: &a { type: bigint, required: true }\n  b: { <<: *a, from: x }\n  c: { <<: *a, from: *t }\n",
    );
    assert!(
        table
            .columns
            .iter()
            .all(|column| column.data_type == ColumnType::BigInt && column.required)
    );
    assert!(table.columns[2].is_event_time);
}
