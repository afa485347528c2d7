//! Rows of one file in another, as the Parquet reader of Arrow finds them in both.

#![allow(clippy::single_range_in_vec_init, reason = "a list of ranges may have one")]

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use bytes::Bytes;
use lakebed::encode::copy::WrittenFile;
use lakebed::encode::pages::PagePool;
use lakebed::encode::{Batch, FileEncoder, FileFormat};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;

use crate::parquet_facts::describe;
use crate::reading::{cases, plan, read, shown};
use crate::sandbox::Dice;

const SCHEMA: &str =
    "columns: { n: bigint, text: string, few: string, deep: \"array<struct<a:array<string>,b:int>>\", \
                      m: \"map<string,decimal(38,2)>\", flag: boolean }
parquet: { row_group_rows: 900 }";

/// A record of pseudo-random values, some of them NULL, empty or long.
fn record(n: u64) -> String {
    let mut dice = Dice(n);
    let text = "x".repeat(dice.below(6_000) as usize);
    let deep: Vec<String> = (0..dice.below(4))
        .map(|_| {
            let many = if dice.below(50) == 0 { 3_000 } else { dice.below(3) };
            let inner: Vec<String> = (0..many).map(|_| format!("\"{:x}\"", dice.next())).collect();
            format!("{{\"a\":[{}],\"b\":{}}}", inner.join(","), dice.below(9))
        })
        .collect();
    let mut fields = vec![format!("\"t\":0,\"n\":{n}")];
    let all = [
        format!("\"text\":\"{n} {text}\""),
        format!("\"few\":\"value {}\"", dice.below(3)),
        format!("\"deep\":[{}]", deep.join(",")),
        format!("\"m\":{{\"k{}\":{}.5}}", dice.below(3), dice.below(1_000_000_000)),
        format!("\"flag\":{}", dice.below(2) == 0),
    ];
    fields.extend(all.into_iter().filter(|_| dice.below(6) > 0));
    format!("{{{}}}\n", fields.join(","))
}

/// A file of some row groups, in which long columns have several pages.
fn file(records: u64) -> Bytes {
    let plan = plan(SCHEMA);
    let format = Arc::new(FileFormat::new(&plan.tables().as_slice()[0]).unwrap());
    let pages = Arc::new(PagePool::new(usize::MAX, std::env::temp_dir()));
    let mut encoder = None;
    let mut next = 0;
    while next < records {
        let end = records.min(next + format.batch_rows() as u64);
        let text: String = (next..end).map(record).collect();
        let rows = read(&plan, text.as_bytes()).tables.remove(0);
        let arrays = rows.columns.into_iter().zip(format.arrow().fields());
        let batch = Batch {
            arrays: arrays
                .map(|(mut column, field)| column.take_array(field.data_type()).unwrap())
                .collect(),
            times: (rows.times[0], rows.times[0]),
            rows: rows.times.len(),
        };
        let encoder = encoder.get_or_insert_with(|| FileEncoder::open(Vec::new(), &format, &batch, &pages).unwrap());
        encoder.write(&batch).unwrap();
        next = end;
    }
    encoder.unwrap().finish(|_| vec![]).unwrap().out.into()
}

/// Every row of a file as text.
fn rows_of(file: &Bytes) -> Vec<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    let mut all = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let columns: &[ArrayRef] = batch.columns();
        all.extend((0..batch.num_rows()).map(|row| {
            let values: Vec<String> = columns.iter().map(|column| shown(column, row)).collect();
            values.join(" | ")
        }));
    }
    all
}

fn copy(file: &Bytes, rows: &[Range<u64>]) -> Bytes {
    let written = WrittenFile::open(file.clone()).unwrap();
    let facts = vec![("lakebed.table".to_owned(), "t".to_owned())];
    written.copy(Vec::new(), rows, facts).unwrap().into()
}

#[test]
fn wanted_rows_are_the_same_rows_in_the_order_asked_for() {
    let file = file(3_000);
    let all = rows_of(&file);
    let metadata = SerializedFileReader::new(file.clone()).unwrap().metadata().clone();
    assert_eq!(metadata.num_row_groups(), 4);
    let pages = describe(file.clone()).matches("data page v1").count();
    assert!(pages > 38, "{pages} pages: the columns are not cut");
    let tables: [&[Range<u64>]; 10] = [
        &[0..3000],
        &[0..1],
        &[2999..3000],
        &[899..901],
        &[0..900],
        &[900..1800, 1800..2700],
        &[10..20, 20..21, 500..1500, 2999..3000],
        // In another order than they stand in.
        &[1000..1010, 5..15, 2000..2100, 0..5],
        &[2700..3000, 0..2700],
        &[7..8, 6..7, 5..6],
    ];
    for wanted in tables {
        let expected: Vec<&String> = wanted
            .iter()
            .flat_map(|r| &all[r.start as usize..r.end as usize])
            .collect();
        let found = copy(&file, wanted);
        assert!(rows_of(&found).iter().eq(expected), "{wanted:?}");
        assert!(found == copy(&file, wanted), "{wanted:?}: not the same bytes twice");
        assert!(
            copy(&found, &[0..wanted.iter().map(|r| r.end - r.start).sum()]) == found,
            "{wanted:?}"
        );
    }
}

#[test]
fn a_copied_column_has_a_dictionary_where_it_had_one() {
    let file = file(2_000);
    let copy = copy(&file, &[1_000..1_010]);
    let dictionaries = |file: &Bytes| {
        let reader = SerializedFileReader::new(file.clone()).unwrap();
        let columns = reader.metadata().row_group(0).columns().iter();
        let of = columns.map(|column| (column.column_path().string(), column.dictionary_page_offset().is_some()));
        of.collect::<Vec<_>>()
    };
    let expected = dictionaries(&file);
    assert!(expected.contains(&("few".to_owned(), true)) && expected.contains(&("text".to_owned(), false)));
    assert_eq!(dictionaries(&copy), expected);
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn any_rows_come_out_as_they_are(mut cuts in proptest::collection::vec(0..1500u64, 2..12), shift in 0..12usize) {
        static FILE: LazyLock<(Bytes, Vec<String>)> = LazyLock::new(|| {
            let file = file(1_500);
            let rows = rows_of(&file);
            (file, rows)
        });
        let (file, all) = &*FILE;
        cuts.sort_unstable();
        let mut wanted: Vec<Range<u64>> = cuts.chunks_exact(2).map(|cut| cut[0]..cut[1] + 1).collect();
        let places = wanted.len();
        wanted.rotate_left(shift % places);
        let expected: Vec<&String> = wanted.iter().flat_map(|r| &all[r.start as usize..r.end as usize]).collect();
        prop_assert!(rows_of(&copy(file, &wanted)).iter().eq(expected));
    }
}
