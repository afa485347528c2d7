//! Raw objects: which there are, their bytes, and where records begin and end in them.

pub mod blocks;
pub mod frame;
mod gzip;
pub mod inflate;
mod kept;
pub mod listing;
pub mod local;
pub mod raw;
pub mod s3;
mod snappy;
pub mod when;
mod zip;
