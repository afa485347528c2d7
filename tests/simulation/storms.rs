//! The same message many times, at once and much later.

use std::time::Duration;

use crate::support::sim::Chance;
use crate::world::{Raw, World, proves, seeds};
use crate::writer::Writer;

const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

async fn storm(world: World, seed: u64) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let twins = [2, 4, 16][(seed % 3) as usize];
    let mut batch = Vec::new();
    for name in ["raw/a", "raw/b", "raw2/c"] {
        world.write(name, Raw::new("A").hours(1 + chance.below(5)));
        batch.push(name.to_owned());
    }
    // The same id twice in one batch.
    batch.push("raw/a".to_owned());
    for twin in 0..twins {
        let writer = Writer {
            machine: chance.pick(&["", "one", "two"]),
            ..Writer::default()
        };
        drop(world.deliver(format!("twin{twin}"), &batch, writer));
    }
    world.run().await?;
    if !world.unanswered().is_empty() {
        return Err(format!(
            "{:?} is not loaded, and nothing went wrong",
            world.unanswered()
        ));
    }
    // One who looked while claims were being laid may have begun another job, which died.
    let done = world.sim.with_watch(|watch, _| watch.done());
    if done != 1 {
        return Err(format!("twins are one job, and {done} are done"));
    }
    for (n, later) in [Duration::ZERO, HOUR, YEAR].into_iter().enumerate() {
        tokio::time::advance(later).await;
        let before = world.sim.calls();
        world
            .deliver_now(format!("later{n}"), &batch, Writer::default())
            .await?;
        world.nothing_written_since(before)?;
    }
    world.bring_to_rest(Writer::default()).await
}

#[test]
fn duplicates_write_nothing() {
    for seed in seeds(60) {
        proves("duplicates_write_nothing", "a storm", seed, |world| storm(world, seed));
    }
}
