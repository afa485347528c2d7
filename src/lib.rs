//! lakebed sorts raw JSON objects into an event-time Parquet lake.
//!
//! ```text
//! door ──> source ──> record ──> partition ──> encode ──> job ──> store
//! events,  bytes,     route,     rows by       Parquet    claims,  folder,
//! names    frames     time,      table and     files      intent,  S3
//!                     columns    hour                     outcome
//!             └──────────┴──> quarantine
//! ```
//!
//! The modules stand in the order in which data flows through them. `source::frame`, `record`, `partition::hour` and
//! `encode` do no I/O of their own and read no clock.

pub mod settings;

pub mod table;

pub mod place;

pub mod s3;

pub mod door;

pub mod source;

pub mod record;

pub mod partition;

pub mod encode;

pub mod quarantine;

pub mod store;

pub mod job;

pub mod verify;

pub mod pipeline;

pub mod report;

pub mod load;

pub mod dry_run;

pub mod reconcile;

pub mod engine;

pub mod function;

pub mod emf;

pub mod heap;

mod at_once;
mod sort;
