//! Rows to their partitions: gathered only, and on to finished files (which is mostly `encode`; the rest is what many open
//! partitions cost, spilled rows included).

mod corpus;

use criterion::{BatchSize, Criterion, Throughput};
use lakebed::encode::Finished;
use lakebed::partition::buckets::{BucketError, BucketMemory, Buckets, Outputs, PartId, RowsOf};
use lakebed::record::time::Instant;
use lakebed::record::{BlockRows, RecordPlan};

use corpus::{Hours, Layout, Shape};

const BYTES: usize = 32 << 20;
/// What one of two jobs has by default.
const MEMORY: BucketMemory = BucketMemory {
    rows: 26 << 20,
    files: 26 << 20,
    pages: 26 << 20,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let plan = Shape::Flat.plan();
    for hours in [Hours::One, Hours::Late, Hours::Random] {
        let text = corpus::text(Shape::Flat, Layout::Newline, hours, BYTES);
        let blocks = corpus::rows(&plan, &text);
        let block = &blocks[..1];
        let block_bytes = block[0].bytes.records + block[0].bytes.between;
        assert_eq!(finished(&plan, &blocks).rows, text.records);

        let mut group = criterion.benchmark_group("bucket");
        // One block: no batch becomes full, so nothing is encoded.
        group.throughput(Throughput::Bytes(block_bytes));
        group.bench_function(format!("gather/{}", hours.name()), |bench| {
            bench.iter_batched(
                || buckets(&plan),
                |buckets| gathered(buckets, block),
                BatchSize::LargeInput,
            );
        });
        group.sample_size(10);
        group.throughput(Throughput::Bytes(text.bytes.len() as u64));
        group.bench_function(format!("to-files/{}", hours.name()), |bench| {
            bench.iter(|| finished(&plan, &blocks));
        });
        group.finish();
    }
    criterion.final_summary();
}

fn buckets(plan: &RecordPlan) -> Buckets<Counted> {
    let made = Buckets::new(plan, Counted::default(), MEMORY, std::env::temp_dir());
    made.expect("the schema makes a file format")
}

fn gathered(mut buckets: Buckets<Counted>, blocks: &[BlockRows]) -> Buckets<Counted> {
    for block in blocks {
        buckets.add(&block.tables, 0).expect("there is room");
    }
    buckets
}

fn finished(plan: &RecordPlan, blocks: &[BlockRows]) -> Counted {
    gathered(buckets(plan), blocks).finish().expect("there is room")
}

/// Files in memory, counted and let go.
#[derive(Default)]
struct Counted {
    rows: u64,
}

impl Outputs for Counted {
    type File = Vec<u8>;
    type Error = BucketError;

    fn begin(&mut self, _: &PartId) -> Result<Vec<u8>, BucketError> {
        Ok(Vec::new())
    }

    fn footer(&self, _: &PartId, _: (Instant, Instant)) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn end(&mut self, _: PartId, file: Finished<Vec<u8>>, _: Vec<RowsOf>) -> Result<(), BucketError> {
        self.rows += file.rows;
        Ok(())
    }
}
