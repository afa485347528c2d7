//! From JSON to a value: of a record, by the tape that it was read into, or of a text within one.

use crate::record::number::is_json_number;
use crate::record::tape::{Kind, Tape};
use crate::record::text::unescape_halves;

use super::number::Number;
use super::value::{Object, Text, Value};

/// An object in which a key stands twice: only one of them could be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DuplicateKey;

/// The value at `node` of a record that was read into `tape`; `bytes` are those that were handed to it, all of them UTF-8.
pub(super) fn value(bytes: &[u8], tape: &Tape, node: u32) -> Result<Value, DuplicateKey> {
    let this = tape.node(node);
    let text = || &bytes[this.start as usize..this.end as usize];
    Ok(match this.kind {
        Kind::Null => Value::Null,
        Kind::True => Value::Bool(true),
        Kind::False => Value::Bool(false),
        Kind::Number => {
            let token = std::str::from_utf8(text()).expect("a number is ASCII");
            Value::Number(Number::from_token(token))
        }
        Kind::Text => Value::Text(plain(text(), this.special)),
        Kind::Array => {
            let items = tape.elements(node).map(|item| value(bytes, tape, item));
            Value::array(items.collect::<Result<Vec<_>, _>>()?)
        }
        Kind::Object => {
            let mut object = Object::default();
            for (key, member) in tape.members(node) {
                let name = plain(&bytes[key.start as usize..key.end as usize], key.special);
                if object.insert(name, value(bytes, tape, member)?).is_some() {
                    return Err(DuplicateKey);
                }
            }
            Value::object(object)
        }
    })
}

fn plain(raw: &[u8], escaped: bool) -> Text {
    if !escaped {
        return Text::new(raw.to_vec());
    }
    let mut text = Vec::with_capacity(raw.len());
    unescape_halves(raw, &mut text);
    Text::new(text)
}

/// The value that a text is the JSON of, or why there is none.
pub(super) fn json(text: &[u8], depth_max: usize) -> Result<Value, &'static str> {
    const NO_JSON: &str = "a string is not JSON";
    // The tape reads records, so the value becomes the one member of one. A line that begins with `{` would be another
    // record; within strings a tab is refused as a line end is.
    let mut record = [b"{\"\":", text, b"}"].concat();
    record
        .iter_mut()
        .filter(|byte| **byte == b'\n')
        .for_each(|byte| *byte = b'\t');
    let mut tape = Tape::default();
    let end = tape.read(&record, 0, depth_max.saturating_add(1));
    let mut members = match end {
        Ok(end) if end == record.len() => tape.members(0),
        _ => return Err(NO_JSON),
    };
    match (members.next(), members.next()) {
        (Some((_, node)), None) => {
            value(&record, &tape, node).map_err(|DuplicateKey| "a string is JSON in which a key stands twice")
        }
        _ => Err(NO_JSON),
    }
}

/// The number that a text is the JSON of.
pub(super) fn number(text: &[u8]) -> Option<Number> {
    let token = std::str::from_utf8(text).ok()?;
    is_json_number(text).then(|| Number::from_token(token))
}
