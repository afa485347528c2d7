//! Proves a lake against its own outcomes: every file, row, source and claim. Needs neither schemas nor raw objects.
//!
//! ```text
//! claims/ ─────keys──────────────────┐
//! jobs/   ─outcomes─ sums ─┬─sources─┴─> sorted ──> each in one done job, each claim names it
//! open/   ─keys─> not yet  └─files─────> sorted ─┐
//! table folders, quarantine/ ─listings, sorted──┴─> there, of that size ──> read: hash, rows, event times, entries
//!                                                └─> of no outcome ──> whose?
//! ```
//!
//! Nothing is ever written, deleted or settled. What the outcomes say is not believed: keys, hours and sums in them are
//! checked, and what they say of a file is compared with the file.
//!
//! **While others write.** The claims are listed before the outcomes, and the files after them. So a claim without a job, or
//! a file without an outcome, may be of a job that is just being published, and a file that is gone may be of a job that was
//! just replaced. Whatever looks wrong is looked at again before it is told, and what a running job would bring in order
//! is waited for as long as that goes on. Jobs that end after the outcomes were listed are no part of the proof.
//!
//! **Memory** does not grow with the lake: 8 MiB of what was found of sources and 16 MiB of what was found of files (in buffers
//! that may be twice as large), the rest of both sorted in unnamed files of the spill folder (about 300 bytes a source, 300 a
//! file); outcomes of 16 MiB as JSON; 64 MiB of files that are read, larger ones than 8 MiB in unnamed files; 10,000 files of no
//! outcome; keys of 16 jobs that have such files; the first 1,000 problems. A single outcome may have more than its share.

mod claims;
mod content;
mod counts;
mod data;
mod entries;
mod files;
mod jobs;
mod outcomes;
mod report;
mod tables;
mod unaccounted;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use report::{Code, OutcomeCounts, PROBLEMS_MAX, Problem, Report};

use crate::job::LakeError;
use crate::job::identity::JobId;
use crate::job::lake::Lake;
use crate::sort::Sorter;
use crate::store::{LakeKey, Store, StoreError};
use content::Fetcher;
use jobs::Jobs;

/// Memory for sources and claims, while they are gathered.
const SOURCES_MEMORY: usize = 8 << 20;
/// Memory for what outcomes say of files.
const FILES_MEMORY: usize = 16 << 20;

/// Futures of a verification of which some run at a time.
type AtOnce<T> = crate::at_once::AtOnce<T, VerifyError>;

/// How a lake is verified.
#[derive(Clone, Debug)]
pub struct Options {
    /// The lake, as it is called in the report.
    pub lake: String,
    /// Look at keys and sizes alone: no file is opened, and no claim that has its source.
    pub quick: bool,
    /// Where what does not fit memory waits, in unnamed files.
    pub spill_dir: PathBuf,
}

/// How far it is, for whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Outcomes read.
    pub outcomes: AtomicU64,
    /// Sources of done jobs looked at.
    pub sources: AtomicU64,
    /// Sources of all done jobs, once all outcomes are read.
    pub sources_all: AtomicU64,
    /// Files looked at.
    pub files: AtomicU64,
    /// Files of all done jobs, once all outcomes are read.
    pub files_all: AtomicU64,
    /// Bytes of the files looked at.
    pub bytes: AtomicU64,
    /// Bytes of all files.
    pub bytes_all: AtomicU64,
}

/// The lake could not be verified. Nothing is known of it.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is no lake.
    #[error("there is no lake: _lakebed/lake.json is missing. Name the folder or prefix that was given to --to")]
    NotALake,
    /// It is no lake that this release can read.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// It cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What does not fit memory could not be kept.
    #[error("write to the spill folder; give LAKEBED_SPILL_DIR more room")]
    Spill(#[source] io::Error),
}

impl VerifyError {
    /// Whether a later attempt may succeed without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotALake | Self::Spill(_) => false,
            Self::Lake(error) => error.is_transient(),
            Self::Store(error) => error.is_transient(),
        }
    }
}

/// Verifies the lake in `store`.
///
/// What is wrong with single objects is a problem in the report; an error is what keeps from looking at all.
pub async fn verify(store: Arc<dyn Store>, options: &Options, progress: &Progress) -> Result<Report, VerifyError> {
    let lake = Lake::existing(store).await?.ok_or(VerifyError::NotALake)?;
    let mut verifier = Verifier {
        report: Report::new(options.lake.clone(), options.quick),
        jobs: Jobs::new(lake.clone()),
        fetcher: Fetcher::new(Arc::clone(lake.store()), options.spill_dir.clone()),
        without_outcome: HashSet::new(),
        lake,
        options,
        progress,
    };
    let mut sources = Sorter::new(options.spill_dir.clone(), SOURCES_MEMORY);
    let mut files = Sorter::new(options.spill_dir.clone(), FILES_MEMORY);
    verifier.list_claims(&mut sources).await?;
    let mut tables = verifier.tables().await?;
    let unfinished = verifier.outcomes(&mut tables, &mut sources, &mut files).await?;
    verifier.claims(sources).await?;
    verifier.files(&tables, files).await?;
    verifier.count_unfinished(unfinished).await?;
    let mut report = verifier.report;
    report.exit = u8::from(!report.is_proved());
    Ok(report)
}

struct Verifier<'a> {
    lake: Lake,
    jobs: Jobs,
    fetcher: Fetcher,
    options: &'a Options,
    progress: &'a Progress,
    /// Jobs that claims name and that have no outcome, as far as they are remembered: each is told once.
    without_outcome: HashSet<JobId>,
    report: Report,
}

impl Verifier<'_> {
    /// What is wrong with one object is a problem in the report; what may pass ends the run.
    fn is_of_one_object(error: &LakeError) -> bool {
        !matches!(error, LakeError::Store(error) if error.is_transient())
    }
}

/// A folder or an object of the lake's own, whose name is known to be sound.
fn lake_key(key: &str) -> LakeKey {
    LakeKey::new(key).expect("a key")
}
