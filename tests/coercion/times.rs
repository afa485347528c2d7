//! Dates and timestamps in columns. What the event time itself reads is told in `event_time.rs`.

use crate::reading::{MISMATCH, RANGE, check_modes, values};

const NOON: &str = "2019-10-12T02:37:22";

#[test]
fn a_date_is_a_day_and_under_lossless_also_its_midnight() {
    check_modes(
        "type: date",
        &[
            ("\"2019-10-12\"", "2019-10-12", "2019-10-12"),
            ("\"1969-12-31\"", "1969-12-31", "1969-12-31"),
            ("\"0001-01-01\"", "0001-01-01", "0001-01-01"),
            ("\"9999-12-31\"", "9999-12-31", "9999-12-31"),
            ("\"2020-02-29\"", "2020-02-29", "2020-02-29"),
            ("\"2019\\u002d10-12\"", "2019-10-12", "2019-10-12"),
            ("\"2019-02-29\"", MISMATCH, MISMATCH),
            ("\"0000-01-01\"", MISMATCH, MISMATCH),
            ("\"2019-1-2\"", MISMATCH, MISMATCH),
            ("\"20191012\"", MISMATCH, MISMATCH),
            ("\"12.10.2019\"", MISMATCH, MISMATCH),
            ("\" 2019-10-12\"", MISMATCH, MISMATCH),
            ("\"2019-10-12 \"", MISMATCH, MISMATCH),
            ("\"\"", MISMATCH, MISMATCH),
            ("\"2019-10-12T00:00:00\"", MISMATCH, "2019-10-12"),
            ("\"2019-10-12 00:00:00.000\"", MISMATCH, "2019-10-12"),
            ("\"2019-10-12T00:00:00Z\"", MISMATCH, "2019-10-12"),
            ("\"2019-10-12T00:00\"", MISMATCH, "2019-10-12"),
            ("\"2019-10-12T00:00:00.001\"", MISMATCH, MISMATCH),
            ("\"2019-10-12T00:00:01Z\"", MISMATCH, MISMATCH),
            ("\"2019-10-12T00:00:00+00:00\"", MISMATCH, MISMATCH),
            ("\"2019-10-12T00:00:00+02:00\"", MISMATCH, MISMATCH),
            ("18181", MISMATCH, MISMATCH),
            ("{\"$date\":0}", MISMATCH, MISMATCH),
            ("true", MISMATCH, MISMATCH),
            ("[]", MISMATCH, MISMATCH),
            ("null", "NULL", "NULL"),
        ],
    );
}

#[test]
fn a_timestamp_takes_rfc3339_and_under_lossless_what_auto_reads() {
    check_modes(
        "type: timestamp",
        &[
            ("\"2019-10-12T02:37:22Z\"", NOON, NOON),
            ("\"2019-10-12T04:37:22+02:00\"", NOON, NOON),
            ("\"2019-10-12 02:37:22 UTC\"", NOON, NOON),
            (
                "\"2019-10-12T02:37:22.178652Z\"",
                "2019-10-12T02:37:22.178",
                "2019-10-12T02:37:22.178",
            ),
            (
                "\"1969-12-31T23:59:59.9999Z\"",
                "1969-12-31T23:59:59.999",
                "1969-12-31T23:59:59.999",
            ),
            ("\"0001-01-01T00:00:00Z\"", "0001-01-01T00:00:00", "0001-01-01T00:00:00"),
            (
                "\"9999-12-31T23:59:59.999Z\"",
                "9999-12-31T23:59:59.999",
                "9999-12-31T23:59:59.999",
            ),
            ("\"9999-12-31T23:59:59-01:00\"", RANGE, RANGE),
            ("\"0001-01-01T00:00:00+01:00\"", RANGE, RANGE),
            ("\"2019-10-12T02:37:22\"", MISMATCH, NOON),
            ("\"2019-10-12T02:37Z\"", MISMATCH, "2019-10-12T02:37:00"),
            ("\"1570847842\"", MISMATCH, NOON),
            ("\"2019-10-12\"", MISMATCH, MISMATCH),
            ("\"2019-10-12T24:00:00Z\"", MISMATCH, MISMATCH),
            ("\"now\"", MISMATCH, MISMATCH),
            ("\"\"", MISMATCH, MISMATCH),
            ("1570847842", MISMATCH, NOON),
            ("1570847842.178652", MISMATCH, "2019-10-12T02:37:22.178"),
            ("1570847842178", MISMATCH, "2019-10-12T02:37:22.178"),
            ("1570847842178652", MISMATCH, "2019-10-12T02:37:22.178"),
            ("1570847842178652123", MISMATCH, "2019-10-12T02:37:22.178"),
            ("1e11", MISMATCH, "1973-03-03T09:46:40"),
            ("-1", MISMATCH, "1969-12-31T23:59:59"),
            ("-0.0001", MISMATCH, "1969-12-31T23:59:59.999"),
            ("9223372036854775808", MISMATCH, RANGE),
            ("{\"$date\":1570847842178}", MISMATCH, "2019-10-12T02:37:22.178"),
            ("{\"$date\":0}", MISMATCH, "1970-01-01T00:00:00"),
            (
                "{\"$date\":{\"$numberLong\":\"1570847842178\"}}",
                MISMATCH,
                "2019-10-12T02:37:22.178",
            ),
            (
                "{\"$date\":{\"$numberLong\":\"-1\"}}",
                MISMATCH,
                "1969-12-31T23:59:59.999",
            ),
            ("{\"$date\":\"2019-10-12T02:37:22Z\"}", MISMATCH, NOON),
            ("{\"$date\":\"2019-10-12T02:37:22\"}", MISMATCH, NOON),
            ("{\"$.date\":1570847842}", MISMATCH, NOON),
            ("{\"$.date\":\"2019-10-12T02:37:22Z\"}", MISMATCH, NOON),
            ("{\"$date\":9e99}", MISMATCH, RANGE),
            ("{\"$date\":\"1570847842\"}", MISMATCH, MISMATCH),
            ("{\"$date\":null}", MISMATCH, MISMATCH),
            ("{\"$date\":true}", MISMATCH, MISMATCH),
            ("{\"$date\":{\"$numberLong\":1}}", MISMATCH, MISMATCH),
            ("{\"$date\":{\"$numberLong\":\"1.5\"}}", MISMATCH, MISMATCH),
            ("{\"$date\":{\"$numberInt\":\"1\"}}", MISMATCH, MISMATCH),
            ("{\"$.date\":{\"$numberLong\":\"1\"}}", MISMATCH, MISMATCH),
            ("{\"$date\":0,\"x\":1}", MISMATCH, MISMATCH),
            ("{\"$date\":0,\"$date\":0}", MISMATCH, MISMATCH),
            ("{\"date\":0}", MISMATCH, MISMATCH),
            ("{}", MISMATCH, MISMATCH),
            ("[]", MISMATCH, MISMATCH),
            ("[1570847842]", MISMATCH, MISMATCH),
            ("true", MISMATCH, MISMATCH),
            ("null", "NULL", "NULL"),
        ],
    );
}

#[test]
fn timestamp_6_holds_microseconds() {
    check_modes(
        "type: timestamp(6)",
        &[
            (
                "\"2019-10-12T02:37:22.178652999Z\"",
                "2019-10-12T02:37:22.178652",
                "2019-10-12T02:37:22.178652",
            ),
            ("\"0001-01-01T00:00:00Z\"", "0001-01-01T00:00:00", "0001-01-01T00:00:00"),
            (
                "\"9999-12-31T23:59:59.999999Z\"",
                "9999-12-31T23:59:59.999999",
                "9999-12-31T23:59:59.999999",
            ),
            ("1570847842178652", MISMATCH, "2019-10-12T02:37:22.178652"),
            ("-0.0000001", MISMATCH, "1969-12-31T23:59:59.999999"),
            ("{\"$date\":1.5}", MISMATCH, "1970-01-01T00:00:00.001500"),
        ],
    );
}

#[test]
fn formats_of_a_column_replace_what_its_mode_would_read() {
    let time = "\"12/Oct/2019:04:37:22 +0200\"";
    for (formats, cases) in [
        (
            "formats: [epoch_ms]",
            &[
                ("1570847842000", NOON, NOON),
                ("\"1570847842000\"", NOON, NOON),
                ("1.570847842e12", NOON, NOON),
                ("0", "1970-01-01T00:00:00", "1970-01-01T00:00:00"),
                ("\"2019-10-12T02:37:22Z\"", MISMATCH, MISMATCH),
                ("{\"$date\":0}", MISMATCH, "1970-01-01T00:00:00"),
                ("253402300800000", RANGE, RANGE),
            ][..],
        ),
        (
            "formats: [auto]",
            &[
                ("\"2019-10-12T02:37:22\"", NOON, NOON),
                ("\"1570847842\"", NOON, NOON),
                // `auto` names no epoch, so a strict column takes no number for a time.
                ("1570847842", MISMATCH, NOON),
            ],
        ),
        (
            "formats: [rfc3339]",
            &[
                ("\"2019-10-12T02:37:22Z\"", NOON, NOON),
                ("\"2019-10-12T02:37:22\"", MISMATCH, MISMATCH),
                ("1570847842", MISMATCH, MISMATCH),
                ("{\"$.date\":1570847842}", MISMATCH, NOON),
            ],
        ),
        (
            "formats: [\"%d/%b/%Y:%H:%M:%S %z\", epoch_s]",
            &[
                (time, NOON, NOON),
                ("1570847842", NOON, NOON),
                ("\"2019-10-12T02:37:22Z\"", MISMATCH, MISMATCH),
            ],
        ),
        (
            "formats: [\"%Y%m%d\"]",
            &[("\"20191012\"", "2019-10-12T00:00:00", "2019-10-12T00:00:00")],
        ),
        (
            "formats: [auto], timezone: Europe/Berlin",
            &[
                ("\"2019-10-12T04:37:22\"", NOON, NOON),
                ("\"2019-10-12T02:37:22Z\"", NOON, NOON),
                ("\"2019-10-27T02:30:00\"", "2019-10-27T00:30:00", "2019-10-27T00:30:00"),
                ("\"2019-03-31T02:30:00\"", MISMATCH, MISMATCH),
            ],
        ),
    ] {
        check_modes(&format!("type: timestamp, {formats}"), cases);
        let list: Vec<_> = cases
            .iter()
            .map(|(json, s, l)| (format!("[{json}]"), bracketed(s), bracketed(l)))
            .collect();
        let list: Vec<_> = list
            .iter()
            .map(|(json, s, l)| (json.as_str(), s.as_str(), l.as_str()))
            .collect();
        check_modes(&format!("type: array<timestamp>, {formats}"), &list);
    }
}

fn bracketed(value: &str) -> String {
    if value.starts_with("Type.") {
        value.to_owned()
    } else {
        format!("[{value}]")
    }
}

#[test]
fn digits_that_are_cut_are_counted_and_zeros_are_not() {
    for (column, json, cut) in [
        ("timestamp", "\"2019-10-12T02:37:22.178Z\"", 0),
        ("timestamp", "\"2019-10-12T02:37:22.178000000Z\"", 0),
        ("timestamp", "\"2019-10-12T02:37:22.178001Z\"", 1),
        ("timestamp", "\"2019-10-12T02:37:22.000000001Z\"", 1),
        ("timestamp(6)", "\"2019-10-12T02:37:22.178001Z\"", 0),
        ("timestamp(6)", "\"2019-10-12T02:37:22.178001002Z\"", 1),
        (
            "array<timestamp>",
            "[\"2019-10-12T02:37:22.1789Z\",null,\"2019-10-12T02:37:22.1789Z\"]",
            2,
        ),
        ("array<timestamp>", "[\"2019-10-12T02:37:22.1789Z\",0]", 0), // refused under strict, and leaves no count
        ("timestamp", "null", 0),
    ] {
        let (_, tally) = values(&format!("type: {column}"), "coercion: strict", &[json]);
        assert_eq!(tally.cut_time, cut, "{column} {json}");
    }
}

#[test]
fn local_times_that_occur_twice_are_counted_in_columns_too() {
    let column = "type: timestamp, formats: [auto], timezone: Europe/Berlin";
    let (text, tally) = values(
        column,
        "",
        &[
            "\"2019-10-27T02:30:00\"",
            "\"2019-10-27T03:30:00\"",
            "\"2019-10-27T02:30:00Z\"",
        ],
    );
    assert_eq!(
        text,
        ["2019-10-27T00:30:00", "2019-10-27T02:30:00", "2019-10-27T02:30:00"]
    );
    assert_eq!(tally.time_ambiguous, 1);
}
