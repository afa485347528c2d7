//! Orders: work on the lake that is asked for by name. Answered with the report that the command line prints.
//!
//! ```text
//! backfill ──> `backfill`
//! sweep ──────────────────────────────> report ──> failures that may pass: an error, so that the caller tries again
//! reconcile ──> missing ─load?─> Loader ──> report ──> all else: the answer, whatever it says
//! ```

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use tracing::{error, info};

use super::deadline::{Deadline, Ended};
use super::{Function, HandleError, Works, count};
use crate::door::{Order, ReconcileOrder, SweepOrder};
use crate::emf::Invocation;
use crate::engine::open_store;
use crate::job::lake::Lake;
use crate::job::sweep::{self, SweepError, sweep_store};
use crate::load::RunOptions;
use crate::place::Place;
use crate::reconcile::{self, ReconcileError, reconcile};
use crate::source::listing::Selection;
use crate::source::s3::S3Objects;
use crate::source::when::When;
use crate::store::Store;

/// Failures that an error names one by one.
const NAMED_MAX: usize = 3;

impl Function {
    /// Does what an order says.
    pub(super) async fn follow(
        &self,
        order: Order,
        deadline: &Deadline,
        works: &Arc<Works>,
        metrics: &mut Invocation,
        troubles: &mut Vec<String>,
    ) -> Result<Value, HandleError> {
        let id = metrics.request_id.clone();
        let stop = &works.progress.stop;
        match order {
            Order::Backfill(order) => self.backfill(order, deadline, works, metrics, troubles).await,
            Order::Sweep(order) => {
                // Nothing stops a sweep: one that has ended is whole.
                let report = match deadline.watch(stop, self.sweep(order)).await {
                    Ended::Done(report) | Ended::Stopped(report) => report?,
                    Ended::Left => return Err(HandleError::OutOfTime { verb: "sweep" }),
                };
                for sweep::Failed { key, message, .. } in &report.failed {
                    error!(function_request_id = id, key, "not swept: {message}");
                    troubles.push(format!("{key}: {message}"));
                }
                if let Some(why) = &report.uploads.not_listed {
                    troubles.push(why.clone());
                }
                let jobs = report.jobs;
                info!(
                    function_request_id = id,
                    dry_run = report.dry_run,
                    jobs = jobs.found,
                    settled = jobs.settled,
                    dropped = jobs.dropped,
                    uploads_aborted = report.uploads.aborted,
                    failed = report.failed.len(),
                    "swept"
                );
                answer(&report, report.is_worth_repeating(), "sweep", troubles)
            }
            Order::Reconcile(order) => {
                let (report, is_whole) = match deadline.watch(stop, self.reconcile(order, works)).await {
                    Ended::Done(report) => (report?, true),
                    Ended::Stopped(report) => (report?, false),
                    Ended::Left => return Err(HandleError::OutOfTime { verb: "reconcile" }),
                };
                for reconcile::Unread { key, message } in &report.unread {
                    error!(function_request_id = id, key, "not read: {message}");
                    troubles.push(format!("{key}: {message}"));
                }
                if let Some(summary) = &report.load {
                    for failed in &summary.failed {
                        let (object, code) = (&failed.source, &failed.code);
                        error!(function_request_id = id, object, code, "failed: {}", failed.message);
                        troubles.push(format!("{object} failed, {code}: {}", failed.message));
                    }
                    count(summary, metrics);
                    metrics.objects = summary.sources.found;
                    metrics.objects_already = summary.sources.already;
                    metrics.objects_failed = summary.sources.failed;
                }
                let sources = report.sources;
                info!(
                    function_request_id = id,
                    found = sources.found,
                    loaded_before = sources.loaded,
                    missing = sources.missing(),
                    loaded = report.load.as_ref().map_or(0, |summary| summary.sources.done),
                    "reconciled"
                );
                if !is_whole && report.load.is_some() {
                    return Err(HandleError::OutOfTime { verb: "reconcile" });
                }
                answer(&report, report.is_worth_repeating(), "reconcile", troubles)
            }
        }
    }

    async fn sweep(&self, SweepOrder { dry_run }: SweepOrder) -> Result<sweep::Report, HandleError> {
        let failed = |source: SweepError| HandleError::Sweep {
            place: self.lake.to_string(),
            source,
        };
        let store = self.store().await.map_err(|error| failed(error.into()))?;
        let progress = sweep::Progress::default();
        sweep_store(store, self.lake.to_string(), dry_run, &progress)
            .await
            .map_err(failed)
    }

    async fn reconcile(&self, order: ReconcileOrder, works: &Works) -> Result<reconcile::Report, HandleError> {
        let place = Place::S3(order.source.clone());
        self.allowed.admit_all(&order.source).map_err(HandleError::NotAllowed)?;
        let failed = |source: ReconcileError| HandleError::Reconcile {
            place: place.to_string(),
            source,
        };
        // Made where there is none, if it is to be loaded into.
        let engine = match order.load {
            true => Some(self.engine(works).await?),
            false => None,
        };
        let lake = match engine {
            Some(engine) => engine.lake.clone(),
            None => {
                let store = self.store().await.map_err(|error| failed(error.into()))?;
                let lake = Lake::existing(store).await.map_err(|error| failed(error.into()))?;
                lake.ok_or_else(|| failed(ReconcileError::NotALake))?
            }
        };
        let now = match [order.since, order.until]
            .iter()
            .flatten()
            .any(|when| matches!(when, When::Ago(_)))
        {
            true => Some(lake.store().now().await.map_err(|error| failed(error.into()))?),
            false => None,
        };
        let seconds = |when: Option<When>| when.map(|when| when.seconds(now.unwrap_or(std::time::UNIX_EPOCH)));
        let selection = Selection::new(seconds(order.since), seconds(order.until), order.glob.as_deref())
            .expect("it was tried when the order was read");
        let options = reconcile::Options {
            raw: vec![place.clone()],
            selection,
            lake: self.lake.clone(),
            load: order.load,
            spill_dir: self.settings.spill_dir.clone(),
        };
        let s3 = Arc::new(S3Objects::new(self.s3().await.clone()));
        let found = reconcile(&lake, Some(s3), &options, &reconcile::Progress::default()).await;
        let found = found.map_err(failed)?;
        Ok(match engine {
            None => found.report,
            Some(engine) => {
                let run = RunOptions {
                    jobs_max: engine.jobs_max,
                    reload: false,
                };
                found.load(&engine.loader, self.settings.job_bytes, run).await
            }
        })
    }

    async fn store(&self) -> Result<Arc<dyn Store>, crate::store::StoreError> {
        match &self.lake {
            Place::Local(_) => open_store(&self.lake, None),
            Place::S3(_) => open_store(&self.lake, Some(self.s3().await)),
        }
    }
}

/// A report, or an error where it is worth to call again.
pub(super) fn answer(
    report: &impl Serialize,
    is_worth_repeating: bool,
    verb: &'static str,
    troubles: &[String],
) -> Result<Value, HandleError> {
    if !is_worth_repeating {
        return Ok(serde_json::to_value(report).expect("a report is JSON"));
    }
    let mut named = troubles[..troubles.len().min(NAMED_MAX)].join("; ");
    if let Some(more) = troubles.len().checked_sub(NAMED_MAX + 1) {
        named += &format!("; and {} more", more + 1);
    }
    Err(HandleError::Unfinished { verb, named })
}
