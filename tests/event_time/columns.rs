//! What the event time is beside the hour: a value of columns, and counted.

use lakebed::record::time::TimeForm;

use crate::reading::{LIMITS, code, counts, outcomes_of, plan_of, read_from};
use crate::{ANY, ARRIVAL_S, MISSING, table};

#[test]
fn a_column_of_the_event_time_field_takes_it_as_it_was_read() {
    let columns = "ms: { type: timestamp, from: time }, us: { type: timestamp(6), from: /time }, \
                   text: { type: string, from: time }";
    for (options, value, ms, us, cut) in [
        (
            ANY,
            "\"2019-10-12T02:37:22.178652123Z\"",
            "2019-10-12T02:37:22.178",
            "2019-10-12T02:37:22.178652",
            2,
        ),
        (
            "max_past: none, formats: [epoch_us]",
            "1570847842",
            "1970-01-01T00:26:10.847",
            "1970-01-01T00:26:10.847842",
            1,
        ),
        (
            "timezone: Europe/Berlin",
            "\"2019-10-12T03:37:22\"",
            "2019-10-12T01:37:22",
            "2019-10-12T01:37:22",
            0,
        ),
        (
            ANY,
            "-0.0000001",
            "1969-12-31T23:59:59.999",
            "1969-12-31T23:59:59.999999",
            2,
        ),
        (ANY, "{\"$date\": 0}", "1970-01-01T00:00:00", "1970-01-01T00:00:00", 0),
    ] {
        let plan = table(options, columns);
        let block = read_from(&plan, "k", ARRIVAL_S, format!("{{\"time\":{value}}}").as_bytes());
        assert_eq!(block.tables[0].tally.cut_time, cut, "{value}");
        let row = outcomes_of(&plan, block, 0).remove(0).unwrap();
        let text = format!("{:?}", value.trim_matches('"'));
        assert_eq!(row[1..], [ms, us, &text], "{value} with {options}");
    }
}

#[test]
fn a_strict_column_of_the_event_time_field_takes_what_the_event_time_reads() {
    let schema = "table: t\nevent_time: { field: time }\ncoercion: strict\ncolumns: { time: timestamp, other: { type: timestamp, from: time, formats: [rfc3339] } }\n";
    let plan = plan_of(&[("t", schema.to_owned())], LIMITS);
    let block = read_from(
        &plan,
        "k",
        ARRIVAL_S,
        b"{\"time\":\"2019-10-12 02:37\"}\n{\"time\":\"2019-10-12T02:37:00Z\"}\n{\"time\":1570847820}",
    );
    let outcomes = outcomes_of(&plan, block, 0);
    let found: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.map_err(|rejected| code(&rejected)))
        .collect();
    let row = vec!["2019-10-12T02:37:00".to_owned(); 2];
    let refused = || Err("Type.Mismatch".to_owned()); // by `other`, which has formats of its own
    assert_eq!(found, [refused(), Ok(row), refused()]);
}

#[test]
fn the_field_may_stand_below_the_top_and_in_other_case() {
    let schema = "table: t\nevent_time: { field: /meta/at, max_past: none }\ncolumns: { id: int, at: { type: timestamp, from: /meta/at } }\n";
    let plan = plan_of(&[("t", schema.to_owned())], LIMITS);
    for (record, expected) in [
        ("{\"meta\":{\"at\":0}}", "1970-01-01T00:00:00"),
        ("{\"Meta\":{\"AT\":0}}", "1970-01-01T00:00:00"),
        ("{\"meta\":{\"AT\":1,\"at\":0}}", "1970-01-01T00:00:00"),
        ("{\"meta\":{\"at\":0,\"at\":0}}", "Json.DuplicateKey"),
        ("{\"meta\":{\"At\":0,\"AT\":0}}", "Json.DuplicateKey"),
        ("{\"meta\":{}}", MISSING),
        ("{\"meta\":null}", MISSING),
        ("{\"meta\":0}", MISSING),
        ("{\"at\":0}", MISSING),
    ] {
        let block = read_from(&plan, "k", ARRIVAL_S, record.as_bytes());
        let found = outcomes_of(&plan, block, 0).remove(0);
        assert_eq!(
            found.map_or_else(|rejected| code(&rejected), |row| row[1].clone()),
            expected,
            "{record}"
        );
    }
}

#[test]
fn forms_and_ambiguous_times_are_counted_and_refused_records_are_not() {
    let plan = table("max_past: none, timezone: Europe/Berlin", "");
    let values = [
        "\"2019-10-12T02:37:22\"",
        "\"2019-10-12T02:37:22Z\"",
        "\"2018-10-28T02:30:00\"",
        "\"2018-10-28T02:30:00+02:00\"",
        "1570847842",
        "1570847842178",
        "\"1570847842178652\"",
        "\"1570847842178652\"",
        "{\"$date\":0}",
        "{\"$.date\":\"2019-10-12T00:00:00\"}",
        "\"nothing\"",
        "\"2019-10-27T02:30:00\"", // ambiguous and too new
    ];
    let block: Vec<String> = values.iter().map(|value| format!("{{\"time\":{value}}}")).collect();
    let block = read_from(&plan, "k", ARRIVAL_S, block.join("\n").as_bytes());
    let tally = &block.tables[0].tally;
    let forms = TimeForm::ALL
        .iter()
        .map(|form| (form.name(), tally.time_forms[form.index()]));
    let forms: Vec<_> = forms.filter(|(_, count)| *count > 0).collect();
    let expected = [
        ("iso", 2),
        ("iso_zoned", 2),
        ("epoch_s", 1),
        ("epoch_ms", 1),
        ("epoch_us_text", 2),
        ("date_ms", 1),
        ("dot_date_iso", 1),
    ];
    assert_eq!(forms, expected);
    assert_eq!(
        (tally.time_ambiguous, block.rejected.len(), &tally.unknown),
        (1, 2, &counts(&[]))
    );
}
