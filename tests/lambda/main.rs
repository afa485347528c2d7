//! The built function as Lambda runs it: a process that asks the Runtime API for events, over the S3 of the test process.
//!
//! ```text
//! events ──> Runtime API <── lakebed-lambda ──> Server (raw, lake)
//! answers <──┘                    └──> stdout: logs and metrics, a JSON document a line
//! ```

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "../function/events.rs"]
mod events;
#[path = "../support/lake.rs"]
mod lake;
#[path = "../support/mod.rs"]
mod support;
#[path = "../function/world.rs"]
mod world;

mod process;

mod answers;
mod doors;
mod output;
mod start;
mod warm;
