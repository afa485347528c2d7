//! Files that no outcome named: whose they are, and whether that is still so.
//!
//! ```text
//! its job      is done since, with this file      fine
//!              is being published, or deleted     waited for, as long as something goes on
//!              has an intent alone                not finished
//!              is dead                            left over
//!              is done, without it                put there, or the outcome was edited
//!              is known to nobody                 foreign
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::jobs::{Jobs, Trace};
use super::report::{Code, Problem};
use super::{AtOnce, Verifier, VerifyError};
use crate::job::identity::JobId;
use crate::store::{LakeKey, Store};

/// Files that wait to be looked at again.
const FILES_MAX: usize = 10_000;
const LOOKS_MAX: usize = 16;
/// How long nothing may go on before a job counts as stopped: it publishes its files in this time, or deletes one.
const UNFINISHED_PATIENCE: Duration = Duration::from_secs(10);
const LEFT_OVER_PATIENCE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Files that are looked at again in the end.
#[derive(Default)]
pub(super) struct Unaccounted(Vec<File>);

struct File {
    key: LakeKey,
    size: u64,
}

/// What a file is at the moment.
enum Is {
    Fine,
    Problem(Problem),
    /// Of a job that is dead. Its files are deleted.
    LeftOver(File, JobId),
    /// Of a job that is not finished.
    Unfinished(File, JobId),
}

impl Verifier<'_> {
    pub(super) async fn add_unaccounted(
        &mut self,
        unaccounted: &mut Unaccounted,
        key: LakeKey,
        size: u64,
    ) -> Result<(), VerifyError> {
        unaccounted.0.push(File { key, size });
        match unaccounted.0.len() < FILES_MAX {
            true => Ok(()),
            false => self.settle_unaccounted(unaccounted).await,
        }
    }

    /// Looks at all of them until nothing goes on any more.
    pub(super) async fn settle_unaccounted(&mut self, unaccounted: &mut Unaccounted) -> Result<(), VerifyError> {
        let mut files = std::mem::take(&mut unaccounted.0);
        let mut still = Duration::ZERO;
        loop {
            let before = files.len();
            let (mut left_over, mut unfinished) = (Vec::new(), Vec::new());
            for is in self.look_at(files).await? {
                match is {
                    Is::Fine => {}
                    Is::Problem(problem) => self.report.add(problem),
                    Is::LeftOver(file, job) => left_over.push((file, job)),
                    Is::Unfinished(file, job) => unfinished.push((file, job)),
                }
            }
            if left_over.len() + unfinished.len() < before {
                still = Duration::ZERO;
            }
            // More problems than are kept: nobody is helped by waiting.
            let is_over = self.report.is_full();
            if is_over || still >= LEFT_OVER_PATIENCE {
                left_over
                    .drain(..)
                    .for_each(|(file, job)| self.report.add(left(&file, &job)));
            }
            if is_over || still >= UNFINISHED_PATIENCE {
                self.add_not_finished(std::mem::take(&mut unfinished));
            }
            let waiting = left_over.into_iter().chain(unfinished);
            files = waiting.map(|(file, _)| file).collect();
            if files.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
            still += LOOK_EVERY;
        }
    }

    async fn look_at(&self, files: Vec<File>) -> Result<Vec<Is>, VerifyError> {
        let mut looked = Vec::with_capacity(files.len());
        let mut looking = AtOnce::new(LOOKS_MAX);
        for file in files {
            let job = JobId::of_file(file.key.file_name());
            let is_claimed = job.is_some_and(|job| self.without_outcome.contains(&job));
            looked.extend(
                looking
                    .add(look(self.lake.store().clone(), self.jobs.clone(), file, is_claimed))
                    .await?,
            );
        }
        while let Some(is) = looking.next().await? {
            looked.push(is);
        }
        Ok(looked)
    }

    /// One problem a job.
    fn add_not_finished(&mut self, files: Vec<(File, JobId)>) {
        let mut jobs: BTreeMap<JobId, (LakeKey, u64)> = BTreeMap::new();
        for (file, job) in files {
            let (first, count) = jobs.entry(job).or_insert_with(|| (file.key.clone(), 0));
            if file.key < *first {
                *first = file.key;
            }
            *count += 1;
        }
        for (job, (first, count)) in jobs {
            let others = if count > 1 {
                format!(" and {} more", count - 1)
            } else {
                String::new()
            };
            let message = format!(
                "visible{others}, and its job is not finished: it was stopped half way, or takes long. Sweep, or run the \
                 load again: it is finished by whoever meets it"
            );
            self.report
                .add(Problem::new(Code::JobUnfinished, first, Some(&job), message));
        }
    }
}

/// `is_claimed`: its job has no outcome, and a claim names it.
async fn look(store: Arc<dyn Store>, jobs: Jobs, file: File, is_claimed: bool) -> Result<Is, VerifyError> {
    let job = JobId::of_file(file.key.file_name());
    let trace = match &job {
        Some(job) => jobs.trace(job).await?,
        None => Trace::None,
    };
    let is_known = match &trace {
        Trace::Done(contents) => contents.files.contains_key(&file.key),
        Trace::Unreadable => true,
        Trace::Dead | Trace::Unfinished | Trace::None => false,
    };
    // Last of all: a job may have ended and its files been deleted while it was asked for.
    if is_known || store.get_range(&file.key, 0..0).await?.is_none() {
        return Ok(Is::Fine);
    }
    let Some(job) = job else {
        let message = "was put there by somebody else: no job of this lake made it, and queries read it. Move it away";
        return Ok(Is::Problem(Problem::new(Code::FileForeign, &file.key, None, message)));
    };
    let problem = |code, message: String| Is::Problem(Problem::new(code, &file.key, Some(&job), message));
    Ok(match trace {
        Trace::Dead => Is::LeftOver(file, job),
        Trace::Unfinished => Is::Unfinished(file, job),
        Trace::Done(contents) => {
            let mut namesakes = contents
                .files
                .iter()
                .filter(|(key, size)| key.file_name() == file.key.file_name() && **size == file.size);
            let message = match (namesakes.next(), namesakes.next()) {
                (Some((from, _)), None) => {
                    format!(
                        "is none of the files of its job, which is done; it has name and size of {from}: move it back there"
                    )
                }
                _ => "is none of the files of its job, which is done: move it back to where it was, or away".to_owned(),
            };
            problem(Code::FileUnlisted, message)
        }
        Trace::None if is_claimed => {
            let message =
                format!("is of job {job}, whose outcome is gone: bring _lakebed/jobs/{job}.json back from a backup");
            problem(Code::FileNoOutcome, message)
        }
        Trace::None => {
            let message = format!(
                "is named after job {job}, and this lake has neither outcome, intent nor claim of it: no job of this lake made \
                 it, and queries read it. Move it away"
            );
            problem(Code::FileForeign, message)
        }
        Trace::Unreadable => Is::Fine,
    })
}

fn left(file: &File, job: &JobId) -> Problem {
    let message = "is left over of a dead job: it counts for nothing, and queries read it. Delete it";
    Problem::new(Code::FileLeftOver, &file.key, Some(job), message)
}
