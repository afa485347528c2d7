//! The lake's side: the sources of all done jobs, and of those that have not ended.

use std::sync::atomic::Ordering::Relaxed;

use super::raw::Wanted;
use super::report::Report;
use super::{Entry, Progress, ReconcileError, names};
use crate::job::LakeError;
use crate::job::identity::JobId;
use crate::job::intent;
use crate::job::lake::Lake;
use crate::job::outcome::{self, Outcome, State};
use crate::job::outcomes::{self, Outcomes, Read};
use crate::sort::Sorter;
use crate::store::{LakeKey, Objects};

/// Adds what jobs have of what is wanted. Every outcome is read once, and the intents that have none.
pub(super) async fn gather(
    lake: &Lake,
    wanted: &Wanted,
    seen: &mut Sorter<Entry>,
    report: &mut Report,
    progress: &Progress,
) -> Result<(), ReconcileError> {
    let mut gathering = Gathering {
        lake: lake.clone(),
        wanted,
        seen,
        report,
        progress,
    };
    let store = lake.store().clone();
    let folder = |name| LakeKey::new(name).expect("a key");
    // Both are in the order of jobs; of a job that ends meanwhile one or the other is seen, unless it lies in a later page of
    // the one and an earlier one of the other: `compare` finds it by its claims.
    let mut intents = Objects::below(&*store, folder("_lakebed/open"));
    intents.peek().await?;
    let mut listed = Objects::below(&*store, folder("_lakebed/jobs"));
    let mut reading = Outcomes::<ReconcileError>::of(lake.clone());
    loop {
        let next = listed.next().await?;
        let name = next.as_ref().map(|next| next.key.file_name().to_owned());
        while let Some(intent) = intents.peek().await? {
            let job = intent.key.file_name();
            let is_before = name.as_deref().is_none_or(|name| job < name);
            if !is_before {
                break;
            }
            let has_outcome = name.as_deref().and_then(|name| name.strip_suffix(".json")) == Some(job);
            let job = JobId::try_from(job.to_owned()).ok().filter(|_| !has_outcome);
            if let Some(job) = job {
                gathering.add_open(&job).await?;
            }
            intents.next().await?;
        }
        let Some(next) = next else { break };
        // What is named after no job means nothing to a lake; `verify` tells it.
        let Some(job) = outcomes::job_of(&next) else { continue };
        if let Some(read) = reading.add(next, job).await? {
            gathering.add_read(read)?;
        }
    }
    while let Some(read) = reading.next().await? {
        gathering.add_read(read)?;
    }
    Ok(())
}

struct Gathering<'a> {
    lake: Lake,
    wanted: &'a Wanted,
    seen: &'a mut Sorter<Entry>,
    report: &'a mut Report,
    progress: &'a Progress,
}

impl Gathering<'_> {
    /// A job that had no outcome when outcomes were listed.
    async fn add_open(&mut self, job: &JobId) -> Result<(), ReconcileError> {
        let key = intent::key_of(job);
        match intent::sources(&self.lake, job).await {
            Ok(Some(sources)) => {
                for name in sources.iter().filter(|name| self.wanted.has(name)) {
                    self.push(&names::key(name), &Entry::Open(job.clone()))?;
                }
                Ok(())
            }
            // Gone: then it has ended.
            Ok(None) => {
                let outcome = outcome::read(&self.lake, job).await;
                self.add_outcome(&outcome::key_of(job), outcome)
            }
            Err(error) => self.add_unread(&key, error),
        }
    }

    fn add_read(&mut self, read: Read) -> Result<(), ReconcileError> {
        self.progress.outcomes.fetch_add(1, Relaxed);
        self.add_outcome(&read.key, read.outcome)
    }

    fn add_outcome(
        &mut self,
        key: &LakeKey,
        outcome: Result<Option<Outcome>, LakeError>,
    ) -> Result<(), ReconcileError> {
        let outcome = match outcome {
            Ok(Some(outcome)) => outcome,
            Ok(None) => return Ok(()),
            Err(error) => return self.add_unread(key, error),
        };
        // What would be told as missing is looked at again, and asks for it.
        self.lake.remember(&outcome.job, outcome.state);
        if outcome.state == State::Done {
            for source in outcome.sources {
                if self.wanted.has(&source.name) {
                    self.push(&names::key(&source.name), &Entry::Done(source.version))?;
                }
            }
        }
        Ok(())
    }

    /// What is wrong with one record is told; what may pass ends the run, or much would look missing.
    fn add_unread(&mut self, key: &LakeKey, error: LakeError) -> Result<(), ReconcileError> {
        if error.is_transient() {
            return Err(error.into());
        }
        self.report.add_unread(key, &error);
        Ok(())
    }

    fn push(&mut self, key: &str, entry: &Entry) -> Result<(), ReconcileError> {
        self.seen.push(key, entry).map_err(ReconcileError::Spill)
    }
}
