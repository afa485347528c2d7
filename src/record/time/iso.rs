//! Calendar text, read byte by byte: the form nearly all records use.
//!
//! ```text
//! YYYY-MM-DD (T|t|space) hh:mm [:ss [(.|,) digits]] [[space] (Z|z|UTC|GMT|±hh:mm|±hhmm|±hh)]
//! ```
//!
//! The date is one the calendar has, hours are 0-23, minutes and seconds 0-59, offsets reach to 23:59. Fraction digits
//! beyond nine are cut. Allocates nothing and knows no time zones.

use super::civil::{DAY_SECONDS, days_of_date};

/// What the text says, before a zone is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct IsoTime {
    /// Seconds since 1970-01-01T00:00:00 on the clock of the text.
    pub(super) local_seconds: i64,
    /// Below 1e9.
    pub(super) nanos: u32,
    /// Digits other than 0 follow the ninth of the fraction.
    pub(super) finer_than_nanos: bool,
    /// The text names seconds.
    pub(super) has_seconds: bool,
    pub(super) zone: IsoZone,
}

/// The zone as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum IsoZone {
    None,
    /// `Z` or `z`, directly after the time or after a space.
    Z,
    /// `UTC`, `GMT` or an offset: seconds east of UTC.
    Offset(i32),
}

/// Reads the whole of `text`, or nothing.
#[inline]
pub(super) fn read(text: &[u8]) -> Option<IsoTime> {
    let (head, mut rest) = text.split_first_chunk::<16>()?;
    let mut wrong = false;
    let year = pair(head[0], head[1], &mut wrong) * 100 + pair(head[2], head[3], &mut wrong);
    let month = pair(head[5], head[6], &mut wrong);
    let day = pair(head[8], head[9], &mut wrong);
    let hour = pair(head[11], head[12], &mut wrong);
    let minute = pair(head[14], head[15], &mut wrong);
    wrong |= head[4] != b'-' || head[7] != b'-' || head[13] != b':' || !matches!(head[10], b'T' | b't' | b' ');
    if wrong || hour > 23 || minute > 59 {
        return None;
    }
    let days = days_of_date(year, month, day)?;

    let (mut second, mut nanos, mut finer_than_nanos, mut has_seconds) = (0, 0, false, false);
    if let [b':', tens, ones, after @ ..] = rest {
        second = pair(*tens, *ones, &mut wrong);
        if wrong || second > 59 {
            return None;
        }
        has_seconds = true;
        rest = after;
        if let [b'.' | b',', digits @ ..] = rest {
            (nanos, finer_than_nanos, rest) = fraction(digits)?;
        }
    }
    let zone = zone(rest)?;
    let local_seconds = days * DAY_SECONDS + i64::from(hour * 3600 + minute * 60 + second);
    Some(IsoTime {
        local_seconds,
        nanos,
        finer_than_nanos,
        has_seconds,
        zone,
    })
}

/// The number two digits make. Anything else sets `wrong`, which is looked at once after several.
#[inline]
pub(super) fn pair(tens: u8, ones: u8, wrong: &mut bool) -> u32 {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    *wrong |= tens > 9 || ones > 9;
    u32::from(tens) * 10 + u32::from(ones)
}

/// Nanoseconds, whether finer digits were cut, and what follows the digits; at least one digit is needed.
#[inline]
fn fraction(text: &[u8]) -> Option<(u32, bool, &[u8])> {
    let mut nanos = 0;
    let mut len = 0;
    while len < 9 {
        match text.get(len) {
            Some(byte @ b'0'..=b'9') => nanos = nanos * 10 + u32::from(byte - b'0'),
            _ => break,
        }
        len += 1;
    }
    const SCALE: [u32; 10] = [
        0,
        100_000_000,
        10_000_000,
        1_000_000,
        100_000,
        10_000,
        1_000,
        100,
        10,
        1,
    ];
    nanos *= SCALE[len];
    let mut finer = false;
    while let Some(byte @ b'0'..=b'9') = text.get(len) {
        finer |= *byte != b'0';
        len += 1;
    }
    (len > 0).then(|| (nanos, finer, &text[len..]))
}

#[inline]
fn zone(text: &[u8]) -> Option<IsoZone> {
    let text = match text {
        [] => return Some(IsoZone::None),
        [b' ', text @ ..] => text,
        text => text,
    };
    let (sign, hour, minute) = match *text {
        [b'Z' | b'z'] => return Some(IsoZone::Z),
        [b'U', b'T', b'C'] | [b'G', b'M', b'T'] => return Some(IsoZone::Offset(0)),
        [sign, h, o] => (sign, [h, o], [b'0', b'0']),
        [sign, h, o, m, i] | [sign, h, o, b':', m, i] => (sign, [h, o], [m, i]),
        _ => return None,
    };
    let mut wrong = false;
    let hour = pair(hour[0], hour[1], &mut wrong);
    let minute = pair(minute[0], minute[1], &mut wrong);
    if wrong || hour > 23 || minute > 59 {
        return None;
    }
    let offset = (hour * 3600 + minute * 60) as i32;
    match sign {
        b'+' => Some(IsoZone::Offset(offset)),
        b'-' => Some(IsoZone::Offset(-offset)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(local_seconds: i64, nanos: u32, zone: IsoZone) -> Option<IsoTime> {
        Some(IsoTime {
            local_seconds,
            nanos,
            finer_than_nanos: false,
            has_seconds: true,
            zone,
        })
    }

    #[test]
    fn the_date_and_time_may_be_joined_in_three_ways() {
        for text in ["2019-10-12T02:37:22", "2019-10-12t02:37:22", "2019-10-12 02:37:22"] {
            assert_eq!(read(text.as_bytes()), at(1_570_847_842, 0, IsoZone::None), "{text}");
        }
    }

    #[test]
    fn seconds_may_be_left_out() {
        let read = read(b"2019-10-12T02:37").unwrap();
        assert_eq!((read.local_seconds, read.has_seconds), (1_570_847_820, false));
        assert_eq!(super::read(b"2019-10-12T02:37Z").unwrap().zone, IsoZone::Z);
        assert_eq!(
            super::read(b"2019-10-12T02:37 +02:00").unwrap().zone,
            IsoZone::Offset(7_200)
        );
    }

    #[test]
    fn fraction_digits_count_from_the_left_and_are_cut_after_nine() {
        for (fraction, nanos, finer) in [
            (".0", 0, false),
            (".1", 100_000_000, false),
            (".17", 170_000_000, false),
            (".178", 178_000_000, false),
            (",178", 178_000_000, false),
            (".1786", 178_600_000, false),
            (".17865", 178_650_000, false),
            (".178652", 178_652_000, false),
            (".1786521", 178_652_100, false),
            (".17865212", 178_652_120, false),
            (".178652123", 178_652_123, false),
            (".1786521230", 178_652_123, false),
            (".1786521239", 178_652_123, true),
            (".178652123000000000000001", 178_652_123, true),
            (".999999999999", 999_999_999, true),
        ] {
            let read = read(format!("2019-10-12T02:37:22{fraction}").as_bytes()).unwrap();
            assert_eq!((read.nanos, read.finer_than_nanos), (nanos, finer), "{fraction}");
            assert_eq!(read.local_seconds, 1_570_847_842, "{fraction}");
        }
    }

    #[test]
    fn zones_are_written_in_seven_ways_with_or_without_a_space() {
        for (zone, expected) in [
            ("Z", IsoZone::Z),
            ("z", IsoZone::Z),
            ("UTC", IsoZone::Offset(0)),
            ("GMT", IsoZone::Offset(0)),
            ("+02:30", IsoZone::Offset(9_000)),
            ("-0230", IsoZone::Offset(-9_000)),
            ("+02", IsoZone::Offset(7_200)),
            ("-00:00", IsoZone::Offset(0)),
            ("+23:59", IsoZone::Offset(86_340)),
            ("-23:59", IsoZone::Offset(-86_340)),
        ] {
            for space in ["", " "] {
                let text = format!("2019-10-12T02:37:22.5{space}{zone}");
                assert_eq!(
                    read(text.as_bytes()),
                    at(1_570_847_842, 500_000_000, expected),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn anything_else_after_the_time_is_refused() {
        for end in [
            " ",
            "  Z",
            "Z ",
            "ZZ",
            "Zulu",
            "utc",
            "Utc",
            "gmt",
            "CET",
            "UTC+2",
            "+24:00",
            "-24:00",
            "+2400",
            "+24",
            "+23:60",
            "+2",
            "+2:00",
            "+02:0",
            "+020",
            "+02:00:00",
            "+02-00",
            "+ab",
            "02:00",
            "+",
            "-",
            ".",
            ",",
            ".Z",
            ". 5",
            ".5.5",
            ".-5",
            ":",
            "[Europe/Berlin]",
            "\u{2212}02:00",
            "\n",
            "\0",
            "٣",
        ] {
            let text = format!("2019-10-12T02:37:22{end}");
            assert_eq!(read(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn only_real_dates_and_times_of_day_are_read() {
        for (text, readable) in [
            ("2000-02-29T00:00:00", true),
            ("2020-02-29T00:00:00", true),
            ("1900-02-29T00:00:00", false),
            ("2100-02-29T00:00:00", false),
            ("2019-02-29T00:00:00", false),
            ("2019-02-30T00:00:00", false),
            ("2019-04-31T00:00:00", false),
            ("2019-00-01T00:00:00", false),
            ("2019-13-01T00:00:00", false),
            ("2019-01-00T00:00:00", false),
            ("2019-01-32T00:00:00", false),
            ("0000-00-00 00:00:00", false),
            ("0000-01-01T00:00:00", true), // of the calendar; the range of instants is looked at later
            ("0000-02-29T00:00:00", true),
            ("9999-12-31T23:59:59.999999999", true),
            ("10000-01-01T00:00:00", false),
            ("+2019-01-01T00:00:00", false),
            ("-2019-01-01T00:00:00", false),
            ("2016-12-31T23:59:59", true),
            ("2016-12-31T23:59:60", false),
            ("2019-10-12T24:00:00", false),
            ("2019-10-12T24:00", false),
            ("2019-10-12T23:60:00", false),
            ("2019-10-12T23:59:61", false),
        ] {
            assert_eq!(read(text.as_bytes()).is_some(), readable, "{text}");
        }
    }

    #[test]
    fn other_shapes_of_calendar_text_are_refused() {
        for text in [
            "",
            "2019",
            "2019-10-12",
            "2019-10-12T",
            "2019-10-12T02",
            "2019-10-12T02Z",
            "2019-10-12T2:37:22",
            "2019-10-12  02:37:22",
            "2019-10-12_02:37:22",
            "2019-10-12T02:37:2",
            "2019-10-12T02:3",
            "2019-1-12T02:37:22",
            "2019/10/12 02:37:22",
            "19-10-12T02:37:22",
            "2019-285T02:37:22",
            "2019-W41-6T02:37:22",
            "20191012T023722Z",
            "20191012T02",
            "12/Oct/2019:02:37:22",
            "Sat, 12 Oct 2019 02:37:22 GMT",
            "2019-10-12T02-37-22",
            "2019-10-12T02.37.22",
            "2019-10-12T02:37.5",
            "２０１９-10-12T02:37:22",
            "201 -10-12T02:37:22",
            "2019-10-12T02:37:2:",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text:?}");
        }
    }
}
