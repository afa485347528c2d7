//! The built program as a user runs it: command lines in a folder of their own, the lake read back with another reader.
//!
//! ```text
//! Sandbox (raw/, schemas/, lake/) ──command line──> exit code, stdout, stderr ──> Lake: proved file by file, row by row
//! ```
//!
//! Every lake is proved as a whole after every run that ends: see [`lake::Lake::prove`].

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "../support/lake.rs"]
mod lake;
mod sandbox;

mod again;
mod bounds;
mod crashes;
mod damaged;
mod dry_run;
mod examples;
mod hostile;
mod limits;
mod odd_sources;
mod reconcile;
mod reconcile_meanwhile;
mod refused;
mod repeatable;
mod replay;
mod schema_check;
mod selection;
mod sweep;
mod transform;
mod verify;
mod verify_damaged;
mod verify_heirs;
mod verify_meanwhile;
mod words;
