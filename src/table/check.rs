//! From the shape of a file to a table that can be used, or to all that is wrong with it.
//!
//! Every default of a schema file is applied here and in [`super::columns`]. What is wrong is reported and replaced by
//! its default, so that the rest is checked as well; a file with an error yields no table.

use chrono::NaiveDate;

use super::columns::{self, CheckedColumn};
use super::config::{
    EventTimeConfig, KeepInConfig, Literal, ParquetConfig, ProjectionConfig, SizeText, TableConfig,
    UnknownFieldsConfig, UnknownFieldsWord,
};
use super::duration::parse_duration_seconds;
use super::error::{Position, Problem, Report};
use super::names::{is_table_name, table_name_for, yaml_text};
use super::path::FieldPath;
use super::pattern::KeyPatterns;
use super::read::{Field, Given, Named, OneOrMany, PlacedText};
use super::route::{RouteRule, RouteValue};
use super::size::{format_bytes, parse_bytes};
use super::times::Times;
use super::{Coercion, EventTime, OnMismatch, ParquetOptions, Projection, Table, UnknownFields};
use crate::partition::hour::Layout;
use crate::record::transform::{FilterError, Transform};

/// Seconds in a day.
const DAY: i64 = 86_400;
/// Rows of a row group that still fit Parquet's counters and anyone's memory.
const ROW_GROUP_ROWS_MAX: u64 = 100_000_000;
/// Smaller row groups and files cost readers more than they save.
const BYTES_MIN: u64 = 1 << 20;
/// Larger row groups no reader holds in memory.
const ROW_GROUP_BYTES_MAX: u64 = 1 << 30;
/// The largest object that S3 copies in one call.
const FILE_BYTES_MAX: u64 = 5 << 30;

/// What the checks of one file found; each part is there if all it is made of was sound.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) routing: Option<Routing>,
    pub(super) table: Option<CheckedTable>,
}

/// Enough of a table to compare it with the others.
#[derive(Debug)]
pub(super) struct Routing {
    pub(super) name: Given<String>,
    pub(super) route: Vec<RouteRule>,
    pub(super) keys: Option<KeyPatterns>,
}

/// A table, and the times of it by the names in the schema.
#[derive(Debug)]
pub(super) struct CheckedTable {
    pub(super) table: Table,
    pub(super) event_times: Times,
    /// One for each column.
    pub(super) column_times: Vec<Times>,
}

/// Checks a file whose shape was read; what the report held before stays there.
pub(super) fn check(config: &Given<TableConfig>, report: &mut Report<'_>) -> Checked {
    let Given { value: config, at } = config;
    let name = check_name(config, *at, report);
    let route = check_route(&config.route, report);
    let keys = check_keys(&config.keys, report);

    let (event_time, event_times) = check_event_time(config, *at, report);
    let coercion = config.coercion.or(Coercion::Lossless);
    let transform = check_transform(&config.transform, report);
    let layout = config.layout.or(Layout::YearMonthDayHour);
    let event = columns::EventField {
        field: event_time.as_ref().map(|event_time| &event_time.field),
        times: &event_times,
    };
    let columns = columns::check(config, *at, layout, coercion, &event, report);
    let unknown_fields = check_unknown_fields(config, layout, report);
    let projection = check_projection(&config.projection, report);
    let parquet = check_parquet(&config.parquet, report);

    let routing = match (&name, &route, &keys) {
        (Some(name), Some(route), Some(keys)) => Some(Routing {
            name: name.clone(),
            route: route.clone(),
            keys: keys.clone(),
        }),
        _ => None,
    };
    let (Some(name), Some(route), Some(keys), Some(event_time), true) =
        (name, route, keys, event_time, report.errors.is_empty())
    else {
        return Checked { routing, table: None };
    };
    let (columns, column_times) = columns
        .into_iter()
        .map(|CheckedColumn { column, times }| (column, times))
        .unzip();
    let table = Table {
        name: name.value,
        description: config.description.given().map(|given| given.value.clone()),
        route,
        keys,
        event_time,
        columns,
        unknown_fields,
        on_mismatch: config.on_mismatch.or(OnMismatch::Quarantine),
        coercion,
        transform,
        layout,
        projection,
        parquet,
    };
    Checked {
        routing,
        table: Some(CheckedTable {
            table,
            event_times,
            column_times,
        }),
    }
}

fn check_name(config: &TableConfig, top: Position, report: &mut Report<'_>) -> Option<Given<String>> {
    let stem = report.source.stem().to_owned();
    if config.table.is_missing() {
        let problem = Problem::new("the key `table` is missing");
        report.add(top, problem.way_out(format!("table: {}", table_name_for(&stem))));
    }
    let Given { value: name, at } = config.table.given()?;
    if !is_table_name(name) {
        let problem = Problem::new(format!(
            "{name:?} is not a table's name (a-z, then a-z, 0-9 and _, at most 63)"
        ));
        report.add(*at, problem.way_out(format!("`{}`", table_name_for(name))));
        return None;
    }
    if *name != stem {
        let problem = Problem::new(format!("the table `{name}` stands in a file of another name"));
        report.add(
            *at,
            problem.way_out(format!(
                "rename the file to `{name}.yaml`, or the table to its file's name"
            )),
        );
    }
    Some(Given {
        value: name.clone(),
        at: *at,
    })
}

/// The rules of a route, none if there is no route; `None` if any of it is wrong.
fn check_route(route: &Field<Named<OneOrMany<RouteValue>>>, report: &mut Report<'_>) -> Option<Vec<RouteRule>> {
    if route.is_missing() {
        return Some(Vec::new());
    }
    let given = route.given()?;
    if given.value.0.is_empty() {
        let problem = Problem::new("`route` names no field");
        report.add(
            given.at,
            problem.way_out("`type: page_view` inside; or remove `route` for the default table"),
        );
        return None;
    }
    let mut rules: Vec<RouteRule> = Vec::new();
    for (key, values) in &given.value.0 {
        let field = report.take(key.at, FieldPath::parse(&key.value));
        let (Some(field), Some(OneOrMany(given))) = (field, values) else {
            continue;
        };
        if let Some(same) = rules.iter().find(|rule| rule.field.is_same_place(&field)) {
            let problem = Problem::new(format!("`{field}` and `{}` are the same field", same.field));
            report.add(key.at, problem.way_out("one entry with a list of values"));
            continue;
        }
        let mut values: Vec<RouteValue> = Vec::new();
        for Given { value, .. } in given {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        rules.push(RouteRule { field, values });
    }
    (rules.len() == given.value.0.len()).then_some(rules)
}

/// The patterns, if there are any; `None` if any of it is wrong.
fn check_keys(keys: &Field<OneOrMany<String>>, report: &mut Report<'_>) -> Option<Option<KeyPatterns>> {
    if keys.is_missing() {
        return Some(None);
    }
    let given = keys.given()?;
    let patterns = given.value.0.iter();
    // All of them, so that each wrong one is reported.
    let sound = patterns
        .clone()
        .filter_map(|pattern| report.take(pattern.at, KeyPatterns::check(&pattern.value)));
    if sound.count() < patterns.len() {
        return None;
    }
    let patterns = KeyPatterns::new(patterns.map(|pattern| pattern.value.clone()).collect());
    let patterns = patterns.map_err(|error| Problem::new(format!("the patterns are too large: {error}")));
    report.take(given.at, patterns).map(Some)
}

/// The event time, and its formats by name.
fn check_event_time(config: &TableConfig, top: Position, report: &mut Report<'_>) -> (Option<EventTime>, Times) {
    let default = Times::utc("auto");
    if config.event_time.is_missing() {
        let problem = Problem::new("the key `event_time` is missing");
        report.add(top, problem.way_out("event_time: { field: time }"));
    }
    let Some(Given { value: event_time, at }) = config.event_time.given() else {
        return (None, default);
    };
    let EventTimeConfig {
        field,
        formats,
        timezone,
        max_future,
        max_past,
    } = event_time;
    if field.is_missing() {
        let problem = Problem::new("the key `field` is missing: where is the record's own time?");
        report.add(*at, problem.way_out("field: time"));
    }
    let times = default.with(formats, timezone, report);
    let built = times.build(*at, report);
    let max_future = check_limit(max_future, DAY, report);
    let max_past = check_limit(max_past, 3650 * DAY, report);
    let field = field
        .given()
        .and_then(|field| report.take(field.at, FieldPath::parse(&field.value)));
    (
        field.map(|field| EventTime {
            field,
            formats: built,
            max_future,
            max_past,
        }),
        times,
    )
}

fn check_limit(limit: &Field<Literal>, default: i64, report: &mut Report<'_>) -> Option<i64> {
    match limit.given() {
        None => Some(default),
        Some(Given {
            value: Literal(text), ..
        }) if text == "none" => None,
        Some(Given {
            value: Literal(text),
            at,
        }) => {
            let seconds = parse_duration_seconds(text).map_err(|error| {
                Problem::new(error.to_string()).way_out("a whole number and s, m, h or d, such as `36h`; or `none`")
            });
            report.take(*at, seconds)
        }
    }
}

/// The filter, compiled; `None` if there is none, or one with errors.
fn check_transform(transform: &Field<PlacedText>, report: &mut Report<'_>) -> Option<Transform> {
    let Given { value: placed, .. } = transform.given()?;
    // A block of YAML ends in a line end, which says nothing.
    let errors = match Transform::compile(placed.text.trim_end()) {
        Ok(transform) => return Some(transform),
        Err(errors) => errors,
    };
    for FilterError { at, message, way_out } in errors {
        let exact = placed.exact_place_of(at.start, report.source);
        let message = match exact {
            Some(_) => format!("`transform`: {message}"),
            None => {
                let Position { line, column } = placed.place_within(at.start);
                format!("`transform`: {message} (line {line}, column {column} of the filter)")
            }
        };
        let problem = Problem::new(message);
        report.add(exact.unwrap_or(placed.at), Problem { way_out, ..problem });
    }
    None
}

fn check_unknown_fields(config: &TableConfig, layout: Layout, report: &mut Report<'_>) -> UnknownFields {
    let Some(Given { value, at }) = config.unknown_fields.given() else {
        return UnknownFields::Drop;
    };
    let KeepInConfig { keep_in } = match value {
        UnknownFieldsConfig::Word(UnknownFieldsWord::Drop) => return UnknownFields::Drop,
        UnknownFieldsConfig::Word(UnknownFieldsWord::Quarantine) => return UnknownFields::Quarantine,
        UnknownFieldsConfig::KeepIn(keep_in) => keep_in,
    };
    if keep_in.is_missing() {
        let problem = Problem::new("the key `keep_in` is missing");
        report.add(*at, problem.way_out("unknown_fields: { keep_in: rest }"));
    }
    let Some(Given { value: name, at }) = keep_in.given() else {
        return UnknownFields::Drop;
    };
    report.take(*at, columns::check_keep_in(name, config, layout));
    UnknownFields::KeepIn(name.clone())
}

fn check_projection(projection: &Field<ProjectionConfig>, report: &mut Report<'_>) -> Projection {
    let mut date = |date: Option<&Given<Literal>>, (year, month, day): (i32, u32, u32)| {
        let date = date.and_then(|Given { value, at }| report.take(*at, parse_date(&value.0)));
        date.unwrap_or_else(|| NaiveDate::from_ymd_opt(year, month, day).expect("the default is a date"))
    };
    let config = projection.given();
    let from = date(config.and_then(|config| config.value.from.given()), (2015, 1, 1));
    let to = date(config.and_then(|config| config.value.to.given()), (2040, 12, 31));
    if let Some(Given { at, .. }) = config
        && to < from
    {
        let problem = Problem::new(format!("the projection ends on {to}, before it begins on {from}"));
        report.add(
            *at,
            problem.way_out(format!("projection: {{ from: {to}, to: {from} }}")),
        );
    }
    Projection { from, to }
}

fn parse_date(text: &str) -> Result<NaiveDate, Problem> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    let date = match parts[..] {
        [year, month, day] if (year.len(), month.len(), day.len()) == (4, 2, 2) && parts.iter().all(|p| digits(p)) => {
            let number = |text: &str| text.parse().unwrap_or_default();
            NaiveDate::from_ymd_opt(year.parse().unwrap_or_default(), number(month), number(day))
        }
        _ => None,
    };
    // The year 0 is none of the event times that are accepted.
    date.filter(|_| !text.starts_with("0000")).ok_or_else(|| {
        Problem::new(format!("{text:?} is not a date of the calendar")).way_out("YYYY-MM-DD, such as `2015-01-01`")
    })
}

fn check_parquet(parquet: &Field<ParquetConfig>, report: &mut Report<'_>) -> ParquetOptions {
    let defaults = ParquetConfig::default();
    let ParquetConfig {
        compression,
        row_group_rows,
        row_group_bytes,
        file_bytes,
    } = parquet.given().map_or(&defaults, |given| &given.value);
    if let Some(Given { value, at }) = compression.given()
        && value != "snappy"
    {
        let problem = Problem::new(format!(
            "`{value}` is not supported: the files are written with `snappy` only"
        ));
        report.add(*at, problem.way_out("compression: snappy"));
    }
    let rows = row_group_rows.given().and_then(|Given { value, at }| {
        let rows = if (1..=ROW_GROUP_ROWS_MAX).contains(value) {
            usize::try_from(*value).ok()
        } else {
            None
        };
        let problem = || Problem::new(format!("row groups of {value} rows")).way_out("1 to 100000000 rows");
        report.take(*at, rows.ok_or_else(problem))
    });
    let mut bytes = |size: &Field<SizeText>, max: u64, default: u64| {
        let bytes = size
            .given()
            .and_then(|Given { value, at }| report.take(*at, check_size(&value.0, max)));
        bytes.unwrap_or(default)
    };
    ParquetOptions {
        row_group_rows: rows.unwrap_or(1_000_000),
        row_group_bytes: bytes(row_group_bytes, ROW_GROUP_BYTES_MAX, 64 << 20),
        file_bytes: bytes(file_bytes, FILE_BYTES_MAX, 256 << 20),
    }
}

fn check_size(text: &str, max: u64) -> Result<u64, Problem> {
    let bytes = parse_bytes(text)?;
    if (BYTES_MIN..=max).contains(&bytes) {
        return Ok(bytes);
    }
    let range = format!("from {} to {}", format_bytes(BYTES_MIN), format_bytes(max));
    Err(Problem::new(format!("{} is out of range", yaml_text(text))).way_out(range))
}
