//! The function: an invocation's payload in, its objects loaded, the answer and the counts out.
//!
//! ```text
//! payload ─door─> objects ─allowed─> names ──objects──> fates ──> answer, metrics
//!        ├─order─> backfill, sweep, reconcile ──> report            └ all within the deadline
//!        └─firehose─> records ──> records, transformed
//! ```
//!
//! What asks for other work than objects is followed in `orders`. One is made for a process and answers one invocation after another. Logs names and counts, never what is in records.

mod backfill;
mod deadline;
mod firehose;
mod objects;
mod orders;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::OnceCell;
use tracing::{error, info, warn};

use crate::door::{
    Allowed, AllowedError, AnswerError, Call, DoorError, Failure, Fate, Fates, FirehoseCall, NotAllowed, Order,
    OrderError, Tally,
};
use crate::emf::{Invocation, TableMetrics};
use crate::engine::{Engine, EngineConfig, EngineError};
use crate::job::sweep::SweepError;
use crate::load::chain;
use crate::pipeline::Progress;
use crate::place::Place;
use crate::reconcile::ReconcileError;
use crate::record::RecordPlan;
use crate::report::{Summary, TableSummary};
use crate::s3::{LocationError, S3};
use crate::settings::Settings;
use crate::store::StoreError;
use crate::table::Tables;
use deadline::{Deadline, Ended};
use objects::Objects;

/// What the function's metrics and its summary call what it does.
const VERB: &str = "invoke";

/// How S3 is reached by the first invocation that needs it, for buckets of this account.
pub type Connect = fn(Option<String>) -> Pin<Box<dyn Future<Output = S3> + Send>>;

/// Answers invocations.
pub struct Function {
    settings: Settings,
    tables: Tables,
    lake: Place,
    allowed: Allowed,
    connect: Connect,
    memory_mib: Option<u64>,
    s3: OnceCell<S3>,
    works: Mutex<Arc<Works>>,
    /// Made by the first call of Firehose.
    record_plan: OnceLock<RecordPlan>,
    cold: AtomicBool,
}

/// What invocations work with, one after another. One that had to leave its work leaves this too, with `progress.stop` set.
struct Works {
    /// Where the lake is, for errors.
    place: String,
    progress: Arc<Progress>,
    /// Made by the first invocation that needs it; tried again by the next where that failed.
    engine: OnceCell<Engine>,
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
    /// Raw objects cannot be listed.
    #[error("list {place}: {}", chain(.source))]
    List {
        /// Where they are.
        place: String,
        /// Why.
        source: StoreError,
    },
    /// There is nothing to load.
    #[error("there is no object {place}, and none below it")]
    Nothing {
        /// Where.
        place: String,
    },
    /// The time of the function was up.
    #[error(
        "{verb} did not come to its end in the time that the function has; what is done is whole: give it more time, name \
         fewer objects, or use `lakebed {verb}`"
    )]
    OutOfTime {
        /// The order.
        verb: &'static str,
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
        let works = Mutex::new(Arc::new(Works::new(&lake)));
        Ok(Self {
            settings,
            tables,
            lake,
            allowed,
            connect: |owner| Box::pin(S3::in_lambda(owner)),
            memory_mib: None,
            s3: OnceCell::new(),
            works,
            record_plan: OnceLock::new(),
            cold: AtomicBool::new(true),
        })
    }

    /// Runs where Lambda gives it so many MiB of memory, and with it so much of a core.
    pub fn in_memory(self, mib: Option<u64>) -> Self {
        Self {
            memory_mib: mib,
            ..self
        }
    }

    /// Reaches S3 as this process does, which is not in Lambda.
    pub fn connecting(self, connect: Connect) -> Self {
        Self { connect, ..self }
    }

    /// Reaches S3 this way, instead of as the environment says.
    pub fn with_s3(mut self, s3: S3) -> Self {
        self.s3 = OnceCell::new_with(Some(s3));
        self
    }

    /// Answers one invocation, however long it takes. It ends only when all that was begun has ended.
    pub async fn handle(&self, payload: &Value, request_id: &str) -> Handled {
        self.handle_within(payload, request_id, None).await
    }

    /// Answers one invocation in the time that is left until the function is killed. What is not done by then is given back
    /// to the caller, and nothing is half done. None, or nothing left: not known.
    pub async fn handle_within(&self, payload: &Value, request_id: &str, left: Option<Duration>) -> Handled {
        let deadline = Deadline::after(left);
        let mut metrics = Invocation {
            request_id: request_id.to_owned(),
            cold_start: self.cold.swap(false, Ordering::Relaxed),
            ..Invocation::default()
        };
        let mut troubles = Vec::new();
        let works = self.works();
        let answer = self
            .answer(payload, &deadline, &works, &mut metrics, &mut troubles)
            .await;
        if works.progress.stop.load(Ordering::Relaxed) {
            // Work may have been left: it ends by itself, as it was told to, and the next invocation has other.
            *self.lock_works() = Arc::new(Works::new(&self.lake));
        }
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
        deadline: &Deadline,
        works: &Arc<Works>,
        metrics: &mut Invocation,
        troubles: &mut Vec<String>,
    ) -> Result<Value, HandleError> {
        if let Some(order) = Order::read(payload) {
            // Boxed: it is as large as all of what follows, and rare.
            return Box::pin(self.follow(order?, deadline, works, metrics, troubles)).await;
        }
        if let Some(call) = FirehoseCall::read(payload) {
            return Ok(self.transform(&call?, deadline, metrics, troubles));
        }
        let call = Call::read(payload)?;
        let id = metrics.request_id.clone();
        tell_asks(&call, &id, troubles);
        let mut fates = Fates::new();
        let mut wanted = Vec::new();
        for one in call.wanted() {
            match self.allowed.admit(one) {
                Ok(()) => wanted.push(one.clone()),
                Err(fate) => drop(fates.insert(one.clone(), fate)),
            }
        }
        if !wanted.is_empty() {
            let mut summary = Summary::new(VERB, self.lake.to_string());
            let objects = Objects {
                call: &call,
                allowed: &self.allowed,
                deadline,
                memory_mib: self.memory_mib,
                job_bytes: self.settings.job_bytes,
            };
            let all = wanted.clone();
            let read_before = works.progress.bytes.load(Ordering::Relaxed);
            let work = async {
                if call.wish().dry_run {
                    let engine = self.open(works, false).await?;
                    return objects.load(works, &engine, all, &mut summary, &mut fates).await;
                }
                let engine = self.engine(works).await?;
                objects.load(works, engine, all, &mut summary, &mut fates).await
            };
            match deadline.watch(&works.progress.stop, work).await {
                Ended::Done(Ok(())) => {}
                Ended::Done(Err(error)) | Ended::Stopped(Err(error)) if !call.has_results() => return Err(error),
                Ended::Done(Err(error)) | Ended::Stopped(Err(error)) => {
                    let failed = Failure::new("Lake", error.to_string(), error.is_transient());
                    for wanted in &wanted {
                        fates
                            .entry(wanted.clone())
                            .or_insert_with(|| Fate::Failed(failed.clone()));
                    }
                }
                Ended::Stopped(Ok(())) | Ended::Left => {
                    let failed = out_of_time(deadline, works.progress.bytes.load(Ordering::Relaxed) - read_before);
                    for wanted in &wanted {
                        fates
                            .entry(wanted.clone())
                            .or_insert_with(|| Fate::Failed(failed.clone()));
                    }
                }
            }
            count(&summary, metrics);
        }
        for (wanted, fate) in &fates {
            match fate {
                Fate::Skipped { why } => {
                    warn!(function_request_id = id, object = %wanted, "skipped: {why}");
                    troubles.push(format!("{wanted} skipped: {why}"));
                }
                Fate::Failed(Failure { code, message, .. }) => {
                    error!(function_request_id = id, object = %wanted, code, "failed: {message}");
                    troubles.push(format!("{wanted} failed, {code}: {message}"));
                }
                Fate::LeftOut { why } => info!(function_request_id = id, object = %wanted, "left out: {why}"),
                Fate::Loaded(_) | Fate::Already => {}
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
            left_out = tally.left_out,
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
            .get_or_init(|| (self.connect)(self.settings.expected_owner.clone()))
            .await
    }

    fn lock_works(&self) -> std::sync::MutexGuard<'_, Arc<Works>> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn works(&self) -> Arc<Works> {
        Arc::clone(&self.lock_works())
    }

    async fn engine<'a>(&self, works: &'a Works) -> Result<&'a Engine, HandleError> {
        works.engine.get_or_try_init(|| self.open(works, true)).await
    }

    /// Opens the lake; makes it where there is none, if it may be written to.
    async fn open(&self, works: &Works, writes: bool) -> Result<Engine, HandleError> {
        let engine = Engine::open(EngineConfig {
            settings: &self.settings,
            tables: &self.tables,
            lake: &self.lake,
            s3: Some(self.s3().await.clone()),
            arrival_s: None,
            unwraps: false,
            writes,
            progress: Arc::clone(&works.progress),
        });
        engine.await.map_err(|source| works.lake_error(source))
    }
}

impl Works {
    fn new(lake: &Place) -> Self {
        Self {
            place: lake.to_string(),
            progress: Arc::default(),
            engine: OnceCell::new(),
        }
    }

    fn lake_error(&self, source: EngineError) -> HandleError {
        HandleError::Lake {
            place: self.place.clone(),
            source,
        }
    }
}

impl HandleError {
    /// Whether the same call may succeed later, with nothing changed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Lake { source, .. } => source.is_transient(),
            Self::Sweep { source, .. } => source.is_transient(),
            Self::Reconcile { source, .. } => source.is_transient(),
            Self::List { source, .. } => source.is_transient(),
            Self::OutOfTime { .. } | Self::Unfinished { .. } | Self::Answer(_) => true,
            Self::Door(_) | Self::Order(_) | Self::NotAllowed(_) | Self::Nothing { .. } => false,
        }
    }
}

/// What is said of an object that was not come to.
fn out_of_time(deadline: &Deadline, read: u64) -> Failure {
    let message = format!(
        "it was not done in the time that the function has; {read} bytes of raw objects were read in {} s: try again, and \
         if that does not help, give the function more time or memory, or load the object with `lakebed backfill`",
        deadline.spent_s().unwrap_or_default(),
    );
    Failure::new("Source.Unfinished", message, true)
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
