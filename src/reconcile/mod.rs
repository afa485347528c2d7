//! What of the raw objects no done job has loaded: found by comparing listings with outcomes, and loaded where that is wanted.
//!
//! ```text
//! raw listings ─sources──────────┐
//! open/ ─intents of open jobs────┼─ sorted by name ──> loaded, or missing: never, overwritten since, of an open job
//! jobs/ ─sources of done jobs────┘                                    │ claims: looked at again, as they are now
//!                                                                     └─> packed as they come ──> Loader
//! ```
//!
//! The guarantee behind all events: one that was lost leaves its object in the raw listing and in no outcome. Looking writes
//! nothing; loading goes by the loader alone, which looks at each source again before it takes it, so what was loaded
//! meanwhile is not loaded twice.
//!
//! **While others load.** A job may end, or take the place of another that was listed as done, between one listing and the
//! next, and its outcome lie in a page that was listed before. So an object that would be told as never loaded, or as
//! overwritten since, is looked at once more by its claim: it is told as loaded, or as of an open job, where a job beside us
//! has taken it. That is one GET for each such object, one more for each job that is not known by then, and nothing for
//! objects that are loaded; of an object whose job began meanwhile it is two GETs and a HEAD. What was just
//! put and is still on its way is told as never loaded; `until` leaves it out.
//!
//! **Memory** does not grow with listings or the lake: 32 MiB of what was found, the rest sorted in unnamed files of the spill
//! folder (about 250 bytes an object, and as much for each source of a done job that lies in the same places); outcomes of
//! 16 MiB as JSON, one at a time when looking again; when loading, the sources of the jobs at work; the first 1,000 of
//! each list in the report.

mod compare;
mod lake;
mod load;
mod names;
mod raw;
mod report;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

pub use report::{LISTED_MAX, Missing, Report, SourceCounts, Unread, Why};

use crate::job::LakeError;
use crate::job::identity::{JobId, Version};
use crate::job::lake::Lake;
use crate::place::Place;
use crate::sort::{Sorted, Sorter};
use crate::source::listing::Selection;
use crate::source::local::ListError;
use crate::source::s3::S3Objects;
use crate::store::StoreError;
use compare::compare;
use raw::Wanted;

/// Memory for what was found, while it is gathered.
const SEEN_MEMORY: usize = 24 << 20;
/// Memory for what is missing.
const MISSING_MEMORY: usize = 8 << 20;

/// What is compared with what.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where raw objects are.
    pub raw: Vec<Place>,
    /// Which of them count.
    pub selection: Selection,
    /// Where the lake is.
    pub lake: Place,
    /// Whether what is missing will be loaded: then it is kept, and not only counted.
    pub load: bool,
    /// Where what does not fit memory waits, in unnamed files.
    pub spill_dir: PathBuf,
}

/// How far it is, for whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Raw objects listed and selected.
    pub found: AtomicU64,
    /// Outcomes read.
    pub outcomes: AtomicU64,
}

/// Listings and lake could not be compared. Nothing is known of what is missing.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// There is no lake.
    #[error(
        "there is no lake: _lakebed/lake.json is missing. Name the folder or prefix that raw objects are loaded into"
    )]
    NotALake,
    /// What would be loaded would be written where it was read.
    #[error("the lake {lake} and the raw objects {raw} overlap: what is written would be read again; keep them apart")]
    Overlap {
        /// Where the lake is.
        lake: Place,
        /// Raw objects, or one of them that a link leads to.
        raw: String,
    },
    /// A place has not one object.
    #[error("there is no object {0}, and none below it")]
    Nothing(Place),
    /// Files cannot be listed.
    #[error(transparent)]
    List(#[from] ListError),
    /// S3 or the lake cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lake cannot be used.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// What does not fit memory could not be kept.
    #[error("write to the spill folder; give LAKEBED_SPILL_DIR more room")]
    Spill(#[source] io::Error),
}

impl ReconcileError {
    /// Whether a later attempt may succeed without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotALake | Self::Overlap { .. } | Self::Nothing(_) | Self::List(_) | Self::Spill(_) => false,
            Self::Store(error) => error.is_transient(),
            Self::Lake(error) => error.is_transient(),
        }
    }
}

/// What is known of a source, by its name.
#[derive(Debug, Serialize, Deserialize)]
enum Entry {
    /// It is among the raw objects, in this version.
    Raw(Version),
    /// A done job has it.
    Done(Version),
    /// A job that has not ended has it.
    Open(JobId),
}

/// What was found, and what is missing of it.
pub struct Reconciled {
    /// In figures, and the first of what is missing.
    pub report: Report,
    /// All of it in order, where it is to be loaded.
    missing: Sorted<Version>,
}

/// Compares the raw objects with what the lake's outcomes say. Writes nothing.
///
/// An outcome that cannot be read is in the report: sources of its job may be told as missing.
pub async fn reconcile(
    lake: &Lake,
    s3: Option<Arc<S3Objects>>,
    options: &Options,
    progress: &Progress,
) -> Result<Reconciled, ReconcileError> {
    if let Some(raw) = options.raw.iter().find(|raw| options.lake.overlaps(raw)) {
        return Err(ReconcileError::Overlap {
            lake: options.lake.clone(),
            raw: raw.to_string(),
        });
    }
    let mut report = Report::new(options.lake.to_string());
    let mut seen = Sorter::new(options.spill_dir.clone(), SEEN_MEMORY);
    let wanted = Wanted::of(&options.raw);
    raw::list(options, s3, &mut seen, &mut report, progress).await?;
    lake::gather(lake, &wanted, &mut seen, &mut report, progress).await?;
    let missing = compare(lake, seen, options, &mut report).await?;
    report.end();
    Ok(Reconciled { report, missing })
}

/// Counts what was listed.
fn count_found(progress: &Progress, sources: usize) {
    progress.found.fetch_add(sources as u64, Relaxed);
}
