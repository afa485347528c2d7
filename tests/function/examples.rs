//! Each file of `events/` does what `events/README.md` says of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lakebed::function::Function;
use lakebed::table::Tables;
use s3s::crypto::{Checksum as _, Md5};
use serde_json::{Value, json};

use crate::world::{World, answer, error, gzip, ids, lines, settings, tally};

const ONE: &str = "clicks/dt=2019-10-12/a b+c.gz";
const TWO: &str = "shop events/2019/10/12/03/shop-events-1-2019-10-12-03-20-12";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn example(name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder().join(name)).unwrap()).unwrap()
}

/// Objects under the names that the examples mean, and others under what somebody else could take them for.
fn world() -> (World, Function) {
    let world = World::new();
    let mut model = world.server.model();
    model.create_bucket("example-raw");
    model.seed("example-raw", ONE, gzip(lines(0..10)));
    model.seed("example-raw", TWO, lines(10..30));
    for other in [
        "clicks/dt%3D2019-10-12/a+b%2Bc.gz",
        "clicks%2Fdt%3D2019-10-12%2Fa+b%2Bc.gz",
        "clicks/dt=2019-10-12/a+b+c.gz",
        "shop+events/2019/10/12/03/shop-events-1-2019-10-12-03-20-12",
    ] {
        model.seed("example-raw", other, lines(1000..1001));
    }
    drop(model);
    let function = world.function_with(&[("LAKEBED_RAW", "s3://example-raw")]).unwrap();
    (world, function)
}

#[test]
fn every_example_is_described_and_every_described_one_is_there() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let described = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let described: BTreeSet<_> = described.map(|(name, _)| name.to_owned()).collect();
    let there = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<_> = there.map(|name| name.into_string().unwrap()).collect();
    assert_eq!(there, &described | &BTreeSet::from(["README.md".to_owned()]));
}

#[tokio::test]
async fn objects_named_by_an_example_are_loaded_once() {
    for (name, loaded, of_each) in [
        ("s3-put.json", 0..10, json!(1)),
        ("s3-put-minimal.json", 0..10, json!(1)),
        ("s3-two-records.json", 0..30, json!(2)),
        ("sqs-s3-put.json", 0..30, Value::Null),
        ("sqs-sns-s3-put.json", 0..10, Value::Null),
        ("sqs-eventbridge.json", 0..30, Value::Null),
        ("sns-s3-put.json", 0..10, json!(1)),
        ("eventbridge-created.json", 0..10, json!(1)),
        ("step-functions-items.json", 0..30, json!(2)),
        ("step-functions-item.json", 0..10, json!(1)),
        ("keys.json", 0..30, json!(2)),
    ] {
        let (world, function) = world();
        for again in [false, true] {
            let answer = answer(&function, &example(name)).await;
            if of_each.is_null() {
                assert_eq!(answer, json!({"batchItemFailures": []}), "{name}");
            } else {
                let already = if again { "already" } else { "loaded" };
                assert_eq!((&answer["objects"], &answer[already]), (&of_each, &of_each), "{name}");
            }
            assert_eq!(world.lake().ids(), ids(loaded.clone()), "{name}");
        }
    }
}

#[tokio::test]
async fn what_names_no_new_object_is_answered_and_asks_s3_nothing() {
    for (name, expected) in [
        (
            "s3-removed.json",
            json!({"ignored": {"ObjectRemoved:Delete": 1}, "test_events": 0}),
        ),
        ("s3-test-event.json", json!({"ignored": {}, "test_events": 1})),
        ("sqs-test-event.json", json!({"batchItemFailures": []})),
        ("sns-test-event.json", json!({"ignored": {}, "test_events": 1})),
        (
            "eventbridge-deleted.json",
            json!({"ignored": {"Object Deleted": 1}, "test_events": 0}),
        ),
    ] {
        let (world, function) = world();
        let answer = answer(&function, &example(name)).await;
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&answer[field], value, "{name}");
        }
        assert_eq!(world.requests().len(), 0, "{name}");
    }
}

#[tokio::test]
async fn the_answer_to_messages_names_those_that_failed() {
    let (world, function) = world();
    world
        .server
        .model()
        .delete(crate::support::s3::At::new("example-raw", TWO), None)
        .unwrap();
    let event = example("sqs-s3-put.json");
    let second = &event["Records"][1]["messageId"];
    let expected = json!({"batchItemFailures": [{"itemIdentifier": second}]});
    assert_eq!(answer(&function, &event).await, expected);
    assert_eq!(world.lake().ids(), ids(0..10));
    let error = error(&function, &example("s3-two-records.json")).await;
    assert!(
        error.contains("1 of 2 objects failed") && error.contains("Source.Missing"),
        "{error}"
    );
}

#[tokio::test]
async fn examples_of_objects_elsewhere_are_refused() {
    let world = World::new();
    let function = world.function();
    let error = error(&function, &example("s3-put.json")).await;
    assert!(
        error.contains("Source.NotAllowed") && error.contains("LAKEBED_RAW"),
        "{error}"
    );
    assert_eq!(tally(&answer(&function, &example("s3-removed.json")).await), [0; 5]);
}

#[test]
fn messages_of_examples_are_what_a_queue_sends() {
    for name in [
        "sqs-s3-put.json",
        "sqs-test-event.json",
        "sqs-sns-s3-put.json",
        "sqs-eventbridge.json",
    ] {
        for message in example(name)["Records"].as_array().unwrap() {
            let body = message["body"].as_str().unwrap();
            let sum: String = Md5::checksum(body.as_bytes())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(message["md5OfBody"], sum, "{name}");
            assert!(serde_json::from_str::<Value>(body).unwrap().is_object());
        }
    }
}

#[tokio::test]
async fn each_task_of_the_examples_has_its_result() {
    for (name, number, loaded) in [("s3-batch-1.json", 1, 0..10), ("s3-batch-2.json", 2, 0..30)] {
        let (world, function) = world();
        let event = example(name);
        for said in ["records=10 rows=10", "loaded before"] {
            let answer = answer(&function, &event).await;
            assert_eq!(
                answer["invocationSchemaVersion"], event["invocationSchemaVersion"],
                "{answer}"
            );
            assert_eq!(answer["invocationId"], event["invocationId"], "{answer}");
            let results = answer["results"].as_array().unwrap();
            assert_eq!(results.len(), number);
            for (result, task) in results.iter().zip(event["tasks"].as_array().unwrap()) {
                assert_eq!(
                    (&result["taskId"], &result["resultCode"]),
                    (&task["taskId"], &json!("Succeeded"))
                );
            }
            assert!(
                results[0]["resultString"].as_str().unwrap().starts_with(said),
                "{answer}"
            );
        }
        assert_eq!(world.lake().ids(), ids(loaded));
    }
}

#[tokio::test]
async fn records_of_the_example_of_firehose_are_judged_without_a_lake() {
    let world = World::new();
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let tables = Tables::load(&schemas).unwrap();
    let function = Function::new(settings(&[]), tables).unwrap().with_s3(world.s3());
    let answer = answer(&function, &example("firehose.json")).await;
    let of = |field: &str| -> Vec<Value> {
        let records = answer["records"].as_array().unwrap();
        records.iter().map(|record| record[field].clone()).collect()
    };
    assert_eq!(of("result"), ["Ok", "Ok", "ProcessingFailed"]);
    let hours: Vec<_> = of("metadata")
        .iter()
        .map(|metadata| metadata["partitionKeys"]["hour"].clone())
        .collect();
    assert_eq!(hours, [json!("02"), json!("03"), Value::Null]);
    assert_eq!(world.requests().len(), 0);
}

#[tokio::test]
async fn orders_of_the_examples_are_followed() {
    let (_world, function) = world();
    let report = answer(&function, &example("backfill.json")).await;
    assert_eq!(
        (&report["sources"]["found"], &report["sources"]["done"], &report["next"]),
        (&3.into(), &3.into(), &Value::Null),
        "{report}"
    );
    let (world, function) = self::world();
    let report = answer(&function, &example("reconcile.json")).await;
    assert_eq!(
        (&report["sources"]["found"], &report["load"]["sources"]["done"]),
        (&6.into(), &6.into()),
        "{report}"
    );
    assert_eq!(world.lake().ids().len(), 34);
    let again = answer(&function, &example("reconcile.json")).await;
    assert_eq!(
        (&again["sources"]["loaded"], &again["missing"]),
        (&6.into(), &json!([])),
        "{again}"
    );
    let report = answer(&function, &example("sweep.json")).await;
    assert_eq!(
        (&report["verb"], &report["exit"]),
        (&"sweep".into(), &0.into()),
        "{report}"
    );
}
