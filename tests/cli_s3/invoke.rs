//! `lakebed invoke`: the events that are shipped, answered as the function would.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::sandbox::{Ran, Run as _, finish, gzip, lines};
use crate::support::s3::{Effect, Fault};

/// The objects that the shipped events name.
const FIRST: &str = "clicks/dt=2019-10-12/a b+c.gz";
const SECOND: &str = "shop events/2019/10/12/03/shop-events-1-2019-10-12-03-20-12";

/// With the first of them in `s3://example-raw`.
fn cloud() -> Cloud {
    let cloud = Cloud::new();
    cloud.server.model().create_bucket("example-raw");
    cloud.server.model().seed("example-raw", FIRST, gzip(lines(0..10)));
    cloud
}

fn with_second() -> Cloud {
    let cloud = cloud();
    cloud.server.model().seed("example-raw", SECOND, lines(10..30));
    cloud
}

fn event(name: &str) -> String {
    format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"))
}

fn invoke(cloud: &Cloud, event: &str) -> Command {
    let mut command = cloud.command("invoke --to s3://lake/x");
    command.arg(event).env("LAKEBED_RAW", "s3://example-raw");
    command
}

fn answer(objects: u64, loaded: u64, already: u64, failed: u64) -> Value {
    json!({"objects": objects, "loaded": loaded, "already": already, "skipped": 0, "failed": failed, "unreadable": 0,
        "test_events": 0, "ignored": {}})
}

#[track_caller]
fn answers(ran: Ran, expected: Value) -> Ran {
    let ran = ran.exits(0);
    assert_eq!(ran.json(), expected, "{}", ran.stderr);
    ran
}

#[test]
fn a_notification_loads_its_object_once() {
    let cloud = cloud();
    let ran = answers(invoke(&cloud, &event("s3-put")).run(), answer(1, 1, 0, 0));
    assert!(
        ran.stderr
            .contains("1 object: 0 already loaded, 0 failed, 0 damaged; 10 records: 10 rows"),
        "{}",
        ran.stderr
    );
    assert_eq!(cloud.ids("s3://lake/x"), (0..10).collect::<Vec<_>>());
    cloud.server.clear_log();
    answers(invoke(&cloud, &event("s3-put")).run(), answer(1, 0, 1, 0));
    // The same object by another sender's spelling of its key.
    answers(invoke(&cloud, &event("s3-put-minimal")).run(), answer(1, 0, 1, 0));
    assert_eq!(cloud.writes(), [""; 0]);
    // And by a backfill.
    let ran = cloud.run("backfill s3://example-raw/clicks --to s3://lake/x").exits(0);
    assert_eq!(
        ran.stdout,
        "1 object already loaded, 0 new (--reload loads them again)\n"
    );
}

#[test]
fn an_event_may_come_from_stdin_and_the_lake_may_be_a_folder() {
    let cloud = cloud();
    let mut command = cloud.command("invoke - --to lake");
    command.env("LAKEBED_RAW", "s3://example-raw/clicks/");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = std::fs::read(event("s3-put")).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    answers(finish(child), answer(1, 1, 0, 0));
    assert_eq!(cloud.ids("lake"), (0..10).collect::<Vec<_>>());
}

#[test]
fn every_object_of_a_notification_is_loaded() {
    let cloud = with_second();
    let text = std::fs::read_to_string(event("s3-two-records")).unwrap();
    let ran = invoke(&cloud, &event("s3-two-records")).run();
    let objects: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(objects["Records"].as_array().unwrap().len(), 2);
    answers(ran, answer(2, 2, 0, 0));
    assert_eq!(cloud.ids("s3://lake/x"), (0..30).collect::<Vec<_>>());
}

#[test]
fn events_that_name_nothing_to_load_are_answered_without_a_request() {
    let cloud = cloud();
    for (name, field, expected) in [
        ("s3-removed", "ignored", json!({"ObjectRemoved:Delete": 1})),
        ("s3-test-event", "test_events", json!(1)),
        ("sqs-test-event", "batchItemFailures", json!([])),
    ] {
        let ran = invoke(&cloud, &event(name))
            .env("LAKEBED_PARTIAL_BATCH", "1")
            .run()
            .exits(0);
        assert_eq!(ran.json()[field], expected, "{name}");
    }
    assert!(cloud.server.log().is_empty());
}

#[test]
fn a_batch_is_answered_with_the_messages_that_failed() {
    let second = "00000002-1111-4222-8333-444455556666";
    let partial = |cloud: &Cloud| {
        invoke(cloud, &event("sqs-s3-put"))
            .env("LAKEBED_PARTIAL_BATCH", "1")
            .run()
    };
    let cloud = cloud();
    let ran = partial(&cloud).exits(1);
    assert_eq!(ran.json(), json!({"batchItemFailures": [{"itemIdentifier": second}]}));
    assert!(
        ran.stderr.contains("Source.Missing") && ran.stderr.contains(SECOND),
        "{}",
        ran.stderr
    );
    assert_eq!(cloud.ids("s3://lake/x"), (0..10).collect::<Vec<_>>());

    // Where the caller was not said to read that, the whole batch comes again.
    let ran = invoke(&cloud, &event("sqs-s3-put")).run().exits(1);
    assert_eq!(ran.stdout, "");
    for expected in [
        "the invocation failed: 1 of 2 messages failed",
        "LAKEBED_PARTIAL_BATCH",
        "Source.Missing",
    ] {
        assert!(ran.stderr.contains(expected), "no {expected:?} in {}", ran.stderr);
    }

    // Once it is there, all is well.
    cloud.server.model().seed("example-raw", SECOND, lines(10..30));
    answers(partial(&cloud), json!({"batchItemFailures": []}));
    answers(
        invoke(&cloud, &event("sqs-s3-put")).run(),
        json!({"batchItemFailures": []}),
    );
    assert_eq!(cloud.ids("s3://lake/x"), (0..30).collect::<Vec<_>>());
}

#[test]
fn objects_that_may_not_be_read_fail_with_the_setting_to_change() {
    let cloud = with_second();
    for raw in [
        "s3://other",
        "s3://example-raw/click",
        "s3://example-ra",
        "s3://other/a, s3://example-raw/Clicks",
    ] {
        let ran = invoke(&cloud, &event("s3-put")).env("LAKEBED_RAW", raw).run().exits(1);
        assert_eq!(ran.stdout, "");
        for expected in ["the invocation failed", "Source.NotAllowed", "LAKEBED_RAW", FIRST] {
            assert!(ran.stderr.contains(expected), "no {expected:?} in {}", ran.stderr);
        }
    }
    assert!(cloud.server.log().is_empty(), "refused by name alone");
    // One of two messages.
    let mut command = invoke(&cloud, &event("sqs-s3-put"));
    command
        .env("LAKEBED_RAW", "s3://example-raw/clicks")
        .env("LAKEBED_PARTIAL_BATCH", "true");
    let failed = command.run().exits(1).json()["batchItemFailures"].clone();
    assert_eq!(
        failed,
        json!([{"itemIdentifier": "00000002-1111-4222-8333-444455556666"}])
    );
    assert_eq!(cloud.ids("s3://lake/x"), (0..10).collect::<Vec<_>>());
}

#[test]
fn objects_of_the_lake_are_left_alone() {
    let cloud = cloud();
    let mut command = cloud.command("invoke --to s3://example-raw/clicks/dt=2019-10-12");
    command.arg(event("s3-put")).env("LAKEBED_RAW", "s3://example-raw/shop");
    let ran = command.run().exits(0);
    assert_eq!((&ran.json()["skipped"], &ran.json()["failed"]), (&1.into(), &0.into()));
    assert!(
        ran.stderr.contains("skipped") && ran.stderr.contains("inside the lake"),
        "{}",
        ran.stderr
    );
    assert!(cloud.server.log().is_empty());
}

#[test]
fn what_is_missing_or_wrong_is_refused_before_any_request() {
    let cloud = cloud();
    cloud.write("no.json", "{\"Records\":");
    cloud.write("other.json", "{\"hello\": 1}");
    let ran = cloud
        .command("invoke --to s3://lake/x")
        .arg(event("s3-put"))
        .run()
        .exits(2);
    assert!(
        ran.stderr.contains("set LAKEBED_RAW to s3://bucket/prefix"),
        "{}",
        ran.stderr
    );
    for (line, raw, exit, expected) in [
        (
            "invoke no.json --to s3://lake/x",
            "s3://example-raw",
            2,
            "no.json: not JSON",
        ),
        (
            "invoke nowhere.json --to s3://lake/x",
            "s3://example-raw",
            2,
            "nowhere.json: ",
        ),
        (
            "invoke other.json --to s3://lake/x",
            "s3://example-raw",
            2,
            "the invocation failed",
        ),
        ("invoke other.json", "s3://example-raw", 2, "LAKEBED_LAKE"),
        ("invoke other.json --to s3://lake/x", "s3://lake", 2, "overlap"),
        ("invoke other.json --to s3://lake/x", "s3://raw/a,", 2, "LAKEBED_RAW"),
        (
            "invoke other.json --to s3://lake/x --schemas nowhere",
            "s3://raw",
            2,
            "nowhere",
        ),
    ] {
        let ran = cloud.command(line).env("LAKEBED_RAW", raw).run().exits(exit);
        assert!(
            ran.stderr.contains(expected),
            "{line}: no {expected:?} in {}",
            ran.stderr
        );
        assert_eq!(ran.stdout, "", "{line}");
    }
    assert!(cloud.server.log().is_empty());
}

#[test]
fn an_s3_that_fails_fails_the_invocation() {
    for (operation, bucket, expected) in [
        ("GetObject", "lake", "lake s3://lake/x"),
        ("GetObject", "example-raw", "Source.Unreadable"),
        ("PutObject", "lake", "lake"),
    ] {
        let cloud = cloud();
        let fault = Fault::on(operation, Effect::SLOW_DOWN).request(move |entry| entry.bucket == bucket);
        cloud.server.inject(fault);
        let ran = invoke(&cloud, &event("s3-put"))
            .env("AWS_MAX_ATTEMPTS", "1")
            .run()
            .exits(1);
        assert_eq!(ran.stdout, "");
        assert!(
            ran.stderr.contains("the invocation failed") && ran.stderr.contains(expected),
            "{}",
            ran.stderr
        );
        cloud.server.clear_faults();
        answers(invoke(&cloud, &event("s3-put")).run(), answer(1, 1, 0, 0));
        assert_eq!(cloud.ids("s3://lake/x"), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn orders_are_followed_and_end_as_their_verbs_do() {
    let cloud = cloud();
    let report = invoke(&cloud, &event("reconcile")).run().exits(0).json();
    assert_eq!(report["load"]["sources"]["done"], 1, "{report}");
    assert_eq!(cloud.ids("s3://lake/x"), (0..10).collect::<Vec<_>>());
    let report = invoke(&cloud, &event("sweep")).run().exits(0).json();
    assert_eq!(
        (&report["verb"], &report["lake"]),
        (&"sweep".into(), &"s3://lake/x".into())
    );
    // What is missing is no failure of the function, and is one of the command.
    cloud.server.model().seed("example-raw", SECOND, lines(10..30));
    for (order, exit, expected) in [
        (
            r#"{"reconcile": {"source": "s3://example-raw"}}"#,
            1,
            "\"why\": \"never\"",
        ),
        (r#"{"reconcile": {"source": "s3://raw"}}"#, 2, "add it to LAKEBED_RAW"),
        (
            r#"{"reconcile": {"from": "s3://raw"}}"#,
            2,
            "reconcile has an unknown key \"from\"",
        ),
        (r#"{"sweep": {"dry_run": true}}"#, 0, "\"dry_run\": true"),
    ] {
        cloud.write("order.json", order);
        let ran = invoke(&cloud, "order.json").run().exits(exit);
        let said = if exit == 2 { &ran.stderr } else { &ran.stdout };
        assert!(said.contains(expected), "{order}: {ran:?}");
    }
}
