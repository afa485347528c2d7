//! Loads what is listed: cut into jobs, some at a time, each looked at, staged and published.
//!
//! ```text
//! listing ─pack─> jobs ──look──> free sources ──stage──> files ──publish──> done, counted
//!                          └─ loaded before: passed over      └─ dead: look again
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use crate::encode::ENCODER_VERSION;
use crate::job::claim::{Look, look};
use crate::job::identity::Plan;
use crate::job::lake::Lake;
use crate::job::outcome::Outcome;
use crate::job::shape::TableShape;
use crate::job::stage::{Job, JobSource, PreparedJob};
use crate::job::{Answer, LakeError, load_with_retry, publish};
use crate::pipeline::{Progress, StageError, Staged, Stager};
use crate::report::{Failed, Summary};
use crate::settings::Settings;
use crate::source::local::{LocalFiles, LocalSource};
use crate::table::{Table, Tables, UnknownFields};

/// Loads sources into a lake.
pub struct Backfill {
    lake: Lake,
    plan: Plan,
    stager: Arc<Stager>,
    progress: Arc<Progress>,
}

/// What became of the sources of one job.
#[derive(Debug, Default)]
struct Loaded {
    outcome: Option<Outcome>,
    already: u64,
    failed: Vec<Failed>,
}

/// A job could not be loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error(transparent)]
    Stage(#[from] StageError),
}

impl LoadError {
    fn is_transient(&self) -> bool {
        match self {
            Self::Lake(error) => error.is_transient(),
            Self::Stage(error) => error.is_transient(),
        }
    }

    /// The failure of a source that is not loaded for this reason.
    fn of(&self, source: &LocalSource) -> Failed {
        Failed {
            source: source.name.to_string(),
            code: self.code().to_owned(),
            message: chain(self),
            transient: self.is_transient(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Lake(_) => "Lake",
            Self::Stage(StageError::Read { .. }) => "Source.Unreadable",
            Self::Stage(StageError::Changed { .. }) => "Source.Changed",
            Self::Stage(StageError::Stopped) => "Stopped",
            Self::Stage(_) => "Job",
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

impl Backfill {
    /// `stager` reads with `plan` and stages into `lake`.
    pub fn new(lake: Lake, plan: Plan, stager: Stager, progress: Arc<Progress>) -> Self {
        Self {
            lake,
            plan,
            stager: Arc::new(stager),
            progress,
        }
    }

    /// Loads all jobs, at most `jobs_max` at a time, and adds what became of them to the summary.
    pub async fn run(self, jobs: Vec<Vec<LocalSource>>, jobs_max: usize, summary: &mut Summary) {
        let this = Arc::new(self);
        let mut waiting = jobs.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < jobs_max && !this.progress.stop.load(Ordering::Relaxed) {
                let Some(sources) = waiting.next() else { break };
                let this = Arc::clone(&this);
                running.spawn(async move { this.load(sources).await });
            }
            match running.join_next().await {
                None => return,
                Some(Ok(loaded)) => add(summary, loaded),
                Some(Err(ended)) => match ended.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(cancelled) => unreachable!("jobs are not cancelled: {cancelled}"),
                },
            }
        }
    }

    /// Loads the sources of one job. A source that cannot be read is left out, and the others are loaded without it.
    async fn load(&self, mut sources: Vec<LocalSource>) -> Loaded {
        let mut failed = Vec::new();
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
            let culprit = match &error {
                LoadError::Stage(error) => error.source_name(),
                LoadError::Lake(_) => None,
            };
            let (out, left): (Vec<_>, Vec<_>) = sources
                .into_iter()
                .partition(|source| culprit.is_none_or(|name| source.name.to_string() == name));
            failed.extend(out.iter().map(|source| error.of(source)));
            sources = left;
        }
    }

    /// Nothing if the job died and its sources are to be looked at again.
    async fn load_once(&self, sources: &[LocalSource]) -> Result<Option<Loaded>, LoadError> {
        let mut loaded = Loaded::default();
        let mut free = Vec::new();
        for source in sources {
            match look(&self.lake, &source.name, &LocalFiles).await? {
                Look::Free { over } => {
                    // Found out now, it does not stop the others of its job half way.
                    if let Some(failed) = unreadable(source).await {
                        loaded.failed.push(failed);
                        continue;
                    }
                    let (name, version) = (source.name.clone(), source.version.clone());
                    free.push(JobSource { name, version, over, was: None });
                }
                Look::Loaded { .. } => loaded.already += 1,
                Look::Missing { .. } => loaded.failed.push(Failed {
                    source: source.name.to_string(),
                    code: "Source.Missing".into(),
                    message: "it was listed and is gone; its rows, loaded before, stay".into(),
                    transient: false,
                }),
                Look::Overwritten { owner, .. } => loaded.failed.push(Failed {
                    source: source.name.to_string(),
                    code: "Source.Overwritten".into(),
                    message: format!(
                        "it was changed after job {} had loaded it; this release does not replace loaded rows: give the new \
                         content a name of its own",
                        owner.job
                    ),
                    transient: false,
                }),
            }
        }
        self.progress.sources.fetch_add(loaded.already, Ordering::Relaxed);
        if free.is_empty() {
            return Ok(Some(loaded));
        }
        let job = Job::new(&self.plan, free);
        let stager = Arc::clone(&self.stager);
        let (job, staged) = tokio::task::spawn_blocking(move || {
            let staged = stager.stage(&job);
            (job, staged)
        })
        .await
        .unwrap_or_else(|ended| match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => unreachable!("staging is not cancelled: {cancelled}"),
        });
        let Staged { files, report } = staged?;
        let counts = serde_json::to_value(&report).map_err(|error| StageError::Fault(error.to_string()))?;
        let prepared = PreparedJob::new(job, files, counts)?;
        for name in report.tables.keys() {
            if let Some(table) = self.stager.tables().get(name)
                && let Err(refused) = self.lake.admit_table(&shape(table)).await
            {
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
}

/// Why a source cannot be opened, if it cannot.
async fn unreadable(source: &LocalSource) -> Option<Failed> {
    let error = tokio::fs::File::open(&source.path).await.err()?;
    let error = LoadError::Stage(StageError::Read {
        name: source.name.to_string(),
        source: error,
    });
    Some(error.of(source))
}

fn add(summary: &mut Summary, loaded: Loaded) {
    let Loaded {
        outcome,
        already,
        failed,
    } = loaded;
    summary.sources.already += already;
    failed.into_iter().for_each(|failed| summary.add_failed(failed));
    let Some(outcome) = outcome else { return };
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
