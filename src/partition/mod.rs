//! Rows are gathered by table and hour until their files can be written.

pub mod buckets;
mod filing;
pub mod hour;
mod spill;
