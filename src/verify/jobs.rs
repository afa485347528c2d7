//! What becomes of a job while the lake is looked at: asked again before anything is said of it.
//!
//! A job goes from an intent to done or dead, and from done to dead when another takes its place; never back. So what was
//! seen of it once may be older than what is seen of its files, and never newer.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::job::identity::{JobId, SourceId};
use crate::job::lake::Lake;
use crate::job::outcome::{self, Outcome, State};
use crate::job::{LakeError, intent};
use crate::store::{LakeKey, StoreError};

/// Jobs remembered with all their files and sources.
const REMEMBERED_MAX: usize = 16;
/// Jobs remembered that have nothing to remember.
const BARE_MAX: usize = 10_000;

/// A job as it is now.
#[derive(Clone, Debug)]
pub(super) enum Trace {
    /// Done, with these files and sources.
    Done(Arc<Contents>),
    /// Dead.
    Dead,
    /// Its outcome is there and cannot be read: told where outcomes are read.
    Unreadable,
    /// It has an intent alone.
    Unfinished,
    /// It has neither.
    None,
}

/// What a done job has.
#[derive(Debug)]
pub(super) struct Contents {
    /// Sizes of its files.
    pub(super) files: HashMap<LakeKey, u64>,
    pub(super) sources: HashSet<SourceId>,
}

/// The jobs of a lake. Cloning gives another handle.
#[derive(Clone)]
pub(super) struct Jobs {
    lake: Lake,
    remembered: Arc<Mutex<Remembered>>,
}

#[derive(Default)]
struct Remembered {
    done: HashMap<JobId, Arc<Contents>>,
    bare: HashMap<JobId, Trace>,
}

impl Jobs {
    pub(super) fn new(lake: Lake) -> Self {
        Self {
            lake,
            remembered: Arc::default(),
        }
    }

    /// Whether a job counts, asked now. Not a question of a job whose outcome is not there or cannot be read.
    pub(super) async fn is_dead(&self, job: &JobId) -> Result<bool, StoreError> {
        match outcome::read(&self.lake, job).await {
            Ok(outcome) => Ok(outcome.is_some_and(|outcome| outcome.state == State::Dead)),
            Err(LakeError::Store(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// What is known of a job. One that was done may be dead since; of one that is not finished it is asked again each time.
    pub(super) async fn trace(&self, job: &JobId) -> Result<Trace, StoreError> {
        if let Some(known) = self.remembered().of(job) {
            return Ok(known);
        }
        let trace = match self.outcome(job).await? {
            Trace::None => match self.lake.store().get_range(&intent::key_of(job), 0..0).await? {
                Some(_) => Trace::Unfinished,
                // Gone between the two: then it has ended.
                None => self.outcome(job).await?,
            },
            trace => trace,
        };
        self.remembered().add(job, &trace);
        Ok(trace)
    }

    async fn outcome(&self, job: &JobId) -> Result<Trace, StoreError> {
        Ok(match outcome::read(&self.lake, job).await {
            Ok(None) => Trace::None,
            Ok(Some(outcome)) if outcome.state == State::Dead => Trace::Dead,
            Ok(Some(outcome)) => Trace::Done(Arc::new(Contents::of(&outcome))),
            Err(LakeError::Store(error)) => return Err(error),
            Err(_) => Trace::Unreadable,
        })
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn of(&self, job: &JobId) -> Option<Trace> {
        let done = self.done.get(job).map(|contents| Trace::Done(Arc::clone(contents)));
        done.or_else(|| self.bare.get(job).cloned())
    }

    fn add(&mut self, job: &JobId, trace: &Trace) {
        match trace {
            Trace::Done(contents) => {
                if self.done.len() >= REMEMBERED_MAX {
                    self.done.clear();
                }
                self.done.insert(job.clone(), Arc::clone(contents));
            }
            // For ever.
            Trace::Dead | Trace::Unreadable | Trace::None => {
                if self.bare.len() >= BARE_MAX {
                    self.bare.clear();
                }
                self.bare.insert(job.clone(), trace.clone());
            }
            Trace::Unfinished => {}
        }
    }
}

impl Contents {
    fn of(outcome: &Outcome) -> Self {
        let files = outcome.files.iter().map(|file| (file.key.clone(), file.size));
        Self {
            files: files.collect(),
            sources: outcome.sources.iter().map(|source| source.name.id()).collect(),
        }
    }
}
