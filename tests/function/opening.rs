//! A lake or raw objects that cannot be reached at first: the event fails, and its next delivery is done.

use lakebed::function::HandleError;

use crate::events::{failed_messages, message_each, notification};
use crate::support::s3::{Effect, Fault};
use crate::world::{World, answer, error, handle, ids, lines, tally};

#[tokio::test]
async fn a_lake_that_cannot_be_opened_is_tried_again_by_the_next_event() {
    for (effect, words) in [
        (Effect::ACCESS_DENIED, "s3:GetObject"),
        (Effect::SLOW_DOWN, "503"),
        (Effect::Close, "s3://lake/p"),
        (Effect::Answer(404, "NoSuchBucket"), "NoSuchBucket"),
    ] {
        let world = World::new();
        world.put("in/a", lines(0..10));
        let function = world.function();
        let is_lakes = |key: &str| key.starts_with("p/");
        world.server.inject(Fault::on_any(effect.clone()).key(is_lakes));
        for event in [notification(&["in/a"]), message_each(&["in/a"])] {
            let handled = handle(&function, &event).await;
            let error = handled.answer.unwrap_err();
            assert!(matches!(error, HandleError::Lake { .. }), "{error}");
            let error = error.to_string();
            assert!(
                error.starts_with("lake s3://lake/p: ") && error.contains(words),
                "{effect:?}: {error}"
            );
        }
        assert_eq!(world.calls("raw", "GetObject"), 0);
        world.server.clear_faults();
        assert_eq!(
            tally(&answer(&function, &notification(&["in/a"])).await),
            [1, 1, 0, 0, 0]
        );
        assert_eq!(world.lake().ids(), ids(0..10));
    }
}

#[tokio::test]
async fn a_folder_that_is_no_lake_is_not_written_to() {
    let world = World::new();
    world.put("in/a", lines(0..10));
    world.server.model().seed("lake", "p/event/theirs.parquet", "PAR1");
    let function = world.function();
    for _ in 0..2 {
        let error = error(&function, &notification(&["in/a"])).await;
        assert!(error.contains("was not written by lakebed"), "{error}");
    }
    assert_eq!(world.server.model().keys("lake"), ["p/event/theirs.parquet"]);
}

#[tokio::test]
async fn a_lake_in_the_bucket_of_another_account_is_refused() {
    let world = World::new();
    world.put("in/a", lines(0..10));
    world.server.model().bucket("lake").owner = "999999999999".to_owned();
    let refused = error(&world.function(), &notification(&["in/a"])).await;
    assert!(refused.contains("111122223333"), "{refused}");
    assert_eq!(world.server.model().keys("lake"), [""; 0]);

    let world = World::new();
    world.put("in/a", lines(0..10));
    world.server.model().bucket("raw").owner = "999999999999".to_owned();
    let refused = error(&world.function(), &notification(&["in/a"])).await;
    assert!(
        refused.contains("Source.Unreadable") && refused.contains("111122223333"),
        "{refused}"
    );
}

#[tokio::test]
async fn raw_objects_that_may_not_be_read_fail_their_messages() {
    let world = World::new();
    (0..3).for_each(|n| world.put(&format!("in/{n}"), lines(n * 10..n * 10 + 10)));
    let event = message_each(&["in/0", "in/1", "in/2"]);
    let function = world.function();
    world
        .server
        .inject(Fault::on("GetObject", Effect::ACCESS_DENIED).key(|key| key == "in/1"));
    let handled = handle(&function, &event).await;
    assert_eq!(failed_messages(&handled.answer.unwrap()), ["m1"]);
    let [trouble] = handled.troubles.as_slice() else {
        panic!("{:?}", handled.troubles)
    };
    assert!(
        trouble.contains("Source.Unreadable") && trouble.contains("s3:GetObject"),
        "{trouble}"
    );
    assert_eq!(world.lake().ids(), [ids(0..10), ids(20..30)].concat());
    world.server.clear_faults();
    assert_eq!(failed_messages(&answer(&function, &event).await), [""; 0]);
    assert_eq!(world.lake().ids(), ids(0..30));
}

/// The lake was open, and cannot be written to for a while.
#[tokio::test]
async fn a_lake_that_refuses_writes_for_a_while_fails_the_event() {
    for effect in [
        Effect::ACCESS_DENIED,
        Effect::SLOW_DOWN,
        Effect::INTERNAL_ERROR,
        Effect::Close,
        Effect::CloseAfter,
    ] {
        for folder in ["p/_lakebed/open/", "p/_lakebed/claims/", "p/event/", "p/_lakebed/jobs/"] {
            let world = World::new();
            let function = world.function();
            world.put("in/warm", lines(0..4));
            answer(&function, &notification(&["in/warm"])).await;
            world.put("in/a", lines(4..10));
            world
                .server
                .inject(Fault::on("PutObject", effect.clone()).key(move |key| key.starts_with(folder)));
            let handled = handle(&function, &message_each(&["in/a"])).await;
            world.server.clear_faults();
            // A write that took effect and was not told of may be found to be done.
            let failed = failed_messages(&handled.answer.unwrap());
            assert!(failed == ["m0"] || effect == Effect::CloseAfter, "{effect:?} {folder}");
            if failed.is_empty() {
                world.lake();
            }
            assert_eq!(
                failed_messages(&answer(&function, &message_each(&["in/a"])).await),
                [""; 0]
            );
            assert_eq!(world.lake().ids(), ids(0..10), "{effect:?} {folder}");
        }
    }
}
