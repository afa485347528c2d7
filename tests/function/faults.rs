//! S3 failing all along: what is answered with success is in the lake, and a delivery after the faults does the rest.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::events::{failed_messages, message_each};
use crate::support::s3::{Effect, Fault};
use crate::world::{World, gzip, handle, ids, lines, long_lines};

const OBJECTS: u64 = 6;

/// Objects of some lines to some hundred KiB, so that bodies can break off early and late.
fn world() -> (World, Vec<String>) {
    let world = World::new();
    let keys: Vec<_> = (0..OBJECTS).map(|n| format!("in/{}/{n}", n % 2)).collect();
    for (key, n) in keys.iter().zip(0..) {
        let ids = n * 100..n * 100 + 100;
        match n % 3 {
            0 => world.put(key, lines(ids)),
            1 => world.put(key, gzip(long_lines(ids, 200))),
            _ => world.put(key, long_lines(ids, 300)),
        }
    }
    (world, keys)
}

/// Keys of the sources of done jobs.
fn loaded(outcomes: &[Value]) -> BTreeSet<String> {
    let done = outcomes.iter().filter(|outcome| outcome["state"] == "done");
    let sources = done.flat_map(|outcome| outcome["sources"].as_array().unwrap());
    sources
        .map(|source| source["key"].as_str().unwrap().to_owned())
        .collect()
}

async fn round(seed: u64) {
    let (world, keys) = world();
    let rate = 0.1 + 0.05 * (seed % 5) as f64;
    let server = &world.server;
    server.inject(Fault::on_any(Effect::SLOW_DOWN).at_rate(rate, seed));
    server.inject(Fault::on("GetObject", Effect::Cut(seed * 997 % 70_000)).at_rate(rate, seed + 1000));
    if seed % 2 == 1 {
        server.inject(Fault::on("PutObject", Effect::CloseAfter).at_rate(rate / 2.0, seed + 2000));
        server.inject(Fault::on_any(Effect::Close).at_rate(rate / 4.0, seed + 3000));
    }
    let event = message_each(&keys);
    for _ in 0..2 {
        // Each delivery may come to another process.
        let handled = handle(&world.function(), &event).await;
        let Ok(answer) = handled.answer else { continue };
        let failed = failed_messages(&answer);
        let done = (0..)
            .zip(&keys)
            .filter(|(n, _)| !failed.contains(&format!("m{n}")))
            .map(|(_, key)| key.clone());
        let done: BTreeSet<_> = done.collect();
        let loaded = loaded(&world.copied().outcomes());
        assert!(
            done.is_subset(&loaded),
            "seed {seed}: {done:?} are answered, {loaded:?} are loaded"
        );
    }
    server.clear_faults();
    let handled = handle(&world.function(), &event).await;
    assert_eq!(
        failed_messages(&handled.answer.unwrap()),
        [""; 0],
        "seed {seed}: {:?}",
        handled.troubles
    );
    let lake = world.lake();
    assert_eq!(lake.ids(), ids(0..OBJECTS * 100), "seed {seed}");
    assert_eq!(loaded(&lake.outcomes()), keys.into_iter().collect(), "seed {seed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_every_row_is_there_once_in_the_end() {
    let mut rounds = tokio::task::JoinSet::new();
    (0..20).for_each(|seed| drop(rounds.spawn(round(seed))));
    rounds.join_all().await;
}

/// Twins under fire.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_whose_requests_fail_load_once() {
    for seed in 0..5 {
        let (world, keys) = world();
        world
            .server
            .inject(Fault::on_any(Effect::SLOW_DOWN).at_rate(0.15, seed));
        world
            .server
            .inject(Fault::on("PutObject", Effect::CloseAfter).at_rate(0.1, seed));
        let event = message_each(&keys);
        let (one, two) = (world.function(), world.function());
        tokio::join!(handle(&one, &event), handle(&two, &event));
        world.server.clear_faults();
        let handled = handle(&one, &event).await;
        assert_eq!(failed_messages(&handled.answer.unwrap()), [""; 0], "seed {seed}");
        assert_eq!(world.lake().ids(), ids(0..OBJECTS * 100), "seed {seed}");
    }
}

/// A body that breaks off is resumed; a few of them fail nothing.
#[tokio::test]
async fn bodies_that_break_off_are_read_to_their_end() {
    for after in [0, 1, 1000, 100_000] {
        let world = World::new();
        world.put("in/large", long_lines(0..100, 5_900));
        world.put("in/small", lines(100..110));
        world.server.inject(
            Fault::on("GetObject", Effect::Cut(after))
                .key(|key| key.starts_with("in/"))
                .first(3),
        );
        let handled = handle(&world.function(), &message_each(&["in/large", "in/small"])).await;
        assert_eq!(
            failed_messages(&handled.answer.unwrap()),
            [""; 0],
            "{:?}",
            handled.troubles
        );
        assert_eq!(world.lake().ids(), ids(0..110), "after {after}");
    }
}

#[tokio::test]
async fn a_bit_that_changed_on_its_way_is_neither_damage_nor_a_row() {
    for (key, at) in [("0", 20), ("1", 9), ("1", 100), ("2", 3000)] {
        let (world, keys) = world();
        let of_it = format!("in/{}/{key}", key.parse::<u64>().unwrap() % 2);
        let fault = Fault::on("GetObject", Effect::Flip(at)).key(move |struck| struck == of_it);
        world.server.inject(fault.nth(1));
        let event = message_each(&keys);
        // Found out while it is read, it is read again at once.
        let handled = handle(&world.function(), &event).await;
        assert_eq!(failed_messages(&handled.answer.unwrap()), [""; 0], "{key}, byte {at}");
        assert_eq!(handled.metrics.objects_damaged, 0, "{key}, byte {at}");
        assert!(handled.metrics.quarantined.is_empty(), "{key}, byte {at}");
        assert_eq!(world.copied().ids(), ids(0..OBJECTS * 100), "{key}, byte {at}");
    }
}
