//! What strangers can put into an object, a key, an event, a schema or a record of the lake: read as said, or refused; and
//! nothing worse.
//!
//! ```text
//! stored bytes ──inflate──> blocks ──read──> rows + rejects      object: every byte is in one of them
//! seeds ──mutated──> fuzz/bodies                                 fuzzed: the checks that the fuzz targets run, too
//! ```

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "../../fuzz/bodies/mod.rs"]
mod bodies;
#[path = "../support/reading.rs"]
mod reading;

mod object;
mod packed;

mod cuts;
mod documents;
mod fuzzed;
mod gzip;
mod lines;
mod numbers;
mod suite;
mod zstd;

/// How much more than usual is to be done: 1 on each change.
fn rounds() -> u32 {
    let asked = std::env::var("LAKEBED_TEST_ROUNDS").map(|text| text.parse().expect("LAKEBED_TEST_ROUNDS is a number"));
    asked.unwrap_or(1)
}
