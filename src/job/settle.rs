//! Settling: brings a job, our own or anybody else's, to its outcome.
//!
//! ```text
//! a. an outcome?  ──> that counts
//! b. claims       ──> one names another job: dead
//! c. files        ──> quarantine, then data, write-once; an upload is gone and so is its file: dead;
//!                     one was deleted a moment ago: an outcome that is there by now counts
//! d. replaced job ──> its outcome from done to dead, then its files go
//! e. outcome      ──> the first one written counts. done: the intent goes. dead: the files go
//! ```
//!
//! The intent of a dead job, and of one that replaced another, stays for `sweep`: a request of a dead process may bring a
//! file back.
//!
//! What a request without an answer did is found out by reading; nothing is thrown away before that. Files of a dead job
//! that cannot be deleted are an error: its sources wait, so that no row is visible twice. An intent that cannot be, is
//! none: `sweep` drops it.
//!
//! Every step may be stopped after any request and begun again by anybody, also while the first one still runs. Files are
//! deleted only when the outcome says dead, which it then says for ever.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::claim::{self, Laid};
use super::identity::JobId;
use super::intent::{self, Held, Intent, IntentFile, damaged};
use super::lake::Lake;
use super::outcome::{self, Outcome, State};
use super::stage::{FileKind, LakeFile, abort_uploads};
use super::{Busy, LakeError, some_at_a_time};
use crate::store::{Body, Checksum, Compared, Complete, LakeKey, Part, Put, UploadId};

/// Brings a job that a claim or an intent names to its outcome.
///
/// A job without intent and outcome is [`LakeError::Damaged`].
pub async fn settle(lake: &Lake, job: &JobId) -> Result<Outcome, LakeError> {
    if let Some(outcome) = outcome::read(lake, job).await? {
        return found(lake, outcome).await;
    }
    let stored = match intent::read(lake, job).await {
        Ok(stored) => stored,
        // Its line was read in pieces: of two intents, perhaps, where the job ended in between.
        Err(error) => match outcome::read(lake, job).await? {
            Some(outcome) => return found(lake, outcome).await,
            None => return Err(error),
        },
    };
    if let Some(stored) = stored {
        lake.count_settled();
        let bodies = Bodies::InIntent(stored.intent.files.iter().map(|file| stored.range(file)).collect());
        return finish(lake, stored.intent, bodies).await;
    }
    // Gone between the two reads: then it has ended.
    match outcome::read(lake, job).await? {
        Some(outcome) => found(lake, outcome).await,
        None => Err(without_trace(job)),
    }
}

/// The state [`settle`] comes to, remembered. A claim that is read afterwards may be judged by it: the job of a claim that
/// is in place is not replaced.
pub(super) async fn state(lake: &Lake, job: &JobId) -> Result<State, LakeError> {
    if let Some(state) = lake.remembered(job) {
        return Ok(state);
    }
    let state = settle(lake, job).await?.state;
    lake.remember(job, state);
    Ok(state)
}

/// Where the bytes of an intent's small files are read from, file by file.
pub(super) enum Bodies {
    /// Here: the intent is our own.
    Held(Vec<Option<Body>>),
    /// In the intent's object, at these bytes.
    InIntent(Vec<Option<Range<u64>>>),
}

/// Steps b to e, for an intent that is in the lake.
pub(super) async fn finish(lake: &Lake, intent: Intent, bodies: Bodies) -> Result<Outcome, LakeError> {
    let intent = Arc::new(intent);
    let laid = claim::lay(lake, &intent).await?;
    // All of them laid before us: then the job may have ended long ago, and its files been compacted away since. If we laid
    // one it had not ended, and the request is saved.
    let ended = if laid == Laid::Before {
        outcome::read(lake, &intent.job).await?
    } else {
        None
    };
    let outcome = match ended {
        Some(outcome) => {
            // A late twin's intent: its uploads were not used. Those that were are no uploads any more.
            abort_uploads(lake, intent.uploads()).await?;
            outcome
        }
        None if laid == Laid::Lost => {
            let outcome = outcome::put(lake, intent.outcome(State::Dead)).await?;
            if outcome.state == State::Done {
                // A late twin's intent again, and another job is about to take the place of this one.
                abort_uploads(lake, intent.uploads()).await?;
            }
            outcome
        }
        None => match publish(lake, &intent, bodies).await? {
            Published::Whole => {
                if let Some(replaced) = intent.replaces() {
                    let replaced = outcome::replace(lake, replaced, &intent.job, &intent.sources).await?;
                    delete_all(lake, replaced.keys()).await?;
                }
                outcome::put(lake, intent.outcome(State::Done)).await?
            }
            // Asked after the file was looked for: where the job has ended, the file may have gone with it.
            Published::UploadGone(key) => match outcome::read(lake, &intent.job).await? {
                Some(ended) => ended,
                None => {
                    refuse_if_in_place(lake, &intent, &key).await?;
                    outcome::put(lake, intent.outcome(State::Dead)).await?
                }
            },
            // Somebody else has come to the end meanwhile, or something is wrong.
            Published::Ended => outcome::read(lake, &intent.job)
                .await?
                .ok_or_else(|| without_trace(&intent.job))?,
            Published::Unlike(key) => outcome::read(lake, &intent.job)
                .await?
                .ok_or_else(|| LakeError::Unlike {
                    key,
                    job: intent.job.clone(),
                })?,
        },
    };
    match outcome.state {
        State::Done if intent.replaces().is_none() => {
            match lake.store().delete(&intent::key_of(&intent.job)).await {
                // The job is done all the same, and `sweep` drops what is left of it.
                Err(error) if error.is_transient() => {}
                deleted => deleted?,
            }
        }
        State::Done => {}
        State::Dead => {
            // Both lists: a late twin's intent may have cut its files otherwise.
            let mut keys = outcome.keys();
            keys.extend(intent.files.iter().map(|held| held.file.key.clone()));
            delete_all(lake, keys).await?;
            abort_uploads(lake, intent.uploads()).await?;
        }
    }
    Ok(outcome)
}

/// An outcome that was there already. Who wrote it may have been stopped before the files of a dead job were gone.
async fn found(lake: &Lake, outcome: Outcome) -> Result<Outcome, LakeError> {
    if outcome.state == State::Dead {
        delete_all(lake, outcome.keys()).await?;
    }
    Ok(outcome)
}

pub(super) async fn delete_all(lake: &Lake, keys: BTreeSet<LakeKey>) -> Result<(), LakeError> {
    let deletes = keys.into_iter().map(|key| {
        let lake = lake.clone();
        async move { Ok(lake.store().delete(&key).await?) }
    });
    some_at_a_time(deletes, |()| true).await.map(drop)
}

/// How the publishing of a job's files, or of one of them, came out.
#[derive(Debug, PartialEq)]
enum Published {
    /// In the lake, as the intent says.
    Whole,
    /// Neither the upload nor the file is there: nobody can make this job whole.
    UploadGone(LakeKey),
    /// The job has an outcome, or its intent went while its bytes were read.
    Ended,
    /// Something else is there.
    Unlike(LakeKey),
}

async fn publish(lake: &Lake, intent: &Arc<Intent>, bodies: Bodies) -> Result<Published, LakeError> {
    let bodies = Arc::new(bodies);
    // Quarantine first: whoever sees the rows of a job also finds what was rejected of it.
    for quarantine in [true, false] {
        let files = (0..intent.files.len())
            .filter(|&n| matches!(intent.files[n].file.kind, FileKind::Quarantine { .. }) == quarantine);
        let publishing = files.map(|n| {
            let (lake, intent, bodies) = (lake.clone(), Arc::clone(intent), Arc::clone(&bodies));
            async move { publish_one(&lake, &intent.job, &intent.files[n], &bodies, n).await }
        });
        let published = some_at_a_time(publishing, |published| *published == Published::Whole).await?;
        if let Some(fault) = published.into_iter().find(|published| *published != Published::Whole) {
            return Ok(fault);
        }
    }
    Ok(Published::Whole)
}

async fn publish_one(
    lake: &Lake,
    job: &JobId,
    IntentFile { file, content }: &IntentFile,
    bodies: &Bodies,
    n: usize,
) -> Result<Published, LakeError> {
    if let Held::Upload { id, parts } = content {
        return publish_upload(lake, job, file, id, parts).await;
    }
    // Held until the file is written: this many bytes are in memory.
    let mut _in_memory = None;
    let body = match bodies {
        Bodies::Held(bodies) => bodies[n].clone(),
        Bodies::InIntent(ranges) => {
            _in_memory = Some(lake.memory_for(file.size).await);
            match &ranges[n] {
                None => None,
                Some(range) => match lake.store().get_range(&intent::key_of(job), range.clone()).await? {
                    None => return Ok(Published::Ended),
                    Some(bytes) if bytes.len() as u64 == file.size && Checksum::of(&bytes) == file.sha256 => {
                        Some(bytes.into())
                    }
                    Some(_) => {
                        // Perhaps a late twin's intent, which stands there because the job has ended meanwhile.
                        if has_ended(lake, job).await? {
                            return Ok(Published::Ended);
                        }
                        return Err(damaged(
                            &intent::key_of(job),
                            &format!("has not the bytes of {}", file.key),
                        ));
                    }
                },
            }
        }
    };
    let body = body.expect("what is no upload has bytes");
    let mut busy = Busy::default();
    loop {
        match lake.store().put_if_absent(&file.key, body.clone()).await? {
            Put::Written => return Ok(Published::Whole),
            Put::Exists => match lake.store().compare(&file.key, file.size, &file.sha256, &[]).await? {
                Compared::Same => return Ok(Published::Whole),
                Compared::Different => return Ok(Published::Unlike(file.key.clone())),
                Compared::Absent => {}
            },
            Put::Busy => {}
        }
        if has_ended(lake, job).await? {
            return Ok(Published::Ended);
        }
        busy.wait(&file.key).await?;
    }
}

async fn publish_upload(
    lake: &Lake,
    job: &JobId,
    file: &LakeFile,
    id: &UploadId,
    parts: &[Part],
) -> Result<Published, LakeError> {
    let mut busy = Busy::default();
    loop {
        let completed = lake.store().complete_upload_if_absent(&file.key, id, parts).await?;
        if completed == Complete::Written {
            return Ok(Published::Whole);
        }
        match lake.store().compare(&file.key, file.size, &file.sha256, parts).await? {
            Compared::Same => {
                // Completed by a twin who was stopped before the upload was gone, perhaps.
                lake.store().abort_upload(&file.key, id).await?;
                return Ok(Published::Whole);
            }
            Compared::Different => return Ok(Published::Unlike(file.key.clone())),
            Compared::Absent if completed == Complete::NoSuchUpload => {
                return Ok(Published::UploadGone(file.key.clone()));
            }
            Compared::Absent => {}
        }
        if has_ended(lake, job).await? {
            return Ok(Published::Ended);
        }
        busy.wait(&file.key).await?;
    }
}

/// Whether a job has an outcome: asked when one of its files was deleted a moment ago, or may be right now. Only files of
/// dead jobs are, and one that is written again then would stay.
async fn has_ended(lake: &Lake, job: &JobId) -> Result<bool, LakeError> {
    Ok(outcome::read(lake, job).await?.is_some())
}

/// A job that took the place of another was whole then. Were it declared dead for a file that somebody removed since, the
/// rows of both would be gone.
async fn refuse_if_in_place(lake: &Lake, intent: &Intent, gone: &LakeKey) -> Result<(), LakeError> {
    let Some(replaced) = intent.replaces() else {
        return Ok(());
    };
    let replaced = outcome::read(lake, replaced).await?;
    match replaced.and_then(|outcome| outcome.replaced_by) {
        Some(heir) if heir == intent.job => Err(LakeError::Damaged {
            what: format!("{gone} is gone, and its job {heir} is in the place of another one"),
        }),
        _ => Ok(()),
    }
}

fn without_trace(job: &JobId) -> LakeError {
    LakeError::Damaged {
        what: format!("job {job} is claimed, and has neither intent nor outcome"),
    }
}
