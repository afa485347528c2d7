//! Days since 1970-01-01 and calendar dates, proleptic Gregorian, years 0000 to 9999.
//!
//! Both directions count years from March, so that the leap day is the last of its year.

/// Seconds of a day; there are no leap seconds in Unix time.
pub(crate) const DAY_SECONDS: i64 = 86_400;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAY: i64 = 719_468;
/// Days of 400 years, after which the calendar repeats.
const CYCLE_DAYS: i64 = 146_097;

/// The day's number, 0 for 1970-01-01; `None` for what is no date. `year` is at most 9999.
#[inline]
pub(crate) fn days_of_date(year: u32, month: u32, day: u32) -> Option<i64> {
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let (before_march, month_from_march) = if month > 2 { (0, month - 3) } else { (1, month + 9) };
    // One cycle later, so that January of year 0 is not before the first March.
    let year = year + 400 - before_march;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year;
    Some(i64::from(days) - CYCLE_DAYS - EPOCH_DAY)
}

/// Year, month and day of a day's number, for days of the years 0000 to 9999.
pub(crate) fn date_of_days(days: i64) -> (i64, u32, u32) {
    let days = days + EPOCH_DAY;
    let cycle = days.div_euclid(CYCLE_DAYS);
    let day_of_cycle = days.rem_euclid(CYCLE_DAYS);
    // Without the leap days that lie before this day of the cycle, every year has 365.
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, after_december) = if month_from_march < 10 {
        (month_from_march + 3, 0)
    } else {
        (month_from_march - 9, 1)
    };
    (400 * cycle + year_of_cycle + after_december, month as u32, day as u32)
}

#[inline]
fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate};

    #[test]
    fn every_day_from_year_0_to_9999_agrees_with_chrono_both_ways() {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        let mut date = NaiveDate::from_ymd_opt(0, 1, 1).unwrap();
        while date.year() < 10_000 {
            let days = (date - epoch).num_days();
            assert_eq!(
                days_of_date(date.year() as u32, date.month(), date.day()),
                Some(days),
                "{date}"
            );
            assert_eq!(
                date_of_days(days),
                (i64::from(date.year()), date.month(), date.day()),
                "{date}"
            );
            date = date.succ_opt().unwrap();
        }
    }

    #[test]
    fn days_the_calendar_lacks_are_refused() {
        for (year, month, day) in [
            (2019, 0, 1),
            (2019, 13, 1),
            (2019, 1, 0),
            (2019, 1, 32),
            (2019, 4, 31),
            (2019, 2, 29),
            (1900, 2, 29),
            (2100, 2, 29),
            (2000, 2, 30),
        ] {
            assert_eq!(days_of_date(year, month, day), None, "{year}-{month}-{day}");
        }
    }
}
