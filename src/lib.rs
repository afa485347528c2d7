//! lakebed sorts raw JSON objects into an event-time Parquet lake.
//!
//! ```text
//! source ──> record ──> partition ──> encode ──> job ──> store
//! bytes,     route,     rows by       Parquet    claims,  folder
//! frames     time,      table and     files      intent,
//!            columns    hour                     outcome
//!    └──────────┴──> quarantine
//! ```
//!
//! The modules stand in the order in which data flows through them. `source::frame`, `record`, `partition::hour` and
//! `encode` do no I/O of their own and read no clock.

pub mod table;

pub mod source;

pub mod record;

pub mod partition;

pub mod encode;

pub mod quarantine;

pub mod s3;

pub mod store;

pub mod job;

pub mod pipeline;

pub mod report;

pub mod load;

pub mod place;

pub mod engine;

pub mod door;

pub mod function;

pub mod emf;

pub mod settings;

pub mod dry_run;
