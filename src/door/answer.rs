//! What became of each object, and how that is told.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{Ask, Call, Wanted};
use crate::report::RecordCounts;

/// Failures named one by one in an error; callers keep about the first thousand bytes of it.
const NAMED_MAX: usize = 3;

/// What became of a wanted object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Loaded now, as far as it could be read; with its counts, where they are known.
    Loaded(Option<RecordCounts>),
    /// Loaded before, in this version.
    Already,
    /// Rightly left alone, and trying again would never help.
    Skipped {
        /// In words, for a warning.
        why: String,
    },
    /// Left alone because the caller wants it so.
    LeftOut {
        /// In words.
        why: String,
    },
    /// Not loaded.
    Failed(Failure),
}

/// Why an object is not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind, such as `Source.NotAllowed`.
    pub code: String,
    /// In words.
    pub message: String,
    /// Whether trying again may help, with nothing changed.
    pub transient: bool,
}

impl Failure {
    /// From its parts.
    pub fn new(code: impl Into<String>, message: impl Into<String>, transient: bool) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            transient,
        }
    }
}

/// What became of each object of a call. One that is missing here counts as failed.
pub type Fates = BTreeMap<Wanted, Fate>;

/// Why the object is not loaded, if it is not.
pub(super) fn failure(fates: &Fates, wanted: &Wanted) -> Option<Failure> {
    match fates.get(wanted) {
        Some(Fate::Loaded(_) | Fate::Already | Fate::Skipped { .. } | Fate::LeftOut { .. }) => None,
        Some(Fate::Failed(failure)) => Some(failure.clone()),
        None => Some(Failure::new("Source.Unfinished", "it was not come to; try again", true)),
    }
}

/// What S3 Batch Operations hear of a task: its code, and in words.
pub(super) fn of_task(ask: &Ask, fates: &Fates) -> (&'static str, String) {
    let said = |all: Vec<String>| all.join("; ");
    if !ask.unreadable.is_empty() {
        return (
            "PermanentFailure",
            said(ask.unreadable.iter().map(ToString::to_string).collect()),
        );
    }
    let failures: Vec<Failure> = ask.wanted.iter().filter_map(|wanted| failure(fates, wanted)).collect();
    if !failures.is_empty() {
        let code = match failures.iter().all(|failure| failure.transient) {
            true => "TemporaryFailure",
            false => "PermanentFailure",
        };
        let words = failures
            .iter()
            .map(|Failure { code, message, .. }| format!("{code}: {message}"));
        return (code, said(words.collect()));
    }
    let fates = ask.wanted.iter().filter_map(|wanted| fates.get(wanted));
    let words = fates.map(|fate| match fate {
        Fate::Loaded(Some(counts)) => format!(
            "records={} rows={} quarantined={} added={} dropped={}",
            counts.read, counts.rows, counts.quarantined, counts.added, counts.dropped
        ),
        Fate::Loaded(None) => "loaded".to_owned(),
        Fate::Already => "loaded before".to_owned(),
        Fate::Skipped { why } => format!("skipped: {why}"),
        Fate::LeftOut { why } => format!("left out: {why}"),
        Fate::Failed(_) => unreachable!("none failed"),
    });
    ("Succeeded", said(words.collect()))
}

/// The answer of callers that repeat a call as a whole: its numbers, or an error with what failed.
pub(super) fn whole(call: &Call, fates: &Fates, _partial_batch: bool) -> Result<Value, AnswerError> {
    if call.asks.iter().all(|ask| ask.succeeded(fates)) {
        return Ok(Tally::of(call, fates).into());
    }
    Err(AnswerError::Objects(Troubles::of(call, fates)))
}

/// A call in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Distinct objects that were wanted: the sum of the next five.
    pub objects: u64,
    /// Loaded now.
    pub loaded: u64,
    /// Loaded before.
    pub already: u64,
    /// Rightly left alone.
    pub skipped: u64,
    /// Left alone because the caller wants it so.
    #[serde(skip_serializing_if = "is_none")]
    pub left_out: u64,
    /// Not loaded.
    pub failed: u64,
    /// Messages and records that could not be read.
    pub unreadable: u64,
    /// Test events.
    pub test_events: u64,
    /// Records of other events, by event name.
    pub ignored: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts a call.
    pub fn of(call: &Call, fates: &Fates) -> Self {
        let mut tally = Self::default();
        for wanted in call.wanted() {
            tally.objects += 1;
            match fates.get(wanted) {
                Some(Fate::Loaded(_)) => tally.loaded += 1,
                Some(Fate::Already) => tally.already += 1,
                Some(Fate::Skipped { .. }) => tally.skipped += 1,
                Some(Fate::LeftOut { .. }) => tally.left_out += 1,
                Some(Fate::Failed(_)) | None => tally.failed += 1,
            }
        }
        for Ask {
            id: _,
            wanted: _,
            otherwise: _,
            ignored,
            is_test,
            unreadable,
        } in call.asks()
        {
            tally.unreadable += unreadable.len() as u64;
            tally.test_events += u64::from(*is_test);
            for (name, count) in ignored {
                *tally.ignored.entry(name.clone()).or_default() += count;
            }
        }
        tally
    }
}

impl From<Tally> for Value {
    fn from(tally: Tally) -> Self {
        serde_json::to_value(tally).expect("numbers by name are JSON")
    }
}

fn is_none(number: &u64) -> bool {
    *number == 0
}

/// A call that has to come again as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// A call of which something was not done.
    #[error("{0}")]
    Objects(Troubles),
    /// A batch in which the messages that failed cannot be named.
    #[error("{failed} of {messages} messages failed, and {why}, so all of them come again: {troubles}")]
    Batch {
        /// Messages that failed.
        failed: usize,
        /// All messages.
        messages: usize,
        /// Why they are not named.
        why: &'static str,
        /// What failed.
        troubles: Troubles,
    },
}

/// What failed in a call: how much, and the first few by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Troubles {
    objects: u64,
    failed: Vec<String>,
    unreadable: Vec<String>,
}

impl Troubles {
    /// Gathers them; empty where all is well.
    pub fn of(call: &Call, fates: &Fates) -> Self {
        let wanted = call.wanted();
        let failed = wanted.iter().filter_map(|wanted| {
            let Failure { code, message, .. } = failure(fates, wanted)?;
            Some(format!("{wanted} ({code}: {message})"))
        });
        let unreadable = call
            .asks()
            .iter()
            .flat_map(|ask| &ask.unreadable)
            .map(ToString::to_string);
        Self {
            objects: wanted.len() as u64,
            failed: failed.collect(),
            unreadable: unreadable.collect(),
        }
    }
}

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.failed.is_empty() {
            let (failed, objects) = (self.failed.len(), self.objects);
            write!(f, "{failed} of {objects} objects failed: {}", first_few(&self.failed))?;
        }
        if !self.unreadable.is_empty() {
            let between = if self.failed.is_empty() { "" } else { "; " };
            let count = self.unreadable.len();
            write!(
                f,
                "{between}not readable, {count} in all: {}",
                first_few(&self.unreadable)
            )?;
        }
        Ok(())
    }
}

fn first_few(all: &[String]) -> String {
    let named = all[..all.len().min(NAMED_MAX)].join("; ");
    match all.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::created;
    use super::*;

    fn fates(call: &Call, fates: &[Fate]) -> Fates {
        call.wanted().into_iter().cloned().zip(fates.iter().cloned()).collect()
    }

    #[test]
    fn a_notification_is_answered_with_its_numbers() {
        let call = Call::read(&created(&["a", "b", "c", "a"])).unwrap();
        let skipped = Fate::Skipped { why: "ours".into() };
        assert_eq!(
            call.answer(&fates(&call, &[Fate::Loaded(None), Fate::Already, skipped]), false)
                .unwrap(),
            json!({"objects": 3, "loaded": 1, "already": 1, "skipped": 1, "failed": 0, "unreadable": 0, "test_events": 0,
                "ignored": {}})
        );
    }

    #[test]
    fn a_notification_of_which_something_failed_is_an_error_that_names_it() {
        let failed = || Fate::Failed(Failure::new("Source.Missing", "it is gone", false));
        for (keys, of_each, expected) in [
            (
                vec!["a"],
                vec![failed()],
                "1 of 1 objects failed: s3://raw/a (Source.Missing: it is gone)",
            ),
            (
                vec!["a", "b%0A"],
                vec![Fate::Loaded(None)],
                "1 of 2 objects failed: s3://raw/b\\n (Source.Unfinished: it was not come to; try again)",
            ),
            (
                vec!["a", "b", "c", "d", "e"],
                vec![failed(), failed(), failed(), failed(), failed()],
                "5 of 5 objects failed: s3://raw/a (Source.Missing: it is gone); s3://raw/b (Source.Missing: it is gone); \
                 s3://raw/c (Source.Missing: it is gone); and 2 more",
            ),
            (
                vec!["%FF"],
                vec![],
                "not readable, 1 in all: record 1: s3.object.key decodes to bytes that are not UTF-8, and no key of S3 is such",
            ),
            (
                vec!["%FF", "a"],
                vec![failed()],
                "1 of 1 objects failed: s3://raw/a (Source.Missing: it is gone); not readable, 1 in all: \
                 record 1: s3.object.key decodes to bytes that are not UTF-8, and no key of S3 is such",
            ),
        ] {
            let call = Call::read(&created(&keys)).unwrap();
            let fates = fates(&call, &of_each);
            for partial_batch in [false, true] {
                assert_eq!(call.answer(&fates, partial_batch).unwrap_err().to_string(), expected);
            }
            let tally = Tally::of(&call, &fates);
            assert_eq!(
                tally.objects,
                tally.loaded + tally.already + tally.skipped + tally.failed
            );
        }
    }
}
