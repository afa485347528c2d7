//! What a payload looks like, in words: names of keys and kinds of values, escaped and few, never a value.

use std::fmt::{self, Write as _};

use serde_json::Value;

const NAMES_MAX: usize = 10;
const NAME_CHARS_MAX: usize = 40;

/// Text from outside on one line: control characters are escaped, all else is as it is.
pub(super) struct Printable<'a>(pub(super) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// The kind of a value, with its article.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// `has the keys "a", "b" and 3 more`, or `is a list`. Of `Records`, which many services send, the first one's keys too.
pub(super) fn keys_of(payload: &Value) -> String {
    let Value::Object(members) = payload else {
        return format!("is {}", kind(payload));
    };
    let mut said = names(members.keys());
    match members.get("Records") {
        None => {}
        Some(Value::Array(records)) => match records.first() {
            Some(Value::Object(record)) => said += &format!(", and the first of its records {}", names(record.keys())),
            Some(other) => said += &format!(", and the first of its records is {}", kind(other)),
            None => {}
        },
        Some(other) => said += &format!(", and \"Records\" is {}", kind(other)),
    }
    said
}

fn names<'a>(keys: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = keys.len().saturating_sub(NAMES_MAX);
    let named: Vec<String> = keys.take(NAMES_MAX).map(|name| quoted(name)).collect();
    match (named.as_slice(), more) {
        ([], _) => "has no keys".to_owned(),
        ([one], _) => format!("has the key {one}"),
        (many, 0) => format!("has the keys {}", many.join(", ")),
        (many, more) => format!("has the keys {} and {more} more", many.join(", ")),
    }
}

/// Text from outside, cut and in quotes.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("\"{}...\"", text[..end].escape_debug()),
        None => format!("\"{}\"", text.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payload_is_told_by_names_and_kinds() {
        let many: Value = (0..13).map(|n| (format!("k{n:02}"), json!("value"))).collect();
        for (payload, expected) in [
            (json!(null), "is null"),
            (json!("secret"), "is a string"),
            (json!([1, 2]), "is a list"),
            (json!({}), "has no keys"),
            (json!({"a": "secret"}), "has the key \"a\""),
            (json!({"a": 1, "b\n\"": 2}), "has the keys \"a\", \"b\\n\\\"\""),
            (
                json!({"x".repeat(41): 1}),
                &format!("has the key \"{}...\"", "x".repeat(40)),
            ),
            (
                many,
                "has the keys \"k00\", \"k01\", \"k02\", \"k03\", \"k04\", \"k05\", \"k06\", \"k07\", \"k08\", \"k09\" and 3 more",
            ),
            (
                json!({"Records": [{"Sns": 1, "EventSource": "aws:sns"}]}),
                "has the key \"Records\", and the first of its records has the keys \"EventSource\", \"Sns\"",
            ),
            (
                json!({"Records": [3]}),
                "has the key \"Records\", and the first of its records is a number",
            ),
            (
                json!({"Records": "x"}),
                "has the key \"Records\", and \"Records\" is a string",
            ),
        ] {
            assert_eq!(keys_of(&payload), expected);
        }
    }

    #[test]
    fn text_from_outside_stays_on_its_line() {
        for (text, expected) in [("a b\u{e9}\"", "a b\u{e9}\""), ("a\nb\0\u{7f}", "a\\nb\\u{0}\\u{7f}")] {
            assert_eq!(Printable(text).to_string(), expected);
        }
    }
}
