//! The outcome of a job: done or dead.
//!
//! ```text
//! absent ──> done ──> dead    a job that took its place is whole
//!        └─> dead             one of its claims or uploads was gone
//! ```
//!
//! Dead is for ever. It tells all there is to know of the job without any schema: what was read, which files hold whose rows, all counts.

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LakeError;
use super::identity::{JobId, PlanId, SourceName, Version};
use super::intent::damaged;
use super::lake::Lake;
use super::stage::{JobSource, LakeFile, fault_of};
use crate::store::{LakeKey, Replace, Tag};

/// Attempts to change an outcome. It changes once, so the second finds it changed.
const REPLACE_ATTEMPTS_MAX: u32 = 3;

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Of this format.
    pub version: u32,
    /// The job.
    pub job: JobId,
    /// Whether its files count.
    pub state: State,
    /// What it was read with.
    pub plan: PlanId,
    /// The version of the encoder.
    pub encoder: String,
    /// The job whose place this one took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<JobId>,
    /// The job that took the place of this one: why it is dead after it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<JobId>,
    /// What was read, in the order that the files' `rows_of` counts in.
    pub sources: Vec<OutcomeSource>,
    /// The files, if done; those that must not be there, if dead.
    pub files: Vec<LakeFile>,
    /// The report on the job.
    pub counts: Value,
}

impl Outcome {
    pub(super) fn keys(&self) -> BTreeSet<LakeKey> {
        self.files.iter().map(|file| file.key.clone()).collect()
    }
}

/// Whether the files of a job count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All are in the lake, and count.
    Done,
    /// None counts, now or ever.
    Dead,
}

/// A source of a job that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeSource {
    /// Where it is.
    #[serde(flatten)]
    pub name: SourceName,
    /// What was read of it.
    #[serde(flatten)]
    pub version: Version,
}

/// The outcome of a job, or nothing.
pub async fn read(lake: &Lake, job: &JobId) -> Result<Option<Outcome>, LakeError> {
    Ok(read_tagged(lake, job).await?.map(|(outcome, _)| outcome))
}

async fn read_tagged(lake: &Lake, job: &JobId) -> Result<Option<(Outcome, Tag)>, LakeError> {
    let key = key_of(job);
    let Some((outcome, tag)) = lake.read_json::<Outcome>(&key).await? else {
        return Ok(None);
    };
    if outcome.job != *job {
        return Err(damaged(&key, "is the outcome of another job"));
    }
    if let Some(why) = outcome
        .files
        .iter()
        .find_map(|file| fault_of(job, outcome.sources.len(), file))
    {
        return Err(damaged(&key, &format!("contradicts itself: {why}")));
    }
    Ok(Some((outcome, tag)))
}

/// Writes an outcome, unless there is one: that one counts then.
pub(super) async fn put(lake: &Lake, outcome: Outcome) -> Result<Outcome, LakeError> {
    let key = key_of(&outcome.job);
    if lake.create(&key, lake.to_json(&outcome).into()).await? {
        return Ok(outcome);
    }
    read(lake, &outcome.job)
        .await?
        .ok_or_else(|| damaged(&key, "was there and is gone"))
}

/// Whether the outcome of a job is there, and was written before `time`, by the clock of the store.
pub(super) async fn ended_before(lake: &Lake, job: &JobId, time: SystemTime) -> Result<bool, LakeError> {
    let found = lake.store().head(&key_of(job)).await?;
    Ok(found.is_some_and(|outcome| outcome.last_modified < time))
}

/// The outcome of a job whose place `heir` takes goes from done to dead; it may be dead already. `sources` are the heir's:
/// all of the job's must be among them, or rows would be lost.
pub(super) async fn replace(
    lake: &Lake,
    job: &JobId,
    heir: &JobId,
    sources: &[JobSource],
) -> Result<Outcome, LakeError> {
    let key = key_of(job);
    for _ in 0..REPLACE_ATTEMPTS_MAX {
        let Some((mut outcome, tag)) = read_tagged(lake, job).await? else {
            return Err(damaged(
                &key,
                &format!("is not there, and job {heir} is to take its place"),
            ));
        };
        if outcome.state == State::Dead {
            return Ok(outcome);
        }
        let inherited: BTreeSet<&SourceName> = sources.iter().map(|source| &source.name).collect();
        if let Some(lost) = outcome.sources.iter().find(|source| !inherited.contains(&source.name)) {
            let what = format!("has {}, which job {heir} is to take its place without", lost.name);
            return Err(damaged(&key, &what));
        }
        outcome.state = State::Dead;
        outcome.replaced_by = Some(heir.clone());
        match lake.store().put_if_match(&key, lake.to_json(&outcome), &tag).await? {
            Replace::Written => return Ok(outcome),
            // By a twin, or by ourselves with an answer that got lost.
            Replace::Changed => {}
            Replace::Absent => return Err(damaged(&key, "was there and is gone")),
        }
    }
    Err(damaged(&key, "changes again and again"))
}

/// Where the outcome of a job is.
pub(crate) fn key_of(job: &JobId) -> LakeKey {
    LakeKey::new(format!("_lakebed/jobs/{job}.json")).expect("an id is a component")
}
