//! The formats of a schema, tried in order.

use super::config_error::{TimeConfigError, nearest};
use super::form::{EpochUnit, TimeForm};
use super::instant::Instant;
use super::iso::{self, IsoTime, IsoZone};
use super::number::{Decimal, is_integer};
use super::pattern::Pattern;
use super::zone::Zone;
use super::{Reading, TimeError, TimeError::OutOfRange, TimeError::Unreadable, TimeValue};

/// The formats of an event time or of a timestamp column, and the zone of times written without an offset.
///
/// The first format that reads the whole value wins. Where none does, the first reason better than
/// [`TimeError::Unreadable`] is given. `{"$date": …}` and `{"$.date": …}` say themselves how they are read, so they are
/// read whatever the formats are.
#[derive(Clone, Debug)]
pub struct TimeFormats {
    formats: Vec<Format>, // never empty
    zone: Zone,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Format {
    Auto,
    Rfc3339,
    Epoch(EpochUnit),
    Pattern(Pattern),
}

const NAMED: [(&str, Format); 6] = [
    ("auto", Format::Auto),
    ("rfc3339", Format::Rfc3339),
    ("epoch_s", Format::Epoch(EpochUnit::Seconds)),
    ("epoch_ms", Format::Epoch(EpochUnit::Millis)),
    ("epoch_us", Format::Epoch(EpochUnit::Micros)),
    ("epoch_ns", Format::Epoch(EpochUnit::Nanos)),
];

impl TimeFormats {
    /// What a schema that names neither gets: `auto`, in UTC.
    #[must_use]
    pub fn auto_utc() -> Self {
        Self {
            formats: vec![Format::Auto],
            zone: Zone::Utc,
        }
    }

    /// `formats` as in the schema: `auto`, `rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`, or a strftime pattern
    /// (anything with a `%`). `timezone` is an IANA name.
    ///
    /// # Errors
    /// An empty list, an unknown format or zone, and a pattern that could never name an instant.
    pub fn parse(formats: &[&str], timezone: &str) -> Result<Self, TimeConfigError> {
        if formats.is_empty() {
            return Err(TimeConfigError::Empty);
        }
        let formats = formats
            .iter()
            .map(|format| Format::parse(format))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            formats,
            zone: Zone::parse(timezone)?,
        })
    }

    /// Whether an `epoch_*` format is named. `auto` names none, although it reads numbers.
    #[must_use]
    pub fn has_epoch(&self) -> bool {
        self.formats.iter().any(|format| matches!(format, Format::Epoch(_)))
    }

    /// The instant a value names.
    ///
    /// # Errors
    /// [`TimeError::Unreadable`] if no format reads the whole value; [`TimeError::OutOfRange`] or
    /// [`TimeError::Nonexistent`], whichever came first, if one reads it and the instant is none we can keep.
    #[inline]
    pub fn read(&self, value: &TimeValue<'_>) -> Result<Reading, TimeError> {
        match *value {
            TimeValue::DateText(text) => iso_as(TimeForm::DateIso, text, self.zone),
            TimeValue::DotDateText(text) => iso_as(TimeForm::DotDateIso, text, self.zone),
            TimeValue::DateMillis(token) => number_as(TimeForm::DateMs, EpochUnit::Millis, Decimal::of_token(token)),
            TimeValue::DotDateSeconds(token) => {
                number_as(TimeForm::DotDateS, EpochUnit::Seconds, Decimal::of_token(token))
            }
            TimeValue::Text(text) => self.first(|format| format.read_text(text, self.zone)),
            TimeValue::Number(token) => self.first(|format| format.read_number(token, self.zone)),
        }
    }

    #[inline]
    fn first(&self, read: impl Fn(&Format) -> Result<Reading, TimeError>) -> Result<Reading, TimeError> {
        let mut reason = Unreadable;
        for format in &self.formats {
            match read(format) {
                Ok(reading) => return Ok(reading),
                Err(error) if reason == Unreadable => reason = error,
                Err(_) => {}
            }
        }
        Err(reason)
    }
}

impl Format {
    fn parse(format: &str) -> Result<Self, TimeConfigError> {
        if let Some((_, named)) = NAMED.into_iter().find(|(name, _)| *name == format) {
            return Ok(named);
        }
        if format.contains('%') {
            return Pattern::parse(format)
                .map(Self::Pattern)
                .map_err(|problem| TimeConfigError::BadPattern {
                    pattern: format.to_owned(),
                    problem,
                });
        }
        let names = NAMED.iter().map(|(name, _)| (*name, *name));
        let nearest = nearest(format, (format.len() / 3).min(2), names);
        Err(TimeConfigError::UnknownFormat {
            format: format.to_owned(),
            nearest,
        })
    }

    #[inline]
    fn read_text(&self, text: &str, zone: Zone) -> Result<Reading, TimeError> {
        match self {
            Self::Auto => {
                let text = text.trim();
                if let Some(time) = iso::read(text.as_bytes()) {
                    return iso_reading(time, zone);
                }
                let (instant, unit) = Decimal::of_telling_text(text)
                    .ok_or(Unreadable)?
                    .instant_by_magnitude()?;
                Ok(Reading {
                    instant,
                    form: TimeForm::of_number(unit, true),
                    ambiguous: false,
                })
            }
            Self::Rfc3339 => match iso::read(text.as_bytes()) {
                Some(time) if time.has_seconds && time.zone != IsoZone::None => iso_reading(time, zone),
                _ => Err(Unreadable),
            },
            Self::Epoch(unit) => number_as(TimeForm::of_number(*unit, true), *unit, Decimal::of_text(text)),
            Self::Pattern(pattern) => pattern_reading(pattern, text, zone),
        }
    }

    #[inline]
    fn read_number(&self, token: &str, zone: Zone) -> Result<Reading, TimeError> {
        match self {
            Self::Auto => {
                let (instant, unit) = Decimal::of_token(token).ok_or(Unreadable)?.instant_by_magnitude()?;
                Ok(Reading {
                    instant,
                    form: TimeForm::of_number(unit, false),
                    ambiguous: false,
                })
            }
            Self::Rfc3339 => Err(Unreadable),
            Self::Epoch(unit) => number_as(TimeForm::of_number(*unit, false), *unit, Decimal::of_token(token)),
            // 20191012 is a date to `%Y%m%d` with quotes and without. Other tokens have more than one spelling (2e7, 2.0).
            Self::Pattern(pattern) if is_integer(token) => pattern_reading(pattern, token, zone),
            Self::Pattern(_) => Err(Unreadable),
        }
    }
}

#[inline]
fn iso_reading(time: IsoTime, zone: Zone) -> Result<Reading, TimeError> {
    let (instant, form, ambiguous) = match time.zone {
        IsoZone::None => {
            let (instant, ambiguous) = zone.instant(time.local_seconds, time.nanos)?;
            (instant, TimeForm::Iso, ambiguous)
        }
        IsoZone::Z => (
            Instant::new(time.local_seconds, time.nanos).ok_or(OutOfRange)?,
            TimeForm::IsoZoned,
            false,
        ),
        IsoZone::Offset(offset) => {
            let seconds = time.local_seconds - i64::from(offset);
            (
                Instant::new(seconds, time.nanos).ok_or(OutOfRange)?,
                TimeForm::IsoZoned,
                false,
            )
        }
    };
    Ok(Reading {
        instant,
        form,
        ambiguous,
    })
}

/// Calendar text as `auto` reads it, counted as `form`.
fn iso_as(form: TimeForm, text: &str, zone: Zone) -> Result<Reading, TimeError> {
    let time = iso::read(text.trim().as_bytes()).ok_or(Unreadable)?;
    Ok(Reading {
        form,
        ..iso_reading(time, zone)?
    })
}

fn number_as(form: TimeForm, unit: EpochUnit, number: Option<Decimal<'_>>) -> Result<Reading, TimeError> {
    let instant = number.ok_or(Unreadable)?.instant(unit)?;
    Ok(Reading {
        instant,
        form,
        ambiguous: false,
    })
}

fn pattern_reading(pattern: &Pattern, text: &str, zone: Zone) -> Result<Reading, TimeError> {
    let (instant, ambiguous) = pattern.read(text, zone)?;
    Ok(Reading {
        instant,
        form: TimeForm::Pattern,
        ambiguous,
    })
}

#[cfg(test)]
mod tests;
