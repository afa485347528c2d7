//! The columns of a table: their names, types and what goes with them.
//!
//! A name that Athena does not take is answered with one that it does and the `from` that keeps the JSON key.

use std::collections::{BTreeMap, BTreeSet};

use super::config::{ColumnConfig, ColumnDetails, TableConfig, UnknownFieldsConfig};
use super::error::{Position, Problem, Report};
use super::names::{column_name_for, is_column_name, nearest, yaml_text};
use super::path::FieldPath;
use super::read::{Field, Given, Named, PlacedText};
use super::times::Times;
use super::{Coercion, Column, ColumnType, Encoding};
use crate::partition::hour::Layout;

/// Leaves of all columns together: what Athena and Parquet readers still open quickly.
const LEAVES_MAX: usize = 1_000;

/// The event time, as columns inherit it.
#[derive(Debug)]
pub(super) struct EventField<'e> {
    pub(super) field: Option<&'e FieldPath>,
    pub(super) times: &'e Times,
}

/// A column, and its times by the names in the schema.
#[derive(Debug)]
pub(super) struct CheckedColumn {
    pub(super) column: Column,
    pub(super) times: Times,
}

/// The columns that are sound, in the file's order.
pub(super) fn check(
    config: &TableConfig,
    top: Position,
    layout: Layout,
    coercion: Coercion,
    event: &EventField<'_>,
    report: &mut Report<'_>,
) -> Vec<CheckedColumn> {
    if config.columns.is_missing() {
        let problem = Problem::new("the key `columns` is missing");
        report.add(top, problem.way_out("columns: { id: string }"));
    }
    let Some(Given {
        value: Named(entries),
        at,
    }) = config.columns.given()
    else {
        return Vec::new();
    };
    if entries.is_empty() {
        report.add(
            *at,
            Problem::new("a table has at least one column").way_out("columns: { id: string }"),
        );
    }
    let mut columns = Vec::with_capacity(entries.len());
    for (name, column) in entries {
        let name_is_sound = report
            .take(name.at, check_name(&name.value, column.as_ref(), layout))
            .is_some();
        let Some(column) = column else { continue };
        if let Some(column) = check_column(name, column, coercion, event, report)
            && name_is_sound
        {
            columns.push(column);
        }
    }
    let keeps_rest = matches!(
        config.unknown_fields.given().map(|given| &given.value),
        Some(UnknownFieldsConfig::KeepIn(_))
    );
    let of_columns: usize = columns.iter().map(|column| column.column.data_type.leaves()).sum();
    let leaves = of_columns + usize::from(keeps_rest);
    if leaves > LEAVES_MAX {
        let problem = Problem::new(format!(
            "{leaves} columns, members counted one by one, are more than {LEAVES_MAX}"
        ));
        report.add(
            *at,
            problem.way_out("keep rare members together as one string column, or in a map<string,string>"),
        );
    }
    columns
}

fn check_name(name: &str, column: Option<&ColumnConfig>, layout: Layout) -> Result<(), Problem> {
    let proposal = |new_name: &str| {
        let (data_type, from) = match column {
            Some(ColumnConfig::Type(data_type)) => (Some(data_type), None),
            Some(ColumnConfig::Details(details)) => (
                details.r#type.given().map(|given| &given.value),
                details.from.given().map(|given| &given.value),
            ),
            None => (None, None),
        };
        let from = from.cloned().unwrap_or_else(|| match name.starts_with('/') {
            // Taken as it is, it would be a pointer.
            true => FieldPath::Pointer(vec![name.to_owned()]).to_string(),
            false => name.to_owned(),
        });
        let data_type = data_type.map_or("string", |data_type| data_type.text.as_str());
        format!(
            "{new_name}: {{ from: {}, type: {} }}",
            yaml_text(&from),
            yaml_text(data_type)
        )
    };
    if !is_column_name(name) {
        let problem = Problem::new(format!("{name:?} is not a column's name (a-z, 0-9 and _, at most 128)"));
        return Err(problem.way_out(proposal(&column_name_for(name))));
    }
    if layout.partition_names().contains(&name) {
        let problem = Problem::new(format!(
            "`{name}` is a partition of the layout {}, so no column's name",
            layout.name()
        ));
        return Err(problem.way_out(proposal(&format!("event_{name}"))));
    }
    Ok(())
}

/// The name of the column that takes unknown fields.
pub(super) fn check_keep_in(name: &str, config: &TableConfig, layout: Layout) -> Result<(), Problem> {
    let is_column = config
        .columns
        .given()
        .is_some_and(|given| given.value.0.iter().any(|(key, _)| key.value == name));
    if !is_column_name(name) {
        let problem = Problem::new(format!("{name:?} is not a column's name (a-z, 0-9 and _, at most 128)"));
        Err(problem.way_out(format!("keep_in: {}", column_name_for(name))))
    } else if layout.partition_names().contains(&name) {
        let problem = Problem::new(format!(
            "`{name}` is a partition of the layout {}, so no column's name",
            layout.name()
        ));
        Err(problem.way_out("keep_in: rest"))
    } else if is_column {
        let problem = Problem::new(format!("`{name}` is already a column"));
        Err(problem.way_out(format!(
            "keep_in: other_{name}; it is added behind the columns, as a string"
        )))
    } else {
        Ok(())
    }
}

fn check_column(
    name: &Given<String>,
    config: &ColumnConfig,
    coercion: Coercion,
    event: &EventField<'_>,
    report: &mut Report<'_>,
) -> Option<CheckedColumn> {
    // A column of a type alone is one whose details are all missing.
    let none = ColumnDetails::default();
    let (written_type, details) = match config {
        ColumnConfig::Type(text) => (Some(text), &none),
        ColumnConfig::Details(details) => (details.r#type.given().map(|given| &given.value), details.as_ref()),
    };
    if written_type.is_none() && details.r#type.is_missing() {
        let problem = Problem::new(format!("the column `{}` has no type", name.value));
        report.add(name.at, problem.way_out("type: string"));
    }
    let data_type = written_type.and_then(|text| parse_type(text, report));
    let from = match details.from.given() {
        Some(from) => report.take(from.at, FieldPath::parse(&from.value)),
        None => Some(FieldPath::Key(name.value.clone())),
    };
    if let Some(data_type) = &data_type {
        refuse_unused(details, data_type, report);
    }
    let is_event_time = from
        .as_ref()
        .zip(event.field)
        .is_some_and(|(from, field)| from.is_same_place(field));
    let inherited = match coercion {
        _ if is_event_time => event.times.clone(),
        Coercion::Strict => Times::utc("rfc3339"),
        Coercion::Lossless => Times::utc("auto"),
    };
    let times = inherited.with(&details.formats, &details.timezone, report);
    let formats = times.build(name.at, report);
    let (data_type, keys) = data_type.map(|data_type| name_json_keys(data_type, &details.keys, report))?;
    let column = Column {
        name: name.value.clone(),
        data_type,
        from: from?,
        comment: details.comment.given().map(|given| given.value.clone()),
        required: details.required.or(false),
        formats,
        is_event_time: is_event_time && times == *event.times,
        encoding: details.encoding.or(Encoding::Base64),
        keys,
    };
    Some(CheckedColumn { column, times })
}

fn parse_type(text: &PlacedText, report: &mut Report<'_>) -> Option<ColumnType> {
    ColumnType::parse(&text.text)
        .map_err(|error| {
            report.add(
                text.place_of(error.offset),
                Problem::new(error.message).way_out(error.way_out),
            )
        })
        .ok()
}

/// Options that mean nothing for the column's type are refused: whoever wrote them expects something of them.
fn refuse_unused(details: &ColumnDetails, data_type: &ColumnType, report: &mut Report<'_>) {
    let has_timestamp = data_type.has_timestamp();
    let places: [(&str, &str, Option<Position>, bool); 3] = [
        (
            "formats",
            "timestamp",
            details.formats.given().map(|given| given.at),
            has_timestamp,
        ),
        (
            "timezone",
            "timestamp",
            details.timezone.given().map(|given| given.at),
            has_timestamp,
        ),
        (
            "encoding",
            "binary",
            details.encoding.given().map(|given| given.at),
            data_type.has_binary(),
        ),
    ];
    for (key, needed, at, is_used) in places {
        if let Some(at) = at
            && !is_used
        {
            let problem = Problem::new(format!("`{key}` means nothing for a column of type {data_type}"));
            report.add(
                at,
                problem.way_out(format!("remove `{key}`, or make the type {needed}")),
            );
        }
    }
}

/// Gives the struct members named in `keys` their JSON keys.
fn name_json_keys(
    data_type: ColumnType,
    keys: &Field<Named<String>>,
    report: &mut Report<'_>,
) -> (ColumnType, BTreeMap<String, String>) {
    let Some(Given {
        value: Named(entries),
        at,
    }) = keys.given()
    else {
        return (data_type, BTreeMap::new());
    };
    let members: BTreeSet<&str> = data_type
        .structs()
        .into_iter()
        .flatten()
        .map(|m| m.name.as_str())
        .collect();
    let mut json_keys = BTreeMap::new();
    for (member, json_key) in entries {
        if members.contains(member.value.as_str()) {
            json_keys.extend(json_key.clone().map(|json_key| (member.value.clone(), json_key)));
            continue;
        }
        let problem = Problem::new(format!("`{}` is no member of a struct in {data_type}", member.value));
        let way_out = match nearest(&member.value, members.iter().copied()) {
            Some(nearest) => format!("`{nearest}`: left the member's name, right its JSON key"),
            None if members.is_empty() => {
                "`keys` is for columns that hold a struct; a column itself has `from`".to_owned()
            }
            None => format!("one of `{}`", members.iter().copied().collect::<Vec<_>>().join("`, `")),
        };
        report.add(member.at, problem.way_out(way_out));
    }
    drop(members);
    let data_type = data_type.with_json_keys(&json_keys);
    for members in data_type.structs() {
        let mut readers = BTreeMap::new();
        for member in members {
            if let Some(other) = readers.insert(&member.json_key, &member.name) {
                let both = format!("the members `{other}` and `{}` of one struct", member.name);
                let problem = Problem::new(format!("{both} both read the JSON key {:?}", member.json_key));
                report.add(*at, problem.way_out("one JSON key for each member"));
            }
        }
    }
    (data_type, json_keys)
}
