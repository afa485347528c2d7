//! Loads what was listed or announced: cut into jobs, some at a time, each looked at, staged and published.
//!
//! ```text
//! sources ─pack─> jobs ──look──> free sources ──stage──> files ──publish──> done, counted
//!                          └─ loaded before: passed over      └─ dead: look again
//! ```
//!
//! One source never stands in the way of others: what cannot be read is left out and told by name, and what changed between
//! the listing and the reading is looked at again.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use crate::encode::ENCODER_VERSION;
use crate::job::claim::{Look, Owner, Sources, look_all};
use crate::job::identity::{Plan, SourceName, Version};
use crate::job::lake::Lake;
use crate::job::outcome::Outcome;
use crate::job::shape::TableShape;
use crate::job::stage::{Job, JobSource, PreparedJob};
use crate::job::{Answer, LakeError, load_with_retry, publish};
use crate::pipeline::{Progress, StageError, Staged, Stager};
use crate::record::RecordPlan;
use crate::report::{Failed, Summary};
use crate::settings::Settings;
use crate::source::listing::Source;
use crate::source::raw::{RawObjects, ReadError};
use crate::store::StoreError;
use crate::table::{Table, Tables, UnknownFields};

/// Times that the sources of a job may change under it before it gives them back.
const CHANGES_MAX: u32 = 5;
/// Sources looked at at once.
const LOOKS_MAX: usize = 16;

/// Loads sources into a lake.
pub struct Loader {
    lake: Lake,
    raw: RawObjects,
    plan: Plan,
    stager: Arc<Stager>,
    progress: Arc<Progress>,
    /// Tables that this process has published to.
    admitted: Mutex<HashSet<String>>,
}

/// What became of the sources of one job.
#[derive(Debug, Default)]
struct Loaded {
    outcome: Option<Outcome>,
    already: Vec<SourceName>,
    failed: Vec<Failure>,
}

/// A source that is not loaded, and why.
pub type Failure = (SourceName, Failed);

/// What a source is now: its version, or nothing.
type Found = Result<Option<Version>, StoreError>;

/// How a source is asked what it is.
#[derive(Clone, Copy, Debug)]
enum Ask {
    /// It is sure to be read next: its beginning comes with the answer.
    First,
    /// Others of its job were replaced.
    Version,
    /// Others of its job could not be read: whether it can be is part of the question.
    Readable,
}

/// What became of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Became {
    /// Its rows and rejects are in the lake now.
    Loaded,
    /// They were before.
    Already,
    /// They are not.
    Failed(Failed),
}

/// A job could not be loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LoadError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Lake(error) => error.is_transient(),
            Self::Stage(error) => error.is_transient(),
            Self::Store(error) => error.is_transient(),
        }
    }

    /// The failure of a source that is not loaded for this reason.
    fn of(&self, name: &SourceName) -> Failure {
        let failed = Failed {
            source: name.to_string(),
            code: self.code().to_owned(),
            message: chain(self),
            transient: self.is_transient(),
        };
        (name.clone(), failed)
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Lake(_) => "Lake",
            Self::Stage(StageError::Read { source, .. }) => source.code(),
            Self::Stage(StageError::Stopped) => "Stopped",
            Self::Stage(_) => "Job",
            Self::Store(_) => "Source.Unreadable",
        }
    }
}

/// The plan of these schemas and settings.
pub fn plan(tables: &Tables, settings: &Settings, arrival_s: Option<i64>) -> Plan {
    let arrival = arrival_s
        .map(|seconds| format!(" arrival={seconds}"))
        .unwrap_or_default();
    Plan::new(
        &ENCODER_VERSION.to_string(),
        &tables.canonical(),
        &format!("{}{arrival}", settings.plan_limits()),
    )
}

/// A table as the lake records it.
pub fn shape(table: &Table) -> TableShape {
    let columns = table
        .columns
        .iter()
        .map(|column| (column.name.clone(), column.data_type.athena()));
    let rest = match &table.unknown_fields {
        UnknownFields::KeepIn(name) => Some((name.clone(), "string".to_owned())),
        UnknownFields::Drop | UnknownFields::Quarantine => None,
    };
    TableShape {
        name: table.name.clone(),
        layout: table.layout.name().to_owned(),
        columns: columns.chain(rest).collect(),
    }
}

impl Loader {
    /// `stager` reads with `plan` from `raw` and stages into `lake`.
    pub fn new(lake: Lake, raw: RawObjects, plan: Plan, stager: Stager, progress: Arc<Progress>) -> Self {
        Self {
            lake,
            raw,
            plan,
            stager: Arc::new(stager),
            progress,
            admitted: Mutex::default(),
        }
    }

    /// How records are read.
    pub fn record_plan(&self) -> &RecordPlan {
        self.stager.plan()
    }

    /// Sources that were announced by name, as they are now. Those that are not there, or may not be read, are told apart.
    pub async fn find(&self, names: Vec<SourceName>) -> (Vec<Source>, Vec<Failure>) {
        self.ask(names, Ask::First).await
    }

    /// Loads all jobs, at most `jobs_max` at a time, and adds what became of them to the summary. `tell` hears of each source;
    /// of those that were not come to before the run was stopped nothing is said.
    pub async fn run(
        self: &Arc<Self>,
        jobs: Vec<Vec<Source>>,
        jobs_max: usize,
        summary: &mut Summary,
        tell: &mut (dyn FnMut(&SourceName, Became) + Send),
    ) {
        let mut waiting = jobs.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < jobs_max && !self.progress.stop.load(Ordering::Relaxed) {
                let Some(sources) = waiting.next() else { break };
                running.spawn(Arc::clone(self).load_or_fault(sources));
            }
            match running.join_next().await {
                None => return,
                Some(loaded) => add(summary, finished(loaded), tell),
            }
        }
    }

    /// The same of one job. What panics fails its own sources and no others.
    async fn load_or_fault(self: Arc<Self>, sources: Vec<Source>) -> Loaded {
        let names: Vec<SourceName> = sources.iter().map(|source| source.name.clone()).collect();
        let loading = tokio::spawn(async move { self.load(sources).await });
        loading.await.unwrap_or_else(|_| {
            let what = "the job ended in a panic".to_owned();
            let error = LoadError::Stage(StageError::Fault(what));
            Loaded {
                failed: names.iter().map(|name| error.of(name)).collect(),
                ..Loaded::default()
            }
        })
    }

    /// Loads the sources of one job. A source that cannot be read is left out, and the others are loaded without it.
    async fn load(&self, mut sources: Vec<Source>) -> Loaded {
        let mut failed = Vec::new();
        let mut changes = 0;
        loop {
            let error = match load_with_retry(|| self.load_once(&sources)).await {
                Ok(mut loaded) => {
                    loaded.failed.extend(failed);
                    return loaded;
                }
                // Not a failure: the next run loads them.
                Err(LoadError::Stage(StageError::Stopped)) => {
                    return Loaded {
                        failed,
                        ..Loaded::default()
                    };
                }
                Err(error) => error,
            };
            let LoadError::Stage(StageError::Read { name: culprit, source }) = &error else {
                failed.extend(sources.drain(..).map(|source| error.of(&source.name)));
                continue;
            };
            let is_culprit = |source: &Source| source.name.to_string() == *culprit;
            let in_s3 = sources.iter().any(|source| source.name.bucket.is_some());
            let changed = matches!(source, ReadError::Changed(_));
            changes += u32::from(changed);
            // A file that changes is being written to. An object was replaced: what is there now is whole.
            if !(in_s3 && changed && changes <= CHANGES_MAX) {
                let (out, left): (Vec<_>, Vec<_>) = sources.into_iter().partition(is_culprit);
                failed.extend(out.iter().map(|source| error.of(&source.name)));
                sources = left;
            }
            if in_s3 {
                // All at once: where one was deleted or replaced since the listing, more may have been.
                let ask = if changed { Ask::Version } else { Ask::Readable };
                let names = sources.into_iter().map(|source| source.name).collect();
                let (found, gone) = self.ask(names, ask).await;
                failed.extend(gone);
                sources = found;
            }
        }
    }

    /// Sources as they are now, in order; those that are not there, or may not be read, are told apart.
    async fn ask(&self, names: Vec<SourceName>, ask: Ask) -> (Vec<Source>, Vec<Failure>) {
        let (mut sources, mut failed) = (Vec::new(), Vec::new());
        for (name, found) in self.versions(names, ask).await {
            match found {
                Ok(Some(version)) => sources.push(Source { name, version }),
                Ok(None) => failed.push(missing(&name)),
                Err(error) => failed.push(LoadError::Store(error).of(&name)),
            }
        }
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        (sources, failed)
    }

    /// What sources are now, some at a time, in no order.
    async fn versions(&self, names: Vec<SourceName>, ask: Ask) -> Vec<(SourceName, Found)> {
        let mut waiting = names.into_iter();
        let mut running = JoinSet::new();
        let mut found = Vec::new();
        loop {
            while running.len() < LOOKS_MAX {
                let Some(name) = waiting.next() else { break };
                let raw = self.raw.clone();
                running.spawn(async move {
                    let version = match (raw.s3().filter(|_| name.bucket.is_some()), ask) {
                        (Some(s3), Ask::First) => s3.first_look(&name).await,
                        (Some(s3), Ask::Readable) => s3.probe(&name).await,
                        (Some(_), Ask::Version) | (None, _) => raw.version_now(&name).await,
                    };
                    (name, version)
                });
            }
            match running.join_next().await {
                None => return found,
                Some(one) => found.push(finished(one)),
            }
        }
    }

    /// Nothing if the job died and its sources are to be looked at again.
    async fn load_once(&self, sources: &[Source]) -> Result<Option<Loaded>, LoadError> {
        let mut loaded = Loaded::default();
        let mut free = Vec::new();
        let names = sources.iter().map(|source| source.name.clone()).collect();
        let looks = look_all(&self.lake, names, &self.raw).await?;
        for (source, look) in sources.iter().zip(looks) {
            match look {
                Look::Free { over } => {
                    // Found out now, it does not stop the others of its job half way.
                    if let Some(failed) = unreadable(source).await {
                        loaded.failed.push(failed);
                        continue;
                    }
                    let (name, version) = (source.name.clone(), source.version.clone());
                    free.push(JobSource {
                        name,
                        version,
                        over,
                        was: None,
                    });
                }
                Look::Loaded { .. } => loaded.already.push(source.name.clone()),
                Look::Missing { .. } => loaded.failed.push(missing(&source.name)),
                Look::Unknown { error, .. } => {
                    loaded.failed.push(LoadError::Store(error).of(&source.name));
                }
                Look::Overwritten { owner, .. } => loaded.failed.push(overwritten(&source.name, &owner)),
            }
        }
        let already = loaded.already.len() as u64;
        self.progress.sources.fetch_add(already, Ordering::Relaxed);
        if free.is_empty() {
            return Ok(Some(loaded));
        }
        let job = Job::new(&self.plan, free);
        let stager = Arc::clone(&self.stager);
        let staging = tokio::task::spawn_blocking(move || {
            let staged = stager.stage(&job);
            (job, staged)
        });
        let (job, staged) = finished(staging.await);
        let Staged { files, report } = staged?;
        let counts = serde_json::to_value(&report).map_err(|error| StageError::Fault(error.to_string()))?;
        let prepared = PreparedJob::new(job, files, counts)?;
        for name in report.tables.keys() {
            if let Err(refused) = self.admit(name).await {
                // That the table was refused is what counts; an upload that stays is the lifecycle rule's.
                drop(prepared.discard(&self.lake).await);
                return Err(refused.into());
            }
        }
        match publish(&self.lake, prepared).await? {
            Answer::Done(outcome) => {
                loaded.outcome = Some(*outcome);
                Ok(Some(loaded))
            }
            Answer::Dead => Ok(None),
        }
    }

    /// Records the table in the lake, once for this process.
    async fn admit(&self, name: &str) -> Result<(), LakeError> {
        let admitted = || self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        if admitted().contains(name) {
            return Ok(());
        }
        if let Some(table) = self.stager.tables().get(name) {
            self.lake.admit_table(&shape(table)).await?;
        }
        admitted().insert(name.to_owned());
        Ok(())
    }
}

/// What a task gave. One that panicked goes on panicking here.
fn finished<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    ended.unwrap_or_else(|ended| match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(cancelled) => unreachable!("nothing is cancelled here: {cancelled}"),
    })
}

fn overwritten(name: &SourceName, owner: &Owner) -> Failure {
    let failed = Failed {
        source: name.to_string(),
        code: "Source.Overwritten".into(),
        message: format!(
            "it was changed after job {} had loaded it; this release does not replace loaded rows: give the new content a \
             name of its own",
            owner.job
        ),
        transient: false,
    };
    (name.clone(), failed)
}

fn missing(name: &SourceName) -> Failure {
    let error = LoadError::Stage(StageError::Read {
        name: name.to_string(),
        source: ReadError::Missing,
    });
    error.of(name)
}

/// Why a local file cannot be opened, if it cannot.
async fn unreadable(source: &Source) -> Option<Failure> {
    let error = tokio::fs::File::open(source.name.path()?).await.err()?;
    let error = LoadError::Stage(StageError::Read {
        name: source.name.to_string(),
        source: error.into(),
    });
    Some(error.of(&source.name))
}

fn add(summary: &mut Summary, loaded: Loaded, tell: &mut (dyn FnMut(&SourceName, Became) + Send)) {
    let Loaded {
        outcome,
        already,
        failed,
    } = loaded;
    summary.sources.already += already.len() as u64;
    already.iter().for_each(|name| tell(name, Became::Already));
    for (name, failed) in failed {
        tell(&name, Became::Failed(failed.clone()));
        summary.add_failed(failed);
    }
    let Some(outcome) = outcome else { return };
    outcome
        .sources
        .iter()
        .for_each(|source| tell(&source.name, Became::Loaded));
    if let Err(error) = summary.add(&outcome) {
        summary.add_failed(Failed {
            source: outcome.job.to_string(),
            code: "Outcome.Unreadable".into(),
            message: format!("its rows are in the lake, and its counts cannot be read: {error}"),
            transient: false,
        });
    }
}

/// An error with all that it says of its causes, each once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
