//! The built program killed with `kill -9`, run many times at once, and run again: over folders, and over the wire.
//!
//! ```text
//! shapes (raw objects whose records are known) ──> Scene (a folder, or S3 in this process) <── processes, some of them killed
//!                                                    │ at a kill: what the lake holds, which moment it was
//!                                                    └ at rest: judged record by record, and nothing is left to do
//! ```
//!
//! Rounds are drawn from seeds, one after another. A round that fails says how it is run again; `LAKEBED_TEST_ROUNDS` makes
//! them more or fewer, `LAKEBED_TEST_SEED` is the seed of the first one. Where a process is when a clock strikes is not
//! reproducible, all else of a round is.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[allow(dead_code, reason = "the tests of the command line over S3 use the rest")]
#[path = "../cli_s3/cloud.rs"]
mod cloud;
#[path = "../support/lake.rs"]
mod lake;
#[allow(dead_code, reason = "the tests of the command line over files use the rest")]
#[path = "../cli/sandbox.rs"]
mod sandbox;
#[path = "../support/mod.rs"]
mod support;

mod killing;
mod moment;
mod raw;
mod rounds;
mod scene;
mod shapes;

mod heirs;
mod kills;
mod oracle;
mod replays;
mod twins;
mod waiting;
