//! What verifying a lake found: counts of what is proved, and problems.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::job::identity::JobId;

/// The version of the report's form.
const VERSION: u32 = 1;
/// Problems that are kept with all their words; of more only the number is.
pub const PROBLEMS_MAX: usize = 1_000;

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $text:literal,)+) => {
        /// What kind of problem. A code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $code,)+
        }

        impl Code {
            /// The code as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text),+ }
            }
        }
    };
}

codes! {
    /// A file of a done job is not there.
    FileMissing = "File.Missing",
    /// It has another size than its outcome says.
    FileSize = "File.Size",
    /// It has other bytes.
    FileChecksum = "File.Checksum",
    /// It cannot be read.
    FileUnreadable = "File.Unreadable",
    /// It does not open as what it should be: Parquet, or gzip of JSON objects.
    FileFormat = "File.Format",
    /// It has another number of rows or entries.
    FileRows = "File.Rows",
    /// Folder, recorded hour and event times of its rows disagree.
    FileHour = "File.Hour",
    /// Its footer names another job, table or encoder.
    FileFooter = "File.Footer",
    /// Its job is done and made no such file.
    FileUnlisted = "File.Unlisted",
    /// Its job is dead.
    FileLeftOver = "File.LeftOver",
    /// Its job has an outcome no more.
    FileNoOutcome = "File.NoOutcome",
    /// No job of this lake made it.
    FileForeign = "File.Foreign",
    /// Files of a job are visible, and it is not finished.
    JobUnfinished = "Job.Unfinished",
    /// A claim names a job without outcome and intent.
    OutcomeMissing = "Outcome.Missing",
    /// An outcome cannot be read, or contradicts itself.
    OutcomeDamaged = "Outcome.Damaged",
    /// Its counts do not add up.
    OutcomeCounts = "Outcome.Counts",
    /// A source is in two done jobs.
    SourceTwice = "Source.Twice",
    /// A source of a done job has no claim.
    ClaimMissing = "Claim.Missing",
    /// A claim does not name the job that has its source, or is no claim.
    ClaimWrong = "Claim.Wrong",
    /// The record of a table is not there, or makes no sense.
    TableRecord = "Table.Record",
}

/// Something that is not as the outcomes say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind.
    pub code: Code,
    /// The object of the lake that it is about.
    pub key: String,
    /// The job, where it is about one.
    pub job: Option<JobId>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Problem {
    pub(super) fn new(code: Code, key: impl ToString, job: Option<&JobId>, message: impl Into<String>) -> Self {
        Self {
            code,
            key: key.to_string(),
            job: job.cloned(),
            message: message.into(),
        }
    }
}

/// Outcomes by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutcomeCounts {
    /// Their files count.
    pub done: u64,
    /// None of their files counts.
    pub dead: u64,
}

/// What is in the lake and is as its outcomes say, and what is not. Stable: fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    version: u32,
    verb: &'static str,
    /// The lake.
    pub lake: String,
    /// The exit code of the process.
    pub exit: u8,
    /// Keys and sizes alone were looked at.
    pub quick: bool,
    /// Outcomes that could be read.
    pub outcomes: OutcomeCounts,
    /// Jobs with an intent and without an outcome.
    pub unfinished: u64,
    /// Sources of done jobs that are in one job, and have their claim.
    pub sources: u64,
    /// Files of done jobs that are as their outcomes say, quarantine files too.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Of these: rows whose event time is in no column. The first and last one of their file are in its footer.
    pub rows_by_footer: u64,
    /// Quarantine entries in them.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// What is wrong: the first [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// Problems beyond these.
    pub problems_more: u64,
    /// All problems by code.
    pub codes: BTreeMap<Code, u64>,
}

impl Report {
    pub(super) fn new(lake: String, quick: bool) -> Self {
        Self {
            version: VERSION,
            verb: "verify",
            lake,
            exit: 0,
            quick,
            outcomes: OutcomeCounts::default(),
            unfinished: 0,
            sources: 0,
            files: 0,
            rows: 0,
            rows_by_footer: 0,
            entries: 0,
            bytes: 0,
            problems: Vec::new(),
            problems_more: 0,
            codes: BTreeMap::new(),
        }
    }

    /// Nothing is wrong.
    pub fn is_proved(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn add(&mut self, problem: Problem) {
        *self.codes.entry(problem.code).or_default() += 1;
        match self.is_full() {
            true => self.problems_more += 1,
            false => self.problems.push(problem),
        }
    }

    /// So much is wrong that no more of it is kept.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() >= PROBLEMS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_problems_than_are_kept_are_counted() {
        let mut report = Report::new("lake".into(), false);
        assert!(report.is_proved());
        for n in 0..PROBLEMS_MAX + 7 {
            let code = if n % 2 == 0 {
                Code::FileMissing
            } else {
                Code::FileForeign
            };
            report.add(Problem::new(code, n, None, "is not there"));
        }
        assert!(!report.is_proved() && report.problems.len() == PROBLEMS_MAX && report.problems_more == 7);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["codes"]["File.Missing"], 504);
        assert_eq!(json["problems"][1]["code"], Code::FileForeign.as_str());
        assert_eq!(json["problems"][1]["job"], serde_json::Value::Null);
    }
}
