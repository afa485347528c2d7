//! The doors as a caller sees them: from the example payloads to answers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A notification of new objects under these keys, as they are encoded.
pub(super) fn created(keys: &[&str]) -> Value {
    let record =
        |key| json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "raw"}, "object": {"key": key}}});
    json!({"Records": keys.iter().map(record).collect::<Vec<_>>()})
}

fn events() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/events"))
}

#[test]
fn each_example_asks_for_what_it_shows() {
    let hour = "s3://example-raw/shop events/2019/10/12/03/shop-events-1-2019-10-12-03-20-12";
    let clicks = "s3://example-raw/clicks/dt=2019-10-12/a b+c.gz";
    let mut told = BTreeSet::from(["README.md".to_owned()]);
    for (file, door, wanted, tests, ignored) in [
        ("s3-put.json", "notification", vec![clicks], 0, 0),
        ("s3-put-minimal.json", "notification", vec![clicks], 0, 0),
        ("s3-two-records.json", "notification", vec![clicks, hour], 0, 0),
        ("s3-removed.json", "notification", vec![], 0, 1),
        ("s3-test-event.json", "notification", vec![], 1, 0),
        ("sqs-s3-put.json", "queue", vec![clicks, hour], 0, 0),
        ("sqs-test-event.json", "queue", vec![], 1, 0),
        ("sqs-sns-s3-put.json", "queue", vec![clicks], 1, 0),
        ("sqs-eventbridge.json", "queue", vec![clicks, hour], 0, 1),
        ("sns-s3-put.json", "topic", vec![clicks], 0, 0),
        ("sns-test-event.json", "topic", vec![], 1, 0),
        ("eventbridge-created.json", "bus", vec![clicks], 0, 0),
        ("eventbridge-deleted.json", "bus", vec![], 0, 1),
        ("s3-batch-1.json", "tasks", vec![clicks], 0, 0),
        ("s3-batch-2.json", "tasks", vec![clicks, hour], 0, 0),
        ("step-functions-items.json", "items", vec![clicks, hour], 0, 0),
        ("step-functions-item.json", "items", vec![clicks], 0, 0),
        ("keys.json", "items", vec![clicks, hour], 0, 0),
    ] {
        let payload = serde_json::from_str(&fs::read_to_string(events().join(file)).unwrap()).unwrap();
        let call = Call::read(&payload).unwrap();
        assert_eq!(call.door(), door, "{file}");
        assert_eq!(
            call.wanted().into_iter().map(ToString::to_string).collect::<Vec<_>>(),
            wanted,
            "{file}"
        );
        assert!(call.asks().iter().all(|ask| ask.unreadable.is_empty()), "{file}");
        let fates = call
            .wanted()
            .into_iter()
            .map(|wanted| (wanted.clone(), Fate::Loaded(None)))
            .collect();
        let tally = Tally::of(&call, &fates);
        assert_eq!(
            (tally.test_events, tally.ignored.values().sum::<u64>()),
            (tests, ignored),
            "{file}"
        );
        assert!(
            call.answer(&fates, true).is_ok() && call.answer(&fates, false).is_ok(),
            "{file}"
        );
        // Tasks are told that they failed; for others it is an error.
        let is_well = wanted.is_empty() || door == "tasks";
        assert_eq!(call.answer(&Fates::new(), false).is_ok(), is_well, "{file}");
        told.insert(file.to_owned());
    }
    for file in ["sweep.json", "reconcile.json", "backfill.json"] {
        let payload = serde_json::from_str(&fs::read_to_string(events().join(file)).unwrap()).unwrap();
        assert!(
            Order::read(&payload).unwrap().is_ok() && Call::read(&payload).is_err(),
            "{file}"
        );
        told.insert(file.to_owned());
    }
    let payload = serde_json::from_str(&fs::read_to_string(events().join("firehose.json")).unwrap()).unwrap();
    assert_eq!(FirehoseCall::read(&payload).unwrap().unwrap().records().len(), 3);
    told.insert("firehose.json".to_owned());
    let there = fs::read_dir(events()).unwrap();
    let there: BTreeSet<String> = there
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, told);
    let readme = fs::read_to_string(events().join("README.md")).unwrap();
    for file in told.iter().filter(|file| file.ends_with(".json")) {
        assert!(readme.contains(&format!("| `{file}` |")), "{file}");
    }
}

#[test]
fn the_examples_have_every_field_that_the_typed_events_ask_for() {
    use aws_lambda_events::event::{s3::S3Event, sqs::SqsEvent};
    let text = |file| fs::read_to_string(events().join(file)).unwrap();
    for file in ["s3-put.json", "s3-two-records.json", "s3-removed.json"] {
        let event: S3Event = serde_json::from_str(&text(file)).unwrap();
        assert!(
            event
                .records
                .iter()
                .all(|record| record.event_source.as_deref() == Some("aws:s3")),
            "{file}"
        );
    }
    for file in ["sqs-s3-put.json", "sqs-test-event.json"] {
        let event: SqsEvent = serde_json::from_str(&text(file)).unwrap();
        for message in event.records {
            let body = message.body.unwrap();
            assert!(
                file.contains("test") || serde_json::from_str::<S3Event>(&body).is_ok(),
                "{file}"
            );
        }
    }
}

#[test]
fn a_payload_that_no_door_knows_is_told_by_its_names() {
    for (payload, seen) in [
        (json!(null), "the payload is null;"),
        (json!([created(&["a"])]), "the payload is a list;"),
        (json!("secret"), "the payload is a string;"),
        (json!({}), "the payload has no keys;"),
        (json!({"Records": "x"}), "\"Records\" is a string;"),
        (json!({"Records": null}), "\"Records\" is null;"),
        (json!({"Event": "s3:Other"}), "has the key \"Event\";"),
        (
            json!({"Records": [{"EventSource": "aws:ses", "ses": {"mail": "secret"}}]}),
            "and the first of its records has the keys \"EventSource\", \"ses\";",
        ),
        (
            json!({"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": "secret"}}]}),
            "has the keys \"eventSource\", \"kinesis\";",
        ),
        (
            json!({"detail-type": "Object Created", "detail": {"object": {"key": "secret"}}, "source": "aws.ec2"}),
            "has the keys \"detail\", \"detail-type\", \"source\";",
        ),
    ] {
        let error = Call::read(&payload).unwrap_err().to_string();
        assert!(error.contains(seen), "{payload}: {error}");
        assert!(!error.contains("secret"), "{error}");
        let (_, known) = error.split_once("; this function answers ").unwrap();
        let begins: Vec<&str> = known.split("; ").map(|shape| &shape[..12]).collect();
        let expected = [
            "an S3 event ",
            "SNS messages",
            "SQS messages",
            "an EventBrid",
            "tasks of S3 ",
            "items of a D",
            "{\"backfill\":",
            "{\"sweep\": {\"",
            "{\"reconcile\"",
            "records of F",
        ];
        assert_eq!(begins, expected);
    }
}

/// Any JSON, with the names and values that doors look for strewn in.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "Records",
        "Sns",
        "Message",
        "Items",
        "BatchInput",
        "Key",
        "Bucket",
        "keys",
        "prefix",
        "tasks",
        "invocationSchemaVersion",
        "detail",
        "detail-type",
        "source",
        "deliveryStreamArn",
        "records",
        "recordId",
        "data",
        "s3",
        "bucket",
        "name",
        "object",
        "key",
        "eventName",
        "eventVersion",
        "Event",
        "messageId",
        "body",
        "sweep",
        "reconcile",
        "backfill",
        "x",
    ]);
    let text = prop_oneof![
        "\\PC{0,8}",
        prop::sample::select(vec![
            "ObjectCreated:Put",
            "2.1",
            "s3:TestEvent",
            "aws:s3",
            "%FF",
            "{\"Records\":[{}]}"
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner.clone()), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|records| json!({"Records": records})),
            (inner.clone(), inner.clone())
                .prop_map(|(name, key)| json!({"s3": {"bucket": {"name": name}, "object": {"key": key}}})),
            (inner.clone(), inner.clone()).prop_map(|(id, body)| json!({"messageId": id, "body": body.to_string()})),
            inner
                .clone()
                .prop_map(|message| json!({"Records": [{"Sns": {"Message": message.to_string()}}]})),
            inner
                .clone()
                .prop_map(|detail| json!({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})),
            (inner.clone(), inner.clone()).prop_map(
                |(one, two)| json!({"invocationSchemaVersion": "2.0", "tasks": [one, {"taskId": "t", "s3Key": two}]})
            ),
            (inner.clone(), inner).prop_map(|(item, input)| json!({"Items": [item], "BatchInput": input})),
        ]
    })
}

proptest! {
    /// Whatever is sent is answered or refused; where nothing was done, only a call that asks for nothing succeeds.
    #[test]
    fn nothing_that_can_be_sent_is_too_odd(payload in any_json()) {
        if let Some(Err(error)) = Order::read(&payload) {
            prop_assert!(!error.to_string().contains('\n'));
        }
        if let Some(Ok(call)) = FirehoseCall::read(&payload) {
            let failed = vec![Transformed::Failed; call.records().len()];
            prop_assert_eq!(call.answer(failed).0["records"].as_array().unwrap().len(), call.records().len());
        }
        if let Ok(call) = Call::read(&payload) {
            let quiet = call.asks().iter().all(|ask| ask.wanted.is_empty() && ask.unreadable.is_empty());
            if call.has_results() {
                let named = call.asks().iter().all(|ask| ask.id.is_some());
                prop_assert_eq!(call.answer(&Fates::new(), false).is_ok(), named);
            } else {
                prop_assert_eq!(call.answer(&Fates::new(), false).is_ok(), quiet);
            }
            if let Err(error) = call.answer(&Fates::new(), true) {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}
