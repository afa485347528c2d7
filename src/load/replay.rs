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
use crate::job::intent;
use crate::job::outcome::{self, Outcome, State};
use crate::job::stage::{FileKind, Job, JobSource, LakeFile};
use crate::job::{LakeError, Rounds};
use crate::pipeline::StageError;
use crate::report::{Failed, JobReport, ReplayCounts, ReplaySummary, Summary};
use crate::store::LakeKey;

/// What is replayed.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Quarantine files below these folders of the lake, or these very files. All entries of a job are replayed together.
    pub below: Vec<LakeKey>,
    /// Jobs at once.
    pub jobs_max: usize,
    /// Only say what would become of the entries.
    pub dry_run: bool,
}

/// What became of the quarantine of a job.
#[derive(Debug)]
enum Replayed {
    /// It has none, or its files are no more, or it is looked at because of another file.
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
    /// Reads the quarantine of the lake again, and adds what became of it to the summary. A job that cannot be replayed, and a
    /// folder that cannot be listed, does not keep the others.
    ///
    /// Memory: about a hundred bytes for each job with entries.
    pub async fn replay(self: &Arc<Self>, options: &ReplayOptions, summary: &mut Summary) {
        let mut running: JoinSet<(String, Result<Replayed, LoadError>)> = JoinSet::new();
        let seen: Arc<Seen> = Arc::default();
        let mut counts = ReplaySummary::default();
        let is_stopped = || self.progress.stop.load(Ordering::Relaxed);
        for below in &options.below {
            let mut after = None;
            loop {
                let (keys, more) = match self.quarantine_files(below, after.as_ref()).await {
                    Ok(page) => page,
                    Err(error) => {
                        summary.failed.push(LoadError::from(error).failed(below.to_string()));
                        break;
                    }
                };
                for key in keys.iter().take_while(|_| !is_stopped()) {
                    while running.len() >= options.jobs_max
                        && let Some(ended) = running.join_next().await
                    {
                        count(&mut counts, summary, finished(ended));
                    }
                    let (this, key, seen) = (Arc::clone(self), key.clone(), Arc::clone(&seen));
                    let dry_run = options.dry_run;
                    running.spawn(async move {
                        let name = key.to_string();
                        (name, this.replay_or_fault(key, dry_run, seen).await)
                    });
                }
                match keys.into_iter().next_back() {
                    Some(last) if more && !is_stopped() => after = Some(last),
                    _ => break,
                }
            }
        }
        while let Some(ended) = running.join_next().await {
            count(&mut counts, summary, finished(ended));
        }
        summary.replayed = Some(counts);
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

    /// What panics fails its own job and no other.
    async fn replay_or_fault(
        self: &Arc<Self>,
        key: LakeKey,
        dry_run: bool,
        seen: Arc<Seen>,
    ) -> Result<Replayed, LoadError> {
        let this = Arc::clone(self);
        let replaying = tokio::spawn(async move { this.replay_file(&key, dry_run, &seen).await });
        let replayed = replaying.await.unwrap_or_else(|_| {
            let what = "the job ended in a panic".to_owned();
            Err(StageError::Fault(what).into())
        });
        let is_job = !matches!(replayed, Ok(Replayed::Nothing));
        self.progress.sources.fetch_add(u64::from(is_job), Ordering::Relaxed);
        replayed
    }

    async fn replay_file(&self, key: &LakeKey, dry_run: bool, seen: &Seen) -> Result<Replayed, LoadError> {
        let Some(mut job) = JobId::of_file(key.file_name()) else {
            let what = format!("{key} is named after no job");
            return Err(StageError::Damaged { what }.into());
        };
        // One look at a job, however many files it has.
        if !seen.is_new(&job) {
            return Ok(Replayed::Nothing);
        }
        let mut rounds = Rounds::default();
        loop {
            let Some(of) = outcome::read(&self.lake, &job).await? else {
                return self.without_outcome(&job).await;
            };
            match (of.state, of.replaced_by.clone()) {
                (State::Done, _) => {}
                // Listed a moment before it went.
                (State::Dead, None) => return Ok(Replayed::Nothing),
                (State::Dead, Some(heir)) if seen.is_new(&heir) => {
                    job = heir;
                    continue;
                }
                (State::Dead, Some(_)) => return Ok(Replayed::Nothing),
            }
            let is_quarantine = |file: &LakeFile| matches!(file.kind, FileKind::Quarantine { .. });
            if !of.files.iter().any(is_quarantine) {
                return Ok(Replayed::Nothing);
            }
            match self.replay_job(of, dry_run, seen).await {
                Ok(Some(replayed)) => return Ok(replayed),
                Ok(None) | Err(LoadError::Stage(StageError::Moved { .. })) => rounds.lost().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// A job that has files and no outcome: it is being published, or was stopped, or its outcome is gone.
    async fn without_outcome(&self, job: &JobId) -> Result<Replayed, LoadError> {
        let intent = self.lake.store().get_range(&intent::key_of(job), 0..1).await?;
        if intent.is_some() || outcome::read(&self.lake, job).await?.is_some() {
            return Ok(Replayed::Unfinished);
        }
        let what = format!("job {job} has files, and neither intent nor outcome");
        Err(StageError::Damaged { what }.into())
    }

    /// Replays the quarantine of a done job; nothing if somebody was quicker to take its place.
    async fn replay_job(&self, of: Outcome, dry_run: bool, seen: &Seen) -> Result<Option<Replayed>, LoadError> {
        let counts: JobReport = serde_json::from_value(of.counts.clone()).map_err(|error| StageError::Damaged {
            what: format!("the outcome of job {} has no counts that can be read ({error})", of.job),
        })?;
        let is_ours = of.plan == *self.plan.id() || Some(&of.plan) == self.sibling.as_ref();
        if is_ours && counts.untried == 0 {
            return Ok(Some(Replayed::Already(counts.records.quarantined)));
        }
        let (id, all) = (
            of.job.clone(),
            of.sources.iter().map(|source| source.name.clone()).collect(),
        );
        let tried = self.try_entries(of).await?;
        if dry_run || tried.rows + tried.dropped == 0 {
            return Ok(Some(Replayed::Left(tried)));
        }
        let (sources, of) = match inherit(&self.lake, &id, &all, &self.raw).await? {
            Inheritance::Heir { sources, of, .. } => (sources, *of),
            Inheritance::Moved | Inheritance::Unknown(_) => return Ok(None),
        };
        let heir = Job::replaying(&self.plan, sources);
        let heritage = Heritage::replayed(of, &heir);
        // Before its files can be listed.
        seen.is_new(heir.id());
        let outcome = self.stage_and_publish(heir, Some(heritage)).await?;
        Ok(outcome.map(|outcome| Replayed::Done(Box::new(outcome))))
    }

    /// What would become of a job's entries. Asks for no claim.
    async fn try_entries(&self, of: Outcome) -> Result<ReplayCounts, LoadError> {
        let sources = of.sources.iter().map(|source| JobSource {
            name: source.name.clone(),
            version: source.version.clone(),
            over: None,
            was: None,
        });
        let job = Job::replaying(&self.plan, sources.collect());
        let heritage = Heritage::replayed(of, &job);
        let stager = Arc::clone(&self.stager);
        let trying = tokio::task::spawn_blocking(move || stager.try_replay(&job, &heritage));
        Ok(finished(trying.await)?)
    }
}

/// Jobs that were looked at in this run, or made by it: both are listed sooner or later, some by many files.
#[derive(Debug, Default)]
struct Seen(Mutex<HashSet<JobId>>);

impl Seen {
    fn is_new(&self, job: &JobId) -> bool {
        lock(&self.0).insert(job.clone())
    }
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
