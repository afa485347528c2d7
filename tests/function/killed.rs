//! Functions that are killed at each of their requests: the next delivery finishes or begins anew, and rows are there once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::events::message_each;
use crate::support::s3::{Effect, Fault};
use crate::world::{World, answer, handle, ids, lines};

/// Whether the last request took effect before its sender was killed.
#[derive(Clone, Copy, Debug)]
enum Last {
    Lost,
    Applied,
}

/// Runs a function over the event until its nth request, and kills it there. False if it came to its end first.
fn killed_at(world: &World, event: &serde_json::Value, nth: u64, last: Last) -> bool {
    let requests = AtomicU64::new(0);
    let heard = match last {
        Last::Lost => nth - 1,
        Last::Applied => nth,
    };
    if let Last::Applied = last {
        world.server.inject(Fault::on_any(Effect::CloseAfter).nth(nth));
    }
    let is_late = move |_: &str| requests.fetch_add(1, Ordering::Relaxed) >= heard;
    world.server.inject(Fault::on_any(Effect::Hang).key(is_late));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (function, event) = (world.function(), event.clone());
    let running = runtime.spawn(async move { handle(&function, &event).await });
    let hangs = || {
        world
            .requests()
            .iter()
            .any(|request| request.fault.as_deref() == Some("Hang"))
    };
    while !hangs() && !running.is_finished() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let is_killed = !running.is_finished();
    runtime.shutdown_background();
    world.server.clear_faults();
    is_killed
}

#[test]
fn a_function_killed_at_any_request_is_finished_by_the_next() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let keys = ["in/a", "in/b", "in/c/1"];
    let event = message_each(&keys);
    for last in [Last::Lost, Last::Applied] {
        let mut kills = 0;
        loop {
            let world = World::new();
            keys.iter()
                .zip(0..)
                .for_each(|(key, n)| world.put(key, lines(n * 6..n * 6 + 6)));
            if !killed_at(&world, &event, kills + 1, last) {
                break;
            }
            kills += 1;
            let answer = runtime.block_on(async { answer(&world.function(), &event).await });
            assert_eq!(answer, json!({"batchItemFailures": []}), "{last:?} {kills}");
            assert_eq!(world.lake().ids(), ids(0..18), "{last:?} {kills}");
        }
        // Two jobs: claims, intents, files, outcomes; and the lake was made.
        assert!(kills > 25, "{last:?} {kills}");
    }
}
