//! What the records of one table are read by: its schema file, prepared so that no name is looked up twice.

use super::names::{Names, Token};
use crate::record::time::TimeFormats;
use crate::table::{Coercion, ColumnType, Encoding, FieldPath, OnMismatch, Table, UnknownFields};

/// Where a value stands: a top-level name, then perhaps further steps.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Index of the slot of the top-level name.
    pub slot: usize,
    pub steps: Vec<Token>,
}

/// How a JSON value becomes a value of a type.
#[derive(Clone, Debug)]
pub(crate) enum ValuePlan {
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal { precision: u32, scale: i64 },
    Boolean,
    String,
    Binary(Encoding),
    Date,
    Timestamp(TimePlan),
    TimestampMicros(TimePlan),
    Array(Each<ValuePlan>),
    Struct { names: Names, members: Vec<ValuePlan> },
    Map(Each<(ValuePlan, ValuePlan)>),
}

/// What a list or map is made of.
#[derive(Clone, Debug)]
pub(crate) struct Each<T> {
    pub plan: Box<T>,
    /// Bytes that one of them takes in columns, however few its text has.
    pub bytes: u32,
}

/// How a time in a column is read.
#[derive(Clone, Debug)]
pub(crate) struct TimePlan {
    pub formats: TimeFormats,
    /// Are numbers read as times?
    pub numbers: bool,
    /// Is `{"$date": …}` read as a time?
    pub dollar_dates: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct ColumnPlan {
    pub place: Place,
    pub required: bool,
    /// Takes the record's event time as it was read.
    pub is_event_time: bool,
    pub value: ValuePlan,
}

/// The names, places and types of one table.
#[derive(Clone, Debug)]
pub(crate) struct TablePlan {
    pub names: Names,
    pub event_time: Place,
    pub columns: Vec<ColumnPlan>,
    pub strict: bool,
    pub set_null: bool,
    pub unknown: UnknownPlan,
    /// For each name whether a column takes the whole of its value: of the others something is left to keep.
    pub taken_whole: Vec<bool>,
    /// Names that are read through JSON Pointers alone, and what is read below them.
    pub partial: Vec<Partial>,
    /// Bytes that a row of NULLs takes.
    pub row_bytes: u32,
    /// Bytes that the widest element of a list or map takes.
    pub element_bytes: u32,
}

/// What is read below a top-level name.
#[derive(Clone, Debug)]
pub(crate) struct Partial {
    pub slot: usize,
    /// The steps of each pointer below the name.
    pub below: Vec<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownPlan {
    Count,
    Quarantine,
    /// Kept in the last column.
    Keep,
}

impl TablePlan {
    pub(crate) fn new(table: &Table) -> Self {
        // Columns first: their order is the likely order of a record's members.
        let mut paths: Vec<&FieldPath> = table.columns.iter().map(|c| &c.from).collect();
        paths.push(&table.event_time.field);
        let read = paths.len();
        paths.extend(table.route.iter().map(|rule| &rule.field));
        let mut names: Vec<&str> = Vec::new();
        for path in &paths {
            let name = first(path);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let place = |path: &FieldPath| Place {
            slot: names
                .iter()
                .position(|name| *name == first(path))
                .expect("every path's name is listed"),
            steps: steps(path, &paths[..read]),
        };
        let columns = table.columns.iter().map(|column| ColumnPlan {
            place: place(&column.from),
            required: column.required,
            is_event_time: column.takes_event_time(),
            value: ValuePlan::new(&column.data_type, column, table.coercion),
        });
        let below = |path: &FieldPath| match path {
            FieldPath::Key(_) => Vec::new(),
            FieldPath::Pointer(tokens) => tokens[1..].to_vec(),
        };
        let of = |name: &str, path: &FieldPath| first(path) == name;
        let is_whole = |path: &&FieldPath| below(path).is_empty();
        let partial = names.iter().enumerate().filter_map(|(slot, name)| {
            let mut paths = paths.iter().filter(|path| of(name, path));
            (!paths.clone().any(is_whole)).then(|| Partial {
                slot,
                below: paths.by_ref().map(|path| below(path)).collect(),
            })
        });
        let froms = table.columns.iter().map(|column| &column.from);
        let taken = |name: &&str| froms.clone().any(|from| of(name, from) && is_whole(&from));
        Self {
            taken_whole: names.iter().map(taken).collect(),
            partial: partial.collect(),
            columns: columns.collect(),
            event_time: place(&table.event_time.field),
            names: Names::new(names.iter().copied()),
            strict: table.coercion == Coercion::Strict,
            set_null: table.on_mismatch == OnMismatch::SetNull,
            unknown: match table.unknown_fields {
                UnknownFields::Drop => UnknownPlan::Count,
                UnknownFields::Quarantine => UnknownPlan::Quarantine,
                UnknownFields::KeepIn(_) => UnknownPlan::Keep,
            },
            row_bytes: table.columns.iter().map(|c| null_bytes(&c.data_type)).sum(),
            element_bytes: table
                .columns
                .iter()
                .map(|c| element_bytes(&c.data_type))
                .max()
                .unwrap_or(0),
        }
    }
}

/// The top-level name of a path.
pub(crate) fn first(path: &FieldPath) -> &str {
    match path {
        FieldPath::Key(key) => key,
        FieldPath::Pointer(tokens) => tokens.first().map_or("", String::as_str),
    }
}

/// The steps of `path` below its top-level name; `others` are all paths read from the same records.
pub(crate) fn steps(path: &FieldPath, others: &[&FieldPath]) -> Vec<Token> {
    let FieldPath::Pointer(tokens) = path else {
        return Vec::new();
    };
    let below = |depth: usize| {
        others.iter().filter_map(move |other| match other {
            FieldPath::Pointer(other) if other.len() > depth && other[..depth] == tokens[..depth] => {
                Some(other[depth].as_str())
            }
            _ => None,
        })
    };
    (1..tokens.len())
        .map(|depth| Token::new(&tokens[depth], below(depth)))
        .collect()
}

fn null_bytes(data_type: &ColumnType) -> u32 {
    match data_type {
        ColumnType::TinyInt | ColumnType::Boolean => 2,
        ColumnType::SmallInt => 3,
        ColumnType::Int | ColumnType::Float | ColumnType::Date => 5,
        ColumnType::BigInt | ColumnType::Double | ColumnType::Timestamp | ColumnType::TimestampMicros => 9,
        ColumnType::Decimal { .. } => 17,
        ColumnType::String | ColumnType::Binary | ColumnType::Array(_) | ColumnType::Map(..) => 5,
        ColumnType::Struct(members) => 1 + members.iter().map(|m| null_bytes(&m.data_type)).sum::<u32>(),
    }
}

/// Bytes that the widest element of a list or map within takes.
fn element_bytes(data_type: &ColumnType) -> u32 {
    match data_type {
        ColumnType::Array(element) => null_bytes(element).max(element_bytes(element)),
        ColumnType::Map(key, value) => (null_bytes(key) + null_bytes(value)).max(element_bytes(value)),
        ColumnType::Struct(members) => members.iter().map(|m| element_bytes(&m.data_type)).max().unwrap_or(0),
        _ => 0,
    }
}

impl ValuePlan {
    fn new(data_type: &ColumnType, column: &crate::table::Column, coercion: Coercion) -> Self {
        let nested = |data_type: &ColumnType| Self::new(data_type, column, coercion);
        let time = || TimePlan {
            formats: column.formats.clone(),
            numbers: coercion == Coercion::Lossless || column.formats.has_epoch(),
            dollar_dates: coercion == Coercion::Lossless,
        };
        match data_type {
            ColumnType::TinyInt => Self::TinyInt,
            ColumnType::SmallInt => Self::SmallInt,
            ColumnType::Int => Self::Int,
            ColumnType::BigInt => Self::BigInt,
            ColumnType::Float => Self::Float,
            ColumnType::Double => Self::Double,
            ColumnType::Decimal { precision, scale } => Self::Decimal {
                precision: u32::from(*precision),
                scale: i64::from(*scale),
            },
            ColumnType::Boolean => Self::Boolean,
            ColumnType::String => Self::String,
            ColumnType::Binary => Self::Binary(column.encoding),
            ColumnType::Date => Self::Date,
            ColumnType::Timestamp => Self::Timestamp(time()),
            ColumnType::TimestampMicros => Self::TimestampMicros(time()),
            ColumnType::Array(element) => Self::Array(Each {
                plan: Box::new(nested(element)),
                bytes: null_bytes(element),
            }),
            ColumnType::Struct(members) => Self::Struct {
                names: Names::new(members.iter().map(|m| m.json_key.as_str())),
                members: members
                    .iter()
                    .map(|m| Self::new(&m.data_type, column, coercion))
                    .collect(),
            },
            ColumnType::Map(key, value) => Self::Map(Each {
                plan: Box::new((nested(key), nested(value))),
                bytes: null_bytes(key) + null_bytes(value),
            }),
        }
    }
}
