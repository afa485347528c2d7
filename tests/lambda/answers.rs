//! Events over the Runtime API, and what they are answered with.

use chrono::DateTime;
use lambda_simulator::Invocation;
use serde_json::{Value, json};

use crate::events::{failed_messages, message_each, notification};
use crate::process::Lambda;
use crate::support::s3::{Effect, Fault};
use crate::world::{World, ids, lines, tally};

#[tokio::test]
async fn one_process_answers_events_of_all_kinds() {
    let world = World::new();
    (0..6).for_each(|n| world.put(&format!("in/{n}"), lines(n * 10..n * 10 + 10)));
    let mut lambda = Lambda::start(&world, &[]).await;

    let answer = lambda.answer(&notification(&["in/0"])).await.response();
    assert_eq!(tally(&answer), [1, 1, 0, 0, 0]);
    let answer = lambda
        .answer(&message_each(&["in/1", "in/missing", "in/2"]))
        .await
        .response();
    assert_eq!(failed_messages(&answer), ["m1"]);
    for unknown in [
        json!({"hello": "world"}),
        json!([1]),
        json!(null),
        json!("text"),
        json!({"Records": [{"kinesis": {}}]}),
    ] {
        let (error_type, message) = lambda.answer(&unknown).await.error();
        assert_eq!(error_type, "Event.Unknown");
        assert!(
            message.contains("this function answers an S3 event notification"),
            "{message}"
        );
    }
    let (error_type, message) = lambda.answer(&notification(&["in/3", "in/missing"])).await.error();
    assert_eq!(error_type, "Objects.NotLoaded");
    assert!(
        message.contains("1 of 2 objects failed: s3://raw/in/missing (Source.Missing"),
        "{message}"
    );
    let answer = lambda.answer(&message_each(&["in/4", "in/5", "in/0"])).await.response();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    lambda.assert_runs();
    assert_eq!(lambda.kill().await.metrics().len(), 9);
    assert_eq!(world.lake().ids(), ids(0..60));
}

#[tokio::test]
async fn a_lake_that_is_not_reached_is_an_error_with_a_type() {
    let world = World::new();
    world.put("in/a", lines(0..10));
    let lambda = Lambda::start(&world, &[]).await;
    world
        .server
        .inject(Fault::on_any(Effect::ACCESS_DENIED).key(|key| key.starts_with("p/")));
    let (error_type, message) = lambda.answer(&notification(&["in/a"])).await.error();
    assert_eq!(error_type, "Lake.NotOpened");
    assert!(
        message.contains("s3://lake/p") && message.contains("s3:GetObject"),
        "{message}"
    );
    world.server.clear_faults();
    assert_eq!(
        tally(&lambda.answer(&notification(&["in/a"])).await.response()),
        [1, 1, 0, 0, 0]
    );
    lambda.kill().await;
    assert_eq!(world.lake().ids(), ids(0..10));
}

/// Some emulators send the time limit where the deadline belongs.
#[tokio::test]
async fn a_deadline_that_has_passed_does_not_matter() {
    let world = World::new();
    let lambda = Lambda::start(&world, &[]).await;
    for (n, deadline_ms) in [(0, 600_000), (1, 0), (2, 1_714_564_800_000)] {
        let key = format!("in/{n}");
        world.put(&key, lines(n * 10..n * 10 + 10));
        let mut invocation = Invocation::new(notification(&[key]), 1000);
        invocation.deadline = DateTime::from_timestamp_millis(deadline_ms).unwrap();
        assert_eq!(tally(&lambda.send(invocation).await.1.response()), [1, 1, 0, 0, 0]);
    }
    lambda.kill().await;
    assert_eq!(world.lake().ids(), ids(0..30));
}

/// Deeper than the runtime reads: the event fails, the process lives.
#[tokio::test]
async fn a_payload_too_deep_to_be_read_fails_alone() {
    let world = World::new();
    world.put("in/a", lines(0..10));
    let mut lambda = Lambda::start(&world, &[]).await;
    let deep = (0..120).fold(json!("CANARY"), |inner, _| json!([inner]));
    lambda.answer(&json!({"Records": deep})).await.error();
    let deeper = (0..200).fold(json!("CANARY"), |inner, _| json!({"a": inner}));
    let (_, message) = lambda.answer(&json!({"Records": deeper})).await.error();
    assert!(!message.contains("CANARY"), "{message}");
    assert_eq!(
        tally(&lambda.answer(&notification(&["in/a"])).await.response()),
        [1, 1, 0, 0, 0]
    );
    lambda.assert_runs();
    assert!(!lambda.kill().await.stdout.contains("CANARY"));
}

/// Killed in the middle of an event, and delivered again to another process.
#[tokio::test]
async fn a_process_killed_at_work_leaves_what_the_next_one_finishes() {
    for folder in ["p/_lakebed/open/", "p/_lakebed/claims/", "p/event/", "p/_lakebed/jobs/"] {
        let world = World::new();
        world.put("in/a", lines(0..10));
        world.put("in/b", lines(10..20));
        let event = message_each(&["in/a", "in/b"]);
        world.server.inject(
            Fault::on("PutObject", Effect::Hang)
                .key(move |key| key.starts_with(folder))
                .first(1),
        );
        let lambda = Lambda::start(&world, &[]).await;
        lambda.runtime.enqueue_payload(event.clone()).await;
        let hangs = || async { world.requests().iter().any(|request| request.fault.is_some()) };
        lambda
            .runtime
            .wait_for(hangs, std::time::Duration::from_secs(30))
            .await
            .unwrap();
        assert_eq!(lambda.kill().await.exit, None);
        let next = Lambda::start(&world, &[]).await;
        let answer: Value = next.answer(&event).await.response();
        assert_eq!(answer, json!({"batchItemFailures": []}), "{folder}");
        next.kill().await;
        assert_eq!(world.lake().ids(), ids(0..20), "{folder}");
    }
}
