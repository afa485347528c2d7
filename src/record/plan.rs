//! What the records of one table are read by: its schema file, prepared so that no name is looked up twice.

use super::names::{DuplicateKey, Names, Slot, array_index};
use super::tape::{Kind, Tape};
use crate::record::time::TimeFormats;
use crate::record::transform::Transform;
use crate::table::{Coercion, ColumnType, Encoding, FieldPath, OnMismatch, Table, UnknownFields};

/// An object (or array) below the top level of which members are read. It is searched once a record for all of them.
#[derive(Clone, Debug)]
pub(crate) struct Inner {
    /// The slot in which it stands.
    of: usize,
    names: Names,
    /// What each name is as a place in an array.
    indices: Vec<Option<usize>>,
    /// The slot of its first name.
    first: usize,
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
    /// The slot of its value.
    pub slot: usize,
    /// The names that lead to it, with dots.
    pub path: String,
    pub required: bool,
    /// Takes the record's event time as it was read.
    pub is_event_time: bool,
    pub value: ValuePlan,
}

/// The names, places and types of one table.
#[derive(Clone, Debug)]
pub(crate) struct TablePlan {
    pub names: Names,
    /// Those within others behind them.
    inner: Vec<Inner>,
    /// How many slots there are: of the top-level names, then of those below.
    pub slots: usize,
    /// The slot of the event time.
    pub event_time: usize,
    pub columns: Vec<ColumnPlan>,
    pub strict: bool,
    pub set_null: bool,
    pub unknown: UnknownPlan,
    /// What its records pass through first.
    pub transform: Option<Transform>,
    /// For each name whether a column takes the whole of its value: of the others something is left to keep.
    pub taken_whole: Vec<bool>,
    /// Only the route reads below some name: what else stands there is not seen while the slots are filled.
    route_reads_below: bool,
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
        let (inner, slots) = inner(&names, &paths[..read]);
        let columns = table.columns.iter().map(|column| ColumnPlan {
            slot: slot(&names, &inner, &column.from),
            path: tokens(&column.from).join("."),
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
        let partial: Vec<Partial> = partial.collect();
        Self {
            taken_whole: names.iter().map(taken).collect(),
            route_reads_below: partial.iter().any(|of| !inner.iter().any(|inner| inner.of == of.slot)),
            partial,
            columns: columns.collect(),
            event_time: slot(&names, &inner, &table.event_time.field),
            inner,
            slots,
            names: Names::new(names.iter().copied()),
            strict: table.coercion == Coercion::Strict,
            set_null: table.on_mismatch == OnMismatch::SetNull,
            unknown: match table.unknown_fields {
                UnknownFields::Drop => UnknownPlan::Count,
                UnknownFields::Quarantine => UnknownPlan::Quarantine,
                UnknownFields::KeepIn(_) => UnknownPlan::Keep,
            },
            transform: table.transform.clone(),
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

impl TablePlan {
    /// Hands over all names that are looked for in objects.
    pub(crate) fn each_names(&mut self, each: &mut dyn FnMut(&mut Names)) {
        each(&mut self.names);
        self.inner.iter_mut().for_each(|inner| each(&mut inner.names));
        self.columns.iter_mut().for_each(|column| column.value.each_names(each));
    }

    /// Fills the slots of all names from the record at node 0. True if there are other members: of the record itself, and
    /// of what is read below it.
    pub(crate) fn fill(&self, bytes: &[u8], tape: &Tape, slots: &mut Vec<Slot>) -> (bool, bool) {
        slots.resize(self.slots, Slot::Missing);
        let others = self.names.fill(bytes, tape, 0, &mut slots[..self.names.slots()]);
        let mut below = self.route_reads_below;
        for inner in &self.inner {
            let (before, mine) = slots.split_at_mut(inner.first);
            below |= inner.fill(bytes, tape, before[inner.of], &mut mine[..inner.names.slots()]);
        }
        (others, below)
    }
}

impl Inner {
    fn fill(&self, bytes: &[u8], tape: &Tape, of: Slot, slots: &mut [Slot]) -> bool {
        match of
            .value()
            .map(|value| value.map(|value| (value, tape.node(value).kind)))
        {
            Ok(Some((value, Kind::Object))) => return self.names.fill(bytes, tape, value, slots),
            Ok(Some((value, Kind::Array))) => {
                for (slot, index) in slots.iter_mut().zip(&self.indices) {
                    let element = index.and_then(|index| tape.elements(value).nth(index));
                    *slot = element.map_or(Slot::Missing, Slot::Exact);
                }
            }
            Ok(_) => slots.fill(Slot::Missing),
            Err(DuplicateKey) => slots.fill(Slot::ExactMany),
        }
        false
    }
}

/// The names of a path.
fn tokens(path: &FieldPath) -> Vec<&str> {
    match path {
        FieldPath::Key(key) => vec![key],
        FieldPath::Pointer(tokens) if tokens.is_empty() => vec![""],
        FieldPath::Pointer(tokens) => tokens.iter().map(String::as_str).collect(),
    }
}

/// What is searched below the top level, and how many slots there are then.
fn inner(names: &[&str], paths: &[&FieldPath]) -> (Vec<Inner>, usize) {
    let paths: Vec<Vec<&str>> = paths.iter().map(|path| tokens(path)).collect();
    let mut prefixes: Vec<(&[&str], Vec<&str>)> = Vec::new();
    for depth in 1..paths.iter().map(Vec::len).max().unwrap_or(0) {
        for path in paths.iter().filter(|path| path.len() > depth) {
            let (prefix, name) = (&path[..depth], path[depth]);
            match prefixes.iter_mut().find(|(other, _)| *other == prefix) {
                Some((_, within)) if within.contains(&name) => {}
                Some((_, within)) => within.push(name),
                None => prefixes.push((prefix, vec![name])),
            }
        }
    }
    let mut inner: Vec<Inner> = Vec::new();
    let mut slots = names.len();
    for (prefix, within) in prefixes {
        let of = slot_of(names, &inner, prefix);
        inner.push(Inner {
            of,
            indices: within.iter().map(|name| array_index(name)).collect(),
            first: slots,
            names: Names::new(within.iter().copied()),
        });
        slots += within.len();
    }
    (inner, slots)
}

fn slot(names: &[&str], inner: &[Inner], path: &FieldPath) -> usize {
    slot_of(names, inner, &tokens(path))
}

fn slot_of(names: &[&str], inner: &[Inner], path: &[&str]) -> usize {
    const LISTED: &str = "every path's names are listed";
    let top = names.iter().position(|name| *name == path[0]).expect(LISTED);
    path[1..].iter().fold(top, |of, name| {
        let inner = inner.iter().find(|inner| inner.of == of).expect(LISTED);
        let mut within = 0..inner.names.slots();
        inner.first
            + within
                .find(|place| inner.names.name(*place) == name.as_bytes())
                .expect(LISTED)
    })
}

/// The top-level name of a path.
pub(crate) fn first(path: &FieldPath) -> &str {
    match path {
        FieldPath::Key(key) => key,
        FieldPath::Pointer(tokens) => tokens.first().map_or("", String::as_str),
    }
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
    fn each_names(&mut self, each: &mut dyn FnMut(&mut Names)) {
        match self {
            Self::Struct { names, members } => {
                each(names);
                members.iter_mut().for_each(|member| member.each_names(each));
            }
            Self::Array(element) => element.plan.each_names(each),
            Self::Map(entry) => entry.plan.1.each_names(each),
            _ => {}
        }
    }

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
