//! What a sweep found and did.

use serde::Serialize;

use crate::load::chain;

/// The version of the report's form.
const VERSION: u32 = 1;
/// Failures that are kept with all their words; of more only the number is.
pub const FAILED_MAX: usize = 1_000;

/// What a sweep found and did, or would do. Stable: fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    version: u32,
    verb: &'static str,
    /// The lake.
    pub lake: String,
    /// The exit code of the process.
    pub exit: u8,
    /// Nothing was written: all numbers are of what would be done.
    pub dry_run: bool,
    /// Jobs that had an intent.
    pub jobs: JobCounts,
    /// Files of dead jobs that were deleted where they were still there.
    pub files: u64,
    /// Open uploads; in a folder also what killed processes left of single objects.
    pub uploads: UploadCounts,
    /// What could not be brought to an end: the first [`FAILED_MAX`].
    pub failed: Vec<Failed>,
    /// Failures beyond these.
    pub failed_more: u64,
}

/// Jobs that had an intent, by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JobCounts {
    /// All of them.
    pub found: u64,
    /// Had no outcome: were brought to their end now.
    pub settled: u64,
    /// Are done.
    pub done: u64,
    /// Are dead.
    pub dead: u64,
    /// Had an intent that was old, and is dropped.
    pub dropped: u64,
}

/// Open uploads by what becomes of them: `found` is the sum of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UploadCounts {
    /// All of them.
    pub found: u64,
    /// Old, and of no job: thrown away.
    pub aborted: u64,
    /// Of a job that is open: its intent names them.
    pub named: u64,
    /// Younger than seven days: may be of a worker that is still at it.
    pub young: u64,
    /// Of others, who write below the same prefix.
    pub foreign: u64,
    /// Old, and could not be thrown away, or not be judged.
    pub failed: u64,
    /// Why they could not be listed, if they could not.
    pub not_listed: Option<String>,
}

/// What could not be brought to an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The intent of the job, or the key of the upload.
    pub key: String,
    /// Why, and what to do.
    pub message: String,
    /// Whether sweeping again may help.
    pub transient: bool,
}

impl Report {
    pub(super) fn new(lake: String, dry_run: bool) -> Self {
        Self {
            version: VERSION,
            verb: "sweep",
            lake,
            exit: 0,
            dry_run,
            jobs: JobCounts::default(),
            files: 0,
            uploads: UploadCounts::default(),
            failed: Vec::new(),
            failed_more: 0,
        }
    }

    pub(super) fn add_failed(&mut self, key: &impl ToString, error: &dyn std::error::Error, transient: bool) {
        if self.failed.len() >= FAILED_MAX {
            self.failed_more += 1;
            return;
        }
        self.failed.push(Failed {
            key: key.to_string(),
            message: chain(error),
            transient,
        });
    }

    pub(super) fn end(&mut self) {
        self.exit = u8::from(!self.failed.is_empty());
        // Several are settled at a time.
        self.failed.sort_by(|one, next| one.key.cmp(&next.key));
    }

    /// Something failed that may succeed when the lake is swept again.
    pub fn is_worth_repeating(&self) -> bool {
        self.failed.iter().any(|failed| failed.transient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn more_failures_than_are_kept_are_counted() {
        let mut report = Report::new("lake".into(), false);
        report.end();
        assert_eq!((report.exit, report.is_worth_repeating()), (0, false));
        for n in (0..FAILED_MAX + 7).rev() {
            let error = StoreError::new("write", n, n == 500, "because");
            report.add_failed(&format!("{n:05}"), &error, error.is_transient());
        }
        report.end();
        assert_eq!(
            (report.exit, report.failed.len(), report.failed_more),
            (1, FAILED_MAX, 7)
        );
        assert!(report.is_worth_repeating() && report.failed.is_sorted_by_key(|failed| failed.key.clone()));
        assert_eq!(report.failed[3].message, "write 10: because");
    }
}
