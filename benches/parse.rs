//! Blocks of JSON to rows in columns: routing, event times, coercion, and what goes to quarantine. Beside it what keeps
//! nothing: the index of values that reading begins with, and `serde_json` passing over every record.

mod corpus;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use lakebed::record::tape::Tape;
use lakebed::record::{BlockRows, Reader, RecordPlan, SourceContext};
use serde::de::IgnoredAny;

use corpus::{ARRIVAL_S, Hours, Layout, Shape, Text};

const BYTES: usize = 8 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let good = |shape| corpus::text(shape, Layout::Newline, Hours::Late, BYTES);
    for (name, shape, text, bad) in [
        ("flat", Shape::Flat, good(Shape::Flat), 0),
        ("wide", Shape::Wide, good(Shape::Wide), 0),
        (
            "one-bad-in-100",
            Shape::Flat,
            corpus::one_bad_in_100(Shape::Flat, BYTES),
            100,
        ),
    ] {
        let plan = shape.plan();
        let blocks = corpus::blocks(&text);
        let bytes: usize = blocks.iter().map(Vec::len).sum();
        let mut parsing = Parsing::new(&plan);
        check(&parsing.read(&plan, &blocks), &text, bad);

        let mut group = criterion.benchmark_group("parse");
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(name, |bench| bench.iter(|| parsing.read(&plan, black_box(&blocks))));
        if bad == 0 {
            group.bench_function(format!("floor-index/{name}"), |bench| {
                let mut tape = Tape::default();
                bench.iter(|| indexed(&mut tape, black_box(&blocks)));
            });
            group.bench_function(format!("floor-serde-ignored/{name}"), |bench| {
                bench.iter(|| passed_over(black_box(&blocks)));
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

/// Every `bad`-th record is a reject, or none.
fn check(counts: &Counts, text: &Text, bad: u64) {
    let rejected = text.records.checked_div(bad).unwrap_or(0);
    assert_eq!((counts.rows, counts.rejected), (text.records - rejected, rejected));
}

/// Records that were indexed.
fn indexed(tape: &mut Tape, blocks: &[Vec<u8>]) -> usize {
    let mut records = 0;
    for block in blocks {
        let mut at = 0;
        while at < block.len() {
            at = tape.read(block, at, corpus::LIMITS.depth_max).expect("a record") + 1;
            records += 1;
        }
    }
    records
}

/// Records that `serde_json` found sound.
fn passed_over(blocks: &[Vec<u8>]) -> usize {
    let records = |block| serde_json::Deserializer::from_slice(block).into_iter::<IgnoredAny>();
    let sound = blocks.iter().flat_map(|block| records(block.as_slice()));
    sound.filter(Result::is_ok).count()
}

/// What a parsing thread holds on to from block to block.
struct Parsing {
    context: SourceContext,
    reader: Reader,
    rows: BlockRows,
}

#[derive(Default)]
struct Counts {
    rows: u64,
    rejected: u64,
}

impl Parsing {
    fn new(plan: &RecordPlan) -> Self {
        Self {
            context: SourceContext::new(plan, "corpus", ARRIVAL_S),
            reader: Reader::default(),
            rows: BlockRows::new(plan),
        }
    }

    fn read(&mut self, plan: &RecordPlan, blocks: &[Vec<u8>]) -> Counts {
        let mut counts = Counts::default();
        for block in blocks {
            self.reader.read(plan, &self.context, block, &mut self.rows);
            counts.rows += self.rows.tables[0].len() as u64;
            counts.rejected += self.rows.rejected.len() as u64;
        }
        counts
    }
}
