//! Where records begin and end: whole blocks, as a job cuts them, and record by record.

mod corpus;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use lakebed::source::blocks::{BLOCK_BYTES, Block, Blocks};
use lakebed::source::frame::Framer;

use corpus::{Hours, LIMITS, Layout, Shape, Text};

const BYTES: usize = 16 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (layout, name) in [
        (Layout::Newline, "newline"),
        (Layout::RunTogether, "run-together"),
        (Layout::Indented, "indented"),
    ] {
        let text = corpus::text(Shape::Flat, layout, Hours::Late, BYTES);
        assert_eq!(in_blocks(&text), text.bytes.len() as u64);
        assert_eq!(records(&text), text.records);

        let mut group = criterion.benchmark_group("frame");
        group.throughput(Throughput::Bytes(text.bytes.len() as u64));
        group.bench_function(format!("blocks/{name}"), |bench| {
            bench.iter(|| in_blocks(black_box(&text)))
        });
        group.bench_function(format!("records/{name}"), |bench| {
            bench.iter(|| records(black_box(&text)))
        });
        group.finish();
    }
    criterion.final_summary();
}

/// Bytes in the blocks of a text; buffers go round, as in a job.
fn in_blocks(text: &Text) -> u64 {
    let mut blocks = Blocks::new(corpus::stream(&text.bytes), LIMITS);
    let (mut bytes, mut spare) = (0, Vec::new());
    while let Some(block) = blocks.next(std::mem::take(&mut spare)).expect("memory can be read") {
        if let Block::Bytes { bytes: block, .. } = block {
            bytes += block.len() as u64;
            spare = block;
        }
    }
    bytes
}

/// Whole records found by going through every byte, in chunks that end anywhere.
fn records(text: &Text) -> u64 {
    let mut framer = Framer::new(LIMITS, 0);
    let mut records = 0;
    for chunk in text.bytes.chunks(BLOCK_BYTES) {
        let mut at = 0;
        while let Some(stretch) = framer.next(chunk, &mut at) {
            records += u64::from(stretch.what.is_ok());
        }
    }
    records
}
