//! The front doors of the function: a payload in, named raw objects out, and at the end the answer in the caller's own
//! protocol.
//!
//! ```text
//! payload ──> door ──> asks ──> wanted ──> allowed ──> (loaded) ──> fates ──> answer
//!             told by  one a    each       raw, and    elsewhere    one an    of the
//!             shape    message  object     not the                  object    same door
//!                               once       lake
//! ```
//!
//! | door | who calls | answer |
//! | --- | --- | --- |
//! | `notification` | S3 | counts, or an error and it comes again |
//! | `topic` | SNS | the same |
//! | `bus` | EventBridge | the same |
//! | `queue` | SQS, with any of these as text of its messages | the messages that come again |
//! | `tasks` | S3 Batch Operations | a result for each task |
//! | `items` | Step Functions, a person | counts, or an error and the state is tried again |
//!
//! Nothing that was asked for is lost: what cannot be read fails its message, and an object without a fate counts as
//! failed. A door is a file and a line in `DOORS`. What asks for other work than objects is an [`Order`], and has no door;
//! records that come themselves are a [`FirehoseCall`].
//!
//! Only names are taken from an event. Size, ETag and version are those of our own GET. Knows nothing of requests, tables or
//! time; does no I/O.

mod allowed;
mod answer;
mod body;
mod bus;
mod firehose;
mod items;
mod notification;
mod order;
mod queue;
mod seen;
mod tasks;
#[cfg(test)]
mod tests;
mod topic;
mod unreadable;
mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

pub use allowed::{Allowed, AllowedError, NotAllowed, RawPrefixes};
pub use answer::{AnswerError, Failure, Fate, Fates, Tally, Troubles};
pub use firehose::{FirehoseCall, FirehoseRecord, Transformed};
pub use order::{BackfillOrder, Order, OrderError, ReconcileOrder, SweepOrder};
pub use unreadable::{RecordFault, Unreadable};
pub use wish::Wish;

use crate::s3::{KeyError, decode_key};

/// One way in.
#[derive(Debug)]
struct Door {
    name: &'static str,
    /// Its payloads in words, for the error about one that no door knows.
    shape: &'static str,
    /// Nothing where the payload has another shape.
    read: fn(&Value) -> Option<Call>,
    answer: fn(&Call, &Fates, partial_batch: bool) -> Result<Value, AnswerError>,
}

/// All ways in. The first that knows a payload takes it.
const DOORS: &[Door] = &[
    notification::DOOR,
    topic::DOOR,
    queue::DOOR,
    bus::DOOR,
    tasks::DOOR,
    items::DOOR,
];

/// One invocation: what is asked for, and of whom.
#[derive(Debug)]
pub struct Call {
    door: &'static Door,
    asks: Vec<Ask>,
    wish: Wish,
    caller: Caller,
}

/// What the caller wants to hear again in the answer.
#[derive(Debug)]
enum Caller {
    /// Nothing but the ids of messages.
    Plain,
    /// S3 Batch Operations.
    Tasks {
        version: Option<String>,
        invocation: Option<String>,
    },
}

/// What one message asks for; where a call is not made of messages, what the call asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The message's id, to be echoed. None where the caller gave none.
    pub id: Option<String>,
    /// The objects it names, each once, in its own order.
    pub wanted: Vec<Wanted>,
    /// Where the sender's way to write keys is not known for sure: what else an object may be called.
    pub otherwise: BTreeMap<Wanted, Wanted>,
    /// Records of events that are not about a new object, by event name.
    pub ignored: BTreeMap<String, u64>,
    /// It is the message that S3 sends when a notification is set up.
    pub is_test: bool,
    /// What could not be read. It fails the message; the objects beside it are wanted all the same.
    pub unreadable: Vec<Unreadable>,
}

/// A raw object that somebody wants to be loaded. Displays as `s3://bucket/key`, control characters escaped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wanted {
    /// The bucket.
    pub bucket: String,
    /// The key as S3 knows it.
    pub key: String,
}

/// A payload that no door knows. Names keys of it, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload {seen}; this function answers {known}")]
pub struct DoorError {
    seen: String,
    known: String,
}

impl Call {
    /// Finds the door by the payload's shape and reads what is asked for. What is wrong inside a known shape is in
    /// [`Ask::unreadable`], never an error here.
    pub fn read(payload: &Value) -> Result<Self, DoorError> {
        DOORS.iter().find_map(|door| (door.read)(payload)).ok_or_else(|| {
            let others = order::shapes().chain([firehose::SHAPE]);
            let known = DOORS.iter().map(|door| door.shape).chain(others);
            DoorError {
                seen: seen::keys_of(payload),
                known: known.collect::<Vec<_>>().join("; "),
            }
        })
    }

    fn of(door: &'static Door, asks: Vec<Ask>) -> Self {
        Self {
            door,
            asks,
            wish: Wish::default(),
            caller: Caller::Plain,
        }
    }

    /// The door's name, for logs, such as `notification` or `queue`.
    pub fn door(&self) -> &'static str {
        self.door.name
    }

    /// What is asked for, message by message.
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// How the objects are to be loaded.
    pub fn wish(&self) -> &Wish {
        &self.wish
    }

    /// What else the object may be called, where that is not sure.
    pub fn otherwise(&self, wanted: &Wanted) -> Option<&Wanted> {
        self.asks.iter().find_map(|ask| ask.otherwise.get(wanted))
    }

    /// Whether the caller hears of each object why it failed, also where nothing could be begun.
    pub fn has_results(&self) -> bool {
        matches!(self.caller, Caller::Tasks { .. })
    }

    /// Each object once, in the order in which they are first named.
    pub fn wanted(&self) -> Vec<&Wanted> {
        let mut seen = BTreeSet::new();
        let all = self.asks.iter().flat_map(|ask| &ask.wanted);
        all.filter(|wanted| seen.insert(*wanted)).collect()
    }

    /// The answer, once all is done that will be: a response, or an error so that the caller tries again and in the end
    /// keeps the event elsewhere. `partial_batch`: the caller reads which messages of a batch failed; otherwise one that
    /// failed fails the batch.
    pub fn answer(&self, fates: &Fates, partial_batch: bool) -> Result<Value, AnswerError> {
        (self.door.answer)(self, fates, partial_batch)
    }
}

impl Ask {
    fn want_or(&mut self, wanted: Wanted, other: Option<Wanted>) {
        self.otherwise.extend(other.map(|other| (wanted.clone(), other)));
        self.wanted.push(wanted);
    }

    /// Keeps each object once.
    fn settle(&mut self) {
        let mut seen = BTreeSet::new();
        self.wanted.retain(|wanted| seen.insert(wanted.clone()));
    }

    /// Of senders that write keys as they are, as far as is known.
    fn want_as_it_stands(&mut self, wanted: Wanted) {
        let other = wanted.form_decoded(&wanted.key);
        self.want_or(wanted, other);
    }

    /// Was all of it done, or rightly left?
    fn succeeded(&self, fates: &Fates) -> bool {
        self.unreadable.is_empty()
            && !self
                .wanted
                .iter()
                .any(|wanted| answer::failure(fates, wanted).is_some())
    }
}

impl Wanted {
    /// From its parts.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            key: key.into(),
        }
    }

    /// The same of texts from outside.
    fn checked(bucket: &str, key: &str) -> Result<Self, RecordFault> {
        if bucket.is_empty() {
            return Err(RecordFault::NoBucket);
        }
        if key.is_empty() {
            return Err(RecordFault::Key(KeyError::Empty));
        }
        Ok(Self::new(bucket, key))
    }

    /// The object that is meant if `encoded` is form-encoded, if that is another one.
    fn form_decoded(&self, encoded: &str) -> Option<Self> {
        let key = decode_key(encoded).ok()?;
        (key != self.key).then(|| Self::new(&self.bucket, key))
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "s3://{}/{}",
            seen::Printable(&self.bucket),
            seen::Printable(&self.key)
        )
    }
}
