//! The function in process, raw objects and lake in the S3 of the test process: events in, answers out, and the lake read
//! back with another reader and proved as a whole.
//!
//! ```text
//! Model (raw/, lake/) ──> Server <── Function <── event        answer, metrics ──> as the caller expects them
//!                            └──> Lake: copied to a folder, proved file by file, row by row
//! ```

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "../support/lake.rs"]
mod lake;
#[path = "../kill/raw.rs"]
#[allow(dead_code, reason = "the tests with kills use the rest")]
mod raw;
#[path = "../cli/sandbox.rs"]
#[allow(dead_code, reason = "raw objects are made with a part of it")]
mod sandbox;
#[path = "../support/mod.rs"]
mod support;

mod envelopes;
mod events;
mod world;

mod again;
mod backfill;
mod batches;
mod codecs;
mod deadline;
mod doors;
mod examples;
mod faults;
mod firehose;
mod keys;
mod killed;
mod lost;
mod one_object;
mod opening;
mod orders;
mod overwritten;
mod places;
mod queue;
mod versions;
