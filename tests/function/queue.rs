//! Batches of messages: those that failed are named, exactly; the others are done.

use serde_json::json;

use crate::events::{created, encoded, failed_messages, message_each, messages, notification, records};
use crate::world::{World, answer, error, handle, ids, lines};

fn key(n: u64) -> String {
    format!("in/{n}")
}

#[tokio::test]
async fn the_messages_that_failed_are_named_exactly() {
    for subset in [0_u32, 1, 1 << 9, 0b0101010101, 0b1100011000, 0b0111111111, 0b1111111111] {
        let is_missing = |n: u64| subset >> n & 1 == 1;
        let world = World::new();
        (0..10)
            .filter(|n| !is_missing(*n))
            .for_each(|n| world.put(&key(n), lines(n * 10..n * 10 + 10)));
        let event = message_each(&(0..10).map(key).collect::<Vec<_>>());
        let missing: Vec<_> = (0..10).filter(|n| is_missing(*n)).map(|n| format!("m{n}")).collect();

        // All is done that can be, whether the caller reads which failed or not.
        let whole = world.function_with(&[("LAKEBED_PARTIAL_BATCH", "0")]).unwrap();
        let handled = handle(&whole, &event).await;
        assert_eq!(handled.metrics.objects_failed, missing.len() as u64);
        match handled.answer {
            Ok(answer) => assert!(missing.is_empty() && answer == json!({"batchItemFailures": []})),
            Err(error) => {
                let error = error.to_string();
                let words = format!(
                    "{} of 10 messages failed, and LAKEBED_PARTIAL_BATCH is not set",
                    missing.len()
                );
                assert!(!missing.is_empty() && error.starts_with(&words), "{error}");
            }
        }
        assert_eq!(
            failed_messages(&answer(&world.function(), &event).await),
            missing,
            "{subset:010b}"
        );
        if missing.len() < 10 {
            let there: Vec<_> = (0..100).filter(|id| !is_missing(id / 10)).collect();
            assert_eq!(world.lake().ids(), there, "{subset:010b}");
        }

        // They come again, and are there now.
        (0..10)
            .filter(|n| is_missing(*n))
            .for_each(|n| world.put(&key(n), lines(n * 10..n * 10 + 10)));
        assert_eq!(failed_messages(&answer(&world.function(), &event).await), [""; 0]);
        assert_eq!(world.lake().ids(), ids(0..100), "{subset:010b}");
    }
}

#[tokio::test]
async fn messages_of_all_kinds_share_a_batch() {
    let world = World::new();
    (0..5).for_each(|n| world.put(&key(n), lines(n * 10..n * 10 + 10)));
    let test_event = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw"});
    let mut removed = created("in/3");
    removed["eventName"] = json!("ObjectRemoved:Delete");
    let event = messages(&[
        notification(&[key(0)]).to_string(),
        "not JSON".to_owned(),
        test_event.to_string(),
        notification(&[key(1), key(2)]).to_string(),
        notification(&[key(3), "in/missing".to_owned()]).to_string(),
        records(vec![removed.clone()]).to_string(),
        records(vec![removed, created(&encoded(&key(4))), created("in/%FF")]).to_string(),
        json!({"hello": "world"}).to_string(),
    ]);
    let function = world.function();
    let handled = handle(&function, &event).await;
    assert_eq!(failed_messages(&handled.answer.unwrap()), ["m1", "m4", "m6", "m7"]);
    assert_eq!(handled.troubles.len(), 4, "{:?}", handled.troubles);
    // What stands beside the unreadable and the missing is loaded all the same.
    assert_eq!(world.lake().ids(), ids(0..50));
    assert_eq!(
        failed_messages(&answer(&function, &event).await),
        ["m1", "m4", "m6", "m7"]
    );
    assert_eq!(world.lake().ids(), ids(0..50));
}

#[tokio::test]
async fn an_answer_names_only_ids_that_came() {
    let world = World::new();
    let function = world.function();
    for id in ["\"},{\"itemIdentifier\":\"x", "a\nb", "=cmd()", "\u{202e}"] {
        let mut event = message_each(&["in/missing"]);
        event["Records"][0]["messageId"] = json!(id);
        assert_eq!(failed_messages(&answer(&function, &event).await), [id]);
    }
    let mut event = message_each(&["in/missing", "in/missing"]);
    event["Records"][0]["messageId"] = json!("");
    let error = error(&function, &event).await;
    assert!(
        error.contains("2 of 2 messages failed, and one of them has no messageId"),
        "{error}"
    );
}
