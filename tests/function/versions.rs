//! Objects that change: overwritten, deleted, announced late or out of order. What is loaded is what is there now, once.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::events::{created, failed_messages, message_each, notification, records};
use crate::support::s3::{Effect, Fault, Versioning};
use crate::world::{World, answer, error, handle, ids, lines, long_lines, tally};

/// A notification as it was sent for one content of `in/a`.
fn event_for(etag: &str, sequencer: &str, version: Option<&str>) -> Value {
    let mut record = created("in/a");
    let object = &mut record["s3"]["object"];
    object["eTag"] = json!(etag);
    object["sequencer"] = json!(sequencer);
    if let Some(version) = version {
        object["versionId"] = json!(version);
    }
    records(vec![record])
}

#[tokio::test]
async fn events_out_of_order_load_what_is_there_once() {
    for versioning in [Versioning::Off, Versioning::On, Versioning::Suspended] {
        for order in [[0, 1], [1, 0]] {
            let world = World::new();
            world.server.model().bucket("raw").versioning = versioning;
            let old = world.server.model().seed("raw", "in/a", lines(0..10));
            let new = world.server.model().seed("raw", "in/a", lines(50..70));
            let events = [
                event_for(&old.tag, "0055AED6DCD90281E5", old.version.as_deref()),
                event_for(&new.tag, "0055AED6DCD90281E6", new.version.as_deref()),
            ];
            let function = world.function();
            let mut tallies = Vec::new();
            for place in order {
                tallies.push(tally(&answer(&function, &events[place]).await));
            }
            assert_eq!(tallies, [[1, 1, 0, 0, 0], [1, 0, 1, 0, 0]], "{versioning:?} {order:?}");
            assert_eq!(world.lake().ids(), ids(50..70), "{versioning:?} {order:?}");
        }
    }
}

/// The one content is loaded; then there is another, and its event, and the old one once more.
#[tokio::test]
async fn an_object_overwritten_after_it_was_loaded_replaces_its_rows_once() {
    for versioning in [Versioning::Off, Versioning::On] {
        for order in [[1, 0], [0, 1]] {
            let world = World::new();
            let advance = |seconds| world.server.model().advance(std::time::Duration::from_secs(seconds));
            world.server.model().bucket("raw").versioning = versioning;
            let old = world.server.model().seed("raw", "in/a", lines(0..10));
            world.put("in/b", lines(20..30));
            let function = world.function();
            let old = event_for(&old.tag, "01", old.version.as_deref());
            let both = notification(&["in/a", "in/b"]);
            assert_eq!(tally(&answer(&function, &both).await), [2, 2, 0, 0, 0]);

            advance(5);
            let new = world.server.model().seed("raw", "in/a", lines(50..70));
            advance(5);
            let events = [old, event_for(&new.tag, "02", new.version.as_deref())];
            let mut tallies = Vec::new();
            for place in order {
                tallies.push(tally(&answer(&function, &events[place]).await));
            }
            assert_eq!(tallies, [[1, 1, 0, 0, 0], [1, 0, 1, 0, 0]], "{versioning:?} {order:?}");
            assert_eq!(
                world.lake().ids(),
                [ids(20..30), ids(50..70)].concat(),
                "{versioning:?} {order:?}"
            );
            assert_eq!(tally(&answer(&world.function(), &both).await), [2, 0, 2, 0, 0]);

            // The first content once more is another version: it was written at another time.
            world.put("in/a", lines(0..10));
            advance(5);
            assert_eq!(tally(&answer(&function, &both).await), [2, 1, 1, 0, 0]);
            assert_eq!(
                world.lake().ids(),
                [ids(0..10), ids(20..30)].concat(),
                "{versioning:?} {order:?}"
            );

            // Its neighbour is deleted before it is overwritten again: rows of what is gone stay.
            world.delete("in/b");
            world.put("in/a", lines(80..90));
            advance(5);
            assert_eq!(
                tally(&answer(&function, &notification(&["in/a"])).await),
                [1, 1, 0, 0, 0]
            );
            assert_eq!(
                world.lake().ids(),
                [ids(20..30), ids(80..90)].concat(),
                "{versioning:?} {order:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_object_that_is_gone_fails_its_message() {
    let world = World::new();
    world.put("in/here", lines(0..10));
    world.put("in/loaded", lines(10..20));
    let function = world.function();
    answer(&function, &notification(&["in/loaded"])).await;
    world.delete("in/loaded");
    world.server.model().bucket("raw").versioning = Versioning::On;
    world.put("in/hidden", lines(90..99));
    world.delete("in/hidden");
    let event = message_each(&["in/never", "in/here", "in/hidden", "in/loaded"]);
    let handled = handle(&function, &event).await;
    assert_eq!(failed_messages(&handled.answer.unwrap()), ["m0", "m2", "m3"]);
    assert_eq!(handled.metrics.objects_failed, 3);
    assert!(
        handled
            .troubles
            .iter()
            .all(|trouble| trouble.contains("Source.Missing")),
        "{:?}",
        handled.troubles
    );
    // What was loaded stays.
    assert_eq!(world.lake().ids(), ids(0..20));

    let error = error(&function, &notification(&["in/never"])).await;
    assert!(error.contains("s3://raw/in/never (Source.Missing:"), "{error}");
}

/// Something happens to the object at a request for it, counted from 1; requests of a function are struck by nothing else.
fn at_read(world: &World, nth: u64, change: impl Fn(&World) + Send + 'static) {
    let server = Arc::downgrade(&world.server);
    let seen = std::sync::Mutex::new(0);
    let fault = Fault::on("GetObject", Effect::Close).key(move |key| {
        let mut seen = seen.lock().unwrap();
        *seen += u64::from(key == "in/a");
        if let Some(server) = server.upgrade().filter(|_| key == "in/a" && *seen == nth) {
            change(&World { server });
        }
        false
    });
    world.server.inject(fault);
}

#[tokio::test]
async fn an_object_overwritten_while_it_is_read_is_read_anew() {
    // Three ranges; the request in which it happens, from 1. The new content is shorter, or exactly as long.
    for (nth, new) in [
        (1, 500..520),
        (2, 500..520),
        (3, 500..520),
        (2, 200..300),
        (3, 200..300),
    ] {
        let world = World::new();
        world.put("in/a", long_lines(100..200, 5_900));
        world.put("in/b", lines(1000..1010));
        let content = long_lines(new.clone(), 5_900);
        at_read(&world, nth, move |world| world.put("in/a", content.clone()));
        let handled = handle(&world.function(), &notification(&["in/a", "in/b"])).await;
        assert_eq!(tally(&handled.answer.unwrap()), [2, 2, 0, 0, 0], "at {nth}");
        let all = [ids(new.clone()), ids(1000..1010)].concat();
        assert_eq!(world.lake().ids(), all, "at {nth}");
        assert_eq!(handled.metrics.rows, new.end - new.start + 10, "at {nth}");
    }
}

#[tokio::test]
async fn an_object_deleted_while_it_is_read_is_not_loaded_and_the_others_are() {
    for nth in 1..=3 {
        let world = World::new();
        world.put("in/a", long_lines(0..100, 5_900));
        world.put("in/b", lines(1000..1010));
        at_read(&world, nth, |world| world.delete("in/a"));
        let answer = answer(&world.function(), &message_each(&["in/a", "in/b"])).await;
        assert_eq!(failed_messages(&answer), ["m0"], "at {nth}");
        assert_eq!(world.lake().ids(), ids(1000..1010), "at {nth}");
    }
}
