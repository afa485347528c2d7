//! Every door as its callers use it: objects of `raw` in, what failed of them out.

#![allow(dead_code, reason = "each test file uses a part of it")]

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::events::{created, encoded, failed_messages, messages, notification, records};

/// A way to hand objects to the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Envelope {
    Notification,
    Topic,
    Queue,
    QueueOfTopic,
    QueueOfBus,
    QueueOfBusOfTopic,
    Bus,
    TasksOne,
    TasksTwo,
    Items,
    Item,
    ByHand,
}

pub(crate) const ALL: [Envelope; 12] = [
    Envelope::Notification,
    Envelope::Topic,
    Envelope::Queue,
    Envelope::QueueOfTopic,
    Envelope::QueueOfBus,
    Envelope::QueueOfBusOfTopic,
    Envelope::Bus,
    Envelope::TasksOne,
    Envelope::TasksTwo,
    Envelope::Items,
    Envelope::Item,
    Envelope::ByHand,
];

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// All is well.
    Good,
    /// These failed, by their place; the others are done.
    Failed(Vec<usize>),
    /// The call failed as a whole.
    Error,
}

impl Envelope {
    /// Whether it carries several objects.
    pub(crate) fn has_several(self) -> bool {
        !matches!(self, Self::Bus | Self::Item)
    }

    /// A call that names these keys of `raw`.
    pub(crate) fn of(self, keys: &[&str]) -> Value {
        match self {
            Self::Notification => notification(keys),
            Self::Topic => records(keys.iter().map(|key| json!({
                "EventSource": "aws:sns", "EventVersion": "1.0",
                "EventSubscriptionArn": "arn:aws:sns:us-east-1:111122223333:raw:0",
                "Sns": {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:111122223333:raw",
                    "Subject": "Amazon S3 Notification", "Message": notification(&[key]).to_string(), "MessageAttributes": {}},
            })).collect()),
            Self::Queue => each(keys, |key| notification(&[key])),
            Self::QueueOfTopic => each(keys, |key| in_topic(&notification(&[key]))),
            Self::QueueOfBus => each(keys, on_bus),
            Self::QueueOfBusOfTopic => each(keys, |key| in_topic(&on_bus(key))),
            Self::Bus => on_bus(keys[0]),
            Self::TasksOne => tasks("1.0", keys, json!({})),
            Self::TasksTwo => tasks("2.0", keys, json!({})),
            Self::Items => {
                let items: Vec<_> = keys.iter().map(|key| json!({"Key": key, "Size": 1, "Etag": "\"x\"",
                    "LastModified": 1714564800.0, "StorageClass": "STANDARD"})).collect();
                json!({"Items": items, "BatchInput": {"bucket": "raw"}})
            }
            Self::Item => json!({"Bucket": "raw", "Key": keys[0], "Size": 1}),
            Self::ByHand => json!({"bucket": "raw", "keys": keys}),
        }
    }

    /// What an answer says of the objects, if any; it has the exact form that the caller reads.
    #[track_caller]
    pub(crate) fn said(self, answer: Result<Value, String>, objects: usize) -> Said {
        let Ok(answer) = answer else { return Said::Error };
        let failed: Vec<usize> = match self {
            Self::Queue | Self::QueueOfTopic | Self::QueueOfBus | Self::QueueOfBusOfTopic => failed_messages(&answer)
                .iter()
                .map(|id| id[1..].parse().unwrap())
                .collect(),
            Self::TasksOne | Self::TasksTwo => {
                assert_eq!(answer["invocationId"], "invocation", "{answer}");
                assert_eq!(answer["treatMissingKeysAs"], "PermanentFailure", "{answer}");
                let version = if self == Self::TasksOne { "1.0" } else { "2.0" };
                assert_eq!(answer["invocationSchemaVersion"], version, "{answer}");
                let results = answer["results"].as_array().unwrap();
                assert_eq!(results.len(), objects, "{answer}");
                for (n, result) in results.iter().enumerate() {
                    assert_eq!(result["taskId"], format!("t{n}"), "{answer}");
                    assert!(result["resultString"].is_string(), "{answer}");
                }
                let is_bad = |(_, result): &(usize, &Value)| result["resultCode"] != "Succeeded";
                results.iter().enumerate().filter(is_bad).map(|(n, _)| n).collect()
            }
            _ => {
                assert_eq!(answer["failed"], 0, "{answer}");
                vec![]
            }
        };
        if failed.is_empty() {
            Said::Good
        } else {
            Said::Failed(failed)
        }
    }

    /// What should be said where the objects at these places fail.
    pub(crate) fn expected(self, failed: &[usize]) -> Said {
        match self {
            _ if failed.is_empty() => Said::Good,
            Self::Queue
            | Self::QueueOfTopic
            | Self::QueueOfBus
            | Self::QueueOfBusOfTopic
            | Self::TasksOne
            | Self::TasksTwo => Said::Failed(failed.to_vec()),
            _ => Said::Error,
        }
    }
}

fn each(keys: &[&str], body: impl Fn(&str) -> Value) -> Value {
    messages(&keys.iter().map(|key| body(key).to_string()).collect::<Vec<_>>())
}

/// What SNS puts into a queue.
pub(crate) fn in_topic(message: &Value) -> Value {
    json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:111122223333:raw",
        "Message": message.to_string(), "Timestamp": "2024-05-01T12:00:00.000Z", "SignatureVersion": "1", "Signature": "x"})
}

/// What EventBridge has of a new object.
pub(crate) fn on_bus(key: &str) -> Value {
    json!({"version": "0", "id": "00000030-1111-4222-8333-444455556666", "detail-type": "Object Created",
        "source": "aws.s3", "account": "111122223333", "time": "2024-05-01T12:00:00Z", "region": "us-east-1",
        "resources": ["arn:aws:s3:::raw"], "detail": {"version": "0", "bucket": {"name": "raw"},
            "object": {"key": key, "size": 5, "etag": "5f2c8a1e9b7d40366a1b0c9de84f7a21", "sequencer": "005DA145F9A1B2C3D4"},
            "request-id": "9F2A0D7BF7852444", "requester": "111122223333", "reason": "PutObject"}})
}

/// Tasks of S3 Batch Operations, `t0`, `t1` ...
pub(crate) fn tasks(version: &str, keys: &[&str], arguments: Value) -> Value {
    let task = |(n, key): (usize, &&str)| {
        let key = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
        match version {
            "1.0" => {
                json!({"taskId": format!("t{n}"), "s3Key": key, "s3VersionId": null, "s3BucketArn": "arn:aws:s3:::raw"})
            }
            _ => json!({"taskId": format!("t{n}"), "s3Key": key, "s3VersionId": null, "s3Bucket": "raw"}),
        }
    };
    let mut job = json!({"id": "job"});
    if version != "1.0" {
        job["userArguments"] = arguments;
    }
    let tasks: Vec<_> = keys.iter().enumerate().map(task).collect();
    json!({"invocationSchemaVersion": version, "invocationId": "invocation", "job": job, "tasks": tasks})
}

/// A call of this kind with something in it that no sender should write, and nothing else.
pub(crate) fn malformed(envelope: Envelope) -> Vec<Value> {
    let body = |text: &str| messages(&[text.to_owned()]);
    match envelope {
        Envelope::Notification => vec![records(vec![created("in/%FF")]), records(vec![json!({"s3": 3})])],
        Envelope::Topic => vec![
            records(vec![json!({"EventSource": "aws:sns", "Sns": {"Message": "{"}})]),
            records(vec![json!({"EventSource": "aws:sns", "Sns": 3})]),
        ],
        Envelope::Queue => vec![body("{"), body("3"), body("{\"Records\": 3}")],
        Envelope::QueueOfTopic => vec![body(&in_topic(&json!("x")).to_string())],
        Envelope::QueueOfBus => {
            let mut event = on_bus("a");
            event["detail"] = json!(3);
            vec![body(&event.to_string())]
        }
        Envelope::QueueOfBusOfTopic => vec![body(
            &in_topic(&json!({"source": "aws.s3", "detail-type": 3})).to_string(),
        )],
        Envelope::Bus => vec![json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {}})],
        Envelope::TasksOne => {
            let mut event = tasks("1.0", &["in/a"], json!({}));
            event["tasks"][0]["s3BucketArn"] = json!(null);
            vec![event]
        }
        Envelope::TasksTwo => vec![tasks("2.0", &["in/a"], json!({"unknown": "1"})), {
            let mut event = tasks("2.0", &["in/a"], json!({}));
            event["tasks"][0]["s3Key"] = json!("%FF");
            event
        }],
        Envelope::Items => vec![
            json!({"Items": [{"Key": "in/a"}]}),
            json!({"Items": [3], "BatchInput": {"bucket": "raw"}}),
        ],
        Envelope::Item => vec![json!({"Bucket": "raw", "Key": 3})],
        Envelope::ByHand => vec![json!({"bucket": "raw", "keys": [null]}), json!({"keys": ["in/a"]})],
    }
}

/// A call of this kind that names nothing.
pub(crate) fn empty(envelope: Envelope) -> Option<Value> {
    Some(match envelope {
        Envelope::Notification | Envelope::Topic | Envelope::Queue => records(vec![]),
        Envelope::TasksOne | Envelope::TasksTwo | Envelope::Items | Envelope::ByHand => envelope.of(&[]),
        _ => return None,
    })
}

/// The key as a form has it, for senders that should not encode it so.
pub(crate) fn form(key: &str) -> String {
    encoded(key)
}
