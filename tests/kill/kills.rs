//! Killed at a random time or request, and loaded to the end by whoever comes next.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::killing::{Point, Strike, kill};
use crate::moment::{Phase, Stage, Tally};
use crate::rounds::{Round, Rounds};
use crate::sandbox::{Dice, Run as _, finish};
use crate::scene::{Place, Scene, all_at_once, ends_well};
use crate::shapes::{LARGE, MIDDLE, SMALL, Shape};
use crate::support::s3::Entry;

/// A run that nobody disturbed.
#[derive(Debug)]
struct Calm {
    length: Duration,
    keys: Vec<String>,
    requests: Vec<Entry>,
}

/// What comes after a kill.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// The same command.
    Same,
    /// Some of the objects, in another order, packed otherwise; then all.
    OtherCompany,
    /// All by another plan.
    OtherPlan,
    /// Two at once.
    Two,
    /// More kills.
    KilledAgain,
    /// A sweep.
    Sweep,
    /// A sweep while all is loaded.
    SweepBeside,
}

const NEXT: [Next; 7] = [
    Next::Same,
    Next::OtherCompany,
    Next::OtherPlan,
    Next::Two,
    Next::KilledAgain,
    Next::Sweep,
    Next::SweepBeside,
];

/// Keys that come one after another while jobs are published.
const KEYS: [&str; 5] = [
    "_lakebed/open/",
    "_lakebed/claims/",
    "_lakebed/quarantine/",
    ".parquet",
    "_lakebed/jobs/",
];

/// Requests on either side of every step of a job.
const POINTS: [Point; 14] = [
    Point::new("PutObject", "_lakebed/open/", true),
    Point::new("PutObject", "_lakebed/claims/", false),
    Point::new("PutObject", ".parquet", false),
    Point::new("PutObject", "_lakebed/jobs/", false),
    Point::new("DeleteObject", "_lakebed/open/", true),
    Point::new("UploadPart", "", true),
    Point::new("PutObject", ".parquet", true),
    Point::new("CompleteMultipartUpload", "", false),
    Point::new("PutObject", "_lakebed/claims/", true),
    Point::new("PutObject", "_lakebed/jobs/", true),
    Point::new("GetObject", "raw/p/", false),
    Point::new("CompleteMultipartUpload", "", true),
    Point::new("PutObject", "_lakebed/quarantine/", true),
    Point::new("PutObject", "_lakebed/open/", false),
];

const ANY: Point = Point::new("", "", false);

/// Runs by place and name of the shape.
type Calms = BTreeMap<(Place, &'static str), Arc<Calm>>;

/// Loads all of a shape once; the same for all rounds.
fn calm(place: Place, shape: &Shape) -> Arc<Calm> {
    static CALM: Mutex<Calms> = Mutex::new(Calms::new());
    let mut all = CALM.lock().unwrap();
    let calm = all.entry((place, shape.name)).or_insert_with(|| {
        // What is not in memory yet would make the first run the longest.
        ends_well(Scene::new(place, shape).backfill(&[]).run());
        let mut scene = Scene::new(place, shape);
        let begun = Instant::now();
        ends_well(scene.backfill(&[]).run());
        let length = begun.elapsed();
        let requests = scene.cloud.server.log();
        scene.prove();
        let keys = scene.stored().objects.into_keys().collect();
        Arc::new(Calm { length, keys, requests })
    });
    Arc::clone(calm)
}

/// When a round's process is killed, and what it loads.
fn draw(place: Place, seed: u64, dice: &mut Dice) -> (&'static Shape, Strike) {
    let shape: &Shape = match (seed / 5) % 5 {
        3 => &LARGE,
        1 => &MIDDLE,
        _ => &SMALL,
    };
    match (place, seed % 3) {
        (Place::Wire, 0) => {
            let at = POINTS[(seed / 3) as usize % POINTS.len()];
            let shape: &Shape = if at.operation.contains("Upload") { &LARGE } else { shape };
            let there = calm(place, shape)
                .requests
                .iter()
                .filter(|entry| at.is_of(entry))
                .count();
            // The last intent goes when nothing is left to do.
            let n = match at.operation {
                "DeleteObject" => there as u64,
                _ => dice.below(there as u64) + 1,
            };
            (shape, Strike::Request { at, n })
        }
        (Place::Folder, 0 | 1) => {
            let part = KEYS[(seed / 3) as usize % KEYS.len()];
            let of_intents = if part == KEYS[0] { KEYS[4] } else { part };
            let calm = calm(place, shape);
            let there = calm.keys.iter().filter(|key| key.contains(of_intents)).count();
            // Behind the last outcome only the intent goes.
            let n = match part {
                "_lakebed/jobs/" => there,
                _ => dice.below(there as u64) as usize + 1,
            };
            (shape, Strike::Keys(part, n))
        }
        (_, _) => (shape, any(place, shape, dice)),
    }
}

/// Any time, or any request.
fn any(place: Place, shape: &Shape, dice: &mut Dice) -> Strike {
    let calm = calm(place, shape);
    if place == Place::Wire && dice.below(2) == 0 {
        let n = dice.below(calm.requests.len() as u64) + 1;
        return Strike::Request { at: ANY, n };
    }
    Strike::Time(calm.length.mul_f64(dice.below(1000) as f64 / 1000.0))
}

/// The same objects with another plan.
pub(crate) fn other_plan(mut command: Command, dice: &mut Dice) -> Command {
    match dice.below(3) {
        0 => command.env("LAKEBED_SCHEMAS", "wider"),
        1 => command.env("LAKEBED_DEPTH_MAX", "100"),
        _ => command.env("LAKEBED_RECORD_BYTES_MAX", "8MiB"),
    };
    command
}

/// The same objects packed otherwise.
pub(crate) fn other_packing(mut command: Command, dice: &mut Dice) -> Command {
    let job_bytes = ["1MiB", "2MiB", "64MiB", "256MiB"][dice.below(4) as usize];
    command.env("LAKEBED_JOB_BYTES", job_bytes);
    command.arg("--jobs").arg((dice.below(4) + 1).to_string());
    command
}

fn shuffled<'a>(shape: &'a Shape, dice: &mut Dice) -> Vec<&'a str> {
    let mut names: Vec<_> = shape.objects.iter().map(|(name, _)| name.as_str()).collect();
    for n in (1..names.len()).rev() {
        names.swap(n, dice.below(n as u64 + 1) as usize);
    }
    names
}

/// One round. False where the process had ended before it was to be killed.
fn round(place: Place, seed: u64, tally: &mut Tally) -> bool {
    let mut dice = Dice(seed);
    let (shape, strike) = draw(place, seed, &mut dice);
    let next = NEXT[(seed % 7) as usize];
    let mut scene = Scene::new(place, shape);
    let mut command = scene.backfill(&[]);
    if dice.below(2) == 0 {
        command.arg("--jobs").arg("1");
    }
    let is_struck = kill(&mut scene, command, &strike, tally);
    match next {
        Next::Same => {}
        Next::OtherCompany => {
            let names = shuffled(shape, &mut dice);
            let some = &names[..1 + dice.below(names.len() as u64) as usize];
            ends_well(other_packing(scene.backfill(some), &mut dice).run());
            ends_well(scene.backfill(&shuffled(shape, &mut dice)).run());
        }
        Next::OtherPlan => ends_well(other_plan(scene.backfill(&[]), &mut dice).run()),
        Next::Two => {
            let second = scene.backfill(&[]);
            let second = match dice.below(3) {
                0 => second,
                1 => other_packing(second, &mut dice),
                _ => other_plan(second, &mut dice),
            };
            all_at_once(vec![scene.backfill(&[]), second]);
        }
        // There is no lake before the first process has come so far.
        Next::Sweep | Next::SweepBeside if scene.stored().objects.is_empty() => {}
        Next::Sweep => scene.sweep(),
        Next::SweepBeside => {
            let beside = scene.backfill(&[]).begin();
            scene.sweep();
            ends_well(finish(beside));
        }
        Next::KilledAgain => {
            for _ in 0..1 + dice.below(2) {
                let strike = any(place, shape, &mut dice);
                let command = scene.backfill(&[]);
                let command = match dice.below(3) {
                    0 => command,
                    1 => other_packing(command, &mut dice),
                    _ => other_plan(command, &mut dice),
                };
                kill(&mut scene, command, &strike, tally);
            }
        }
    }
    ends_well(scene.backfill(&[]).run());
    scene.prove();
    scene.prove_swept();
    is_struck
}

/// As many rounds as are to be, not counting those whose process was not killed; and more, until every phase and these stages
/// were met.
fn all_rounds(place: Place, test: &'static str, stages: &[Stage]) {
    let rounds = Rounds::of(50);
    let phases = [Phase::Before, Phase::Between, Phase::After];
    let mut tally = Tally::default();
    let (mut seed, mut struck) = (rounds.first, 0);
    while struck < rounds.count || rounds.meets_all && !tally.has_met(&phases, stages) {
        assert!(seed - rounds.first < 3 * rounds.count + 10, "not all is met: {tally}");
        let _round = Round { test, seed };
        struck += u64::from(round(place, seed, &mut tally));
        seed += 1;
    }
    eprintln!("{test}: {struck} rounds, {tally}");
}

#[test]
fn a_load_into_a_folder_that_was_killed_is_brought_to_its_end() {
    all_rounds(Place::Folder, "a_load_into_a_folder_that_was_killed", &[]);
}

#[test]
fn a_load_over_the_wire_that_was_killed_is_brought_to_its_end() {
    let stages = [
        Stage::Intended,
        Stage::Claiming,
        Stage::Publishing,
        Stage::Published,
        Stage::Ended,
    ];
    all_rounds(Place::Wire, "a_load_over_the_wire_that_was_killed", &stages);
}
