//! Heirs: a job that takes the place of a done one, because a source of it was replaced or is to be loaded again.
//!
//! ```text
//! done job ──> each of its sources: its claim, then what it is now ──> all of them, for one job laid over all its claims
//! ```
//!
//! All or none: were a source left out, its rows would go with the files of the job that is replaced. Rows of a source that
//! is there no more, or cannot be read, are taken from these files.

use std::collections::{BTreeSet, HashMap};

use super::LakeError;
use super::claim::{Sources, in_order, owner_of};
use super::identity::{JobId, SourceName};
use super::lake::Lake;
use super::outcome::{self, Outcome, State};
use super::stage::{Job, JobSource};
use crate::store::StoreError;

/// What a job that takes the place of another is made of.
#[derive(Debug)]
pub enum Inheritance {
    /// All of it.
    Heir {
        /// Every source of the replaced job, as it is now.
        sources: Vec<JobSource>,
        /// The replaced job.
        of: Box<Outcome>,
        /// Sources whose rows are copied: those that are not there any more, and those to be left as they are.
        kept: BTreeSet<SourceName>,
    },
    /// The job is replaced, or another job has taken one of its sources: look again.
    Moved,
    /// The stores of these sources do not say what is there now.
    Unknown(Vec<(SourceName, StoreError)>),
}

/// What became of one source.
enum Taken {
    Read(JobSource),
    Kept(JobSource),
    Moved,
    Unknown(SourceName, StoreError),
}

/// Looks at all sources of a done job, for one that is to take its place. Those in `leave` are not asked for: their rows
/// are kept as they are.
///
/// The claim of a source is read before the source: what is seen the other way round may be older than what the claim's
/// job has read.
pub async fn inherit<S>(
    lake: &Lake,
    job: &JobId,
    leave: &BTreeSet<SourceName>,
    sources: &S,
) -> Result<Inheritance, LakeError>
where
    S: Sources + Clone + 'static,
{
    let of = outcome::read(lake, job).await?.filter(|of| of.state == State::Done);
    let Some(of) = of else {
        return Ok(Inheritance::Moved);
    };
    let taking = of.sources.iter().map(|source| {
        let (lake, job, sources, name) = (lake.clone(), job.clone(), sources.clone(), source.name.clone());
        let leave = leave.contains(&name);
        async move { take(&lake, &job, name, leave, &sources).await }
    });
    let taken = in_order(taking).await?;
    let (mut heir, mut kept, mut unknown) = (Vec::with_capacity(taken.len()), BTreeSet::new(), Vec::new());
    for taken in taken {
        match taken {
            Taken::Read(source) => heir.push(source),
            Taken::Kept(source) => {
                kept.insert(source.name.clone());
                heir.push(source);
            }
            Taken::Moved => return Ok(Inheritance::Moved),
            Taken::Unknown(name, error) => unknown.push((name, error)),
        }
    }
    if !unknown.is_empty() {
        return Ok(Inheritance::Unknown(unknown));
    }
    let of = Box::new(of);
    Ok(Inheritance::Heir {
        sources: heir,
        of,
        kept,
    })
}

async fn take(
    lake: &Lake,
    job: &JobId,
    name: SourceName,
    leave: bool,
    sources: &impl Sources,
) -> Result<Taken, LakeError> {
    let (over, owner) = owner_of(lake, &name).await?;
    let Some(was) = owner.filter(|owner| owner.job == *job) else {
        return Ok(Taken::Moved);
    };
    let now = match leave {
        true => None,
        false => match sources.version_settled(&name).await {
            Ok(now) => now,
            Err(error) => return Ok(Taken::Unknown(name, error)),
        },
    };
    let source = |version| JobSource {
        name,
        version,
        over,
        was: Some(was.clone()),
    };
    Ok(match now {
        Some(version) => Taken::Read(source(version)),
        None => Taken::Kept(source(was.version.clone())),
    })
}

/// What a job takes over from the files of the one it replaces.
#[derive(Clone, Debug)]
pub struct Heritage {
    /// The replaced job.
    pub of: Outcome,
    /// The sources that are not read.
    pub copied: Vec<Copied>,
    /// Whether their quarantine entries are read again, as records of today.
    pub replays: bool,
}

/// A source whose rows and rejects are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its place in the sources of the replaced job.
    pub from: usize,
    /// Its place in the sources of the job.
    pub to: usize,
}

impl Heritage {
    /// What `job` keeps of the job it replaces. `kept` are sources of both, as [`inherit`] says.
    pub fn of(of: Outcome, job: &Job, kept: &BTreeSet<SourceName>) -> Self {
        let places = of.sources.iter().enumerate().map(|(from, source)| (&source.name, from));
        let places: HashMap<&SourceName, usize> = places.collect();
        let kept = job
            .sources()
            .iter()
            .enumerate()
            .filter(|(_, source)| kept.contains(&source.name));
        let copied = kept
            .map(|(to, source)| Copied {
                from: places[&source.name],
                to,
            })
            .collect();
        Self {
            of,
            copied,
            replays: false,
        }
    }

    /// What `job` is made of that reads nothing but the quarantine of the job it replaces.
    pub fn replayed(of: Outcome, job: &Job) -> Self {
        let all = job.sources().iter().map(|source| source.name.clone()).collect();
        Self {
            replays: true,
            ..Self::of(of, job, &all)
        }
    }
}
