//! The same objects again: through other doors, in other batches, twice at once. Rows are there once.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::events::{message_each, messages, notification};
use crate::world::{World, answer, gzip, handle, ids, lines, tally};

/// Writes that a load that finds nothing to do must not make.
fn writes(world: &World) -> usize {
    let requests = world.requests();
    requests
        .iter()
        .filter(|request| !matches!(request.operation, "GetObject" | "HeadObject" | "ListObjectsV2"))
        .count()
}

#[tokio::test]
async fn one_object_through_every_door_is_one_source() {
    #[derive(Clone, Copy, Debug)]
    enum Door {
        Direct,
        Queue,
        Listing,
    }
    use Door::*;
    const KEY: &str = "in/dt=2024-05-01/a b+c.gz";
    for order in [
        [Direct, Queue, Listing],
        [Direct, Listing, Queue],
        [Queue, Direct, Listing],
        [Queue, Listing, Direct],
        [Listing, Direct, Queue],
        [Listing, Queue, Direct],
    ] {
        let world = World::new();
        world.put(KEY, gzip(lines(0..20)));
        let mut jobs = Vec::new();
        for (turn, door) in order.into_iter().enumerate() {
            world.server.clear_log();
            let function = world.function();
            let is_first = turn == 0;
            match door {
                Direct => {
                    let expected = [1, u64::from(is_first), u64::from(!is_first), 0, 0];
                    assert_eq!(
                        tally(&answer(&function, &notification(&[KEY])).await),
                        expected,
                        "{order:?}"
                    );
                }
                Queue => {
                    let handled = handle(&function, &message_each(&[KEY])).await;
                    assert_eq!(handled.answer.unwrap(), json!({"batchItemFailures": []}));
                    assert_eq!(handled.metrics.objects_already, u64::from(!is_first), "{order:?}");
                }
                Listing => {
                    let sources = world.backfill().await.sources;
                    let expected = (u64::from(is_first), u64::from(!is_first), 0);
                    assert_eq!((sources.done, sources.already, sources.failed), expected, "{order:?}");
                }
            }
            assert_eq!(writes(&world) > 0, is_first, "{order:?} {:?}", world.requests());
            let lake = world.lake();
            assert_eq!(lake.ids(), ids(0..20), "{order:?}");
            assert_eq!((lake.claims().len(), lake.outcomes().len()), (1, 1), "{order:?}");
            jobs.push(lake.outcomes()[0]["job"].clone());
        }
        assert!(jobs.iter().all(|job| *job == jobs[0]));
    }
}

#[tokio::test]
async fn an_object_named_often_in_a_batch_is_loaded_once() {
    let world = World::new();
    ["in/a", "in/b"]
        .iter()
        .zip([0..10, 10..20])
        .for_each(|(key, ids)| world.put(key, lines(ids)));
    let function = world.function();
    let twice = notification(&["in/a", "in/b", "in/a"]).to_string();
    let once = notification(&["in/a"]).to_string();
    let event = messages(&[twice.clone(), once.clone(), twice, once]);
    let handled = handle(&function, &event).await;
    assert_eq!(handled.answer.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!((handled.metrics.objects, handled.metrics.rows), (2, 20));
    assert_eq!(world.calls("raw", "GetObject"), 2);
    assert_eq!(
        tally(&answer(&function, &notification(&["in/b", "in/a", "in/b"])).await),
        [2, 0, 2, 0, 0]
    );
    let lake = world.lake();
    assert_eq!((lake.ids(), lake.outcomes().len()), (ids(0..20), 1));
}

/// Several functions at once over one lake; the lake and the answers afterwards.
async fn at_once(world: &Arc<World>, events: Vec<Value>) -> Vec<Value> {
    let mut running = tokio::task::JoinSet::new();
    for (n, event) in events.into_iter().enumerate() {
        let function = world.function();
        running.spawn(async move { (n, answer(&function, &event).await) });
    }
    let mut answers = running.join_all().await;
    answers.sort_by_key(|(n, _)| *n);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// The same messages, delivered to several functions at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_load_once() {
    for round in 0..20 {
        let world = Arc::new(World::new());
        let keys = ["in/a", "in/b", "in/c"];
        let sizes = [0..40, 40..60, 60..61];
        keys.iter().zip(sizes).for_each(|(key, ids)| world.put(key, lines(ids)));
        let twins = [2, 2, 2, 4][round % 4];
        for answer in at_once(&world, vec![message_each(&keys); twins]).await {
            assert_eq!(answer, json!({"batchItemFailures": []}), "round {round}");
        }
        let lake = world.lake();
        assert_eq!(lake.ids(), ids(0..61), "round {round}");
        let outcomes = lake.outcomes();
        // Twins give their job the same name, whoever of them does the work.
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome["state"] == "done").count(),
            1,
            "round {round}"
        );
        assert_eq!(lake.intents(), [""; 0], "round {round}");
    }
}

/// Batches that have some of their objects in common.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_batches_load_each_object_once() {
    for round in 0..10 {
        let world = Arc::new(World::new());
        let keys = ["in/a", "in/b", "in/c", "in/d"];
        keys.iter()
            .zip(0..)
            .for_each(|(key, n)| world.put(key, lines(n * 10..n * 10 + 10)));
        let batches: &[&[&str]] = match round % 2 {
            0 => &[&["in/a", "in/b"], &["in/b", "in/c"], &["in/a", "in/c", "in/d"]],
            _ => &[&["in/a", "in/b", "in/c"], &["in/c", "in/d"]],
        };
        let events = batches.iter().map(|keys| message_each(keys)).collect();
        for answer in at_once(&world, events).await {
            assert_eq!(answer, json!({"batchItemFailures": []}), "round {round}");
        }
        assert_eq!(world.lake().ids(), ids(0..40), "round {round}");
    }
}

/// One delivery after another to the same function, and to new ones: a year later is not different.
#[tokio::test]
async fn redeliveries_write_nothing() {
    let world = World::new();
    world.put("in/a", lines(0..30));
    let function = world.function();
    assert_eq!(
        tally(&answer(&function, &notification(&["in/a"])).await),
        [1, 1, 0, 0, 0]
    );
    let before = world.lake().data();
    for days in [0, 1, 366] {
        world
            .server
            .model()
            .advance(std::time::Duration::from_secs(days * 86_400));
        world.server.clear_log();
        for function in [&function, &world.function()] {
            assert_eq!(
                tally(&answer(function, &notification(&["in/a"])).await),
                [1, 0, 1, 0, 0]
            );
        }
        assert_eq!(writes(&world), 0);
    }
    assert_eq!(world.lake().data(), before);
}
