//! Claims: one register a source, which says which job took which version of it.
//!
//! ```text
//! absent ──> {job, version} ──> {job, version, was} ──> ...      only ever replaced, each time under a condition
//! ```
//!
//! The owner of a source is the job of its claim if that is done, else the one it `was`. A claim is never deleted and never
//! takes a value again, so "what I saw is still there" is all a job needs to know when it lays its own.

use serde::{Deserialize, Serialize};

use super::identity::{JobId, SourceId, SourceName, Version};
use super::intent::{self, Intent};
use super::lake::Lake;
use super::outcome::{self, State};
use super::settle;
use super::stage::JobSource;
use super::{LakeError, some_at_a_time};
use crate::store::{LakeKey, Pending, Replace, StoreError};

/// Who took a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The job.
    pub job: JobId,
    /// What it read of the source.
    pub version: Version,
    /// The done job that owned the source when this claim was laid.
    pub was: Option<Owner>,
}

/// A done job whose rows of a source are the ones that count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The job.
    pub job: JobId,
    /// What it read of the source.
    pub version: Version,
}

/// Where raw objects are: what a source is right now.
pub trait Sources: Send + Sync {
    /// The version that is there now, or nothing. Not answered from an earlier listing.
    fn version_now<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>>;

    /// The same as soon as no later version can have an equal name. Last-Modified counts whole seconds: what is younger
    /// than two of them, by the clock of its store, is waited for.
    fn version_settled<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>>;
}

/// What is to be done about a source.
#[derive(Debug)]
pub enum Look {
    /// Nobody owns it: load it, with a claim laid over this one.
    Free {
        /// The claim of a dead job, or nothing.
        over: Option<Claim>,
    },
    /// Its rows are in the lake.
    Loaded {
        /// The job that loaded it.
        job: JobId,
    },
    /// Its rows are in the lake, and the object has been replaced since: a job that replaces this one takes over all of its
    /// sources, see [`inherit`](super::heir::inherit).
    Overwritten {
        /// The job that loaded it.
        job: JobId,
    },
    /// It was loaded and is there no more. Its rows stay.
    Missing {
        /// The job that loaded it.
        job: JobId,
    },
    /// The job of its claim cannot be brought to an end. Sources of other jobs are not concerned.
    Stuck {
        /// Why.
        error: LakeError,
    },
    /// It was loaded, and its store does not say what is there now. No other source is concerned.
    Unknown {
        /// The job that loaded it.
        job: JobId,
        /// Why.
        error: StoreError,
    },
}

/// Looks at a source: settles the job of its claim first, if that has no outcome yet.
pub async fn look(lake: &Lake, name: &SourceName, sources: &impl Sources) -> Result<Look, LakeError> {
    let (over, owner) = owner_of(lake, name).await?;
    let Some(owner) = owner else {
        return Ok(Look::Free { over });
    };
    // After the claim: a version that was seen before it may be the older one.
    let now = match sources.version_now(name).await {
        Ok(now) => now,
        Err(error) => return Ok(Look::Unknown { job: owner.job, error }),
    };
    Ok(match now {
        None => Look::Missing { job: owner.job },
        Some(now) if now == owner.version => Look::Loaded { job: owner.job },
        Some(_) => Look::Overwritten { job: owner.job },
    })
}

/// The claim of a source, and the done job that owns it. Settles the job of the claim first, if that has no outcome yet.
pub(super) async fn owner_of(lake: &Lake, name: &SourceName) -> Result<(Option<Claim>, Option<Owner>), LakeError> {
    let Some(claim) = read(lake, name).await? else {
        return Ok((None, None));
    };
    let owner = match settle::state(lake, &claim.job).await? {
        State::Done => Some(Owner {
            job: claim.job.clone(),
            version: claim.version.clone(),
        }),
        State::Dead => still_done(lake, claim.was.clone()).await?,
    };
    Ok((Some(claim), owner))
}

/// The owner before a job that died, which is done as long as nobody else took its place. Asked anew all the same: were it
/// not, its rows would be gone, and its sources have to be read again.
async fn still_done(lake: &Lake, was: Option<Owner>) -> Result<Option<Owner>, LakeError> {
    let Some(was) = was else { return Ok(None) };
    let outcome = outcome::read(lake, &was.job).await?;
    Ok(outcome.filter(|outcome| outcome.state == State::Done).map(|_| was))
}

/// Looks at many sources, some at a time. The answers are in the order of the names.
///
/// Where one of them had a job settled, those that looked free are looked at again: that job may have laid claims on them
/// since, and a job of ours over these could only die.
pub async fn look_all<S>(lake: &Lake, names: Vec<SourceName>, sources: &S) -> Result<Vec<Look>, LakeError>
where
    S: Sources + Clone + 'static,
{
    let mut looks: Vec<Option<Look>> = names.iter().map(|_| None).collect();
    let mut places: Vec<usize> = (0..names.len()).collect();
    loop {
        let settled = lake.settled();
        // The first one alone: a job that was left half way has claimed its first source first, and is settled once.
        let alone = places.len().min(1);
        for some in [&places[..alone], &places[alone..]] {
            let found = some.iter().map(|place| {
                let (lake, sources, name) = (lake.clone(), sources.clone(), names[*place].clone());
                async move {
                    match look(&lake, &name, &sources).await {
                        // What will pass stops them all; they are looked at again together.
                        Err(error) if !error.is_transient() => Ok(Look::Stuck { error }),
                        looked => looked,
                    }
                }
            });
            for (place, look) in some.iter().zip(in_order(found).await?) {
                looks[*place] = Some(look);
            }
        }
        places.retain(|place| matches!(looks[*place], Some(Look::Free { .. })));
        if places.is_empty() || lake.settled() == settled {
            return Ok(looks.into_iter().flatten().collect());
        }
    }
}

/// The done job that owns a source, as the lake stands: nothing is settled, nothing written. A job without an outcome counts
/// as none.
pub async fn owner(lake: &Lake, name: &SourceName) -> Result<Option<Owner>, LakeError> {
    let Some(Claim { job, version, was }) = read(lake, name).await? else {
        return Ok(None);
    };
    let state = ended(lake, &job).await?;
    match state {
        Some(State::Done) => Ok(Some(Owner { job, version })),
        Some(State::Dead) => still_done(lake, was).await,
        None => Ok(None),
    }
}

/// The same of many sources, some at a time, in their order.
pub async fn owners(lake: &Lake, names: Vec<SourceName>) -> Result<Vec<Option<Owner>>, LakeError> {
    let all = names.into_iter().map(|name| {
        let lake = lake.clone();
        async move { owner(&lake, &name).await }
    });
    in_order(all).await
}

/// How a job has ended, if it has. Judges a claim that was read before, as [`settle::state`] does.
///
/// The sources of one job are asked about together, and its outcome may be large: one outcome is read at a time, and once.
async fn ended(lake: &Lake, job: &JobId) -> Result<Option<State>, LakeError> {
    if let Some(state) = lake.remembered(job) {
        return Ok(Some(state));
    }
    let _alone = lake.alone().await;
    if let Some(state) = lake.remembered(job) {
        return Ok(Some(state));
    }
    let state = outcome::read(lake, job).await?.map(|outcome| outcome.state);
    if let Some(state) = state {
        lake.remember(job, state);
    }
    Ok(state)
}

/// What a source is to the lake as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No job has it, nor is one about to.
    Free,
    /// A done job has it.
    Owned(Owner),
    /// A job that has not ended has laid its claim.
    Open {
        /// The job.
        job: JobId,
        /// The done job that has it until then.
        was: Option<Owner>,
    },
}

/// What a source is right now, by its claim: nothing is settled, nothing written. One request, and one for each job that is
/// not known yet; an open job takes another.
pub(crate) async fn standing(lake: &Lake, name: &SourceName) -> Result<Standing, LakeError> {
    let mut before = None;
    loop {
        let Some(claim) = read(lake, name).await? else {
            return Ok(Standing::Free);
        };
        let Claim { job, version, was } = claim.clone();
        let state = ended(lake, &job).await?;
        if state == Some(State::Done) {
            return Ok(Standing::Owned(Owner { job, version }));
        }
        let was = match was {
            Some(was) => (ended(lake, &was.job).await? == Some(State::Done)).then_some(was),
            None => None,
        };
        match (state, was) {
            (None, was) if lake.store().head(&intent::key_of(&job)).await?.is_some() => {
                return Ok(Standing::Open { job, was });
            }
            (_, Some(was)) => return Ok(Standing::Owned(was)),
            // It has ended since, or another job has laid its claim over this one; where neither is so, nobody has it.
            (_, None) if before.as_ref() == Some(&claim) => return Ok(Standing::Free),
            (_, None) => before = Some(claim),
        }
    }
}

/// The same of many sources, some at a time, in their order. What may pass stops them all.
pub(crate) async fn standings(
    lake: &Lake,
    names: Vec<SourceName>,
) -> Result<Vec<Result<Standing, LakeError>>, LakeError> {
    let all = names.into_iter().map(|name| {
        let lake = lake.clone();
        async move {
            match standing(&lake, &name).await {
                Err(error) if error.is_transient() => Err(error),
                found => Ok(found),
            }
        }
    });
    in_order(all).await
}

/// Runs futures some at a time; their results are in the order of the futures.
pub(super) async fn in_order<T: Send + 'static, F>(futures: impl Iterator<Item = F>) -> Result<Vec<T>, LakeError>
where
    F: Future<Output = Result<T, LakeError>> + Send + 'static,
{
    let placed = futures
        .enumerate()
        .map(|(place, future)| async move { Ok((place, future.await?)) });
    let mut results = some_at_a_time(placed, |_| true).await?;
    results.sort_by_key(|(place, _)| *place);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Whether all claims of a job are in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Laid {
    /// All name the job, and one was laid by this call: so far the job had not been decided.
    Now,
    /// All named the job already.
    Before,
    /// One of them names another job, so this one can never be done.
    Lost,
}

/// Lays the claims of a job, each over the one its intent expects.
pub(super) async fn lay(lake: &Lake, intent: &Intent) -> Result<Laid, LakeError> {
    let mut claims = intent.sources.iter().map(|source| {
        let (lake, job, source) = (lake.clone(), intent.job.clone(), source.clone());
        async move { lay_one(&lake, &job, &source).await }
    });
    // The first one alone: of two jobs over the same sources one then loses before it is in the other's way.
    let mut laid = match claims.next() {
        None => Laid::Before,
        Some(first) => first.await?,
    };
    if laid != Laid::Lost {
        for one in some_at_a_time(claims, |one| *one != Laid::Lost).await? {
            laid = match (laid, one) {
                (Laid::Lost, _) | (_, Laid::Lost) => Laid::Lost,
                (Laid::Now, _) | (_, Laid::Now) => Laid::Now,
                (Laid::Before, Laid::Before) => Laid::Before,
            };
        }
    }
    Ok(laid)
}

async fn lay_one(lake: &Lake, job: &JobId, source: &JobSource) -> Result<Laid, LakeError> {
    let key = key_of(&source.name.id());
    let ours = Claim {
        job: job.clone(),
        version: source.version.clone(),
        was: source.was.clone(),
    };
    let bytes = lake.to_json(&ours);
    match &source.over {
        None => {
            if lake.create(&key, bytes.into()).await? {
                return Ok(Laid::Now);
            }
        }
        Some(expected) => {
            let Some((there, tag)) = lake.read_json::<Claim>(&key).await? else {
                return Err(deleted(&key));
            };
            if there == *expected {
                match lake.store().put_if_match(&key, bytes, &tag).await? {
                    Replace::Written => return Ok(Laid::Now),
                    Replace::Changed => {}
                    Replace::Absent => return Err(deleted(&key)),
                }
            }
        }
    }
    // Somebody was here: a twin, another job, or we ourselves with an answer that got lost.
    match read(lake, &source.name).await? {
        Some(there) if there.job == *job => Ok(Laid::Before),
        Some(_) => Ok(Laid::Lost),
        None => Err(deleted(&key)),
    }
}

async fn read(lake: &Lake, name: &SourceName) -> Result<Option<Claim>, LakeError> {
    Ok(lake.read_json(&key_of(&name.id())).await?.map(|(claim, _)| claim))
}

/// Where the claim of a source is.
pub(crate) fn key_of(source: &SourceId) -> LakeKey {
    LakeKey::new(format!("_lakebed/claims/{source}.json")).expect("an id is a component")
}

fn deleted(key: &LakeKey) -> LakeError {
    LakeError::Damaged {
        what: format!("{key} was there and is gone"),
    }
}
