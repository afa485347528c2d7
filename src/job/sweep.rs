//! Sweeping: brings what crashed to its end, also where nobody comes again for its sources.
//!
//! ```text
//! open/ ──> each intent: settle its job ──> its outcome, or that of the job it replaced, is dead: delete these files again
//!                                       └─> the intent is old: drop it
//! open uploads ──> old, and of no job that is open: abort it
//! ```
//!
//! Files of dead jobs are deleted when the job dies. A request of a process that is dead itself may land after that and bring
//! a file back, so the intent stays for a day and each sweep deletes once more.
//!
//! The uploads of a live worker are in no intent yet, so an upload has seven days; an intent that is open protects its own
//! for ever. What is wrong with one job does not keep the others. Stopped anywhere, the next sweep goes on from there, and
//! two may run at once. Holds a page of each listing and a few intents, whatever the lake has.

mod report;
mod uploads;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

pub use report::{FAILED_MAX, Failed, JobCounts, Report, UploadCounts};

use super::LakeError;
use super::identity::JobId;
use super::intent::{self, Stored};
use super::lake::Lake;
use super::outcome::{self, State};
use super::settle::{delete_all, settle};
use super::stage::abort_uploads;
use crate::at_once::AtOnce;
use crate::store::{LakeKey, Listed, Objects, Store, StoreError};

/// How long an intent stays after its job has ended: no request is under way for a day.
const INTENT_AGE: Duration = Duration::from_secs(24 * 3600);
/// How long an upload may be open without being in an intent.
const UPLOAD_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Jobs settled at once.
const JOBS_MAX: usize = 8;

/// How a lake is swept.
#[derive(Clone, Debug)]
pub struct Options {
    /// The lake, as it is called in the report.
    pub lake: String,
    /// Say what would be done; write nothing.
    pub dry_run: bool,
    /// Intents that were written before it are dropped, if their jobs have ended before it; by the clock of the store.
    pub intents_before: SystemTime,
    /// Uploads from before it are aborted, if no open intent names them; by the clock of the store.
    pub uploads_before: SystemTime,
}

impl Options {
    /// With the ages that are safe. `now` is by the clock of the store.
    pub fn at(now: SystemTime, lake: String) -> Self {
        let before = |age| now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        Self {
            lake,
            dry_run: false,
            intents_before: before(INTENT_AGE),
            uploads_before: before(UPLOAD_AGE),
        }
    }
}

/// How far it is, for whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Jobs looked at.
    pub jobs: AtomicU64,
    /// Open uploads looked at.
    pub uploads: AtomicU64,
}

/// The lake could not be swept at all.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// There is no lake.
    #[error("there is no lake: _lakebed/lake.json is missing. Name the folder or prefix that was given to --to")]
    NotALake,
    /// It is no lake that this release can work in, or it cannot be reached.
    #[error(transparent)]
    Lake(#[from] LakeError),
}

impl SweepError {
    /// Whether a later attempt may succeed without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NotALake => false,
            Self::Lake(error) => error.is_transient(),
        }
    }
}

impl From<StoreError> for SweepError {
    fn from(error: StoreError) -> Self {
        Self::Lake(error.into())
    }
}

/// Sweeps the lake in `store`. What time it is, the store says.
pub async fn sweep_store(
    store: Arc<dyn Store>,
    name: String,
    dry_run: bool,
    progress: &Progress,
) -> Result<Report, SweepError> {
    let lake = Lake::existing(store).await?.ok_or(SweepError::NotALake)?;
    let now = lake.store().now().await?;
    let options = Options {
        dry_run,
        ..Options::at(now, name)
    };
    Ok(sweep(&lake, &options, progress).await?)
}

/// Settles every job that has an intent, deletes files of dead jobs once more, and drops what is old.
///
/// Fails where the intents cannot be listed; what is wrong with single jobs and uploads is in the report.
pub async fn sweep(lake: &Lake, options: &Options, progress: &Progress) -> Result<Report, LakeError> {
    let mut report = Report::new(options.lake.clone(), options.dry_run);
    let store = Arc::clone(lake.store());
    let mut intents = Objects::below(&*store, LakeKey::new("_lakebed/open").expect("a key"));
    let mut settling: AtOnce<(LakeKey, Result<Swept, LakeError>), LakeError> = AtOnce::new(JOBS_MAX);
    while let Some(listed) = intents.next().await? {
        let (lake, options) = (lake.clone(), options.clone());
        let one = settling.add(async move {
            let swept = match options.dry_run {
                false => sweep_one(&lake, &listed, &options).await,
                true => foresee_one(&lake, &listed, &options).await,
            };
            Ok((listed.key, swept))
        });
        if let Some(swept) = one.await? {
            report.add(swept, progress);
        }
    }
    while let Some(swept) = settling.next().await? {
        report.add(swept, progress);
    }
    // Those behind them were settled, so what is open of them now is open for a reason.
    uploads::sweep(lake, options, progress, &mut report).await?;
    report.end();
    Ok(report)
}

/// What became of one job, or would.
#[derive(Debug, Default)]
struct Swept {
    /// Whether it had no outcome before.
    was_open: bool,
    /// Nothing where it is open still, because nothing is written.
    state: Option<State>,
    /// Files of dead jobs that were deleted, if they were there.
    files: u64,
    dropped: bool,
}

impl Report {
    fn add(&mut self, (key, swept): (LakeKey, Result<Swept, LakeError>), progress: &Progress) {
        progress.jobs.fetch_add(1, Relaxed);
        self.jobs.found += 1;
        match swept {
            Ok(swept) => {
                self.jobs.settled += u64::from(swept.was_open);
                self.jobs.done += u64::from(swept.state == Some(State::Done));
                self.jobs.dead += u64::from(swept.state == Some(State::Dead));
                self.jobs.dropped += u64::from(swept.dropped);
                self.files += swept.files;
            }
            Err(error) => self.add_failed(&key, &error, error.is_transient()),
        }
    }
}

async fn sweep_one(lake: &Lake, listed: &Listed, options: &Options) -> Result<Swept, LakeError> {
    let job = job_of(&listed.key)?;
    let was_open = outcome::read(lake, &job).await?.is_none();
    let mut swept = Swept {
        was_open,
        state: Some(settle(lake, &job).await?.state),
        ..Swept::default()
    };
    // Not there any more where the job was settled just now and replaced none.
    let Some(stored) = intent::read(lake, &job).await? else {
        return Ok(swept);
    };
    let keys = dead_files(lake, &stored, swept.state).await?;
    swept.files = keys.len() as u64;
    delete_all(lake, keys).await?;
    // Those that are files by now are no uploads any more.
    abort_uploads(lake, stored.intent.uploads()).await?;
    swept.dropped = is_old(lake, listed, &job, options).await?;
    if swept.dropped {
        lake.store().delete(&listed.key).await?;
    }
    Ok(swept)
}

/// What [`sweep_one`] would do. What becomes of a job that is open is not known before it is done.
async fn foresee_one(lake: &Lake, listed: &Listed, options: &Options) -> Result<Swept, LakeError> {
    let job = job_of(&listed.key)?;
    let Some(stored) = intent::read(lake, &job).await? else {
        // Somebody has just brought it to its end.
        let state = outcome::read(lake, &job).await?.map(|outcome| outcome.state);
        return Ok(Swept {
            state,
            ..Swept::default()
        });
    };
    let Some(ended) = outcome::read(lake, &job).await? else {
        return Ok(Swept {
            was_open: true,
            ..Swept::default()
        });
    };
    let state = Some(ended.state);
    Ok(Swept {
        was_open: false,
        state,
        files: dead_files(lake, &stored, state).await?.len() as u64,
        dropped: is_old(lake, listed, &job, options).await?,
    })
}

fn job_of(key: &LakeKey) -> Result<JobId, LakeError> {
    JobId::try_from(key.file_name().to_owned())
        .map_err(|_| intent::damaged(key, "is named after no job, and means nothing to a lake: move it away"))
}

/// The files that must not be there, of the intent's job and of the one it replaces.
async fn dead_files(lake: &Lake, stored: &Stored, state: Option<State>) -> Result<BTreeSet<LakeKey>, LakeError> {
    let mut keys: BTreeSet<LakeKey> = BTreeSet::new();
    for job in std::iter::once(&stored.intent.job).chain(stored.intent.replaces()) {
        let outcome = outcome::read(lake, job).await?;
        if let Some(dead) = outcome.filter(|outcome| outcome.state == State::Dead) {
            keys.extend(dead.keys());
        }
    }
    if state == Some(State::Dead) {
        // A late twin's intent may have cut its files otherwise than the outcome says.
        keys.extend(stored.intent.files.iter().map(|held| held.file.key.clone()));
    }
    Ok(keys)
}

/// A job that was left open may have ended only now, and so may the requests of those who worked at it till then.
async fn is_old(lake: &Lake, listed: &Listed, job: &JobId, options: &Options) -> Result<bool, LakeError> {
    let before = options.intents_before;
    Ok(listed.last_modified < before && outcome::ended_before(lake, job, before).await?)
}
