//! Rows of one hour to a Parquet file in memory, and what of it no encoder of ours could save: compressing the values, hashing
//! the file.

mod corpus;

use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use criterion::{Criterion, Throughput};
use lakebed::encode::pages::PagePool;
use lakebed::encode::{BATCH_BYTES, BATCH_ROWS, Batch, FileEncoder, FileFormat, Finished};
use lakebed::record::{BlockRows, TableRows};
use lakebed::table::Table;
use sha2::{Digest, Sha256};

use corpus::{Hours, Layout, Shape};

const BYTES: usize = 32 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for shape in [Shape::Flat, Shape::Wide] {
        let text = corpus::text(shape, Layout::Newline, Hours::One, BYTES);
        let plan = shape.plan();
        let table = &plan.tables().as_slice()[0];
        let format = Arc::new(FileFormat::new(table).expect("the schema makes a file format"));
        let batches = batches(table, &format, &corpus::rows(&plan, &text));
        assert_eq!(encoded(&format, &batches).rows, text.records);

        let mut group = criterion.benchmark_group("encode");
        group.sample_size(20);
        group.throughput(Throughput::Bytes(text.bytes.len() as u64));
        group.bench_function(format!("one-hour/{}", shape.name()), |bench| {
            bench.iter(|| encoded(&format, black_box(&batches)));
        });
        let pages = plain_pages(&batches);
        group.bench_function(format!("floor-snappy/{}", shape.name()), |bench| {
            let mut out = vec![0; snap::raw::max_compress_len(PAGE_BYTES)];
            bench.iter(|| compressed(black_box(&pages), &mut out));
        });
        let file = encoded(&format, &batches).out;
        group.bench_function(format!("floor-sha256/{}", shape.name()), |bench| {
            bench.iter(|| Sha256::digest(black_box(&file)));
        });
        group.finish();
    }
    criterion.final_summary();
}

/// The rows in batches as a job cuts them.
fn batches(table: &Table, format: &FileFormat, blocks: &[BlockRows]) -> Vec<Batch> {
    let mut batches = Vec::new();
    let (mut waiting, mut bytes) = (TableRows::new(table), 0);
    for rows in blocks.iter().map(|block| &block.tables[0]) {
        for row in 0..rows.len() {
            for (column, from) in waiting.columns.iter_mut().zip(&rows.columns) {
                column.append(from, std::slice::from_ref(&(row..row + 1)));
            }
            waiting.times.push(rows.times[row]);
            bytes += u64::from(rows.weights[row]);
            if waiting.len() == BATCH_ROWS || bytes >= BATCH_BYTES {
                batches.push(batch(&mut waiting, format));
                bytes = 0;
            }
        }
    }
    if !waiting.is_empty() {
        batches.push(batch(&mut waiting, format));
    }
    batches
}

fn batch(rows: &mut TableRows, format: &FileFormat) -> Batch {
    let times = std::mem::take(&mut rows.times);
    let columns = rows.columns.iter_mut().zip(format.arrow().fields());
    let arrays = columns.map(|(column, field)| column.take_array(field.data_type()));
    Batch {
        arrays: arrays.collect::<Result<_, _>>().expect("columns make arrays"),
        times: (*times.iter().min().expect("rows"), *times.iter().max().expect("rows")),
        rows: times.len(),
    }
}

const PAGE_BYTES: usize = 128 << 10;

/// The values of all columns that get no dictionary, as PLAIN has them, in pieces of a page.
fn plain_pages(batches: &[Batch]) -> Vec<Vec<u8>> {
    let first = &batches[0].arrays;
    let mut columns = vec![Vec::new(); first.len()];
    for batch in batches {
        for (column, array) in columns.iter_mut().zip(&batch.arrays) {
            plain(array, column);
        }
    }
    let pages = columns.iter().flat_map(|column| column.chunks(PAGE_BYTES));
    pages.map(<[u8]>::to_vec).collect()
}

/// Strings with their lengths before them, numbers as they lie in memory; nothing of what repeats itself or is nested.
fn plain(array: &ArrayRef, out: &mut Vec<u8>) {
    let data = array.to_data();
    match (array.as_string_opt::<i32>(), data.buffers()) {
        (Some(texts), _) if !repeats(texts) => {
            for text in texts.iter().flatten() {
                out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        }
        (None, [values]) if data.child_data().is_empty() => out.extend_from_slice(values.as_slice()),
        _ => {}
    }
}

fn repeats(texts: &StringArray) -> bool {
    let distinct: HashSet<&str> = texts.iter().flatten().take(4096).collect();
    distinct.len() * 2 <= texts.len().min(4096)
}

fn compressed(pages: &[Vec<u8>], out: &mut [u8]) -> usize {
    let mut encoder = snap::raw::Encoder::new();
    let sizes = pages
        .iter()
        .map(|page| encoder.compress(page, out).expect("there is room"));
    sizes.sum()
}

/// The file that the batches make.
fn encoded(format: &Arc<FileFormat>, batches: &[Batch]) -> Finished<Vec<u8>> {
    let pages = Arc::new(PagePool::new(usize::MAX, std::env::temp_dir()));
    let mut file = FileEncoder::open(Vec::new(), format, &batches[0], &pages).expect("memory takes everything");
    for batch in batches {
        file.write(batch).expect("memory takes everything");
    }
    file.finish(|_| Vec::new()).expect("memory takes everything")
}
