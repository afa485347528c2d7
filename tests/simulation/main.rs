//! The publish protocol in a simulation: crashes at every call, seeded schedules of many actors with faults, storms of
//! duplicates; judged by an oracle that knows the raw records and none of the code.
//!
//! ```text
//! LAKEBED_TEST_SEED=17 cargo test --test simulation schedules    that schedule alone
//! LAKEBED_TEST_ROUNDS=20000 cargo test --test simulation         more of them
//! ```
//!
//! No failure in N seeds leaves a failure rate of at most 3/N, at 95 %.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod crashes;
mod schedules;
mod storms;
mod teeth;
mod world;
mod writer;
