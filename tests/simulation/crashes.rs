//! A worker is killed at every call it makes, in every way, and somebody else comes after it.

use std::time::Duration;

use crate::support::sim::{Fault, Moment, Request, Strike};
use crate::world::{Raw, World, names, proves, simulate};
use crate::writer::Writer;

/// What the killed worker is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scene {
    /// Five files of two sources, two of them uploads.
    Fresh,
    /// An heir: its one source was overwritten.
    Overwritten,
    /// An heir of two sources, one of them overwritten.
    OneOfTwo,
    /// An heir of three sources: one overwritten, one deleted.
    OneDeleted,
    /// An heir by `--reload`.
    Reload,
}

const SCENES: [Scene; 5] = [
    Scene::Fresh,
    Scene::Overwritten,
    Scene::OneOfTwo,
    Scene::OneDeleted,
    Scene::Reload,
];

/// Who comes after it, or is there beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    /// The same message again.
    Again,
    OtherPlan,
    LiveTwin,
    /// The same sources in other messages.
    OtherBatches,
    Sweeper,
    /// A rule throws all uploads away, and the same message comes again.
    NoUploads,
    /// The same message again, and then a source is overwritten and told of.
    Overwriter,
}

const NEXTS: [Next; 7] = [
    Next::Again,
    Next::OtherPlan,
    Next::LiveTwin,
    Next::OtherBatches,
    Next::Sweeper,
    Next::NoUploads,
    Next::Overwriter,
];

impl Scene {
    fn batch(self) -> Vec<String> {
        match self {
            Self::Fresh | Self::OneOfTwo | Self::Reload => names(&["a", "b"]),
            Self::Overwritten => names(&["a"]),
            Self::OneDeleted => names(&["a", "b", "c"]),
        }
    }

    /// Everything up to the worker that is killed.
    async fn prepare(self, world: &World) -> Result<(), String> {
        for name in self.batch() {
            world.write(&name, Raw::new("A").hours(4));
        }
        if self == Self::Fresh {
            return Ok(());
        }
        world
            .deliver_now("before".to_owned(), &self.batch(), Writer::default())
            .await?;
        tokio::time::advance(Duration::from_secs(60)).await;
        if self != Self::Reload {
            world.write("raw/a", Raw::new("B").hours(3));
        }
        if self == Self::OneDeleted {
            world.remove("raw/b");
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        Ok(())
    }

    fn writer(self) -> Writer {
        Writer {
            reload: self == Self::Reload,
            plan: if self == Self::Reload { "p2" } else { "p1" },
            ..Writer::default()
        }
    }
}

/// Kills the worker at its call `n`. Whether it made so many.
async fn crash(
    world: World,
    scene: Scene,
    n: u64,
    moment: Moment,
    next: Next,
    killed: &mut bool,
) -> Result<(), String> {
    scene.prepare(&world).await?;
    let (batch, writer) = (scene.batch(), scene.writer());
    world.sim.inject(Fault::on_any(Strike::Kill(moment)).by("first").nth(n));
    let first = world.deliver("first".to_owned(), &batch, writer);
    if next == Next::LiveTwin {
        drop(world.deliver(
            "twin".to_owned(),
            &batch,
            Writer {
                machine: "twin",
                ..writer
            },
        ));
    }
    world.run().await?;
    drop(first);
    *killed = world.sim.was_killed("first");
    let then = Writer {
        reload: false,
        ..writer
    };
    let second = match next {
        Next::Again | Next::LiveTwin | Next::Overwriter => vec![(batch, then)],
        Next::OtherPlan => vec![(
            batch,
            Writer {
                plan: "p3",
                machine: "other",
                ..then
            },
        )],
        Next::OtherBatches => {
            let one = |name: &String| {
                (
                    vec![name.clone()],
                    Writer {
                        machine: "other",
                        ..then
                    },
                )
            };
            batch.iter().rev().map(one).collect()
        }
        Next::Sweeper => {
            world.sweep_now("sweep").await?;
            vec![]
        }
        Next::NoUploads => {
            world.expire_all_uploads();
            vec![(batch, then)]
        }
    };
    for (place, (batch, writer)) in second.iter().enumerate() {
        world.deliver_now(format!("next{place}"), batch, *writer).await?;
    }
    if next == Next::Overwriter {
        world.write("raw/a", Raw::new("C").hours(2));
        tokio::time::advance(Duration::from_secs(60)).await;
        world.deliver_now("heir".to_owned(), &names(&["a"]), then).await?;
    }
    world.bring_to_rest(then).await
}

#[test]
fn a_crash_at_any_call_leaves_nothing_that_others_do_not_finish() {
    let mut cases = 0;
    for scene in SCENES {
        for next in NEXTS {
            for moment in Moment::ALL {
                for n in 1.. {
                    let seed = n;
                    let case = format!("{scene:?}, killed at call {n} {moment:?}, then {next:?}");
                    let mut killed = false;
                    proves("a_crash_at_any_call", &case, seed, |world| {
                        crash(world, scene, n, moment, next, &mut killed)
                    });
                    cases += 1;
                    if !killed {
                        // Less where a twin does the work.
                        let least = if next == Next::LiveTwin { 5 } else { 25 };
                        assert!(n > least, "{case}: the worker makes only {n} calls");
                        break;
                    }
                }
            }
        }
    }
    eprintln!("{cases} crashes");
    assert!(cases > 480);
}

/// The one who finishes a crashed job is killed too, at every call, a day later and beside a sweeper.
#[test]
fn a_crash_of_the_one_who_finishes_is_finished_as_well() {
    let mut cases = 0;
    for scene in SCENES {
        for first in (9..60).step_by(6) {
            for second in (5..60).step_by(4) {
                for (late, uploads) in [(false, true), (true, true), (true, false)] {
                    let case = format!("{scene:?}, killed at {first}, the next at {second}, {late}, {uploads}");
                    cases += 1;
                    proves("a_crash_of_the_one", &case, first * 100 + second, |world| async move {
                        scene.prepare(&world).await?;
                        let kill =
                            |actor: &'static str, n, moment| Fault::on_any(Strike::Kill(moment)).by(actor).nth(n);
                        world.sim.inject(kill("first", first, Moment::Applied));
                        let moment = if uploads { Moment::Applied } else { Moment::Late };
                        world.sim.inject(kill("second", second, moment));
                        drop(world.deliver("first".to_owned(), &scene.batch(), scene.writer()));
                        world.run().await?;
                        if late {
                            tokio::time::advance(Duration::from_secs(25 * 3600)).await;
                        }
                        if !uploads {
                            world.expire_all_uploads();
                        }
                        drop(world.deliver("second".to_owned(), &scene.batch(), scene.writer()));
                        if late {
                            drop(world.spawn_sweeper("sweeper"));
                        }
                        world.run().await?;
                        world.bring_to_rest(Writer::default()).await
                    });
                }
            }
        }
    }
    eprintln!("{cases} double crashes");
}

/// An intent lies open for more than a day, its uploads are thrown away, and the one who then comes to settle its job is killed
/// with a file under way, while the sweeper finds the job to be dead: the intent is old, and is needed for another day.
#[test]
fn an_old_intent_stays_for_a_day_after_its_job_has_ended() {
    for seed in 0..20 {
        proves("an_old_intent", "an old intent", seed, |world| async move {
            let scene = Scene::Fresh;
            scene.prepare(&world).await?;
            let kill = |actor: &'static str, moment, part: &'static str| {
                let of = move |request: &Request| request.operation == "PutObject" && request.key.contains(part);
                Fault::on_any(Strike::Kill(moment)).by(actor).request(of).nth(1)
            };
            world.sim.inject(kill("first", Moment::Applied, "/open/"));
            world.sim.inject(kill("second", Moment::Late, "/quarantine/"));
            drop(world.deliver("first".to_owned(), &scene.batch(), scene.writer()));
            world.run().await?;
            tokio::time::advance(Duration::from_secs(25 * 3600)).await;
            world.expire_all_uploads();
            world.sim.hold_late();
            // Settles it by its intent: another plan would lay no claim of it.
            drop(world.deliver("second".to_owned(), &scene.batch(), scene.writer()));
            world.run().await?;
            world.sweep_now("sweep").await?;
            world.bring_to_rest(Writer::default()).await
        });
    }
}

/// A worker that is not killed makes so many calls: the crash points there are.
#[test]
fn every_scene_has_its_calls() {
    for (scene, least) in SCENES.into_iter().zip([25, 25, 30, 35, 35]) {
        let (world, result) = simulate(1, |world| async move {
            scene.prepare(&world).await?;
            world
                .deliver_now("first".to_owned(), &scene.batch(), scene.writer())
                .await
        });
        result.unwrap();
        let calls = world.sim.log().iter().filter(|entry| entry.actor == "first").count();
        assert!(calls >= least, "{scene:?}: {calls}");
    }
}

/// The intent of a twin arrives when its job is done and an heir has laid a claim over it: the twin's uploads are of no use.
#[test]
fn a_late_twin_of_a_job_that_is_being_replaced_leaves_no_uploads() {
    for seed in 0..30 {
        proves("a_late_twin", "a late twin", seed, |world| async move {
            let scene = Scene::Fresh;
            scene.prepare(&world).await?;
            let put = |strike, actor: &'static str, part: &'static str| {
                let of = move |request: &Request| request.operation == "PutObject" && request.key.contains(part);
                Fault::on_any(strike).by(actor).request(of).nth(1)
            };
            world.sim.inject(put(Strike::Hang, "twin", "/open/"));
            world
                .sim
                .inject(put(Strike::Kill(Moment::Answered), "heir", "/claims/"));
            drop(world.deliver("first".to_owned(), &scene.batch(), scene.writer()));
            drop(world.deliver(
                "twin".to_owned(),
                &scene.batch(),
                Writer {
                    machine: "twin",
                    ..scene.writer()
                },
            ));
            let of = world.clone();
            world.sim.spawn("raw", move |handle| async move {
                while of.sim.with_watch(|watch, _| watch.done()) == 0 {
                    handle.pass().await;
                }
                of.change(&handle, "raw/a", Some(Raw::new("B"))).await;
                drop(of.deliver("heir".to_owned(), &names(&["a"]), scene.writer()));
            });
            world.run().await?;
            world.bring_to_rest(Writer::default()).await
        });
    }
}
