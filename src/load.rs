//! Loads what was listed or announced: cut into jobs, some at a time, each looked at, staged and published.
//!
//! ```text
//! sources ─pack─> jobs ──look──> free sources ──────────────stage──> files ──publish──> done, counted
//!                          ├─ loaded before: passed over    ^                 └─ dead: look again
//!                          └─ replaced since, or to be loaded again: all sources of the job that owns it
//! ```
//!
//! One source never stands in the way of others: what cannot be read is left out and told by name, and what changed between
//! the listing and the reading is looked at again.

mod replay;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize as _;
use tokio::task::JoinSet;

pub use replay::ReplayOptions;

use crate::encode::ENCODER_VERSION;
use crate::job::claim::{Look, Sources, look_all};
use crate::job::heir::{Heritage, Inheritance, inherit};
use crate::job::identity::{JobId, Plan, PlanId, SourceName, Version};
use crate::job::lake::Lake;
use crate::job::outcome::Outcome;
use crate::job::shape::TableShape;
use crate::job::stage::{Job, JobSource, PreparedJob};
use crate::job::{Answer, LakeError, Rounds, publish};
use crate::pipeline::{Progress, StageError, Staged, Stager};
use crate::record::RecordPlan;
use crate::report::{Failed, JobReport, RecordCounts, Summary};
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
    /// The plan of the same schemas for error records, or for plain ones.
    sibling: Option<PlanId>,
    stager: Arc<Stager>,
    progress: Arc<Progress>,
}

/// How a run goes.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// Jobs at once.
    pub jobs_max: usize,
    /// Whether sources that were loaded before are loaded again, in place of the rows that are there.
    pub reload: bool,
}

/// What the jobs of a run share.
#[derive(Debug, Default)]
struct Run {
    reload: bool,
    /// Jobs that the run puts in the place of others, with the sources that they do not read, and why.
    in_place: Mutex<HashMap<JobId, BTreeMap<SourceName, Failed>>>,
    /// Jobs that were counted.
    counted: Mutex<HashSet<JobId>>,
}

/// What became of the sources of one job.
#[derive(Debug, Default)]
struct Loaded {
    /// Jobs that are done, counted once a run.
    outcomes: Vec<Outcome>,
    done: Vec<SourceName>,
    already: Vec<SourceName>,
    failed: Vec<Failure>,
}

/// A source that is not loaded, and why.
pub type Failure = (SourceName, Failed);

/// The outcome of a job that took the place of another, if there was anything to read, and the sources it could not read.
type Replaced = (Option<Outcome>, BTreeMap<SourceName, Failed>);

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
    /// Its rows and rejects are in the lake now; with their counts, unless they were told before.
    Loaded(Option<RecordCounts>),
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
        (name.clone(), self.failed(name.to_string()))
    }

    fn failed(&self, source: String) -> Failed {
        Failed {
            source,
            code: self.code().to_owned(),
            message: chain(self),
            transient: self.is_transient(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Lake(_) | Self::Stage(StageError::Lake(_) | StageError::Damaged { .. }) => "Lake",
            Self::Stage(StageError::Read { source, .. }) => source.code(),
            Self::Stage(StageError::Stopped) => "Stopped",
            Self::Stage(_) => "Job",
            Self::Store(_) => "Source.Unreadable",
        }
    }
}

/// The plan of these schemas and settings; `unwraps`: for error records.
pub fn plan(tables: &Tables, settings: &Settings, arrival_s: Option<i64>, unwraps: bool) -> Plan {
    let arrival = arrival_s
        .map(|seconds| format!(" arrival={seconds}"))
        .unwrap_or_default();
    let unwraps = if unwraps { " unwraps" } else { "" };
    Plan::new(
        &ENCODER_VERSION.to_string(),
        &tables.canonical(),
        &format!("{}{arrival}{unwraps}", settings.plan_limits()),
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
            sibling: None,
            stager: Arc::new(stager),
            progress,
        }
    }

    /// Names the plan under which these schemas read the other kind of objects, plain ones or error records: what was
    /// rejected there is rejected here.
    #[must_use]
    pub fn with_sibling(self, sibling: &Plan) -> Self {
        Self {
            sibling: Some(sibling.id().clone()),
            ..self
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

    /// Loads all jobs, and adds what became of them to the summary. `tell` hears of each source; of those that were not come
    /// to before the run was stopped nothing is said.
    pub async fn run(
        self: &Arc<Self>,
        jobs: impl IntoIterator<Item = Vec<Source>>,
        RunOptions { jobs_max, reload }: RunOptions,
        summary: &mut Summary,
        tell: &mut (dyn FnMut(&SourceName, Became) + Send),
    ) {
        let run = Run {
            reload,
            ..Run::default()
        };
        let run = Arc::new(run);
        let mut waiting = jobs.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < jobs_max && !self.progress.stop.load(Ordering::Relaxed) {
                let Some(sources) = waiting.next() else { break };
                running.spawn(Arc::clone(self).load_or_fault(sources, Arc::clone(&run)));
            }
            match running.join_next().await {
                None => return,
                Some(loaded) => add(summary, finished(loaded), tell),
            }
        }
    }

    /// The same of one job. What panics fails its own sources and no others.
    async fn load_or_fault(self: Arc<Self>, sources: Vec<Source>, run: Arc<Run>) -> Loaded {
        let names: Vec<SourceName> = sources.iter().map(|source| source.name.clone()).collect();
        let mut loading = Task(tokio::spawn(async move { self.load(sources, &run).await }));
        (&mut loading.0).await.unwrap_or_else(|_| {
            let what = "the job ended in a panic".to_owned();
            let error = LoadError::Stage(StageError::Fault(what));
            Loaded {
                failed: names.iter().map(|name| error.of(name)).collect(),
                ..Loaded::default()
            }
        })
    }

    /// Loads the sources of one job. A source that cannot be read is left out, and the others are loaded without it.
    async fn load(&self, sources: Vec<Source>, run: &Run) -> Loaded {
        let (mut left, mut loaded) = (sources, Loaded::default());
        let (mut rounds, mut changes) = (Rounds::default(), 0);
        while !left.is_empty() {
            let went = match self.step(&mut left, &mut loaded, run).await {
                Ok(true) => Ok(()),
                Ok(false) => rounds.lost().await.map_err(LoadError::from),
                Err(error) => Err(error),
            };
            let Err(error) = went else { continue };
            // Not a failure: the next run loads them.
            if matches!(error, LoadError::Stage(StageError::Stopped)) {
                break;
            }
            let LoadError::Stage(StageError::Read { name: culprit, source }) = &error else {
                loaded.fail(left.drain(..).map(|source| error.of(&source.name)));
                continue;
            };
            let is_culprit = |source: &Source| source.name.to_string() == *culprit;
            let in_s3 = left.iter().any(|source| source.name.bucket.is_some());
            let changed = matches!(source, ReadError::Changed(_));
            changes += u32::from(changed);
            // A file that changes is being written to. An object was replaced: what is there now is whole.
            if !(in_s3 && changed && changes <= CHANGES_MAX) {
                loaded.fail(
                    left.extract_if(.., |source| is_culprit(source))
                        .map(|source| error.of(&source.name)),
                );
            }
            if in_s3 {
                // All at once: where one was deleted or replaced since the listing, more may have been.
                let ask = if changed { Ask::Version } else { Ask::Readable };
                let names = left.into_iter().map(|source| source.name).collect();
                let (found, gone) = self.ask(names, ask).await;
                loaded.fail(gone);
                left = found;
            }
        }
        loaded
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

    /// Looks at the sources that are left and loads them: the free ones as one job, and one job in place of each that owns
    /// others. Those that have met their fate are no longer left; false if some are to be looked at again.
    async fn step(&self, left: &mut Vec<Source>, loaded: &mut Loaded, run: &Run) -> Result<bool, LoadError> {
        let names = left.iter().map(|source| source.name.clone()).collect();
        let looks = look_all(&self.lake, names, &self.raw).await?;
        let mut free = Vec::new();
        let mut owned: BTreeMap<JobId, BTreeSet<SourceName>> = BTreeMap::new();
        let already = loaded.already.len();
        for (source, look) in std::mem::take(left).into_iter().zip(looks) {
            let name = source.name.clone();
            match look {
                Look::Free { over } => match unreadable(&source).await {
                    // Found out now, it does not stop the others of its job half way.
                    Some(failed) => loaded.failed.push(failed),
                    None => {
                        free.push(JobSource {
                            name,
                            version: source.version.clone(),
                            over,
                            was: None,
                        });
                        left.push(source);
                    }
                },
                // By a job that this run has put in the place of another for other sources.
                Look::Loaded { job } if run.left_out(&job, &name).is_some() => {
                    match run.left_out(&job, &name).flatten() {
                        None => loaded.done.push(name),
                        Some(failed) => loaded.failed.push((name, failed)),
                    }
                }
                Look::Loaded { .. } if !run.reload => loaded.already.push(name),
                Look::Loaded { job } | Look::Overwritten { job } => {
                    owned.entry(job).or_default().insert(name);
                    left.push(source);
                }
                Look::Missing { .. } => loaded.failed.push(missing(&name)),
                Look::Stuck { error } => loaded.failed.push(LoadError::Lake(error).of(&name)),
                Look::Unknown { error, .. } => loaded.failed.push(LoadError::Store(error).of(&name)),
            }
        }
        let already = (loaded.already.len() - already) as u64;
        self.progress.sources.fetch_add(already, Ordering::Relaxed);
        if !free.is_empty() {
            let names: BTreeSet<SourceName> = free.iter().map(|source| source.name.clone()).collect();
            let job = Job::new(&self.plan, free);
            match self.stage_and_publish(job, None).await {
                Ok(None) => return Ok(false),
                Ok(outcome) => loaded.count(outcome, names, left, run),
                // Without the one that cannot be read the others are tried again.
                Err(error @ LoadError::Stage(StageError::Read { .. } | StageError::Stopped)) => return Err(error),
                Err(error) => loaded.give_up(&names, &error, left),
            }
        }
        let mut all = true;
        for (job, names) in owned {
            match self.take_place(&job, &names, run).await {
                Ok(None) => all = false,
                Ok(Some((outcome, kept))) => {
                    let read = names.into_iter().filter(|name| !kept.contains_key(name)).collect();
                    left.retain(|source| !kept.contains_key(&source.name));
                    loaded.fail(kept);
                    loaded.count(outcome, read, left, run);
                }
                Err(LoadError::Stage(StageError::Stopped)) => return Err(StageError::Stopped.into()),
                Err(error) => loaded.give_up(&names, &error, left),
            }
        }
        Ok(all)
    }

    /// Puts a job in the place of a done one, for `wanted` sources of it. All others of its sources are looked at again as
    /// well, and rows of those that are gone or cannot be read are kept as they are.
    ///
    /// Gives the outcome, if anything was to be read, and why some of the wanted sources were not; nothing if somebody was
    /// quicker.
    async fn take_place(
        &self,
        job: &JobId,
        wanted: &BTreeSet<SourceName>,
        run: &Run,
    ) -> Result<Option<Replaced>, LoadError> {
        let mut left_out: BTreeMap<SourceName, Failed> = BTreeMap::new();
        let mut changes = 0;
        let wanted_of = |left_out: BTreeMap<SourceName, Failed>| {
            let failed = left_out.into_iter().filter(|(name, _)| wanted.contains(name));
            failed.collect::<BTreeMap<_, _>>()
        };
        loop {
            if wanted.iter().all(|name| left_out.contains_key(name)) {
                return Ok(Some((None, wanted_of(left_out))));
            }
            let leave = left_out.keys().cloned().collect();
            let (sources, of, kept) = match inherit(&self.lake, job, &leave, &self.raw).await? {
                Inheritance::Heir { sources, of, kept } => (sources, *of, kept),
                Inheritance::Moved => return Ok(None),
                Inheritance::Unknown(unknown) => {
                    for (name, error) in unknown {
                        let error = LoadError::Store(error);
                        if error.is_transient() {
                            return Err(error);
                        }
                        left_out.extend([error.of(&name)]);
                    }
                    continue;
                }
            };
            let gone = wanted
                .iter()
                .filter(|name| kept.contains(*name) && !left_out.contains_key(*name));
            let gone: Vec<Failure> = gone.map(missing).collect();
            if !gone.is_empty() {
                left_out.extend(gone);
                continue;
            }
            let heir = Job::keeping(&self.plan, sources, &kept);
            let heritage = Heritage::of(of, &heir, &kept);
            let names: Vec<SourceName> = heir.sources().iter().map(|source| source.name.clone()).collect();
            // Before it is done, so that no other job of the run takes it for one of an earlier run.
            lock(&run.in_place).insert(heir.id().clone(), left_out.clone());
            let error = match self.stage_and_publish(heir, Some(heritage)).await {
                Ok(None) | Err(LoadError::Stage(StageError::Moved { .. })) => return Ok(None),
                Ok(outcome) => return Ok(Some((outcome, wanted_of(left_out)))),
                Err(error) => error,
            };
            let LoadError::Stage(StageError::Read { name, source }) = &error else {
                return Err(error);
            };
            let moved = matches!(source, ReadError::Changed(_) | ReadError::Missing);
            let Some(culprit) = names.iter().find(|culprit| culprit.to_string() == *name) else {
                return Err(error);
            };
            changes += u32::from(moved);
            match culprit.bucket {
                // What is there now is whole.
                Some(_) if moved && changes <= CHANGES_MAX => {}
                Some(_) if moved => left_out.extend([error.of(culprit)]),
                // All at once: where one is archived or forbidden, more may be.
                Some(_) if !error.is_transient() => {
                    left_out.extend([error.of(culprit)]);
                    let rest = names.iter().filter(|name| !left_out.contains_key(*name));
                    let (_, refused) = self.ask(rest.cloned().collect(), Ask::Readable).await;
                    left_out.extend(refused.into_iter().filter(|(_, why)| !why.transient));
                }
                // A file is being written to, or fails.
                None if !wanted.contains(culprit) || !error.is_transient() => left_out.extend([error.of(culprit)]),
                _ => return Err(error),
            }
        }
    }

    /// Stages a job and publishes it. Nothing if it died and its sources are to be looked at again.
    async fn stage_and_publish(&self, job: Job, heritage: Option<Heritage>) -> Result<Option<Outcome>, LoadError> {
        let stager = Arc::clone(&self.stager);
        let staging = tokio::task::spawn_blocking(move || {
            let staged = stager.stage(&job, heritage.as_ref());
            (job, staged)
        });
        let (job, staged) = finished(staging.await);
        let Staged { files, report } = staged?;
        let counts = serde_json::to_value(&report).map_err(|error| StageError::Fault(error.to_string()))?;
        let prepared = PreparedJob::new(job, files, counts)?;
        let tables = report.tables.keys().filter_map(|name| self.stager.tables().get(name));
        for table in tables {
            if let Err(refused) = self.lake.admit_table(&shape(table)).await {
                // That the table was refused is what counts; an upload that stays is the lifecycle rule's.
                drop(prepared.discard(&self.lake).await);
                return Err(refused.into());
            }
        }
        match publish(&self.lake, prepared).await? {
            Answer::Done(outcome) => Ok(Some(*outcome)),
            Answer::Dead => Ok(None),
        }
    }
}

/// A task that ends where nobody waits for it any more, as by a crash.
struct Task<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a task gave. One that panicked goes on panicking here.
fn finished<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    ended.unwrap_or_else(|ended| match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(cancelled) => unreachable!("nothing is cancelled here: {cancelled}"),
    })
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

impl Run {
    /// Whether a job was put in the place of another by this run, and if so, why it did not read this source of it.
    fn left_out(&self, job: &JobId, name: &SourceName) -> Option<Option<Failed>> {
        let in_place = lock(&self.in_place);
        in_place.get(job).map(|left_out| left_out.get(name).cloned())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Loaded {
    /// These sources are not loaded.
    fn give_up(&mut self, names: &BTreeSet<SourceName>, error: &LoadError, left: &mut Vec<Source>) {
        left.retain(|source| !names.contains(&source.name));
        self.fail(names.iter().map(|name| error.of(name)));
    }

    /// A job is done, and these of its sources were asked for.
    fn count(&mut self, outcome: Option<Outcome>, names: BTreeSet<SourceName>, left: &mut Vec<Source>, run: &Run) {
        left.retain(|source| !names.contains(&source.name));
        self.done.extend(names);
        // Two jobs of a run may take the same place, and are one.
        let new = outcome.filter(|outcome| lock(&run.counted).insert(outcome.job.clone()));
        self.outcomes.extend(new);
    }

    fn fail(&mut self, failed: impl IntoIterator<Item = Failure>) {
        self.failed.extend(failed);
    }
}

fn add(summary: &mut Summary, loaded: Loaded, tell: &mut (dyn FnMut(&SourceName, Became) + Send)) {
    let Loaded {
        outcomes,
        done,
        already,
        failed,
    } = loaded;
    summary.sources.done += done.len() as u64;
    let counts: HashMap<_, _> = outcomes.iter().flat_map(counts_of).collect();
    for name in &done {
        tell(name, Became::Loaded(counts.get(name).copied()));
    }
    summary.sources.already += already.len() as u64;
    already.iter().for_each(|name| tell(name, Became::Already));
    for (name, failed) in failed {
        tell(&name, Became::Failed(failed.clone()));
        summary.add_failed(failed);
    }
    for outcome in outcomes {
        if let Err(error) = summary.add(&outcome) {
            summary.add_failed(Failed {
                source: outcome.job.to_string(),
                code: "Outcome.Unreadable".into(),
                message: format!("its rows are in the lake, and its counts cannot be read: {error}"),
                transient: false,
            });
        }
    }
}

/// What became of the records of each source.
fn counts_of(outcome: &Outcome) -> Vec<(&SourceName, RecordCounts)> {
    let reports = JobReport::deserialize(&outcome.counts).map(|report| report.sources);
    let reports = reports.unwrap_or_default();
    let names = outcome.sources.iter().map(|source| &source.name);
    names.zip(reports.into_iter().map(|report| report.records)).collect()
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
