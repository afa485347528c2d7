//! Stores to test against, wrappers that hurt them, and a small world of raw objects.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod faulty;
pub(crate) mod judge;
pub(crate) mod memory;
pub(crate) mod oracle;
pub(crate) mod s3;
pub(crate) mod s3_lake;
pub(crate) mod sim;
pub(crate) mod world;

use lakebed::store::LakeKey;

pub(crate) fn key(text: &str) -> LakeKey {
    LakeKey::new(text).unwrap()
}
