//! Local times of a named time zone, taken to UTC.

use chrono::{DateTime, LocalResult, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::config_error::{TimeConfigError, nearest};
use super::instant::Instant;
use super::{TimeError, TimeError::OutOfRange};

/// The zone of times written without an offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Zone {
    /// Needs no table: nearly all tables have it.
    Utc,
    Named(Tz),
}

impl Zone {
    /// Of an IANA name, in its exact spelling.
    pub(super) fn parse(name: &str) -> Result<Self, TimeConfigError> {
        match name.parse::<Tz>() {
            Ok(Tz::UTC | Tz::Etc__UTC) => Ok(Self::Utc),
            Ok(zone) => Ok(Self::Named(zone)),
            Err(_) => Err(TimeConfigError::UnknownZone {
                zone: name.to_owned(),
                nearest: nearest_zone(name),
            }),
        }
    }

    /// The instant of a local time, and whether the local time occurs twice; then it is the earlier instant.
    /// `local_seconds` counts from 1970-01-01T00:00:00 on the zone's clock.
    #[inline]
    pub(super) fn instant(self, local_seconds: i64, nanos: u32) -> Result<(Instant, bool), TimeError> {
        let (seconds, ambiguous) = match self {
            Self::Utc => (local_seconds, false),
            Self::Named(zone) => seconds_in(zone, local_seconds)?,
        };
        Ok((Instant::new(seconds, nanos).ok_or(OutOfRange)?, ambiguous))
    }
}

fn seconds_in(zone: Tz, local_seconds: i64) -> Result<(i64, bool), TimeError> {
    let local = DateTime::from_timestamp(local_seconds, 0)
        .ok_or(OutOfRange)?
        .naive_utc();
    let seconds = |offset: <Tz as TimeZone>::Offset| local_seconds - i64::from(offset.fix().local_minus_utc());
    match zone.offset_from_local_datetime(&local) {
        LocalResult::Single(offset) => Ok((seconds(offset), false)),
        LocalResult::Ambiguous(one, other) => Ok((seconds(one).min(seconds(other)), true)),
        LocalResult::None => Err(TimeError::Nonexistent),
    }
}

/// The known zone most like `name`, which may also be a city alone. Short names are not guessed at: PST is not EST.
fn nearest_zone(name: &str) -> Option<String> {
    let spelling_errors_max = if name.len() > 4 { name.len() / 4 } else { 0 };
    let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
    let city = |zone: &'static str| zone.rsplit_once('/').map_or(zone, |(_, city)| city);
    nearest(name, spelling_errors_max, names().map(|zone| (zone, zone)))
        .or_else(|| nearest(name, spelling_errors_max, names().map(|zone| (city(zone), zone))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `local` as `2019-10-27T02:30:00`.
    fn seconds(zone: &str, local: &str) -> Result<(String, bool), TimeError> {
        let local: chrono::NaiveDateTime = local.parse().unwrap();
        let (instant, ambiguous) = Zone::parse(zone).unwrap().instant(local.and_utc().timestamp(), 0)?;
        Ok((instant.to_rfc3339(), ambiguous))
    }

    #[test]
    fn a_local_time_is_read_in_its_zone() {
        for (zone, local, utc) in [
            ("UTC", "2019-10-12T02:37:22", "2019-10-12T02:37:22Z"),
            ("Etc/UTC", "2019-10-12T02:37:22", "2019-10-12T02:37:22Z"),
            ("GMT", "2019-10-12T02:37:22", "2019-10-12T02:37:22Z"),
            ("Europe/Berlin", "2019-10-12T02:37:22", "2019-10-12T00:37:22Z"),
            ("Europe/Berlin", "2019-12-12T02:37:22", "2019-12-12T01:37:22Z"),
            ("Europe/Berlin", "2050-07-01T02:00:00", "2050-07-01T00:00:00Z"),
            ("America/New_York", "2019-10-12T22:00:00", "2019-10-13T02:00:00Z"),
            ("America/New_York", "2090-07-01T00:00:00", "2090-07-01T04:00:00Z"),
            ("Asia/Kolkata", "2019-10-12T05:29:59", "2019-10-11T23:59:59Z"),
            ("Asia/Kathmandu", "2019-10-12T05:45:00", "2019-10-12T00:00:00Z"),
            ("Pacific/Kiritimati", "2019-10-12T00:00:00", "2019-10-11T10:00:00Z"),
            ("Etc/GMT-2", "2019-10-12T02:00:00", "2019-10-12T00:00:00Z"),
            ("Europe/Berlin", "1800-01-01T00:53:28", "1800-01-01T00:00:00Z"),
        ] {
            assert_eq!(seconds(zone, local), Ok((utc.to_owned(), false)), "{zone} {local}");
        }
    }

    #[test]
    fn a_local_time_that_occurs_twice_is_the_earlier_one_and_says_so() {
        for (zone, local, utc, ambiguous) in [
            ("Europe/Berlin", "2019-10-27T01:59:59", "2019-10-26T23:59:59Z", false),
            ("Europe/Berlin", "2019-10-27T02:00:00", "2019-10-27T00:00:00Z", true),
            ("Europe/Berlin", "2019-10-27T02:30:00", "2019-10-27T00:30:00Z", true),
            ("Europe/Berlin", "2019-10-27T02:59:59", "2019-10-27T00:59:59Z", true),
            ("Europe/Berlin", "2019-10-27T03:00:00", "2019-10-27T02:00:00Z", false),
            ("America/New_York", "2019-11-03T01:30:00", "2019-11-03T05:30:00Z", true),
            (
                "Australia/Lord_Howe",
                "2019-04-07T01:45:00",
                "2019-04-06T14:45:00Z",
                true,
            ),
        ] {
            assert_eq!(seconds(zone, local), Ok((utc.to_owned(), ambiguous)), "{zone} {local}");
        }
    }

    #[test]
    fn a_local_time_that_was_skipped_does_not_exist() {
        for (zone, local, exists) in [
            ("Europe/Berlin", "2019-03-31T01:59:59", true),
            ("Europe/Berlin", "2019-03-31T02:00:00", false),
            ("Europe/Berlin", "2019-03-31T02:59:59", false),
            ("Europe/Berlin", "2019-03-31T03:00:00", true),
            ("America/Sao_Paulo", "2018-11-04T00:00:00", false),
            ("Australia/Lord_Howe", "2019-10-06T02:15:00", false),
            ("Pacific/Apia", "2011-12-30T12:00:00", false), // a whole day
        ] {
            let expected = if exists { Ok(()) } else { Err(TimeError::Nonexistent) };
            assert_eq!(seconds(zone, local).map(|_| ()), expected, "{zone} {local}");
        }
    }

    #[test]
    fn an_unknown_zone_names_the_nearest_known_one() {
        for (name, expected) in [
            ("utc", Some("UTC")),
            ("europe/berlin", Some("Europe/Berlin")),
            ("Europe/Berln", Some("Europe/Berlin")),
            ("Europe-Berlin", Some("Europe/Berlin")),
            ("America/New York", Some("America/New_York")),
            ("Berlin", Some("Europe/Berlin")),
            ("PST", None),
            ("+02:00", None),
            ("local", None),
            ("", None),
        ] {
            match Zone::parse(name) {
                Err(TimeConfigError::UnknownZone { zone, nearest }) => {
                    assert_eq!((zone.as_str(), nearest.as_deref()), (name, expected));
                }
                other => panic!("{name:?}: {other:?}"),
            }
        }
    }
}
