//! What becomes of a JSON value in a column of each type, under `strict` and under `lossless`: the coercion table, row by
//! row, as (JSON value, strict, lossless). A value is shown as text, a refusal as its code.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod bytes;
mod names;
mod nested;
mod nulls;
mod numbers;
#[path = "../support/reading.rs"]
mod reading;
mod times;
mod transformed;
mod unknown;
