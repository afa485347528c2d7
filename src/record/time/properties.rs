//! Random instants, written by chrono and read by us, and the other way round; and random text, which nothing may break.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, Offset, SecondsFormat, TimeZone, Utc};
use chrono_tz::TZ_VARIANTS;
use proptest::prelude::*;

use super::{EpochUnit, Instant, TimeError, TimeForm, TimeFormats, TimeValue, read_date};

const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;

/// Over all years, and more often about the epoch, where signs change.
fn any_instant() -> impl Strategy<Value = DateTime<Utc>> {
    let seconds = prop_oneof![FIRST_SECOND..=LAST_SECOND, -100_000..100_000i64, 0..4_000_000_000i64];
    let nanos = prop_oneof![
        0..1_000_000_000u32,
        (0..1_000u32).prop_map(|millis| millis * 1_000_000),
        (0..1_000_000u32).prop_map(|micros| micros * 1_000),
        Just(0),
        Just(999_999_999),
    ];
    (seconds, nanos).prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).unwrap())
}

fn instant_of(time: DateTime<Utc>) -> Instant {
    Instant::new(time.timestamp(), time.timestamp_subsec_nanos()).unwrap()
}

fn read(formats: &[&str], value: TimeValue<'_>) -> Result<Instant, TimeError> {
    TimeFormats::parse(formats, "UTC")
        .unwrap()
        .read(&value)
        .map(|reading| reading.instant)
}

/// `nanos` after the epoch, written in `unit` with all its digits.
fn decimal(nanos: i128, unit: EpochUnit) -> String {
    let digits = unit.digits_below_second() as u32;
    let scale = 10i128.pow(9 - digits);
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.abs());
    match 9 - digits as usize {
        0 => format!("{sign}{nanos}"),
        width => format!("{sign}{}.{:0width$}", nanos / scale, nanos % scale),
    }
}

proptest! {
    #[test]
    fn calendar_text_is_read_back(time in any_instant(), minutes in -1439..=1439i32) {
        let expected = Ok(instant_of(time));
        for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.9fZ", "%Y-%m-%dt%H:%M:%S%.f UTC", "%Y-%m-%d %H:%M:%S%.f+00"] {
            let text = time.format(format).to_string();
            prop_assert_eq!(read(&["auto"], TimeValue::Text(&text)), expected, "{}", text);
            prop_assert_eq!(read(&["auto"], TimeValue::DateText(&text)), expected, "{}", text);
        }
        let offset = FixedOffset::east_opt(minutes * 60).unwrap();
        let local = time.with_timezone(&offset);
        // With an offset the written year may lie one outside, where it no longer has four digits.
        if (0..10_000).contains(&local.year()) {
            for text in [local.to_rfc3339_opts(SecondsFormat::AutoSi, true), local.format("%Y-%m-%d %H:%M:%S,%9f %z").to_string()] {
                prop_assert_eq!(read(&["auto"], TimeValue::Text(&text)), expected, "{}", text);
                prop_assert_eq!(read(&["rfc3339"], TimeValue::Text(&text)), expected, "{}", text);
            }
        }
    }

    #[test]
    fn what_we_print_chrono_reads(time in any_instant()) {
        let text = instant_of(time).to_rfc3339();
        prop_assert_eq!(DateTime::parse_from_rfc3339(&text).unwrap(), time, "{}", text);
    }

    #[test]
    fn coarser_units_are_chronos(time in any_instant()) {
        let instant = instant_of(time);
        prop_assert_eq!(instant.millis_floor(), time.timestamp_millis());
        prop_assert_eq!(instant.micros_floor(), time.timestamp_micros());
        prop_assert_eq!(instant.finer_than_millis(), time.timestamp_subsec_nanos() % 1_000_000 != 0);
        prop_assert_eq!(instant.finer_than_micros(), time.timestamp_subsec_nanos() % 1_000 != 0);
    }

    #[test]
    fn numbers_of_a_named_unit_are_read_back(time in any_instant()) {
        let nanos = i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos());
        for (format, unit) in [
            ("epoch_s", EpochUnit::Seconds),
            ("epoch_ms", EpochUnit::Millis),
            ("epoch_us", EpochUnit::Micros),
            ("epoch_ns", EpochUnit::Nanos),
        ] {
            let digits = decimal(nanos, unit);
            prop_assert_eq!(read(&[format], TimeValue::Number(&digits)), Ok(instant_of(time)), "{}", digits);
            prop_assert_eq!(read(&[format], TimeValue::Text(&digits)), Ok(instant_of(time)), "{}", digits);
            let shifted = format!("{nanos}e-{}", 9 - unit.digits_below_second());
            prop_assert_eq!(read(&[format], TimeValue::Number(&shifted)), Ok(instant_of(time)), "{}", shifted);
        }
    }

    /// The unit by magnitude, against the rule put in whole numbers: `tenths` of a unit, floor division.
    #[test]
    fn the_unit_of_a_number_is_that_of_its_magnitude(digits in 1..=20u32, of_max in 0.0..1.0f64, negative: bool) {
        let tenths = (10f64.powi(digits as i32) * of_max) as i128 * if negative { -1 } else { 1 };
        let sign = if tenths < 0 { "-" } else { "" };
        let token = format!("{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10);
        let (form, nanos) = match tenths.abs() {
            n if n < 10i128.pow(12) => (TimeForm::EpochS, tenths * 100_000_000),
            n if n < 10i128.pow(15) => (TimeForm::EpochMs, tenths * 100_000),
            n if n < 10i128.pow(18) => (TimeForm::EpochUs, tenths * 100),
            _ => (TimeForm::EpochNs, tenths.div_euclid(10)),
        };
        let seconds = nanos.div_euclid(1_000_000_000) as i64;
        let too_long = form == TimeForm::EpochNs && i64::try_from(nanos).is_err();
        let expected = if too_long { None } else { Instant::new(seconds, nanos.rem_euclid(1_000_000_000) as u32) };
        let reading = TimeFormats::auto_utc().read(&TimeValue::Number(&token));
        prop_assert_eq!(
            reading.map(|reading| (reading.instant, reading.form)),
            expected.map(|instant| (instant, form)).ok_or(TimeError::OutOfRange),
            "{}", token
        );
    }

    #[test]
    fn patterns_read_what_chrono_prints(time in any_instant()) {
        for pattern in [
            "%d/%b/%Y:%H:%M:%S%.f %z",
            "%Y%m%dT%H%M%S%9f",
            "%A, %e %B %Y %I:%M:%S %p %.f",
            "%Y-%j %T.%f",
            "%G-W%V-%u %H:%M:%S%.9f",
        ] {
            let text = time.format(pattern).to_string();
            let expected = if (1..10_000).contains(&time.iso_week().year()) || !pattern.contains("%G") {
                Ok(instant_of(time))
            } else {
                continue
            };
            prop_assert_eq!(read(&[pattern], TimeValue::Text(&text)), expected, "{}", text);
        }
        if time.timestamp() >= 0 {
            let text = time.format("%s%.f").to_string();
            prop_assert_eq!(read(&["%s%.f"], TimeValue::Text(&text)), Ok(instant_of(time)), "{}", text);
        }
    }

    /// The local time of any instant in any zone leads back to it, or to an earlier one if it occurs twice.
    #[test]
    fn local_times_lead_back_to_their_instant(
        seconds in -5_000_000_000..5_000_000_000i64,
        zone in proptest::sample::select(&TZ_VARIANTS[..]),
    ) {
        let time = DateTime::from_timestamp(seconds, 0).unwrap();
        let local = time.with_timezone(&zone);
        let text = local.format("%Y-%m-%dT%H:%M:%S").to_string();
        let reading = TimeFormats::parse(&["auto"], zone.name()).unwrap().read(&TimeValue::Text(&text)).unwrap();
        let read = reading.instant.seconds();
        let is_same_local_time = {
            let offset = zone.offset_from_utc_datetime(&DateTime::from_timestamp(read, 0).unwrap().naive_utc());
            read + i64::from(offset.fix().local_minus_utc()) == local.naive_local().and_utc().timestamp()
        };
        prop_assert!(is_same_local_time);
        prop_assert!(read == seconds || (read < seconds && reading.ambiguous), "{} {} {}", zone, text, read);
    }

    #[test]
    fn days_are_chronos(days in -719_162..=2_932_896i32) {
        let date = NaiveDate::from_epoch_days(days).unwrap();
        prop_assert_eq!(read_date(&date.format("%Y-%m-%d").to_string(), false), Some(days));
        prop_assert_eq!(read_date(&date.format("%Y-%m-%dT00:00:00Z").to_string(), true), Some(days));
    }

    #[test]
    fn no_text_breaks_a_format(text in "\\PC*|[-+0-9eE.: TZ,/]{0,40}") {
        for format in ["auto", "rfc3339", "epoch_s", "epoch_ns", "%s%.f", "%+", "%c", "%d/%b/%Y:%H:%M:%S %z", "%I%p %x"] {
            let formats = TimeFormats::parse(&[format], "Europe/Berlin").unwrap();
            for value in [
                TimeValue::Text(&text),
                TimeValue::Number(&text),
                TimeValue::DateText(&text),
                TimeValue::DateMillis(&text),
                TimeValue::DotDateText(&text),
                TimeValue::DotDateSeconds(&text),
            ] {
                let _ = formats.read(&value);
            }
        }
        let _ = read_date(&text, true);
    }

    #[test]
    fn no_text_breaks_the_reading_of_a_schema(format in "\\PC*|(%[-_.:#0-9]*[a-zA-Z+%é]| |.){0,6}", zone in "\\PC*") {
        let _ = TimeFormats::parse(&[&format], "UTC");
        let _ = TimeFormats::parse(&["auto"], &zone);
    }
}
