//! What may change in a table between two jobs: files stay for ever, and Athena reads old and new ones as one table.
//!
//! | change | |
//! |---|---|
//! | a column is added, removed, moved | passes: Parquet columns are found by name, a missing one is NULL |
//! | tinyint → smallint → int → bigint, float → double | passes, inside arrays, maps and structs too |
//! | a struct gets members at its end | passes |
//! | any other type, any other layout | refused: one of the two kinds of files could not be read |
//!
//! A removed column is remembered: its files are still there, so it may come back only as what it was, or wider.

use serde::{Deserialize, Serialize};

use super::RECORD_VERSION;

/// A table as it is about to be published.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableShape {
    /// The table.
    pub name: String,
    /// Its layout as configured: `year/month/day/hour`.
    pub layout: String,
    /// Names and Athena types, in order.
    pub columns: Vec<(String, String)>,
}

/// A table as it was last published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recorded {
    version: u32,
    table: String,
    layout: String,
    columns: Vec<Column>,
    /// Columns of earlier files that are no longer published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removed: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    text: String,
}

impl Recorded {
    /// The first record of a table.
    pub(super) fn first(shape: &TableShape) -> Self {
        Self {
            version: RECORD_VERSION,
            table: shape.name.clone(),
            layout: shape.layout.clone(),
            columns: columns(shape),
            removed: Vec::new(),
        }
    }

    /// The record after this one and what has changed, or why there can be none.
    pub(super) fn evolved(&self, shape: &TableShape) -> Result<(Self, Vec<String>), String> {
        if self.layout != shape.layout {
            return Err(format!("its layout was {} and is now {}", self.layout, shape.layout));
        }
        let mut next = Self {
            removed: self.removed.clone(),
            ..Self::first(shape)
        };
        let mut changes = Vec::new();
        for Column { name, text } in &next.columns {
            let published = self.columns.iter().find(|old| old.name == *name);
            let former = published.or_else(|| self.removed.iter().find(|old| old.name == *name));
            match former {
                None => changes.push(format!("column {name} {text} was added")),
                Some(old) if old.text != *text => {
                    widens(name, &old.text, text)?;
                    changes.push(format!("column {name} was {} and is now {text}", old.text));
                }
                Some(_) if published.is_none() => changes.push(format!("column {name} {text} is back")),
                Some(_) => {}
            }
        }
        next.removed
            .retain(|old| !shape.columns.iter().any(|(name, _)| *name == old.name));
        for old in self
            .columns
            .iter()
            .filter(|old| !shape.columns.iter().any(|(name, _)| *name == old.name))
        {
            changes.push(format!("column {} was removed", old.name));
            next.removed.push(old.clone());
        }
        if changes.is_empty() && next != *self {
            changes.push("columns were moved".to_owned());
        }
        Ok((next, changes))
    }
}

fn columns(shape: &TableShape) -> Vec<Column> {
    let columns = shape.columns.iter();
    columns
        .map(|(name, text)| Column {
            name: name.clone(),
            text: text.clone(),
        })
        .collect()
}

/// Whether files with the type `old` can be read as `new`; says where not, as a path into the column.
fn widens(path: &str, old: &str, new: &str) -> Result<(), String> {
    let parsed = |text: &str| Type::parse(text).ok_or_else(|| format!("`{text}` of column {path} is no Athena type"));
    widens_to(path, &parsed(old)?, &parsed(new)?)
}

fn widens_to(path: &str, old: &Type, new: &Type) -> Result<(), String> {
    const WIDER: [&[&str]; 2] = [&["tinyint", "smallint", "int", "bigint"], &["float", "double"]];
    match (old, new) {
        (Type::Plain(old), Type::Plain(new)) => {
            let widened = WIDER.iter().any(|order| {
                let at = |name: &str| order.iter().position(|step| *step == name);
                matches!((at(old), at(new)), (Some(old), Some(new)) if old <= new)
            });
            if old == new || widened {
                Ok(())
            } else {
                Err(format!("column {path} was {old} and is now {new}"))
            }
        }
        (Type::Array(old), Type::Array(new)) => widens_to(&format!("{path}[]"), old, new),
        (Type::Map(old), Type::Map(new)) => {
            widens_to(&format!("{path} (key)"), &old.0, &new.0)?;
            widens_to(&format!("{path} (value)"), &old.1, &new.1)
        }
        (Type::Struct(old), Type::Struct(new)) => {
            for (n, (name, old)) in old.iter().enumerate() {
                match new.get(n) {
                    Some((same, new)) if same == name => widens_to(&format!("{path}.{name}"), old, new)?,
                    _ => {
                        return Err(format!(
                            "member {path}.{name} was removed or moved; new members go to the end"
                        ));
                    }
                }
            }
            Ok(())
        }
        (old, new) => Err(format!("column {path} was {} and is now {}", old.kind(), new.kind())),
    }
}

/// An Athena type, as far as comparing needs it.
#[derive(Debug, PartialEq)]
enum Type {
    /// With its arguments, without blanks: `decimal(12,2)`.
    Plain(String),
    Array(Box<Type>),
    Map(Box<(Type, Type)>),
    Struct(Vec<(String, Type)>),
}

impl Type {
    fn parse(text: &str) -> Option<Self> {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let mut rest = compact.as_str();
        let parsed = Self::take(&mut rest, 0)?;
        rest.is_empty().then_some(parsed)
    }

    /// Takes one type off the front.
    fn take(rest: &mut &str, depth: u32) -> Option<Self> {
        // Deeper than any table may be: the text comes from a file.
        if depth > 100 {
            return None;
        }
        let inner = depth + 1;
        match take_name(rest, "<>,():")? {
            "array" => {
                expect(rest, '<')?;
                let element = Self::take(rest, inner)?;
                expect(rest, '>')?;
                Some(Self::Array(Box::new(element)))
            }
            "map" => {
                expect(rest, '<')?;
                let key = Self::take(rest, inner)?;
                expect(rest, ',')?;
                let value = Self::take(rest, inner)?;
                expect(rest, '>')?;
                Some(Self::Map(Box::new((key, value))))
            }
            "struct" => {
                expect(rest, '<')?;
                let mut members = Vec::new();
                loop {
                    let name = take_name(rest, "<>,():")?.to_owned();
                    expect(rest, ':')?;
                    members.push((name, Self::take(rest, inner)?));
                    if expect(rest, ',').is_none() {
                        expect(rest, '>')?;
                        return Some(Self::Struct(members));
                    }
                }
            }
            name if rest.starts_with('(') => {
                let end = rest.find(')')? + 1;
                let (arguments, after) = rest.split_at(end);
                *rest = after;
                Some(Self::Plain(format!("{name}{arguments}")))
            }
            name => Some(Self::Plain(name.to_owned())),
        }
    }

    fn kind(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Struct(_) => "a struct",
        }
    }
}

fn take_name<'a>(rest: &mut &'a str, ends: &str) -> Option<&'a str> {
    let end = rest.find(|c| ends.contains(c)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after;
    (!name.is_empty()).then_some(name)
}

fn expect(rest: &mut &str, c: char) -> Option<()> {
    *rest = rest.strip_prefix(c)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_only_widen() {
        for (old, new, good) in [
            ("tinyint", "bigint", true),
            ("smallint", "int", true),
            ("bigint", "int", false),
            ("float", "double", true),
            ("double", "float", false),
            ("int", "double", false),
            ("int", "string", false),
            ("decimal(12,2)", "decimal(12, 2)", true),
            ("decimal(12,2)", "decimal(14,2)", false),
            ("timestamp", "timestamp(6)", false),
            ("array<int>", "array<bigint>", true),
            ("array<int>", "int", false),
            ("map<string,int>", "map<string,bigint>", true),
            ("map<int,string>", "map<string,string>", false),
            ("struct<a:int>", "struct<a:int,b:string>", true),
            ("struct<a:int>", "struct<b:string,a:int>", false),
            ("struct<a:int,b:int>", "struct<a:int>", false),
            ("struct<a:int,b:int>", "struct<b:int,a:int>", false),
            (
                "array<struct<a:map<string,float>>>",
                "array<struct<a:map<string,double>,b:decimal(9,1)>>",
                true,
            ),
            (
                "array<struct<a:map<string,float>>>",
                "array<struct<a:map<string,string>>>",
                false,
            ),
            ("struct<a:int", "struct<a:int,b:int>", false),
            ("int", "int>", false),
        ] {
            assert_eq!(widens("c", old, new).is_ok(), good, "{old} -> {new}");
        }
        let deep = "array<".repeat(100_000);
        assert!(widens("c", "int", &deep).is_err());
    }

    #[test]
    fn refusals_say_where() {
        for (old, new, message) in [
            ("bigint", "int", "column c was bigint and is now int"),
            (
                "array<struct<x:int>>",
                "array<struct<x:string>>",
                "column c[].x was int and is now string",
            ),
            (
                "map<string,int>",
                "map<string,array<int>>",
                "column c (value) was int and is now an array",
            ),
            (
                "struct<x:int>",
                "struct<y:int>",
                "member c.x was removed or moved; new members go to the end",
            ),
            ("struct<x:int>", "struct<x", "`struct<x` of column c is no Athena type"),
        ] {
            assert_eq!(widens("c", old, new).unwrap_err(), message);
        }
    }

    fn shape(columns: &[(&str, &str)]) -> TableShape {
        let columns = columns
            .iter()
            .map(|(name, text)| (name.to_string(), text.to_string()))
            .collect();
        TableShape {
            name: "t".into(),
            layout: "day/hour".into(),
            columns,
        }
    }

    #[test]
    fn a_removed_column_comes_back_only_as_what_it_was() {
        let first = Recorded::first(&shape(&[("a", "int"), ("b", "string")]));
        let (second, changes) = first.evolved(&shape(&[("b", "string"), ("c", "date")])).unwrap();
        assert_eq!(changes, ["column c date was added", "column a was removed"]);
        assert!(second.evolved(&shape(&[("a", "string")])).is_err());
        let (third, changes) = second
            .evolved(&shape(&[("a", "bigint"), ("b", "string"), ("c", "date")]))
            .unwrap();
        assert_eq!(changes, ["column a was int and is now bigint"]);
        assert!(third.removed.is_empty());
        let (fourth, changes) = third
            .evolved(&shape(&[("c", "date"), ("b", "string"), ("a", "bigint")]))
            .unwrap();
        assert_eq!(changes, ["columns were moved"]);
        assert_eq!(
            serde_json::from_str::<Recorded>(&serde_json::to_string(&fourth).unwrap()).unwrap(),
            fourth
        );
    }

    #[test]
    fn another_layout_is_refused() {
        let first = Recorded::first(&shape(&[("a", "int")]));
        let other = TableShape {
            layout: "datehour".into(),
            ..shape(&[("a", "int")])
        };
        assert_eq!(
            first.evolved(&other).unwrap_err(),
            "its layout was day/hour and is now datehour"
        );
    }
}
