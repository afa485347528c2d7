//! The function: an invocation's payload in, its objects loaded, the answer and the counts out.
//!
//! ```text
//! payload ─door─> objects ─allowed─> names ─find─> versions ─pack─> jobs ─load─> fates ──> answer, metrics
//! ```
//!
//! What asks for other work than objects is followed in `orders`. One is made for a process and answers one invocation after another. Logs names and counts, never what is in records.

mod orders;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::sync::OnceCell;
use tracing::{error, info, warn};

use crate::door::{
    Allowed, AllowedError, AnswerError, Call, DoorError, Failure, Fate, Fates, NotAllowed, Order, OrderError, Tally,
    Wanted,
};
use crate::emf::{Invocation, TableMetrics};
use crate::engine::{Engine, EngineConfig, EngineError};
use crate::job::identity::SourceName;
use crate::job::sweep::SweepError;
use crate::load::{Became, RunOptions, chain};
use crate::pipeline::Progress;
use crate::place::Place;
use crate::reconcile::ReconcileError;
use crate::report::{Summary, TableSummary};
use crate::s3::{LocationError, S3};
use crate::settings::Settings;
use crate::source::listing::{Source, pack};
use crate::table::Tables;

/// What the function's metrics and its summary call what it does.
const VERB: &str = "invoke";

/// Answers invocations.
pub struct Function {
    settings: Settings,
    tables: Tables,
    lake: Place,
    allowed: Allowed,
    s3: OnceCell<S3>,
    /// Made by the first invocation that needs it; tried again by the next where that failed.
    engine: OnceCell<Engine>,
    cold: AtomicBool,
}

/// The function cannot start with these settings.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No lake.
    #[error("say where the lake is: set LAKEBED_LAKE to s3://bucket/prefix")]
    NoLake,
    /// No raw prefixes.
    #[error("say what may be read: set LAKEBED_RAW to s3://bucket/prefix, several with commas between")]
    NoRaw,
    /// The lake's place cannot be read.
    #[error("LAKEBED_LAKE: {0}")]
    Lake(#[from] LocationError),
    /// The raw prefixes and the lake overlap.
    #[error("LAKEBED_RAW: {0}")]
    Raw(#[from] AllowedError),
}

/// An invocation that has to come again, or cannot be answered at all.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// The payload has no shape that is known.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// It asks for work in a way that is not known.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// It asks for raw objects that may not be read.
    #[error(transparent)]
    NotAllowed(NotAllowed),
    /// The lake cannot be swept.
    #[error("lake {place}: {}", chain(.source))]
    Sweep {
        /// The lake.
        place: String,
        /// Why.
        source: SweepError,
    },
    /// Raw objects and lake cannot be compared.
    #[error("reconcile {place}: {}", chain(.source))]
    Reconcile {
        /// The raw objects.
        place: String,
        /// Why.
        source: ReconcileError,
    },
    /// Some of an order was not done, and may be when it is given again.
    #[error("{verb} is not finished, call it again: {named}")]
    Unfinished {
        /// The order.
        verb: &'static str,
        /// What was not done: the first few.
        named: String,
    },
    /// The lake cannot be opened.
    #[error("lake {place}: {}", chain(.source))]
    Lake {
        /// Where it should be.
        place: String,
        /// Why.
        source: EngineError,
    },
    /// Something was not done.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

/// What became of an invocation.
#[derive(Debug)]
pub struct Handled {
    /// The answer for the caller.
    pub answer: Result<Value, HandleError>,
    /// Its counts; the duration is for whoever has a clock.
    pub metrics: Invocation,
    /// What was not done, one sentence each; also logged.
    pub troubles: Vec<String>,
}

impl Function {
    /// Checks everything that can be checked without a request.
    pub fn new(settings: Settings, tables: Tables) -> Result<Self, StartError> {
        let lake = Place::parse(settings.lake.as_deref().ok_or(StartError::NoLake)?)?;
        let raw = settings.raw.clone().ok_or(StartError::NoRaw)?;
        let allowed = Allowed::new(raw, lake.s3().cloned())?;
        Ok(Self {
            settings,
            tables,
            lake,
            allowed,
            s3: OnceCell::new(),
            engine: OnceCell::new(),
            cold: AtomicBool::new(true),
        })
    }

    /// Reaches S3 this way, instead of as the environment says.
    pub fn with_s3(mut self, s3: S3) -> Self {
        self.s3 = OnceCell::new_with(Some(s3));
        self
    }

    /// Answers one invocation. It ends only when all that was begun has ended.
    pub async fn handle(&self, payload: &Value, request_id: &str) -> Handled {
        let mut metrics = Invocation {
            request_id: request_id.to_owned(),
            cold_start: self.cold.swap(false, Ordering::Relaxed),
            ..Invocation::default()
        };
        let mut troubles = Vec::new();
        let answer = self.answer(payload, &mut metrics, &mut troubles).await;
        if let Err(error) = &answer {
            error!(function_request_id = request_id, "{error}");
        }
        Handled {
            answer,
            metrics,
            troubles,
        }
    }

    async fn answer(
        &self,
        payload: &Value,
        metrics: &mut Invocation,
        troubles: &mut Vec<String>,
    ) -> Result<Value, HandleError> {
        if let Some(order) = Order::read(payload) {
            // Boxed: it is as large as all of what follows, and rare.
            return Box::pin(self.follow(order?, metrics, troubles)).await;
        }
        let call = Call::read(payload)?;
        let id = metrics.request_id.clone();
        tell_asks(&call, &id, troubles);
        let mut fates = Fates::new();
        let mut wanted = HashMap::new();
        for one in call.wanted() {
            match self.allowed.admit(one) {
                Ok(()) => {
                    wanted.insert(SourceName::in_bucket(&one.bucket, &one.key), one.clone());
                }
                Err(fate) => {
                    fates.insert(one.clone(), fate);
                }
            }
        }
        if !wanted.is_empty() {
            let engine = self.engine().await?;
            let summary = self.load(engine, wanted, &mut fates).await;
            count(&summary, metrics);
        }
        for (wanted, fate) in &fates {
            match fate {
                Fate::Skipped { why } => {
                    warn!(function_request_id = id, object = %wanted, "skipped: {why}");
                    troubles.push(format!("{wanted} skipped: {why}"));
                }
                Fate::Failed(Failure { code, message }) => {
                    error!(function_request_id = id, object = %wanted, code, "failed: {message}");
                    troubles.push(format!("{wanted} failed, {code}: {message}"));
                }
                Fate::Loaded | Fate::Already => {}
            }
        }
        let tally = Tally::of(&call, &fates);
        metrics.objects = tally.objects;
        metrics.objects_already = tally.already;
        metrics.objects_failed = tally.failed;
        info!(
            function_request_id = id,
            door = call.door(),
            messages = call.asks().len(),
            objects = tally.objects,
            loaded = tally.loaded,
            already = tally.already,
            skipped = tally.skipped,
            failed = tally.failed,
            damaged = metrics.objects_damaged,
            records = metrics.records,
            rows = metrics.rows,
            quarantined = metrics.quarantined.values().sum::<u64>(),
            "done"
        );
        Ok(call.answer(&fates, self.settings.partial_batch)?)
    }

    async fn s3(&self) -> &S3 {
        self.s3
            .get_or_init(|| S3::connect(self.settings.expected_owner.clone()))
            .await
    }

    async fn engine(&self) -> Result<&Engine, HandleError> {
        let open = async || {
            let s3 = self.s3().await;
            Engine::open(EngineConfig {
                settings: &self.settings,
                tables: &self.tables,
                lake: &self.lake,
                s3: Some(s3.clone()),
                arrival_s: None,
                unwraps: false,
                writes: true,
                progress: Arc::new(Progress::default()),
            })
            .await
        };
        self.engine
            .get_or_try_init(open)
            .await
            .map_err(|source| HandleError::Lake {
                place: self.lake.to_string(),
                source,
            })
    }

    /// Loads what is wanted, and says what became of each.
    async fn load(&self, engine: &Engine, wanted: HashMap<SourceName, Wanted>, fates: &mut Fates) -> Summary {
        let mut summary = Summary::new(VERB, self.lake.to_string());
        let (sources, failed) = engine.loader.find(wanted.keys().cloned().collect()).await;
        let (folders, sources): (Vec<_>, Vec<_>) = sources.into_iter().partition(Source::is_folder);
        let mut tell = |name: &SourceName, fate: Fate| {
            fates.extend(wanted.get(name).map(|wanted| (wanted.clone(), fate)));
        };
        for folder in folders {
            let why = "it is the empty object that stands for a folder".to_owned();
            tell(&folder.name, Fate::Skipped { why });
        }
        for (name, failed) in failed {
            tell(&name, Became::Failed(failed).into());
        }
        let jobs = pack(sources, self.settings.job_bytes);
        let options = RunOptions {
            jobs_max: engine.jobs_max,
            reload: false,
        };
        engine
            .loader
            .run(jobs, options, &mut summary, &mut |name, became| {
                tell(name, became.into())
            })
            .await;
        if let Some(s3) = engine.raw.s3() {
            s3.forget();
        }
        summary
    }
}

impl From<Became> for Fate {
    fn from(became: Became) -> Self {
        match became {
            Became::Loaded => Self::Loaded,
            Became::Already => Self::Already,
            Became::Failed(failed) => Self::Failed(Failure::new(failed.code, failed.message)),
        }
    }
}

/// What a call asks for besides objects.
fn tell_asks(call: &Call, id: &str, troubles: &mut Vec<String>) {
    for ask in call.asks() {
        let message = ask.id.as_deref();
        if ask.is_test {
            info!(
                function_request_id = id,
                message_id = message,
                "S3 says that its notification is set up"
            );
        }
        for (event, records) in &ask.ignored {
            info!(
                function_request_id = id,
                message_id = message,
                event,
                records,
                "not about a new object"
            );
        }
        for unreadable in &ask.unreadable {
            error!(
                function_request_id = id,
                message_id = message,
                "not readable: {unreadable}"
            );
            let of = message.map(|id| format!(" of message {id}")).unwrap_or_default();
            troubles.push(format!("not readable{of}: {unreadable}"));
        }
    }
}

fn count(summary: &Summary, metrics: &mut Invocation) {
    metrics.objects_damaged = summary.sources.damaged;
    metrics.records = summary.records.read;
    metrics.rows = summary.records.rows;
    metrics.bytes_read = summary.sources.bytes;
    metrics.quarantined = summary.quarantined.clone();
    for (name, table) in &summary.tables {
        let TableSummary { rows, files, bytes, .. } = *table;
        metrics.bytes_written += bytes;
        metrics.tables.insert(name.clone(), TableMetrics { rows, files, bytes });
    }
}
