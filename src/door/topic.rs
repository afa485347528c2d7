//! Messages of an SNS topic that calls the function itself.
//!
//! ```text
//! { Records: [{ EventSource: "aws:sns", Sns: { MessageId, Message: "<text>", ... } }] }
//! ```
//!
//! SNS repeats a call that failed, as S3 does, and reads no answer; so one message that failed fails the call.

use serde_json::Value;

use super::{Ask, Call, Door, answer, body};

pub(super) const DOOR: Door = Door {
    name: "topic",
    shape: "SNS messages (\"Records\" with \"Sns\") whose \"Message\" is such a notification",
    read,
    answer: answer::whole,
};

/// Told from notifications and messages of a queue by `Sns`.
fn read(payload: &Value) -> Option<Call> {
    let records = payload.get("Records")?.as_array()?;
    let is_message = |record: &Value| record.get("Sns").is_some();
    let asks = || records.iter().map(read_message).collect();
    records.iter().any(is_message).then(|| Call::of(&DOOR, asks()))
}

fn read_message(record: &Value) -> Ask {
    let sns = record.get("Sns");
    let field = |name: &str| sns.and_then(|sns| sns.get(name));
    Ask {
        id: field("MessageId").and_then(Value::as_str).map(str::to_owned),
        ..body::read("Message", field("Message"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::answer::{Fate, Fates};
    use super::super::tests::created;
    use super::*;

    #[test]
    fn one_message_that_cannot_be_read_fails_the_call_and_the_others_are_wanted() {
        let record = |message: Value| json!({"EventSource": "aws:sns", "Sns": {"MessageId": "m", "Message": message}});
        let good = record(json!(created(&["a"]).to_string()));
        let call = Call::read(&json!({"Records": [good]})).unwrap();
        assert_eq!((call.door(), call.asks()[0].id.as_deref()), ("topic", Some("m")));
        let fates: Fates = call
            .wanted()
            .into_iter()
            .map(|wanted| (wanted.clone(), Fate::Loaded(None)))
            .collect();
        assert!(call.answer(&fates, false).is_ok());
        for bad in [
            record(json!("{")),
            record(json!(null)),
            json!({"EventSource": "aws:sns"}),
            json!(3),
        ] {
            let call = Call::read(&json!({"Records": [good, bad]})).unwrap();
            assert_eq!((call.door(), call.wanted().len()), ("topic", 1), "{bad}");
            let error = call.answer(&fates, true).unwrap_err().to_string();
            assert!(error.contains("not readable, 1 in all: the Message"), "{error}");
        }
    }
}
