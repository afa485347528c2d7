//! A backfill through the function: as much of a place as there is time for, and how to go on.
//!
//! ```text
//! list behind continue_from ──pack──> jobs ──run──> done │ done │ not │ done      in the order of keys
//!                                                        └ continue_from: what is done behind it is passed over then
//! ```

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};
use tracing::{error, info};

use super::deadline::{Deadline, Ended};
use super::objects::{TOO_LARGE, are_loaded, selection};
use super::orders::answer;
use super::{Function, HandleError, Works, count};
use crate::door::BackfillOrder;
use crate::dry_run::dry_run;
use crate::emf::Invocation;
use crate::engine::Engine;
use crate::job::identity::SourceName;
use crate::load::{Became, RunOptions};
use crate::report::{Failed, Summary};
use crate::source::listing::{Listing, Selection, Source, pack};
use crate::source::s3::S3Objects;

const VERB: &str = "backfill";
/// Objects that a call lists: they are all in memory.
const SELECTED_MAX: usize = 50_000;
/// Keys that a call looks at: a listing without an end would take all of its time.
const LISTED_MAX: u64 = 500_000;

/// What a run of jobs came to, also if it was left.
struct Run {
    summary: Summary,
    told: HashSet<SourceName>,
    /// The jobs in the order of their keys, by the last of them, and whether all of their sources are told.
    jobs: Vec<Vec<SourceName>>,
    /// They are known.
    listed: bool,
    /// The last key that was listed, where there may be objects behind it.
    more_behind: Option<String>,
    /// A job fell away, as the rest of it is not listed yet.
    cut: bool,
    /// The moments, as they were taken.
    moments: [Option<String>; 2],
}

impl Function {
    /// Loads what an order names.
    pub(super) async fn backfill(
        &self,
        mut order: BackfillOrder,
        deadline: &Deadline,
        works: &Arc<Works>,
        metrics: &mut Invocation,
        troubles: &mut Vec<String>,
    ) -> Result<Value, HandleError> {
        let id = metrics.request_id.clone();
        self.allowed.admit_all(&order.source).map_err(HandleError::NotAllowed)?;
        let mut run = Run {
            summary: Summary::new(VERB, self.lake.to_string()),
            told: HashSet::new(),
            jobs: Vec::new(),
            listed: false,
            more_behind: None,
            cut: false,
            moments: [None, None],
        };
        if order.wish.dry_run {
            let work = self.foresee(&order, works, &mut run);
            let report = match deadline.watch(&works.progress.stop, work).await {
                Ended::Done(report) | Ended::Stopped(report) => report?,
                Ended::Left => return Err(HandleError::OutOfTime { verb: VERB }),
            };
            return Ok(self.with_next(report, run.more_behind.clone(), &mut order, &run));
        }
        let work = self.run_jobs(&order, deadline, works, &mut run);
        let in_time = match deadline.watch(&works.progress.stop, work).await {
            Ended::Done(ended) => ended.map(|()| true)?,
            Ended::Stopped(ended) => ended.map(|()| false)?,
            Ended::Left => false,
        };
        for Failed {
            source, code, message, ..
        } in &run.summary.failed
        {
            error!(function_request_id = id, object = source, code, "failed: {message}");
            troubles.push(format!("{source} failed, {code}: {message}"));
        }
        count(&run.summary, metrics);
        let sources = &mut run.summary.sources;
        (metrics.objects, metrics.objects_already) = (sources.found, sources.already);
        metrics.objects_failed = sources.failed;
        run.summary.exit = u8::from(!run.summary.failed.is_empty());
        let transient = run.summary.failed.iter().any(|failed| failed.transient);
        info!(
            function_request_id = id,
            in_time,
            found = run.summary.sources.found,
            done = run.summary.sources.done,
            already = run.summary.sources.already,
            failed = run.summary.sources.failed,
            "backfilled"
        );
        let Some(next) = run.go_on(in_time) else {
            return answer(&run.summary, transient, VERB, troubles);
        };
        let report = serde_json::to_value(&run.summary).expect("a summary is JSON");
        match next {
            Next::Behind(key) => Ok(self.with_next(report, Some(key), &mut order, &run)),
            // What fails may be all there is to do before: it is told like that.
            Next::Nothing if transient => answer(&run.summary, transient, VERB, troubles),
            Next::Nothing => Err(HandleError::Unfinished {
                verb: VERB,
                named: format!(
                    "no job came to its end in the time that the function has ({} s): give it more time or memory, or use \
                     `lakebed backfill`",
                    deadline.spent_s().unwrap_or_default()
                ),
            }),
        }
    }

    async fn foresee(&self, order: &BackfillOrder, works: &Works, run: &mut Run) -> Result<Value, HandleError> {
        let engine = self.open(works, false).await?;
        let listing = self.list(order, works, &engine, run).await?;
        run.jobs = vec![listing.sources.iter().map(|source| source.name.clone()).collect()];
        let how = (None, order.wish.reload);
        let plan = (&engine.raw, engine.loader.record_plan());
        let report = dry_run(&engine.lake, self.lake.to_string(), &listing, plan, how).await;
        let report = report.map_err(|error| works.lake_error(error.into()))?;
        Ok(serde_json::to_value(&report).expect("a report is JSON"))
    }

    async fn run_jobs(
        &self,
        order: &BackfillOrder,
        deadline: &Deadline,
        works: &Works,
        run: &mut Run,
    ) -> Result<(), HandleError> {
        let engine = self.engine(works).await?;
        let Listing {
            sources,
            hidden,
            unselected,
        } = self.list(order, works, engine, run).await?;
        let mut jobs = pack(sources, self.settings.job_bytes);
        if run.more_behind.is_some() && jobs.len() > 1 {
            // What else belongs to the last one is not listed yet.
            jobs.pop();
            run.cut = true;
        }
        run.jobs = jobs
            .iter()
            .map(|job| job.iter().map(|source| source.name.clone()).collect())
            .collect();
        run.listed = true;
        let found = jobs.iter().map(|job| job.len() as u64).sum();
        let large: Vec<Source> = jobs
            .iter_mut()
            .flat_map(|job| job.extract_if(.., |source| self.refused(source, deadline).is_some()))
            .collect();
        let large = are_loaded(engine, large).await;
        let Run { summary, told, .. } = run;
        summary.sources.found = found;
        (summary.sources.hidden, summary.sources.unselected) = (hidden, unselected);
        for (source, is_loaded) in large.map_err(|error| works.lake_error(error.into()))? {
            told.insert(source.name.clone());
            match self.refused(&source, deadline) {
                Some(message) if !is_loaded || order.wish.reload => summary.add_failed(Failed {
                    source: source.name.to_string(),
                    code: TOO_LARGE.to_owned(),
                    message,
                    transient: false,
                }),
                Some(_) | None => summary.sources.already += 1,
            }
        }
        jobs.retain(|job| !job.is_empty());
        let options = RunOptions {
            jobs_max: engine.jobs_max,
            reload: order.wish.reload,
        };
        // What may pass is not behind us yet.
        let mut tell = |name: &SourceName, became: Became| {
            if !matches!(&became, Became::Failed(failed) if failed.transient) {
                told.insert(name.clone());
            }
        };
        engine.loader.run(jobs, options, summary, &mut tell).await;
        Ok(())
    }

    fn refused(&self, source: &Source, deadline: &Deadline) -> Option<String> {
        deadline.refuses(source.version.size, self.memory_mib)
    }

    async fn list(
        &self,
        order: &BackfillOrder,
        works: &Works,
        engine: &Engine,
        run: &mut Run,
    ) -> Result<Listing, HandleError> {
        let failed = |error: crate::store::StoreError| works.lake_error(error.into());
        let selection = selection(&order.wish, engine).await.map_err(failed)?;
        run.moments = moments(&selection);
        let s3 = S3Objects::new(self.s3().await.clone());
        let after = order.continue_from.as_deref();
        let listed = s3
            .list_from(&order.source, &selection, after, (SELECTED_MAX, LISTED_MAX))
            .await;
        let place = order.source.to_string();
        let (listing, more_behind) = match listed {
            Ok(listed) => listed,
            Err(source) => return Err(HandleError::List { place, source }),
        };
        // As on the command line: a name that was mistyped is not a place that has been loaded.
        if listing.is_empty() && after.is_none() && !order.source.prefix().is_empty() {
            return Err(HandleError::Nothing { place });
        }
        run.more_behind = more_behind;
        Ok(listing)
    }

    /// The report, with the payload that goes on where it ends.
    fn with_next(&self, mut report: Value, key: Option<String>, order: &mut BackfillOrder, run: &Run) -> Value {
        let Some(key) = key else { return report };
        let [since, until] = run.moments.clone();
        order.continue_from = Some(key.clone());
        report["continue_from"] = json!(key);
        report["next"] = order.payload(since, until);
        report
    }
}

/// Where the next call begins.
enum Next {
    /// Behind this key.
    Behind(String),
    /// Where this one began: it would do no more.
    Nothing,
}

impl Run {
    /// Where to go on, if not all was come to.
    fn go_on(&self, in_time: bool) -> Option<Next> {
        let is_behind = |job: &&Vec<SourceName>| job.iter().all(|name| self.told.contains(name));
        let done = self.jobs.iter().take_while(is_behind).count();
        let all = self.listed && done == self.jobs.len();
        match (&self.more_behind, all) {
            (None, true) => return None,
            // All was tried, and what failed may pass: the same call again, and no other.
            (None, false) if in_time => return None,
            // A job without an end is tried whole: nothing that was listed is left.
            (Some(key), true) if !self.cut => return Some(Next::Behind(key.clone())),
            _ => {}
        }
        let last = self.jobs[..done].last().and_then(|job| job.last());
        Some(last.map_or(Next::Nothing, |name| Next::Behind(name.key.clone())))
    }
}

fn moments(selection: &Selection) -> [Option<String>; 2] {
    [selection.since_s, selection.until_s].map(|seconds| {
        let time = DateTime::from_timestamp(seconds?, 0)?;
        Some(time.to_rfc3339_opts(SecondsFormat::Secs, true))
    })
}
