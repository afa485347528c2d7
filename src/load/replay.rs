//! Quarantine of the lake itself, read again: after a schema was mended.
//!
//! ```text
//! _lakebed/quarantine/ ─> files ─> the job of each ─┬─ read under these schemas before: nothing to do
//!                                                   └─> its entries, tried ─┬─ none is a row: left as it is
//!                                                                           └─> a job in the place of it: rows copied,
//!                                                                               entries that are rows now among them
//! ```
//!
//! So what was replayed is known as all else is, by claims and outcomes; a record is a row or an entry, never both; and
//! loading its object again later, or overwriting it, replaces its rows wherever they came from.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use super::{LoadError, Loader, finished, lock};
use crate::job::heir::{Heritage, Inheritance, inherit};
use crate::job::identity::JobId;
use crate::job::outcome::{self, Outcome, State};
use crate::job::stage::{FileKind, Job};
use crate::job::{LakeError, Rounds};
use crate::pipeline::StageError;
use crate::report::{Failed, JobReport, ReplayCounts, ReplaySummary, Summary};
use crate::store::LakeKey;

/// What is replayed.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Quarantine files below this folder of the lake, or this very file. All entries of a job are replayed together.
    pub below: LakeKey,
    /// Jobs at once.
    pub jobs_max: usize,
    /// Only say what would become of the entries.
    pub dry_run: bool,
}

/// What became of the quarantine of a job.
#[derive(Debug)]
enum Replayed {
    /// It has none, or its files are no more, or they are looked at with another file of it.
    Nothing,
    /// Its job has not ended: it is being loaded, or was stopped.
    Unfinished,
    /// All was read under these schemas before.
    Already(u64),
    /// Left as it is, because nothing was to be written or nothing would have become a row.
    Left(ReplayCounts),
    /// In the place of the job there is another.
    Done(Box<Outcome>),
}

impl Loader {
    /// Reads the quarantine of the lake again, and adds what became of it to the summary. A job that cannot be replayed
    /// does not keep the others; an error is that the files cannot be listed.
    pub async fn replay(self: &Arc<Self>, options: &ReplayOptions, summary: &mut Summary) -> Result<(), LakeError> {
        let mut running: JoinSet<(String, Result<Replayed, LoadError>)> = JoinSet::new();
        // What this run has put in the place of jobs is listed as well, sooner or later.
        let made: Arc<Mutex<HashSet<JobId>>> = Arc::default();
        let mut counts = summary.replayed.unwrap_or_default();
        let mut after = None;
        'pages: loop {
            let (keys, more) = self.quarantine_files(&options.below, after.as_ref()).await?;
            for key in &keys {
                if self.progress.stop.load(Ordering::Relaxed) {
                    break 'pages;
                }
                while running.len() >= options.jobs_max
                    && let Some(ended) = running.join_next().await
                {
                    count(&mut counts, summary, finished(ended));
                }
                let (this, key, options) = (Arc::clone(self), key.clone(), options.clone());
                let made = Arc::clone(&made);
                running.spawn(async move {
                    let replayed = this.replay_file(&key, &options, &made).await;
                    let is_job = !matches!(replayed, Ok(Replayed::Nothing));
                    this.progress.sources.fetch_add(u64::from(is_job), Ordering::Relaxed);
                    (key.to_string(), replayed)
                });
            }
            match keys.into_iter().next_back() {
                Some(last) if more => after = Some(last),
                _ => break,
            }
        }
        while let Some(ended) = running.join_next().await {
            count(&mut counts, summary, finished(ended));
        }
        summary.replayed = Some(counts);
        Ok(())
    }

    /// A page of the files to be replayed, and whether there are more.
    async fn quarantine_files(
        &self,
        below: &LakeKey,
        after: Option<&LakeKey>,
    ) -> Result<(Vec<LakeKey>, bool), LakeError> {
        if below.as_str().ends_with(".gz") {
            return Ok((vec![below.clone()], false));
        }
        let page = self.lake.store().list(below, after).await?;
        Ok((page.objects.into_iter().map(|listed| listed.key).collect(), page.more))
    }

    async fn replay_file(
        &self,
        key: &LakeKey,
        options: &ReplayOptions,
        made: &Mutex<HashSet<JobId>>,
    ) -> Result<Replayed, LoadError> {
        let named = key.file_name().split_once('-').map(|(job, _)| job.to_owned());
        let Some(mut job) = named.and_then(|job| JobId::try_from(job).ok()) else {
            return Err(StageError::Damaged {
                what: format!("{key} is named after no job"),
            }
            .into());
        };
        let mut is_named = true;
        let mut rounds = Rounds::default();
        loop {
            if lock(made).contains(&job) {
                return Ok(Replayed::Nothing);
            }
            let Some(of) = outcome::read(&self.lake, &job).await? else {
                return Ok(Replayed::Unfinished);
            };
            match (of.state, of.replaced_by.clone()) {
                (State::Done, _) => {}
                // Listed a moment before it went.
                (State::Dead, None) => return Ok(Replayed::Nothing),
                (State::Dead, Some(heir)) => {
                    (job, is_named) = (heir, false);
                    continue;
                }
            }
            // One look at a job, however many files it has.
            let files = of
                .files
                .iter()
                .filter(|file| matches!(file.kind, FileKind::Quarantine { .. }));
            let mut keys = files.map(|file| &file.key);
            let first = keys.clone().filter(|key| is_below(key, &options.below)).min();
            if keys.next().is_none() || is_named && first != Some(key) {
                return Ok(Replayed::Nothing);
            }
            match self.replay_job(of, options.dry_run, made).await {
                Ok(Some(replayed)) => return Ok(replayed),
                Ok(None) | Err(LoadError::Stage(StageError::Moved { .. })) => rounds.lost().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Replays the quarantine of a done job; nothing if somebody was quicker to take its place.
    async fn replay_job(
        &self,
        of: Outcome,
        dry_run: bool,
        made: &Mutex<HashSet<JobId>>,
    ) -> Result<Option<Replayed>, LoadError> {
        let counts: JobReport = serde_json::from_value(of.counts.clone()).map_err(|error| StageError::Damaged {
            what: format!("the outcome of job {} has no counts that can be read ({error})", of.job),
        })?;
        let is_ours = of.plan == *self.plan.id() || Some(&of.plan) == self.sibling.as_ref();
        if is_ours && counts.untried == 0 {
            return Ok(Some(Replayed::Already(counts.records.quarantined)));
        }
        let all = of.sources.iter().map(|source| source.name.clone()).collect();
        let (sources, of) = match inherit(&self.lake, &of.job, &all, &self.raw).await? {
            Inheritance::Heir { sources, of, .. } => (sources, *of),
            Inheritance::Moved | Inheritance::Unknown(_) => return Ok(None),
        };
        let heir = Job::replaying(&self.plan, sources);
        let heritage = Heritage::replayed(of, &heir);
        let stager = Arc::clone(&self.stager);
        let trying = tokio::task::spawn_blocking(move || {
            let tried = stager.try_replay(&heir, &heritage);
            (heir, heritage, tried)
        });
        let (heir, heritage, tried) = finished(trying.await);
        let tried = tried?;
        if dry_run || tried.rows == 0 {
            return Ok(Some(Replayed::Left(tried)));
        }
        // Before its files can be listed.
        lock(made).insert(heir.id().clone());
        let outcome = self.stage_and_publish(heir, Some(heritage)).await?;
        Ok(outcome.map(|outcome| Replayed::Done(Box::new(outcome))))
    }
}

fn is_below(key: &LakeKey, folder: &LakeKey) -> bool {
    key == folder
        || key
            .as_str()
            .strip_prefix(folder.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
}

fn count(counts: &mut ReplaySummary, summary: &mut Summary, (key, replayed): (String, Result<Replayed, LoadError>)) {
    match replayed {
        Ok(Replayed::Nothing) | Err(LoadError::Stage(StageError::Stopped)) => {}
        Ok(Replayed::Unfinished) => counts.jobs_unfinished += 1,
        Ok(Replayed::Already(entries)) => {
            counts.jobs += 1;
            counts.jobs_already += 1;
            counts.entries_already += entries;
        }
        Ok(Replayed::Left(tried)) => {
            counts.jobs += 1;
            counts.entries.add(&tried);
        }
        Ok(Replayed::Done(outcome)) => {
            counts.jobs += 1;
            counts.jobs_replaced += 1;
            match summary.add_replayed(&outcome) {
                Ok(tried) => counts.entries.add(&tried),
                Err(error) => summary.failed.push(Failed {
                    source: outcome.job.to_string(),
                    code: "Outcome.Unreadable".into(),
                    message: format!("its rows are in the lake, and its counts cannot be read: {error}"),
                    transient: false,
                }),
            }
        }
        Err(error) => {
            counts.jobs += 1;
            counts.jobs_failed += 1;
            summary.failed.push(error.failed(key));
        }
    }
}
