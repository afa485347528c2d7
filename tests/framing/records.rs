//! Records to be found again: nested, and with all in their strings that could be taken for the edge of a record.

use proptest::prelude::*;
use proptest::sample::select;
use serde::Serialize;
use serde_json::{Map, Value};

/// Pieces of keys and strings. None begins with a colon: a key that does, behind damage, is taken for the colon behind
/// the text before it, and one record in many that are made like that is lost beside the two.
const PIECES: [&str; 24] = [
    "",
    "a",
    "id",
    "}{",
    "{",
    "}",
    "}}{{",
    "} {",
    "{\"a\":1}",
    "}{\"",
    "\"",
    "\\",
    "\\\"",
    "\n",
    "\r\n{",
    "\t",
    "a:",
    ",",
    "[",
    "]",
    " ",
    "é",
    "京😀",
    "null",
];

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&PIECES[..]), 0..4).prop_map(|pieces| pieces.concat())
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1000..1000i64).prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        text().prop_map(Value::from),
        text().prop_map(Value::from),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4).prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// How a record is printed, and what stands behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    indent: Option<&'static str>,
    pub(crate) behind: &'static str,
}

pub(crate) const STYLES: [Style; 9] = [
    Style {
        indent: None,
        behind: "\n",
    },
    Style {
        indent: None,
        behind: "\r\n",
    },
    Style {
        indent: None,
        behind: "\n\n",
    },
    Style {
        indent: None,
        behind: "",
    },
    Style {
        indent: None,
        behind: " ",
    },
    Style {
        indent: Some("  "),
        behind: "\n",
    },
    Style {
        indent: Some("    "),
        behind: "\n",
    },
    Style {
        indent: Some("  "),
        behind: "",
    },
    Style {
        indent: Some("\t"),
        behind: "\r\n",
    },
];

/// Records that differ from one another, as they are printed.
pub(crate) fn records(count: std::ops::Range<usize>) -> impl Strategy<Value = (Style, Vec<String>)> {
    let record = prop::collection::vec((text(), value()), 0..4);
    (select(&STYLES[..]), prop::collection::vec(record, count)).prop_map(|(style, records)| {
        let printed = records.into_iter().enumerate().map(|(number, members)| {
            let mut members = Map::from_iter(members);
            members.insert("number".into(), number.into());
            print(&Value::Object(members), style)
        });
        (style, printed.collect())
    })
}

pub(crate) fn print(value: &Value, style: Style) -> String {
    let Some(indent) = style.indent else {
        return value.to_string();
    };
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut out = Vec::new();
    value
        .serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter))
        .unwrap();
    String::from_utf8(out).unwrap()
}

/// All records, one behind another.
pub(crate) fn join(style: Style, records: &[String]) -> Vec<u8> {
    records
        .iter()
        .flat_map(|record| [record.as_str(), style.behind])
        .collect::<String>()
        .into_bytes()
}
