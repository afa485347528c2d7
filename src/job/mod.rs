//! How a job is published: decided first, then published, and anybody finishes any job.
//!
//! ```text
//! look ──> free sources ──> stage ──> intent ──> settle ──────────────────────────────> answer
//!  │ a claim without outcome: settle  ^  (one     lay the claims; all in place: publish    done, or
//!  │ its job first, whoever began it  │  object)  the files, else the job is dead;         dead: look
//!  │                                  │           an heir: the job it replaces is dead;    again
//!  ├ the owner has this version: loaded           then the outcome
//!  └ the owner has another ──> inherit: all sources of its job, as they are now
//! ```
//!
//! Three kinds of object decide everything, each written conditionally:
//!
//! - `_lakebed/claims/<source>.json`, one register a source: which job took which version of it.
//! - `_lakebed/open/<job>`, the intent: all it takes to publish the job, also for somebody else.
//! - `_lakebed/jobs/<job>.json`, the outcome: done or dead, once and for ever.
//!
//! There is no lease and no clock: a crashed job is finished by the next one who meets its claim, from its intent. A step
//! may be done twice or by two at once; each is conditional or leaves the same state. A file becomes visible only after all
//! claims of its job are laid, so of two jobs with a source in common one is dead before it published anything.
//!
//! `tests/model/protocol.py` is this protocol as an exhaustive model; its steps have the names they have here.
//!
//! Knows nothing of records, schemas or Parquet: files are keys, bytes and checksums.

pub mod claim;
mod error;
pub mod heir;
pub mod identity;
pub mod intent;
pub mod lake;
pub mod outcome;
pub(crate) mod outcomes;
pub mod settle;
pub mod shape;
pub mod stage;
pub mod sweep;

use std::cell::Cell;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::task::JoinSet;

pub use error::LakeError;

use intent::Intent;
use lake::Lake;
use outcome::{Outcome, State};
use stage::PreparedJob;

use crate::store::{LakeKey, StoreError};

/// The newest version of the lake's records that is known here.
const RECORD_VERSION: u32 = 1;
/// Requests of one job under way at once.
const REQUESTS_MAX: usize = 16;
/// Attempts before a load that others keep winning is given back.
const ROUNDS_MAX: u32 = 10;
/// Attempts of one request that others for the same key are in the way of.
const BUSY_MAX: u32 = 6;

/// How a published job ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Its rows are in the lake. The outcome is what counts, also where a twin's files were published and not ours.
    Done(Box<Outcome>),
    /// Another job took one of its sources, or an upload of it was thrown away. It left nothing: look again.
    Dead,
}

/// Publishes a prepared job, or joins a twin that published it first.
///
/// An error before the intent was sent leaves the uploads open; after it nothing is cleaned up, because nobody knows what
/// took effect. Whoever meets the job next finishes it.
pub async fn publish(lake: &Lake, prepared: PreparedJob) -> Result<Answer, LakeError> {
    let job = prepared.job().id().clone();
    let (intent, small) = Intent::of(&prepared);
    let outcome = if intent.put(lake, &small).await? {
        settle::finish(lake, intent, settle::Bodies::Held(small)).await?
    } else {
        prepared.discard(lake).await?;
        settle::settle(lake, &job).await?
    };
    Ok(match outcome.state {
        State::Done => Answer::Done(Box::new(outcome)),
        State::Dead => Answer::Dead,
    })
}

/// Looks that ended in a job that died, of one load.
#[derive(Debug, Default)]
pub struct Rounds {
    lost: u32,
}

impl Rounds {
    /// One more. A growing, random time passes before the next look, so that those who met once do not meet again; after
    /// ten it is [`LakeError::Contended`].
    pub async fn lost(&mut self) -> Result<(), LakeError> {
        self.lost += 1;
        if self.lost == ROUNDS_MAX {
            return Err(LakeError::Contended { rounds: ROUNDS_MAX });
        }
        pause(self.lost).await;
        Ok(())
    }
}

/// Times that other requests for one key were in the way of ours.
#[derive(Debug, Default)]
struct Busy {
    times: u32,
}

impl Busy {
    /// One more. A growing, random time passes; after six it is an error that a later run need not meet.
    async fn wait(&mut self, key: &LakeKey) -> Result<(), LakeError> {
        self.times += 1;
        if self.times == BUSY_MAX {
            let why = "others wrote or deleted it at the same time, in every attempt";
            return Err(StoreError::new("write", key, true, why).into());
        }
        pause(self.times).await;
        Ok(())
    }
}

thread_local! {
    /// Where the pauses of this thread are drawn from, if not at random.
    static PAUSES: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on the pauses taken on this thread are those of a seed: a simulation is to be the same again.
pub fn seed_pauses(seed: u64) {
    PAUSES.set(Some(seed));
}

fn drawn() -> u64 {
    match PAUSES.get() {
        None => RandomState::new().hash_one(()),
        Some(seed) => {
            let next = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            PAUSES.set(Some(next));
            next >> 33
        }
    }
}

/// Waits before the next attempt: longer each time, and not as long as others do.
async fn pause(attempt: u32) {
    let longest_ms = 50u64 << attempt.min(8);
    let jitter_ms = drawn() % longest_ms;
    tokio::time::sleep(Duration::from_millis(jitter_ms)).await;
}

/// Runs futures, begun in order and some at a time, as long as their results say to go on.
///
/// Those begun are waited for even after an error, so that none of our requests lands after we have answered. Results come
/// in the order of completion.
async fn some_at_a_time<T: Send + 'static, F>(
    futures: impl Iterator<Item = F>,
    go_on: impl Fn(&T) -> bool,
) -> Result<Vec<T>, LakeError>
where
    F: Future<Output = Result<T, LakeError>> + Send + 'static,
{
    let mut waiting = futures.fuse();
    let mut running = JoinSet::new();
    let mut results = Vec::new();
    let mut failed = None;
    let mut stopped = false;
    loop {
        while !stopped && running.len() < REQUESTS_MAX {
            let Some(next) = waiting.next() else { break };
            running.spawn(next);
        }
        match running.join_next().await {
            None => break,
            Some(Ok(Ok(result))) => {
                stopped |= !go_on(&result);
                results.push(result);
            }
            Some(Ok(Err(error))) => {
                stopped = true;
                failed.get_or_insert(error);
            }
            Some(Err(ended)) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(shutdown) => unreachable!("tasks are neither detached nor aborted: {shutdown}"),
            },
        }
    }
    failed.map_or(Ok(results), Err)
}
