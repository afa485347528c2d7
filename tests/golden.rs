//! What readers of our files rely on, for every type that a column may have: one test and one golden file a type.
//!
//! A file has the column twice: `repeated`, whose values are few, and `unique`, whose values all differ.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "support/parquet.rs"]
mod parquet_facts;
#[path = "support/reading.rs"]
mod reading;

use std::sync::Arc;

use bytes::Bytes;
use lakebed::encode::copy::WrittenFile;
use lakebed::encode::pages::PagePool;
use lakebed::encode::{Batch, FileEncoder, FileFormat};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet_facts::{assert_golden, describe};
use reading::{plan, read, shown};

/// A file of five rows, the last of which is NULL.
fn file_of_type(data_type: &str, values: [&str; 4]) -> Bytes {
    let schema = format!("columns: {{ repeated: \"{data_type}\", unique: \"{data_type}\" }}");
    let rows = values.map(|value| format!("{{\"t\":0,\"repeated\":{},\"unique\":{value}}}\n", values[0]));
    file(&schema, &(rows.concat() + "{\"t\":3599}"))
}

fn file(schema: &str, records: &str) -> Bytes {
    let plan = plan(schema);
    let mut block = read(&plan, records.as_bytes());
    assert_eq!(block.rejected, []);
    let rows = block.tables.remove(0);
    let format = Arc::new(FileFormat::new(&plan.tables().as_slice()[0]).unwrap());
    let arrays = rows.columns.into_iter().zip(format.arrow().fields());
    let batch = Batch {
        arrays: arrays
            .map(|(mut column, field)| column.take_array(field.data_type()).unwrap())
            .collect(),
        times: (rows.times[0], rows.times[rows.times.len() - 1]),
        rows: rows.times.len(),
    };
    let pages = Arc::new(PagePool::new(usize::MAX, std::env::temp_dir()));
    let mut encoder = FileEncoder::open(Vec::new(), &format, &batch, &pages).unwrap();
    encoder.write(&batch).unwrap();
    let finished = encoder.finish(|times| {
        assert_eq!(times, batch.times);
        vec![
            ("lakebed.table", "t".to_owned()),
            ("lakebed.hour", "1970-01-01T00".to_owned()),
        ]
    });
    let file = Bytes::from(finished.unwrap().out);
    assert_reads_back(&file, &batch);
    assert_copies(&file);
    file
}

/// A copy of all rows is the same file.
fn assert_copies(file: &Bytes) {
    let written = WrittenFile::open(file.clone()).unwrap();
    let rows = 0..written.rows();
    let copy = written.copy(Vec::new(), &[rows], written.facts()).unwrap();
    assert_eq!(describe(copy.clone().into()), describe(file.clone()));
    assert!(copy == *file, "facts are the same, and bytes are not");
}

/// Another reader, which knows nothing of our types, finds the values that were written.
fn assert_reads_back(file: &Bytes, batch: &Batch) {
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file.clone())
        .unwrap()
        .build()
        .unwrap();
    let read = reader.next().unwrap().unwrap();
    assert!(reader.next().is_none() && read.num_rows() == batch.rows);
    for (read, written) in read.columns().iter().zip(&batch.arrays) {
        for row in 0..batch.rows {
            assert_eq!(shown(read, row), shown(written, row));
        }
    }
}

macro_rules! types {
    ($($name:ident: $data_type:literal = $values:expr;)+) => {
        $(#[test]
        fn $name() {
            let facts = format!("column type {}\n{}", $data_type, describe(file_of_type($data_type, $values)));
            assert_golden(concat!("parquet_", stringify!($name), ".txt"), &facts);
        })+
    };
}

types! {
    tinyint: "tinyint" = ["-128", "127", "0", "1"];
    smallint: "smallint" = ["-32768", "32767", "0", "1"];
    int: "int" = ["-2147483648", "2147483647", "0", "1"];
    bigint: "bigint" = ["-9223372036854775808", "9223372036854775807", "0", "1"];
    float: "float" = ["0.5", "-1e38", "0", "1"];
    double: "double" = ["0.5", "-1e308", "0", "1"];
    decimal_1: "decimal(1,0)" = ["9", "-9", "0", "1"];
    decimal_9: "decimal(9,2)" = ["9999999.99", "-9999999.99", "0", "1"];
    decimal_10: "decimal(10,2)" = ["99999999.99", "-99999999.99", "0", "1"];
    decimal_18: "decimal(18,4)" = ["99999999999999.9999", "-1.5", "0", "1"];
    decimal_19: "decimal(19,4)" = ["999999999999999.9999", "-1.5", "0", "1"];
    decimal_38: "decimal(38,9)" = ["99999999999999999999999999999.999999999", "-1.5", "0", "1"];
    boolean: "boolean" = ["true", "false", "true", "false"];
    string: "string" = ["\"a\"", "\"\"", "\"é\"", "\"z\""];
    binary: "binary" = ["\"AQ==\"", "\"\"", "\"/w==\"", "\"Ag==\""];
    date: "date" = ["\"2019-10-12\"", "\"1969-12-31\"", "\"0001-01-01\"", "\"9999-12-31\""];
    timestamp: "timestamp" = ["0", "1570847842.178", "-1", "1"];
    timestamp_6: "timestamp(6)" = ["0", "1570847842.178652", "-1", "1"];
    array: "array<int>" = ["[1,null]", "[]", "[2]", "[3,4]"];
    array_of_arrays: "array<array<string>>" = ["[[\"a\"],null]", "[]", "[[]]", "[[\"b\",null]]"];
    structure: "struct<a:int,b:string>" = ["{\"a\":1,\"b\":\"x\"}", "{}", "{\"a\":2}", "{\"a\":3,\"b\":\"y\"}"];
    map: "map<string,int>" = ["{\"a\":1}", "{}", "{\"b\":null}", "{\"c\":2,\"d\":3}"];
    map_by_date: "map<date,struct<a:array<timestamp>>>" =
        ["{\"2019-10-12\":{\"a\":[0]}}", "{}", "{\"2019-10-13\":null}", "{\"2019-10-14\":{\"a\":[1,null]}}"];
}

#[test]
fn columns_stand_in_the_order_of_the_schema_and_unknown_fields_last() {
    let schema = "columns: { z: int, a: string, m: \"array<int>\" }\nunknown_fields: { keep_in: b }";
    let file = file(schema, "{\"t\":0,\"a\":\"x\",\"n\":1}\n{\"t\":1,\"z\":1}");
    assert_golden("parquet_columns.txt", &describe(file));
}
