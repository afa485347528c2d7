//! What became of every record: the counts of a job, which its outcome keeps, and the summary of a run.

mod summary;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use summary::{Failed, ReplaySummary, SourcesSummary, Summary, TableSummary};

use crate::record::time::TimeForm;
use crate::record::{BlockBytes, TableTally, add_unknown};

/// Records by what became of them. Every one that was read, or added by a transform, is in exactly one of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCounts {
    /// Records and bad stretches found.
    pub read: u64,
    /// Outputs of a transform beyond the first.
    pub added: u64,
    /// Rows.
    pub rows: u64,
    /// Quarantine entries.
    pub quarantined: u64,
    /// Dropped on purpose by a transform.
    pub dropped: u64,
}

impl RecordCounts {
    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        let Self {
            read,
            added,
            rows,
            quarantined,
            dropped,
        } = other;
        self.read += read;
        self.added += added;
        self.rows += rows;
        self.quarantined += quarantined;
        self.dropped += dropped;
    }

    /// Do they add up?
    pub fn is_sound(&self) -> bool {
        self.read + self.added == self.rows + self.quarantined + self.dropped
    }
}

/// The bytes of sources by where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteCounts {
    /// Of the objects as they are stored.
    pub stored: u64,
    /// Of their decompressed streams: the sum of the next three.
    pub decompressed: u64,
    /// In records, rejected ones included.
    pub records: u64,
    /// In stretches that are no record.
    pub bad: u64,
    /// White space and byte order marks between them.
    pub between: u64,
}

impl ByteCounts {
    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        let Self {
            stored,
            decompressed,
            records,
            bad,
            between,
        } = other;
        self.stored += stored;
        self.decompressed += decompressed;
        self.records += records;
        self.bad += bad;
        self.between += between;
    }

    /// Adds those of a block.
    pub fn add_block(&mut self, block: &BlockBytes) {
        let BlockBytes { records, bad, between } = block;
        self.records += records;
        self.bad += bad;
        self.between += between;
    }

    /// Do they add up?
    pub fn is_sound(&self) -> bool {
        self.decompressed == self.records + self.bad + self.between
    }
}

/// What became of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// Its records.
    pub records: RecordCounts,
    /// Its bytes.
    pub bytes: ByteCounts,
    /// The code of the quarantine entry that stands for all or the end of it, if it is damaged or holds no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

/// What was seen while the records of one table were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableReport {
    /// Rows outside the table's projection: written, and not seen by Athena.
    pub outside_projection: u64,
    /// Fields that the table does not have, by name.
    pub unknown: BTreeMap<String, u64>,
    /// Values set to NULL, by column.
    pub set_null: BTreeMap<String, u64>,
    /// Times cut to the unit of their column.
    pub cut_time: u64,
    /// Local times that occur twice.
    pub time_ambiguous: u64,
    /// Event times by their form and unit.
    pub time_forms: BTreeMap<String, u64>,
}

impl TableReport {
    /// Adds another report.
    pub fn add(&mut self, other: &Self) {
        let Self {
            outside_projection,
            unknown,
            set_null,
            cut_time,
            time_ambiguous,
            time_forms,
        } = other;
        self.outside_projection += outside_projection;
        for (name, count) in unknown {
            add_unknown(&mut self.unknown, name, *count);
        }
        add_all(&mut self.set_null, set_null);
        self.cut_time += cut_time;
        self.time_ambiguous += time_ambiguous;
        add_all(&mut self.time_forms, time_forms);
    }

    /// The epoch units that event times were written in; more than one is worth a warning.
    pub fn epoch_units(&self) -> usize {
        let units = TimeForm::ALL
            .iter()
            .filter(|form| self.time_forms.contains_key(form.name()));
        let mut units: Vec<_> = units.filter_map(|form| form.epoch_unit()).collect();
        units.dedup();
        units.sort_by_key(|unit| *unit as u8);
        units.dedup();
        units.len()
    }
}

impl From<&TableTally> for TableReport {
    fn from(tally: &TableTally) -> Self {
        let TableTally {
            unknown,
            set_null,
            cut_time,
            time_ambiguous,
            time_forms,
        } = tally;
        let forms = TimeForm::ALL
            .iter()
            .map(|form| (form.name().to_owned(), time_forms[form.index()]));
        Self {
            outside_projection: 0,
            unknown: unknown.clone(),
            set_null: set_null.clone(),
            cut_time: *cut_time,
            time_ambiguous: *time_ambiguous,
            time_forms: forms.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// Adds counts by name.
pub(crate) fn add_all(to: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>) {
    for (name, count) in from {
        *to.entry(name.clone()).or_default() += count;
    }
}

/// What became of the records of a job; its outcome keeps this as `counts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// All records.
    pub records: RecordCounts,
    /// All bytes.
    pub bytes: ByteCounts,
    /// Each source, in the order of the outcome's sources.
    pub sources: Vec<SourceReport>,
    /// Each table that had rows or rejected records.
    pub tables: BTreeMap<String, TableReport>,
    /// Quarantine entries by code.
    pub quarantined: BTreeMap<String, u64>,
    /// Entries that were copied as they stand, and not read under the job's schemas.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub untried: u64,
    /// What became of the entries that were read again, where that is all that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed: Option<ReplayCounts>,
}

/// Quarantine entries by what became of them when they were read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayCounts {
    /// All entries: the sum of the next four.
    pub entries: u64,
    /// Rows now; of a table with a transform, one or several.
    pub rows: u64,
    /// Dropped now by their table's transform.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// Rejected again.
    pub quarantined: u64,
    /// Not to be read from quarantine: what broken objects and broken error records left, and records of which only the first
    /// MiB was kept.
    pub partial: u64,
}

impl ReplayCounts {
    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        let Self {
            entries,
            rows,
            dropped,
            quarantined,
            partial,
        } = other;
        self.entries += entries;
        self.rows += rows;
        self.dropped += dropped;
        self.quarantined += quarantined;
        self.partial += partial;
    }
}

pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}
