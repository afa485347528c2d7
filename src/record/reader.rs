//! Reads the records of a block into columns.

use std::collections::BTreeMap;
use std::ops::Range;

use super::RecordPlan;
use super::coerce::{Coercer, Reject, time_value};
use super::column::{Column, Values};
use super::names::Slot;
use super::plan::{TablePlan, UnknownPlan, ValuePlan};
use super::route::Router;
use super::tape::{Kind, Tape};
use super::text;
use super::time::{Instant, Reading, TimeError, TimeForm};
use crate::partition::hour::PartitionHour;
use crate::quarantine::Code;
use crate::source::frame::{BadFrame, Framer, is_space};
use crate::table::Table;

/// Names counted before the rest is counted as one: a hostile producer must not take the memory.
const UNKNOWN_NAMES_MAX: usize = 1000;
const OTHER_NAMES: &str = "(other)";

/// What the records of one source are read against.
pub struct SourceContext {
    router: Router,
    last_modified_s: i64,
}

impl SourceContext {
    /// `key`: the source's key, for tables with `keys`; `last_modified_s`: what `max_future` and `max_past` count from.
    pub fn new(plan: &RecordPlan, key: &str, last_modified_s: i64) -> Self {
        Self {
            router: Router::new(&plan.tables, key),
            last_modified_s,
        }
    }
}

/// Bytes that became no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Why.
    pub code: Code,
    /// Why, in words; holds no value of the record.
    pub message: String,
    /// Place of the record in its block, from 0, bad stretches included.
    pub ordinal: u64,
    /// Where in the block.
    pub range: Range<usize>,
    /// The table it belongs to, by place, where that was known.
    pub table: Option<usize>,
    /// The column that it did not fit.
    pub column: Option<String>,
}

/// What was counted while the records of a table were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableTally {
    /// Fields that the table does not have, by name (dotted below the top level).
    pub unknown: BTreeMap<String, u64>,
    /// Values set to NULL because they did not fit, by column.
    pub set_null: BTreeMap<String, u64>,
    /// Times cut to the unit of their column.
    pub cut_time: u64,
    /// Local event times that occur twice; the earlier was taken.
    pub time_ambiguous: u64,
    /// Event times by the form and unit they were written in, by [`TimeForm::index`].
    pub time_forms: [u64; TimeForm::COUNT],
}

impl TableTally {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        let Self {
            unknown,
            set_null,
            cut_time,
            time_ambiguous,
            time_forms,
        } = other;
        unknown
            .iter()
            .for_each(|(name, count)| self.count_unknown(name, *count));
        for (column, count) in set_null {
            *self.set_null.entry(column.clone()).or_default() += count;
        }
        self.cut_time += cut_time;
        self.time_ambiguous += time_ambiguous;
        self.time_forms
            .iter_mut()
            .zip(time_forms)
            .for_each(|(mine, theirs)| *mine += theirs);
    }

    fn count_unknown(&mut self, name: &str, count: u64) {
        if let Some(known) = self.unknown.get_mut(name) {
            *known += count;
        } else if self.unknown.len() < UNKNOWN_NAMES_MAX {
            self.unknown.insert(name.to_owned(), count);
        } else {
            *self.unknown.entry(OTHER_NAMES.to_owned()).or_default() += count;
        }
    }
}

/// The rows of one table in the order of their records.
#[derive(Clone, Debug)]
pub struct TableRows {
    /// The table's columns (and the column of unknown fields).
    pub columns: Vec<Column>,
    /// The event time of each row.
    pub times: Vec<Instant>,
    /// The hour of each row.
    pub hours: Vec<PartitionHour>,
    /// Bytes that each row is counted as: those of its record, or of a row of NULLs where that is more.
    pub weights: Vec<u32>,
    /// What was counted.
    pub tally: TableTally,
}

impl TableRows {
    /// No rows yet, of `table`.
    pub fn new(table: &Table) -> Self {
        let rest = matches!(table.unknown_fields, crate::table::UnknownFields::KeepIn(_));
        let rest = rest.then(|| Column::new(&crate::table::ColumnType::String));
        Self {
            columns: table
                .columns
                .iter()
                .map(|c| Column::new(&c.data_type))
                .chain(rest)
                .collect(),
            times: Vec::new(),
            hours: Vec::new(),
            weights: Vec::new(),
            tally: TableTally::default(),
        }
    }

    /// No rows of no table.
    pub(crate) fn none() -> Self {
        let (columns, times, hours, weights) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            columns,
            times,
            hours,
            weights,
            tally: TableTally::default(),
        }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// No rows.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    fn clear(&mut self) {
        self.columns.iter_mut().for_each(|column| column.truncate(0));
        self.times.clear();
        self.hours.clear();
        self.weights.clear();
        self.tally = TableTally::default();
    }
}

/// How the bytes of a block divide; the three add up to its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockBytes {
    /// In records, rejected ones included.
    pub records: u64,
    /// In stretches that are no record.
    pub bad: u64,
    /// White space and byte order marks between them.
    pub between: u64,
}

/// What became of a block.
#[derive(Clone, Debug)]
pub struct BlockRows {
    /// The rows, by place of their table.
    pub tables: Vec<TableRows>,
    /// What became no row, in order.
    pub rejected: Vec<Rejected>,
    /// Records and bad stretches.
    pub read: u64,
    /// Where the bytes are.
    pub bytes: BlockBytes,
}

impl BlockRows {
    /// Nothing read yet.
    pub fn new(plan: &RecordPlan) -> Self {
        Self {
            tables: plan.tables.iter().map(TableRows::new).collect(),
            rejected: Vec::new(),
            read: 0,
            bytes: BlockBytes::default(),
        }
    }

    fn clear(&mut self) {
        self.tables.iter_mut().for_each(TableRows::clear);
        self.rejected.clear();
        self.read = 0;
        self.bytes = BlockBytes::default();
    }
}

/// Reads blocks; its buffers are reused from record to record and from block to block.
#[derive(Default)]
pub struct Reader {
    tape: Tape,
    slots: Vec<Slot>,
    nested: Vec<Slot>,
    buffer: Vec<u8>,
}

/// A record does not become a row, and what is known of it.
struct Refusal {
    reject: Reject,
    table: Option<usize>,
    column: Option<usize>,
}

impl Reader {
    /// Reads all records of `block`, which begins and ends between records, into `out`.
    pub fn read(&mut self, plan: &RecordPlan, source: &SourceContext, block: &[u8], out: &mut BlockRows) {
        out.clear();
        // Text is checked once a block; only a block with an error in it is looked at record by record.
        let all_utf8 = std::str::from_utf8(block).is_ok();
        let limits = plan.limits;
        let mut at = 0;
        loop {
            let begin = skip_between(block, at);
            out.bytes.between += (begin - at) as u64;
            if begin == block.len() {
                return;
            }
            let whole = if block[begin] == b'{' {
                self.tape.read(block, begin, limits.depth_max).ok()
            } else {
                None
            };
            match whole.filter(|end| (end - begin) as u64 <= limits.record_bytes_max) {
                Some(end) => {
                    out.bytes.records += (end - begin) as u64;
                    let utf8 = all_utf8 || std::str::from_utf8(&block[begin..end]).is_ok();
                    let result = if utf8 {
                        self.record(plan, source, block, begin..end, out)
                    } else {
                        let found = "bytes that are not UTF-8";
                        Err(Refusal {
                            reject: Reject {
                                code: Code::JsonInvalidUtf8,
                                found,
                            },
                            table: None,
                            column: None,
                        })
                    };
                    if let Err(refusal) = result {
                        let rejected = refusal.into_rejected(plan, out.read, begin..end);
                        out.rejected.push(rejected);
                    }
                    at = end;
                }
                None => {
                    let mut framer = Framer::new(limits, begin as u64);
                    let stretch = framer.next(block, &mut begin.clone()).or_else(|| framer.finish());
                    let stretch = stretch.expect("a byte that is not between records is in a stretch");
                    let end = stretch.range.end as usize;
                    let code = stretch.what.err().unwrap_or(BadFrame::Syntax);
                    let (code, message) = explain(code, plan);
                    out.bytes.bad += (end - begin) as u64;
                    out.rejected.push(Rejected {
                        code,
                        message,
                        ordinal: out.read,
                        range: begin..end,
                        table: None,
                        column: None,
                    });
                    at = end;
                }
            }
            out.read += 1;
        }
    }

    fn record(
        &mut self,
        plan: &RecordPlan,
        source: &SourceContext,
        block: &[u8],
        range: Range<usize>,
        out: &mut BlockRows,
    ) -> Result<(), Refusal> {
        let refuse = |code, found, table| Refusal {
            reject: Reject { code, found },
            table,
            column: None,
        };
        let duplicate = |table| refuse(Code::JsonDuplicateKey, "a key that is read standing twice", table);
        let table = source
            .router
            .route(block, &self.tape, &mut self.slots, &mut self.buffer)
            .map_err(|_| duplicate(None))?
            .ok_or_else(|| refuse(Code::RouteNoTable, "no table whose `route` and `keys` match", None))?;
        let table_plan = &plan.plans[table];
        self.slots.clear();
        self.slots.resize(table_plan.names.slots(), Slot::Missing);
        let others = table_plan.names.fill(block, &self.tape, 0, &mut self.slots);
        let reading = self
            .event_time(table_plan, &plan.tables.as_slice()[table], source, block)
            .map_err(|reject| Refusal {
                reject,
                table: Some(table),
                column: None,
            })?;
        let hour = PartitionHour::containing(reading.instant);

        let rows = &mut out.tables[table];
        let before = rows.len();
        if let Err((reject, column)) = self.columns(
            table_plan,
            block,
            &reading,
            others,
            rows,
            &plan.tables.as_slice()[table],
        ) {
            rows.columns.iter_mut().for_each(|column| column.truncate(before));
            return Err(Refusal {
                reject,
                table: Some(table),
                column,
            });
        }
        rows.times.push(reading.instant);
        rows.hours.push(hour);
        rows.weights.push((range.len() as u32).max(table_plan.row_bytes));
        rows.tally.time_forms[reading.form.index()] += 1;
        rows.tally.time_ambiguous += u64::from(reading.ambiguous);
        Ok(())
    }

    fn event_time(
        &mut self,
        plan: &TablePlan,
        table: &Table,
        source: &SourceContext,
        block: &[u8],
    ) -> Result<Reading, Reject> {
        let refuse = |code, found| Reject { code, found };
        let place = plan.event_time.find(block, &self.tape, &self.slots);
        let node = place.map_err(|_| refuse(Code::JsonDuplicateKey, "a key that is read standing twice"))?;
        let node = node.filter(|node| self.tape.node(*node).kind != Kind::Null);
        let node = node.ok_or(refuse(Code::EventTimeMissing, "no event time"))?;
        let unreadable = refuse(
            Code::EventTimeUnreadable,
            "an event time of no form that `formats` names",
        );
        let value =
            time_value(block, &self.tape, node, &mut self.buffer).map_err(|reject| reject.unwrap_or(unreadable))?;
        let reading = table.event_time.formats.read(&value).map_err(|error| match error {
            TimeError::Unreadable => unreadable,
            TimeError::OutOfRange => refuse(
                Code::EventTimeOutOfRange,
                "an event time outside the years 0001 to 9999",
            ),
            TimeError::Nonexistent => refuse(
                Code::EventTimeNonexistent,
                "a local event time that does not occur in `timezone`",
            ),
        })?;
        let (seconds, nanos) = (reading.instant.seconds(), reading.instant.nanos());
        let arrival = source.last_modified_s;
        let beyond = |limit: i64| seconds > limit || seconds == limit && nanos > 0;
        if table
            .event_time
            .max_future
            .is_some_and(|max| beyond(arrival.saturating_add(max)))
        {
            return Err(refuse(
                Code::EventTimeTooNew,
                "an event time further after the source's arrival than `max_future`",
            ));
        }
        if table
            .event_time
            .max_past
            .is_some_and(|max| seconds < arrival.saturating_sub(max))
        {
            return Err(refuse(
                Code::EventTimeTooOld,
                "an event time further before the source's arrival than `max_past`",
            ));
        }
        Ok(reading)
    }

    /// Adds the record at node 0 to the columns; an error names the column by place.
    fn columns(
        &mut self,
        plan: &TablePlan,
        block: &[u8],
        reading: &Reading,
        others: bool,
        rows: &mut TableRows,
        table: &Table,
    ) -> Result<(), (Reject, Option<usize>)> {
        let mut coercer = Coercer {
            bytes: block,
            tape: &self.tape,
            strict: plan.strict,
            set_null: plan.set_null,
            slots: &mut self.nested,
            buffer: &mut self.buffer,
            tally: super::coerce::Tally::default(),
        };
        let mut unknown_within = false;
        let mut nulls: Vec<usize> = Vec::new();
        for (place, (column_plan, column)) in plan.columns.iter().zip(&mut rows.columns).enumerate() {
            let duplicate = Reject {
                code: Code::JsonDuplicateKey,
                found: "a key that is read standing twice",
            };
            let node = column_plan
                .place
                .find(block, &self.tape, &self.slots)
                .map_err(|_| (duplicate, Some(place)))?;
            let node = node.filter(|node| self.tape.node(*node).kind != Kind::Null);
            let Some(node) = node else {
                if column_plan.required {
                    let reject = Reject {
                        code: Code::TypeNull,
                        found: "no value",
                    };
                    return Err((reject, Some(place)));
                }
                column.push_null();
                continue;
            };
            if column_plan.is_event_time {
                let cut = push_time(&column_plan.value, reading.instant, column);
                coercer.tally.cut_time += u64::from(cut);
                continue;
            }
            let set_null = coercer.tally.set_null;
            if column_plan.required {
                // NULL is no way out for a column that must have a value; values within it still have it.
                coercer
                    .add_required(&column_plan.value, node, column)
                    .map_err(|reject| (reject, Some(place)))?;
            } else {
                coercer
                    .add(&column_plan.value, node, column)
                    .map_err(|reject| (reject, Some(place)))?;
            }
            if coercer.tally.set_null > set_null {
                nulls.extend(std::iter::repeat_n(place, (coercer.tally.set_null - set_null) as usize));
            }
            if std::mem::take(&mut coercer.tally.unknown) {
                unknown_within = true;
            }
        }
        let tally = coercer.tally;
        if others || unknown_within || plan.unknown == UnknownPlan::Keep {
            self.unknown_fields(plan, block, (others, unknown_within), rows)?;
        }
        rows.tally.cut_time += tally.cut_time;
        rows.tally.time_ambiguous += tally.ambiguous;
        for place in nulls {
            *rows
                .tally
                .set_null
                .entry(table.columns[place].name.clone())
                .or_default() += 1;
        }
        Ok(())
    }

    /// Counts, refuses or keeps the fields that the table does not have.
    fn unknown_fields(
        &mut self,
        plan: &TablePlan,
        block: &[u8],
        (others, within): (bool, bool),
        rows: &mut TableRows,
    ) -> Result<(), (Reject, Option<usize>)> {
        let mut names: Vec<String> = Vec::new();
        let mut kept = Vec::new();
        if others {
            plan.names.each_other(block, &self.tape, 0, &self.slots, |key, value| {
                if plan.unknown == UnknownPlan::Keep {
                    let node = self.tape.node(value);
                    kept.push(if kept.is_empty() { b'{' } else { b',' });
                    kept.push(b'"');
                    kept.extend_from_slice(key);
                    kept.extend_from_slice(b"\":");
                    let quotes = usize::from(node.kind == Kind::Text);
                    kept.extend_from_slice(&block[node.start as usize - quotes..node.end as usize + quotes]);
                } else {
                    names.push(shown(key));
                }
            });
        }
        if within {
            for column in &plan.columns {
                if let Ok(Some(node)) = column.place.find(block, &self.tape, &self.slots) {
                    let path = String::from_utf8_lossy(plan.names.name(column.place.slot)).into_owned();
                    unknown_within(&column.value, block, &self.tape, node, &path, &mut names);
                }
            }
        }
        if plan.unknown == UnknownPlan::Quarantine && !names.is_empty() {
            let found = "a field that the table does not have";
            return Err((
                Reject {
                    code: Code::FieldUnknown,
                    found,
                },
                None,
            ));
        }
        names.iter().for_each(|name| rows.tally.count_unknown(name, 1));
        if plan.unknown == UnknownPlan::Keep {
            let column = rows
                .columns
                .last_mut()
                .expect("the column of unknown fields is the last");
            if kept.is_empty() {
                column.push_null();
            } else {
                kept.push(b'}');
                column.push_bytes(&kept);
            }
        }
        Ok(())
    }
}

/// A key as it is counted: its text, or its escapes where it has none.
fn shown(key: &[u8]) -> String {
    let mut text = Vec::new();
    match text::unescape(key, &mut text) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => String::from_utf8_lossy(key).into_owned(),
    }
}

/// Lists the members of structs below the value at `node` that the struct does not have.
fn unknown_within(plan: &ValuePlan, bytes: &[u8], tape: &Tape, node: u32, path: &str, names: &mut Vec<String>) {
    match (plan, tape.node(node).kind) {
        (ValuePlan::Struct { names: known, members }, Kind::Object) => {
            let mut slots = vec![Slot::Missing; known.slots()];
            if known.fill(bytes, tape, node, &mut slots) {
                known.each_other(bytes, tape, node, &slots, |key, _| {
                    names.push(format!("{path}.{}", shown(key)))
                });
            }
            for (place, (slot, member)) in slots.iter().zip(members).enumerate() {
                if let Ok(Some(value)) = slot.value() {
                    let path = format!("{path}.{}", String::from_utf8_lossy(known.name(place)));
                    unknown_within(member, bytes, tape, value, &path, names);
                }
            }
        }
        (ValuePlan::Array(element), Kind::Array) => {
            tape.elements(node)
                .for_each(|item| unknown_within(element, bytes, tape, item, path, names));
        }
        (ValuePlan::Map { value: plan, .. }, Kind::Object) => {
            tape.members(node)
                .for_each(|(_, value)| unknown_within(plan, bytes, tape, value, path, names));
        }
        _ => {}
    }
}

/// Adds the record's own event time; true if digits were cut.
fn push_time(plan: &ValuePlan, instant: Instant, column: &mut Column) -> bool {
    let millis = matches!(plan, ValuePlan::Timestamp(_));
    let Values::Int64(values) = &mut column.values else {
        unreachable!("a timestamp column holds integers")
    };
    values.push(if millis {
        instant.millis_floor()
    } else {
        instant.micros_floor()
    });
    column.push_valid();
    if millis {
        instant.finer_than_millis()
    } else {
        instant.finer_than_micros()
    }
}

fn skip_between(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(byte) if is_space(*byte) => at += 1,
            Some(0xEF) if bytes[at..].starts_with(&[0xEF, 0xBB, 0xBF]) => at += 3,
            _ => return at,
        }
    }
}

/// The code and words for bytes that are no record.
pub(crate) fn explain(what: BadFrame, plan: &RecordPlan) -> (Code, String) {
    match what {
        BadFrame::Syntax => (Code::JsonSyntax, "not JSON".into()),
        BadFrame::Truncated => (
            Code::JsonTruncated,
            "the record breaks off before its closing brace".into(),
        ),
        BadFrame::NotAnObject => (
            Code::JsonNotAnObject,
            "JSON, but an array or scalar; a record is an object".into(),
        ),
        BadFrame::TooDeep => (
            Code::JsonTooDeep,
            format!("nested deeper than {} levels", plan.limits.depth_max),
        ),
        BadFrame::TooLarge => (
            Code::RecordTooLarge,
            format!("longer than {} bytes", plan.limits.record_bytes_max),
        ),
    }
}

impl Refusal {
    fn into_rejected(self, plan: &RecordPlan, ordinal: u64, range: Range<usize>) -> Rejected {
        let Self {
            reject: Reject { code, found },
            table,
            column,
        } = self;
        let checked = table.map(|table| &plan.tables.as_slice()[table]);
        let column = column.and_then(|column| checked.map(|table| &table.columns[column]));
        let message = match (column, checked) {
            (Some(column), Some(table)) => {
                format!(
                    "column `{}` of table `{}`: expected {}, found {found}",
                    column.name, table.name, column.data_type
                )
            }
            (None, Some(table)) if code.is_event_time() => {
                format!("table `{}`: {found} in `{}`", table.name, table.event_time.field)
            }
            (None, Some(table)) => format!("table `{}`: {found}", table.name),
            _ => found.to_owned(),
        };
        Rejected {
            code,
            message,
            ordinal,
            range,
            table,
            column: column.map(|c| c.name.clone()),
        }
    }
}
