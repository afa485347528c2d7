//! Which hour an instant belongs to, and the prefix that hour is written under.
//!
//! ```text
//! 2024-05-01T13:59:59.999Z ──┐                   year/month/day/hour  year=2024/month=05/day=01/hour=13
//! 2024-05-01T15:30:00+02:00 ─┴─> hour 13 UTC ──> day/hour             day=2024-05-01/hour=13
//!                                                datehour             datehour=2024-05-01-13
//! ```
//!
//! Hours are UTC whatever offset a record carries, so one instant has one prefix. Hour and prefix are one to one: a
//! prefix is taken only as it would be written. Knows nothing of lakes, tables or keys.

use std::fmt;
use std::str::FromStr;

use crate::record::time::Instant;
use crate::record::time::civil::{date_of_days, days_of_date};

const HOUR_SECONDS: i64 = 3600;
/// The hours that begin the year 0001 and end the year 9999.
const FIRST_HOUR: i32 = -17_259_888;
const LAST_HOUR: i32 = 70_389_527;

/// One hour of event time, UTC, of the years 0001 to 9999: the unit output objects are grouped by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct PartitionHour(i32); // whole hours since the Unix epoch

impl PartitionHour {
    /// The hour an instant falls into.
    #[inline]
    #[must_use]
    pub fn containing(instant: Instant) -> Self {
        // Not `/`, which rounds toward zero: 1969-12-31T23:59 would fall in the first hour of 1970.
        Self(instant.seconds().div_euclid(HOUR_SECONDS) as i32) // fits: an instant's year has at most four digits
    }

    /// Of whole hours since the Unix epoch; `None` outside the years 0001 to 9999.
    #[must_use]
    pub fn from_hours(hours: i64) -> Option<Self> {
        i32::try_from(hours)
            .ok()
            .filter(|hours| (FIRST_HOUR..=LAST_HOUR).contains(hours))
            .map(Self)
    }

    /// Whole hours since the Unix epoch.
    #[inline]
    #[must_use]
    pub fn hours(self) -> i64 {
        i64::from(self.0)
    }

    /// The hour's first second, counted from the Unix epoch.
    #[inline]
    #[must_use]
    pub fn first_second(self) -> i64 {
        self.hours() * HOUR_SECONDS
    }

    /// Whether the instant falls into this hour.
    #[inline]
    #[must_use]
    pub fn contains(self, instant: Instant) -> bool {
        Self::containing(instant) == self
    }

    /// Year, month, day and hour as `YYYYMMDDHH`, put into the places of `template` that are in capitals.
    fn fill(self, template: &str) -> String {
        let (year, month, day) = date_of_days(self.hours().div_euclid(24));
        let digits = format!("{year:04}{month:02}{day:02}{:02}", self.hours().rem_euclid(24));
        let mut digits = digits.chars();
        let is_place = |c| matches!(c, 'Y' | 'M' | 'D' | 'H');
        template
            .chars()
            .map(|c| if is_place(c) { digits.next().unwrap_or(c) } else { c })
            .collect()
    }

    /// The reverse of [`fill`](Self::fill): digits in the places, and all else equal byte for byte.
    fn read(template: &str, text: &str) -> Option<Self> {
        if text.len() != template.len() {
            return None;
        }
        let (mut year, mut month, mut day, mut hour) = (0, 0, 0, 0);
        for (place, byte) in template.bytes().zip(text.bytes()) {
            let number = match place {
                b'Y' => &mut year,
                b'M' => &mut month,
                b'D' => &mut day,
                b'H' => &mut hour,
                _ if place == byte => continue,
                _ => return None,
            };
            if !byte.is_ascii_digit() {
                return None;
            }
            *number = *number * 10 + u32::from(byte - b'0');
        }
        if hour > 23 {
            return None;
        }
        Self::from_hours(days_of_date(year, month, day)? * 24 + i64::from(hour))
    }
}

const HOUR_TEMPLATE: &str = "YYYY-MM-DDTHH";

impl fmt::Display for PartitionHour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.fill(HOUR_TEMPLATE))
    }
}

/// A text that is no hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an hour of the years 0001 to 9999; write it in UTC as 2019-10-12T02")]
pub struct ParseHourError;

impl FromStr for PartitionHour {
    type Err = ParseHourError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(HOUR_TEMPLATE, text).ok_or(ParseHourError)
    }
}

/// How the hour is spelled in the lake's folders: the partition columns of a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub enum Layout {
    /// `year=2019/month=10/day=12/hour=02`.
    #[default]
    YearMonthDayHour,
    /// `day=2019-10-12/hour=02`.
    DayHour,
    /// `datehour=2019-10-12-02`.
    DateHour,
}

impl Layout {
    /// Every layout, the default first.
    pub const ALL: [Self; 3] = [Self::YearMonthDayHour, Self::DayHour, Self::DateHour];

    /// Of its name in a schema.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.name() == name)
    }

    /// The name in a schema: `year/month/day/hour`, `day/hour` or `datehour`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::YearMonthDayHour => "year/month/day/hour",
            Self::DayHour => "day/hour",
            Self::DateHour => "datehour",
        }
    }

    /// The partition columns in their order, which no column of the table may be called.
    #[must_use]
    pub fn partition_names(self) -> &'static [&'static str] {
        match self {
            Self::YearMonthDayHour => &["year", "month", "day", "hour"],
            Self::DayHour => &["day", "hour"],
            Self::DateHour => &["datehour"],
        }
    }

    /// The folders of an hour below its table, such as `year=2019/month=10/day=12/hour=02`; no slash around.
    #[must_use]
    pub fn prefix(self, hour: PartitionHour) -> String {
        hour.fill(self.template())
    }

    /// The hour of a prefix, exactly as [`prefix`](Self::prefix) writes it.
    #[must_use]
    pub fn hour_of(self, prefix: &str) -> Option<PartitionHour> {
        PartitionHour::read(self.template(), prefix)
    }

    fn template(self) -> &'static str {
        match self {
            Self::YearMonthDayHour => "year=YYYY/month=MM/day=DD/hour=HH",
            Self::DayHour => "day=YYYY-MM-DD/hour=HH",
            Self::DateHour => "datehour=YYYY-MM-DD-HH",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Timelike};
    use proptest::prelude::*;

    const FIRST_SECOND: i64 = -62_135_596_800;
    const LAST_SECOND: i64 = 253_402_300_799;

    fn hour_at(seconds: i64, nanos: u32) -> PartitionHour {
        PartitionHour::containing(Instant::new(seconds, nanos).unwrap())
    }

    #[test]
    fn an_hour_is_the_floor_of_the_instant() {
        for (seconds, nanos, hour) in [
            (0, 0, "1970-01-01T00"),
            (3_599, 999_999_999, "1970-01-01T00"),
            (3_600, 0, "1970-01-01T01"),
            (-1, 999_999_999, "1969-12-31T23"),
            (-1, 0, "1969-12-31T23"),
            (-3_600, 0, "1969-12-31T23"),
            (-3_601, 999_999_999, "1969-12-31T22"),
            (1_570_847_842, 178_652_000, "2019-10-12T02"),
            (951_782_400, 0, "2000-02-29T00"),
            (FIRST_SECOND, 0, "0001-01-01T00"),
            (LAST_SECOND, 999_999_999, "9999-12-31T23"),
        ] {
            assert_eq!(hour_at(seconds, nanos).to_string(), hour);
        }
    }

    #[test]
    fn an_hour_holds_its_first_nanosecond_and_its_last() {
        let hour: PartitionHour = "2019-10-12T02".parse().unwrap();
        let first = hour.first_second();
        for (seconds, nanos, inside) in [
            (first - 1, 999_999_999, false),
            (first, 0, true),
            (first + 3_599, 999_999_999, true),
            (first + 3_600, 0, false),
        ] {
            assert_eq!(
                hour.contains(Instant::new(seconds, nanos).unwrap()),
                inside,
                "{seconds} {nanos}"
            );
        }
    }

    #[test]
    fn hours_end_with_the_years_they_can_be_written_in() {
        for (hours, valid) in [
            (i64::from(FIRST_HOUR), true),
            (i64::from(FIRST_HOUR) - 1, false),
            (i64::from(LAST_HOUR), true),
            (i64::from(LAST_HOUR) + 1, false),
            (i64::MAX, false),
            (i64::MIN, false),
            (1 << 32, false),
        ] {
            assert_eq!(
                PartitionHour::from_hours(hours).map(PartitionHour::hours),
                valid.then_some(hours)
            );
        }
        assert_eq!(hour_at(FIRST_SECOND, 0).hours(), i64::from(FIRST_HOUR));
        assert_eq!(hour_at(LAST_SECOND, 0).hours(), i64::from(LAST_HOUR));
    }

    #[test]
    fn each_layout_spells_the_hour_in_its_own_way() {
        for (layout, name, names, prefix) in [
            (
                Layout::YearMonthDayHour,
                "year/month/day/hour",
                &["year", "month", "day", "hour"][..],
                "year=2019/month=10/day=12/hour=02",
            ),
            (Layout::DayHour, "day/hour", &["day", "hour"], "day=2019-10-12/hour=02"),
            (Layout::DateHour, "datehour", &["datehour"], "datehour=2019-10-12-02"),
        ] {
            assert_eq!(Layout::parse(name), Some(layout));
            assert_eq!(layout.name(), name);
            assert_eq!(layout.partition_names(), names);
            assert_eq!(layout.prefix(hour_at(1_570_847_842, 0)), prefix);
        }
        for name in ["", "Datehour", "year/month/day", "year/month/day/hour/", "hour"] {
            assert_eq!(Layout::parse(name), None, "{name}");
        }
        assert_eq!(
            Layout::YearMonthDayHour.prefix(hour_at(FIRST_SECOND, 0)),
            "year=0001/month=01/day=01/hour=00"
        );
    }

    #[test]
    fn only_the_padded_form_of_a_real_hour_is_read_back() {
        for (layout, prefix) in [
            (Layout::YearMonthDayHour, "year=2019/month=10/day=12/hour=2"),
            (Layout::YearMonthDayHour, "year=2019/month=10/day=12/hour=24"),
            (Layout::YearMonthDayHour, "year=2019/month=02/day=29/hour=00"),
            (Layout::YearMonthDayHour, "year=0000/month=01/day=01/hour=00"),
            (Layout::YearMonthDayHour, "year=10000/month=01/day=01/hour=0"),
            (Layout::YearMonthDayHour, "year=2019/month=10/day=12/hour=02/"),
            (Layout::YearMonthDayHour, "/year=2019/month=10/day=12/hour=02"),
            (Layout::YearMonthDayHour, "Year=2019/month=10/day=12/hour=02"),
            (Layout::YearMonthDayHour, "year=2019/month=+1/day=12/hour=02"),
            (Layout::YearMonthDayHour, "day=2019-10-12/hour=02"),
            (Layout::DayHour, "day=2019-10-12/hour= 2"),
            (Layout::DayHour, "day=2019-13-12/hour=02"),
            (Layout::DateHour, "datehour=2019-10-12T02"),
            (Layout::DateHour, ""),
        ] {
            assert_eq!(layout.hour_of(prefix), None, "{prefix}");
        }
        for text in [
            "2019-10-12T2",
            "2019-10-12T24",
            "2019-10-12 02",
            "2019-10-12T02Z",
            "2019-02-30T02",
            "",
        ] {
            assert_eq!(text.parse::<PartitionHour>(), Err(ParseHourError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_hour_is_chronos(seconds in FIRST_SECOND..=LAST_SECOND, nanos in 0..1_000_000_000u32) {
            let time = DateTime::from_timestamp(seconds, nanos).unwrap();
            let hour = hour_at(seconds, nanos);
            prop_assert_eq!(hour.to_string(), time.format("%Y-%m-%dT%H").to_string());
            prop_assert_eq!(hour.hours().rem_euclid(24), i64::from(time.hour()));
            prop_assert!(hour.first_second() <= seconds && seconds < hour.first_second() + HOUR_SECONDS);
        }

        #[test]
        fn prefixes_and_hours_are_one_to_one(hours in FIRST_HOUR..=LAST_HOUR) {
            let hour = PartitionHour::from_hours(hours.into()).unwrap();
            prop_assert_eq!(hour.to_string().parse(), Ok(hour));
            for layout in Layout::ALL {
                prop_assert_eq!(layout.hour_of(&layout.prefix(hour)), Some(hour));
            }
        }

        /// What sorts by prefix sorts by time.
        #[test]
        fn prefixes_sort_as_hours_do(one in FIRST_HOUR..=LAST_HOUR, other in FIRST_HOUR..=LAST_HOUR) {
            let [one, other] = [one, other].map(|hours| PartitionHour::from_hours(hours.into()).unwrap());
            for layout in Layout::ALL {
                prop_assert_eq!(layout.prefix(one).cmp(&layout.prefix(other)), one.cmp(&other));
            }
        }
    }
}
