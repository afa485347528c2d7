//! Staging: jobs to files that are whole and proved, and not yet in the lake.
//!
//! ```text
//! copied_sources ─ a job that replaces another: sources that are gone, with every value and every byte of a line
//! copied_rows ─ the same of one file      copied_large ─ of files beyond memory, in a folder and in S3
//! copied_damage ─ where that is not what was recorded           repeatable ─ what decides no byte of a file
//! ```

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "../support/lake.rs"]
mod lake;
#[path = "../support/parquet.rs"]
mod parquet_facts;
#[path = "../support/reading.rs"]
mod reading;
#[allow(dead_code, reason = "the command line's tests use the rest")]
#[path = "../cli/sandbox.rs"]
mod sandbox;
#[path = "../support/mod.rs"]
mod support;

mod copied_damage;
mod copied_large;
mod copied_rows;
mod copied_sources;
mod repeatable;
mod world;
