//! Seeded schedules of everything at once.

use std::time::Duration;

use crate::support::s3::Versioning;
use crate::support::sim::{Chance, Fault, Moment, Strike};
use crate::world::{Raw, World, proves, seeds, simulate};
use crate::writer::Writer;

const CONTENTS: [&str; 4] = ["A", "B", "C", "D"];
const SOURCES: [&str; 6] = ["raw/a", "raw/b", "raw/c", "raw/day=12/d", "raw2/a", "raw2/e f"];

/// Raw objects, and all that happens to them. Whether nothing goes wrong.
fn play(world: &World, chance: &mut Chance) -> bool {
    let sources = &SOURCES[..1 + chance.below(5) as usize + chance.below(2) as usize];
    // Mostly few files, seldom many.
    let hours = match chance.below(8) {
        0 => 1,
        7 => 1 + chance.below(49),
        _ => 1 + chance.below(4),
    };
    let shapes: Vec<Raw> = CONTENTS
        .iter()
        .map(|content| Raw {
            content,
            hours: 1 + chance.below(hours),
            rows: chance.below(3),
            rejects: chance.below(2),
        })
        .collect();

    world.versioning(chance.pick(&[Versioning::Off, Versioning::On, Versioning::Suspended]));
    for source in sources {
        // Of few contents, so that one comes again.
        world.write(source, chance.pick(&shapes));
    }
    for _ in 0..1 + chance.below(4) {
        let batch = batch(chance, sources);
        world.send(&batch, writer(chance));
    }
    if chance.one_in(2) {
        overwriter(world, chance, sources, &shapes);
    }
    let expires = others(world, chance);
    let fails = faults(world, chance);
    !expires && !fails
}

/// Somebody overwrites and deletes raw objects, and tells of it. In one of three schedules it is one object, which soon is again
/// what it was.
fn overwriter(world: &World, chance: &mut Chance, sources: &[&str], shapes: &[Raw]) {
    let there_and_back = chance.one_in(3);
    let one = chance.pick(sources);
    let moments = if there_and_back { 2 } else { 1 + chance.below(3) };
    let script: Vec<_> = (0..moments)
        .map(|moment| {
            let source = if there_and_back { one } else { chance.pick(sources) };
            let raw = match (there_and_back, moment) {
                (true, 0) => Some(Raw {
                    content: "Z",
                    ..shapes[0]
                }),
                (true, _) => Some(shapes[0]),
                (false, _) => (!chance.one_in(5)).then(|| chance.pick(shapes)),
            };
            let mut told = if there_and_back {
                Vec::new()
            } else {
                batch(chance, sources)
            };
            told.push(source.to_owned());
            let wait_ms = if there_and_back { 0 } else { chance.below(4) * 700 };
            (source.to_owned(), raw, told, writer(chance), chance.below(120), wait_ms)
        })
        .collect();
    if there_and_back {
        world.write(one, shapes[0]);
    }
    let of = world.clone();
    world.sim.spawn("raw", move |handle| async move {
        for (source, raw, told, writer, moves, wait_ms) in script {
            for _ in 0..moves {
                handle.pass().await;
            }
            if wait_ms > 0 {
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            }
            of.change(&handle, &source, raw).await;
            of.send(&told, writer);
        }
    });
}

/// Messages once more, whatever became of the first ones.
fn play_again(world: &World, chance: &mut Chance) {
    let sources = world.sim.with_watch(|watch, _| watch.sources());
    if sources.is_empty() {
        return;
    }
    let names: Vec<&str> = sources.iter().map(String::as_str).collect();
    for _ in 0..1 + chance.below(3) {
        let batch = batch(chance, &names);
        world.send(&batch, writer(chance));
    }
    others(world, chance);
}

fn writer(chance: &mut Chance) -> Writer {
    Writer {
        plan: chance.pick(&["p1", "p1", "p2"]),
        machine: chance.pick(&["", "one", "two"]),
        reload: chance.one_in(8),
        uploads: chance.below(4) as usize,
    }
}

fn batch(chance: &mut Chance, sources: &[&str]) -> Vec<String> {
    let all = chance.one_in(2);
    let some = sources.iter().filter(|_| all || chance.one_in(2));
    let mut batch: Vec<String> = some.map(|source| (*source).to_owned()).collect();
    if batch.is_empty() {
        batch.push(chance.pick(sources).to_owned());
    }
    batch
}

/// Sweepers, and a rule that throws uploads away: whether there is one.
fn others(world: &World, chance: &mut Chance) -> bool {
    for name in ["sweeper1", "sweeper2"] {
        if chance.one_in(3) {
            drop(world.spawn_sweeper(name));
        }
    }
    let expires = chance.one_in(4);
    if expires {
        let of = world.clone();
        world
            .sim
            .spawn("rule", move |handle| async move { of.expire_an_upload(&handle).await });
    }
    expires
}

/// Whether there are any.
fn faults(world: &World, chance: &mut Chance) -> bool {
    let rate = [0.0, 0.02, 0.1, 0.3][chance.below(4) as usize];
    for strike in [
        Strike::Answer(503),
        Strike::Answer(500),
        Strike::Answer(409),
        Strike::Close,
        Strike::CloseAfter,
        Strike::Late,
        Strike::Hang,
    ] {
        let fault = Fault::on_any(strike).at_rate(rate / 7.0);
        world.sim.inject(match strike {
            Strike::Answer(409) => fault.request(|request| {
                let conditional = ["PutObject", "CompleteMultipartUpload"];
                conditional.contains(&request.operation)
            }),
            Strike::Late => fault.writes(),
            _ => fault,
        });
    }
    let kills = chance.one_in(2);
    if kills {
        let rate = [0.005, 0.02, 0.05][chance.below(3) as usize];
        world.sim.inject(
            Fault::on_any(Strike::Kill(chance.pick(&Moment::ALL)))
                .by("m")
                .at_rate(rate),
        );
    }
    kills || rate > 0.0
}

/// All at once, and in one of three schedules again an hour, a day or a year later, with what is left of the first time.
async fn schedule(world: World, seed: u64) -> Result<(), String> {
    let mut chance = Chance::new(seed ^ 0x1a7e);
    let plain = play(&world, &mut chance);
    world.run().await?;
    if plain && world.unanswered().is_empty() {
        let judged = world.sim.with_watch(|watch, model| watch.at_rest_unswept(model));
        judged.map_err(|why| format!("nothing went wrong, all is answered, and {why}"))?;
    }
    if chance.one_in(3) {
        let hours = chance.pick(&[1, 25, 365 * 24]);
        // Nothing is under way for a day.
        if hours > 1 {
            world.sim.land_all();
        }
        tokio::time::advance(Duration::from_secs(hours * 3600)).await;
        if chance.one_in(3) {
            world.expire_all_uploads();
        }
        play_again(&world, &mut chance);
        world.run().await?;
    }
    world.bring_to_rest(Writer::default()).await
}

#[test]
fn schedules_converge() {
    for seed in seeds(500) {
        proves("schedules_converge", "a schedule", seed, |world| schedule(world, seed));
    }
}

#[test]
fn a_seed_is_a_log() {
    for seed in 0..20 {
        let logs = [(); 2].map(|()| {
            let (world, result) = simulate(seed, |world| schedule(world, seed));
            result.unwrap();
            world.sim.tail(usize::MAX)
        });
        assert!(logs[0].lines().count() > 20);
        assert!(logs[0] == logs[1], "seed {seed}");
    }
}

/// Loaded, overwritten, and within the same second again what it was: an heir that took the version in between and is slow has
/// to know that it is older than what is there then.
#[test]
fn a_source_that_is_again_what_it_was_has_the_rows_it_had() {
    for seed in seeds(150) {
        proves("a_source_that_is_again", "there and back", seed, |world| async move {
            let batch = ["raw/a".to_owned()];
            world.write("raw/a", Raw::new("A"));
            world
                .deliver_now("before".to_owned(), &batch, Writer::default())
                .await?;
            let of = world.clone();
            world.sim.spawn("raw", move |handle| async move {
                for content in ["B", "A"] {
                    of.change(&handle, &batch[0], Some(Raw::new(content))).await;
                    drop(of.deliver(format!("of {content}"), &batch, Writer::default()));
                    for _ in 0..of.sim.draw(40) {
                        handle.pass().await;
                    }
                }
            });
            world.run().await?;
            world.bring_to_rest(Writer::default()).await
        });
    }
}
