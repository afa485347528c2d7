//! Payloads of the function: any JSON is answered or refused, on one line, and answers name only what came.

use std::collections::BTreeSet;

use lakebed::door::{Call, Fate, Fates, FirehoseCall, Order, Tally, Transformed};
use serde_json::{Value, json};

/// Bytes that are JSON, as a payload and as the body of a message.
pub(crate) fn check(bytes: &[u8]) {
    if let Ok(payload) = serde_json::from_slice::<Value>(bytes) {
        assert_answered(&payload);
    }
    let body = String::from_utf8_lossy(bytes);
    assert_answered(&json!({"Records": [{"messageId": "m", "body": body}, {"messageId": body, "body": "{}"}]}));
    assert_answered(&json!({"Records": [{"Sns": {"MessageId": body, "Message": body}}]}));
    assert_answered(
        &json!({"invocationSchemaVersion": "2.0", "tasks": [{"taskId": "t", "s3Key": body, "s3Bucket": body}]}),
    );
    assert_answered(&json!({"Items": [body, {"Key": body}], "BatchInput": {"bucket": body, "glob": body}}));
    let record = json!({"recordId": body, "data": body});
    assert_answered(&json!({"deliveryStreamArn": body, "records": [record, {"recordId": "r", "data": body}, record]}));
}

fn assert_answered(payload: &Value) {
    match FirehoseCall::read(payload) {
        None => {}
        Some(Err(error)) => assert_one_line(&error.to_string()),
        Some(Ok(call)) => {
            let (answer, _) = call.answer(vec![Transformed::Failed; call.records().len()]);
            let ids = answer["records"].as_array().expect("it is a list").iter();
            let ids: BTreeSet<_> = ids.map(|record| record["recordId"].as_str()).collect();
            assert_eq!(ids.len(), call.records().len(), "each once");
        }
    }
    if let Some(Err(error)) = Order::read(payload) {
        assert_one_line(&error.to_string());
    }
    let call = match Call::read(payload) {
        Ok(call) => call,
        Err(error) => return assert_one_line(&error.to_string()),
    };
    let is_quiet = call
        .asks()
        .iter()
        .all(|ask| ask.wanted.is_empty() && ask.unreadable.is_empty());
    // Nothing was done: then only a call that asks for nothing succeeds.
    if !call.has_results() {
        assert_eq!(call.answer(&Fates::new(), false).is_ok(), is_quiet, "{payload}");
    }
    let all_loaded: Fates = call
        .wanted()
        .into_iter()
        .map(|wanted| (wanted.clone(), Fate::Loaded(None)))
        .collect();
    let is_readable = call.asks().iter().all(|ask| ask.unreadable.is_empty());
    if !call.has_results() {
        assert_eq!(call.answer(&all_loaded, false).is_ok(), is_readable, "{payload}");
    }
    for fates in [Fates::new(), all_loaded] {
        let tally = Tally::of(&call, &fates);
        assert_eq!(
            tally.objects,
            tally.loaded + tally.already + tally.skipped + tally.left_out + tally.failed
        );
        match call.answer(&fates, true) {
            Err(error) => assert_one_line(&error.to_string()),
            Ok(answer) => assert_named(&call, &answer),
        }
    }
}

fn assert_one_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// Each id once, and of those that came.
fn assert_named(call: &Call, answer: &Value) {
    let Some(items) = answer.get("batchItemFailures") else {
        return;
    };
    let ids: BTreeSet<&str> = call.asks().iter().filter_map(|ask| ask.id.as_deref()).collect();
    let mut named = BTreeSet::new();
    for item in items.as_array().expect("it is a list") {
        let id = item["itemIdentifier"].as_str().expect("it is a text");
        assert!(
            !id.is_empty() && ids.contains(id) && named.insert(id),
            "{id:?} of {ids:?}"
        );
    }
}
