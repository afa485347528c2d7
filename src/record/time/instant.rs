//! A point in time that is always one we can store.

use super::civil::{DAY_SECONDS, date_of_days};

/// 0001-01-01T00:00:00Z.
const FIRST_SECOND: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// An instant in UTC, to the nanosecond, within the years 0001 to 9999.
///
/// Seconds since the Unix epoch round toward the past, so the nanoseconds are never negative: one nanosecond before the
/// epoch is second -1 and 999,999,999 ns. Its order is the order in time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Instant {
    seconds: i64,
    nanos: u32, // below 1e9
}

impl Instant {
    /// Of whole seconds since the Unix epoch (floor) and nanoseconds after them; `None` outside the years 0001 to 9999
    /// or for a whole second of nanoseconds and more.
    #[inline]
    #[must_use]
    pub fn new(seconds: i64, nanos: u32) -> Option<Self> {
        ((FIRST_SECOND..=LAST_SECOND).contains(&seconds) && nanos < NANOS_PER_SECOND).then_some(Self { seconds, nanos })
    }

    /// Whole seconds since the Unix epoch, floor.
    #[inline]
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`seconds`](Self::seconds), 0 to 999,999,999.
    #[inline]
    #[must_use]
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// Whole milliseconds since the Unix epoch, cut toward the past.
    #[inline]
    #[must_use]
    pub fn millis_floor(self) -> i64 {
        self.seconds * 1_000 + i64::from(self.nanos / 1_000_000)
    }

    /// Whole microseconds since the Unix epoch, cut toward the past.
    #[inline]
    #[must_use]
    pub fn micros_floor(self) -> i64 {
        self.seconds * 1_000_000 + i64::from(self.nanos / 1_000)
    }

    /// Whether [`millis_floor`](Self::millis_floor) cuts digits other than 0.
    #[inline]
    #[must_use]
    pub fn finer_than_millis(self) -> bool {
        !self.nanos.is_multiple_of(1_000_000)
    }

    /// Whether [`micros_floor`](Self::micros_floor) cuts digits other than 0.
    #[inline]
    #[must_use]
    pub fn finer_than_micros(self) -> bool {
        !self.nanos.is_multiple_of(1_000)
    }

    /// As RFC 3339 in UTC, `2019-10-12T02:37:22.178652Z`; with 0, 3, 6 or 9 digits after the point, whichever is exact.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let (year, month, day) = date_of_days(self.seconds.div_euclid(DAY_SECONDS));
        let second = self.seconds.rem_euclid(DAY_SECONDS);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let fraction = match self.nanos {
            0 => String::new(),
            nanos if !self.finer_than_millis() => format!(".{:03}", nanos / 1_000_000),
            nanos if !self.finer_than_micros() => format!(".{:06}", nanos / 1_000),
            nanos => format!(".{nanos:09}"),
        };
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_years_0001_to_9999_and_whole_nanoseconds_are_instants() {
        for (seconds, nanos, valid) in [
            (-62_135_596_800, 0, true),
            (-62_135_596_801, 999_999_999, false),
            (253_402_300_799, 999_999_999, true),
            (253_402_300_800, 0, false),
            (0, 1_000_000_000, false),
            (i64::MIN, 0, false),
            (i64::MAX, 0, false),
        ] {
            assert_eq!(Instant::new(seconds, nanos).is_some(), valid, "{seconds} {nanos}");
        }
    }

    #[test]
    fn coarser_units_cut_toward_the_past_and_tell_so() {
        for (seconds, nanos, millis, cut_millis, micros, cut_micros) in [
            (0, 0, 0, false, 0, false),
            (1, 178_000_000, 1_178, false, 1_178_000, false),
            (1, 178_652_000, 1_178, true, 1_178_652, false),
            (1, 178_652_001, 1_178, true, 1_178_652, true),
            (-1, 999_999_999, -1, true, -1, true),
            (-1, 1, -1_000, true, -1_000_000, true),
            (
                253_402_300_799,
                999_999_999,
                253_402_300_799_999,
                true,
                253_402_300_799_999_999,
                true,
            ),
            (
                -62_135_596_800,
                0,
                -62_135_596_800_000,
                false,
                -62_135_596_800_000_000,
                false,
            ),
        ] {
            let instant = Instant::new(seconds, nanos).unwrap();
            assert_eq!(instant.millis_floor(), millis, "{instant:?}");
            assert_eq!(instant.finer_than_millis(), cut_millis, "{instant:?}");
            assert_eq!(instant.micros_floor(), micros, "{instant:?}");
            assert_eq!(instant.finer_than_micros(), cut_micros, "{instant:?}");
        }
    }

    #[test]
    fn instants_print_as_rfc3339_without_needless_digits() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
            (1_570_847_842, 178_652_000, "2019-10-12T02:37:22.178652Z"),
            (1_570_847_842, 178_000_000, "2019-10-12T02:37:22.178Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (-62_135_596_800, 1, "0001-01-01T00:00:00.000000001Z"),
            (253_402_300_799, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(Instant::new(seconds, nanos).unwrap().to_rfc3339(), text);
        }
    }

    #[test]
    fn instants_are_ordered_as_time_is() {
        let instant = |seconds, nanos| Instant::new(seconds, nanos).unwrap();
        assert!(instant(-1, 999_999_999) < instant(0, 0));
        assert!(instant(0, 1) < instant(0, 2));
        assert!(instant(0, 2) < instant(1, 0));
    }
}
