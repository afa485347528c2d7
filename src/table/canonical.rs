//! What of a table decides an output byte, as text: part of the plan that every job's name is made from.
//!
//! Comments, descriptions and the projection are for people and for the catalog and stand outside; so do the order of
//! files, of routes and of patterns. A change here renames every job, so old and new fields are told apart by name.

use std::collections::BTreeMap;

use serde::Serialize;

use super::check::CheckedTable;
use super::path::FieldPath;
use super::route::{RouteRule, RouteValue};
use super::times::Times;
use super::{Coercion, Column, Encoding, EventTime, OnMismatch, ParquetOptions, Table, UnknownFields};
use crate::record::transform::VERSION;

#[derive(Serialize)]
struct CanonicalTable<'t> {
    table: &'t str,
    /// Sorted by field.
    route: Vec<(Vec<&'t str>, Vec<String>)>,
    keys: Option<&'t [String]>,
    event_time: CanonicalEventTime<'t>,
    columns: Vec<CanonicalColumn<'t>>,
    unknown_fields: &'t UnknownFields,
    on_mismatch: OnMismatch,
    coercion: Coercion,
    layout: &'static str,
    parquet: ParquetOptions,
    /// With the version of what runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    transform: Option<(u32, &'t str)>,
}

#[derive(Serialize)]
struct CanonicalEventTime<'t> {
    field: Vec<&'t str>,
    times: &'t Times,
    max_future: Option<i64>,
    max_past: Option<i64>,
}

#[derive(Serialize)]
struct CanonicalColumn<'t> {
    name: &'t str,
    data_type: String,
    from: Vec<&'t str>,
    required: bool,
    /// Only of a column that holds timestamps.
    times: Option<&'t Times>,
    /// Only of a column that holds bytes.
    encoding: Option<Encoding>,
    keys: &'t BTreeMap<String, String>,
}

/// One line of JSON.
pub(super) fn canonical(checked: &CheckedTable) -> String {
    let CheckedTable {
        table,
        event_times,
        column_times,
    } = checked;
    // Taken apart by name, so that a new field cannot be forgotten.
    let Table {
        name,
        description: _,
        route,
        keys,
        event_time,
        columns,
        unknown_fields,
        on_mismatch,
        coercion,
        transform,
        layout,
        projection: _,
        parquet,
    } = table;
    let EventTime {
        field,
        formats: _,
        max_future,
        max_past,
    } = event_time;
    let mut route: Vec<_> = route.iter().map(canonical_rule).collect();
    route.sort();
    let canonical = CanonicalTable {
        table: name,
        route,
        keys: keys.as_ref().map(|keys| keys.patterns()),
        event_time: CanonicalEventTime {
            field: path(field),
            times: event_times,
            max_future: *max_future,
            max_past: *max_past,
        },
        columns: columns
            .iter()
            .zip(column_times)
            .map(|(column, times)| canonical_column(column, times))
            .collect(),
        unknown_fields,
        on_mismatch: *on_mismatch,
        coercion: *coercion,
        layout: layout.name(),
        parquet: *parquet,
        transform: transform.as_ref().map(|transform| (VERSION, transform.text())),
    };
    serde_json::to_string(&canonical).expect("texts, numbers and lists are always JSON")
}

fn path(field: &FieldPath) -> Vec<&str> {
    field.keys().collect()
}

fn canonical_rule(rule: &RouteRule) -> (Vec<&str>, Vec<String>) {
    let RouteRule { field, values } = rule;
    let value = |value: &RouteValue| match value {
        RouteValue::Text(text) => format!("text {text}"),
        RouteValue::Number(number) => format!("number {number}"),
        RouteValue::Bool(bool) => format!("bool {bool}"),
    };
    let mut values: Vec<String> = values.iter().map(value).collect();
    values.sort();
    (path(field), values)
}

fn canonical_column<'t>(column: &'t Column, times: &'t Times) -> CanonicalColumn<'t> {
    // What is inherited from the event time is in `times` already.
    let Column {
        name,
        data_type,
        from,
        comment: _,
        required,
        formats: _,
        is_event_time: _,
        encoding,
        keys,
    } = column;
    CanonicalColumn {
        name,
        data_type: data_type.to_string(),
        from: path(from),
        required: *required,
        times: data_type.has_timestamp().then_some(times),
        encoding: data_type.has_binary().then_some(*encoding),
        keys,
    }
}
