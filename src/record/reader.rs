//! Reads the records of a block into columns.

use std::borrow::Cow;
use std::ops::Range;

use super::RecordPlan;
use super::coerce::{Coercer, Reject, time_value};
use super::column::{Column, Values};
use super::names::Slot;
use super::plan::{TablePlan, UnknownPlan, ValuePlan};
use super::route::Router;
use super::rows::{BlockRows, Rejected, TableRows};
use super::tape::{Kind, Tape};
use super::time::{Instant, Reading, TimeError};
use crate::partition::hour::PartitionHour;
use crate::quarantine::Code;
use crate::source::frame::{BadFrame, Framer, is_space};
use crate::table::{self, Table};

/// What the records of one source are read against.
pub struct SourceContext {
    router: Router,
    last_modified_s: i64,
}

impl SourceContext {
    /// `key`: the source's key, for tables with `keys`; `last_modified_s`: what `max_future` and `max_past` count from.
    pub fn new(plan: &RecordPlan, key: &str, last_modified_s: i64) -> Self {
        Self {
            router: Router::new(&plan.tables, key).numbered(&plan.keys),
            last_modified_s,
        }
    }
}

impl SourceContext {
    /// For an object whose key is not known yet: tables with `keys` take its records as if the key matched.
    pub fn of_any_key(plan: &RecordPlan, last_modified_s: i64) -> Self {
        Self {
            router: Router::any(&plan.tables).numbered(&plan.keys),
            last_modified_s,
        }
    }
}

/// Reads blocks; its buffers are reused from record to record and from block to block.
#[derive(Default)]
pub struct Reader {
    pub(super) tape: Tape,
    pub(super) slots: Vec<Slot>,
    nested: Vec<Slot>,
    buffer: Vec<u8>,
    /// Of what a transform gave.
    pub(super) outputs_tape: Tape,
    /// What a transform gave for the last record that passed one, and the place of its table; kept where that is asked for.
    pub(super) outputs: Vec<Vec<u8>>,
    pub(super) outputs_of: usize,
    pub(super) keeps_outputs: bool,
}

/// A record does not become a row, and what is known of it.
pub(super) struct Refusal {
    reject: Reject,
    table: Option<usize>,
    at: Option<Where>,
}

impl Refusal {
    pub(super) fn of(reject: Reject, table: Option<usize>) -> Self {
        Self {
            reject,
            table,
            at: None,
        }
    }
}

/// What of a record does not fit its table.
pub(super) enum Where {
    /// The column at this place.
    Column(usize),
    /// A field of this name, which is no column.
    Field(String),
}

impl Reader {
    /// One that keeps what transforms give.
    pub(super) fn keeping_outputs() -> Self {
        Self {
            keeps_outputs: true,
            ..Self::default()
        }
    }

    /// Reads all records of `block`, which begins and ends between records, into `out`.
    pub fn read(&mut self, plan: &RecordPlan, source: &SourceContext, block: &[u8], out: &mut BlockRows) {
        out.clear();
        self.tape.know(&plan.keys);
        if plan.unwraps {
            self.add_wrapped(plan, source, block, out);
        } else {
            self.add(plan, source, block, out);
        }
    }

    /// The same behind what is in `out` already.
    pub(super) fn add(&mut self, plan: &RecordPlan, source: &SourceContext, block: &[u8], out: &mut BlockRows) {
        // Text is checked once a block; only a block with an error in it is looked at record by record.
        let all_utf8 = simdutf8::basic::from_utf8(block).is_ok();
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
                        let (code, found) = (Code::JsonInvalidUtf8, "bytes that are not UTF-8");
                        Err(Refusal::of(Reject { code, found }, None))
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
                        unpacked: None,
                        is_error_record: false,
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
        let no_table = Reject {
            code: Code::RouteNoTable,
            found: "no table whose `route` and `keys` match",
        };
        let table = source
            .router
            .route(block, &self.tape, &mut self.slots, &mut self.buffer)
            .map_err(|_| Refusal::of(Reject::DUPLICATE, None))?
            .ok_or(Refusal::of(no_table, None))?;
        if let Some(transform) = &plan.plans[table].transform {
            return self.transformed(transform, plan, source, (block, range), table, out);
        }
        let elements_max = plan.elements_max();
        self.row(plan, source, (block, range.len()), (table, elements_max), out)?;
        Ok(())
    }

    /// Adds a row to `table` from the record of `len` bytes that is on the tape. The bytes that its elements take in columns.
    #[inline]
    pub(super) fn row(
        &mut self,
        plan: &RecordPlan,
        source: &SourceContext,
        (block, len): (&[u8], usize),
        (table, elements_max): (usize, u64),
        out: &mut BlockRows,
    ) -> Result<u64, Refusal> {
        let table_plan = &plan.plans[table];
        let others = table_plan.fill(block, &self.tape, &mut self.slots);
        let reading = self
            .event_time(table_plan, &plan.tables.as_slice()[table], source, block)
            .map_err(|reject| Refusal::of(reject, Some(table)))?;
        let hour = PartitionHour::containing(reading.instant);

        let rows = &mut out.tables[table];
        let before = rows.len();
        let added = self.columns(
            table_plan,
            block,
            &reading,
            (others, elements_max),
            rows,
            &plan.tables.as_slice()[table],
        );
        let elements = added.map_err(|(reject, at)| {
            rows.columns.iter_mut().for_each(|column| column.truncate(before));
            Refusal {
                reject,
                table: Some(table),
                at: Some(at),
            }
        })?;
        rows.times.push(reading.instant);
        rows.hours.push(hour);
        let columns = u32::try_from(elements)
            .unwrap_or(u32::MAX)
            .saturating_add(table_plan.row_bytes);
        rows.weights.push((len as u32).max(columns));
        rows.tally.time_forms[reading.form.index()] += 1;
        rows.tally.time_ambiguous += u64::from(reading.ambiguous);
        Ok(elements)
    }

    fn event_time(
        &mut self,
        plan: &TablePlan,
        table: &Table,
        source: &SourceContext,
        block: &[u8],
    ) -> Result<Reading, Reject> {
        let refuse = |code, found| Reject { code, found };
        let node = self.slots[plan.event_time].value().map_err(|_| Reject::DUPLICATE)?;
        let node = node.filter(|node| self.tape.node(*node).kind != Kind::Null);
        let node = node.ok_or(refuse(Code::EventTimeMissing, "missing or null"))?;
        let unreadable = refuse(Code::EventTimeUnreadable, "of no form that `formats` names");
        let value = time_value(block, &self.tape, node, &mut self.buffer).map_err(|_| unreadable)?;
        let reading = table.event_time.formats.read(&value).map_err(|error| match error {
            TimeError::Unreadable => unreadable,
            TimeError::OutOfRange => refuse(Code::EventTimeOutOfRange, "outside the years 0001 to 9999"),
            TimeError::Nonexistent => refuse(
                Code::EventTimeNonexistent,
                "a local time that does not occur in `timezone`",
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
                "further after the source's arrival than `max_future`",
            ));
        }
        if table
            .event_time
            .max_past
            .is_some_and(|max| seconds < arrival.saturating_sub(max))
        {
            return Err(refuse(
                Code::EventTimeTooOld,
                "further before the source's arrival than `max_past`",
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
        ((others, below), elements_max): ((bool, bool), u64),
        rows: &mut TableRows,
        table: &Table,
    ) -> Result<u64, (Reject, Where)> {
        let mut coercer = Coercer {
            bytes: block,
            tape: &self.tape,
            strict: plan.strict,
            set_null: plan.set_null,
            slots: &mut self.nested,
            buffer: &mut self.buffer,
            tally: super::coerce::Tally::default(),
            elements_max,
        };
        let mut unknown_within = false;
        let mut nulls: Vec<(usize, u64)> = Vec::new();
        for (place, (column_plan, column)) in plan.columns.iter().zip(&mut rows.columns).enumerate() {
            let node = self.slots[column_plan.slot]
                .value()
                .map_err(|_| (Reject::DUPLICATE, Where::Column(place)))?;
            let node = node.filter(|node| self.tape.node(*node).kind != Kind::Null);
            let Some(node) = node else {
                if column_plan.required {
                    let reject = Reject {
                        code: Code::TypeNull,
                        found: "no value",
                    };
                    return Err((reject, Where::Column(place)));
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
                    .map_err(|reject| (reject, Where::Column(place)))?;
            } else {
                coercer
                    .add(&column_plan.value, node, column)
                    .map_err(|reject| (reject, Where::Column(place)))?;
            }
            if coercer.tally.set_null > set_null {
                nulls.push((place, coercer.tally.set_null - set_null));
            }
            if std::mem::take(&mut coercer.tally.unknown) {
                unknown_within = true;
            }
        }
        let tally = coercer.tally;
        if others || below || unknown_within || plan.unknown == UnknownPlan::Keep {
            self.unknown_fields(plan, block, (others, below, unknown_within), rows)?;
        }
        rows.tally.cut_time += tally.cut_time;
        rows.tally.time_ambiguous += tally.ambiguous;
        for (place, count) in nulls {
            *rows
                .tally
                .set_null
                .entry(table.columns[place].name.clone())
                .or_default() += count;
        }
        Ok(tally.elements)
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

pub(super) fn skip_between(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(byte) if is_space(*byte) => at += 1,
            Some(0xEF) if bytes[at..].starts_with(&[0xEF, 0xBB, 0xBF]) => at += 3,
            _ => return at,
        }
    }
}

/// The code and words for bytes that are no record.
pub(crate) fn explain(what: BadFrame, plan: &RecordPlan) -> (Code, Cow<'static, str>) {
    let limits = plan.limits;
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
            format!("nested deeper than {} levels", limits.depth_max).into(),
        ),
        BadFrame::TooLarge => (
            Code::RecordTooLarge,
            format!("longer than {} bytes", limits.record_bytes_max).into(),
        ),
    }
}

impl Refusal {
    fn into_rejected(self, plan: &RecordPlan, ordinal: u64, range: Range<usize>) -> Rejected {
        let Self {
            reject: Reject { code, found },
            table,
            at,
        } = self;
        let mut column = None;
        let message: Cow<'static, str> = match (table.map(|table| &plan.tables.as_slice()[table]), at) {
            (Some(table), Some(Where::Column(place))) => {
                let table::Column { name, data_type, .. } = &table.columns[place];
                column = Some(name.clone());
                // Of another type or range: then it helps to know which was meant.
                let expected = match code {
                    Code::TypeMismatch | Code::TypeRange => format!("expected {data_type}, found "),
                    _ => String::new(),
                };
                format!("column `{name}` of table `{}`: {expected}{found}", table.name).into()
            }
            (Some(table), Some(Where::Field(name))) => format!("table `{}`: {found}: `{name}`", table.name).into(),
            (Some(table), None) if code.is_event_time() => {
                let field = &table.event_time.field;
                format!("event time `{field}` of table `{}`: {found}", table.name).into()
            }
            (Some(table), None) if code == Code::TransformFailed => {
                format!("the transform of table `{}` {found}", table.name).into()
            }
            (Some(table), None) => format!("table `{}`: {found}", table.name).into(),
            (None, _) => found.into(),
        };
        Rejected {
            code,
            message,
            ordinal,
            range,
            unpacked: None,
            is_error_record: false,
            table,
            column,
        }
    }
}
