//! S3 event notifications: which new objects they name.
//!
//! ```text
//! { Records: [{ eventVersion, eventName, s3: { bucket: { name }, object: { key, ... } }, ... }] }
//! { Event: "s3:TestEvent", ... }                     sent once, when a notification is set up
//! ```
//!
//! As a door of its own: S3 calls the function itself. Such calls are repeated twice when they fail and are then lost, unless
//! the function has a dead-letter queue; so an error names what was not loaded.
//!
//! Only the bucket and the key must be there: other senders than S3 leave out much of the rest.

use serde_json::Value;

use super::seen::{keys_of, kind, quoted};
use super::unreadable::{RecordFault, Unreadable, VERSION_MAJOR};
use super::{Ask, Call, Door, Wanted, answer};
use crate::s3::decode_key;

pub(super) const DOOR: Door = Door {
    name: "notification",
    shape: "an S3 event notification (\"Records\" with \"s3\")",
    read: |payload| is_notification(payload).then(|| Call::of(&DOOR, vec![read("payload", payload)])),
    answer: answer::whole,
};

const CREATED: &str = "ObjectCreated";
const TEST_EVENT: &str = "s3:TestEvent";
/// Names of ignored events come from outside; further ones are counted together.
const IGNORED_NAMES_MAX: usize = 20;
const OTHER: &str = "other";
const EVENT_NAME_BYTES_MAX: usize = 100;

/// Told from messages and other services' records by `s3`.
fn is_notification(payload: &Value) -> bool {
    match payload.get("Records") {
        Some(Value::Array(records)) => records.is_empty() || records.iter().any(|record| record.get("s3").is_some()),
        _ => is_test(payload),
    }
}

fn is_test(payload: &Value) -> bool {
    payload.get("Records").is_none() && payload.get("Event").and_then(Value::as_str) == Some(TEST_EVENT)
}

/// What a notification asks for. `part` is the name of what holds it, for errors.
pub(super) fn read(part: &'static str, notification: &Value) -> Ask {
    let mut ask = Ask::default();
    let Some(Value::Array(records)) = notification.get("Records") else {
        ask.is_test = is_test(notification);
        if !ask.is_test {
            let seen = keys_of(notification);
            ask.unreadable.push(Unreadable::Shape { part, seen });
        }
        return ask;
    };
    for (record, number) in records.iter().zip(1..) {
        match read_record(record) {
            Ok(Record::Created(wanted)) => ask.wanted.push(wanted),
            Ok(Record::Ignored(name)) => ask.ignore(name),
            Err(fault) => ask.unreadable.push(Unreadable::Record { number, fault }),
        }
    }
    ask.settle();
    ask
}

enum Record<'a> {
    Created(Wanted),
    /// Its event name.
    Ignored(&'a str),
}

fn read_record(record: &Value) -> Result<Record<'_>, RecordFault> {
    if !record.is_object() {
        return Err(RecordFault::NotAnObject { found: kind(record) });
    }
    check_version(record.get("eventVersion"))?;
    // A sender that leaves the name out has only one thing to tell.
    let name = text(record, "eventName", &["eventName"]);
    if let Some(name) = optional(name)?
        && !is_created(name)
    {
        let is_usual = |c: u8| c.is_ascii_alphanumeric() || c == b':';
        return if is_name_of(name, is_usual) {
            Ok(Record::Ignored(name))
        } else {
            Err(RecordFault::EventName)
        };
    }
    let bucket = text(record, "s3.bucket.name", &["s3", "bucket", "name"])?;
    if bucket.is_empty() {
        return Err(RecordFault::NoBucket);
    }
    let encoded = text(record, "s3.object.key", &["s3", "object", "key"])?;
    let key = decode_key(encoded).map_err(RecordFault::Key)?;
    Ok(Record::Created(Wanted {
        bucket: bucket.to_owned(),
        key,
    }))
}

/// Later versions with the same first number only add fields.
fn check_version(version: Option<&Value>) -> Result<(), RecordFault> {
    let text = match version {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(other) => {
            let (field, found) = ("eventVersion", kind(other));
            return Err(RecordFault::NotText { field, found });
        }
    };
    let (major, minor) = text.split_once('.').unwrap_or((&text, "0"));
    let minor_known = !minor.is_empty() && minor.bytes().all(|c| c.is_ascii_digit());
    if major == VERSION_MAJOR && minor_known {
        return Ok(());
    }
    Err(RecordFault::Version { found: quoted(&text) })
}

/// Put, Post, Copy, CompleteMultipartUpload, or what may come: a large object can be written in any way. Notifications have
/// no `s3:` before the name, their configuration has.
fn is_created(name: &str) -> bool {
    let name = name.strip_prefix("s3:").unwrap_or(name);
    let rest = name.strip_prefix(CREATED);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// What is no name of an event is not passed over as one of another event.
pub(super) fn is_name_of(name: &str, is_usual: impl Fn(u8) -> bool) -> bool {
    (1..=EVENT_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_usual)
}

pub(super) fn text<'a>(record: &'a Value, field: &'static str, path: &[&str]) -> Result<&'a str, RecordFault> {
    match path.iter().try_fold(record, |value, name| value.get(name)) {
        None | Some(Value::Null) => Err(RecordFault::Missing { field }),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(RecordFault::NotText {
            field,
            found: kind(other),
        }),
    }
}

fn optional(found: Result<&str, RecordFault>) -> Result<Option<&str>, RecordFault> {
    match found {
        Ok(text) => Ok(Some(text)),
        Err(RecordFault::Missing { .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

impl Ask {
    pub(super) fn ignore(&mut self, name: &str) {
        let room = self.ignored.contains_key(name) || self.ignored.len() < IGNORED_NAMES_MAX;
        let name = if room { name } else { OTHER };
        *self.ignored.entry(name.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(name: &str, key: &str) -> Value {
        json!({"eventVersion": "2.1", "eventName": name, "s3": {"bucket": {"name": "raw"}, "object": {"key": key}}})
    }

    /// What a notification with this one record asks for.
    fn ask(record: &Value) -> Ask {
        read("payload", &json!({"Records": [record]}))
    }

    fn fault(record: &Value) -> String {
        let ask = ask(record);
        assert!(ask.wanted.is_empty() && ask.ignored.is_empty(), "{record}");
        ask.unreadable.first().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn every_way_to_create_an_object_is_wanted_and_nothing_else() {
        for (name, wanted) in [
            ("ObjectCreated:Put", true),
            ("ObjectCreated:Post", true),
            ("ObjectCreated:Copy", true),
            ("ObjectCreated:CompleteMultipartUpload", true),
            ("s3:ObjectCreated:Put", true),
            ("ObjectCreated:Teleported", true),
            ("ObjectCreated", true),
            ("ObjectCreatedNot:Put", false),
            ("objectcreated:Put", false),
            ("ObjectRemoved:Delete", false),
            ("ObjectRemoved:DeleteMarkerCreated", false),
            ("ObjectRestore:Completed", false),
            ("s3:ObjectRestore:Post", false),
            ("LifecycleExpiration:Delete", false),
            ("LifecycleTransition", false),
            ("IntelligentTiering", false),
            ("Replication:OperationFailedReplication", false),
            ("ObjectTagging:Put", false),
            ("ObjectAcl:Put", false),
            ("ReducedRedundancyLostObject", false),
        ] {
            let ask = ask(&record(name, "a"));
            assert!(ask.unreadable.is_empty(), "{name}");
            assert_eq!(ask.wanted.len(), usize::from(wanted), "{name}");
            assert_eq!(ask.ignored.get(name).copied(), (!wanted).then_some(1), "{name}");
        }
    }

    #[test]
    fn versions_with_the_same_first_number_are_read() {
        for (version, good) in [
            (json!("2.0"), true),
            (json!("2.1"), true),
            (json!("2.17"), true),
            (json!("2"), true),
            (json!(2.1), true),
            (json!(2), true),
            (json!(null), true),
            (json!("3.0"), false),
            (json!("1.9"), false),
            (json!("20.1"), false),
            (json!("2."), false),
            (json!("2.x"), false),
            (json!(""), false),
            (json!("0"), false),
            (json!(["2.1"]), false),
        ] {
            let mut record = record("ObjectCreated:Put", "a");
            record["eventVersion"] = version.clone();
            assert_eq!(ask(&record).wanted.len(), usize::from(good), "{version}");
            assert_eq!(fault_mentions(&record, "eventVersion is"), !good, "{version}");
        }
        let removed = json!({"eventVersion": "3.0", "eventName": "ObjectRemoved:Delete"});
        assert_eq!(
            fault(&removed),
            "record 1: eventVersion is \"3.0\", and this release reads 2.x: use a newer release of lakebed"
        );
    }

    fn fault_mentions(record: &Value, text: &str) -> bool {
        ask(record).unreadable.iter().any(|why| why.to_string().contains(text))
    }

    #[test]
    fn only_bucket_and_key_must_be_there() {
        for record in [
            json!({"s3": {"bucket": {"name": "raw"}, "object": {"key": "a"}}}),
            json!({"eventName": null, "s3": {"bucket": {"name": "raw"}, "object": {"key": "a"}}}),
            json!({"eventTime": 7, "eventName": "ObjectCreated:Put", "new": {"field": []}, "awsRegion": null,
                "s3": {"bucket": {"name": "raw", "arn": 3},
                       "object": {"key": "a", "size": "12", "eTag": 5, "versionId": null, "sequencer": {}}}}),
        ] {
            let ask = ask(&record);
            assert_eq!(ask.wanted.len(), 1, "{record}");
            assert_eq!(ask.wanted[0].to_string(), "s3://raw/a");
            assert!(ask.unreadable.is_empty());
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_says_why() {
        for (record, why) in [
            (json!("x"), "it is a string, not an object"),
            (json!(null), "it is null, not an object"),
            (json!([]), "it is a list, not an object"),
            (json!({}), "s3.bucket.name is missing"),
            (json!({"s3": 3}), "s3.bucket.name is missing"),
            (json!({"s3": {"object": {"key": "a"}}}), "s3.bucket.name is missing"),
            (
                json!({"s3": {"bucket": {"name": null}, "object": {"key": "a"}}}),
                "s3.bucket.name is missing",
            ),
            (
                json!({"s3": {"bucket": {"name": 3}, "object": {"key": "a"}}}),
                "s3.bucket.name is a number, not text",
            ),
            (
                json!({"s3": {"bucket": {"name": ""}, "object": {"key": "a"}}}),
                "s3.bucket.name is empty",
            ),
            (json!({"s3": {"bucket": {"name": "raw"}}}), "s3.object.key is missing"),
            (
                json!({"s3": {"bucket": {"name": "raw"}, "object": {"key": ["a"]}}}),
                "s3.object.key is a list, not text",
            ),
            (
                json!({"s3": {"bucket": {"name": "raw"}, "object": {"key": ""}}}),
                "s3.object.key is empty",
            ),
            (
                json!({"s3": {"bucket": {"name": "raw"}, "object": {"key": "%FF"}}}),
                "s3.object.key decodes to bytes that are not UTF-8",
            ),
            (
                json!({"eventName": 3, "s3": {"bucket": {"name": "raw"}, "object": {"key": "a"}}}),
                "eventName is a number, not text",
            ),
        ] {
            let said = fault(&record);
            assert!(said.starts_with("record 1: ") && said.contains(why), "{record}: {said}");
        }
    }

    #[test]
    fn one_record_that_cannot_be_read_leaves_the_others_wanted() {
        let ask = read(
            "payload",
            &json!({"Records": [
                record("ObjectCreated:Put", "a"),
                {"s3": {"object": {"key": "lost"}}},
                record("ObjectRemoved:Delete", "gone"),
                record("ObjectCreated:Copy", "b"),
                record("ObjectCreated:Put", "a"),
            ]}),
        );
        let keys: Vec<&str> = ask.wanted.iter().map(|wanted| wanted.key.as_str()).collect();
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(ask.unreadable.len(), 1);
        assert_eq!(ask.unreadable[0].to_string(), "record 2: s3.bucket.name is missing");
        assert_eq!(ask.ignored["ObjectRemoved:Delete"], 1);
    }

    #[test]
    fn test_events_and_empty_notifications_are_successes() {
        for (payload, is_test) in [
            (
                json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw"}),
                true,
            ),
            (json!({"Event": "s3:TestEvent"}), true),
            (json!({"Records": []}), false),
            (json!({"Records": [], "Event": "s3:TestEvent"}), false),
        ] {
            assert!(is_notification(&payload), "{payload}");
            assert_eq!(
                read("payload", &payload),
                Ask {
                    is_test,
                    ..Ask::default()
                },
                "{payload}"
            );
        }
    }

    #[test]
    fn names_of_ignored_events_are_few_and_what_is_no_name_is_not_ignored() {
        let names = (0..40).map(|n| format!("Object{n}:X"));
        let records: Vec<Value> = names.map(|name| record(&name, "a")).collect();
        let ask = read("payload", &json!({"Records": records}));
        assert_eq!(ask.ignored.len(), IGNORED_NAMES_MAX + 1);
        assert_eq!(ask.ignored[OTHER], 20);
        assert!(ask.unreadable.is_empty());
        for name in ["", "a b", "\n", " ObjectCreated:Put", &"x".repeat(101)] {
            assert!(
                fault_mentions(&record(name, "a"), "eventName is not the name of an event"),
                "{name:?}"
            );
        }
    }
}
