//! S3 as a source: the real client against a real server, from a listing or an announcement to rows in a lake.
//!
//! ```text
//! identity ─ what an object is: listing, HEAD and first GET agree        listing ─ which objects a place names
//! reading ─ its bytes, whole and in order     faults ─ the same where answers break off, stall or are refused
//! loading ─ jobs and their requests           changes ─ objects overwritten, deleted or denied under a job
//! replaced ─ the same after they were loaded: a job in the place of another
//! pace ─ how many requests a process has waiting    patience ─ what comes too slowly    retries ─ what is asked again
//! ```

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "../support/lake.rs"]
mod lake;
#[allow(dead_code, reason = "the command line's tests use the rest")]
#[path = "../cli/sandbox.rs"]
mod sandbox;
#[path = "../support/mod.rs"]
mod support;

mod changes;
mod faults;
mod harness;
mod identity;
mod listing;
mod loading;
mod pace;
mod patience;
mod reading;
mod replaced;
mod retries;
