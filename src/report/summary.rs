//! The summary of a run, as `--json` prints it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{JobReport, RecordCounts, ReplayCounts, TableReport, add_all};
use crate::job::outcome::Outcome;
use crate::job::stage::FileKind;

/// The version of the summary's form.
const VERSION: u32 = 1;

/// What a run found and did. Stable: fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    version: u32,
    /// The verb that ran.
    pub verb: &'static str,
    /// The lake.
    pub lake: String,
    /// The exit code of the process.
    pub exit: u8,
    /// Raw objects.
    pub sources: SourcesSummary,
    /// Records of the jobs done in this run.
    pub records: RecordCounts,
    /// What was written, by table.
    pub tables: BTreeMap<String, TableSummary>,
    /// Quarantine entries by code.
    pub quarantined: BTreeMap<String, u64>,
    /// Jobs of earlier runs whose rows were replaced, because a source was overwritten or loaded again.
    pub replaced_jobs: u64,
    /// Quarantine of the lake that was read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<ReplaySummary>,
    /// Sources that could not be loaded or are damaged.
    pub failed: Vec<Failed>,
    /// Those beyond [`Summary::keeping`].
    #[serde(skip_serializing_if = "is_none")]
    pub failed_more: u64,
    #[serde(skip)]
    failed_max: usize,
}

fn is_none(number: &u64) -> bool {
    *number == 0
}

/// Raw objects by what became of them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct SourcesSummary {
    /// Listed and selected.
    pub found: u64,
    /// Loaded by this run.
    pub done: u64,
    /// Loaded before.
    pub already: u64,
    /// Not loaded.
    pub failed: u64,
    /// Loaded as far as they could be read (also counted as done).
    pub damaged: u64,
    /// Passed over because of their names.
    pub hidden: u64,
    /// Left out by `--since`, `--until` or `--glob`.
    pub unselected: u64,
    /// Bytes as stored, of those loaded by this run.
    pub bytes: u64,
}

/// Quarantine of the lake that was read again.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct ReplaySummary {
    /// Jobs with entries.
    pub jobs: u64,
    /// Of them: another job is in their place, because some entries are rows now.
    pub jobs_replaced: u64,
    /// Of them: all entries were read under these schemas before, and not again.
    pub jobs_already: u64,
    /// Of them: could not be read.
    pub jobs_failed: u64,
    /// Jobs that have entries and have not ended: they are being loaded, or were stopped. Not counted above.
    pub jobs_unfinished: u64,
    /// Entries of the jobs that were read before.
    pub entries_already: u64,
    /// Entries that were read now.
    #[serde(flatten)]
    pub entries: ReplayCounts,
}

/// What was written to a table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TableSummary {
    /// Rows.
    pub rows: u64,
    /// Files.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Distinct hours.
    pub hours: u64,
    /// The first of them.
    pub first_hour: Option<String>,
    /// The last of them.
    pub last_hour: Option<String>,
    /// What was seen in its records.
    #[serde(flatten)]
    pub seen: TableReport,
    #[serde(skip)]
    distinct: BTreeSet<String>,
}

/// A source that could not be loaded, or is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Its name.
    pub source: String,
    /// What kind of failure.
    pub code: String,
    /// In words.
    pub message: String,
    /// Whether running again may help.
    pub transient: bool,
}

impl Summary {
    /// Nothing done yet.
    pub fn new(verb: &'static str, lake: String) -> Self {
        Self {
            version: VERSION,
            verb,
            lake,
            exit: 0,
            sources: SourcesSummary::default(),
            records: RecordCounts::default(),
            tables: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            replaced_jobs: 0,
            replayed: None,
            failed: Vec::new(),
            failed_more: 0,
            failed_max: usize::MAX,
        }
    }

    /// Keeps so many sources that could not be loaded or are damaged; of more only the number is.
    #[must_use]
    pub fn keeping(self, failed_max: usize) -> Self {
        Self { failed_max, ..self }
    }

    /// Adds a job that is done: all but the sources that were asked for.
    pub fn add(&mut self, outcome: &Outcome) -> Result<(), serde_json::Error> {
        let report = JobReport::deserialize_counts(outcome)?;
        self.replaced_jobs += u64::from(outcome.replaces.is_some());
        self.sources.bytes += report.bytes.stored;
        self.records.add(&report.records);
        add_all(&mut self.quarantined, &report.quarantined);
        for (name, seen) in &report.tables {
            self.tables.entry(name.clone()).or_default().seen.add(seen);
        }
        for file in &outcome.files {
            let FileKind::Data { table, hour, rows } = &file.kind else {
                continue;
            };
            let table = self.tables.entry(table.clone()).or_default();
            table.rows += rows;
            table.files += 1;
            table.bytes += file.size;
            table.distinct.insert(hour.clone());
            table.hours = table.distinct.len() as u64;
            table.first_hour = table.distinct.first().cloned();
            table.last_hour = table.distinct.last().cloned();
        }
        for (source, seen) in outcome.sources.iter().zip(&report.sources) {
            let Some(code) = &seen.damaged else { continue };
            self.sources.damaged += 1;
            let message = if code == "Object.NotJson" {
                "no JSON record begins in its first MiB; nothing of it was loaded".to_owned()
            } else {
                format!(
                    "the compressed stream is broken; {} records before the damage are rows",
                    seen.records.rows
                )
            };
            self.keep(Failed {
                source: source.name.to_string(),
                code: code.clone(),
                message,
                transient: false,
            });
        }
        Ok(())
    }

    /// Adds a job that read nothing but the quarantine of the one it replaced: what was seen in records that are rows now.
    pub fn add_replayed(&mut self, outcome: &Outcome) -> Result<ReplayCounts, serde_json::Error> {
        let report = JobReport::deserialize_counts(outcome)?;
        for (name, seen) in &report.tables {
            self.tables.entry(name.clone()).or_default().seen.add(seen);
        }
        Ok(report.replayed.unwrap_or_default())
    }

    /// Adds a source that was not loaded.
    pub fn add_failed(&mut self, failed: Failed) {
        self.sources.failed += 1;
        self.keep(failed);
    }

    fn keep(&mut self, failed: Failed) {
        if self.failed.len() >= self.failed_max {
            self.failed_more += 1;
            return;
        }
        let place = self.failed.partition_point(|before| before.source <= failed.source);
        self.failed.insert(place, failed);
    }
}

impl JobReport {
    fn deserialize_counts(outcome: &Outcome) -> Result<Self, serde_json::Error> {
        serde_json::from_value(outcome.counts.clone())
    }
}
