//! Sources of a job that are not read: their rows and rejects are copied from the files of the job that is replaced.
//!
//! ```text
//! outcome of the replaced job ─> each file with rows of a copied source ─> taken over, proved ─> a new file of these rows
//! ```
//!
//! Where their quarantine is read again, its files are left to [`super::replayed`].
//!
//! No table has to be configured: rows are copied by what their file says of itself, lines of a quarantine file as they
//! stand. A new file lies in the folder of the old one, behind those that the job has written there itself.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use tokio::runtime::Handle;

use super::StageError;
use super::outputs::{JobOutputs, OutputFile};
use super::taken::{NotTaken, TakenFile};
use crate::encode::copy::WrittenFile;
use crate::job::heir::{Copied, Heritage};
use crate::job::lake::Lake;
use crate::job::outcome::{self, Outcome, State};
use crate::job::stage::{FileKind, Job, LakeFile};
use crate::partition::buckets::RowsOf;
use crate::quarantine::QuarantineWriter;
use crate::report::{JobReport, SourceReport};
use crate::store::LakeKey;

/// What files are taken over with.
pub(super) struct Taking<'a> {
    pub lake: &'a Lake,
    pub runtime: &'a Handle,
    /// A file of more bytes than this waits in the spill folder.
    pub memory: u64,
    pub spill_dir: &'a Path,
    /// Set when the run is to end.
    pub stop: &'a AtomicBool,
}

impl Taking<'_> {
    /// The same for one of so many files that are held at a time.
    pub(super) fn shared_by(&self, files: u64) -> Self {
        Self {
            memory: self.memory / files.max(1),
            ..*self
        }
    }

    pub(super) fn check_stop(&self) -> Result<(), StageError> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(StageError::Stopped),
            false => Ok(()),
        }
    }
}

/// The copied sources of a job.
pub(super) struct CopiedSources<'a> {
    of: &'a Outcome,
    sources: Vec<CopiedSource>,
    to: HashMap<usize, usize>,
    replays: bool,
}

struct CopiedSource {
    place: Copied,
    /// What became of it when it was read.
    report: SourceReport,
}

/// Rows of one copied source in an old file, from 0.
struct Stretch {
    /// Place of the source in the new job.
    to: usize,
    rows: Range<u64>,
}

impl<'a> CopiedSources<'a> {
    /// Fails where the outcome of the replaced job does not say of each source what became of it.
    pub(super) fn new(job: &Job, heritage: &'a Heritage) -> Result<Self, StageError> {
        let Heritage { of, copied, replays } = heritage;
        let damaged = |why: String| StageError::Damaged {
            what: format!("the outcome of job {} {why}", of.job),
        };
        let counts: JobReport = serde_json::from_value(of.counts.clone())
            .map_err(|error| damaged(format!("has no counts that can be read ({error})")))?;
        let mut written = vec![0; of.sources.len()];
        for rows in of.files.iter().flat_map(|file| &file.rows_of) {
            if let Some(written) = written.get_mut(rows.source) {
                *written += rows.rows;
            }
        }
        let mut sources = Vec::with_capacity(copied.len());
        for &place in copied {
            let old = of.sources.get(place.from).map(|source| &source.name);
            let new = job.sources().get(place.to).map(|source| &source.name);
            let (Some(old), true) = (old, old == new) else {
                let why = format!("source {} of job {} is not source {}", place.to, job.id(), place.from);
                return Err(StageError::Fault(format!("{why} of job {}", of.job)));
            };
            let report = counts.sources.get(place.from).cloned();
            let report = report.ok_or_else(|| damaged(format!("does not count {old}")))?;
            let SourceReport { records, bytes, .. } = &report;
            let is_sound = records.is_sound() && bytes.is_sound();
            if !is_sound || records.rows + records.quarantined != written[place.from] {
                return Err(damaged(format!("has counts of {old} that do not add up")));
            }
            sources.push(CopiedSource { place, report });
        }
        Ok(Self {
            of,
            to: copied.iter().map(|copied| (copied.from, copied.to)).collect(),
            sources,
            replays: *replays,
        })
    }

    /// Whether their quarantine is read again.
    pub(super) fn replays(&self) -> bool {
        self.replays
    }

    /// The files of the replaced job.
    pub(super) fn files(&self) -> impl Iterator<Item = &LakeFile> {
        self.of.files.iter()
    }

    /// The place in the job of a source of the replaced job, if it is copied.
    pub(super) fn place_of(&self, source: usize) -> Option<usize> {
        self.to.get(&source).copied()
    }

    /// Places in the job, and what became of the source there when it was read.
    pub(super) fn reports(&self) -> impl Iterator<Item = (usize, &SourceReport)> {
        self.sources.iter().map(|source| (source.place.to, &source.report))
    }

    /// Copies all rows, and the entries where they are not read again; counts the entries by code. The job's own files are
    /// finished.
    pub(super) fn copy(
        &self,
        taking: &Taking<'_>,
        outputs: &mut JobOutputs,
        codes: &mut BTreeMap<String, u64>,
    ) -> Result<(), StageError> {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        for key in outputs.keys() {
            *numbers.entry(folder(key).to_owned()).or_default() += 1;
        }
        for old in self.files() {
            if self.replays && matches!(old.kind, FileKind::Quarantine { .. }) {
                continue;
            }
            let mut stretches: Vec<Stretch> = Vec::new();
            for rows in &old.rows_of {
                if let Some(to) = self.place_of(rows.source) {
                    let rows = rows.first_row..rows.first_row + rows.rows;
                    stretches.push(Stretch { to, rows });
                }
            }
            if stretches.is_empty() {
                continue;
            }
            taking.check_stop()?;
            stretches.sort_by_key(|stretch| stretch.to);
            let number = numbers.entry(folder(&old.key).to_owned()).or_default();
            let file = self.take(old, taking)?;
            let out = match &old.kind {
                FileKind::Data { .. } => {
                    let out = outputs.begin_at(folder(&old.key), *number, "parquet")?;
                    copy_rows(old, file, &stretches, outputs, out)?
                }
                FileKind::Quarantine { .. } => {
                    let out = outputs.begin_at(folder(&old.key), *number, "ndjson.gz")?;
                    copy_entries(old, &file, &stretches, out, codes)?
                }
            };
            outputs.end_copy(out, &old.kind, rows_of(&stretches))?;
            *number += 1;
        }
        Ok(())
    }

    pub(super) fn take(&self, old: &LakeFile, taking: &Taking<'_>) -> Result<TakenFile, StageError> {
        let Taking { lake, runtime, .. } = taking;
        let taken = TakenFile::take(lake, runtime, old, taking.memory, taking.spill_dir);
        taken.or_else(|why| match why {
            NotTaken::Unlike => Err(damaged(&old.key, "is not what its job wrote")),
            NotTaken::Store(error) => Err(error.into()),
            NotTaken::Spool(error) => Err(StageError::Spool(error)),
            // The files of a replaced job go after its outcome has changed.
            NotTaken::Absent => match runtime.block_on(outcome::read(lake, &self.of.job))? {
                Some(outcome) if outcome.state == State::Done => Err(damaged(&old.key, "is not there")),
                _ => Err(StageError::Moved {
                    job: self.of.job.clone(),
                }),
            },
        })
    }
}

/// Writes the rows of these stretches, in their order.
fn copy_rows(
    old: &LakeFile,
    file: TakenFile,
    stretches: &[Stretch],
    outputs: &JobOutputs,
    out: OutputFile,
) -> Result<OutputFile, StageError> {
    let failed = |source| StageError::Copy {
        key: old.key.clone(),
        source: Box::new(source),
    };
    let file = WrittenFile::open(file).map_err(failed)?;
    if file.rows() != old.kind.rows() {
        return Err(damaged(&old.key, "has not as many rows as are recorded"));
    }
    let rows: Vec<Range<u64>> = stretches.iter().map(|stretch| stretch.rows.clone()).collect();
    file.copy(out, &rows, outputs.facts_of_copy(file.facts()))
        .map_err(failed)
}

/// Writes the lines of these stretches, in their order.
fn copy_entries(
    old: &LakeFile,
    file: &TakenFile,
    stretches: &[Stretch],
    out: OutputFile,
    codes: &mut BTreeMap<String, u64>,
) -> Result<OutputFile, StageError> {
    #[derive(Deserialize)]
    struct Coded {
        #[serde(rename = "errorCode")]
        error_code: String,
    }
    let mut out = QuarantineWriter::new(out);
    let (mut reading, mut next) = (lines_of(file), 0);
    let mut line = Vec::new();
    for Stretch { rows, .. } in stretches {
        if rows.start < next {
            (reading, next) = (lines_of(file), 0);
        }
        while next < rows.end {
            line.clear();
            let read = reading.read_until(b'\n', &mut line);
            read.map_err(|source| StageError::Copy {
                key: old.key.clone(),
                source: Box::new(source),
            })?;
            if !line.ends_with(b"\n") {
                return Err(damaged(&old.key, "has not as many entries as are recorded"));
            }
            if next >= rows.start {
                let coded: Coded =
                    serde_json::from_slice(&line).map_err(|_| damaged(&old.key, "has a line that is no entry"))?;
                *codes.entry(coded.error_code).or_default() += 1;
                out.write_line(&line).map_err(StageError::Spool)?;
            }
            next += 1;
        }
    }
    out.finish().map_err(StageError::Spool)
}

/// The lines of a quarantine file, from the first.
pub(super) fn lines_of(file: &TakenFile) -> Box<dyn BufRead> {
    Box::new(BufReader::new(MultiGzDecoder::new(file.read_from(0))))
}

fn rows_of(stretches: &[Stretch]) -> Vec<RowsOf> {
    let mut first_row = 0;
    let place = |Stretch { to, rows }: &Stretch| {
        let rows = rows.end - rows.start;
        let placed = RowsOf {
            source: *to,
            first_row,
            rows,
        };
        first_row += rows;
        placed
    };
    stretches.iter().map(place).collect()
}

fn folder(key: &LakeKey) -> &str {
    key.as_str().rsplit_once('/').map_or("", |(folder, _)| folder)
}

pub(super) fn damaged(key: &LakeKey, why: &str) -> StageError {
    StageError::Damaged {
        what: format!("{key} {why}"),
    }
}
