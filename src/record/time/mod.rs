//! When a record happened: a JSON value is read as one instant, or refused with a reason.
//!
//! ```text
//! "2019-10-12T04:37:22+02:00" ──┐
//! "2019-10-12 02:37:22"  (UTC) ─┤
//! 1570847842                   ─┼─> Instant 2019-10-12T02:37:22Z
//! {"$date": 1570847842000}     ─┤
//! "12/Oct/2019:02:37:22" (own) ─┘
//! ```
//!
//! - Exact: digits are read as written, never through a float. What is finer than a nanosecond is cut toward the past.
//! - Nothing is assumed: no default date, no clamping to a valid date, no nearby hour where a local time does not exist.
//! - An instant lies within the years 0001 to 9999 (UTC); everything else is [`TimeError::OutOfRange`].
//!
//! Knows nothing of JSON syntax, schemas or partitions: the caller has found the value and unescaped its text, and makes
//! of the instant what it needs. Reads no clock.
//!
//! The steps: [`TimeFormats`] tries its formats in order; `iso` reads calendar text, `number` counts since the epoch,
//! `pattern` a strftime pattern; `zone` takes local times to UTC; `date` is for columns that hold a day only.

pub(crate) mod civil;
mod config_error;
mod date;
mod form;
mod formats;
mod instant;
mod iso;
mod number;
mod pattern;
mod zone;

pub use config_error::{PatternProblem, TimeConfigError};
pub use date::read_date;
pub use form::{EpochUnit, TimeForm};
pub use formats::TimeFormats;
pub use instant::Instant;

/// A JSON value that may be a time. Text is the string's content, unescaped; a number is its token, byte for byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeValue<'a> {
    /// A string.
    Text(&'a str),
    /// A number.
    Number(&'a str),
    /// `{"$date": "..."}`: the string.
    DateText(&'a str),
    /// `{"$date": number}` or `{"$date": {"$numberLong": "..."}}`: the number in milliseconds.
    DateMillis(&'a str),
    /// `{"$.date": "..."}`: the string.
    DotDateText(&'a str),
    /// `{"$.date": number}`: the number in seconds.
    DotDateSeconds(&'a str),
}

/// A value that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// When it was.
    pub instant: Instant,
    /// What it was written as.
    pub form: TimeForm,
    /// The local time occurs twice in its zone (clocks went back); `instant` is the earlier one.
    pub ambiguous: bool,
}

/// Why a value is not an instant. The messages hold nothing of the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TimeError {
    /// No format reads the whole value.
    #[error("not a time in any of the formats given; add the format it is written in to `formats`")]
    Unreadable,
    /// Read, but outside the years 0001 to 9999, or guessed to be nanoseconds and beyond 64 bits.
    #[error("outside the years 0001 to 9999; if the unit was guessed wrong, name it in `formats`, such as epoch_ms")]
    OutOfRange,
    /// A local time which the clocks of its zone skipped.
    #[error("a local time that does not occur in its time zone, where clocks went forward; check `timezone`")]
    Nonexistent,
}

#[cfg(test)]
mod properties;
