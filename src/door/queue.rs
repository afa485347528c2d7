//! Messages of an SQS queue, each with an S3 event notification as its body, or what SNS or EventBridge make of one.
//!
//! ```text
//! { Records: [{ messageId, body: "{ Records: [{ s3 ... }] }", ... }] }
//!   ──> { batchItemFailures: [{ itemIdentifier: messageId }] }       the messages that come again; the others are deleted
//! ```
//!
//! A message that is named comes again, so one may be named that was done, never one left out that was not. The queue
//! takes an id that it does not know, or an empty one, for a failure of the whole batch: only ids that came are sent back,
//! and where a failed message has none, the batch fails as a whole.

use std::collections::BTreeSet;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use serde_json::Value;

use super::answer::{AnswerError, Fates, Troubles};
use super::{Ask, Call, Door, body};

pub(super) const DOOR: Door = Door {
    name: "queue",
    shape: "SQS messages (\"Records\" with \"messageId\" and \"body\") whose bodies are such notifications",
    read,
    answer,
};

/// Told from notifications by `messageId` or `body`.
fn read(payload: &Value) -> Option<Call> {
    let records = payload.get("Records")?.as_array()?;
    let is_message = |record: &Value| record.get("messageId").is_some() || record.get("body").is_some();
    let asks = || records.iter().map(read_message).collect();
    records.iter().any(is_message).then(|| Call::of(&DOOR, asks()))
}

/// Reads two fields by hand: the typed event is all or nothing, and an attribute of an odd form in one message would fail
/// the others.
fn read_message(message: &Value) -> Ask {
    let id = message.get("messageId").and_then(Value::as_str).map(str::to_owned);
    Ask {
        id,
        ..body::read("body", message.get("body"))
    }
}

fn answer(call: &Call, fates: &Fates, partial_batch: bool) -> Result<Value, AnswerError> {
    let failed: Vec<&Ask> = call.asks.iter().filter(|ask| !ask.succeeded(fates)).collect();
    let whole = |why| AnswerError::Batch {
        failed: failed.len(),
        messages: call.asks.len(),
        why,
        troubles: Troubles::of(call, fates),
    };
    if !failed.is_empty() && !partial_batch {
        return Err(whole("LAKEBED_PARTIAL_BATCH is not set"));
    }
    let mut response = SqsBatchResponse::default();
    let mut named = BTreeSet::new();
    for ask in &failed {
        let id = ask.id.as_deref().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| whole("one of them has no messageId to name it by"))?;
        if named.insert(id) {
            response.add_failure(id);
        }
    }
    Ok(serde_json::to_value(response).expect("a list of texts is JSON"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::answer::{Failure, Fate};
    use super::super::{Wanted, tests::created};
    use super::*;

    fn message(id: &Value, body: &Value) -> Value {
        json!({"messageId": id, "body": body, "eventSource": "aws:sqs"})
    }

    fn call(messages: &[Value]) -> Call {
        Call::read(&json!({"Records": messages})).unwrap()
    }

    /// All is loaded but these keys.
    fn all_but(call: &Call, failed: &[&str]) -> Fates {
        let fate = |wanted: &Wanted| {
            let failure = Failure::new("Source.Unreadable", "read it", true);
            if failed.contains(&wanted.key.as_str()) {
                Fate::Failed(failure)
            } else {
                Fate::Loaded(None)
            }
        };
        call.wanted()
            .into_iter()
            .map(|wanted| (wanted.clone(), fate(wanted)))
            .collect()
    }

    fn named(answer: &Value) -> Vec<&str> {
        let items = answer["batchItemFailures"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["itemIdentifier"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn a_body_that_cannot_be_read_fails_its_message_alone() {
        let good = json!(created(&["a"]).to_string());
        for (body, why) in [
            (
                json!("{"),
                "the body is not JSON: EOF while parsing an object at line 1 column 1",
            ),
            (json!(""), "the body is not JSON: EOF"),
            (json!("[".repeat(1000)), "the body is not JSON: recursion limit"),
            (json!(null), "the body is missing"),
            (json!({"Records": []}), "the body is an object, not text"),
            (json!("3"), "the body is a number: not an S3 event notification"),
            (
                json!("{\"Type\": \"Notification\", \"Message\": \"secret\"}"),
                "the Message is not JSON: expected value at line 1 column 1",
            ),
            (
                json!("{\"Records\": [{\"body\": \"secret\"}]}"),
                "record 1: s3.bucket.name is missing",
            ),
            (
                json!("{\"Records\": {}}"),
                "the body has the key \"Records\", and \"Records\" is an object: not",
            ),
        ] {
            let call = call(&[
                message(&json!("m1"), &good),
                message(&json!("m2"), &body),
                message(&json!("m3"), &good),
            ]);
            let said = call.asks()[1].unreadable[0].to_string();
            assert!(said.contains(why), "{body}: {said}");
            assert_eq!(call.wanted().len(), 1);
            assert_eq!(
                named(&call.answer(&all_but(&call, &[]), true).unwrap()),
                ["m2"],
                "{body}"
            );
        }
    }

    #[test]
    fn an_object_named_by_several_messages_is_wanted_once_and_fails_each() {
        let body = |keys: &[&str]| json!(created(keys).to_string());
        let call = call(&[
            message(&json!("m1"), &body(&["a", "b", "a"])),
            message(&json!("m2"), &body(&["c"])),
            message(&json!("m3"), &body(&["d", "a"])),
            message(&json!("m3"), &body(&["a"])),
        ]);
        let keys: Vec<&str> = call.wanted().into_iter().map(|wanted| wanted.key.as_str()).collect();
        assert_eq!(keys, ["a", "b", "c", "d"]);
        for (failed, expected) in [
            (vec![], vec![]),
            (vec!["a"], vec!["m1", "m3"]),
            (vec!["b"], vec!["m1"]),
            (vec!["c"], vec!["m2"]),
            (vec!["d"], vec!["m3"]),
            (vec!["c", "d"], vec!["m2", "m3"]),
        ] {
            let answer = call.answer(&all_but(&call, &failed), true).unwrap();
            assert_eq!(named(&answer), expected, "{failed:?}");
        }
    }

    #[test]
    fn a_failed_message_without_an_id_fails_the_batch() {
        let [a, b] = ["a", "b"].map(|key| json!(created(&[key]).to_string()));
        for id in [json!(null), json!(""), json!(7)] {
            let call = call(&[message(&json!("m1"), &a), message(&id, &b)]);
            assert_eq!(
                named(&call.answer(&all_but(&call, &["a"]), true).unwrap()),
                ["m1"],
                "{id}"
            );
            let error = call.answer(&all_but(&call, &["b"]), true).unwrap_err().to_string();
            assert!(
                error.contains("1 of 2 messages failed") && error.contains("no messageId"),
                "{error}"
            );
        }
    }

    #[test]
    fn without_partial_answers_one_failed_message_fails_the_batch() {
        let body = |key: &str| json!(created(&[key]).to_string());
        let call = call(&[message(&json!("m1"), &body("a")), message(&json!("m2"), &body("b"))]);
        assert_eq!(
            call.answer(&all_but(&call, &[]), false).unwrap(),
            json!({"batchItemFailures": []})
        );
        assert_eq!(
            call.answer(&all_but(&call, &["b"]), false).unwrap_err().to_string(),
            "1 of 2 messages failed, and LAKEBED_PARTIAL_BATCH is not set, so all of them come again: \
             1 of 2 objects failed: s3://raw/b (Source.Unreadable: read it)"
        );
    }

    #[test]
    fn odd_attributes_and_missing_fields_do_not_stop_a_batch() {
        let body = created(&["a"]).to_string();
        for message in [
            json!({"messageId": "m1", "body": body}),
            json!({"messageId": "m1", "body": body, "attributes": null, "messageAttributes": {"x": {"stringListValues": null}}}),
            json!({"messageId": "m1", "body": body, "attributes": {"ApproximateReceiveCount": 3}, "receiptHandle": 7}),
        ] {
            let call = call(&[message]);
            assert_eq!(call.door(), "queue");
            assert_eq!(call.wanted().len(), 1);
        }
    }

    #[test]
    fn the_failing_subset_of_ten_messages_is_reported_exactly() {
        let ids: Vec<String> = (0..10).map(|n| format!("m{n}")).collect();
        let keys: Vec<String> = (0..10).map(|n| format!("k{n}")).collect();
        let messages = ids
            .iter()
            .zip(&keys)
            .map(|(id, key)| message(&json!(id), &json!(created(&[key]).to_string())));
        let call = call(&messages.collect::<Vec<_>>());
        for subset in 0..1024_u32 {
            let chosen = |texts: &'_ [String]| -> Vec<String> {
                let chosen = texts.iter().enumerate().filter(|(n, _)| subset >> n & 1 == 1);
                chosen.map(|(_, text)| text.clone()).collect()
            };
            let failed = chosen(&keys);
            let fates = all_but(&call, &failed.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(named(&call.answer(&fates, true).unwrap()), chosen(&ids));
            assert_eq!(call.answer(&fates, false).is_ok(), subset == 0);
        }
    }
}
