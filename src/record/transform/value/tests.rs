//! Order, arithmetic and slices of values, as jq has them.

use jaq_core::ValT as _;

use super::*;
use crate::record::transform::read;

fn value(json: &str) -> Value {
    read::json(json.as_bytes(), 100).unwrap()
}

fn json(value: &Value) -> String {
    String::from_utf8(value.to_json()).unwrap()
}

#[test]
fn values_are_ordered_by_kind_and_then_by_content() {
    let sorted = [
        "null",
        "false",
        "true",
        "-1",
        "0",
        "1",
        "1.5",
        r#""""#,
        r#""a""#,
        r#""ab""#,
        r#""b""#,
        "[]",
        "[1]",
        "[1,0]",
        "[2]",
        "{}",
        r#"{"a":1}"#,
        r#"{"a":2}"#,
        r#"{"a":0,"b":0}"#,
        r#"{"b":0}"#,
    ];
    for (i, a) in sorted.iter().enumerate() {
        for (j, b) in sorted.iter().enumerate() {
            assert_eq!(value(a).cmp(&value(b)), i.cmp(&j), "{a}, {b}");
        }
    }
    assert_eq!(value(r#"{"a":1,"b":[1.0]}"#), value(r#"{"b":[1],"a":1}"#));
}

#[test]
fn values_of_all_kinds_are_added_and_split_as_jq_does() {
    type Op = fn(Value, Value) -> Result<Value, Error<Value>>;
    let (add, sub, mul, div): (Op, Op, Op, Op) = (|a, b| a + b, |a, b| a - b, |a, b| a * b, |a, b| a / b);
    for (op, a, b, expected) in [
        (add, "null", "1", Some("1")),
        (add, r#""a""#, r#""b""#, Some(r#""ab""#)),
        (add, "[1]", "[2]", Some("[1,2]")),
        (
            add,
            r#"{"a":1,"b":2}"#,
            r#"{"a":3,"c":4}"#,
            Some(r#"{"a":3,"b":2,"c":4}"#),
        ),
        (add, "1", r#""a""#, None),
        (sub, "[1,2,1,3]", "[1.0,3]", Some("[2]")),
        (sub, r#""a""#, r#""a""#, None),
        (mul, r#""ab""#, "2", Some(r#""abab""#)),
        (mul, "0", r#""ab""#, Some("null")),
        (
            mul,
            r#"{"a":{"x":1},"b":1}"#,
            r#"{"a":{"y":2},"b":{}}"#,
            Some(r#"{"a":{"x":1,"y":2},"b":{}}"#),
        ),
        (div, r#""a, b, ""#, r#"", ""#, Some(r#"["a","b",""]"#)),
        (div, r#""é京""#, r#""""#, Some(r#"["é","京"]"#)),
        (div, r#""""#, r#""x""#, Some("[]")),
        (div, "1", "0", None),
    ] {
        let result = op(value(a), value(b)).ok();
        assert_eq!(result.as_ref().map(json).as_deref(), expected, "{a}, {b}");
    }
}

#[test]
fn ranges_count_elements_and_characters_from_either_end() {
    for (of, from, upto, expected) in [
        ("[1,2,3]", "1", "null", "[2,3]"),
        ("[1,2,3]", "-2", "-1", "[2]"),
        ("[1,2,3]", "2", "1", "[]"),
        ("[1,2,3]", "-9", "9", "[1,2,3]"),
        (r#""aé京😀""#, "1", "3", r#""é京""#),
        (r#""aé京😀""#, "-1", "null", r#""😀""#),
        (r#""aé""#, "-9", "9", r#""aé""#),
        (r#""\ud83d!""#, "0", "1", r#""\ud83d""#),
        ("null", "1", "2", "null"),
    ] {
        let (from, upto) = (value(from), value(upto));
        let range = Some(&from)..Some(&upto);
        assert_eq!(json(&value(of).range(range).unwrap()), expected, "{of}");
    }
}

#[test]
fn a_container_knows_how_deep_it_is_also_where_it_was_changed() {
    assert_eq!(value(r#"[{"a":[]},1]"#).depth(), 3);
    assert_eq!(value("1").depth(), 0);
    let inserted = Value::object(Object::default()).map_index(&value(r#""a""#), jaq_core::path::Opt::Essential, |_| {
        std::iter::once(Ok(value("[[1]]")))
    });
    assert_eq!(inserted.unwrap().depth(), 3);
}
