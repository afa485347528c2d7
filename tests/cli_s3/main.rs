//! The built program with objects and lakes in S3, as a user runs it: command lines against a server in the test process.
//!
//! ```text
//! Cloud (s3://raw, s3://lake, a folder) ──command line──> exit code, stdout, stderr, the server's log ──> Lake: proved
//! ```

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "../support/lake.rs"]
mod lake;
#[allow(dead_code, reason = "the tests of the command line over files use the rest")]
#[path = "../cli/sandbox.rs"]
mod sandbox;
#[path = "../support/mod.rs"]
mod support;

mod altered;
mod backfill;
mod cloud;
mod crashes;
mod invoke;
mod reconcile;
mod refused;
mod sweep;
mod verify;
