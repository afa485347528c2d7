//! Reads every outcome once: what it says is checked by itself, and handed on to be compared with what is there.

use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};

use super::claims::SourceEntry;
use super::report::{Code, Problem};
use super::tables::{Tables, is_table};
use super::{AtOnce, Verifier, VerifyError, counts, lake_key};
use crate::job::LakeError;
use crate::job::identity::JobId;
use crate::job::outcome::{Outcome, State};
use crate::job::outcomes::{self, Outcomes, Read};
use crate::job::stage::{FileKind, LakeFile};
use crate::load::chain;
use crate::sort::Sorter;
use crate::store::{Checksum, LakeKey, Objects};

/// Jobs looked at once more at a time.
const LOOKS_MAX: usize = 16;
/// Jobs without an outcome that are looked at once more in the end.
const UNFINISHED_MAX: usize = 10_000;

/// What an outcome says of a file, by the file's key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FileEntry {
    pub(super) job: JobId,
    pub(super) encoder: String,
    pub(super) size: u64,
    pub(super) sha256: Checksum,
    pub(super) kind: FileKind,
}

/// Jobs that had no outcome when outcomes were listed.
#[derive(Default)]
pub(super) struct Unfinished {
    jobs: Vec<JobId>,
    more: u64,
}

impl Verifier<'_> {
    /// Reads them all. Sources and files of done jobs are added to the sorters, and tables to `tables`.
    pub(super) async fn outcomes(
        &mut self,
        tables: &mut Tables,
        sources: &mut Sorter<SourceEntry>,
        files: &mut Sorter<FileEntry>,
    ) -> Result<Unfinished, VerifyError> {
        let store = self.lake.store().clone();
        // Both are in the order of jobs.
        let mut intents = Objects::below(&*store, lake_key("_lakebed/open"));
        let mut listed = Objects::below(&*store, lake_key("_lakebed/jobs"));
        let mut unfinished = Unfinished::default();
        let mut reading = Outcomes::<VerifyError>::of(self.lake.clone());
        loop {
            let next = listed.next().await?;
            let name = next.as_ref().map(|next| next.key.file_name().to_owned());
            while let Some(intent) = intents.peek().await? {
                let is_before = |name: &String| intent.key.file_name() < name.as_str();
                if !name.as_ref().is_none_or(is_before) {
                    break;
                }
                let has_outcome = name
                    .as_ref()
                    .is_some_and(|name| outcome_name(intent.key.file_name()) == *name);
                if !has_outcome {
                    self.add_unfinished(&intent.key.clone(), &mut unfinished);
                }
                intents.next().await?;
            }
            let Some(next) = next else { break };
            let Some(job) = outcomes::job_of(&next) else {
                self.report.add(foreign(&next.key));
                continue;
            };
            if let Some(read) = reading.add(next, job).await? {
                self.add_outcome(read, tables, sources, files).await?;
            }
        }
        while let Some(read) = reading.next().await? {
            self.add_outcome(read, tables, sources, files).await?;
        }
        Ok(unfinished)
    }

    fn add_unfinished(&mut self, key: &LakeKey, unfinished: &mut Unfinished) {
        match JobId::try_from(key.file_name().to_owned()) {
            Err(_) => self.report.add(foreign(key)),
            Ok(_) if unfinished.jobs.len() >= UNFINISHED_MAX => unfinished.more += 1,
            Ok(job) => unfinished.jobs.push(job),
        }
    }

    /// Counts the jobs that have no outcome even now.
    pub(super) async fn count_unfinished(&mut self, unfinished: Unfinished) -> Result<(), VerifyError> {
        let Unfinished { jobs, more } = unfinished;
        self.report.unfinished = more;
        let mut looking = AtOnce::new(LOOKS_MAX);
        let count = |ended: Option<bool>| u64::from(ended == Some(true));
        for job in jobs {
            let known = self.jobs.clone();
            let looked =
                looking.add(async move { Ok(matches!(known.trace(&job).await?, super::jobs::Trace::Unfinished)) });
            self.report.unfinished += count(looked.await?);
        }
        while let Some(is_unfinished) = looking.next().await? {
            self.report.unfinished += count(Some(is_unfinished));
        }
        Ok(())
    }

    async fn add_outcome(
        &mut self,
        read: Read,
        tables: &mut Tables,
        sources: &mut Sorter<SourceEntry>,
        files: &mut Sorter<FileEntry>,
    ) -> Result<(), VerifyError> {
        let Read { key, job, outcome, .. } = read;
        self.progress.outcomes.fetch_add(1, Relaxed);
        let damaged = |code, why: String| {
            let message = format!("{why}; bring it back from a backup: it alone says what its job wrote");
            Problem::new(code, &key, Some(&job), message)
        };
        let outcome = match outcome {
            Ok(Some(outcome)) => outcome,
            Ok(None) => {
                self.report
                    .add(damaged(Code::OutcomeMissing, "was there and is gone".to_owned()));
                return Ok(());
            }
            Err(error) if !Self::is_of_one_object(&error) => return Err(error.into()),
            Err(LakeError::Damaged { what }) => {
                let what = what.strip_prefix(&format!("{key} ")).unwrap_or(&what).to_owned();
                self.report.add(damaged(Code::OutcomeDamaged, what));
                return Ok(());
            }
            Err(error) => {
                self.report.add(damaged(Code::OutcomeDamaged, chain(&error)));
                return Ok(());
            }
        };
        if outcome.state == State::Dead {
            self.report.outcomes.dead += 1;
            return Ok(());
        }
        self.report.outcomes.done += 1;
        if let Some(key) = counts::key_twice(&outcome) {
            self.report
                .add(damaged(Code::OutcomeDamaged, format!("has {key} twice")));
        }
        if let Some(why) = counts::fault_of(&outcome) {
            self.report
                .add(damaged(Code::OutcomeCounts, format!("its counts do not add up: {why}")));
        }
        for file in &outcome.files {
            self.add_file(&outcome, file, tables, files).await?;
        }
        for source in outcome.sources {
            let id = source.name.id();
            let of = SourceEntry::Of {
                job: job.clone(),
                name: source.name,
                version: source.version,
            };
            self.progress.sources_all.fetch_add(1, Relaxed);
            sources.push(id.as_str(), &of).map_err(VerifyError::Spill)?;
        }
        Ok(())
    }

    async fn add_file(
        &mut self,
        outcome: &Outcome,
        file: &LakeFile,
        tables: &mut Tables,
        files: &mut Sorter<FileEntry>,
    ) -> Result<(), VerifyError> {
        let mut layout = None;
        if let FileKind::Data { table, .. } = &file.kind {
            if !is_table(table) {
                let message = format!(
                    "its outcome puts it into {table:?}, which is no table; bring the outcome back from a backup"
                );
                self.report.add(Problem::new(
                    Code::OutcomeDamaged,
                    &file.key,
                    Some(&outcome.job),
                    message,
                ));
                return Ok(());
            }
            self.add_table(table, tables).await?;
            layout = tables.get(table).copied().flatten();
        }
        if let Some(why) = counts::place_fault(file, layout) {
            let message = format!("{why}; bring the outcome of its job back from a backup");
            self.report
                .add(Problem::new(Code::FileHour, &file.key, Some(&outcome.job), message));
        }
        self.progress.files_all.fetch_add(1, Relaxed);
        self.progress.bytes_all.fetch_add(file.size, Relaxed);
        let entry = FileEntry {
            job: outcome.job.clone(),
            encoder: outcome.encoder.clone(),
            size: file.size,
            sha256: file.sha256,
            kind: file.kind.clone(),
        };
        files.push(file.key.as_str(), &entry).map_err(VerifyError::Spill)
    }
}

fn outcome_name(job: &str) -> String {
    format!("{job}.json")
}

fn foreign(key: &LakeKey) -> Problem {
    let message = "is named after no job, and means nothing to a lake: move it away";
    Problem::new(Code::FileForeign, key, None, message)
}
