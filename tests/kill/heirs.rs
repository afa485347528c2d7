//! Objects that are replaced, put back or deleted, and loaded again, by processes that are killed at any of it: the lake
//! comes to hold what is there now, and of what was deleted what was loaded last.

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use crate::killing::{Point, Strike, kill};
use crate::kills::{other_packing, other_plan};
use crate::moment::{Stage, Tally};
use crate::raw::{Like, content};
use crate::rounds::{Round, Rounds};
use crate::sandbox::{Dice, Run as _, finish};
use crate::scene::{Place, Scene, all_at_once, ends_well};
use crate::shapes::{LARGE, MIDDLE, SMALL, Shape};
use crate::support::judge::Content;
use crate::support::s3::Versioning;
use crate::twins::invoke;

/// Requests of a job that takes the place of another.
const POINTS: [Point; 12] = [
    Point::new("PutObject", "_lakebed/open/", true),
    Point::new("PutObject", "_lakebed/claims/", true),
    Point::new("PutObject", ".parquet", false),
    Point::new("PutObject", "_lakebed/jobs/", false),
    Point::new("PutObject", "_lakebed/jobs/", true),
    Point::new("DeleteObject", ".parquet", false),
    Point::new("DeleteObject", ".parquet", true),
    Point::new("DeleteObject", "_lakebed/quarantine/", true),
    Point::new("HeadObject", "raw/p/", false),
    Point::new("PutObject", "_lakebed/claims/", false),
    Point::new("GetObject", ".parquet", false),
    Point::new("PutObject", "_lakebed/quarantine/", true),
];

/// What changes among the raw objects.
struct Changes {
    dice: Dice,
    /// The ids of the next new object.
    next_id: i64,
}

impl Changes {
    /// Replaces, puts back and deletes some objects.
    fn make(&mut self, scene: &mut Scene, shape: &Shape) {
        for _ in 0..self.dice.below(4) {
            let (name, first) = &shape.objects[self.dice.below(shape.objects.len() as u64) as usize];
            match self.dice.below(5) {
                0 if scene.there.contains(name) => scene.delete(name),
                // As it was at first, at another time.
                1 => scene.put(name, first),
                2 => {
                    // Another, a third, and the other again, all within a second.
                    let (a, b) = (self.fresh(), self.fresh());
                    scene.pass(3);
                    for content in [&a, &b, &a] {
                        scene.put_at_once(name, content);
                    }
                    // Sometimes it is so young when it is loaded that it has to be waited for.
                    scene.pass(3 * self.dice.below(4));
                }
                _ => {
                    let fresh = self.fresh();
                    scene.put(name, &fresh);
                }
            }
        }
    }

    fn fresh(&mut self) -> Arc<Content> {
        let records = 5 + self.dice.below(60) as i64;
        let ids = self.next_id..self.next_id + records;
        self.next_id += 1000;
        Arc::new(content(Like::small(ids)))
    }
}

fn strike(scene: &Scene, seed: u64, dice: &mut Dice) -> Strike {
    match (scene.place, dice.below(3)) {
        (Place::Wire, 0 | 1) => {
            let at = POINTS[seed as usize % POINTS.len()];
            let n = dice.below(4) + 1;
            Strike::Request { at, n }
        }
        (Place::Wire, _) => {
            let at = Point::new("", "", dice.below(2) == 0);
            let n = dice.below(120) + 1;
            Strike::Request { at, n }
        }
        (Place::Folder, 0 | 1) => {
            let part = ["_lakebed/open/", ".parquet", "_lakebed/jobs/"][seed as usize % 3];
            let n = scene.count(part);
            Strike::Keys(part, n + 1 + dice.below(3) as usize)
        }
        (Place::Folder, _) => Strike::Time(Duration::from_micros(5_000 + dice.below(40_000))),
    }
}

/// Loads all, also what was loaded before.
fn reload(scene: &Scene) -> Command {
    let mut command = scene.backfill(&[]);
    command.arg("--reload");
    command
}

/// Loads all, sometimes again, by some plan and packing.
fn varied(scene: &Scene, dice: &mut Dice) -> Command {
    let command = match dice.below(5) {
        0 | 1 => reload(scene),
        _ => scene.backfill(&[]),
    };
    match dice.below(4) {
        0 => other_plan(command, dice),
        1 => other_packing(command, dice),
        _ => command,
    }
}

/// A run under which objects changed may have had to leave some out.
fn ends_somehow(child: Child) {
    let ran = finish(child);
    assert!(matches!(ran.exit, Some(0 | 1)), "{ran:?}");
}

fn round(place: Place, seed: u64, tally: &mut Tally) {
    let mut dice = Dice(seed);
    let shape: &Shape = match seed % 8 {
        2 => &MIDDLE,
        5 => &LARGE,
        _ => &SMALL,
    };
    let mut scene = Scene::new(place, shape);
    if place == Place::Wire {
        let versioning = [Versioning::Off, Versioning::On, Versioning::Suspended][seed as usize / 2 % 3];
        scene.cloud.server.model().bucket("raw").versioning = versioning;
    }
    let mut changes = Changes {
        dice: Dice(seed ^ 0x5eed),
        next_id: 1_000_000,
    };
    if dice.below(4) == 0 {
        // Not even the first load came to its end.
        let (command, strike) = (scene.backfill(&[]), strike(&scene, seed, &mut dice));
        kill(&mut scene, command, &strike, tally);
    } else {
        ends_well(scene.backfill(&[]).run());
        scene.prove();
    }
    for _ in 0..1 + dice.below(2) {
        changes.make(&mut scene, shape);
        let (command, strike) = (varied(&scene, &mut dice), strike(&scene, seed, &mut dice));
        kill(&mut scene, command, &strike, tally);
    }
    match seed % 4 {
        0 if dice.below(2) == 0 => all_at_once(vec![reload(&scene), reload(&scene)]),
        0 => all_at_once(vec![varied(&scene, &mut dice), varied(&scene, &mut dice)]),
        1 => {
            // Under a run.
            let child = varied(&scene, &mut dice).begin();
            std::thread::sleep(Duration::from_micros(dice.below(30_000)));
            changes.make(&mut scene, shape);
            ends_somehow(child);
        }
        2 if place == Place::Wire => {
            // Loaded again while notifications come of the same objects.
            let reload = reload(&scene).begin();
            let names: Vec<_> = scene.there.iter().map(String::as_str).collect();
            let batches = names.chunks(3).map(|names| invoke(&scene, names).begin());
            let batches: Vec<_> = batches.collect();
            batches.into_iter().for_each(|child| drop(finish(child).exits(0)));
            ends_well(finish(reload));
        }
        _ => ends_well(varied(&scene, &mut dice).run()),
    }
    ends_well(scene.backfill(&[]).run());
    // Nobody comes again for what was deleted.
    if scene.there.len() < shape.objects.len() || dice.below(2) == 0 {
        scene.sweep();
    }
    scene.prove();
}

fn all_rounds(place: Place, test: &'static str) -> (Tally, bool) {
    let rounds = Rounds::of(24);
    let mut tally = Tally::default();
    for seed in rounds.first..rounds.first + rounds.count {
        let _round = Round { test, seed };
        round(place, seed, &mut tally);
    }
    eprintln!("{test}: {} rounds, {tally}", rounds.count);
    (tally, rounds.meets_all)
}

#[test]
fn files_that_change_are_loaded_as_they_are_now_whoever_is_killed() {
    let (tally, meets_all) = all_rounds(Place::Folder, "files_that_change");
    assert!(!meets_all || tally.kills >= 12, "{tally}");
}

#[test]
fn objects_that_change_are_loaded_as_they_are_now_whoever_is_killed() {
    let (tally, meets_all) = all_rounds(Place::Wire, "objects_that_change");
    let stages = [Stage::Publishing, Stage::Published, Stage::Replaced];
    assert!(!meets_all || tally.has_met(&[], &stages), "{tally}");
}
