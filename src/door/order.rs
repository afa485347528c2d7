//! Payloads that ask for work on a lake, and name no new objects: from a schedule, or from a person.
//!
//! ```text
//! {"backfill": {"source": "s3://raw/prefix", "since": "36h", "until": "1h", "glob": "**/*.gz", "dry_run": false,
//!               "reload": false, "continue_from": "prefix/key"}}
//! {"bucket": "raw", "prefix": "prefix"}                          the same in short
//! {"sweep": {"dry_run": false}}
//! {"reconcile": {"source": "s3://raw/prefix", "since": "36h", "until": "1h", "glob": "**/*.gz", "load": true}}
//! ```
//!
//! What a person writes is read strictly: a key that is not known is named, and never passed over. The answer is the report
//! that the command line prints with `--json`. An order is a file and a line in `ORDERS`.

mod backfill;
mod fields;
mod reconcile;
mod sweep;

use serde_json::{Map, Value};

pub use backfill::BackfillOrder;
pub(in crate::door) use fields::Fields;
pub use reconcile::ReconcileOrder;
pub use sweep::SweepOrder;

use super::seen::quoted;

/// One kind of order.
struct Kind {
    name: &'static str,
    /// Its payload in words, for the error about one that nobody knows.
    shape: &'static str,
    read: fn(&Map<String, Value>) -> Result<Order, OrderError>,
}

const ORDERS: &[Kind] = &[backfill::KIND, sweep::KIND, reconcile::KIND];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Load what lies below a place.
    Backfill(BackfillOrder),
    /// Bring what crashed to its end.
    Sweep(SweepOrder),
    /// Find what no job has loaded.
    Reconcile(ReconcileOrder),
}

/// An order that cannot be followed as it is written. Names keys, never values that are none of a setting's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OrderError(String);

impl OrderError {
    pub(super) fn new(why: String) -> Self {
        Self(why)
    }
}

impl Order {
    /// Nothing where the payload is no order.
    pub fn read(payload: &Value) -> Option<Result<Self, OrderError>> {
        let members = payload.as_object().filter(|members| !members.contains_key("Records"))?;
        if let Some(order) = backfill::read_short(members) {
            return Some(order);
        }
        let kind = ORDERS.iter().find(|kind| members.contains_key(kind.name))?;
        let name = kind.name;
        if let Some(other) = members.keys().find(|key| *key != name) {
            let why = format!(
                "\"{name}\" stands alone in a payload, and this one has {} too",
                quoted(other)
            );
            return Some(Err(OrderError(why)));
        }
        Some(match &members[name] {
            Value::Object(fields) => (kind.read)(fields),
            other => {
                let found = super::seen::kind(other);
                Err(OrderError(format!(
                    "\"{name}\" is {found}, not an object; write {}",
                    kind.shape
                )))
            }
        })
    }
}

/// All that are known, in words.
pub(super) fn shapes() -> impl Iterator<Item = &'static str> {
    ORDERS.iter().map(|kind| kind.shape)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_order_is_left_to_the_doors() {
        for payload in [
            json!(null),
            json!([]),
            json!({}),
            json!({"Sweep": {}}),
            json!({"Records": [], "sweep": {}}),
            json!({"backfil": {"source": "s3://raw"}}),
        ] {
            assert_eq!(Order::read(&payload), None, "{payload}");
        }
    }

    #[test]
    fn an_order_that_makes_no_sense_says_what_to_write() {
        for (payload, why) in [
            (
                json!({"sweep": 1}),
                "\"sweep\" is a number, not an object; write {\"sweep\": {\"dry_run\": false}}",
            ),
            (json!({"sweep": null}), "\"sweep\" is null, not an object"),
            (
                json!({"sweep": {}, "reconcile": {}}),
                "\"sweep\" stands alone in a payload, and this one has \"reconcile\" too",
            ),
            (
                json!({"sweep": {"dryrun": true}}),
                "sweep has an unknown key \"dryrun\"; it takes \"dry_run\"",
            ),
            (
                json!({"sweep": {"dry_run": "yes"}}),
                "sweep.dry_run is a string; write true or false",
            ),
            (
                json!({"reconcile": {}}),
                "reconcile.source is missing; write \"s3://bucket/prefix\"",
            ),
            (
                json!({"reconcile": {"source": 3}}),
                "reconcile.source is a number; write \"s3://bucket/prefix\"",
            ),
            (
                json!({"reconcile": {"source": "raw/a"}}),
                "reconcile.source: \"raw/a\" is no place in S3: it does not begin with s3://",
            ),
            (
                json!({"reconcile": {"source": "s3://raw", "since": "yesterday"}}),
                "reconcile.since: write a time such as",
            ),
            (
                json!({"reconcile": {"source": "s3://raw", "until": 7}}),
                "reconcile.until is a number; write a time such as",
            ),
            (
                json!({"reconcile": {"source": "s3://raw", "glob": "a["}}),
                "reconcile.glob: ",
            ),
            (
                json!({"reconcile": {"source": "s3://raw", "load": 1}}),
                "reconcile.load is a number; write true or false",
            ),
            (
                json!({"reconcile": {"source": "s3://raw", "prefix": "a"}}),
                "reconcile has an unknown key \"prefix\"; it takes \"source\", \"since\", \"until\", \"glob\", \"load\"",
            ),
        ] {
            let error = Order::read(&payload).unwrap().unwrap_err().to_string();
            assert!(error.starts_with(why), "{payload}: {error}");
        }
    }
}
