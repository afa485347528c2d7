//! Sources and claims: each source of a done job is in that job alone, and its claim says so.
//!
//! ```text
//! done job ─source─┐
//!                  ├─ by source ──> one job, one claim       the claim names the job; or one that is laid over it
//! claim ───────────┘            ──> two jobs                 rows twice
//!                               ──> no claim                 the source would be loaded again
//!                               ──> no job                   of a dead job, of one under way, or of one whose outcome is gone
//! ```

use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};

use super::jobs::{Jobs, Trace};
use super::report::{Code, Problem};
use super::{AtOnce, Verifier, VerifyError, lake_key};
use crate::job::LakeError;
use crate::job::claim::{self, Claim};
use crate::job::identity::{JobId, SourceId, SourceName, Version};
use crate::job::lake::Lake;
use crate::job::outcome;
use crate::load::chain;
use crate::sort::Sorter;
use crate::store::{LakeKey, Objects};

/// Claims looked at at once.
const LOOKS_MAX: usize = 32;
/// Done jobs of one source that are told apart.
const JOBS_MAX: usize = 16;
/// Jobs without outcome that are remembered, so that each is told once.
const TOLD_MAX: usize = 10_000;

/// What is known of a source, by its id.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SourceEntry {
    /// A claim is there.
    Claim,
    /// A done job has it.
    Of {
        job: JobId,
        name: SourceName,
        version: Version,
    },
}

/// A source of a done job.
struct OfJob {
    job: JobId,
    name: SourceName,
    version: Version,
}

/// All that is known of one source.
struct Source {
    id: SourceId,
    is_claimed: bool,
    of: Vec<OfJob>,
}

/// What looking at a source came to.
#[derive(Default)]
struct Looked {
    sources: u64,
    is_sound: bool,
    problems: Vec<Problem>,
}

impl Verifier<'_> {
    /// Adds the sources that have a claim now.
    pub(super) async fn list_claims(&mut self, sources: &mut Sorter<SourceEntry>) -> Result<(), VerifyError> {
        let store = self.lake.store().clone();
        let mut claims = Objects::below(&*store, lake_key("_lakebed/claims"));
        while let Some(listed) = claims.next().await? {
            let source = listed.key.file_name().strip_suffix(".json");
            match source.and_then(|source| SourceId::try_from(source.to_owned()).ok()) {
                Some(source) => sources
                    .push(source.as_str(), &SourceEntry::Claim)
                    .map_err(VerifyError::Spill)?,
                None => {
                    let message = "is named after no source, and means nothing to a lake: move it away";
                    self.report
                        .add(Problem::new(Code::FileForeign, &listed.key, None, message));
                }
            }
        }
        Ok(())
    }

    /// Looks at every source that is in a done job or has a claim.
    pub(super) async fn claims(&mut self, sources: Sorter<SourceEntry>) -> Result<(), VerifyError> {
        let mut sorted = sources.finish().map_err(VerifyError::Spill)?;
        let mut looking = AtOnce::new(LOOKS_MAX);
        let mut next = sorted.next().map_err(VerifyError::Spill)?;
        while let Some((id, first)) = next.take() {
            let mut source = Source {
                id: SourceId::try_from(id.clone()).expect("it was one when it was added"),
                is_claimed: false,
                of: Vec::new(),
            };
            source.add(first);
            loop {
                next = sorted.next().map_err(VerifyError::Spill)?;
                match next.take_if(|(next, _)| *next == id) {
                    Some((_, entry)) => source.add(entry),
                    None => break,
                }
            }
            if self.options.quick && source.is_claimed && source.of.len() == 1 {
                self.progress.sources.fetch_add(1, Relaxed);
                self.report.sources += 1;
                continue;
            }
            let (lake, jobs) = (self.lake.clone(), self.jobs.clone());
            if let Some(looked) = looking.add(look(lake, jobs, source)).await? {
                self.add_looked(looked);
            }
        }
        while let Some(looked) = looking.next().await? {
            self.add_looked(looked);
        }
        Ok(())
    }

    fn add_looked(&mut self, looked: Looked) {
        self.progress.sources.fetch_add(looked.sources, Relaxed);
        self.report.sources += u64::from(looked.is_sound);
        for problem in looked.problems {
            // All claims of one job tell of its outcome.
            if problem.code == Code::OutcomeMissing
                && let Some(job) = &problem.job
                && self.without_outcome.len() < TOLD_MAX
                && !self.without_outcome.insert(job.clone())
            {
                continue;
            }
            self.report.add(problem);
        }
    }
}

impl Source {
    fn add(&mut self, entry: SourceEntry) {
        match entry {
            SourceEntry::Claim => self.is_claimed = true,
            SourceEntry::Of { job, name, version } if self.of.len() < JOBS_MAX => {
                self.of.push(OfJob { job, name, version });
            }
            SourceEntry::Of { .. } => {}
        }
    }
}

async fn look(lake: Lake, jobs: Jobs, source: Source) -> Result<Looked, VerifyError> {
    let Source { id, is_claimed: _, of } = source;
    let mut looked = Looked {
        sources: of.len() as u64,
        ..Looked::default()
    };
    let key = claim::key_of(&id);
    // Before the jobs: a claim that is read after its job has ended is that job's, or a later one.
    let claim = match lake.read_json::<Claim>(&key).await {
        Ok(claim) => claim.map(|(claim, _)| claim),
        Err(LakeError::Store(error)) if error.is_transient() => return Err(error.into()),
        Err(error) => {
            let message = format!("is no claim ({}); bring it back from a backup", chain(&error));
            looked
                .problems
                .push(Problem::new(Code::ClaimWrong, &key, None, message));
            return Ok(looked);
        }
    };
    let of = match of.len() {
        0 => {
            looked.problems.extend(match claim {
                Some(claim) => fault_without_job(&jobs, &id, &key, &claim).await?,
                // Listed, and gone: a claim is never deleted.
                None => {
                    let message = "was there and is gone; bring it back from a backup";
                    Some(Problem::new(Code::ClaimMissing, &key, None, message))
                }
            });
            return Ok(looked);
        }
        1 => of,
        _ => alive(&jobs, of).await?,
    };
    match &*of {
        // Others have taken their place since.
        [] => {}
        [one] => {
            let fault = fault_of_claim(one, &key, claim.as_ref());
            looked.is_sound = fault.is_none();
            match fault {
                Some(fault) if !jobs.is_dead(&one.job).await? => looked.problems.push(fault),
                Some(_) => {}
                // Laid over by a job that is to take its place, if there is such a job.
                None => {
                    let other = claim.filter(|claim| claim.job != one.job);
                    if let Some(Claim { job, .. }) = other
                        && matches!(jobs.trace(&job).await?, Trace::None)
                    {
                        looked.problems.push(without_outcome(&job, &key));
                    }
                }
            }
        }
        [first, .., last] => looked.problems.push(twice(first, last, &key, claim.as_ref())),
    }
    Ok(looked)
}

/// Those that are not dead even now: one of them may have taken the place of another since they were read.
async fn alive(jobs: &Jobs, of: Vec<OfJob>) -> Result<Vec<OfJob>, VerifyError> {
    let mut alive = Vec::new();
    for one in of {
        if !jobs.is_dead(&one.job).await? {
            alive.push(one);
        }
    }
    Ok(alive)
}

/// What is wrong with the claim of a source that one done job has, if anything is.
fn fault_of_claim(of: &OfJob, key: &LakeKey, claim: Option<&Claim>) -> Option<Problem> {
    let OfJob { job, name, version } = of;
    let problem = |code, message| Some(Problem::new(code, key, Some(job), message));
    let Some(claim) = claim else {
        let message =
            format!("the claim of {name} is not there, so it would be loaded again; bring it back from a backup");
        return problem(Code::ClaimMissing, message);
    };
    let was = claim.was.as_ref().filter(|was| was.job == *job).map(|was| &was.version);
    let claimed = if claim.job == *job { Some(&claim.version) } else { was };
    match claimed {
        Some(claimed) if claimed == version => None,
        Some(_) => {
            let message = format!("claims another version of {name} than job {job} read; bring it back from a backup");
            problem(Code::ClaimWrong, message)
        }
        None => {
            let message = format!(
                "names job {} for {name}, which job {job} has loaded; bring it back from a backup",
                claim.job
            );
            problem(Code::ClaimWrong, message)
        }
    }
}

fn twice(first: &OfJob, last: &OfJob, key: &LakeKey, claim: Option<&Claim>) -> Problem {
    let (one, other) = (&first.job, &last.job);
    let name = &first.name;
    let message = if one == other {
        format!("job {one} has {name} twice; bring its outcome back from a backup")
    } else {
        let claimed = match claim {
            Some(claim) => format!("its claim names job {}", claim.job),
            None => "it has no claim".to_owned(),
        };
        format!(
            "{name} is in two done jobs, {one} and {other}, so its rows are there twice; {claimed}: move the outcome and the \
             files of the other job away"
        )
    };
    Problem::new(Code::SourceTwice, key, Some(one), message)
}

/// What is wrong with a claim whose source no done job has, if anything is: its job may be dead, under way, or have ended
/// after the outcomes were listed.
async fn fault_without_job(
    jobs: &Jobs,
    source: &SourceId,
    key: &LakeKey,
    claim: &Claim,
) -> Result<Option<Problem>, VerifyError> {
    let mut owner = Some(&claim.job);
    while let Some(job) = owner.take() {
        match jobs.trace(job).await? {
            Trace::Done(contents) if contents.sources.contains(source) => {}
            Trace::Done(_) => {
                let message =
                    format!("names job {job}, whose outcome has no such source; bring both back from a backup");
                return Ok(Some(Problem::new(Code::ClaimWrong, key, Some(job), message)));
            }
            Trace::None => {
                return Ok(Some(without_outcome(job, key)));
            }
            Trace::Dead | Trace::Unfinished => {
                // The owner before it is the one that counts, if there was one.
                let was = claim.was.as_ref().map(|was| &was.job);
                owner = was.filter(|was| *was != job);
            }
            Trace::Unreadable => {}
        }
    }
    Ok(None)
}

/// A job that a claim names, and that nothing else is known of.
fn without_outcome(job: &JobId, claim: &LakeKey) -> Problem {
    let message = format!(
        "is not there, and {claim} names its job, which has no intent either: the lake does not know its rows, and loads stop \
         at it; bring it back from a backup"
    );
    Problem::new(Code::OutcomeMissing, outcome::key_of(job), Some(job), message)
}
