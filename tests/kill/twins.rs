//! Many processes at once on one lake: the same objects, objects in overlapping batches, and every plan and packing.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::killing::{Point, Strike, kill};
use crate::kills::{other_packing, other_plan};
use crate::moment::Tally;
use crate::rounds::{Round, Rounds};
use crate::sandbox::{Dice, Ran, Run as _, finish};
use crate::scene::{Place, Scene, all_at_once, ends_well};
use crate::shapes::{LARGE, MIDDLE, SMALL, Shape};

/// The objects of a shape in three parts, two of each make a batch.
const PAIRS: [[usize; 2]; 3] = [[0, 1], [1, 2], [0, 2]];

fn batch<'a>(shape: &'a Shape, parts: &[usize]) -> Vec<&'a str> {
    let names = shape.objects.iter().enumerate();
    let of_it = names.filter(|(n, _)| parts.contains(&(n % 3)));
    of_it.map(|(_, (name, _))| name.as_str()).collect()
}

/// Sometimes another plan, sometimes another packing, mostly neither.
fn varied(command: Command, dice: &mut Dice) -> Command {
    match dice.below(4) {
        0 => other_plan(command, dice),
        1 => other_packing(command, dice),
        _ => command,
    }
}

fn round(place: Place, seed: u64) {
    let mut dice = Dice(seed);
    let shape: &Shape = match seed % 7 {
        3 => &MIDDLE,
        6 => &LARGE,
        _ => &SMALL,
    };
    let mut scene = Scene::new(place, shape);
    let all: &[&str] = &[];
    let commands = match seed % 5 {
        0 => (0..2).map(|_| scene.backfill(all)).collect(),
        1 => PAIRS.map(|pair| scene.backfill(&batch(shape, &pair))).into(),
        2 => (0..2).map(|_| varied(scene.backfill(all), &mut dice)).collect(),
        3 => {
            // Each batch twice, or sixteen of them.
            let many = if seed % 25 == 23 { 16 } else { 6 };
            let pairs = PAIRS.iter().cycle().take(many);
            pairs
                .map(|pair| varied(scene.backfill(&batch(shape, pair)), &mut dice))
                .collect()
        }
        _ => {
            let many = if seed % 25 == 4 { 16 } else { 4 };
            (0..many).map(|_| scene.backfill(all)).collect()
        }
    };
    all_at_once(commands);
    // Again, in other company.
    ends_well(scene.backfill(&batch(shape, &PAIRS[seed as usize % 3])).run());
    ends_well(scene.backfill(all).run());
    scene.prove();
}

fn all_rounds(place: Place, test: &'static str) {
    let rounds = Rounds::of(25);
    for seed in rounds.first..rounds.first + rounds.count {
        let _round = Round { test, seed };
        round(place, seed);
    }
}

#[test]
fn processes_at_once_load_into_a_folder_once() {
    all_rounds(Place::Folder, "processes_at_once_load_into_a_folder_once");
}

#[test]
fn processes_at_once_load_over_the_wire_once() {
    all_rounds(Place::Wire, "processes_at_once_load_over_the_wire_once");
}

/// Answers the notification of these objects, as the function would.
pub(crate) fn invoke(scene: &Scene, names: &[&str]) -> Command {
    let record = |name: &&str| {
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "raw"}, "object": {"key": format!("p/{name}"), "size": 1}},
        })
    };
    let event = json!({ "Records": names.iter().map(record).collect::<Vec<Value>>() });
    static EVENTS: AtomicU64 = AtomicU64::new(0);
    let file = format!("event-{}.json", EVENTS.fetch_add(1, Ordering::Relaxed));
    scene.cloud.write(&file, event.to_string());
    let mut command = scene.cloud.command(&format!("invoke {file} --to {}", scene.lake()));
    command.env("LAKEBED_RAW", "s3://raw/p");
    command
}

#[track_caller]
fn answers_well(ran: Ran, objects: usize) {
    let answer = ran.exits(0).json();
    let [found, loaded, already] = ["objects", "loaded", "already"].map(|name| answer[name].as_u64().unwrap());
    assert_eq!((found, loaded + already), (objects as u64, objects as u64), "{answer}");
}

#[test]
fn notifications_in_any_company_and_a_backfill_load_every_object_once() {
    let test = "notifications_in_any_company";
    let rounds = Rounds::of(8);
    for seed in rounds.first..rounds.first + rounds.count {
        let _round = Round { test, seed };
        let mut dice = Dice(seed);
        let shape: &Shape = if seed % 4 == 3 { &MIDDLE } else { &SMALL };
        let mut scene = Scene::new(Place::Wire, shape);
        let batches: Vec<_> = PAIRS
            .iter()
            .map(|pair| batch(shape, pair))
            .chain([batch(shape, &[0])])
            .collect();
        if seed % 2 == 1 {
            // The first delivery of one is killed, and comes again in other batches.
            let at = Point::new("", "", dice.below(2) == 0);
            let strike = Strike::Request {
                at,
                n: dice.below(60) + 1,
            };
            let command = invoke(&scene, &batches[dice.below(4) as usize]);
            kill(&mut scene, command, &strike, &mut Tally::default());
        }
        let backfill = scene.backfill(&[]).begin();
        let invoked: Vec<_> = batches
            .iter()
            .map(|names| (names.len(), invoke(&scene, names).begin()))
            .collect();
        for (objects, child) in invoked {
            answers_well(finish(child), objects);
        }
        ends_well(finish(backfill));
        for names in &batches {
            answers_well(invoke(&scene, names).run(), names.len());
        }
        scene.prove();
    }
}
