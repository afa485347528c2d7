//! The intent of a job: all it takes to publish it, for anybody.
//!
//! ```text
//! {"version":1,"job":...,"sources":[...],"files":[{"file":{...},"content":{"bytes":{"at":0}}}, ...],"counts":{...}}\n
//! <bytes of the small files, one after another>
//! ```
//!
//! One object, so bytes and checksums are one worker's, and encoders of two workers need not agree. It may hold hundreds of
//! megabytes: only its first line is ever held whole, the rest is read file by file.

use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::identity::{JobId, PlanId, SourceName};
use super::lake::Lake;
use super::outcome::{Outcome, OutcomeSource, State};
use super::stage::{Content, JobSource, LakeFile, PreparedJob, fault_of, fault_of_owners, replaced};
use super::{LakeError, RECORD_VERSION};
use crate::store::{Body, LakeKey, Part, UploadId};

/// Bytes of the first read; most first lines are shorter.
const FIRST_READ_BYTES: u64 = 64 << 10;

/// The first line of an intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Of this format.
    pub version: u32,
    /// The job.
    pub job: JobId,
    /// What it is read with.
    pub plan: PlanId,
    /// The version of the encoder.
    pub encoder: String,
    /// What is read, and the claim each is expected to have.
    pub sources: Vec<JobSource>,
    /// What is published.
    pub files: Vec<IntentFile>,
    /// The report on the job.
    pub counts: Value,
}

/// A file of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentFile {
    /// What will be recorded of it.
    pub file: LakeFile,
    /// Where its bytes are.
    pub content: Held,
}

/// Where the bytes of a file are, told so that anybody finds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// In the intent itself.
    Bytes {
        /// Where they begin, counted from after the first line.
        at: u64,
    },
    /// In an open upload.
    Upload {
        /// The upload.
        id: UploadId,
        /// Its parts, in order.
        parts: Vec<Part>,
    },
}

impl Intent {
    /// The intent of a prepared job, and the bytes of its small files in one body: [`Held::Bytes`] counts in it.
    pub(super) fn of(prepared: &PreparedJob) -> (Self, Vec<Option<Body>>) {
        let mut at = 0;
        let (files, bodies) = prepared
            .files()
            .iter()
            .map(|prepared| {
                let file = prepared.file.clone();
                match &prepared.content {
                    Content::Small(body) => {
                        let content = Held::Bytes { at };
                        at += file.size;
                        (IntentFile { file, content }, Some(body.clone()))
                    }
                    Content::Upload { id, parts } => {
                        let content = Held::Upload {
                            id: id.clone(),
                            parts: parts.clone(),
                        };
                        (IntentFile { file, content }, None)
                    }
                }
            })
            .unzip();
        let job = prepared.job();
        let intent = Self {
            version: RECORD_VERSION,
            job: job.id().clone(),
            plan: job.plan().id().clone(),
            encoder: job.plan().encoder().to_owned(),
            sources: job.sources().to_vec(),
            files,
            counts: prepared.counts().clone(),
        };
        (intent, bodies)
    }

    /// Writes the intent if its job has none. False: a twin's is there, and ours counts for nothing.
    pub(super) async fn put(&self, lake: &Lake, small: &[Option<Body>]) -> Result<bool, LakeError> {
        let mut line = lake.to_json(self).to_vec();
        line.push(b'\n');
        let mut object = Body::from(Bytes::from(line));
        for body in small.iter().flatten() {
            object.append(body.clone());
        }
        if lake.create(&key_of(&self.job), object).await? {
            return Ok(true);
        }
        // Ours after all, when the answer to an earlier try got lost. Checksums stand in it, so the rest is equal too.
        Ok(read(lake, &self.job).await?.is_some_and(|there| there.intent == *self))
    }

    /// The outcome of this intent, if it is decided so.
    pub(super) fn outcome(&self, state: State) -> Outcome {
        let sources = self.sources.iter();
        Outcome {
            version: RECORD_VERSION,
            job: self.job.clone(),
            state,
            plan: self.plan.clone(),
            encoder: self.encoder.clone(),
            replaces: self.replaces().cloned(),
            replaced_by: None,
            sources: sources
                .map(|source| OutcomeSource {
                    name: source.name.clone(),
                    version: source.version.clone(),
                })
                .collect(),
            files: self.files.iter().map(|held| held.file.clone()).collect(),
            counts: self.counts.clone(),
        }
    }

    /// The job whose place it takes, if it does.
    pub(super) fn replaces(&self) -> Option<&JobId> {
        replaced(&self.sources)
    }

    /// Its uploads and the keys they will have.
    pub(super) fn uploads(&self) -> impl Iterator<Item = (LakeKey, UploadId)> {
        self.files.iter().filter_map(|held| match &held.content {
            Held::Upload { id, .. } => Some((held.file.key.clone(), id.clone())),
            Held::Bytes { .. } => None,
        })
    }
}

/// An intent in the lake.
pub(super) struct Stored {
    pub(super) intent: Intent,
    /// Where the first line ends.
    body_at: u64,
}

impl Stored {
    /// Where the bytes of a small file are in the object. An upload has none.
    pub(super) fn range(&self, held: &IntentFile) -> Option<Range<u64>> {
        match held.content {
            Held::Bytes { at } => {
                let begin = self.body_at.saturating_add(at);
                Some(begin..begin.saturating_add(held.file.size))
            }
            Held::Upload { .. } => None,
        }
    }
}

/// The intent of a job without the bytes of its files, or nothing.
pub(super) async fn read(lake: &Lake, job: &JobId) -> Result<Option<Stored>, LakeError> {
    let key = key_of(job);
    let mut line = Vec::new();
    let mut wanted = FIRST_READ_BYTES;
    let end = loop {
        let from = line.len() as u64;
        let Some(bytes) = lake.store().get_range(&key, from..from + wanted).await? else {
            return Ok(None);
        };
        let newline = bytes.iter().position(|&byte| byte == b'\n');
        line.extend_from_slice(&bytes);
        match newline {
            Some(newline) => break from + newline as u64,
            None if bytes.is_empty() => return Err(damaged(&key, "has no end of its first line")),
            None => wanted *= 2,
        }
    };
    line.truncate(usize::try_from(end).expect("it is in memory"));
    let intent: Intent = lake.parse_json(&key, &line)?;
    if intent.job != *job {
        return Err(damaged(&key, "is the intent of another job"));
    }
    let mut files = intent.files.iter();
    let fault = files.find_map(|held| fault_of(job, intent.sources.len(), &held.file));
    if let Some(why) = fault.or_else(|| fault_of_owners(&intent.sources)) {
        return Err(damaged(&key, &format!("contradicts itself: {why}")));
    }
    Ok(Some(Stored {
        intent,
        body_at: end + 1,
    }))
}

/// The sources of a job that has an intent, or nothing.
pub(crate) async fn sources(lake: &Lake, job: &JobId) -> Result<Option<Vec<SourceName>>, LakeError> {
    let stored = read(lake, job).await?;
    Ok(stored.map(|stored| stored.intent.sources.into_iter().map(|source| source.name).collect()))
}

/// Where the intent of a job is.
pub(crate) fn key_of(job: &JobId) -> LakeKey {
    LakeKey::new(format!("_lakebed/open/{job}")).expect("an id is a component")
}

pub(super) fn damaged(key: &LakeKey, why: &str) -> LakeError {
    LakeError::Damaged {
        what: format!("{key} {why}"),
    }
}
