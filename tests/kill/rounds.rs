//! Rounds by seed, and how one of them is run again.

use std::env;

/// The rounds of a test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounds {
    pub(crate) first: u64,
    pub(crate) count: u64,
    /// Whether they are as many as the test needs to meet every case.
    pub(crate) meets_all: bool,
}

impl Rounds {
    /// As many as `usual`, unless the environment says otherwise.
    pub(crate) fn of(usual: u64) -> Self {
        let number = |name| {
            env::var(name)
                .ok()
                .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
        };
        let count = number("LAKEBED_TEST_ROUNDS").unwrap_or(usual);
        Self {
            first: number("LAKEBED_TEST_SEED").unwrap_or(0),
            count,
            meets_all: count >= usual,
        }
    }
}

/// Says how a round is run again, if it fails.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) test: &'static str,
    pub(crate) seed: u64,
}

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { test, seed } = self;
            eprintln!(
                "to run this round again: LAKEBED_TEST_SEED={seed} LAKEBED_TEST_ROUNDS=1 cargo test --test kill {test}"
            );
        }
    }
}
