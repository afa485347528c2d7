//! The rows of a block and what was counted while they were read: handed from [`super::Reader`] to the partitions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::RecordPlan;
use super::column::Column;
use super::time::{Instant, TimeForm};
use crate::partition::hour::PartitionHour;
use crate::quarantine::Code;
use crate::table::{ColumnType, Table, UnknownFields};

/// Names counted before the rest is counted as one: a hostile producer must not take the memory.
const UNKNOWN_NAMES_MAX: usize = 1000;
const OTHER_NAMES: &str = "(other)";

/// Bytes that became no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Why.
    pub code: Code,
    /// Why, in words; holds no value of the record.
    pub message: Cow<'static, str>,
    /// Place of the record in its block, from 0, bad stretches included.
    pub ordinal: u64,
    /// Where in the block.
    pub range: Range<usize>,
    /// Its own bytes, where they are not those of the block: it was unpacked from an error record that stands there.
    pub unpacked: Option<Box<[u8]>>,
    /// It is an error record from which none could be unpacked.
    pub is_error_record: bool,
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

    pub(super) fn count_unknown(&mut self, name: &str, count: u64) {
        add_unknown(&mut self.unknown, name, count);
    }
}

/// Adds to the count of an unknown field. Only so many names are kept, also of all jobs of a run together.
pub(crate) fn add_unknown(counts: &mut BTreeMap<String, u64>, name: &str, count: u64) {
    if let Some(known) = counts.get_mut(name) {
        *known += count;
    } else if counts.len() < UNKNOWN_NAMES_MAX {
        counts.insert(name.to_owned(), count);
    } else {
        *counts.entry(OTHER_NAMES.to_owned()).or_default() += count;
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
        let rest = matches!(table.unknown_fields, UnknownFields::KeepIn(_));
        let rest = rest.then(|| Column::new(&ColumnType::String));
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

    pub(super) fn clear(&mut self) {
        self.truncate(0);
        self.tally = TableTally::default();
    }

    /// Takes out all rows behind the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.columns.iter_mut().for_each(|column| column.truncate(len));
        self.times.truncate(len);
        self.hours.truncate(len);
        self.weights.truncate(len);
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
    /// Outputs of a transform beyond the first of each record, and records unpacked from error records beyond the first of
    /// each.
    pub added: u64,
    /// Records of which a transform gave nothing, and error records that hold none.
    pub dropped: u64,
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
            added: 0,
            dropped: 0,
            bytes: BlockBytes::default(),
        }
    }

    /// The stream is broken right behind the block's `bytes`: takes the record that breaks off there out of the rejects, for
    /// the damage stands for it.
    pub(crate) fn take_broken_off(&mut self, bytes: &[u8]) -> Option<Range<usize>> {
        let solid_end = bytes.trim_ascii_end().len();
        let last = self.rejected.last()?;
        if last.code != Code::JsonTruncated || last.range.end != solid_end || last.unpacked.is_some() {
            return None;
        }
        self.read -= 1;
        self.rejected.pop().map(|last| last.range)
    }

    pub(super) fn clear(&mut self) {
        self.tables.iter_mut().for_each(TableRows::clear);
        self.rejected.clear();
        (self.read, self.added, self.dropped) = (0, 0, 0);
        self.bytes = BlockBytes::default();
    }
}
