//! Missing and null, `required`, `on_mismatch: set_null`, and that a refused record leaves no trace.

use crate::reading::{
    DUPLICATE, MISMATCH, RANGE, SURROGATE, check_modes, check_records, counts, plan, read, rows, tally, values,
};

const EVERY_TYPE: [&str; 16] = [
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "float",
    "double",
    "decimal(9,2)",
    "decimal(38,9)",
    "boolean",
    "string",
    "binary",
    "date",
    "timestamp",
    "array<int>",
    "struct<a:int>",
    "map<string,int>",
];

#[test]
fn missing_and_null_are_null_in_every_type_and_mode() {
    for data_type in EVERY_TYPE {
        for mode in ["strict", "lossless"] {
            check_records(
                &format!("columns: {{ v: \"{data_type}\" }}\ncoercion: {mode}"),
                &[
                    (r#"{"t":0}"#, "NULL"),
                    (r#"{"t":0,"v":null}"#, "NULL"),
                    (r#"{"t":0,"V":null}"#, "NULL"),
                ],
            );
        }
    }
}

#[test]
fn a_required_column_refuses_missing_and_null_whatever_on_mismatch_says() {
    for data_type in EVERY_TYPE {
        for (mode, on_mismatch) in [("strict", "quarantine"), ("lossless", "set_null")] {
            check_records(
                &format!(
                    "columns: {{ v: {{ type: \"{data_type}\", required: true }} }}\ncoercion: {mode}\non_mismatch: {on_mismatch}"
                ),
                &[(r#"{"t":0}"#, "Type.Null"), (r#"{"t":0,"v":null}"#, "Type.Null")],
            );
        }
    }
    check_records(
        "columns: { v: { type: bigint, from: /user/id, required: true } }",
        &[
            (r#"{"t":0,"user":{"id":1}}"#, "1"),
            (r#"{"t":0,"user":{"id":null}}"#, "Type.Null"),
            (r#"{"t":0,"user":{}}"#, "Type.Null"),
            (r#"{"t":0,"user":1}"#, "Type.Null"),
            (r#"{"t":0,"user":{"id":"x"}}"#, MISMATCH),
        ],
    );
}

#[test]
fn what_a_required_column_holds_may_be_null_within() {
    check_records(
        "columns: { v: { type: \"array<struct<a:int>>\", required: true } }",
        &[
            (r#"{"t":0,"v":[]}"#, "[]"),
            (r#"{"t":0,"v":[null,{}]}"#, "[NULL, {a: NULL}]"),
            (r#"{"t":0,"v":{}}"#, MISMATCH),
        ],
    );
}

#[test]
fn set_null_makes_null_of_the_innermost_value_that_may_be() {
    for (data_type, json, expected, nulls) in [
        ("int", "1", "1", 0),
        ("int", "\"x\"", "NULL", 1),
        ("tinyint", "128", "NULL", 1),
        ("boolean", "1", "NULL", 1),
        ("decimal(9,2)", "1.234", "NULL", 1),
        ("float", "1e39", "NULL", 1),
        ("date", "\"2019-02-29\"", "NULL", 1),
        ("timestamp", "\"9999-12-31T23:59:59-01:00\"", "NULL", 1),
        ("binary", "\"AQ=\"", "NULL", 1),
        ("array<int>", "{}", "NULL", 1),
        ("array<int>", "[1,\"x\",2.5,3]", "[1, NULL, NULL, 3]", 2),
        ("array<array<int>>", "[[1],2,[\"x\"]]", "[[1], NULL, [NULL]]", 2),
        ("struct<a:int,b:int>", "{\"a\":\"x\",\"b\":2}", "{a: NULL, b: 2}", 1),
        ("struct<a:int,b:int>", "[1,2]", "NULL", 1),
        ("struct<a:struct<b:int>>", "{\"a\":{\"b\":1.5}}", "{a: {b: NULL}}", 1),
        ("struct<a:struct<b:int>>", "{\"a\":1}", "{a: NULL}", 1),
        (
            "map<string,int>",
            "{\"k\":\"x\",\"l\":1}",
            "<\"k\" => NULL, \"l\" => 1>",
            1,
        ),
        ("map<string,int>", "[]", "NULL", 1),
        // A key cannot be NULL, so its map is.
        ("map<int,int>", "{\"1\":1,\"x\":2}", "NULL", 1),
        ("map<int,int>", "{\"1\":1,\"2147483648\":2}", "NULL", 1),
        ("map<date,int>", "{\"2019-02-29\":2}", "NULL", 1),
        ("array<map<int,int>>", "[{\"1\":1},{\"x\":1}]", "[<1 => 1>, NULL]", 1),
        (
            "struct<m:map<int,int>,a:int>",
            "{\"m\":{\"x\":1},\"a\":1}",
            "{m: NULL, a: 1}",
            1,
        ),
        // Values that a map lost with it are not counted beside it.
        ("map<int,int>", "{\"1\":\"x\",\"2\":\"y\",\"z\":2}", "NULL", 1),
        (
            "array<map<int,int>>",
            "[{\"1\":\"x\"},{\"1\":\"x\",\"y\":1}]",
            "[<1 => NULL>, NULL]",
            2,
        ),
    ] {
        let (text, tally) = values(&format!("type: \"{data_type}\""), "on_mismatch: set_null", &[json]);
        assert_eq!(text, [expected], "{data_type} {json}");
        let expected = if nulls == 0 {
            counts(&[])
        } else {
            counts(&[("v", nulls)])
        };
        assert_eq!(tally.set_null, expected, "{data_type} {json}");
    }
}

#[test]
fn set_null_counts_nothing_of_what_it_drops() {
    let column = "columns: { v: \"map<int,timestamp>\" }\non_mismatch: set_null";
    let lost = tally(column, &[r#"{"t":0,"v":{"1":0.0001,"x":0}}"#]);
    assert_eq!((lost.cut_time, lost.set_null), (0, counts(&[("v", 1)])));
    let kept = tally(column, &[r#"{"t":0,"v":{"1":0.0001,"2":"x"}}"#]);
    assert_eq!((kept.cut_time, kept.set_null), (1, counts(&[("v", 1)])));
}

#[test]
fn a_value_set_to_null_leaves_nothing_behind() {
    for (data_type, json) in [
        ("map<int,string>", r#"{"1":"lost","x":""}"#),
        ("map<int,array<int>>", r#"{"1":[1,2,3],"2":["x"],"x":[]}"#),
        ("array<map<date,int>>", r#"[{"2019-10-12":1,"x":1}]"#),
        ("binary", "\"AQIDBAUGBwgJCgsMDQ4PEA!\""),
    ] {
        let plan = plan(&format!("columns: {{ v: \"{data_type}\" }}\non_mismatch: set_null"));
        let columns = |value: &str| {
            let record = format!("{{\"t\":0,\"v\":{value}}}");
            format!("{:?}", read(&plan, record.as_bytes()).tables[0].columns)
        };
        let null = if json.starts_with('[') { "[null]" } else { "null" };
        assert_eq!(columns(json), columns(null), "{data_type}");
    }
}

#[test]
fn set_null_mends_types_only_and_no_required_column() {
    check_records(
        "columns: { v: { type: \"struct<a:int,s:string>\", required: true }, w: string }\non_mismatch: set_null",
        &[
            (r#"{"t":0,"v":{"a":"x"}}"#, "{a: NULL, s: NULL} | NULL"),
            (r#"{"t":0,"v":1}"#, MISMATCH),
            (r#"{"t":0,"v":{"a":1,"a":1}}"#, DUPLICATE),
            (r#"{"t":0,"v":{"s":"\ud83d"}}"#, SURROGATE),
            (r#"{"t":0,"v":{},"w":"\ud83d"}"#, SURROGATE),
            (r#"{"t":"x","v":{}}"#, "EventTime.Unreadable"),
        ],
    );
    check_records(
        "columns: { v: { type: tinyint, required: true } }\non_mismatch: set_null",
        &[(r#"{"t":0,"v":128}"#, RANGE), (r#"{"t":0,"v":1}"#, "1")],
    );
}

#[test]
fn strict_columns_set_null_where_they_would_refuse() {
    let inputs = ["1", "1.0", "\"1\""];
    let (strict, tally) = values("type: int", "coercion: strict\non_mismatch: set_null", &inputs);
    assert_eq!(
        (strict, tally.set_null),
        (vec!["1".into(), "NULL".into(), "NULL".into()], counts(&[("v", 2)]))
    );
    check_modes("type: int", &[("1.0", MISMATCH, "1")]);
}

/// A column of every kind, and last one that is easily refused.
const WIDE: &str = "columns:
  id: string
  n: bigint
  d: { type: \"decimal(9,2)\" }
  at: timestamp
  tags: array<string>
  geo: { type: \"struct<city:string,lat:double,more:array<int>>\" }
  props: { type: \"map<string,struct<a:int,b:string>>\" }
  raw: binary
  last: tinyint
unknown_fields: { keep_in: rest }
";

const GOOD: [&str; 4] = [
    r#"{"t":0,"id":"a","n":1,"d":1.5,"at":0.0001,"tags":["x","y"],"geo":{"city":"c","lat":1,"more":[1,2]},"props":{"k":{"a":1,"b":"z"}},"raw":"AQ==","last":1,"new":[1]}"#,
    r#"{"t":0}"#,
    r#"{"t":7200,"id":"b","tags":[],"geo":{},"props":{},"raw":"","other":"x"}"#,
    r#"{"t":0,"id":null,"tags":[null],"geo":{"more":[]},"props":{"k":null},"last":-1}"#,
];

const BAD: [&str; 8] = [
    r#"{"t":0,"id":"lost","n":9,"d":9,"at":0.0009,"tags":["lost"],"geo":{"city":"lost","lat":9,"more":[9]},"props":{"lost":{"a":9}},"raw":"/w==","last":128,"lost":1}"#,
    r#"{"t":0,"id":"lost","tags":["lost","\ud83d"],"last":1}"#,
    r#"{"t":0,"id":"lost","geo":{"city":"lost","more":[1,2,3,"x"]},"last":1}"#,
    r#"{"t":0,"id":"lost","props":{"lost":{"a":1,"b":"lost"},"also":{"a":"x"}}}"#,
    r#"{"t":0,"id":"lost","raw":"AQ=","last":1}"#,
    r#"{"t":0,"id":"lost","tags":["lost"],"last":1,"last":1}"#,
    r#"{"t":"never","id":"lost","n":9}"#,
    r#"{"t":0,"id":"lost","n":"#,
];

#[test]
fn a_refused_record_leaves_no_trace_in_any_column() {
    let plan = plan(WIDE);
    let texts = |records: &[&str]| {
        let mut block = read(&plan, records.join("\n").as_bytes());
        let rejected = block.rejected.len();
        let table = &block.tables[0];
        let beside = (
            table.times.clone(),
            table.hours.clone(),
            table.weights.clone(),
            table.tally.clone(),
        );
        (rows(&plan, &mut block, 0), beside, rejected)
    };
    let (expected, beside, none) = texts(&GOOD);
    assert_eq!((expected.len(), none), (GOOD.len(), 0));
    for bad in BAD {
        for place in 0..=GOOD.len() {
            let mut records = GOOD.to_vec();
            records.insert(place, bad);
            assert_eq!(
                texts(&records),
                (expected.clone(), beside.clone(), 1),
                "{bad} at {place}"
            );
        }
    }
    let all: Vec<&str> = BAD
        .iter()
        .zip(GOOD.iter().cycle())
        .flat_map(|(bad, good)| [*bad, *good])
        .collect();
    let twice = [GOOD, GOOD].concat();
    assert_eq!(texts(&all).0, texts(&twice).0);
}
