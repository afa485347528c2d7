//! Objects named one by one: items of a Distributed Map of Step Functions, or a list that a person writes.
//!
//! ```text
//! { Items: [{ Key, Size, ... }], BatchInput: { bucket, dry_run, ... } }    the map batches its items
//! { Bucket, Key }                                                          it does not
//! { bucket, keys: ["a", "b"] }                                             by hand
//! ```
//!
//! Keys are taken as they stand; those of an inventory are form-encoded, so the object is looked for under that name too.
//! A state that fails is tried again as a whole, and what is loaded by then is passed over.

use serde_json::Value;

use super::seen::kind;
use super::unreadable::{RecordFault, Unreadable};
use super::{Ask, Call, Door, Wanted, Wish, answer};

pub(super) const DOOR: Door = Door {
    name: "items",
    shape: "items of a Distributed Map ({\"Items\": [{\"Key\"}], \"BatchInput\": {\"bucket\"}}, or {\"Bucket\", \"Key\"}) or \
            {\"bucket\", \"keys\": []}",
    read,
    answer: answer::whole,
};

fn read(payload: &Value) -> Option<Call> {
    let members = payload.as_object()?;
    let either = |lower, upper| members.get(lower).or_else(|| members.get(upper));
    if let Some(Value::Array(items)) = members.get("Items") {
        let input = match members.get("BatchInput") {
            None | Some(Value::Null) => Ok((None, Wish::default())),
            Some(Value::Object(input)) => Wish::beside("BatchInput", input),
            Some(other) => Err(format!("BatchInput is {}, not an object", kind(other))),
        };
        let beside = members.keys().find(|name| Wish::has(name));
        let input = match beside {
            Some(name) => Err(format!("\"{name}\" stands beside Items; write it into BatchInput")),
            None => input,
        };
        return Some(call(items, input));
    }
    let bucket = either("bucket", "Bucket").and_then(Value::as_str);
    if let Some(Value::Array(keys)) = members.get("keys") {
        let others = members.iter().filter(|(name, _)| *name != "keys" && *name != "Bucket");
        let others = others.map(|(name, value)| (name.clone(), value.clone())).collect();
        let input = Wish::beside("keys", &others);
        let input = input.map(|(named, wish)| (named.or_else(|| bucket.map(str::to_owned)), wish));
        return Some(call(keys, input));
    }
    let is_item = bucket.is_some() && either("key", "Key").is_some();
    // An item has columns of its own beside these.
    let wishes = members.iter().filter(|(name, _)| Wish::has(name));
    let wishes = wishes.map(|(name, value)| (name.clone(), value.clone())).collect();
    is_item.then(|| call(std::slice::from_ref(payload), Wish::beside("item", &wishes)))
}

fn call(items: &[Value], input: Result<(Option<String>, Wish), String>) -> Call {
    let mut ask = Ask::default();
    let (bucket, wish) = input.unwrap_or_else(|why| {
        ask.unreadable.push(Unreadable::Arguments { why });
        Default::default()
    });
    // What it asks for is not known, so nothing is done.
    let items = if ask.unreadable.is_empty() { items } else { &[] };
    for (item, number) in items.iter().zip(1..) {
        match read_item(item, bucket.as_deref()) {
            Ok(wanted) => ask.want_as_it_stands(wanted),
            Err(fault) => ask.unreadable.push(Unreadable::Item { number, fault }),
        }
    }
    ask.settle();
    Call {
        wish,
        ..Call::of(&DOOR, vec![ask])
    }
}

fn read_item(item: &Value, bucket: Option<&str>) -> Result<Wanted, RecordFault> {
    let field = |lower: &str, upper: &str| item.get(lower).or_else(|| item.get(upper));
    let key = match item {
        Value::String(key) => Some(key.as_str()),
        Value::Object(_) => match field("key", "Key") {
            None | Some(Value::Null) => None,
            Some(Value::String(key)) => Some(key.as_str()),
            Some(other) => {
                let (field, found) = ("Key", kind(other));
                return Err(RecordFault::NotText { field, found });
            }
        },
        other => return Err(RecordFault::NotAnObject { found: kind(other) }),
    };
    let own = field("bucket", "Bucket").and_then(Value::as_str);
    let bucket = own.or(bucket).ok_or(RecordFault::Missing { field: "the bucket" })?;
    Wanted::checked(bucket, key.ok_or(RecordFault::Missing { field: "Key" })?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Fates;
    use super::*;

    fn keys(payload: &Value) -> Vec<String> {
        let call = Call::read(payload).unwrap();
        assert_eq!(
            (call.door(), call.asks()[0].unreadable.len()),
            ("items", 0),
            "{payload}"
        );
        call.wanted().into_iter().map(ToString::to_string).collect()
    }

    #[test]
    fn items_are_named_in_every_way_that_a_map_has() {
        let listed = json!({"Key": "a b", "Size": 1, "Etag": "x", "LastModified": 1.0, "StorageClass": "STANDARD"});
        for (payload, expected) in [
            (
                json!({"Items": [listed, {"Key": "c"}], "BatchInput": {"bucket": "raw"}}),
                vec!["s3://raw/a b", "s3://raw/c"],
            ),
            (
                json!({"Items": [{"Bucket": "two", "Key": "c"}, "d"], "BatchInput": {"bucket": "raw"}}),
                vec!["s3://two/c", "s3://raw/d"],
            ),
            (json!({"Items": [{"bucket": "two", "key": "c"}]}), vec!["s3://two/c"]),
            (json!({"Items": []}), vec![]),
            (json!({"Bucket": "raw", "Key": "a+b"}), vec!["s3://raw/a+b"]),
            (json!({"bucket": "raw", "key": "a", "Size": 3}), vec!["s3://raw/a"]),
            (
                json!({"bucket": "raw", "keys": ["a", "a", "b"]}),
                vec!["s3://raw/a", "s3://raw/b"],
            ),
        ] {
            assert_eq!(keys(&payload), expected, "{payload}");
        }
        let call = Call::read(&json!({"Items": ["a+b"], "BatchInput": {"bucket": "raw"}})).unwrap();
        assert_eq!(
            call.otherwise(&Wanted::new("raw", "a+b")),
            Some(&Wanted::new("raw", "a b"))
        );
    }

    #[test]
    fn how_items_are_to_be_loaded_is_said_beside_them() {
        for payload in [
            json!({"Items": ["a"], "BatchInput": {"bucket": "raw", "dry_run": true}}),
            json!({"bucket": "raw", "keys": ["a"], "dry_run": true}),
            json!({"Bucket": "raw", "keys": ["a"], "dry_run": true}),
            json!({"Bucket": "raw", "Key": "a", "Size": 1, "dry_run": true}),
        ] {
            let call = Call::read(&payload).unwrap();
            assert!(call.wish().dry_run && call.wanted().len() == 1, "{payload}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_item_is_told_by_its_number() {
        for (payload, why) in [
            (json!({"Items": [{"Key": "a"}]}), "item 1: the bucket is missing"),
            (
                json!({"Items": ["a", 3], "BatchInput": {"bucket": "raw"}}),
                "item 2: it is a number, not an object",
            ),
            (
                json!({"Items": [{"Size": 3}], "BatchInput": {"bucket": "raw"}}),
                "item 1: Key is missing",
            ),
            (
                json!({"Items": [{"Key": ""}], "BatchInput": {"bucket": "raw"}}),
                "item 1: the key is empty",
            ),
            (
                json!({"Items": ["a"], "BatchInput": 3}),
                "BatchInput is a number, not an object",
            ),
            (
                json!({"Items": ["a"], "BatchInput": {"bucket": "raw", "dryrun": true}}),
                "BatchInput has an unknown key \"dryrun\"",
            ),
            (
                json!({"Items": ["a"], "BatchInput": {"bucket": 3}}),
                "BatchInput.bucket is a number",
            ),
            (
                json!({"Items": ["a"], "dry_run": true}),
                "\"dry_run\" stands beside Items; write it into BatchInput",
            ),
            (
                json!({"bucket": "raw", "keys": ["a"], "dryrun": true}),
                "keys has an unknown key \"dryrun\"",
            ),
            (
                json!({"bucket": "raw", "key": "a", "dry_run": "yes"}),
                "item.dry_run is a string",
            ),
        ] {
            let call = Call::read(&payload).unwrap();
            let error = call.answer(&Fates::new(), false).unwrap_err().to_string();
            assert!(error.contains(why), "{payload}: {error}");
        }
    }
}
