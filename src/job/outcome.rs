//! The outcome of a job: done or dead, written once.
//!
//! It tells all there is to know of the job without any schema: what was read, which files hold whose rows, all counts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LakeError;
use super::identity::{JobId, PlanId, SourceName, Version};
use super::intent::damaged;
use super::lake::Lake;
use super::stage::{LakeFile, fault_of};
use crate::store::{LakeKey, Put};

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
    let key = key_of(job);
    let Some((outcome, _)) = lake.read_json::<Outcome>(&key).await? else {
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
    Ok(Some(outcome))
}

/// Writes an outcome, unless there is one: that one counts then.
pub(super) async fn put(lake: &Lake, outcome: Outcome) -> Result<Outcome, LakeError> {
    let key = key_of(&outcome.job);
    match lake.store().put_if_absent(&key, lake.to_json(&outcome).into()).await? {
        Put::Written => Ok(outcome),
        Put::Exists => read(lake, &outcome.job)
            .await?
            .ok_or_else(|| damaged(&key, "was there and is gone")),
    }
}

fn key_of(job: &JobId) -> LakeKey {
    LakeKey::new(format!("_lakebed/jobs/{job}.json")).expect("an id is a component")
}
