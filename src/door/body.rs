//! The text of a message: what a service put into it on the way from S3.
//!
//! ```text
//! an S3 notification                                   S3 → SQS, S3 → SNS, SNS → SQS with raw delivery
//! { Type, TopicArn, Message: "<text>", ... }           SNS → SQS
//! { detail-type, source: "aws.s3", detail: {...} }     EventBridge → SQS, EventBridge → SNS
//! ```

use serde_json::Value;

use super::seen::kind;
use super::unreadable::Unreadable;
use super::{Ask, bus, notification};

/// Wrappers within each other. Services make three at most.
const WRAPPERS_MAX: usize = 3;

/// Reads the text of a message. `part` is the name of what holds it, for errors.
pub(super) fn read(part: &'static str, text: Option<&Value>) -> Ask {
    let unreadable = |why| Ask {
        unreadable: vec![why],
        ..Ask::default()
    };
    read_within(part, text, WRAPPERS_MAX).unwrap_or_else(unreadable)
}

fn read_within(part: &'static str, text: Option<&Value>, wrappers: usize) -> Result<Ask, Unreadable> {
    let text = match text {
        Some(Value::String(text)) => text,
        None | Some(Value::Null) => return Err(odd(part, "is missing".to_owned())),
        Some(other) => return Err(odd(part, format!("is {}, not text", kind(other)))),
    };
    // The message of the error has a place and no text of the body.
    let body: Value = serde_json::from_str(text).map_err(|error| Unreadable::NotJson {
        part,
        why: error.to_string(),
    })?;
    if is_envelope(&body) {
        return match wrappers.checked_sub(1) {
            Some(wrappers) => read_within("Message", body.get("Message"), wrappers),
            None => Err(odd(part, "is wrapped more often than any service does".to_owned())),
        };
    }
    Ok(match bus::is_event(&body) {
        true => bus::read(&body),
        false => notification::read(part, &body),
    })
}

/// Told from others by what SNS alone writes.
fn is_envelope(body: &Value) -> bool {
    let has = |name| body.get(name).is_some_and(Value::is_string);
    has("Message") && (has("TopicArn") || has("Type"))
}

fn odd(part: &'static str, why: String) -> Unreadable {
    Unreadable::Body { part, why }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::created;
    use super::*;

    fn wrapped(inner: &Value) -> Value {
        json!({"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:111122223333:t", "Message": inner.to_string()})
    }

    fn event(key: &str) -> Value {
        json!({"detail-type": "Object Created", "source": "aws.s3",
            "detail": {"bucket": {"name": "raw"}, "object": {"key": key}}})
    }

    #[test]
    fn each_wrapper_is_taken_off() {
        let bare = created(&["a+b"]);
        for (body, key) in [
            (bare.clone(), "a b"),
            (wrapped(&bare), "a b"),
            (wrapped(&wrapped(&bare)), "a b"),
            (event("a+b"), "a+b"),
            (wrapped(&event("a+b")), "a+b"),
            (json!({"Type": "Notification", "Message": bare.to_string()}), "a b"),
        ] {
            let ask = read("body", Some(&json!(body.to_string())));
            assert_eq!(ask.unreadable, [], "{body}");
            assert_eq!(
                ask.wanted.iter().map(|wanted| wanted.key.as_str()).collect::<Vec<_>>(),
                [key],
                "{body}"
            );
        }
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw"});
        assert!(read("body", Some(&json!(wrapped(&test).to_string()))).is_test);
    }

    #[test]
    fn what_cannot_be_read_says_which_part_it_is() {
        let endless = (0..5).fold(created(&["a"]), |inner, _| wrapped(&inner));
        for (body, why) in [
            (
                json!({"Type": "Notification", "Message": "secret"}),
                "the Message is not JSON: expected value",
            ),
            (
                json!({"Type": "Notification", "Message": "{}"}),
                "the Message has no keys: not an S3 event notification",
            ),
            (endless, "the Message is wrapped more often"),
            (
                json!({"Type": "SubscriptionConfirmation"}),
                "the body has the key \"Type\": not an S3",
            ),
            (
                json!({"source": "aws.ec2", "detail-type": "x", "detail": {}}),
                "the body has the keys",
            ),
        ] {
            let ask = read("body", Some(&json!(body.to_string())));
            let said = ask.unreadable.first().map(ToString::to_string).unwrap_or_default();
            assert!(said.contains(why), "{body}: {said}");
        }
    }
}
