//! Who goes on next.

use std::time::Duration;

use super::{Chance, Sim, State, UnderWay};

/// Moves after which a simulation is taken for endless.
const STEPS_MAX: u64 = 400_000;
/// Time after which nobody who sleeps wakes any more.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// How the seed draws.
#[derive(Clone, Copy, Debug)]
pub(super) enum Policy {
    /// Each waiting call is as likely as any other.
    Even,
    /// One actor goes before all others until a new order is drawn, once in so many moves: this finds what needs one actor to
    /// be very slow at one place.
    Ranked(u64),
}

impl Policy {
    pub(super) fn draw(order: &mut Chance) -> Self {
        match order.below(3) {
            0 => Self::Even,
            1 => Self::Ranked(12),
            _ => Self::Ranked(60),
        }
    }
}

enum Move {
    Go(usize),
    Land(usize),
    Pass(Duration),
    Wait,
}

impl Sim {
    /// Runs until every actor has ended. What is under way without a sender stays so.
    ///
    /// Panics where an actor panicked, and when an actor waits for what never comes.
    pub(crate) async fn run(&self) {
        loop {
            self.quiet().await;
            let next = {
                let mut state = self.state();
                if state.watch.has_seen_a_fault() || state.actors.iter().all(|actor| !actor.alive) {
                    break;
                }
                state.steps += 1;
                assert!(state.steps < STEPS_MAX, "no end after {STEPS_MAX} moves");
                state.choose()
            };
            match next {
                Move::Go(at) => {
                    let waiting = self.state().waiting.remove(at);
                    // Nobody hears it whose actor is being killed.
                    let _ = waiting.go.send(());
                }
                Move::Land(at) => self.land(at),
                Move::Pass(time) => tokio::time::advance(time).await,
                Move::Wait => tokio::time::timeout(SLEEP_MAX, self.changed.notified())
                    .await
                    .expect("an actor waits for what never comes"),
            }
        }
        let tasks = std::mem::take(&mut self.state().tasks);
        for task in tasks {
            if task.is_finished() {
                if let Err(ended) = task.await {
                    std::panic::resume_unwind(ended.into_panic());
                }
            } else {
                task.abort();
            }
        }
    }

    /// Lets all late requests land, in any order.
    pub(crate) fn land_all(&self) {
        loop {
            let next = {
                let mut state = self.state();
                let count = state.under_way.len() as u64;
                (count > 0).then(|| state.order.below(count) as usize)
            };
            let Some(next) = next else { return };
            self.land(next);
        }
    }

    fn land(&self, at: usize) {
        let UnderWay { actor, request, land } = self.state().under_way.remove(at);
        let landed = self.effect(&request, actor, " (late)", |model| Ok(land(model)), String::clone);
        debug_assert!(landed.is_ok());
    }

    /// Until every task waits for the scheduler, for time, or for another task.
    async fn quiet(&self) {
        // Woken when no other task can run: the runtime looks to no events in between.
        loop {
            let before = self.state().tickets;
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            if self.state().tickets == before {
                return;
            }
        }
    }
}

impl State {
    fn choose(&mut self) -> Move {
        let (waiting, late) = (self.waiting.len() as u64, self.under_way.len() as u64);
        let lands = if waiting > 0 {
            self.lands
        } else {
            self.lands.min(self.lands / 8 + 2)
        };
        if late > 0 && self.order.one_in(lands) {
            return Move::Land(self.order.below(late) as usize);
        }
        if waiting == 0 {
            return Move::Wait;
        }
        if self.order.one_in(50) {
            let times = [1, 30, 200, 1_100, 2_500];
            return Move::Pass(Duration::from_millis(self.order.pick(&times)));
        }
        Move::Go(match self.policy {
            Policy::Even => self.order.below(waiting) as usize,
            Policy::Ranked(every) => {
                if self.order.one_in(every) {
                    for actor in &mut self.actors {
                        actor.priority = self.order.next();
                    }
                }
                let first = |waiting: &super::Waiting| self.actors[waiting.actor].priority;
                let best = self.waiting.iter().map(first).max().expect("somebody waits");
                let places: Vec<usize> = (0..self.waiting.len())
                    .filter(|&at| first(&self.waiting[at]) == best)
                    .collect();
                self.order.pick(&places)
            }
        })
    }
}
