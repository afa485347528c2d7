//! A schema file as a tree in which every key and value knows where it stands.
//!
//! A struct deserialized at once would stop at its first error and turn numbers into `f64`; the tree keeps all of the
//! file to be checked, and scalars as they were written. Keys are unique and a value never ends at a comma by mistake.
//! Knows YAML, not what a table is.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, NonFiniteFloatPolicy, Spanned};

use super::error::{Position, Problem, Report};
use super::read::Given;

/// A schema file larger than this is a mistake, such as data put among the schemas.
const FILE_BYTES_MAX: usize = 1 << 20;

/// One value and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A number, `true` or `false`, as it was written.
    Bare(String),
    /// Quotes and escapes undone. `inside` is where its first character stands, if the file holds it verbatim.
    Text {
        text: String,
        inside: Option<Position>,
    },
    List(Vec<Node>),
    /// In the file's order.
    Mapping(Vec<Entry>),
    /// Reported already.
    Unreadable,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Given<String>,
    pub(super) value: Node,
}

impl Node {
    /// What stands here, in the words of an error.
    pub(super) fn found(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bare(token) if token.starts_with(|c: char| c.is_ascii_alphabetic()) => format!("`{token}`"),
            Value::Bare(token) => format!("the number {token}"),
            Value::Text { text, .. } => format!("{text:?}"),
            Value::List(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Unreadable => "something unreadable".to_owned(),
        }
    }
}

/// Reads a file's one document, or reports why it is none.
pub(super) fn read(report: &mut Report<'_>) -> Option<Node> {
    let text = &report.source.text;
    if text.len() > FILE_BYTES_MAX {
        let problem = Problem::new(format!("a schema file of {} bytes, more than 1 MiB", text.len()));
        report.add(Position::START, problem.way_out("keep only schemas in this folder"));
        return None;
    }
    let options = serde_saphyr::options! {
        // A file of tables is flat; limits keep a hostile one from using up stack or memory.
        budget: serde_saphyr::budget! { max_depth: 32, max_nodes: 100_000, max_aliases: 1_000 },
        // Reported here, all of them and with both places.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Raw>(text, options) {
        Ok(raw) => Some(raw.placed(report)),
        Err(error) => {
            let at = error.location().map_or(Position::START, position);
            let problem = syntax_problem(&error, text, at);
            report.add(at, problem);
            None
        }
    }
}

/// An error of the YAML parser in our words; the place is shown beside it.
fn syntax_problem(error: &serde_saphyr::Error, text: &str, at: Position) -> Problem {
    let line = text.lines().nth(at.line - 1).unwrap_or_default();
    if let serde_saphyr::Error::MultipleDocuments { .. } = error {
        let problem = Problem::new("a second YAML document begins here; a file describes one table");
        return problem.way_out("one file per table: `schemas/<table>.yaml`");
    }
    let message = error.to_string();
    let place = error
        .location()
        .map(|place| format!(" at line {}, column {}", place.line(), place.column()));
    let message = place.and_then(|place| message.strip_suffix(&place)).unwrap_or(&message);
    let problem = Problem::new(format!("not YAML: {message}"));
    let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    if indent.contains('\t') {
        problem.way_out("indent with spaces, not tabs")
    } else if line.contains('<') && message.starts_with("mapping values") {
        problem.way_out("put the type in quotes: \"struct<a:int,b:string>\"")
    } else if line.chars().nth(at.column - 1).is_some_and(|c| "%@`".contains(c)) {
        problem.way_out("put a text that begins with `%`, `@` or a backtick in quotes")
    } else {
        problem
    }
}

fn position(location: Location) -> Position {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    Position {
        line: number(location.line()),
        column: number(location.column()),
    }
}

/// A node as the YAML reader hands it over.
struct Raw(Spanned<RawValue>);

enum RawValue {
    Null,
    Bare,
    Text(String),
    List(Vec<Raw>),
    Mapping(Vec<(Raw, Raw)>),
}

impl Raw {
    fn placed(self, report: &mut Report<'_>) -> Node {
        let at = position(self.0.defined);
        let written = written(&report.source.text, self.0.defined);
        let value = match self.0.value {
            RawValue::Null => Value::Null,
            RawValue::Bare => Value::Bare(written.to_owned()),
            RawValue::Text(text) => {
                let quoted = |quote| written.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
                let inside = if written == text {
                    Some(at)
                } else if quoted('"') == Some(&text) || quoted('\'') == Some(&text) {
                    Some(at.right(1))
                } else {
                    None
                };
                Value::Text { text, inside }
            }
            RawValue::List(items) => Value::List(items.into_iter().map(|item| item.placed(report)).collect()),
            RawValue::Mapping(entries) => {
                let mut placed = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = key.placed(report);
                    let value = value.placed(report);
                    match key.value {
                        Value::Text { text, .. } | Value::Bare(text) => {
                            placed.push(Entry {
                                key: Given {
                                    value: text,
                                    at: key.at,
                                },
                                value,
                            });
                        }
                        _ => report.add(key.at, Problem::new(format!("a key is a text, not {}", key.found()))),
                    }
                }
                join_cut_types(&mut placed, report);
                refuse_duplicates(&mut placed, report);
                Value::Mapping(placed)
            }
        };
        Node { at, value }
    }
}

/// The bytes of a scalar as they stand in the file.
fn written(text: &str, location: Location) -> &str {
    let span = location.span();
    let bytes = span.byte_offset().zip(span.byte_len());
    let range = bytes.and_then(|(start, len)| {
        let start = usize::try_from(start).ok()?;
        Some(start..start + usize::try_from(len).ok()?)
    });
    range.and_then(|range| text.get(range)).unwrap_or_default()
}

/// `{ type: decimal(12,2) }` is to YAML a key `type` with `decimal(12` and a key `2)` with nothing. Reports it as the
/// user meant it, once, and takes the stray keys out.
fn join_cut_types(entries: &mut Vec<Entry>, report: &mut Report<'_>) {
    let mut first = 0;
    while first < entries.len() {
        let Value::Text { text, .. } = &entries[first].value.value else {
            first += 1;
            continue;
        };
        let mut joined = text.clone();
        let mut end = first + 1;
        while open_brackets(&joined) > 0 && end < entries.len() {
            let Entry {
                key,
                value: Node { value: Value::Null, .. },
            } = &entries[end]
            else {
                break;
            };
            joined.push(',');
            joined.push_str(&key.value);
            end += 1;
        }
        if end > first + 1 {
            let problem = Problem::new("a type with a comma inside `{ }` must be quoted, or YAML ends it at the comma");
            report.add(
                entries[first].value.at,
                problem.way_out(format!("{}: {joined:?}", entries[first].key.value)),
            );
            entries[first].value.value = Value::Unreadable;
            entries.drain(first + 1..end);
        }
        first += 1;
    }
}

fn open_brackets(text: &str) -> i32 {
    text.chars().fold(0, |open, c| match c {
        '<' | '(' => open + 1,
        '>' | ')' => open - 1,
        _ => open,
    })
}

fn refuse_duplicates(entries: &mut Vec<Entry>, report: &mut Report<'_>) {
    let mut seen = std::collections::HashMap::new();
    entries.retain(|entry| match seen.get(&entry.key.value) {
        Some(first) => {
            let Position { line, .. } = first;
            let problem = Problem::new(format!("the key `{}` stands here and on line {line}", entry.key.value));
            report.add(entry.key.at, problem.way_out("keep one of the two"));
            false
        }
        None => {
            seen.insert(entry.key.value.clone(), entry.key.at);
            true
        }
    });
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<RawValue, E> {
        Ok(RawValue::Bare)
    }

    fn visit_u64<E>(self, _: u64) -> Result<RawValue, E> {
        Ok(RawValue::Bare)
    }

    fn visit_i64<E>(self, _: i64) -> Result<RawValue, E> {
        Ok(RawValue::Bare)
    }

    fn visit_f64<E>(self, _: f64) -> Result<RawValue, E> {
        Ok(RawValue::Bare)
    }

    fn visit_str<E>(self, text: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<RawValue, E> {
        Ok(RawValue::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RawValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(RawValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawValue, A::Error> {
        let mut mapping = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            mapping.push(entry);
        }
        Ok(RawValue::Mapping(mapping))
    }
}
