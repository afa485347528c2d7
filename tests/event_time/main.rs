//! The event time end to end: which instant and hour a record names, or the code of its refusal.
//!
//! A case is (JSON value of the field, the instant in UTC or a code). The hour is checked to be the instant's own.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod columns;
mod forms;
mod instants;
#[path = "../support/reading.rs"]
mod reading;

use lakebed::record::RecordPlan;
use reading::{LIMITS, code, plan_of, read_from};

const MISSING: &str = "EventTime.Missing";
const UNREADABLE: &str = "EventTime.Unreadable";
const OUT_OF_RANGE: &str = "EventTime.OutOfRange";
const NONEXISTENT: &str = "EventTime.Nonexistent";
const TOO_NEW: &str = "EventTime.TooNew";
const TOO_OLD: &str = "EventTime.TooOld";

/// 2019-10-12T02:00:00Z
const ARRIVAL_S: i64 = 1_570_845_600;

/// A table whose event time has `options`, with `columns`.
fn table(options: &str, columns: &str) -> RecordPlan {
    let schema = format!("table: t\nevent_time: {{ field: time, {options} }}\ncolumns: {{ id: int, {columns} }}\n");
    plan_of(&[("t", schema)], LIMITS)
}

fn instant_or_code(plan: &RecordPlan, value: &str) -> String {
    let block = read_from(plan, "k", ARRIVAL_S, format!("{{\"time\":{value}}}").as_bytes());
    if let Some(rejected) = block.rejected.first() {
        return code(rejected);
    }
    let (time, hour) = (block.tables[0].times[0].to_rfc3339(), block.tables[0].hours[0]);
    assert_eq!(hour.to_string(), time[..13], "{value}");
    time
}

fn check(options: &str, cases: &[(&str, &str)]) {
    let plan = table(options, "");
    for (value, expected) in cases {
        assert_eq!(instant_or_code(&plan, value), *expected, "{value} with {options}");
    }
}

/// No limits, so that a case says how it is read and nothing else.
const ANY: &str = "max_future: none, max_past: none";
