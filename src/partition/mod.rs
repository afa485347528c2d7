//! Rows are gathered by table and hour until their files can be written.

pub mod buckets;
pub mod hour;
mod filing;
mod spill;
