//! What S3 and SQS send, made from keys; as S3 itself encodes them unless a test says otherwise.

#![allow(dead_code, reason = "each test file uses a part of it")]

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// All that S3 escapes in the key of a notification.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');
/// The same with slashes.
const ALL_ESCAPED: &AsciiSet = &ESCAPED.add(b'/');

/// `a b/c+d` as `a+b/c%2Bd`: S3.
pub(crate) fn encoded(key: &str) -> String {
    utf8_percent_encode(key, ESCAPED).to_string().replace("%20", "+")
}

/// `a b/c+d` as `a+b%2Fc%2Bd`.
pub(crate) fn encoded_with_slashes(key: &str) -> String {
    utf8_percent_encode(key, ALL_ESCAPED).to_string().replace("%20", "+")
}

/// `a b/c+d` as `a%20b/c%2Bd`.
pub(crate) fn encoded_without_plus(key: &str) -> String {
    utf8_percent_encode(key, ESCAPED).to_string()
}

/// A record of a notification about an object in `raw`; the key is encoded already.
pub(crate) fn created(encoded: &str) -> Value {
    json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2024-05-01T12:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": "raw", "arn": "arn:aws:s3:::raw"},
            "object": {"key": encoded, "size": 1024, "eTag": "0123456789abcdef0123456789abcdef", "sequencer": "0055AED6DCD90281E5"},
        },
    })
}

pub(crate) fn records(records: Vec<Value>) -> Value {
    json!({ "Records": records })
}

/// One notification about objects in `raw` by these keys.
pub(crate) fn notification(keys: &[impl AsRef<str>]) -> Value {
    records(keys.iter().map(|key| created(&encoded(key.as_ref()))).collect())
}

/// Messages `m0`, `m1` ... with these bodies.
pub(crate) fn messages(bodies: &[String]) -> Value {
    let message = |(n, body): (usize, &String)| {
        json!({
            "messageId": format!("m{n}"),
            "receiptHandle": "receipt",
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1714564800000"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:111122223333:raw-events",
            "awsRegion": "us-east-1",
        })
    };
    records(bodies.iter().enumerate().map(message).collect())
}

/// A message for each key.
pub(crate) fn message_each(keys: &[impl AsRef<str>]) -> Value {
    let body = |key: &_| notification(std::slice::from_ref(key)).to_string();
    messages(&keys.iter().map(body).collect::<Vec<_>>())
}

/// The ids that an answer to messages names.
pub(crate) fn failed_messages(answer: &Value) -> Vec<String> {
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    let items = answer["batchItemFailures"].as_array().unwrap();
    let id = |item: &Value| item["itemIdentifier"].as_str().unwrap().to_owned();
    items.iter().map(id).collect()
}
