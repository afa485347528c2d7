//! Tables, as `schemas/<table>.yaml` describe them: read, checked and ready to use.
//!
//! ```text
//! schemas/*.yaml ─ yaml ─> nodes with places ─ read ─> config ─ check ─> Table ─┬─> Tables
//!                                                                               └─> canonical text, for the plan
//! ```
//!
//! A `Table` holds only what has been checked: its types parse, its names are unique, its defaults are filled in and no
//! other table claims its records, its filter is compiled. All errors of all files come together, each with file, line, column and a way out.
//! Knows neither Arrow nor Parquet, and no record.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::partition::hour::Layout;
use crate::record::time::TimeFormats;
use crate::record::transform::Transform;

pub mod arrow;
mod canonical;
mod check;
mod columns;
mod config;
pub mod duration;
mod error;
mod json_schema;
mod names;
mod number;
mod path;
mod pattern;
mod read;
mod route;
mod size;
mod tables;
mod times;
mod types;
mod yaml;

pub use error::{Position, SchemaError, SchemaErrors};
pub use json_schema::table_json_schema;
pub use number::ExactNumber;
pub use path::FieldPath;
pub use pattern::KeyPatterns;
pub use route::{RouteRule, RouteValue};
pub use tables::Tables;
pub use types::{ColumnType, Member, TypeError};

/// One record type and its place in the lake.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its folder in the lake and its name in Athena: `[a-z][a-z0-9_]{0,62}`.
    pub name: String,
    /// For people and for the catalog.
    pub description: Option<String>,
    /// Fields and their values, all of which a record must have; empty if none are asked for.
    pub route: Vec<RouteRule>,
    /// Source keys that the records must come from, if only some do.
    pub keys: Option<KeyPatterns>,
    /// Where a record's own time is.
    pub event_time: EventTime,
    /// At least one, in the file's order.
    pub columns: Vec<Column>,
    /// What becomes of fields that no column reads.
    pub unknown_fields: UnknownFields,
    /// What becomes of a value that does not fit its column.
    pub on_mismatch: OnMismatch,
    /// How far a value may differ in kind from its column.
    pub coercion: Coercion,
    /// What its records pass through before they are read into columns.
    pub transform: Option<Transform>,
    /// The folders of an hour.
    pub layout: Layout,
    /// The dates that Athena looks at.
    pub projection: Projection,
    /// How files are cut.
    pub parquet: ParquetOptions,
}

impl Table {
    /// The number of entries of the route, `keys` counting as one: of two tables that match, the one with more wins.
    #[must_use]
    pub fn route_entries(&self) -> usize {
        route::entries(&self.route, self.keys.as_ref())
    }

    /// Whether it takes the records that no other table takes.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.route_entries() == 0
    }

    /// The first column that takes each record's event time as it was read, if one does: it is never NULL.
    #[must_use]
    pub fn event_time_column(&self) -> Option<&Column> {
        self.columns.iter().find(|column| column.takes_event_time())
    }
}

/// Where a record's own time is, how it is written and how far off it may be.
#[derive(Clone, Debug)]
pub struct EventTime {
    /// Where it is in the record.
    pub field: FieldPath,
    /// How it is written.
    pub formats: TimeFormats,
    /// Seconds after the source object's Last-Modified that are still accepted; `None`: any.
    pub max_future: Option<i64>,
    /// Seconds before the source object's Last-Modified that are still accepted; `None`: any.
    pub max_past: Option<i64>,
}

/// One column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// `[a-z_][a-z0-9_]{0,127}`, unique in the table, no partition of its layout.
    pub name: String,
    /// Its type, members with their JSON keys.
    pub data_type: ColumnType,
    /// Where the value is in the record.
    pub from: FieldPath,
    /// For the catalog.
    pub comment: Option<String>,
    /// Whether a record without a value is rejected.
    pub required: bool,
    /// How timestamps in it are written, with everything taken in: its own `formats`; else the event time's if it reads
    /// that field; else `rfc3339` under strict coercion and `auto` otherwise.
    pub formats: TimeFormats,
    /// Whether it reads the field that holds the event time, by the same `formats` and `timezone`.
    pub is_event_time: bool,
    /// How bytes in it are written.
    pub encoding: Encoding,
    /// Members of its structs by name, and the JSON keys they are read from, as the file gives them.
    pub keys: BTreeMap<String, String>,
}

impl Column {
    /// Whether it takes the instant that was read as the event time, and is not read by itself.
    pub(crate) fn takes_event_time(&self) -> bool {
        self.is_event_time && matches!(self.data_type, ColumnType::Timestamp | ColumnType::TimestampMicros)
    }
}

/// What becomes of fields that no column reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownFields {
    /// They are left out and counted by name.
    Drop,
    /// The record goes to quarantine.
    Quarantine,
    /// They are kept as one JSON text in this string column, the last one, which is not among the table's `columns`.
    KeepIn(String),
}

/// What becomes of a value that does not fit its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMismatch {
    /// The record goes to quarantine.
    Quarantine,
    /// The innermost value that may be NULL becomes NULL, and is counted.
    SetNull,
}

/// How far a value may differ in kind from its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Coercion {
    /// Only values of the column's own kind.
    Strict,
    /// Also values of another kind from which nothing is lost.
    Lossless,
}

/// How bytes are written in a JSON string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Base64, either alphabet.
    #[default]
    Base64,
    /// Two hexadecimal digits a byte.
    Hex,
    /// The text's own bytes.
    Utf8,
}

/// The dates that Athena looks at, both included. Rows outside are written all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// First date.
    pub from: NaiveDate,
    /// Last date, not before `from`.
    pub to: NaiveDate,
}

/// How the Parquet files of a table are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ParquetOptions {
    /// Rows after which a row group is closed, 1 to 100,000,000.
    pub row_group_rows: usize,
    /// Bytes after which a row group is closed, 1 MiB to 1 GiB.
    pub row_group_bytes: u64,
    /// Bytes after which a file is closed, 1 MiB to 5 GiB.
    pub file_bytes: u64,
}

/// Reads a size in bytes such as `64MiB`; the error says what to write instead.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    size::parse_bytes(text).map_err(|problem| match problem.way_out {
        Some(way_out) => format!("{}; write {way_out}", problem.message),
        None => problem.message,
    })
}

pub(crate) use names::nearest as nearest_name;
pub(crate) use size::format_bytes;

#[cfg(test)]
mod tests;
