//! `{"backfill": {...}}`: load what lies below a place.
//!
//! What one call has no time for is named in its answer: `next` is the payload that goes on exactly there.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::{Kind, Order, OrderError};
use crate::door::Wish;
use crate::s3::S3Location;

pub(super) const KIND: Kind = Kind {
    name: "backfill",
    shape: "{\"backfill\": {\"source\": \"s3://bucket/prefix\", \"since\": \"36h\", \"until\": \"1h\", \"glob\": \"**/*.gz\", \
            \"dry_run\": false, \"reload\": false}}",
    read,
};

const PLACE: &str = "\"s3://bucket/prefix\"";
const CONTINUE: &str = "the \"continue_from\" of an answer";

/// An order to load raw objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillOrder {
    /// Where the raw objects are.
    pub source: S3Location,
    /// Which of them, and how.
    pub wish: Wish,
    /// Only those whose key stands behind this one.
    pub continue_from: Option<String>,
}

fn read(members: &Map<String, Value>) -> Result<Order, OrderError> {
    let known = ["source", "since", "until", "glob", "dry_run", "reload", "continue_from"];
    let fields = Fields::of("backfill", &known, members)?;
    let source = fields
        .text("source", PLACE)?
        .ok_or_else(|| fields.missing("source", PLACE))?;
    let source: S3Location = source.parse().map_err(|why| fields.wrong("source", why))?;
    let continue_from = fields.text("continue_from", CONTINUE)?;
    if let Some(key) = continue_from.filter(|key| !source.contains(source.bucket(), key)) {
        let why = format!("{key:?} is no key below {source}; write {CONTINUE} to the same order");
        return Err(fields.wrong("continue_from", why));
    }
    Ok(Order::Backfill(BackfillOrder {
        source,
        wish: Wish::of(&fields)?,
        continue_from: continue_from.map(str::to_owned),
    }))
}

/// The form that is made of a bucket and a prefix.
pub(super) fn read_short(members: &Map<String, Value>) -> Option<Result<Order, OrderError>> {
    let (bucket, prefix) = (members.get("bucket")?, members.get("prefix")?);
    let (Value::String(bucket), Value::String(prefix)) = (bucket, prefix) else {
        let why = "\"bucket\" and \"prefix\" are texts, such as {\"bucket\": \"raw\", \"prefix\": \"clicks/\"}";
        return Some(Err(OrderError(why.to_owned())));
    };
    let mut members = members.clone();
    members.remove("bucket");
    members.remove("prefix");
    members.insert("source".to_owned(), json!(format!("s3://{bucket}/{prefix}")));
    Some(read(&members))
}

impl BackfillOrder {
    /// The payload that asks for this order, with these moments: those of the order may be told from now.
    pub fn payload(&self, since: Option<String>, until: Option<String>) -> Value {
        let mut members = Map::from_iter([("source".to_owned(), json!(self.source.to_string()))]);
        let texts = [
            ("since", since),
            ("until", until),
            ("glob", self.wish.glob.clone()),
            ("continue_from", self.continue_from.clone()),
        ];
        members.extend(
            texts
                .into_iter()
                .filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))),
        );
        for (name, flag) in [("dry_run", self.wish.dry_run), ("reload", self.wish.reload)] {
            if flag {
                members.insert(name.to_owned(), json!(true));
            }
        }
        json!({"backfill": members})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::when::When;

    #[test]
    fn only_the_source_has_to_be_named() {
        let bare = BackfillOrder {
            source: "s3://raw/in".parse().unwrap(),
            wish: Wish::default(),
            continue_from: None,
        };
        let all = BackfillOrder {
            wish: Wish {
                dry_run: true,
                reload: true,
                since: Some(When::Ago(129_600)),
                until: Some(When::At(1_570_838_400)),
                glob: Some("**/*.gz".to_owned()),
            },
            continue_from: Some("in/a".to_owned()),
            ..bare.clone()
        };
        for (payload, expected) in [
            (json!({"backfill": {"source": "s3://raw/in"}}), &bare),
            (
                json!({"backfill": {"source": "s3://raw/in", "continue_from": null, "reload": false}}),
                &bare,
            ),
            (json!({"bucket": "raw", "prefix": "in"}), &bare),
            (
                json!({"bucket": "raw", "prefix": "in", "dry_run": true, "reload": true, "since": "36h",
                    "until": "2019-10-12", "glob": "**/*.gz", "continue_from": "in/a"}),
                &all,
            ),
        ] {
            let order = Order::read(&payload).unwrap();
            assert_eq!(order, Ok(Order::Backfill(expected.clone())), "{payload}");
        }
        let again = all.payload(Some("36h".to_owned()), Some("2019-10-12".to_owned()));
        assert_eq!(Order::read(&again).unwrap(), Ok(Order::Backfill(all)));
        let again = bare.payload(None, None);
        assert_eq!(again, json!({"backfill": {"source": "s3://raw/in"}}));
    }

    #[test]
    fn a_place_to_go_on_from_lies_below_the_source() {
        for (payload, why) in [
            (
                json!({"backfill": {"source": "s3://raw/in", "continue_from": "out/a"}}),
                "backfill.continue_from: \"out/a\" is no key below s3://raw/in; write the \"continue_from\" of an answer",
            ),
            (
                json!({"backfill": {"source": "s3://raw", "continue_from": 3}}),
                "backfill.continue_from is a number",
            ),
            (
                json!({"bucket": "raw", "prefix": 3}),
                "\"bucket\" and \"prefix\" are texts",
            ),
            (
                json!({"bucket": "raw", "prefix": "a", "load": true}),
                "backfill has an unknown key \"load\"",
            ),
        ] {
            let error = Order::read(&payload).unwrap().unwrap_err().to_string();
            assert!(error.contains(why), "{payload}: {error}");
        }
    }
}
