//! What was found missing, and what became of it.

use serde::Serialize;

use crate::job::identity::JobId;
use crate::load::chain;
use crate::report::Summary;
use crate::source::listing::Source;

/// The version of the report's form.
const VERSION: u32 = 1;
/// Entries of each list that are kept; of more only the number is.
pub const LISTED_MAX: usize = 1_000;

/// What was found, and done about it. Stable: fields are added, never changed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    version: u32,
    verb: &'static str,
    /// The lake.
    pub lake: String,
    /// The exit code of the process.
    pub exit: u8,
    /// Raw objects as they were found.
    pub sources: SourceCounts,
    /// What is in the lake in no present version: the first [`LISTED_MAX`], by name.
    pub missing: Vec<Missing>,
    /// Missing ones beyond these.
    pub missing_more: u64,
    /// Outcomes, intents and claims that could not be read: what they have may be among the missing. The first [`LISTED_MAX`].
    pub unread: Vec<Unread>,
    /// Those beyond these.
    pub unread_more: u64,
    /// What loading came to, if what is missing was loaded.
    pub load: Option<Summary>,
}

/// Raw objects: `found` is the sum of the next four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourceCounts {
    /// Listed and selected.
    pub found: u64,
    /// In a done job, in this version.
    pub loaded: u64,
    /// In no job.
    pub never: u64,
    /// In a done job in another version.
    pub overwritten: u64,
    /// In a job that has not ended.
    pub open: u64,
    /// Bytes as stored, of those that are not loaded.
    pub missing_bytes: u64,
    /// Passed over because of their names.
    pub hidden: u64,
    /// Left out by the selection.
    pub unselected: u64,
}

impl SourceCounts {
    /// Those that are not loaded.
    pub fn missing(&self) -> u64 {
        self.never + self.overwritten + self.open
    }
}

/// Why an object is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// No job has it.
    Never,
    /// A done job has another version of it.
    Overwritten,
    /// A job has it that has not ended: it is at work, or was stopped.
    Open,
}

/// An object that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its name.
    pub source: String,
    /// Bytes as stored.
    pub bytes: u64,
    /// Why.
    pub why: Why,
    /// The job that has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

/// A record of the lake that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// Its key.
    pub key: String,
    /// Why, and what to do.
    pub message: String,
}

impl Report {
    pub(super) fn new(lake: String) -> Self {
        Self {
            version: VERSION,
            verb: "reconcile",
            lake,
            exit: 0,
            sources: SourceCounts::default(),
            missing: Vec::new(),
            missing_more: 0,
            unread: Vec::new(),
            unread_more: 0,
            load: None,
        }
    }

    pub(super) fn add_missing(&mut self, source: &Source, why: Why, job: Option<JobId>) {
        let Source { name, version } = source;
        let counted = match why {
            Why::Never => &mut self.sources.never,
            Why::Overwritten => &mut self.sources.overwritten,
            Why::Open => &mut self.sources.open,
        };
        *counted += 1;
        self.sources.missing_bytes += version.size;
        if self.missing.len() >= LISTED_MAX {
            self.missing_more += 1;
            return;
        }
        self.missing.push(Missing {
            source: name.to_string(),
            bytes: version.size,
            why,
            job,
        });
    }

    pub(super) fn add_unread(&mut self, key: &impl ToString, error: &dyn std::error::Error) {
        if self.unread.len() >= LISTED_MAX {
            self.unread_more += 1;
            return;
        }
        self.unread.push(Unread {
            key: key.to_string(),
            message: chain(error),
        });
    }

    /// Sets the exit code: 0 where nothing is missing, or all of it was loaded whole.
    pub(super) fn end(&mut self) {
        let failed = match &self.load {
            None => self.sources.missing() > 0,
            Some(summary) => !summary.failed.is_empty(),
        };
        self.exit = u8::from(failed || !self.unread.is_empty());
        if let Some(summary) = &mut self.load {
            summary.exit = self.exit;
        }
    }

    /// What is missing could not all be loaded, and may be when it is tried again.
    pub fn is_worth_repeating(&self) -> bool {
        let failed = self.load.iter().flat_map(|summary| &summary.failed);
        failed.into_iter().any(|failed| failed.transient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::identity::{SourceName, Version};

    #[test]
    fn more_than_is_kept_is_counted() {
        let mut report = Report::new("lake".into());
        report.end();
        assert_eq!(report.exit, 0);
        for n in 0..LISTED_MAX + 7 {
            let version = Version {
                etag: "x".into(),
                size: 10,
                last_modified_s: 0,
            };
            let name = SourceName::in_bucket("raw", format!("{n:05}"));
            report.add_missing(&Source { name, version }, Why::Never, None);
        }
        report.end();
        assert_eq!(
            (report.exit, report.missing.len(), report.missing_more),
            (1, LISTED_MAX, 7)
        );
        assert_eq!(
            (report.sources.missing(), report.sources.missing_bytes),
            (1_007, 10_070)
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            json["missing"][1],
            serde_json::json!({"source": "s3://raw/00001", "bytes": 10, "why": "never"})
        );
    }
}
