//! What goes wrong, with which calls, and who is killed by it.
//!
//! ```ignore
//! sim.inject(Fault::on("PutObject", Strike::CloseAfter).by("w1").nth(2));
//! sim.inject(Fault::on_any(Strike::Answer(503)).at_rate(0.1));
//! ```
//!
//! Of several faults that would strike a call, the one injected first does; all of them count it.

use super::{Chance, Request};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    /// It is answered with this status, and does nothing.
    Answer(u16),
    /// The connection is closed; it does nothing.
    Close,
    /// It does what it should, and the connection is closed instead of an answer.
    CloseAfter,
    /// The connection is closed; what was asked is done at any later moment.
    Late,
    /// It does nothing, and its sender waits for an answer as long as it is willing to.
    Hang,
    /// Its sender is killed.
    Kill(Moment),
}

/// When the sender of a call is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It did nothing.
    Before,
    /// It did what it should, and nobody heard the answer.
    Applied,
    /// It is still under way.
    Late,
    /// Between the answer and the next call.
    Answered,
}

impl Moment {
    pub(crate) const ALL: [Self; 4] = [Self::Before, Self::Applied, Self::Late, Self::Answered];
}

type Matches = Box<dyn FnMut(&Request) -> bool + Send>;

/// Which calls an effect strikes: all that match, until `nth`, `first`, `every` or `at_rate` say otherwise.
pub(crate) struct Fault {
    operation: Option<&'static str>,
    actor: Option<String>,
    matches: Matches,
    when: When,
    strike: Strike,
    seen: u64,
}

enum When {
    Always,
    Nth(u64),
    First(u64),
    Rate { below: u64 },
}

impl Fault {
    /// Strikes calls of one operation.
    pub(crate) fn on(operation: &'static str, strike: Strike) -> Self {
        Self {
            operation: Some(operation),
            ..Self::on_any(strike)
        }
    }

    pub(crate) fn on_any(strike: Strike) -> Self {
        Self {
            operation: None,
            actor: None,
            matches: Box::new(|_| true),
            when: When::Always,
            strike,
            seen: 0,
        }
    }

    /// Only calls of actors whose names begin so; others are not counted either.
    #[must_use]
    pub(crate) fn by(self, begin: impl Into<String>) -> Self {
        Self {
            actor: Some(begin.into()),
            ..self
        }
    }

    /// Only such calls; others are not counted either.
    #[must_use]
    pub(crate) fn request(self, matches: impl FnMut(&Request) -> bool + Send + 'static) -> Self {
        Self {
            matches: Box::new(matches),
            ..self
        }
    }

    /// Only writes.
    #[must_use]
    pub(crate) fn writes(self) -> Self {
        self.request(Request::writes)
    }

    /// Only one call, counted from 1.
    #[must_use]
    pub(crate) fn nth(self, n: u64) -> Self {
        self.when(When::Nth(n))
    }

    /// Only so many calls.
    #[must_use]
    pub(crate) fn first(self, n: u64) -> Self {
        self.when(When::First(n))
    }

    /// This part of the calls, 0 to 1, by the simulation's seed.
    #[must_use]
    pub(crate) fn at_rate(self, rate: f64) -> Self {
        let below = (rate * u64::MAX as f64) as u64;
        self.when(When::Rate { below })
    }

    fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    /// Counts a call; whether it is struck.
    fn strikes(&mut self, actor: &str, request: &Request, luck: &mut Chance) -> bool {
        if self.operation.is_some_and(|operation| operation != request.operation)
            || self.actor.as_ref().is_some_and(|begin| !actor.starts_with(begin))
            || !(self.matches)(request)
        {
            return false;
        }
        self.seen += 1;
        match self.when {
            When::Always => true,
            When::Nth(n) => self.seen == n,
            When::First(n) => self.seen <= n,
            When::Rate { below } => luck.next() < below,
        }
    }
}

/// What strikes this call, if anything does.
pub(super) fn struck(faults: &mut [Fault], actor: &str, request: &Request, luck: &mut Chance) -> Option<Strike> {
    let mut strike = None;
    for fault in faults {
        if fault.strikes(actor, request, luck) {
            strike.get_or_insert(fault.strike);
        }
    }
    strike
}
