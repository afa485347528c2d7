//! Fields that no column reads: counted, refused or kept.

use crate::reading::{check_records, counts, plan, read, tally};

const COLUMNS: &str = "columns: { a: int, b: int, s: \"struct<x:int,y:struct<z:int>>\" }\n";

#[test]
fn dropped_fields_are_counted_by_name_dotted_below_the_top() {
    for (records, expected) in [
        (&[r#"{"t":0,"a":1}"#][..], &[][..]),
        (
            &[r#"{"t":0,"n":1}"#, r#"{"t":0,"n":null,"m":{}}"#],
            &[("m", 1), ("n", 2)],
        ),
        (&[r#"{"t":0,"n":1,"n":2}"#], &[("n", 2)]),
        (&[r#"{"t":0,"\u006e":1}"#], &[("n", 1)]),
        (&[r#"{"t":0,"\ud83d":1}"#], &[(r"\ud83d", 1)]),
        (
            &[r#"{"t":0,"s":{"x":1,"w":2,"y":{"z":1,"v":2}}}"#],
            &[("s.w", 1), ("s.y.v", 1)],
        ),
        (&[r#"{"t":0,"S":{"Y":{"v":2}}}"#], &[("s.y.v", 1)]),
        // The key that was not taken is unknown, wherever it stands.
        (&[r#"{"t":0,"A":1,"a":2}"#], &[("A", 1)]),
        (&[r#"{"t":0,"a":2,"A":1}"#], &[("A", 1)]),
        (&[r#"{"t":0,"B":1,"a":2,"b":3}"#], &[("B", 1)]),
        (&[r#"{"t":0,"a":1,"B":1,"b":3}"#], &[("B", 1)]),
        // What is refused counts nowhere.
        (&[r#"{"t":0,"n":1,"a":"x"}"#, r#"{"n":1}"#], &[]),
    ] {
        assert_eq!(tally(COLUMNS, records).unknown, counts(expected), "{records:?}");
    }
}

#[test]
fn fields_unknown_within_arrays_and_maps_are_counted_by_the_name_of_their_column() {
    let columns = "columns: { l: \"array<struct<a:int>>\", m: \"map<string,struct<a:int>>\" }";
    let record = r#"{"t":0,"l":[{"b":1},{"a":1,"b":1,"c":1}],"m":{"k":{"b":1},"l":{}}}"#;
    assert_eq!(
        tally(columns, &[record]).unknown,
        counts(&[("l.b", 2), ("l.c", 1), ("m.b", 1)])
    );
}

#[test]
fn fields_unknown_below_a_pointer_are_counted_by_their_whole_path() {
    let columns = "columns: { v: { type: \"struct<a:int>\", from: /user/geo/0 } }";
    let record = r#"{"t":0,"user":{"geo":[{"a":1,"b":2}]}}"#;
    assert_eq!(tally(columns, &[record]).unknown, counts(&[("user.geo.0.b", 1)]));
}

#[test]
fn fields_beside_what_only_the_route_reads_are_unknown_by_their_path() {
    let schema = "columns: { id: int }\nroute: { /meta/kind: a }\n";
    let record = r#"{"t":0,"id":1,"meta":{"kind":"a","x":5}}"#;
    assert_eq!(tally(schema, &[record]).unknown, counts(&[("meta.x", 1)]));
    let refused = tally(&format!("{schema}unknown_fields: quarantine"), &[record]);
    assert_eq!(refused, Default::default(), "it has become a row");
    let clean = r#"{"t":0,"id":1,"meta":{"kind":"a"}}"#;
    assert_eq!(tally(schema, &[clean]).unknown, counts(&[]));
}

#[test]
fn a_hostile_number_of_names_is_counted_as_one() {
    let records: Vec<String> = (0..1100)
        .map(|i| format!("{{\"t\":0,\"f{i:04}\":1,\"g\":1}}"))
        .collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let unknown = tally(COLUMNS, &records).unknown;
    assert!(unknown.len() <= 1001, "{}", unknown.len());
    assert_eq!(unknown["g"], 1100);
    assert_eq!(unknown.values().sum::<u64>(), 2200);
    assert_eq!(unknown["(other)"], 1100 - (unknown.len() as u64 - 2));
}

#[test]
fn unknown_fields_can_be_refused_at_every_depth() {
    check_records(
        &format!("{COLUMNS}unknown_fields: quarantine"),
        &[
            (
                r#"{"t":0,"a":1,"s":{"x":1,"y":{"z":1}}}"#,
                "1 | NULL | {x: 1, y: {z: 1}}",
            ),
            (r#"{"T":0,"A":1}"#, "1 | NULL | NULL"),
            (r#"{"t":0,"n":1}"#, "Field.Unknown"),
            (r#"{"t":0,"n":null}"#, "Field.Unknown"),
            (r#"{"t":0,"a":1,"A":2}"#, "Field.Unknown"),
            (r#"{"t":0,"B":1,"a":2,"b":3}"#, "Field.Unknown"),
            (r#"{"t":0,"s":{"n":1}}"#, "Field.Unknown"),
            (r#"{"t":0,"s":{"y":{"n":1}}}"#, "Field.Unknown"),
            (r#"{"t":0,"a":"x","n":1}"#, "Type.Mismatch"),
        ],
    );
}

#[test]
fn unknown_fields_are_kept_as_they_were_written() {
    check_records(
        "columns: { a: int, b: int, t: bigint }\nunknown_fields: { keep_in: rest }",
        &[
            (r#"{"t":0,"a":1}"#, "1 | NULL | 0 | NULL"),
            (r#"{"t":0,"n":1.50}"#, r#"NULL | NULL | 0 | "{\"n\":1.50}""#),
            (
                r#"{"n":"x","t":0,"a":1,"m":null}"#,
                r#"1 | NULL | 0 | "{\"n\":\"x\",\"m\":null}""#,
            ),
            (
                r#"{"t":0, "n" : [1, {"k" : "v"}] }"#,
                r#"NULL | NULL | 0 | "{\"n\":[1, {\"k\" : \"v\"}]}""#,
            ),
            (
                r#"{"t":0,"n":{}, "m":[],"l":true}"#,
                r#"NULL | NULL | 0 | "{\"n\":{},\"m\":[],\"l\":true}""#,
            ),
            (
                r#"{"t":0,"\u006e\"":"\u0041\ud83d\n"}"#,
                r#"NULL | NULL | 0 | "{\"\\u006e\\\"\":\"\\u0041\\ud83d\\n\"}""#,
            ),
            (r#"{"t":0,"\ud83d":"é"}"#, r#"NULL | NULL | 0 | "{\"\\ud83d\":\"é\"}""#),
            (r#"{"t":0,"":"" }"#, r#"NULL | NULL | 0 | "{\"\":\"\"}""#),
            (r#"{"t":0,"n":1,"n":2}"#, r#"NULL | NULL | 0 | "{\"n\":1,\"n\":2}""#),
            (r#"{"t":0,"A":1,"a":2}"#, r#"2 | NULL | 0 | "{\"A\":1}""#),
            (r#"{"t":0,"B":1,"a":2,"b":3}"#, r#"2 | 3 | 0 | "{\"B\":1}""#),
            (r#"{"t":0,"rest":1}"#, r#"NULL | NULL | 0 | "{\"rest\":1}""#),
        ],
    );
}

#[test]
fn what_is_kept_is_one_json_object_equal_to_what_was_there() {
    let plan = plan("columns: { a: int, t: bigint }\nunknown_fields: { keep_in: rest }");
    let record = r#"{"n":{"x":[1,2,{"y":"\u00e9\"\\"}]},"a":1,"m\n":-0.5e3,"t":0}"#;
    let mut block = read(&plan, record.as_bytes());
    let column = block.tables[0].columns.last_mut().unwrap();
    let array = column.take_array(&arrow::datatypes::DataType::Utf8).unwrap();
    let kept: serde_json::Value =
        serde_json::from_str(arrow::array::AsArray::as_string::<i32>(&array).value(0)).unwrap();
    let mut expected: serde_json::Value = serde_json::from_str(record).unwrap();
    for read in ["a", "t"] {
        expected.as_object_mut().unwrap().remove(read);
    }
    assert_eq!(kept, expected);
}

#[test]
fn what_no_column_holds_whole_is_kept_although_it_is_read() {
    check_records(
        "columns: { id: { type: bigint, from: /user/id } }\nunknown_fields: { keep_in: rest }",
        &[
            (r#"{"t":0}"#, r#"NULL | "{\"t\":0}""#),
            (
                r#"{"t":0,"user":{"id":1,"name":"x"}}"#,
                r#"1 | "{\"t\":0,\"user\":{\"id\":1,\"name\":\"x\"}}""#,
            ),
        ],
    );
}

#[test]
fn members_beside_a_pointer_are_unknown_by_their_path() {
    let columns = "columns: { id: { type: bigint, from: /user/id }, zip: { type: int, from: /user/home/zip } }\n";
    for (record, expected) in [
        (r#"{"t":0,"user":{"id":1}}"#, &[][..]),
        (r#"{"t":0,"user":{"id":1,"name":"x"}}"#, &[("user.name", 1)]),
        (
            r#"{"t":0,"user":{"ID":1,"home":{"zip":1,"city":"x"}},"n":1}"#,
            &[("n", 1), ("user.home.city", 1)],
        ),
        (r#"{"t":0,"user":{"id":1,"Id":2}}"#, &[("user.Id", 1)]),
    ] {
        assert_eq!(tally(columns, &[record]).unknown, counts(expected), "{record}");
        let expected = if expected.is_empty() {
            "1 | NULL"
        } else {
            "Field.Unknown"
        };
        check_records(&format!("{columns}unknown_fields: quarantine"), &[(record, expected)]);
    }
}
