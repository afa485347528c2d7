//! Quarantine read again by processes that are killed at any of it, two at once, or beside others that load: what the mended
//! schemas take is there once in the end, and the rest is where it was.

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use crate::killing::{Point, Strike, kill};
use crate::moment::{Stage, Tally};
use crate::raw::{CLICK_YAML, Like, content};
use crate::rounds::{Round, Rounds};
use crate::sandbox::{Dice, Run as _, finish};
use crate::scene::{Place, Scene, ends_well};
use crate::shapes::{LARGE, SMALL, Shape};

/// Requests of a job that takes the place of another without reading any object.
const POINTS: [Point; 8] = [
    Point::new("PutObject", "_lakebed/open/", true),
    Point::new("PutObject", "_lakebed/claims/", true),
    Point::new("PutObject", "_lakebed/quarantine/", true),
    Point::new("PutObject", ".parquet", false),
    Point::new("PutObject", "_lakebed/jobs/", false),
    Point::new("PutObject", "_lakebed/jobs/", true),
    Point::new("DeleteObject", "_lakebed/quarantine/", false),
    Point::new("GetObject", "_lakebed/quarantine/", false),
];

fn replay(scene: &Scene) -> Command {
    scene.cloud.command(&format!("replay --to {} --json", scene.lake()))
}

/// Beside others, whose jobs may not have ended when their entries are found: then it says so.
#[track_caller]
fn replays_beside(child: Child) {
    let ran = finish(child);
    let unfinished = &ran.json()["replayed"]["jobs_unfinished"];
    assert_eq!(ran.exit, Some(i32::from(*unfinished != 0)), "{ran:?}");
    assert_eq!(ran.json()["failed"], serde_json::json!([]), "{ran:?}");
}

#[track_caller]
fn replays_well(mut command: Command) {
    command.run().exits(0);
}

fn strike(place: Place, seed: u64, dice: &mut Dice) -> Strike {
    match (place, dice.below(4)) {
        (Place::Wire, 0..=2) => {
            let at = POINTS[seed as usize % POINTS.len()];
            let n = dice.below(3) + 1;
            Strike::Request { at, n }
        }
        _ => Strike::Time(Duration::from_micros(5_000 + dice.below(60_000))),
    }
}

fn round(place: Place, seed: u64, tally: &mut Tally) {
    let mut dice = Dice(seed);
    let shape: &Shape = if seed % 6 == 5 { &LARGE } else { &SMALL };
    let mut scene = Scene::new(place, shape);
    // Without the table of all others, two thirds of the records have none.
    scene.cloud.write("narrow/click.yaml", CLICK_YAML);
    let mut narrow = scene.backfill(&[]);
    ends_well(narrow.env("LAKEBED_SCHEMAS", "narrow").run());
    if dice.below(3) == 0 {
        // A job of which nobody can read an object any more.
        let name = &shape.objects[dice.below(shape.objects.len() as u64) as usize].0;
        scene.delete(name);
    }
    for _ in 0..1 + dice.below(3) {
        let (command, strike) = (replay(&scene), strike(place, seed, &mut dice));
        kill(&mut scene, command, &strike, tally);
    }
    match seed % 4 {
        0 => {
            let both = [replay(&scene).begin(), replay(&scene).begin()];
            both.into_iter().for_each(replays_beside);
        }
        1 => {
            // Loaded again under the same schemas, and replayed, at the same time.
            let mut reload = scene.backfill(&[]);
            let (reload, replaying) = (reload.arg("--reload").begin(), replay(&scene).begin());
            replays_beside(replaying);
            ends_well(finish(reload));
        }
        2 if !scene.there.is_empty() => {
            let name = scene.there.first().unwrap().clone();
            let first = 1_000_000 + seed as i64 * 1000;
            scene.put(&name, &Arc::new(content(Like::small(first..first + 30))));
            let (load, replaying) = (scene.backfill(&[]).begin(), replay(&scene).begin());
            replays_beside(replaying);
            ends_well(finish(load));
        }
        _ => {}
    }
    // What a killed one had decided to publish, and nobody else came for.
    scene.sweep();
    replays_well(replay(&scene));
    ends_well(scene.backfill(&[]).run());
    scene.prove();
    // Nothing is left to do.
    let before = scene.stored();
    replays_well(replay(&scene));
    assert!(
        scene.stored().objects == before.objects,
        "a second replay wrote something"
    );
}

fn all_rounds(place: Place, test: &'static str) -> (Tally, bool) {
    let rounds = Rounds::of(16);
    let mut tally = Tally::default();
    for seed in rounds.first..rounds.first + rounds.count {
        let _round = Round { test, seed };
        round(place, seed, &mut tally);
    }
    eprintln!("{test}: {} rounds, {tally}", rounds.count);
    (tally, rounds.meets_all)
}

#[test]
fn quarantine_in_a_folder_is_replayed_once_whoever_is_killed() {
    let (tally, meets_all) = all_rounds(Place::Folder, "quarantine_in_a_folder");
    assert!(!meets_all || tally.kills >= 6, "{tally}");
}

#[test]
fn quarantine_over_the_wire_is_replayed_once_whoever_is_killed() {
    let (tally, meets_all) = all_rounds(Place::Wire, "quarantine_over_the_wire");
    assert!(!meets_all || tally.has_met(&[], &[Stage::Publishing]), "{tally}");
}
