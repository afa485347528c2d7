//! Stored bytes to the stream they stand for, and the same by the library alone. Throughput is that of the decompressed JSON.

mod corpus;

use std::hint::black_box;
use std::io::{Read, Write};
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use lakebed::source::blocks::BLOCK_BYTES;

use corpus::{Hours, Layout, Shape};

const BYTES: usize = 16 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for shape in [Shape::Flat, Shape::Wide] {
        let text = corpus::text(shape, Layout::Newline, Hours::Late, BYTES).bytes;
        let mut group = criterion.benchmark_group("inflate");
        group.throughput(Throughput::Bytes(text.len() as u64));
        for (codec, stored) in [
            ("plain", Arc::clone(&text)),
            ("gzip", gzip(&text)),
            ("zstd", zstd(&text)),
        ] {
            assert_eq!(inflated(&stored), text.len());
            group.bench_function(format!("{codec}/{}", shape.name()), |bench| {
                bench.iter(|| inflated(black_box(&stored)));
            });
        }
        let stored = gzip(&text);
        group.bench_function(format!("floor-zlib/{}", shape.name()), |bench| {
            bench.iter(|| only_inflated(black_box(&stored)));
        });
        group.finish();
    }
    criterion.final_summary();
}

/// Bytes of the stream, read as blocks are.
fn inflated(stored: &Arc<[u8]>) -> usize {
    let mut stream = corpus::stream(stored);
    let mut buffer = Vec::with_capacity(BLOCK_BYTES);
    let mut bytes = 0;
    loop {
        buffer.clear();
        let read = stream.read(&mut buffer, BLOCK_BYTES).expect("the stream is whole");
        bytes += read;
        if read < BLOCK_BYTES {
            return bytes;
        }
    }
}

/// The same by the library alone, into one small buffer.
#[expect(clippy::disallowed_types, reason = "the one member that was made here")]
fn only_inflated(stored: &[u8]) -> usize {
    let mut stream = flate2::read::GzDecoder::new(stored);
    let mut buffer = vec![0; 64 << 10];
    let reads = std::iter::from_fn(|| Some(stream.read(&mut buffer).expect("the stream is whole")));
    reads.take_while(|read| *read > 0).sum()
}

fn gzip(text: &[u8]) -> Arc<[u8]> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(text).expect("a vector takes everything");
    out.finish().expect("a vector takes everything").into()
}

fn zstd(text: &[u8]) -> Arc<[u8]> {
    zstd::encode_all(text, zstd::DEFAULT_COMPRESSION_LEVEL)
        .expect("a vector takes everything")
        .into()
}
