//! Times in a pattern of the schema, `%d/%b/%Y:%H:%M:%S %z`: chrono's strftime, which must read the whole text.
//!
//! As in chrono, numbers may have fewer digits than they are printed with (`%m` reads `7`), white space is skipped before
//! them, `%s` counts seconds since the epoch (none before it), and `%Z` is passed over: only `%z` moves the time. Different
//! from chrono:
//!
//! - Without a time of day it is 00:00:00, with hours alone minute 0.
//! - Second 60 is refused, as everywhere in event times.
//! - `%f` after a point is a decimal fraction, as `%.f` is and as other languages read it. chrono takes it for a count of
//!   nanoseconds, by which `22.178` would be 178 ns after the second. Other lone `%f` are refused.

use std::fmt::Write;

use chrono::format::{Fixed, Item, Numeric, ParseErrorKind, Parsed, StrftimeItems, parse};
use chrono::{DateTime, NaiveTime, Timelike};

use super::config_error::PatternProblem;
use super::instant::Instant;
use super::zone::Zone;
use super::{TimeError, TimeError::OutOfRange};

/// A pattern that reads a whole date, and a whole time of day or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pattern {
    items: Vec<Item<'static>>,
}

/// What a text says in the pattern's terms: seconds since 1970-01-01T00:00:00 on a clock that is `offset` seconds east
/// of UTC, or the clock of the schema's zone.
struct PatternTime {
    seconds: i64,
    nanos: u32,
    offset: Option<i32>,
}

/// Why a text is no time in the pattern; which of the first two is of interest only while the pattern is checked.
enum Failure {
    NoWholeDate,
    NoWholeTime,
    Text,
    Range,
}

impl Pattern {
    pub(super) fn parse(pattern: &str) -> Result<Self, PatternProblem> {
        let items = StrftimeItems::new(pattern)
            .parse_to_owned()
            .map_err(|_| PatternProblem::UnknownSpecifier(unknown_specifier(pattern)))?;
        let pattern = Self {
            items: with_decimal_fractions(items)?,
        };
        // What it prints for some time of day after noon, of a day after the twelfth, it must be able to read.
        let sample = DateTime::from_timestamp(1_577_227_598, 123_456_789).expect("2019-12-24T22:46:38Z is a time");
        let mut text = String::new();
        write!(text, "{}", sample.format_with_items(pattern.items.iter())).map_err(|_| PatternProblem::NotReadable)?;
        match pattern.time(&text) {
            Ok(_) => Ok(pattern),
            Err(Failure::NoWholeDate) => Err(PatternProblem::NoWholeDate),
            Err(Failure::NoWholeTime) => Err(PatternProblem::NoWholeTime),
            Err(Failure::Text | Failure::Range) => Err(PatternProblem::NotReadable),
        }
    }

    /// The instant, and whether its local time occurs twice in `zone`.
    pub(super) fn read(&self, text: &str, zone: Zone) -> Result<(Instant, bool), TimeError> {
        match self.time(text) {
            Ok(PatternTime {
                seconds,
                nanos,
                offset: None,
            }) => zone.instant(seconds, nanos),
            Ok(PatternTime {
                seconds,
                nanos,
                offset: Some(offset),
            }) => {
                let instant = Instant::new(seconds - i64::from(offset), nanos).ok_or(OutOfRange)?;
                Ok((instant, false))
            }
            Err(Failure::Range) => Err(OutOfRange),
            Err(Failure::NoWholeDate | Failure::NoWholeTime | Failure::Text) => Err(TimeError::Unreadable),
        }
    }

    fn time(&self, text: &str) -> Result<PatternTime, Failure> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, self.items.iter()).map_err(|error| {
            // A count of seconds that no i64 holds; any other number too large is a month 13.
            let counts_seconds = self
                .items
                .iter()
                .any(|item| matches!(item, Item::Numeric(Numeric::Timestamp, _)));
            if counts_seconds && error.kind() == ParseErrorKind::OutOfRange {
                Failure::Range
            } else {
                Failure::Text
            }
        })?;
        // 23:59 is the farthest an offset goes, as in calendar text.
        if parsed.offset().is_some_and(|offset| offset.abs() >= 86_400) {
            return Err(Failure::Text);
        }
        if parsed.timestamp().is_some() {
            return counted_time(&parsed);
        }
        let date = parsed
            .to_naive_date()
            .map_err(|error| match (error.kind(), parsed.year()) {
                (ParseErrorKind::NotEnough, _) => Failure::NoWholeDate,
                (ParseErrorKind::OutOfRange, Some(year)) if !(0..10_000).contains(&year) => Failure::Range,
                _ => Failure::Text,
            })?;
        let local = date.and_time(time_of_day(&mut parsed)?).and_utc();
        Ok(PatternTime {
            seconds: local.timestamp(),
            nanos: local.timestamp_subsec_nanos(),
            offset: parsed.offset(),
        })
    }
}

/// Of a pattern with `%s`: seconds in UTC, with which all other fields have to agree.
fn counted_time(parsed: &Parsed) -> Result<PatternTime, Failure> {
    let offset = parsed.offset().unwrap_or(0);
    let local = parsed
        .to_naive_datetime_with_offset(offset)
        .map_err(|error| match error.kind() {
            ParseErrorKind::OutOfRange => Failure::Range,
            _ => Failure::Text,
        })?;
    if is_leap_second(local.time()) {
        return Err(Failure::Text);
    }
    let local = local.and_utc();
    Ok(PatternTime {
        seconds: local.timestamp(),
        nanos: local.timestamp_subsec_nanos(),
        offset: Some(offset),
    })
}

fn time_of_day(parsed: &mut Parsed) -> Result<NaiveTime, Failure> {
    let has_hour = parsed.hour_div_12().is_some() || parsed.hour_mod_12().is_some();
    let has_second = parsed.second().is_some() || parsed.nanosecond().is_some();
    if parsed.minute().is_none() && !has_second {
        if !has_hour {
            return Ok(NaiveTime::MIN);
        }
        parsed.set_minute(0).map_err(|_| Failure::Text)?;
    }
    let time = parsed.to_naive_time().map_err(|error| match error.kind() {
        ParseErrorKind::NotEnough => Failure::NoWholeTime,
        _ => Failure::Text,
    })?;
    if is_leap_second(time) {
        Err(Failure::Text)
    } else {
        Ok(time)
    }
}

/// chrono keeps second 60 as second 59 and a billion nanoseconds more.
fn is_leap_second(time: NaiveTime) -> bool {
    time.nanosecond() >= 1_000_000_000
}

/// Makes `.%f` what `%.f` is, and refuses any other `%f`.
fn with_decimal_fractions(items: Vec<Item<'static>>) -> Result<Vec<Item<'static>>, PatternProblem> {
    let mut out: Vec<Item<'static>> = Vec::with_capacity(items.len());
    for item in items {
        if !matches!(item, Item::Numeric(Numeric::Nanosecond, _)) {
            out.push(item);
            continue;
        }
        let before = match out.last() {
            Some(Item::OwnedLiteral(literal)) => literal.strip_suffix('.').map(str::to_owned),
            Some(Item::Literal(literal)) => literal.strip_suffix('.').map(str::to_owned),
            _ => None,
        };
        let before = before.ok_or(PatternProblem::BareFraction)?;
        out.pop();
        out.push(Item::OwnedLiteral(before.into_boxed_str()));
        out.push(Item::Fixed(Fixed::Nanosecond));
    }
    Ok(out)
}

/// The first specifier that does not exist, up to its letter.
fn unknown_specifier(pattern: &str) -> String {
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("%%") {
            rest = after;
            continue;
        }
        let flags = rest[1..].find(|c: char| !matches!(c, '-' | '_' | '.' | ':' | '#' | '0'..='9'));
        let end = flags.map_or(rest.len(), |flags| {
            1 + flags + rest[1 + flags..].chars().next().map_or(0, char::len_utf8)
        });
        if StrftimeItems::new(&rest[..end]).any(|item| item == Item::Error) {
            return rest[..end].to_owned();
        }
        rest = &rest[end..];
    }
    pattern.to_owned()
}

#[cfg(test)]
mod tests;
