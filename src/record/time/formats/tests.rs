use super::TimeValue::{DateMillis, DateText, DotDateSeconds, DotDateText, Number, Text};
use super::*;
use crate::record::time::TimeError::Nonexistent;

/// The instant and form as text, so that a case is one line.
fn read(formats: &[&str], zone: &str, value: TimeValue<'_>) -> Result<String, TimeError> {
    let reading = TimeFormats::parse(formats, zone).unwrap().read(&value)?;
    let twice = if reading.ambiguous { " ambiguous" } else { "" };
    Ok(format!(
        "{} {}{twice}",
        reading.instant.to_rfc3339(),
        reading.form.name()
    ))
}

#[track_caller]
fn check(formats: &[&str], zone: &str, value: TimeValue<'_>, expected: Result<&str, TimeError>) {
    assert_eq!(
        read(formats, zone, value),
        expected.map(str::to_owned),
        "{formats:?} {zone} {value:?}"
    );
}

#[test]
fn auto_reads_calendar_text() {
    for (text, expected) in [
        ("2019-10-12 02:37:22.178652", Ok("2019-10-12T02:37:22.178652Z iso")),
        ("2019-10-12T02:37:22.178Z", Ok("2019-10-12T02:37:22.178Z iso_zoned")),
        ("2019-10-12T02:37", Ok("2019-10-12T02:37:00Z iso")),
        ("2019-10-12t02:37:22,5 gmt", Err(Unreadable)),
        ("2019-10-12t02:37:22,5 GMT", Ok("2019-10-12T02:37:22.500Z iso_zoned")),
        ("2019-10-12T02:37:22 UTC", Ok("2019-10-12T02:37:22Z iso_zoned")),
        ("2019-10-12T02:37:22z", Ok("2019-10-12T02:37:22Z iso_zoned")),
        ("2019-10-12T02:37:22+05:30", Ok("2019-10-11T21:07:22Z iso_zoned")),
        ("2019-10-12T02:37:22-0530", Ok("2019-10-12T08:07:22Z iso_zoned")),
        ("2019-10-12T02:37:22 -05", Ok("2019-10-12T07:37:22Z iso_zoned")),
        ("2019-10-12T02:37:22+23:59", Ok("2019-10-11T02:38:22Z iso_zoned")),
        ("2019-10-12T02:37:22-23:59", Ok("2019-10-13T02:36:22Z iso_zoned")),
        ("2019-10-12T02:37:22+24:00", Err(Unreadable)),
        ("2019-10-12T02:37:22-24:00", Err(Unreadable)),
        (" \t\r\n2019-10-12T02:37:22 \n", Ok("2019-10-12T02:37:22Z iso")),
        ("2019-10-12T24:00:00", Err(Unreadable)),
        ("2016-12-31T23:59:60Z", Err(Unreadable)),
        (
            "1969-12-31T23:59:59.999999999Z",
            Ok("1969-12-31T23:59:59.999999999Z iso_zoned"),
        ),
        (
            "1969-12-31T23:59:59.9999999999Z",
            Ok("1969-12-31T23:59:59.999999999Z iso_zoned"),
        ),
        ("0001-01-01T00:00:00Z", Ok("0001-01-01T00:00:00Z iso_zoned")),
        ("0000-12-31T23:59:59.999999999Z", Err(OutOfRange)),
        ("0001-01-01T00:00:00+00:01", Err(OutOfRange)),
        ("0000-12-31T23:59:00-00:01", Ok("0001-01-01T00:00:00Z iso_zoned")),
        (
            "9999-12-31T23:59:59.999999999Z",
            Ok("9999-12-31T23:59:59.999999999Z iso_zoned"),
        ),
        ("9999-12-31T23:59:59-00:01", Err(OutOfRange)),
        ("10000-01-01T00:00:00Z", Err(Unreadable)),
        ("1582-10-10T00:00:00Z", Ok("1582-10-10T00:00:00Z iso_zoned")),
    ] {
        check(&["auto"], "UTC", Text(text), expected);
    }
}

#[test]
fn auto_reads_digits_of_telling_length() {
    for (text, expected) in [
        ("157084784", Ok("1974-12-24T02:39:44Z epoch_s_text")),
        ("1570847842", Ok("2019-10-12T02:37:22Z epoch_s_text")),
        (" 1570847842 ", Ok("2019-10-12T02:37:22Z epoch_s_text")),
        ("1570847842.178652", Ok("2019-10-12T02:37:22.178652Z epoch_s_text")),
        ("-1570847842.5", Ok("1920-03-22T21:22:37.500Z epoch_s_text")),
        ("99999999999", Ok("5138-11-16T09:46:39Z epoch_s_text")),
        ("100000000000", Ok("1973-03-03T09:46:40Z epoch_ms_text")),
        ("1570847842178", Ok("2019-10-12T02:37:22.178Z epoch_ms_text")),
        ("0001570847842", Ok("2019-10-12T02:37:22Z epoch_s_text")),
        ("100000000000000", Ok("1973-03-03T09:46:40Z epoch_us_text")),
        ("1570847842178652", Ok("2019-10-12T02:37:22.178652Z epoch_us_text")),
        ("100000000000000000", Ok("1973-03-03T09:46:40Z epoch_ns_text")),
        (
            "1570847842178652123",
            Ok("2019-10-12T02:37:22.178652123Z epoch_ns_text"),
        ),
        (
            "9223372036854775807",
            Ok("2262-04-11T23:47:16.854775807Z epoch_ns_text"),
        ),
        ("9223372036854775808", Err(OutOfRange)),
        ("-99999999999", Err(OutOfRange)),
        ("15708478", Err(Unreadable)),
        ("20191012", Err(Unreadable)),
        ("20191012023722", Err(Unreadable)),
        ("20191012023722178", Err(Unreadable)),
        ("15708478421786521230", Err(Unreadable)),
        ("0", Err(Unreadable)),
        ("+1570847842", Err(Unreadable)),
        ("1570847842.", Err(Unreadable)),
        ("1.570847842e9", Err(Unreadable)),
        ("1570847842 178", Err(Unreadable)),
        ("1570847842s", Err(Unreadable)),
    ] {
        check(&["auto"], "UTC", Text(text), expected);
    }
}

#[test]
fn auto_reads_no_other_text() {
    for text in [
        "",
        " ",
        "2019-10-12",
        "2019-10",
        "2019",
        "now",
        "null",
        "Sat, 12 Oct 2019 02:37:22 GMT",
        "12/Oct/2019:02:37:22 +0000",
        "12/Oct/2019",
        "20191012T02",
        "20191012T023722Z",
        "2019-10-12T02",
        "10/12/2019 02:37:22",
        "2019-10-12T02:37:22[Europe/Berlin]",
        "Oct 12 2019",
    ] {
        check(&["auto"], "UTC", Text(text), Err(Unreadable));
    }
}

#[test]
fn auto_reads_numbers_by_magnitude() {
    for (token, expected) in [
        ("0", Ok("1970-01-01T00:00:00Z epoch_s")),
        ("-0", Ok("1970-01-01T00:00:00Z epoch_s")),
        ("20191012", Ok("1970-08-22T16:36:52Z epoch_s")),
        ("1.5e3", Ok("1970-01-01T00:25:00Z epoch_s")),
        ("1570847842.178652", Ok("2019-10-12T02:37:22.178652Z epoch_s")),
        ("-1e10", Ok("1653-02-10T06:13:20Z epoch_s")),
        ("99999999999.9", Ok("5138-11-16T09:46:39.900Z epoch_s")),
        ("1e11", Ok("1973-03-03T09:46:40Z epoch_ms")),
        ("-1e11", Ok("1966-10-31T14:13:20Z epoch_ms")),
        ("1570847842178.5", Ok("2019-10-12T02:37:22.178500Z epoch_ms")),
        ("1e14", Ok("1973-03-03T09:46:40Z epoch_us")),
        ("1e17", Ok("1973-03-03T09:46:40Z epoch_ns")),
        ("1627668684594000000", Ok("2021-07-30T18:11:24.594Z epoch_ns")),
        ("-0.000000001", Ok("1969-12-31T23:59:59.999999999Z epoch_s")),
        ("9223372036854775808", Err(OutOfRange)),
        ("1e999999999", Err(OutOfRange)),
        ("-1e999999999", Err(OutOfRange)),
        ("abc", Err(Unreadable)),
        ("", Err(Unreadable)),
    ] {
        check(&["auto"], "UTC", Number(token), expected);
    }
}

#[test]
fn date_objects_say_themselves_how_they_are_read() {
    for formats in [&["auto"][..], &["rfc3339"], &["epoch_ns"], &["%Y-%m-%d"]] {
        for (value, expected) in [
            (DateMillis("1570847842178"), Ok("2019-10-12T02:37:22.178Z date_ms")),
            (DateMillis("1570847842"), Ok("1970-01-19T04:20:47.842Z date_ms")),
            (DateMillis("0"), Ok("1970-01-01T00:00:00Z date_ms")),
            (DateMillis("-1"), Ok("1969-12-31T23:59:59.999Z date_ms")),
            (DateMillis("1.5e3"), Ok("1970-01-01T00:00:01.500Z date_ms")),
            (DateMillis("253402300800000"), Err(OutOfRange)),
            (DateMillis("2019"), Ok("1970-01-01T00:00:02.019Z date_ms")),
            (DateMillis("+1"), Err(Unreadable)),
            (DateMillis("soon"), Err(Unreadable)),
            (
                DateText("2019-10-12T02:37:22.178Z"),
                Ok("2019-10-12T02:37:22.178Z date_iso"),
            ),
            (DateText("2019-10-12T02:37:22"), Ok("2019-10-12T00:37:22Z date_iso")),
            (
                DateText("2019-10-27T02:30:00"),
                Ok("2019-10-27T00:30:00Z date_iso ambiguous"),
            ),
            (DateText("2019-03-31T02:30:00"), Err(Nonexistent)),
            (DateText("2019-10-12"), Err(Unreadable)),
            (DateText("1570847842178"), Err(Unreadable)),
            (DotDateSeconds("1570847842"), Ok("2019-10-12T02:37:22Z dot_date_s")),
            (
                DotDateSeconds("1570847842.178652"),
                Ok("2019-10-12T02:37:22.178652Z dot_date_s"),
            ),
            (DotDateSeconds("1570847842178"), Err(OutOfRange)),
            (
                DotDateText("2019-10-12T02:37:22Z"),
                Ok("2019-10-12T02:37:22Z dot_date_iso"),
            ),
            (DotDateText("1570847842"), Err(Unreadable)),
        ] {
            check(formats, "Europe/Berlin", value, expected);
        }
    }
}

#[test]
fn rfc3339_needs_seconds_and_a_zone() {
    for (text, expected) in [
        ("2019-10-12T02:37:22Z", Ok("2019-10-12T02:37:22Z iso_zoned")),
        ("2019-10-12t02:37:22.178z", Ok("2019-10-12T02:37:22.178Z iso_zoned")),
        ("2019-10-12 02:37:22+02:00", Ok("2019-10-12T00:37:22Z iso_zoned")),
        ("2019-10-12T02:37:22 UTC", Ok("2019-10-12T02:37:22Z iso_zoned")),
        ("2019-10-12T02:37:22", Err(Unreadable)),
        ("2019-10-12T02:37Z", Err(Unreadable)),
        (" 2019-10-12T02:37:22Z", Err(Unreadable)),
        ("2019-10-12T02:37:22Z ", Err(Unreadable)),
        ("1570847842", Err(Unreadable)),
        ("2019-10-12", Err(Unreadable)),
        ("9999-12-31T23:59:59-00:01", Err(OutOfRange)),
    ] {
        check(&["rfc3339"], "UTC", Text(text), expected);
    }
    check(&["rfc3339"], "UTC", Number("1570847842"), Err(Unreadable));
}

#[test]
fn named_epochs_guess_nothing() {
    for (format, digits, time) in [
        ("epoch_s", "5", Ok("1970-01-01T00:00:05Z")),
        ("epoch_s", "007", Ok("1970-01-01T00:00:07Z")),
        ("epoch_s", "20191012023722", Err(OutOfRange)),
        ("epoch_s", "253402300799", Ok("9999-12-31T23:59:59Z")),
        ("epoch_s", "253402300800", Err(OutOfRange)),
        ("epoch_ms", "1570847842", Ok("1970-01-19T04:20:47.842Z")),
        ("epoch_ms", "1570847842178.25", Ok("2019-10-12T02:37:22.178250Z")),
        ("epoch_us", "1570847842178652", Ok("2019-10-12T02:37:22.178652Z")),
        ("epoch_us", "-1", Ok("1969-12-31T23:59:59.999999Z")),
        ("epoch_ns", "-1", Ok("1969-12-31T23:59:59.999999999Z")),
        ("epoch_ns", "9223372036854775808", Ok("2262-04-11T23:47:16.854775808Z")),
        ("epoch_ns", "253402300800000000000", Err(OutOfRange)),
    ] {
        let number = time.map(|time| format!("{time} {format}"));
        let text = time.map(|time| format!("{time} {format}_text"));
        check(
            &[format],
            "UTC",
            Number(digits),
            number.as_deref().map_err(|error| *error),
        );
        check(&[format], "UTC", Text(digits), text.as_deref().map_err(|error| *error));
    }
    check(&["epoch_s"], "UTC", Number("1.5e3"), Ok("1970-01-01T00:25:00Z epoch_s"));
    for text in [
        "1.5e3",
        "+5",
        "5.",
        ".5",
        " 5",
        "5 ",
        "",
        "-",
        "2019-10-12T02:37:22Z",
        "five",
    ] {
        check(&["epoch_s"], "UTC", Text(text), Err(Unreadable));
    }
}

#[test]
fn patterns_read_text_and_whole_numbers() {
    let day = &["%Y%m%d"];
    check(day, "UTC", Text("20191012"), Ok("2019-10-12T00:00:00Z pattern"));
    check(day, "UTC", Number("20191012"), Ok("2019-10-12T00:00:00Z pattern"));
    check(day, "UTC", Number("20191012.0"), Err(Unreadable));
    check(day, "UTC", Number("2.0191012e7"), Err(Unreadable));
    check(day, "UTC", Number("20191332"), Err(Unreadable));
    check(
        &["%s"],
        "Europe/Berlin",
        Number("1570847842"),
        Ok("2019-10-12T02:37:22Z pattern"),
    );
}

#[test]
fn the_first_format_that_reads_the_whole_value_wins() {
    for (formats, value, expected) in [
        (
            &["%Y%m%d", "auto"][..],
            Number("20191012"),
            Ok("2019-10-12T00:00:00Z pattern"),
        ),
        (
            &["auto", "%Y%m%d"],
            Number("20191012"),
            Ok("1970-08-22T16:36:52Z epoch_s"),
        ),
        (
            &["auto", "%Y%m%d"],
            Text("20191012"),
            Ok("2019-10-12T00:00:00Z pattern"),
        ),
        (
            &["epoch_ms", "auto"],
            Number("1570847842"),
            Ok("1970-01-19T04:20:47.842Z epoch_ms"),
        ),
        (
            &["epoch_ms", "auto"],
            Text("2019-10-12T02:37:22"),
            Ok("2019-10-12T02:37:22Z iso"),
        ),
        (
            &["epoch_s", "epoch_ms"],
            Number("1570847842178"),
            Ok("2019-10-12T02:37:22.178Z epoch_ms"),
        ),
        (
            &["%d.%m.%Y", "%m/%d/%Y"],
            Text("10/12/2019"),
            Ok("2019-10-12T00:00:00Z pattern"),
        ),
    ] {
        check(formats, "UTC", value, expected);
    }
}

#[test]
fn a_better_reason_than_unreadable_is_kept_and_the_first_of_them() {
    for (formats, text, reason) in [
        (&["rfc3339", "auto"][..], "2019-03-31T02:30:00", Nonexistent),
        (&["auto", "rfc3339"], "2019-03-31T02:30:00", Nonexistent),
        (&["rfc3339", "epoch_s"], "9999999999999", OutOfRange),
        (&["epoch_s", "rfc3339"], "9999999999999", OutOfRange),
        (&["auto", "epoch_s"], "tomorrow", Unreadable),
        (&["rfc3339", "%Y%m%d%H%M%S", "epoch_s"], "20190331023000", Nonexistent),
        (&["rfc3339", "epoch_s", "%Y%m%d%H%M%S"], "20190331023000", OutOfRange),
    ] {
        check(formats, "Europe/Berlin", Text(text), Err(reason));
    }
    // A reason does not stop a later format from reading the value.
    let formats = &["%Y%m%d%H%M%S", "epoch_s", "epoch_ms"];
    check(
        formats,
        "Europe/Berlin",
        Text("20190331023000"),
        Ok("2609-10-22T09:17:03Z epoch_ms_text"),
    );
}

#[test]
fn times_without_an_offset_are_of_the_zone_and_those_with_one_are_not() {
    for (text, expected) in [
        ("2019-10-12T02:37:22", Ok("2019-10-12T00:37:22Z iso")),
        ("2019-10-12T02:37:22Z", Ok("2019-10-12T02:37:22Z iso_zoned")),
        ("2019-10-12T02:37:22+00:00", Ok("2019-10-12T02:37:22Z iso_zoned")),
        ("2019-10-27T02:30:00", Ok("2019-10-27T00:30:00Z iso ambiguous")),
        ("2019-10-27T02:30:00+01:00", Ok("2019-10-27T01:30:00Z iso_zoned")),
        ("2019-03-31T02:30:00", Err(Nonexistent)),
        ("2019-03-31T02:30:00Z", Ok("2019-03-31T02:30:00Z iso_zoned")),
        ("0001-01-01T00:00:00", Err(OutOfRange)),
        ("1570847842", Ok("2019-10-12T02:37:22Z epoch_s_text")),
    ] {
        check(&["auto"], "Europe/Berlin", Text(text), expected);
    }
}

#[test]
fn only_epoch_formats_name_an_epoch() {
    let has_epoch = |formats: &[&str]| TimeFormats::parse(formats, "Europe/Berlin").unwrap().has_epoch();
    assert!(has_epoch(&["epoch_s", "auto"]) && has_epoch(&["rfc3339", "epoch_ns"]));
    assert!(!has_epoch(&["rfc3339"]) && !has_epoch(&["auto"]));
    assert!(!TimeFormats::auto_utc().has_epoch());
    assert!(!TimeFormats::parse(&["%s"], "UTC").unwrap().has_epoch());
}

#[test]
fn mistakes_in_a_schema_are_named_with_what_to_write() {
    for (formats, zone, message) in [
        (&[][..], "UTC", "`formats` is empty; write [auto], or leave it out"),
        (
            &["epoch-ms"],
            "UTC",
            "time format `epoch-ms` is not known (did you mean `epoch_ms`?); write auto, ",
        ),
        (
            &["Auto"],
            "UTC",
            "time format `Auto` is not known (did you mean `auto`?)",
        ),
        (&["rfc339"], "UTC", "(did you mean `rfc3339`?)"),
        (
            &["yyyy-MM-dd"],
            "UTC",
            "time format `yyyy-MM-dd` is not known; write auto, rfc3339, epoch_s, ",
        ),
        (&[""], "UTC", "time format `` is not known; write auto"),
        (
            &["%Y-%m-%Q"],
            "UTC",
            "time pattern `%Y-%m-%Q`: `%Q` is no specifier; a percent sign itself is `%%`",
        ),
        (
            &["%H:%M"],
            "UTC",
            "time pattern `%H:%M`: names no whole date; add one, such as `%Y-%m-%d`",
        ),
        (
            &["auto"],
            "Europe/Berln",
            "time zone `Europe/Berln` is not known (did you mean `Europe/Berlin`?); write an IANA name",
        ),
        (
            &["auto"],
            "PST",
            "time zone `PST` is not known; write an IANA name such as UTC or Europe/Berlin",
        ),
    ] {
        let error = TimeFormats::parse(formats, zone).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
