//! Times: RFC 3339 as chrono reads it, numbers as whole numbers count, and the folder of every instant there is.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use lakebed::partition::hour::{Layout, PartitionHour};
use lakebed::record::time::{Instant, TimeError, TimeFormats, TimeValue, read_date};

const NANOS: i128 = 1_000_000_000;

/// Every kind of format, in a zone without and in one with summer time.
static FORMATS: LazyLock<Vec<TimeFormats>> = LazyLock::new(|| {
    let kinds = [
        "auto",
        "rfc3339",
        "epoch_s",
        "epoch_ms",
        "epoch_us",
        "epoch_ns",
        "%d/%b/%Y:%H:%M:%S %z",
        "%s%.f",
        "%c",
    ];
    let zones = ["UTC", "Europe/Berlin"];
    let both = kinds
        .iter()
        .flat_map(|kind| zones.map(|zone| TimeFormats::parse(&[kind], zone)));
    both.map(|formats| formats.expect("it is known")).collect()
});

/// Any text as any kind of time, and against two other ways to read it.
pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let text: &str = &text;
    for formats in &*FORMATS {
        for value in [
            TimeValue::Text(text),
            TimeValue::Number(text),
            TimeValue::DateText(text),
            TimeValue::DateMillis(text),
            TimeValue::DotDateText(text),
            TimeValue::DotDateSeconds(text),
        ] {
            if let Ok(reading) = formats.read(&value) {
                assert_stored(reading.instant);
            }
        }
    }
    let _ = (read_date(text, true), read_date(text, false));
    let _ = TimeFormats::parse(&[text], "UTC");
    // Slow, for the name that may have been meant.
    if text.len() < 16 {
        let _ = TimeFormats::parse(&["auto"], text);
    }
    assert_as_chrono(text);
    assert_as_counted(text);
}

fn read(format: &str, value: TimeValue<'_>) -> Result<Instant, TimeError> {
    let formats = TimeFormats::parse(&[format], "UTC").expect("it is known");
    formats.read(&value).map(|reading| reading.instant)
}

/// An instant is printed as others read it, and lies in one folder a layout.
fn assert_stored(instant: Instant) {
    let printed = DateTime::parse_from_rfc3339(&instant.to_rfc3339()).expect("it is RFC 3339");
    assert_eq!(
        (printed.timestamp(), printed.timestamp_subsec_nanos()),
        (instant.seconds(), instant.nanos())
    );
    let hour = PartitionHour::containing(instant);
    for layout in Layout::ALL {
        let folder = layout.prefix(hour);
        assert_eq!(layout.hour_of(&folder), Some(hour));
        assert!(
            folder
                .bytes()
                .all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'=' | b'-' | b'/')),
            "{folder}"
        );
    }
}

/// `2019-10-12T02:37:22.5+02:00` with nothing left out; chrono takes more than that.
fn is_rfc3339(text: &str) -> bool {
    let digits = |range: std::ops::Range<usize>| {
        text.get(range)
            .is_some_and(|some| some.bytes().all(|c| c.is_ascii_digit()))
    };
    let is = |at: usize, any: &[u8]| text.as_bytes().get(at).is_some_and(|c| any.contains(c));
    let head = digits(0..4)
        && is(4, b"-")
        && digits(5..7)
        && is(7, b"-")
        && digits(8..10)
        && is(10, b"Tt ")
        && digits(11..13)
        && is(13, b":")
        && digits(14..16)
        && is(16, b":")
        && digits(17..19);
    let Some(rest) = text.get(19..).filter(|_| head) else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
    };
    let two = |some: &str| some.len() == 2 && some.bytes().all(|c| c.is_ascii_digit());
    match zone.split_at_checked(1) {
        Some(("Z" | "z", "")) => true,
        Some(("+" | "-", offset)) => offset
            .split_once(':')
            .is_some_and(|(hours, minutes)| two(hours) && two(minutes)),
        _ => false,
    }
}

fn assert_as_chrono(text: &str) {
    if !is_rfc3339(text) {
        return;
    }
    let second = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    let found = read("rfc3339", TimeValue::Text(text));
    let expected = match second {
        // Leap seconds are no times here.
        Ok(_) if &text[17..19] == "60" => Err(TimeError::Unreadable),
        Ok(time) => Instant::new(time.timestamp(), time.timestamp_subsec_nanos()).ok_or(TimeError::OutOfRange),
        Err(_) => Err(TimeError::Unreadable),
    };
    assert_eq!(found, expected, "{text}");
}

/// Whole numbers in a named unit, as wide integers divide them.
fn assert_as_counted(text: &str) {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    let is_token = is_number && (digits == "0" || !digits.starts_with('0'));
    if !is_token || digits.len() > 24 {
        return;
    }
    let number: i128 = text.parse().expect("it is short");
    for (format, of_second) in [
        ("epoch_s", 1),
        ("epoch_ms", 1_000),
        ("epoch_us", 1_000_000),
        ("epoch_ns", NANOS),
    ] {
        let nanos = number * (NANOS / of_second);
        let seconds = i64::try_from(nanos.div_euclid(NANOS)).ok();
        let expected = seconds.and_then(|seconds| Instant::new(seconds, nanos.rem_euclid(NANOS) as u32));
        assert_eq!(
            read(format, TimeValue::Number(text)).ok(),
            expected,
            "{text} as {format}"
        );
        assert_eq!(
            read(format, TimeValue::Text(text)).ok(),
            expected,
            "{text:?} as {format}"
        );
    }
}
