//! A whole backfill of one raw object into a new lake: read, inflate, parse, sort, encode, publish.
//!
//! The lake is made in the folder for temporary files; with TMPDIR=/dev/shm the disk is left out. The raw objects stay in
//! `target/tmp/job`, for peers to read.

mod corpus;

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use flate2::Compression;
use flate2::write::GzEncoder;
use lakebed::job::lake::Lake;
use lakebed::load::{Loader, RunOptions, plan};
use lakebed::pipeline::{Progress, Stager};
use lakebed::report::Summary;
use lakebed::settings::{Flags, Settings};
use lakebed::source::listing::{Selection, pack};
use lakebed::source::local;
use lakebed::source::raw::RawObjects;
use lakebed::store::FolderStore;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use corpus::{ARRIVAL_S, Hours, Layout, Shape, Text};

const BYTES: usize = 64 << 20;
/// The memory that `lakebed` gives to a single job by default.
const MEMORY: usize = 208 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be started");
    for shape in [Shape::Flat, Shape::Wide] {
        let text = corpus::text(shape, Layout::Newline, Hours::Late, BYTES);
        let mut group = criterion.benchmark_group("job");
        group.sample_size(10);
        group.throughput(Throughput::Bytes(text.bytes.len() as u64));
        for (codec, write) in [("plain", write_plain as Write), ("gzip", write_gzip)] {
            let raw = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("job/{codec}/{}", shape.name()));
            fs::create_dir_all(&raw).expect("there is room in target");
            write(&raw.join("object.ndjson"), &text);
            assert_eq!(backfill(&runtime, shape, &raw, &new_lake()), text.records);

            group.bench_function(format!("{codec}/{}", shape.name()), |bench| {
                bench.iter_batched(
                    new_lake,
                    |lake| {
                        backfill(&runtime, shape, &raw, &lake);
                        lake
                    },
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

type Write = fn(&Path, &Text);

fn write_plain(path: &Path, text: &Text) {
    fs::write(path, &text.bytes).expect("there is room in target");
}

fn write_gzip(path: &Path, text: &Text) {
    let file = File::create(path).expect("there is room in target");
    let mut out = GzEncoder::new(file, Compression::default());
    std::io::Write::write_all(&mut out, &text.bytes).expect("there is room in target");
    out.finish().expect("there is room in target");
}

fn new_lake() -> TempDir {
    tempfile::tempdir().expect("there is room for temporary files")
}

/// Rows loaded.
fn backfill(runtime: &Runtime, shape: Shape, raw: &Path, lake: &TempDir) -> u64 {
    let settings =
        Settings::read(&Flags::new(), &Flags::new(), std::iter::empty(), None).expect("the defaults are sound");
    let tables = shape.tables();
    let listing = local::list(&[raw.to_owned()], &Selection::default()).expect("the folder is there");
    let store = FolderStore::open(lake.path()).expect("the folder is there");
    let mut summary = Summary::new("backfill", "lake".to_owned());
    runtime.block_on(async {
        let lake = Lake::open(Arc::new(store), &[shape.name()])
            .await
            .expect("an empty lake");
        let progress = Arc::new(Progress::default());
        let stager = Stager::new(
            shape.plan(),
            Arc::new(tables.clone()),
            lake.clone(),
            RawObjects::default(),
            runtime.handle().clone(),
            MEMORY,
            settings.spill_dir.clone(),
            Some(ARRIVAL_S),
            Arc::clone(&progress),
        );
        let jobs = pack(listing.sources, settings.job_bytes);
        let plan = plan(&tables, &settings, Some(ARRIVAL_S), false);
        let loader = Arc::new(Loader::new(lake, RawObjects::default(), plan, stager, progress));
        let options = RunOptions {
            jobs_max: 1,
            reload: false,
        };
        loader.run(jobs, options, &mut summary, &mut |_, _| {}).await;
    });
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    summary.records.rows
}
