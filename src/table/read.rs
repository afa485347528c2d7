//! From the tree of a file to the types of [`super::config`], each value with its place.
//!
//! [`mapping!`] declares a mapping of the file once: the struct, the keys its reader knows and, through `schemars`, its
//! JSON Schema come from one list of fields. A value that cannot be read is reported and reading goes on.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;

use super::error::{Position, Problem, Report, Source};
use super::names::nearest;
use super::yaml::{Entry, Node, Value};

/// What can be read from a node. `None`: it could not, and the report says why.
pub(super) trait FromNode: Sized {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self>;
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) at: Position,
}

/// A key that may stand in a mapping.
#[derive(Debug, Default)]
pub(super) enum Field<T> {
    #[default]
    Missing,
    /// Reported already.
    Unreadable,
    Given(Given<T>),
}

impl<T> Field<T> {
    pub(super) fn given(&self) -> Option<&Given<T>> {
        match self {
            Self::Given(given) => Some(given),
            Self::Missing | Self::Unreadable => None,
        }
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

impl<T: Clone> Field<T> {
    /// The value, or its default. One that could not be read also counts as the default, so that the rest is checked.
    pub(super) fn or(&self, default: T) -> T {
        self.given().map_or(default, |given| given.value.clone())
    }
}

/// Reads the keys of one mapping, then reports those that nothing asked for.
pub(super) struct MappingReader<'n> {
    entries: &'n [Entry],
    known: Vec<&'static str>,
}

impl<'n> MappingReader<'n> {
    pub(super) fn new(node: &'n Node, report: &mut Report<'_>) -> Option<Self> {
        Some(Self {
            entries: entries(node, report)?,
            known: Vec::new(),
        })
    }

    pub(super) fn field<T: FromNode>(&mut self, key: &'static str, report: &mut Report<'_>) -> Field<T> {
        self.known.push(key);
        let Some(Entry { key, value: node }) = self.entries.iter().find(|entry| entry.key.value == key) else {
            return Field::Missing;
        };
        if let Value::Null = node.value {
            let problem = Problem::new(format!("`{}` has no value", key.value));
            report.add(key.at, problem.way_out("write a value, or remove the line"));
            return Field::Unreadable;
        }
        Given::from_node(node, report).map_or(Field::Unreadable, Field::Given)
    }

    pub(super) fn finish(self, report: &mut Report<'_>) {
        let unknown = self
            .entries
            .iter()
            .filter(|entry| !self.known.contains(&entry.key.value.as_str()));
        for Entry { key, .. } in unknown {
            let problem = Problem::new(format!("unknown key `{}`", key.value));
            report.add(
                key.at,
                match nearest(&key.value, self.known.iter().copied()) {
                    Some(nearest) => problem.way_out(format!("`{nearest}`")),
                    None => problem.way_out(format!("one of `{}`", self.known.join("`, `"))),
                },
            );
        }
    }
}

fn entries<'n>(node: &'n Node, report: &mut Report<'_>) -> Option<&'n [Entry]> {
    match &node.value {
        Value::Mapping(entries) => Some(entries),
        Value::Unreadable => None,
        _ => {
            let problem = Problem::new(format!(
                "expected a mapping (`key: value` lines), found {}",
                node.found()
            ));
            report.add(node.at, problem);
            None
        }
    }
}

/// Declares a mapping of the schema file: every field is a key of the same name, of type `Field<..>`. Keys that may be
/// absent carry `#[schemars(default)]`.
macro_rules! mapping {
    ($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $key:ident: $type:ty,)+ }) => {
        #[derive(Debug, Default, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$about])*
        pub(super) struct $name {
            $($(#[$field_about])* pub(super) $key: $crate::table::read::Field<$type>,)+
        }

        impl $crate::table::read::FromNode for $name {
            fn from_node(
                node: &$crate::table::yaml::Node,
                report: &mut $crate::table::error::Report<'_>,
            ) -> Option<Self> {
                let mut reader = $crate::table::read::MappingReader::new(node, report)?;
                let mapping = Self { $($key: reader.field(stringify!($key).trim_start_matches("r#"), report),)+ };
                reader.finish(report);
                Some(mapping)
            }
        }
    };
}
pub(super) use mapping;

/// Expected this, found that.
pub(super) fn mismatch(node: &Node, expected: &str) -> Problem {
    Problem::new(format!("expected {expected}, found {}", node.found()))
}

impl<T: FromNode> FromNode for Given<T> {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        T::from_node(node, report).map(|value| Self { value, at: node.at })
    }
}

impl FromNode for String {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match &node.value {
            Value::Text { text, .. } => return Some(text.clone()),
            Value::Bare(token) => {
                report.add(
                    node.at,
                    mismatch(node, "a text").way_out(format!("in quotes: {token:?}")),
                );
            }
            Value::Unreadable => {}
            _ => report.add(node.at, mismatch(node, "a text")),
        }
        None
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match &node.value {
            // YAML also knows `True` and `TRUE`.
            Value::Bare(token) if token.eq_ignore_ascii_case("true") => return Some(true),
            Value::Bare(token) if token.eq_ignore_ascii_case("false") => return Some(false),
            Value::Unreadable => {}
            _ => report.add(
                node.at,
                mismatch(node, "`true` or `false`").way_out("`true` or `false`, without quotes"),
            ),
        }
        None
    }
}

impl FromNode for u64 {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let number = match &node.value {
            Value::Unreadable => return None,
            Value::Bare(token) if token.bytes().all(|byte| byte.is_ascii_digit()) => token.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            report.add(
                node.at,
                mismatch(node, "a whole number").way_out("digits only, such as `1000000`"),
            );
        }
        number
    }
}

/// One word of a closed list, which is an enum's `Deserialize`: its names are those of its JSON Schema.
pub(super) fn choice<T: DeserializeOwned>(node: &Node, report: &mut Report<'_>) -> Option<T> {
    let text = String::from_node(node, report)?;
    report.take(
        node.at,
        T::deserialize(StrDeserializer::new(&text)).map_err(|ChoiceError(problem)| problem),
    )
}

#[derive(Debug)]
struct ChoiceError(Problem);

impl serde::de::Error for ChoiceError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Problem::new(message.to_string()))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let problem = Problem::new(format!("`{found}` is none of `{}`", expected.join("`, `")));
        Self(match nearest(found, expected.iter().copied()) {
            Some(nearest) => problem.way_out(format!("`{nearest}`")),
            None => problem,
        })
    }
}

impl fmt::Display for ChoiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ChoiceError {}

/// A text whose parts have places of their own, such as a type.
#[derive(Clone, Debug)]
pub(super) struct PlacedText {
    pub(super) text: String,
    pub(super) at: Position,
    inside: Option<Position>,
}

impl PlacedText {
    /// Where a byte of the text stands in the file; where the text begins, if the file spells it in another way.
    pub(super) fn place_of(&self, byte: usize) -> Position {
        let before = self.text.get(..byte).unwrap_or_default();
        match self.inside {
            Some(inside) if !before.contains('\n') => inside.right(before.chars().count()),
            _ => self.at,
        }
    }

    /// The same, or nothing if the file spells the text in another way. In a block of lines it spells them as they are.
    pub(super) fn exact_place_of(&self, byte: usize, source: &Source) -> Option<Position> {
        if self.inside.is_some() && !self.text.trim_end().contains('\n') {
            return Some(self.place_of(byte));
        }
        let Position { line, column } = self.place_within(byte);
        let place = Position {
            line: self.at.line + line - 1,
            ..self.at
        };
        let mut written = source.text.lines().nth(place.line - 1)?.chars();
        let indented = written.by_ref().take(place.column - 1).all(|c| c == ' ');
        let is_same = Some(written.as_str()) == self.text.lines().nth(line - 1);
        (indented && is_same).then(|| place.right(column - 1))
    }

    /// Line and column of a byte in the text itself.
    pub(super) fn place_within(&self, byte: usize) -> Position {
        let before = self.text.get(..byte).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        Position {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }
}

impl FromNode for PlacedText {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let text = String::from_node(node, report)?;
        let inside = if let Value::Text { inside, .. } = node.value {
            inside
        } else {
            None
        };
        Some(Self {
            text,
            at: node.at,
            inside,
        })
    }
}

/// One value, or a list of at least one.
#[derive(Debug)]
pub(super) struct OneOrMany<T>(pub(super) Vec<Given<T>>);

impl<T: FromNode> FromNode for OneOrMany<T> {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let nodes = match &node.value {
            Value::List(nodes) if nodes.is_empty() => {
                report.add(node.at, Problem::new("an empty list").way_out("at least one value"));
                return None;
            }
            Value::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let values = nodes.iter().map(|node| {
            Some(Given {
                value: T::from_node(node, report)?,
                at: node.at,
            })
        });
        // Collected first, so that all of them are reported.
        let values: Vec<_> = values.collect();
        values.into_iter().collect::<Option<_>>().map(Self)
    }
}

/// A mapping whose keys are the user's names, in the file's order. Of an entry that cannot be read the key is kept.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) Vec<(Given<String>, Option<T>)>);

impl<T: FromNode> FromNode for Named<T> {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let entries = entries(node, report)?;
        Some(Self(
            entries
                .iter()
                .map(|entry| (entry.key.clone(), T::from_node(&entry.value, report)))
                .collect(),
        ))
    }
}

/// The JSON Schema of a wrapper is that of what it wraps.
macro_rules! same_schema {
    ($wrapper:ident<T> as $inner:ty) => {
        impl<T: JsonSchema> JsonSchema for $wrapper<T> {
            same_schema!(@body $inner);
        }
    };
    ($wrapper:ident as $inner:ty) => {
        impl JsonSchema for $wrapper {
            same_schema!(@body $inner);
        }
    };
    (@body $inner:ty) => {
        fn schema_name() -> Cow<'static, str> {
            <$inner>::schema_name()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            <$inner>::json_schema(generator)
        }
    };
}
same_schema!(Field<T> as T);
same_schema!(PlacedText as String);
same_schema!(Named<T> as std::collections::BTreeMap<String, T>);

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}
