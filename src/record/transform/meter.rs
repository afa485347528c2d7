//! What a filter may take for one record: steps, bytes, nesting and stack, counted while it runs.
//!
//! jq has loops without an end and values that double with each step, and its interpreter cannot be asked to stop. So each
//! step and each value made counts here, and what goes beyond its budget is unwound from wherever it is. Counts depend on the
//! filter and the record alone, so the same record is refused everywhere; only the stack is what the machine has, and is
//! a net below the others. Needs panics that unwind: no profile may abort on them.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Bytes copied or compared that count as one step.
const BYTES_PER_STEP: usize = 64;
/// Bytes of stack below where the filter was called. Threads have 2 MiB.
const STACK_BYTES_MAX: usize = 768 << 10;

/// Why a filter was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Too many steps.
    Steps,
    /// Too many bytes of values.
    Bytes,
    /// A value nested too deep.
    Depth,
    /// Calls nested too deep.
    Stack,
    /// The interpreter panicked.
    Fault,
}

/// What one run may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Terms evaluated, values compared, blocks of 64 bytes copied.
    pub steps: u64,
    /// Bytes of all values made, also of those that are gone again.
    pub bytes: u64,
    /// Containers within each other.
    pub depth: u32,
}

impl Budget {
    const UNLIMITED: Self = Self {
        steps: u64::MAX,
        bytes: u64::MAX,
        depth: u32::MAX,
    };
}

struct Meter {
    left: Cell<Budget>,
    /// Address of the stack where the filter was called; 0 where none runs.
    stack: Cell<usize>,
}

thread_local! {
    static METER: Meter = const {
        Meter { left: Cell::new(Budget::UNLIMITED), stack: Cell::new(0) }
    };
}

/// Runs `run`, and stops it where it goes beyond `budget`.
pub(super) fn metered<T>(budget: Budget, run: impl FnOnce() -> T) -> Result<T, Stop> {
    METER.with(|meter| {
        meter.left.set(budget);
        meter.stack.set(stack_address());
    });
    let result = catch_unwind(AssertUnwindSafe(run));
    METER.with(Meter::clear);
    result.map_err(|payload: Box<dyn Any + Send>| payload.downcast().map_or(Stop::Fault, |stop| *stop))
}

/// One term is evaluated.
pub(super) fn step() {
    let here = stack_address();
    METER.with(|meter| {
        if meter.stack.get().abs_diff(here) > STACK_BYTES_MAX && meter.stack.get() != 0 {
            meter.stop(Stop::Stack);
        }
    });
    steps_for(0);
}

/// So many bytes are compared or searched.
pub(super) fn steps_for(bytes: usize) {
    METER.with(|meter| {
        let left = meter.left.get();
        match left.steps.checked_sub(1 + (bytes / BYTES_PER_STEP) as u64) {
            Some(steps) => meter.left.set(Budget { steps, ..left }),
            None => meter.stop(Stop::Steps),
        }
    });
}

/// So many bytes of values are about to be made.
pub(super) fn make(bytes: usize) {
    METER.with(|meter| {
        let left = meter.left.get();
        match left.bytes.checked_sub(bytes as u64) {
            Some(bytes) => meter.left.set(Budget { bytes, ..left }),
            None => meter.stop(Stop::Bytes),
        }
    });
    steps_for(bytes);
}

/// A container is made in which so many are nested, itself included.
pub(super) fn nest(depth: u32) {
    METER.with(|meter| {
        if depth > meter.left.get().depth {
            meter.stop(Stop::Depth);
        }
    });
}

/// How many containers may be nested.
pub(super) fn depth_max() -> usize {
    METER.with(|meter| meter.left.get().depth as usize)
}

impl Meter {
    fn clear(&self) {
        self.left.set(Budget::UNLIMITED);
        self.stack.set(0);
    }

    /// Unwinds without a word: it is no panic that anybody should read about.
    fn stop(&self, why: Stop) -> ! {
        // What is dropped on the way may count as well, and must not stop again.
        self.clear();
        resume_unwind(Box::new(why))
    }
}

#[inline(never)]
fn stack_address() -> usize {
    let here = 0u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        steps: 100,
        bytes: 1000,
        depth: 3,
    };

    #[test]
    fn what_stays_within_its_budget_ends_of_itself() {
        let run = || {
            (0..40).for_each(|_| step());
            (0..10).for_each(|_| make(100));
            nest(3);
            7
        };
        assert_eq!(metered(BUDGET, run), Ok(7));
    }

    #[test]
    fn each_budget_stops_a_run_and_only_that_run() {
        fn deeper(levels: usize) -> usize {
            step();
            std::hint::black_box(if levels == 0 { 0 } else { 1 + deeper(levels - 1) })
        }
        let plenty = Budget {
            steps: u64::MAX,
            ..BUDGET
        };
        assert_eq!(
            metered(BUDGET, || loop {
                step()
            }),
            Err::<(), _>(Stop::Steps)
        );
        assert_eq!(
            metered(plenty, || loop {
                make(10)
            }),
            Err::<(), _>(Stop::Bytes)
        );
        assert_eq!(metered(BUDGET, || nest(4)), Err(Stop::Depth));
        assert_eq!(metered(plenty, || deeper(1_000_000)), Err(Stop::Stack));
        assert_eq!(metered(BUDGET, step), Ok(()));
        // Outside of a run nothing is limited.
        make(1 << 40);
    }

    #[test]
    fn a_panic_of_the_interpreter_ends_the_run_alone() {
        let silent = || -> () { resume_unwind(Box::new("a bug")) };
        assert_eq!(metered(BUDGET, silent), Err(Stop::Fault));
    }
}
