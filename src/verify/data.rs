//! Proves a data file by itself and against its outcome: opened as Parquet, rows counted three times, event times in its hour.
//!
//! ```text
//! footer ──> rows, row groups, facts of the job ── agree with the outcome?
//!        ──> lakebed.event_time.column, if there is one ──> every value of it ── in the hour?
//!        ──> else lakebed.event_time.min, max           ── in the hour?
//! ```
//!
//! One page of one column is in memory at a time, and the footer.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType};
use bytes::Bytes;
use chrono::DateTime;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::ChunkReader;

use super::content::Content;
use super::report::Code;
use crate::encode::footer;
use crate::job::identity::JobId;
use crate::partition::hour::PartitionHour;
use crate::record::time::Instant;

const BATCH_ROWS: usize = 8192;

/// What the outcome says of a data file.
pub(super) struct Expected<'a> {
    pub(super) job: &'a JobId,
    pub(super) encoder: &'a str,
    pub(super) table: &'a str,
    pub(super) hour: &'a str,
    pub(super) rows: u64,
}

/// How the event times of a file were proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// Row by row.
    Rows,
    /// By the first and the last.
    Footer,
}

/// What is wrong with a file.
pub(super) type Fault = (Code, String);

/// Blocks while it reads.
pub(super) fn prove(content: Content, expected: &Expected<'_>) -> Result<Times, Fault> {
    match content {
        Content::Memory(bytes) => prove_in::<Bytes>(bytes, expected),
        Content::Spooled(file) => prove_in::<File>(file, expected),
    }
}

fn no_parquet(error: impl std::fmt::Display) -> Fault {
    (Code::FileFormat, format!("it does not open as Parquet: {error}"))
}

fn prove_in<R: ChunkReader + 'static>(reader: R, expected: &Expected<'_>) -> Result<Times, Fault> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(reader).map_err(no_parquet)?;
    let metadata = Arc::clone(builder.metadata());
    let facts = Facts::of(&metadata);
    rows(&metadata, expected.rows)?;
    let hour = facts.agree(expected)?;
    let Some(name) = facts.get(footer::EVENT_TIME_COLUMN) else {
        return Ok(Times::Footer);
    };
    let (place, unit) = builder
        .schema()
        .column_with_name(name)
        .and_then(|(place, field)| Some((place, unit_of(field.data_type())?)))
        .ok_or_else(|| {
            let message =
                format!("its footer says that {name} holds the event time, and no column of times is called so");
            (Code::FileFooter, message)
        })?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), [place]);
    let batches = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    let mut seen: Option<(i64, i64)> = None;
    let mut rows = 0;
    for batch in batches.map_err(no_parquet)? {
        let column = batch.map_err(no_parquet)?.column(0).clone();
        rows += column.len() as u64;
        let (first, last) = ends(&column, unit).ok_or_else(|| {
            let message = format!("a row of it has NULL in {name}, where its event time is");
            (Code::FileHour, message)
        })?;
        let (min, max) = seen.unwrap_or((first, last));
        seen = Some((min.min(first), max.max(last)));
    }
    if rows != expected.rows {
        let message = format!("{name} has {rows} values, and its outcome says {} rows", expected.rows);
        return Err((Code::FileRows, message));
    }
    let Some((first, last)) = seen else {
        return Ok(Times::Rows);
    };
    for time in [first, last] {
        if time.div_euclid(unit.per_hour()) != hour.hours() {
            let message = format!("a row of it has its event time outside of its hour {hour}");
            return Err((Code::FileHour, message));
        }
    }
    let (min, max) = facts.times.expect("proved before");
    if first < unit.floor(min) || last > unit.floor(max) {
        let message =
            format!("a row of it has in {name} a time outside of the first and last one that its footer names");
        return Err((Code::FileFooter, message));
    }
    Ok(Times::Rows)
}

/// The footer, the row groups and the outcome agree on the number of rows.
fn rows(metadata: &ParquetMetaData, expected: u64) -> Result<(), Fault> {
    let footer = metadata.file_metadata().num_rows();
    let groups: i128 = metadata
        .row_groups()
        .iter()
        .map(|group| i128::from(group.num_rows()))
        .sum();
    if i128::from(footer) == i128::from(expected) && groups == i128::from(expected) {
        return Ok(());
    }
    let message = format!("its footer counts {footer} rows, its row groups {groups}, and its outcome {expected}");
    Err((Code::FileRows, message))
}

#[derive(Clone, Copy)]
enum Unit {
    Millis,
    Micros,
}

impl Unit {
    fn per_hour(self) -> i64 {
        match self {
            Self::Millis => 3_600_000,
            Self::Micros => 3_600_000_000,
        }
    }

    fn floor(self, instant: Instant) -> i64 {
        match self {
            Self::Millis => instant.millis_floor(),
            Self::Micros => instant.micros_floor(),
        }
    }
}

fn unit_of(data_type: &DataType) -> Option<Unit> {
    match data_type {
        DataType::Timestamp(TimeUnit::Millisecond, None) => Some(Unit::Millis),
        DataType::Timestamp(TimeUnit::Microsecond, None) => Some(Unit::Micros),
        _ => None,
    }
}

/// The first and the last time, or nothing where one is NULL. No batch is empty.
fn ends(column: &ArrayRef, unit: Unit) -> Option<(i64, i64)> {
    if column.null_count() > 0 {
        return None;
    }
    let values = match unit {
        Unit::Millis => column.as_primitive::<TimestampMillisecondType>().values(),
        Unit::Micros => column.as_primitive::<TimestampMicrosecondType>().values(),
    };
    Some((*values.iter().min()?, *values.iter().max()?))
}

/// What the footer says of the file.
struct Facts<'a> {
    metadata: &'a ParquetMetaData,
    times: Option<(Instant, Instant)>,
}

impl<'a> Facts<'a> {
    fn of(metadata: &'a ParquetMetaData) -> Self {
        let mut facts = Self { metadata, times: None };
        let time = |name| facts.get(name).and_then(instant);
        facts.times = time(footer::EVENT_TIME_MIN).zip(time(footer::EVENT_TIME_MAX));
        facts
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let pairs = self.metadata.file_metadata().key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == name)?.value.as_deref()
    }

    /// They are those of the outcome, and the event times lie in the hour.
    fn agree(&self, expected: &Expected<'_>) -> Result<PartitionHour, Fault> {
        let Expected {
            job,
            encoder,
            table,
            hour,
            rows: _,
        } = expected;
        for (name, expected) in [
            (footer::JOB, job.as_str()),
            (footer::TABLE, table),
            (footer::ENCODER, encoder),
        ] {
            if self.get(name) != Some(expected) {
                return Err((Code::FileFooter, unlike(name, self.get(name), expected)));
            }
        }
        if self.get(footer::HOUR) != Some(hour) {
            return Err((Code::FileHour, unlike(footer::HOUR, self.get(footer::HOUR), hour)));
        }
        let hour: PartitionHour = hour.parse().map_err(|error| (Code::FileHour, format!("{error}")))?;
        let Some((first, last)) = self.times else {
            return Err((
                Code::FileFooter,
                "its footer names no first and last event time".to_owned(),
            ));
        };
        if !hour.contains(first) || !hour.contains(last) || first > last {
            let (first, last) = (first.to_rfc3339(), last.to_rfc3339());
            let message = format!("its event times reach from {first} to {last}, which is not in its hour {hour}");
            return Err((Code::FileHour, message));
        }
        Ok(hour)
    }
}

fn unlike(name: &str, found: Option<&str>, expected: &str) -> String {
    match found {
        Some(found) => format!("{name} in its footer is {found:?}, and its outcome says {expected:?}"),
        None => format!("its footer has no {name}"),
    }
}

fn instant(text: &str) -> Option<Instant> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Instant::new(time.timestamp(), time.timestamp_subsec_nanos())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use arrow::array::{RecordBatch, TimestampMicrosecondArray, TimestampMillisecondArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::KeyValue;

    use super::*;

    const JOB: &str = "mzxw6ytboiaaaaaaaaaaaaaaaa";
    /// 2019-10-12T02 in milliseconds.
    const HOUR: i64 = 1_570_845_600_000;

    /// A file with a column `at`, and the facts of a sound one changed by `facts`.
    fn file(at: ArrayRef, facts: &[(&str, Option<&str>)]) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter([("x", at.clone()), ("at", at)]).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        for (name, value) in [
            (footer::JOB, JOB),
            (footer::TABLE, "t"),
            (footer::HOUR, "2019-10-12T02"),
            (footer::EVENT_TIME_MIN, "2019-10-12T02:00:00.000999Z"),
            (footer::EVENT_TIME_MAX, "2019-10-12T02:59:59.999999999Z"),
            (footer::EVENT_TIME_COLUMN, "at"),
            (footer::ENCODER, "2"),
        ] {
            let changed = facts.iter().find(|(changed, _)| *changed == name);
            let value = changed.map_or(Some(value), |(_, value)| *value);
            if let Some(value) = value {
                writer.append_key_value_metadata(KeyValue::new(name.to_owned(), value.to_owned()));
            }
        }
        writer.into_inner().unwrap()
    }

    fn millis(at: &[Option<i64>]) -> ArrayRef {
        Arc::new(
            at.iter()
                .map(|at| at.map(|at| HOUR + at))
                .collect::<TimestampMillisecondArray>(),
        )
    }

    #[track_caller]
    fn proves(file: &[u8], rows: u64, expected: Result<Times, (Code, &str)>) {
        let job = JobId::try_from(JOB.to_owned()).unwrap();
        let expectation = Expected {
            job: &job,
            encoder: "2",
            table: "t",
            hour: "2019-10-12T02",
            rows,
        };
        let mut spooled = tempfile::tempfile().unwrap();
        spooled.write_all(file).unwrap();
        for content in [Content::Memory(Bytes::copy_from_slice(file)), Content::Spooled(spooled)] {
            match (prove(content, &expectation), &expected) {
                (Ok(times), Ok(expected)) => assert_eq!(times, *expected),
                (Err((code, message)), Err((expected, part))) => {
                    assert!(code == *expected && message.contains(part), "{code:?} {message}");
                }
                (found, expected) => panic!("{found:?} and not {expected:?}"),
            }
        }
    }

    const LAST: i64 = 3_599_999;

    #[test]
    fn every_row_of_the_event_times_column_lies_in_the_hour() {
        let outside = Err((Code::FileHour, "outside of its hour 2019-10-12T02"));
        for (at, expected) in [
            (&[Some(0), Some(5), Some(LAST)][..], Ok(Times::Rows)),
            (&[Some(LAST), Some(0)], Ok(Times::Rows)),
            (&[Some(0), Some(LAST + 1)], outside),
            (&[Some(-1), Some(LAST)], outside),
            (&[Some(0), None, Some(LAST)], Err((Code::FileHour, "has NULL in at"))),
        ] {
            proves(&file(millis(at), &[]), at.len() as u64, expected);
        }
    }

    #[test]
    fn no_row_is_outside_of_the_times_that_the_footer_names() {
        let outside = Err((Code::FileFooter, "outside of the first and last one"));
        for (first, last, expected) in [
            ("02:00:00.005Z", "02:59:59.999Z", Ok(Times::Rows)),
            ("02:00:00.005999Z", "02:00:00.007Z", Ok(Times::Rows)),
            // As where some of the rows of a file were copied.
            ("02:00:00Z", "02:59:59.999Z", Ok(Times::Rows)),
            ("02:00:00.006Z", "02:59:59.999Z", outside),
            ("02:00:00Z", "02:00:00.006999999Z", outside),
        ] {
            let [first, last] = [first, last].map(|time| format!("2019-10-12T{time}"));
            let facts = [
                (footer::EVENT_TIME_MIN, Some(first.as_str())),
                (footer::EVENT_TIME_MAX, Some(last.as_str())),
            ];
            proves(&file(millis(&[Some(7), Some(5)]), &facts), 2, expected);
        }
    }

    #[test]
    fn microseconds_are_cut_toward_the_past_too() {
        let micros = |first: i64, last: i64| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(vec![
                HOUR * 1000 + first,
                HOUR * 1000 + last,
            ]))
        };
        let last = 3_599_999_999;
        proves(&file(micros(999, last), &[]), 2, Ok(Times::Rows));
        proves(
            &file(micros(0, last), &[]),
            2,
            Err((Code::FileFooter, "outside of the first and last one")),
        );
        proves(&file(micros(999, last + 1), &[]), 2, Err((Code::FileHour, "outside")));
    }

    #[test]
    fn before_1970_hours_are_floors_too() {
        let facts = [
            (footer::HOUR, Some("1969-12-31T23")),
            (footer::EVENT_TIME_MIN, Some("1969-12-31T23:00:00Z")),
            (footer::EVENT_TIME_MAX, Some("1969-12-31T23:59:59.9999Z")),
        ];
        let at: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![-3_600_000, -1]));
        let job = JobId::try_from(JOB.to_owned()).unwrap();
        let expected = Expected {
            job: &job,
            encoder: "2",
            table: "t",
            hour: "1969-12-31T23",
            rows: 2,
        };
        assert_eq!(
            prove(Content::Memory(file(at, &facts).into()), &expected),
            Ok(Times::Rows)
        );
    }

    #[test]
    fn without_such_a_column_the_footer_tells_the_times() {
        let no_column = (footer::EVENT_TIME_COLUMN, None);
        let elsewhere = millis(&[Some(-5), None]);
        proves(&file(elsewhere.clone(), &[no_column]), 2, Ok(Times::Footer));
        for (fact, expected) in [
            (
                (footer::EVENT_TIME_MIN, Some("2019-10-12T01:59:59.999Z")),
                (Code::FileHour, "which is not in its hour"),
            ),
            (
                (footer::EVENT_TIME_MAX, Some("2019-10-12T03:00:00Z")),
                (Code::FileHour, "which is not in its hour"),
            ),
            (
                (footer::EVENT_TIME_MAX, Some("2019-10-12T02:00:00Z")),
                (Code::FileHour, "which is not in its hour"),
            ),
            (
                (footer::EVENT_TIME_MAX, Some("soon")),
                (Code::FileFooter, "no first and last event time"),
            ),
            (
                (footer::EVENT_TIME_MIN, None),
                (Code::FileFooter, "no first and last event time"),
            ),
        ] {
            proves(&file(elsewhere.clone(), &[no_column, fact]), 2, Err(expected));
        }
    }

    #[test]
    fn the_footer_says_what_the_outcome_says() {
        let at = || millis(&[Some(0), Some(LAST)]);
        for (fact, expected) in [
            (
                (footer::JOB, Some("other")),
                (Code::FileFooter, "lakebed.job in its footer is \"other\""),
            ),
            (
                (footer::TABLE, None),
                (Code::FileFooter, "its footer has no lakebed.table"),
            ),
            (
                (footer::ENCODER, Some("1")),
                (Code::FileFooter, "its outcome says \"2\""),
            ),
            (
                (footer::HOUR, Some("2019-10-12T03")),
                (Code::FileHour, "its outcome says \"2019-10-12T02\""),
            ),
            (
                (footer::EVENT_TIME_COLUMN, Some("when")),
                (Code::FileFooter, "no column of times is called so"),
            ),
        ] {
            proves(&file(at(), &[fact]), 2, Err(expected));
        }
        let sound = file(at(), &[]);
        proves(
            &sound,
            3,
            Err((
                Code::FileRows,
                "its footer counts 2 rows, its row groups 2, and its outcome 3",
            )),
        );
        proves(
            &sound[..sound.len() - 1],
            2,
            Err((Code::FileFormat, "does not open as Parquet")),
        );
        proves(b"", 2, Err((Code::FileFormat, "does not open as Parquet")));
    }
}
