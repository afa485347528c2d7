//! Raw objects whose every record is known: what it is, and what is to become of it.

use std::ops::Range;

use crate::sandbox::{Dice, gzip};
use crate::support::judge::{Content, Record};

/// The schema files: two tables with layouts of their own.
pub(crate) const EVENT_YAML: &str = "\
table: event
event_time: { field: at }
columns:
  id: bigint
  at: timestamp
  kind: string
  text: string
";
pub(crate) const CLICK_YAML: &str = "\
table: click
route: { kind: click }
event_time: { field: at }
columns:
  id: bigint
  at: timestamp
  text: string
layout: day/hour
";

/// 2024-05-01T00:00:00Z
const MIDNIGHT_MS: i64 = 1_714_521_600_000;
const HOUR_MS: i64 = 3_600_000;

/// How records follow one another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Lines,
    Gzip,
    /// Without anything between them.
    RunTogether,
}

/// What a raw object is like.
#[derive(Clone, Debug)]
pub(crate) struct Like {
    pub(crate) ids: Range<i64>,
    pub(crate) form: Form,
    /// The hours of the day that records are of.
    pub(crate) hours: Range<i64>,
    /// Words of text in a record, of sixteen digits that nobody can compress.
    pub(crate) words: u64,
}

impl Like {
    /// Some records of six hours.
    pub(crate) fn small(ids: Range<i64>) -> Self {
        let forms = [Form::Lines, Form::Gzip, Form::RunTogether];
        let form = forms[(ids.start / 7 % 3) as usize];
        let (hours, words) = (0..4, 2);
        Self {
            ids,
            form,
            hours,
            words,
        }
    }
}

/// An object with these records, and one in twelve that is to be rejected.
pub(crate) fn content(like: Like) -> Content {
    let mut text = Vec::new();
    let mut records = Vec::new();
    for id in like.ids.clone() {
        let mut dice = Dice(id as u64);
        let hour = like.hours.start + dice.below((like.hours.end - like.hours.start) as u64) as i64;
        let at_ms = MIDNIGHT_MS + hour * HOUR_MS + dice.below(HOUR_MS as u64) as i64;
        let (table, kind) = match dice.below(3) {
            0 => ("click", "click"),
            _ => ("event", "view"),
        };
        let words: String = (0..like.words).map(|_| format!("{:016x}", dice.next())).collect();
        if dice.below(12) == 0 {
            let (code, bytes) = reject(id, like.form, &mut dice);
            let offset = text.len() as u64;
            text.extend_from_slice(&bytes);
            records.push(Record::Reject { code, offset, bytes });
            end(&mut text, like.form);
        }
        text.extend_from_slice(
            format!("{{\"id\":{id},\"at\":{at_ms},\"kind\":\"{kind}\",\"text\":\"{words}\"}}").as_bytes(),
        );
        end(&mut text, like.form);
        records.push(Record::Row {
            id,
            folder: folder(table, hour),
            at_ms,
            text: words,
        });
    }
    let stored = match like.form {
        Form::Gzip => gzip(&text),
        Form::Lines | Form::RunTogether => text,
    };
    Content {
        stored: stored.into(),
        records,
    }
}

/// Where rows of a table and an hour of the day lie.
fn folder(table: &str, hour: i64) -> String {
    match table {
        "click" => format!("click/day=2024-05-01/hour={hour:02}"),
        _ => format!("{table}/year=2024/month=05/day=01/hour={hour:02}"),
    }
}

fn end(text: &mut Vec<u8>, form: Form) {
    if form != Form::RunTogether {
        text.push(b'\n');
    }
}

/// What cannot be a row, by its code. A record follows it, so that what breaks off has an end.
fn reject(id: i64, form: Form, dice: &mut Dice) -> (&'static str, Vec<u8>) {
    let kinds = match form {
        // Beside others on a line, what is no JSON would take its neighbours along.
        Form::RunTogether => 3,
        Form::Lines | Form::Gzip => 6,
    };
    let (code, text) = match dice.below(kinds) {
        0 => ("Type.Mismatch", format!("{{\"id\":\"no {id}\",\"at\":{MIDNIGHT_MS}}}")),
        1 => ("EventTime.Missing", format!("{{\"id\":{id}}}")),
        2 => ("EventTime.TooNew", format!("{{\"id\":{id},\"at\":4102444800000}}")),
        3 => ("Json.Syntax", format!("oops {id}")),
        4 => ("Json.NotAnObject", format!("[{id}]")),
        _ => ("Json.Truncated", format!("{{\"id\":{id},\"at\":{MIDNIGHT_MS}")),
    };
    (code, text.into_bytes())
}
