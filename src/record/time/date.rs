//! Days without a time, for date columns.

use super::civil::{DAY_SECONDS, days_of_date};
use super::iso::{self, IsoZone, pair};

/// Days since 1970-01-01 of a date column's text: `YYYY-MM-DD`, a real date of the years 0001 to 9999, and nothing around it.
///
/// With `lossless` also a date with a time that adds nothing: midnight exactly, written as event times are, without a
/// zone or with `Z`. Another zone is refused, because the day depends on it.
#[must_use]
pub fn read_date(text: &str, lossless: bool) -> Option<i32> {
    let bytes = text.as_bytes();
    if let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *bytes {
        let mut wrong = false;
        let year = pair(y0, y1, &mut wrong) * 100 + pair(y2, y3, &mut wrong);
        let (month, day) = (pair(m0, m1, &mut wrong), pair(d0, d1, &mut wrong));
        if wrong || year == 0 {
            return None;
        }
        return i32::try_from(days_of_date(year, month, day)?).ok();
    }
    if !lossless {
        return None;
    }
    let time = iso::read(bytes)?;
    let midnight = time.local_seconds % DAY_SECONDS == 0 && time.nanos == 0 && !time.finer_than_nanos;
    let zone_is_utc_or_none = matches!(time.zone, IsoZone::None | IsoZone::Z);
    let year_zero = bytes.starts_with(b"0000");
    if !midnight || !zone_is_utc_or_none || year_zero {
        return None;
    }
    i32::try_from(time.local_seconds / DAY_SECONDS).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_year_month_and_day_and_nothing_else() {
        for (text, days) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2019-10-12", Some(18_181)),
            ("2000-02-29", Some(11_016)),
            ("1900-02-29", None),
            ("2019-02-29", None),
            ("2019-13-01", None),
            ("2019-00-01", None),
            ("0001-01-01", Some(-719_162)),
            ("9999-12-31", Some(2_932_896)),
            ("0000-01-01", None),
            ("10000-01-01", None),
            ("2019-1-2", None),
            ("20191012", None),
            (" 2019-10-12", None),
            ("2019-10-12 ", None),
            ("2019-10-12Z", None),
            ("2019/10/12", None),
            ("", None),
        ] {
            assert_eq!(read_date(text, false), days, "{text:?}");
            assert_eq!(read_date(text, true), days, "lossless {text:?}");
        }
    }

    #[test]
    fn lossless_also_takes_midnight_where_no_zone_can_move_the_day() {
        for (text, days) in [
            ("2019-10-12T00:00:00", Some(18_181)),
            ("2019-10-12 00:00:00", Some(18_181)),
            ("2019-10-12T00:00", Some(18_181)),
            ("2019-10-12T00:00:00.000", Some(18_181)),
            ("2019-10-12T00:00:00,0", Some(18_181)),
            ("2019-10-12T00:00:00Z", Some(18_181)),
            ("2019-10-12T00:00:00.000000000000Z", Some(18_181)),
            ("1969-12-31T00:00:00Z", Some(-1)),
            ("0001-01-01T00:00:00", Some(-719_162)),
            ("0000-12-31T00:00:00", None),
            ("2019-10-12T00:00:00.0000000001", None),
            ("2019-10-12T00:00:00.001", None),
            ("2019-10-12T00:00:01", None),
            ("2019-10-12T01:00:00", None),
            ("2019-10-12T24:00:00", None),
            ("2019-10-12T00:00:00+00:00", None),
            ("2019-10-12T00:00:00UTC", None),
            ("2019-10-12T00:00:00+02:00", None),
            (" 2019-10-12T00:00:00", None),
        ] {
            assert_eq!(read_date(text, true), days, "{text:?}");
            assert_eq!(read_date(text, false), None, "strict {text:?}");
        }
    }
}
