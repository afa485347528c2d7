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
//! Nothing that was asked for is lost: what cannot be read fails its message, and an object without a fate counts as
//! failed. A door is a file and a line in `DOORS`. What asks for other work than objects is an [`Order`], and has no door.
//!
//! Only names are taken from an event. Size, ETag and version are those of our own GET. Knows nothing of requests, tables or
//! time; does no I/O.

mod allowed;
mod answer;
mod notification;
mod order;
mod queue;
mod seen;
#[cfg(test)]
mod tests;
mod unreadable;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

pub use allowed::{Allowed, AllowedError, NotAllowed, RawPrefixes};
pub use answer::{AnswerError, Failure, Fate, Fates, Tally, Troubles};
pub use order::{Order, OrderError, ReconcileOrder, SweepOrder};
pub use unreadable::{RecordFault, Unreadable};

/// One way in.
#[derive(Debug)]
struct Door {
    name: &'static str,
    /// Its payloads in words, for the error about one that no door knows.
    shape: &'static str,
    /// Nothing where the payload has another shape.
    read: fn(&Value) -> Option<Vec<Ask>>,
    answer: fn(&Call, &Fates, partial_batch: bool) -> Result<Value, AnswerError>,
}

/// All ways in. The first that knows a payload takes it.
const DOORS: &[Door] = &[notification::DOOR, queue::DOOR];

/// One invocation: what is asked for, and of whom.
#[derive(Debug)]
pub struct Call {
    door: &'static Door,
    asks: Vec<Ask>,
}

/// What one message asks for; where a call is not made of messages, what the call asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The message's id, to be echoed. None where the caller gave none.
    pub id: Option<String>,
    /// The objects it names, each once, in its own order.
    pub wanted: Vec<Wanted>,
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
        let through = |door: &'static Door| (door.read)(payload).map(|asks| Self { door, asks });
        DOORS.iter().find_map(through).ok_or_else(|| {
            let known = DOORS.iter().map(|door| door.shape).chain(order::shapes());
            DoorError {
                seen: seen::keys_of(payload),
                known: known.collect::<Vec<_>>().join(", and "),
            }
        })
    }

    /// The door's name, for logs: `notification` or `queue`.
    pub fn door(&self) -> &'static str {
        self.door.name
    }

    /// What is asked for, message by message.
    pub fn asks(&self) -> &[Ask] {
        &self.asks
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
    /// Was all of it done, or rightly left?
    fn succeeded(&self, fates: &Fates) -> bool {
        self.unreadable.is_empty()
            && !self
                .wanted
                .iter()
                .any(|wanted| answer::failure(fates, wanted).is_some())
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
