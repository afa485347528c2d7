//! From a value to JSON without white space. Only what has to be escaped is, so text has one form.

use std::io::Write as _;

use super::meter;
use super::value::{Text, Value};

/// Adds the JSON of `value`. What is shared within it is written as often as it stands there, and counted as often.
pub(super) fn json(value: &Value, out: &mut Vec<u8>) {
    let before = out.len();
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(bool) => out.extend_from_slice(if *bool { b"true" } else { b"false" }),
        Value::Number(number) => write!(out, "{number}").expect("a vector takes all"),
        Value::Text(text) => string(text, out),
        Value::Array(array) => {
            out.push(b'[');
            for (place, item) in array.items().iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                json(item, out);
            }
            out.push(b']');
            return meter::make(2);
        }
        Value::Object(object) => {
            out.push(b'{');
            for (place, (key, member)) in object.members().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                let before = out.len();
                string(key, out);
                out.push(b':');
                meter::make(out.len() - before);
                json(member, out);
            }
            out.push(b'}');
            return meter::make(2);
        }
    }
    meter::make(out.len() - before);
}

fn string(text: &Text, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let half = *byte == 0xED && bytes[at + 1] >= 0xA0;
        if *byte >= b' ' && *byte != b'"' && *byte != b'\\' && !half {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        match *byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0xED => {
                // Half a surrogate pair, which has no UTF-8.
                let bits = |byte: u8| u32::from(byte & 0x3F);
                let code = 0xD000 | bits(bytes[at + 1]) << 6 | bits(bytes[at + 2]);
                written = at + 3;
                write!(out, "\\u{code:04x}").expect("a vector takes all");
            }
            control => write!(out, "\\u{control:04x}").expect("a vector takes all"),
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}
