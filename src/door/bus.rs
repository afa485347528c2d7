//! Events of S3 from EventBridge: one object each.
//!
//! ```text
//! { version, source: "aws.s3", "detail-type": "Object Created", detail: { bucket: { name }, object: { key, ... } } }
//! ```
//!
//! Keys are taken as they stand. Should S3 form-encode them after all, the object is looked for under that name too.

use serde_json::Value;

use super::unreadable::{RecordFault, Unreadable};
use super::{Ask, Call, Door, Wanted, answer, notification};

pub(super) const DOOR: Door = Door {
    name: "bus",
    shape: "an EventBridge event of S3 (\"source\": \"aws.s3\" with \"detail-type\" and \"detail\")",
    read: |payload| is_event(payload).then(|| Call::of(&DOOR, vec![read(payload)])),
    answer: answer::whole,
};

const SOURCE: &str = "aws.s3";
const CREATED: &str = "Object Created";
/// What the names of all events begin with that S3 itself sends.
const OF_S3: &str = "Object ";
const DETAIL_TYPE: &str = "detail-type";

/// Told from other events of a bus by their source.
pub(super) fn is_event(payload: &Value) -> bool {
    let text = |name| payload.get(name).and_then(Value::as_str);
    text("source") == Some(SOURCE) && payload.get(DETAIL_TYPE).is_some()
}

/// What an event asks for.
pub(super) fn read(event: &Value) -> Ask {
    let mut ask = Ask::default();
    match read_detail(event) {
        Ok(Ok(wanted)) => ask.want_as_it_stands(wanted),
        Ok(Err(name)) => ask.ignore(name),
        Err(fault) => ask.unreadable.push(Unreadable::Record { number: 1, fault }),
    }
    ask
}

/// The new object, or the name of another event.
fn read_detail(event: &Value) -> Result<Result<Wanted, &str>, RecordFault> {
    let name = notification::text(event, DETAIL_TYPE, &[DETAIL_TYPE])?;
    if name != CREATED {
        let is_usual = |c: u8| c.is_ascii_alphanumeric() || c == b' ';
        let is_name = notification::is_name_of(name, is_usual);
        // What CloudTrail tells of S3 may be about a new object as well, in another form.
        return match is_name && name.starts_with(OF_S3) {
            true => Ok(Err(name)),
            false => Err(RecordFault::DetailType),
        };
    }
    let bucket = notification::text(event, "detail.bucket.name", &["detail", "bucket", "name"])?;
    let key = notification::text(event, "detail.object.key", &["detail", "object", "key"])?;
    Ok(Ok(Wanted::checked(bucket, key)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(detail_type: Value, detail: Value) -> Value {
        json!({"version": "0", "source": "aws.s3", "detail-type": detail_type, "detail": detail})
    }

    fn object(key: &str) -> Value {
        json!({"bucket": {"name": "raw"}, "object": {"key": key, "size": 3, "etag": "x", "version-id": "v"}})
    }

    #[test]
    fn a_key_is_taken_as_it_stands_and_may_be_meant_otherwise() {
        for (key, other) in [
            ("a/b.gz", None),
            ("dt=2019-10-12/a b", None),
            ("a+b", Some("a b")),
            ("dt%3D1/a", Some("dt=1/a")),
            ("%FF", None),
        ] {
            let ask = read(&event(json!("Object Created"), object(key)));
            let wanted = Wanted::new("raw", key);
            assert_eq!((&ask.wanted, ask.unreadable.len()), (&vec![wanted.clone()], 0));
            assert_eq!(
                ask.otherwise.get(&wanted),
                other.map(|key| Wanted::new("raw", key)).as_ref()
            );
        }
    }

    #[test]
    fn other_events_are_answered_and_odd_ones_fail() {
        for name in ["Object Deleted", "Object Restore Completed", "Object Tags Added"] {
            let ask = read(&event(json!(name), object("a")));
            assert_eq!((ask.wanted.len(), ask.ignored.get(name)), (0, Some(&1)));
        }
        for (detail_type, detail, why) in [
            (json!("Object Created"), json!({}), "detail.bucket.name is missing"),
            (
                json!("Object Created"),
                json!({"bucket": {"name": "raw"}}),
                "detail.object.key is missing",
            ),
            (json!("Object Created"), object(""), "is empty"),
            (json!(3), object("a"), "detail-type is a number, not text"),
            (json!("Object\nDeleted"), object("a"), "detail-type is none of S3's own"),
            (
                json!("AWS API Call via CloudTrail"),
                object("a"),
                "let the rule match \"Object Created\"",
            ),
        ] {
            let ask = read(&event(detail_type, detail));
            let said = ask.unreadable.first().map(ToString::to_string).unwrap_or_default();
            assert!(said.contains(why) && ask.wanted.is_empty(), "{said}");
        }
        assert!(!is_event(
            &json!({"source": "aws.ec2", "detail-type": "Object Created", "detail": {}})
        ));
    }
}
