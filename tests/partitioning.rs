//! Rows are grouped by table and hour, and none is lost, added or moved: whatever the blocks, the memory and the threads.
//!
//! What is in a file depends on the rows in their order alone, so the files of every run are compared byte for byte.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "support/reading.rs"]
mod reading;

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use lakebed::encode::Finished;
use lakebed::partition::buckets::{BucketError, BucketMemory, Buckets, Outputs, PartId, RowsOf};
use lakebed::partition::hour::PartitionHour;
use lakebed::record::time::Instant;
use lakebed::record::{BlockRows, Reader, RecordPlan, SourceContext};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use reading::{LIMITS, cases, plan_of};

/// A finished file.
#[derive(Debug, PartialEq)]
struct File {
    table: usize,
    hour: PartitionHour,
    number: u32,
    bytes: Bytes,
    rows: u64,
    times: (Instant, Instant),
    rows_of: Vec<RowsOf>,
}

/// Keeps files in memory; a part is begun once, and ended once it was begun.
#[derive(Default)]
struct Files {
    begun: Vec<PartId>,
    files: Vec<File>,
}

impl Outputs for Files {
    type File = Vec<u8>;
    type Error = BucketError;

    fn begin(&mut self, part: &PartId) -> Result<Vec<u8>, BucketError> {
        assert!(!self.begun.contains(part), "{part:?} is begun again");
        self.begun.push(part.clone());
        Ok(Vec::new())
    }

    fn footer(&self, part: &PartId, (first, last): (Instant, Instant)) -> Vec<(&'static str, String)> {
        vec![
            ("part", part.number.to_string()),
            ("times", format!("{} {}", first.to_rfc3339(), last.to_rfc3339())),
        ]
    }

    fn end(&mut self, part: PartId, file: Finished<Vec<u8>>, rows_of: Vec<RowsOf>) -> Result<(), BucketError> {
        assert!(self.begun.contains(&part), "{part:?} was not begun");
        self.files.push(File {
            table: part.table,
            hour: part.hour,
            number: part.number,
            bytes: file.out.into(),
            rows: file.rows,
            times: file.times,
            rows_of,
        });
        Ok(())
    }
}

/// Two tables of all kinds of columns; `parquet` are options of their files.
fn plan(parquet: &str) -> RecordPlan {
    let schema = |name: &str| {
        format!(
            "table: {name}\nroute: {{ kind: {name} }}\nevent_time: {{ field: t, max_future: none, max_past: none }}\n\
             columns: {{ n: bigint, s: string, l: \"array<struct<a:int,b:string>>\", m: \"map<string,double>\" }}\n\
             parquet: {{ {parquet} }}\n"
        )
    };
    plan_of(&[("a", schema("a")), ("b", schema("b"))], LIMITS)
}

#[derive(Clone, Debug)]
struct Record {
    table: usize,
    hour: i64,
    second: i64,
    text: String,
}

impl Record {
    /// Its bytes; `n` tells it from all others.
    fn json(&self, n: usize) -> String {
        let Self {
            table,
            hour,
            second,
            text,
        } = self;
        let kind = ["a", "b"][*table];
        let nested = match n % 3 {
            0 => "null".to_owned(),
            1 => "[]".to_owned(),
            _ => format!("[{{\"a\":{n},\"b\":\"{text}\"}},null]"),
        };
        let time = hour * 3600 + second;
        format!(
            "{{\"kind\":\"{kind}\",\"t\":{time},\"n\":{n},\"s\":\"{text}\",\"l\":{nested},\"m\":{{\"{n}\":{n}}}}}\n"
        )
    }
}

fn record() -> impl Strategy<Value = Record> {
    let hour = prop_oneof![3 => Just(0), 3 => -2..3i64, 1 => -500..500i64];
    (0..2usize, hour, 0..3600i64, "[a-z]{0,20}").prop_map(|(table, hour, second, text)| Record {
        table,
        hour,
        second,
        text,
    })
}

const HUGE: BucketMemory = BucketMemory {
    rows: usize::MAX,
    files: usize::MAX,
    pages: usize::MAX,
};

/// Reads the sources in blocks of so many records, in turn, and groups their rows.
fn group(
    plan: &RecordPlan,
    sources: &[Vec<Record>],
    block_records: &[usize],
    memory: BucketMemory,
) -> Result<Vec<File>, BucketError> {
    let mut buckets = Buckets::new(plan, Files::default(), memory, std::env::temp_dir())?;
    let (mut reader, mut block) = (Reader::default(), BlockRows::new(plan));
    let context = SourceContext::new(plan, "k", 0);
    let mut sizes = block_records.iter().cycle();
    let mut n = 0;
    for (source, records) in sources.iter().enumerate() {
        let mut rest = records.as_slice();
        while !rest.is_empty() {
            let (some, behind) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            let text: String = (n..).zip(some).map(|(n, record)| record.json(n)).collect();
            n += some.len();
            rest = behind;
            reader.read(plan, &context, text.as_bytes(), &mut block);
            assert_eq!(block.rejected, []);
            buckets.add(&block.tables, source)?;
        }
    }
    let mut files = buckets.finish()?.files;
    files.sort_by_key(|file| (file.table, file.hour, file.number));
    Ok(files)
}

/// The `n` of the rows of a file, in order.
fn numbers(file: &File) -> Vec<usize> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.bytes.clone())
        .unwrap()
        .build()
        .unwrap();
    let batches = reader.map(|batch| batch.unwrap().column(0).as_primitive::<Int64Type>().values().to_vec());
    batches.flatten().map(|n| n as usize).collect()
}

/// Checks that the files hold every record once, in order, under its own hour, and say whose rows they hold.
fn assert_complete(sources: &[Vec<Record>], files: &[File]) {
    let mut expected: BTreeMap<(usize, i64), Vec<(usize, usize)>> = BTreeMap::new();
    let all = sources
        .iter()
        .enumerate()
        .flat_map(|(source, records)| records.iter().map(move |record| (source, record)));
    let mut times = Vec::new();
    for (n, (source, record)) in all.enumerate() {
        expected
            .entry((record.table, record.hour))
            .or_default()
            .push((n, source));
        times.push(record.hour * 3600 + record.second);
    }
    let mut found: BTreeMap<(usize, i64), Vec<(usize, usize)>> = BTreeMap::new();
    for file in files {
        let numbers = numbers(file);
        assert_eq!(numbers.len() as u64, file.rows);
        let times = numbers.iter().map(|n| times[*n]);
        let ends = (times.clone().min().unwrap(), times.max().unwrap());
        assert_eq!(ends, (file.times.0.seconds(), file.times.1.seconds()));
        let mut owners = Vec::new();
        for rows_of in &file.rows_of {
            assert_eq!(rows_of.first_row, owners.len() as u64, "{:?}", file.rows_of);
            assert!(rows_of.rows > 0);
            owners.extend(std::iter::repeat_n(rows_of.source, rows_of.rows as usize));
        }
        assert!(file.rows_of.is_sorted_by(|one, next| one.source < next.source));
        let partition = found.entry((file.table, file.hour.hours())).or_default();
        assert_eq!(file.number == 0, partition.is_empty(), "parts are numbered from 0");
        partition.extend(numbers.into_iter().zip(owners));
    }
    assert_eq!(found, expected);
    let of_one = |one: &File, next: &File| (one.table, one.hour) == (next.table, next.hour);
    assert!(
        files
            .windows(2)
            .all(|two| !of_one(&two[0], &two[1]) || two[1].number == two[0].number + 1)
    );
}

fn memory() -> impl Strategy<Value = BucketMemory> {
    let bytes = || prop_oneof![Just(0), Just(1), 100..5000usize, Just(usize::MAX)];
    (bytes(), bytes(), bytes()).prop_map(|(rows, files, pages)| BucketMemory { rows, files, pages })
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn grouping_keeps_every_record_whatever_the_blocks_and_the_memory(
        sources in prop::collection::vec(prop::collection::vec(record(), 0..120), 1..4),
        row_group_rows in prop_oneof![Just(1), 2..9usize, Just(1_000_000)],
        runs in prop::collection::vec((prop::collection::vec(1..200usize, 1..4), memory()), 1..4),
    ) {
        let plan = plan(&format!("row_group_rows: {row_group_rows}"));
        let files = group(&plan, &sources, &[usize::MAX], HUGE).unwrap();
        assert_complete(&sources, &files);
        for (block_records, memory) in runs {
            let again = group(&plan, &sources, &block_records, memory).unwrap();
            prop_assert!(again == files, "blocks of {:?} in {:?}", block_records, memory);
        }
    }
}

/// Text that no codec makes much smaller.
fn noise(seed: u64, bytes: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let letters = (0..bytes).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[(state % 64) as usize])
    });
    letters.collect()
}

fn noisy(records: usize, hours: i64, bytes: usize) -> Vec<Record> {
    let record = |n: usize| Record {
        table: n % 2,
        hour: n as i64 % hours,
        second: n as i64 % 3600,
        text: noise(n as u64, bytes),
    };
    (0..records).map(record).collect()
}

fn row_groups(file: &File) -> Vec<(i64, i64)> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.bytes.clone()).unwrap();
    let groups = reader.metadata().row_groups().iter();
    groups
        .map(|group| (group.num_rows(), group.total_byte_size()))
        .collect()
}

const MIB: u64 = 1 << 20;

#[test]
fn files_and_row_groups_end_where_the_table_says_whatever_the_memory() {
    let sources = [noisy(1000, 1, 16_000), noisy(300, 3, 16_000)];
    for (parquet, file_bytes, group_bytes) in [
        ("file_bytes: 1MiB, row_group_bytes: 1MiB", MIB, MIB),
        ("file_bytes: 6MiB, row_group_bytes: 1MiB", 6 * MIB, MIB),
        (
            "file_bytes: 6MiB, row_group_bytes: 1MiB, row_group_rows: 50",
            6 * MIB,
            MIB,
        ),
        ("row_group_rows: 100", u64::MAX, u64::MAX),
    ] {
        let plan = plan(parquet);
        let files = group(&plan, &sources, &[usize::MAX], HUGE).unwrap();
        assert_complete(&sources, &files);
        for (place, file) in files.iter().enumerate() {
            let is_last = files.get(place + 1).is_none_or(|next| next.number == 0);
            let bytes = file.bytes.len() as u64;
            // A file is looked at between batches, so it may be longer by one, and a bit shorter by an estimate.
            assert!(bytes < file_bytes.saturating_add(5 * MIB), "{parquet}: {bytes}");
            assert!(is_last || bytes > file_bytes / 10 * 8, "{parquet}: {bytes}");
            for (rows, bytes) in row_groups(file) {
                assert!(!parquet.contains("rows: 50") || rows <= 50);
                assert!(!parquet.contains("rows: 100") || rows <= 100);
                assert!((bytes as u64) < group_bytes.saturating_add(5 * MIB));
            }
        }
        assert_eq!(
            files.iter().any(|file| file.number > 0),
            file_bytes < u64::MAX,
            "{parquet}"
        );
        for memory in [
            (0, 0, 0),
            (0, usize::MAX, 0),
            (usize::MAX, 0, usize::MAX),
            (1_000_000, 1, 1000),
        ] {
            let (rows, files_bytes, pages) = memory;
            let memory = BucketMemory {
                rows,
                files: files_bytes,
                pages,
            };
            assert!(
                group(&plan, &sources, &[37, 5], memory).unwrap() == files,
                "{parquet} {memory:?}"
            );
        }
    }
}

#[test]
fn row_groups_are_full_but_for_the_last() {
    let sources = [noisy(1000, 1, 5)];
    for (rows, expected) in [(1, 500), (7, 72), (250, 2), (499, 2), (500, 1), (1000, 1)] {
        let files = group(&plan(&format!("row_group_rows: {rows}")), &sources, &[64], HUGE).unwrap();
        for file in &files {
            let groups = row_groups(file);
            assert_eq!(groups.len(), expected, "of {rows}");
            assert!(groups[..groups.len() - 1].iter().all(|group| group.0 == rows));
        }
        assert_eq!(files.len(), 2);
    }
}

#[test]
fn ten_thousand_partitions_fit_a_small_memory() {
    let sources = [noisy(20_000, 5000, 8)];
    let plan = plan("");
    let files = group(&plan, &sources, &[1000], HUGE).unwrap();
    assert_eq!(files.len(), 5000); // even hours are of one table, odd ones of the other
    assert_complete(&sources, &files);
    let memory = BucketMemory {
        rows: 100_000,
        files: 1,
        pages: 1,
    };
    assert!(group(&plan, &sources, &[1000], memory).unwrap() == files);
}

#[test]
fn threads_decide_no_byte() {
    let sources = [noisy(2000, 7, 300)];
    let plan = plan("row_group_rows: 100");
    let [one, four] = [1, 4].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| group(&plan, &sources, &[100], HUGE).unwrap())
    });
    assert!(one == four);
}

#[test]
fn a_row_outside_its_hour_stops_the_job() {
    let plan = plan("");
    let mut block = BlockRows::new(&plan);
    let record = noisy(1, 1, 1)[0].json(0);
    Reader::default().read(&plan, &SourceContext::new(&plan, "k", 0), record.as_bytes(), &mut block);
    block.tables[0].hours[0] = "2019-10-12T02".parse().unwrap();
    let mut buckets = Buckets::new(&plan, Files::default(), HUGE, std::env::temp_dir()).unwrap();
    buckets.add(&block.tables, 0).unwrap();
    let error = buckets.finish().err().unwrap();
    assert!(
        matches!(&error, BucketError::Misplaced { hour, .. } if hour.to_string() == "2019-10-12T02"),
        "{error}"
    );
}

#[test]
fn a_spill_folder_that_cannot_be_written_is_named() {
    let plan = plan("");
    let folder = Path::new("/nonexistent/spill");
    let memory = BucketMemory { rows: 0, ..HUGE };
    let mut block = BlockRows::new(&plan);
    let record = noisy(1, 1, 1)[0].json(0);
    Reader::default().read(&plan, &SourceContext::new(&plan, "k", 0), record.as_bytes(), &mut block);
    let mut buckets = Buckets::new(&plan, Files::default(), memory, folder.to_owned()).unwrap();
    let error = buckets.add(&block.tables, 0).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/spill"), "{error}");
    assert!(matches!(error, BucketError::Spill { .. }));
}
