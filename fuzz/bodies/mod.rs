//! What is tried on bytes that nobody has chosen: each check takes any bytes and panics where a promise is broken.
//!
//! ```text
//! fuzz_targets/*.rs ──coverage-guided─┐
//!                                     ├──> check(bytes)
//! tests/hostile     ──seeds, mutated──┘
//! ```
//!
//! | | |
//! | --- | --- |
//! | `frame` | chunks and blocks agree, every byte is accounted for, a second parser knows the same records |
//! | `inflate` | pieces are bounded, and do not depend on how bytes arrive |
//! | `rows` | what became a row is what a second parser reads |
//! | `time` | RFC 3339 as chrono reads it, numbers as whole numbers count; the folder of every instant |
//! | `keys` | keys are decoded as they are encoded, and what we write stays in the lake |
//! | `records` | a lake whose records say anything is refused, or written to within its folders |
//! | `doors` | any payload is answered or refused, and answers name only what came |
//! | `schemas` | any schema file is a table or an error that says where |

#![allow(dead_code, reason = "a fuzz target uses one of them")]

pub(crate) mod doors;
pub(crate) mod frame;
pub(crate) mod inflate;
pub(crate) mod keys;
pub(crate) mod records;
pub(crate) mod rows;
pub(crate) mod schemas;
pub(crate) mod time;

/// A check, by the name of its fuzz target.
pub(crate) type Check = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const CHECKS: [Check; 8] = [
    ("doors", doors::check),
    ("frame", frame::check),
    ("inflate", inflate::check),
    ("keys", keys::check),
    ("records", records::check),
    ("rows", rows::check),
    ("schemas", schemas::check),
    ("time", time::check),
];

/// The first byte chooses, the rest is what is tried.
fn chosen(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes {
        [first, rest @ ..] => (usize::from(*first), rest),
        [] => (0, bytes),
    }
}
