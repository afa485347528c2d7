//! How long an invocation may take: work is stopped before the function is killed.
//!
//! ```text
//! entry ──────────────── stop ──────────── leave ── killed
//!   jobs are begun         those that publish  what still runs is left as by a crash,
//!                          come to their end   and finished by whoever comes next
//! ```
//!
//! Measures time, and decides no byte of the lake by it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What is left for jobs that are being published, and for the answer.
const STOP_BEFORE: Duration = Duration::from_secs(30);
/// What is left for the answer.
const LEAVE_BEFORE: Duration = Duration::from_secs(3);
/// Stored bytes that one core reads in a second at the very most: twice of what plain JSON without any network took.
const BYTES_PER_CORE_S: u64 = 500_000_000;
/// The memory for which Lambda gives a core.
const CORE_MIB: u64 = 1769;

/// The time that an invocation has. Without a limit nothing is ever stopped.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deadline(Option<Limit>);

#[derive(Clone, Copy, Debug)]
struct Limit {
    began: Instant,
    whole: Duration,
}

/// How work ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended<T> {
    /// In time.
    Done(T),
    /// By being stopped: all that was begun has ended, not all was begun.
    Stopped(T),
    /// Not: it was left.
    Left,
}

impl Deadline {
    /// From now on. None, or nothing left: not known, as some emulators have it.
    pub(super) fn after(left: Option<Duration>) -> Self {
        let whole = left.filter(|left| !left.is_zero());
        Self(whole.map(|whole| Limit {
            began: Instant::now(),
            whole,
        }))
    }

    /// Works until it is time to stop, and waits until what was begun has ended, as long as there is time. `stop` is set
    /// from then on; whoever made it clears it.
    pub(super) async fn watch<T>(&self, stop: &AtomicBool, work: impl Future<Output = T>) -> Ended<T> {
        let Some(limit) = self.0 else {
            return Ended::Done(work.await);
        };
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return Ended::Done(done),
            () = sleep_until(limit.stop_at()) => stop.store(true, Ordering::Relaxed),
        }
        tokio::select! {
            biased;
            done = &mut work => Ended::Stopped(done),
            () = sleep_until(limit.leave_at()) => Ended::Left,
        }
    }

    /// Whether it is time to stop.
    pub(super) fn is_near(&self) -> bool {
        self.0.is_some_and(|limit| Instant::now() >= limit.stop_at())
    }

    /// Why an object of so many stored bytes can never be read in this time, if so. `memory_mib`: what the function has.
    /// Where that is not known, none is refused.
    pub(super) fn refuses(&self, bytes: u64, memory_mib: Option<u64>) -> Option<String> {
        let Limit { whole, .. } = self.0?;
        let per_s = (BYTES_PER_CORE_S * memory_mib? / CORE_MIB).max(1);
        (bytes / per_s >= whole.as_secs().max(1)).then(|| {
            format!(
                "it has {bytes} bytes, and not more than {} can be read in the {} s that the function has: give it more time or \
                 memory, or load the object with `lakebed backfill`",
                per_s.saturating_mul(whole.as_secs()),
                whole.as_secs()
            )
        })
    }

    /// Seconds since the invocation began, where its time is limited.
    pub(super) fn spent_s(&self) -> Option<u64> {
        self.0.map(|limit| limit.began.elapsed().as_secs())
    }
}

impl Limit {
    fn stop_at(&self) -> Instant {
        let before = STOP_BEFORE.max(self.whole / 10).min(self.whole / 2);
        self.began + (self.whole - before)
    }

    fn leave_at(&self) -> Instant {
        self.began + (self.whole - LEAVE_BEFORE.min(self.whole / 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(whole_s: u64) -> Limit {
        Limit {
            began: Instant::now(),
            whole: Duration::from_secs(whole_s),
        }
    }

    #[tokio::test]
    async fn work_is_stopped_half_a_minute_or_a_tenth_before_its_time_is_up() {
        for (whole, stop, leave) in [(900, 810, 897), (300, 270, 297), (60, 30, 57), (10, 5, 9), (1, 0, 0)] {
            let limit = limit(whole);
            assert_eq!((limit.stop_at() - limit.began).as_secs(), stop, "{whole}");
            assert_eq!((limit.leave_at() - limit.began).as_secs(), leave, "{whole}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_stops_is_waited_for_and_what_does_not_is_left() {
        let work = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
        for (seconds, expected, stopped) in [
            (1, Ended::Done(()), false),
            (269, Ended::Done(()), false),
            (280, Ended::Stopped(()), true),
            (1000, Ended::Left, true),
        ] {
            let (deadline, stop) = (Deadline::after(Some(Duration::from_secs(300))), AtomicBool::new(false));
            let began = Instant::now();
            assert_eq!(deadline.watch(&stop, work(seconds)).await, expected, "{seconds}");
            assert_eq!(stop.load(Ordering::Relaxed), stopped);
            assert!(began.elapsed() <= Duration::from_secs(297));
        }
        for unknown in [None, Some(Duration::ZERO)] {
            let (deadline, stop) = (Deadline::after(unknown), AtomicBool::new(false));
            assert_eq!(deadline.watch(&stop, work(100_000)).await, Ended::Done(()));
            assert_eq!(
                (deadline.refuses(u64::MAX, Some(128)), deadline.spent_s()),
                (None, None)
            );
        }
    }

    #[tokio::test]
    async fn only_what_can_never_be_read_in_time_is_refused() {
        let deadline = Deadline::after(Some(Duration::from_secs(100)));
        for (bytes, memory, refused) in [
            (1 << 30, 1769, false),
            (49_000_000_000, 1769, false),
            (51_000_000_000, 1769, true),
            (51_000_000_000, 3538, false),
            (1 << 30, 128, false),
            (4_000_000_000, 128, true),
        ] {
            assert_eq!(
                deadline.refuses(bytes, Some(memory)).is_some(),
                refused,
                "{bytes} {memory}"
            );
        }
        assert_eq!(deadline.refuses(u64::MAX, None), None);
        let why = deadline.refuses(60_000_000_000, Some(1769)).unwrap_or_default();
        assert!(
            why.contains("60000000000 bytes") && why.contains("50000000000 can be read in the 100 s"),
            "{why}"
        );
    }
}
