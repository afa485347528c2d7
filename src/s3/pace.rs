//! How many requests of a process may wait for S3 at once: few at first, more as long as it answers, half as many when it
//! says that they are too many.
//!
//! ```text
//! 10 ──a second in which all were taken: one more, or a tenth──> 11 ... ──> 256
//!  ^                                                             │
//!  └──── half, at most once a second: 503, 429 ──────────────────┘      Retry-After: nothing is sent before
//! ```
//!
//! S3 makes room for more requests as they come, and refuses what comes too suddenly. A slot is held from the sending of a
//! request until its answer begins; a body that is read takes none. Knows nothing of what is asked for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// Requests at once in the beginning. A single job seldom has more of them waiting.
const FIRST: usize = 10;
/// Requests at once, at most: with 50 ms to an answer, as many a second as S3 takes for one prefix.
const MOST: usize = 256;
/// Time between two steps up, and between two steps down: answers to what was sent before a step say nothing about it.
const STEP: Duration = Duration::from_secs(1);
/// A longer wait than this is not believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// The pace of a process. Cloning gives another handle of it.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    slots: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Requests at once; what is behind the point is on its way to the next one.
    most: f64,
    /// Slots that go as soon as their requests end.
    owed: usize,
    /// Whether somebody had to wait since the last step.
    full: bool,
    stepped: Instant,
    /// Nothing was ever refused, where it is nothing.
    refused: Option<Instant>,
    /// S3 asked not to be asked before.
    not_before: Option<Instant>,
}

/// What a request holds until its answer begins.
#[derive(Debug)]
pub(super) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    pace: Pace,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(FIRST)),
            state: Arc::new(Mutex::new(State {
                most: FIRST as f64,
                owed: 0,
                full: false,
                stepped: Instant::now(),
                refused: None,
                not_before: None,
            })),
        }
    }
}

impl Pace {
    /// Waits until a request may be sent. Who came first is first.
    pub(super) async fn enter(&self) -> Slot {
        let permit = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.state().full = true;
                let waiting = Arc::clone(&self.slots).acquire_owned().await;
                waiting.expect("the slots are never closed")
            }
        };
        let slot = Slot {
            permit: Some(permit),
            pace: self.clone(),
        };
        loop {
            let until = self.state().not_before.filter(|until| *until > Instant::now());
            let Some(until) = until else { return slot };
            sleep_until(until).await;
        }
    }

    /// A request was answered, and not because there are too many.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        if !state.full || state.stepped.elapsed() < STEP {
            return;
        }
        let before = state.most as usize;
        state.most = (state.most * 1.1).max(state.most + 1.0).min(MOST as f64);
        (state.full, state.stepped) = (false, Instant::now());
        let more = state.most as usize - before;
        let kept = more.min(state.owed);
        state.owed -= kept;
        self.slots.add_permits(more - kept);
    }

    /// S3 says that there are too many requests, and perhaps when it may be asked again.
    pub(super) fn refused(&self, retry_after: Option<Duration>) {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(after) = retry_after {
            let until = now + after.min(RETRY_AFTER_MAX);
            state.not_before = state.not_before.max(Some(until));
        }
        if state.refused.is_some_and(|last| now - last < STEP) {
            return;
        }
        let before = state.most as usize;
        state.most = (state.most / 2.0).max(1.0);
        (state.full, state.stepped, state.refused) = (false, now, Some(now));
        let fewer = before - state.most as usize;
        state.owed += fewer - self.slots.forget_permits(fewer);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.pace.state();
        if let Some(permit) = self.permit.take_if(|_| state.owed > 0) {
            state.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many may be under way now: those that get in without anybody leaving.
    async fn room(pace: &Pace) -> usize {
        let mut slots = Vec::new();
        while let Ok(slot) = tokio::time::timeout(Duration::from_millis(1), pace.enter()).await {
            slots.push(slot);
        }
        slots.len()
    }

    async fn pass(millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_grows_while_it_is_used_up_and_only_then() {
        let pace = Pace::default();
        for _ in 0..100 {
            pass(1000).await;
            drop(pace.enter().await);
            pace.answered();
        }
        assert_eq!(room(&pace).await, FIRST, "nobody had to wait");
        for expected in [11, 12, 13] {
            pass(1000).await;
            pace.answered();
            pace.answered();
            assert_eq!(room(&pace).await, expected);
            pace.answered();
            assert_eq!(room(&pace).await, expected, "within the same second");
        }
        for _ in 0..100 {
            pass(1000).await;
            pace.answered();
            room(&pace).await;
        }
        assert_eq!(room(&pace).await, MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_halves_it_once_a_second_and_down_to_one() {
        let pace = Pace::default();
        let held = [pace.enter().await, pace.enter().await, pace.enter().await];
        for expected in [5, 2, 1, 1] {
            pace.refused(None);
            pace.refused(None);
            let others = expected - held.len().min(expected);
            assert_eq!(room(&pace).await, others);
            pass(1000).await;
        }
        // Slots that are owed do not come back.
        drop(held);
        assert_eq!(room(&pace).await, 1);
        pass(1000).await;
        pace.answered();
        assert_eq!(room(&pace).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn slots_that_are_owed_are_kept_when_it_grows_again() {
        let pace = Pace::default();
        let held: Vec<_> = std::iter::repeat_with(|| pace.clone()).take(FIRST).collect();
        let mut slots = Vec::new();
        for pace in &held {
            slots.push(pace.enter().await);
        }
        pace.refused(None);
        assert_eq!(room(&pace).await, 0);
        pass(1000).await;
        pace.answered();
        drop(slots);
        assert_eq!(room(&pace).await, 6);
    }

    #[tokio::test(start_paused = true)]
    async fn what_s3_asks_to_be_left_alone_for_is_waited_for_up_to_a_limit() {
        let pace = Pace::default();
        for (asked, waited) in [(3, 3), (0, 0), (86_400, 30)] {
            pace.refused(Some(Duration::from_secs(asked)));
            let begun = Instant::now();
            drop(pace.enter().await);
            assert_eq!(begun.elapsed().as_secs(), waited, "{asked} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_takes_nothing_along() {
        let pace = Pace::default();
        for _ in 0..3 {
            assert_eq!(room(&pace).await, FIRST);
        }
    }
}
