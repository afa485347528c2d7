use super::*;

fn read(pattern: &str, zone: &str, text: &str) -> Result<String, TimeError> {
    let pattern = Pattern::parse(pattern).unwrap_or_else(|problem| panic!("{pattern}: {problem}"));
    let (instant, ambiguous) = pattern.read(text, Zone::parse(zone).unwrap())?;
    Ok(format!(
        "{}{}",
        instant.to_rfc3339(),
        if ambiguous { " ambiguous" } else { "" }
    ))
}

#[test]
fn a_pattern_reads_the_whole_text() {
    const HTTP: &str = "%a, %d %b %Y %H:%M:%S GMT";
    const LOG: &str = "%d/%b/%Y:%H:%M:%S %z";
    for (pattern, text, expected) in [
        (LOG, "12/Oct/2019:02:37:22 +0000", Some("2019-10-12T02:37:22Z")),
        (LOG, "12/Oct/2019:02:37:22 +0230", Some("2019-10-12T00:07:22Z")),
        (LOG, "12/Oct/2019:02:37:22 -02:30", Some("2019-10-12T05:07:22Z")),
        (LOG, "12/Oct/2019:02:37:22 +2359", Some("2019-10-11T02:38:22Z")),
        (LOG, "12/Oct/2019:02:37:22 +2400", None),
        (LOG, "12/Oct/2019:02:37:22 +0000 ", None),
        (LOG, "12/Oct/2019:02:37:22 +0000x", None),
        (LOG, "x12/Oct/2019:02:37:22 +0000", None),
        (LOG, "12/Oct/2019:02:37:22", None),
        (LOG, "31/Apr/2019:02:37:22 +0000", None),
        (LOG, "12/Oct/2019:24:00:00 +0000", None),
        (LOG, "31/Dec/2016:23:59:60 +0000", None),
        (LOG, "", None),
        (HTTP, "Sat, 12 Oct 2019 02:37:22 GMT", Some("2019-10-12T02:37:22Z")),
        (HTTP, "Sun, 12 Oct 2019 02:37:22 GMT", None), // it was a Saturday
        ("%Y%m%dT%H%M%S", "20191012T023722", Some("2019-10-12T02:37:22Z")),
        ("%Y%m%d%H%M%S", "20191012023722", Some("2019-10-12T02:37:22Z")),
        ("%Y%m%d%H%M%S%3f", "20191012023722178", Some("2019-10-12T02:37:22.178Z")),
        ("%Y-%m-%d %I:%M %p", "2019-10-12 02:37 PM", Some("2019-10-12T14:37:00Z")),
        ("%m/%d/%y %H:%M", "10/12/19 02:37", Some("2019-10-12T02:37:00Z")),
        ("%m/%d/%y %H:%M", "10/12/70 02:37", Some("1970-10-12T02:37:00Z")),
        ("%Y-%m-%d %H:%M:%S", "2019-1-2 3:4:5", Some("2019-01-02T03:04:05Z")),
        ("%+", "2019-10-12T04:37:22.5+02:00", Some("2019-10-12T02:37:22.500Z")),
        ("%Y-%j", "2019-285", Some("2019-10-12T00:00:00Z")),
        ("%G-W%V-%u", "2019-W41-6", Some("2019-10-12T00:00:00Z")),
        ("%Y年%m月%d日", "2019年10月12日", Some("2019-10-12T00:00:00Z")),
    ] {
        let expected = expected.map(str::to_owned).ok_or(TimeError::Unreadable);
        assert_eq!(read(pattern, "UTC", text), expected, "{pattern} {text:?}");
    }
}

#[test]
fn what_a_pattern_does_not_name_below_the_day_is_zero() {
    for (pattern, text, expected) in [
        ("%Y-%m-%d", "2019-10-12", "2019-10-12T00:00:00Z"),
        ("%Y%m%dT%H", "20191012T02", "2019-10-12T02:00:00Z"),
        ("%Y-%m-%d %I%p", "2019-10-12 2pm", "2019-10-12T14:00:00Z"),
        ("%Y-%m-%d %H:%M", "2019-10-12 02:37", "2019-10-12T02:37:00Z"),
        ("%Y-%m-%d%z", "2019-10-12+0200", "2019-10-11T22:00:00Z"),
    ] {
        assert_eq!(
            read(pattern, "UTC", text),
            Ok(expected.to_owned()),
            "{pattern} {text:?}"
        );
    }
}

#[test]
fn a_fraction_after_a_point_is_decimal() {
    for pattern in ["%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S%.f"] {
        for (text, expected) in [
            ("2019-10-12 02:37:22.178", Some("2019-10-12T02:37:22.178Z")),
            ("2019-10-12 02:37:22.178652", Some("2019-10-12T02:37:22.178652Z")),
            ("2019-10-12 02:37:22.000178652", Some("2019-10-12T02:37:22.000178652Z")),
            ("2019-10-12 02:37:22.1786521239", Some("2019-10-12T02:37:22.178652123Z")),
            ("2019-10-12 02:37:22", Some("2019-10-12T02:37:22Z")),
            ("2019-10-12 02:37:22.", None),
            ("2019-10-12 02:37:22,5", None),
        ] {
            let expected = expected.map(str::to_owned).ok_or(TimeError::Unreadable);
            assert_eq!(read(pattern, "UTC", text), expected, "{pattern} {text:?}");
        }
    }
    let comma = read("%Y-%m-%d %H:%M:%S,%3f", "UTC", "2019-10-12 02:37:22,178");
    assert_eq!(comma, Ok("2019-10-12T02:37:22.178Z".to_owned()));
}

#[test]
fn an_offset_counts_and_else_the_zone_does() {
    for (pattern, zone, text, expected) in [
        (
            "%Y-%m-%d %H:%M",
            "Europe/Berlin",
            "2019-10-12 02:37",
            Ok("2019-10-12T00:37:00Z"),
        ),
        (
            "%Y-%m-%d %H:%M %z",
            "Europe/Berlin",
            "2019-10-12 02:37 +0000",
            Ok("2019-10-12T02:37:00Z"),
        ),
        (
            "%Y-%m-%d %H:%M %Z",
            "Europe/Berlin",
            "2019-10-12 02:37 PST",
            Ok("2019-10-12T00:37:00Z"),
        ),
        ("%Y-%m-%d", "Europe/Berlin", "2019-10-12", Ok("2019-10-11T22:00:00Z")),
        (
            "%Y-%m-%d %H:%M",
            "Europe/Berlin",
            "2019-10-27 02:30",
            Ok("2019-10-27T00:30:00Z ambiguous"),
        ),
        (
            "%Y-%m-%d %H:%M",
            "Europe/Berlin",
            "2019-03-31 02:30",
            Err(TimeError::Nonexistent),
        ),
        (
            "%Y-%m-%d",
            "America/Sao_Paulo",
            "2018-11-04",
            Err(TimeError::Nonexistent),
        ),
    ] {
        assert_eq!(
            read(pattern, zone, text),
            expected.map(str::to_owned),
            "{pattern} {zone} {text:?}"
        );
    }
}

#[test]
fn seconds_since_the_epoch_are_utc_whatever_the_zone() {
    for (pattern, text, expected) in [
        ("%s", "1570847842", Ok("2019-10-12T02:37:22Z")),
        ("%s", "-1", Err(TimeError::Unreadable)), // chrono's has no sign; epoch_s has
        ("%s.%3f", "1570847842.178", Ok("2019-10-12T02:37:22.178Z")),
        ("@%s", "@1570847842", Ok("2019-10-12T02:37:22Z")),
        ("%s", "1570847842.5", Err(TimeError::Unreadable)),
        ("%s", "253402300799", Ok("9999-12-31T23:59:59Z")),
        ("%s", "253402300800", Err(OutOfRange)),
        ("%s", "99999999999999", Err(OutOfRange)),
        ("%s", "99999999999999999999", Err(OutOfRange)),
        ("%s %z", "1570847842 +0200", Ok("2019-10-12T02:37:22Z")),
    ] {
        assert_eq!(
            read(pattern, "Europe/Berlin", text),
            expected.map(str::to_owned),
            "{pattern} {text:?}"
        );
    }
}

#[test]
fn years_end_at_9999() {
    for (text, expected) in [
        ("0001-01-01", Ok("0001-01-01T00:00:00Z")),
        ("9999-12-31", Ok("9999-12-31T00:00:00Z")),
        ("0000-12-31", Err(OutOfRange)),
        ("-0001-12-31", Err(OutOfRange)),
        ("+10000-01-01", Err(OutOfRange)),
        ("+999999-01-01", Err(OutOfRange)),
        ("+10000-02-30", Err(OutOfRange)),
        ("2019-02-30", Err(TimeError::Unreadable)),
    ] {
        assert_eq!(read("%Y-%m-%d", "UTC", text), expected.map(str::to_owned), "{text:?}");
    }
}

#[test]
fn patterns_that_could_never_name_an_instant_are_refused() {
    use PatternProblem::*;
    let unknown = |specifier: &str| UnknownSpecifier(specifier.to_owned());
    for (pattern, problem) in [
        ("%", unknown("%")),
        ("%Y-%m-%d %", unknown("%")),
        ("100%", unknown("%")),
        ("%Y-%m-%Q", unknown("%Q")),
        ("%%%Y %-ö", unknown("%-ö")),
        ("%5f", unknown("%5f")),
        ("%%", NoWholeDate),
        ("%H:%M:%S", NoWholeDate),
        ("%Y", NoWholeDate),
        ("%Y-%m", NoWholeDate),
        ("%m-%d %H:%M", NoWholeDate),
        ("%G-%V", NoWholeDate),
        ("%Y-%m-%d %I:%M", NoWholeTime),
        ("%Y-%m-%d %M", NoWholeTime),
        ("%Y-%m-%d %H:%S", NoWholeTime),
        ("%Y-%m-%d %p", NoWholeTime),
        ("%Y-%m-%d %H:%M%.f", NoWholeTime),
        ("%s%3f", NotReadable),
        ("%Y-%m-%d %H:%M:%S,%f", BareFraction),
        ("%Y-%m-%d %H:%M:%S%f", BareFraction),
        ("%f", BareFraction),
    ] {
        assert_eq!(Pattern::parse(pattern), Err(problem), "{pattern}");
    }
}
