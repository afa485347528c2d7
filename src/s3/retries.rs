//! What a process may ask of S3 again: one store of tokens for every request, whoever repeats it.
//!
//! ```text
//! 500 tokens ──an attempt failed, or a body broke off: one is taken──> it is asked again, after a pause
//!     ^                                                └─ none is left: it fails, and says so
//!     └──────── half a token for each answer
//! ```
//!
//! As long as less than a third of all attempts fail, tokens never run out. An S3 that is down is soon asked once by each
//! who wants something of it, and not thirty times; what fails then is transient.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Twice as many as requests can fail in one moment.
const TOKENS: f64 = 500.0;
const TOKENS_AN_ANSWER: f64 = 0.5;
/// The first pause is anything up to this, and each after it anything up to twice as much,
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// so many times.
const DOUBLINGS_MAX: u32 = 6;

/// The tokens of a process. Cloning gives another handle of them.
#[derive(Clone, Debug)]
pub(crate) struct Retries(Arc<Mutex<f64>>);

impl Default for Retries {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(TOKENS)))
    }
}

impl Retries {
    /// Takes a token. False where there is none: it is not asked again.
    pub(super) fn draw(&self) -> bool {
        let mut tokens = self.tokens();
        let is_left = *tokens >= 1.0;
        if is_left {
            *tokens -= 1.0;
        }
        is_left
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        let mut tokens = self.tokens();
        *tokens = (*tokens + TOKENS_AN_ANSWER).min(TOKENS);
    }

    /// Whether nothing is asked again for now.
    pub(super) fn are_spent(&self) -> bool {
        *self.tokens() < 1.0
    }

    /// Takes a token and waits before attempt `attempt + 1`: longer each time, and not as long as others do. False, at once,
    /// where no token is left.
    pub(crate) async fn again(&self, attempt: u32) -> bool {
        let is_left = self.draw();
        if is_left {
            tokio::time::sleep(pause(attempt)).await;
        }
        is_left
    }

    fn tokens(&self) -> MutexGuard<'_, f64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Anything up to the longest pause after so many attempts.
fn pause(attempt: u32) -> Duration {
    let longest_ms = (PAUSE_FIRST.as_millis() as u64) << attempt.saturating_sub(1).min(DOUBLINGS_MAX);
    Duration::from_millis(RandomState::new().hash_one(attempt) % longest_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tokens_end_and_come_back_with_answers() {
        let retries = Retries::default();
        let mut drawn = 0;
        while retries.again(1).await {
            drawn += 1;
        }
        assert_eq!((drawn, retries.are_spent()), (500, true));
        retries.answered();
        assert!(!retries.draw());
        retries.clone().answered();
        assert!(retries.draw() && retries.are_spent());
        for _ in 0..10_000 {
            retries.answered();
        }
        assert_eq!((0..1000).filter(|_| retries.draw()).count(), 500);
    }

    #[test]
    fn pauses_grow_and_are_full_of_chance() {
        for (attempt, longest_ms) in [(0, 200), (1, 200), (2, 400), (6, 6_400), (7, 12_800), (99, 12_800)] {
            let pauses: Vec<_> = (0..400).map(|_| pause(attempt).as_millis()).collect();
            assert!(pauses.iter().all(|pause| *pause < longest_ms), "{attempt}");
            let (low, high) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
            assert!(
                *low < longest_ms / 4 && *high > longest_ms * 3 / 4,
                "{attempt}: {low} to {high}"
            );
        }
    }
}
