//! The conformance table: every door with every case, and the same object through all of them.

use serde_json::json;

use crate::envelopes::{ALL, Envelope, Said, empty, malformed, on_bus, tasks};
use crate::keys::hostile_keys;
use crate::world::{World, answer, error, gzip, handle, ids, lines};

/// What a door says to a call that names these keys.
async fn said(world: &World, envelope: Envelope, keys: &[&str]) -> Said {
    let handled = handle(&world.function(), &envelope.of(keys)).await;
    envelope.said(handled.answer.map_err(|error| error.to_string()), keys.len())
}

#[tokio::test]
async fn one_object_through_every_door_makes_one_claim() {
    for first in ALL {
        let world = World::new();
        world.put("in/a b+c%2B=\u{e9}", lines(0..10));
        for envelope in [first].into_iter().chain(ALL) {
            assert_eq!(
                said(&world, envelope, &["in/a b+c%2B=\u{e9}"]).await,
                Said::Good,
                "{envelope:?}"
            );
        }
        let lake = world.lake();
        assert_eq!((lake.claims().len(), lake.ids()), (1, ids(0..10)), "{first:?}");
    }
}

#[tokio::test]
async fn what_fails_is_said_in_the_protocol_of_each_door() {
    for envelope in ALL {
        // Good, unknown, broken, and others beside them.
        let world = World::new();
        world.put("in/good", lines(0..10));
        world.put("in/good2", gzip(lines(10..20)));
        let mut broken = gzip(lines(20..40));
        broken.truncate(broken.len() - 9);
        world.put("in/broken.gz", broken);
        world.put("in/folder/", "");
        world.put("elsewhere/a", lines(50..60));
        for (keys, failed) in [
            (&["in/good"][..], &[][..]),
            (&["in/good"], &[]),
            (&["in/unknown"], &[0]),
            // It is loaded as far as it can be read, and what cannot is in quarantine.
            (&["in/broken.gz"], &[]),
            (&["in/folder/"], &[]),
            (&["elsewhere/a"], &[0]),
            (&["in/unknown", "in/good", "in/unknown2", "in/good2"], &[0, 2]),
            (&["in/good2", "in/good2", "in/good2"], &[]),
            (&["in/unknown", "in/unknown"], &[0, 1]),
        ] {
            if keys.len() == 1 || envelope.has_several() {
                assert_eq!(
                    said(&world, envelope, keys).await,
                    envelope.expected(failed),
                    "{envelope:?} {keys:?}"
                );
            }
        }
        let there = world.lake().ids();
        let (good2, broken) = (10..20, 20..40);
        let whole = there.iter().filter(|id| !broken.contains(*id));
        let expected = if envelope.has_several() {
            ids(0..good2.end)
        } else {
            ids(0..good2.start)
        };
        assert_eq!(whole.copied().collect::<Vec<_>>(), expected, "{envelope:?}");
    }
}

#[tokio::test]
async fn a_call_that_names_nothing_or_cannot_be_read_asks_s3_nothing() {
    for envelope in ALL {
        let world = World::new();
        world.put("in/a", lines(0..10));
        let function = world.function();
        if let Some(event) = empty(envelope) {
            let answer = handle(&function, &event)
                .await
                .answer
                .map_err(|error| error.to_string());
            // With no records in it, a notification and a batch look alike.
            let door = if matches!(envelope, Envelope::Topic | Envelope::Queue) {
                Envelope::Notification
            } else {
                envelope
            };
            assert_eq!(door.said(answer, 0), Said::Good, "{envelope:?}");
        }
        for event in malformed(envelope) {
            let answer = handle(&function, &event)
                .await
                .answer
                .map_err(|error| error.to_string());
            assert_eq!(envelope.said(answer, 1), envelope.expected(&[0]), "{event}");
        }
        assert_eq!(world.requests().len(), 0, "{envelope:?}");
    }
}

#[tokio::test]
async fn hostile_names_are_the_same_object_through_every_door() {
    let keys: Vec<_> = hostile_keys()
        .iter()
        .map(|key| format!("in/{}", &key[..key.floor_char_boundary(1000)]))
        .collect();
    let world = World::new();
    for (n, key) in keys.iter().enumerate() {
        world.put(key, format!("{{\"id\":{n},\"at\":\"2024-05-01T02:00:00Z\"}}"));
    }
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let function = world.function();
    for envelope in ALL {
        if envelope.has_several() {
            assert_eq!(said(&world, envelope, &names).await, Said::Good, "{envelope:?}");
        } else {
            for key in &names {
                let answer = handle(&function, &envelope.of(&[key])).await.answer;
                assert_eq!(
                    envelope.said(answer.map_err(|error| error.to_string()), 1),
                    Said::Good,
                    "{envelope:?} {key}"
                );
            }
        }
        let lake = world.lake();
        assert_eq!(lake.claims().len(), keys.len(), "{envelope:?}");
        assert_eq!(lake.ids(), ids(0..keys.len() as u64), "{envelope:?}");
    }
}

#[tokio::test]
async fn every_subset_that_fails_is_named_whatever_the_messages_are_wrapped_in() {
    let keys: Vec<String> = (0..10).map(|n| format!("in/{n}")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    for envelope in [Envelope::QueueOfTopic, Envelope::QueueOfBus, Envelope::TasksTwo] {
        for subset in [0_usize, 1, 0b1000000000, 0b0101010101, 0b1111111111] {
            let world = World::new();
            let failed: Vec<usize> = (0..10).filter(|n| subset >> n & 1 == 1).collect();
            for n in (0..10).filter(|n| !failed.contains(n)) {
                world.put(&keys[n], lines(n as u64 * 10..n as u64 * 10 + 10));
            }
            assert_eq!(
                said(&world, envelope, &names).await,
                envelope.expected(&failed),
                "{envelope:?} {subset:b}"
            );
        }
    }
}

#[tokio::test]
async fn several_objects_of_a_call_are_one_job() {
    for envelope in ALL.into_iter().filter(|envelope| envelope.has_several()) {
        let world = World::new();
        let keys: Vec<String> = (0..20).map(|n| format!("in/{n}")).collect();
        (0..20).for_each(|n| world.put(&keys[n as usize], lines(n * 10..n * 10 + 10)));
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert_eq!(said(&world, envelope, &names).await, Said::Good, "{envelope:?}");
        assert_eq!(
            (world.lake().ids(), world.copied().outcomes().len()),
            (ids(0..200), 1),
            "{envelope:?}"
        );
    }
}

#[tokio::test]
async fn a_key_that_is_encoded_otherwise_than_is_known_is_found() {
    let world = World::new();
    world.put("in/dt=1/a b", lines(0..10));
    let form = "in/dt%3D1/a+b";
    for event in [
        on_bus(form),
        json!({"Items": [{"Key": form}], "BatchInput": {"bucket": "raw"}}),
        json!({"Bucket": "raw", "Key": form}),
    ] {
        let answer = answer(&world.function(), &event).await;
        assert_eq!(
            (&answer["objects"], &answer["failed"]),
            (&json!(1), &json!(0)),
            "{event}"
        );
    }
    let mut event = tasks("2.0", &["x"], json!({}));
    event["tasks"][0]["s3Key"] = json!(form);
    assert_eq!(
        answer(&world.function(), &event).await["results"][0]["resultCode"],
        "Succeeded"
    );
    assert_eq!(world.lake().claims().len(), 1);
    // The name as it stands comes first.
    world.put(form, lines(10..20));
    answer(&world.function(), &on_bus(form)).await;
    assert_eq!(world.lake().ids(), ids(0..20));
    // What is meant otherwise lies elsewhere, and stays unread.
    world.put("out/a b", lines(50..60));
    let error = error(&world.function(), &on_bus("in/../out/a+b")).await;
    assert!(error.contains("Source.Missing"), "{error}");
}

#[tokio::test]
async fn our_own_files_are_left_alone_by_every_door_without_a_request() {
    let world = World::new();
    let function = world
        .function_with(&[("LAKEBED_LAKE", "s3://raw/lake"), ("LAKEBED_RAW", "s3://raw/in")])
        .unwrap();
    for key in [
        "lake/event/year=2024/month=05/day=01/hour=02/x.parquet",
        "lake/_lakebed/jobs/x.json",
        "lake/_lakebed/claims/x.json",
        "lake/_quarantine/x.jsonl",
    ] {
        for envelope in ALL {
            let answer = handle(&function, &envelope.of(&[key]))
                .await
                .answer
                .map_err(|error| error.to_string());
            assert_eq!(envelope.said(answer, 1), Said::Good, "{envelope:?} {key}");
        }
    }
    assert_eq!(world.requests().len(), 0);
}

#[tokio::test]
async fn tasks_say_what_became_of_their_records() {
    let world = World::new();
    world.put("in/a", lines(0..10) + "not JSON\n");
    let results = |answer: serde_json::Value| answer["results"][0]["resultString"].as_str().unwrap().to_owned();
    let event = tasks("2.0", &["in/a"], json!({"dry_run": "true"}));
    let function = world.function();
    assert_eq!(
        results(answer(&function, &event).await),
        "left out: dry run: it would be loaded"
    );
    assert_eq!(world.server.model().keys("lake").len(), 0, "a dry run writes nothing");
    let event = |arguments| tasks("2.0", &["in/a"], arguments);
    assert_eq!(
        results(answer(&function, &event(json!({"glob": "out/**"}))).await),
        "left out: since, until or glob leave it out"
    );
    assert_eq!(
        results(answer(&function, &event(json!({}))).await),
        "records=11 rows=10 quarantined=1 added=0 dropped=0"
    );
    assert_eq!(results(answer(&function, &event(json!({}))).await), "loaded before");
    let dry = json!({"dry_run": "true", "reload": "true"});
    assert!(results(answer(&function, &event(dry)).await).ends_with("in place of the rows that are there"));
    assert_eq!(
        results(answer(&function, &event(json!({"reload": "true"}))).await),
        "records=11 rows=10 quarantined=1 added=0 dropped=0"
    );
    assert_eq!(world.lake().ids(), ids(0..10));
}

#[tokio::test]
async fn where_the_lake_cannot_be_opened_tasks_are_told_and_others_fail() {
    for envelope in ALL {
        let world = World::new();
        world.put("in/a", lines(0..10));
        let function = world.function_with(&[("LAKEBED_LAKE", "s3://nowhere/p")]).unwrap();
        let handled = handle(&function, &envelope.of(&["in/a"])).await;
        let answer = handled.answer.map_err(|error| error.to_string());
        let expected = match envelope {
            Envelope::TasksOne | Envelope::TasksTwo => Said::Failed(vec![0]),
            _ => Said::Error,
        };
        assert_eq!(envelope.said(answer, 1), expected, "{envelope:?}");
    }
}
