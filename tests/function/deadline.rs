//! Little time: what is not done is given back before the function is killed, and nothing is half done.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::envelopes::{ALL, Envelope, Said};
use crate::support::s3::{Effect, Fault};
use crate::world::{World, answer, ids, lines};

const TIME: Duration = Duration::from_secs(2);

#[tokio::test]
async fn what_is_not_done_in_time_is_given_back_by_every_door() {
    for envelope in ALL.into_iter().filter(|envelope| envelope.has_several()) {
        let world = World::new();
        world.put("in/a/0", lines(0..10));
        world.put("in/b/0", lines(10..20));
        let function = world.function_with(&[("LAKEBED_JOBS", "1")]).unwrap();
        // The second job, when it has decided what it will be: nothing can stop it then but to leave it.
        let claims = Fault::on("PutObject", Effect::Hang).key(|key| key.contains("/claims/"));
        world.server.inject(claims.nth(2));
        let began = Instant::now();
        let handled = function
            .handle_within(&envelope.of(&["in/a/0", "in/b/0"]), "id", Some(TIME))
            .await;
        assert!(began.elapsed() < TIME, "{envelope:?} {:?}", began.elapsed());
        let answer = handled.answer.map_err(|error| error.to_string());
        assert_eq!(envelope.said(answer, 2), envelope.expected(&[1]), "{envelope:?}");
        // What was done is whole, and the next one that is asked finishes the rest.
        world.server.clear_faults();
        let answer = function.handle(&envelope.of(&["in/b/0"]), "id").await.answer;
        assert_eq!(
            envelope.said(answer.map_err(|error| error.to_string()), 1),
            Said::Good,
            "{envelope:?}"
        );
        assert_eq!(world.lake().ids(), ids(0..20), "{envelope:?}");
    }
}

#[tokio::test]
async fn what_is_told_of_it_helps() {
    let world = World::new();
    world.put("in/a", lines(0..10));
    world.server.inject(Fault::on("GetObject", Effect::Hang));
    let function = world.function();
    let event = Envelope::TasksTwo.of(&["in/a"]);
    let handled = function.handle_within(&event, "id", Some(TIME)).await;
    let result = handled.answer.unwrap()["results"][0].clone();
    assert_eq!(result["resultCode"], "TemporaryFailure");
    let said = result["resultString"].as_str().unwrap();
    assert!(
        said.contains("Source.Unfinished") && said.contains("more time or memory"),
        "{said}"
    );
    for order in [json!({"sweep": {}}), json!({"reconcile": {"source": "s3://raw/in"}})] {
        world.server.inject(Fault::on_any(Effect::Hang));
        let began = Instant::now();
        let handled = function.handle_within(&order, "id", Some(TIME)).await;
        let error = handled.answer.unwrap_err().to_string();
        assert!(error.contains("did not come to its end in the time"), "{error}");
        assert!(began.elapsed() < TIME);
    }
}

#[tokio::test]
async fn an_object_too_large_for_the_time_is_refused_before_it_is_read() {
    let world = World::new();
    world.put("in/small", lines(0..10));
    let size = 100_000_000;
    world.put("in/large", vec![b' '; size]);
    // 128 MiB of memory are 36 MB a second at the very most.
    let function = world.function().in_memory(Some(128));
    let handled = function
        .handle_within(&Envelope::TasksTwo.of(&["in/large"]), "id", Some(TIME))
        .await;
    let result = handled.answer.unwrap()["results"][0].clone();
    assert_eq!(result["resultCode"], "PermanentFailure", "{result}");
    let said = result["resultString"].as_str().unwrap();
    assert!(
        said.contains("Source.TooLarge") && said.contains(&format!("{size} bytes")),
        "{said}"
    );
    assert!(said.contains("lakebed backfill"), "{said}");
    let order = json!({"backfill": {"source": "s3://raw/in"}});
    let handled = function.handle_within(&order, "id", Some(TIME)).await;
    let report = handled.answer.unwrap();
    assert_eq!(
        (&report["failed"][0]["code"], &report["sources"]["found"]),
        (&json!("Source.TooLarge"), &json!(2))
    );
    assert_eq!(world.lake().ids(), ids(0..10));
    // Loaded elsewhere, as it was told, it is loaded.
    answer(&world.function(), &Envelope::ByHand.of(&["in/large"])).await;
    let handled = function
        .handle_within(&Envelope::ByHand.of(&["in/large"]), "id", Some(TIME))
        .await;
    assert_eq!(handled.answer.unwrap()["already"], 1);
    let handled = function.handle_within(&order, "id", Some(TIME)).await;
    assert_eq!(handled.answer.unwrap()["sources"]["already"], 2);
}

#[tokio::test]
async fn a_moment_that_is_past_is_unknown() {
    let world = World::new();
    world.put("in/a", lines(0..10));
    let function = world.function();
    let event = Envelope::Notification.of(&["in/a"]);
    let handled = function.handle_within(&event, "id", Some(Duration::ZERO)).await;
    assert_eq!(handled.answer.unwrap()["loaded"], 1);
    assert_eq!(answer(&function, &event).await["already"], 1);
}
