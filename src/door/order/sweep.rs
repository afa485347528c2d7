//! `{"sweep": {...}}`: bring what crashed to its end.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::{Kind, Order, OrderError};

pub(super) const KIND: Kind = Kind {
    name: "sweep",
    shape: "{\"sweep\": {\"dry_run\": false}}",
    read,
};

/// An order to sweep the lake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepOrder {
    /// Say what would be done; write nothing.
    pub dry_run: bool,
}

fn read(members: &Map<String, Value>) -> Result<Order, OrderError> {
    let fields = Fields::of("sweep", &["dry_run"], members)?;
    Ok(Order::Sweep(SweepOrder {
        dry_run: fields.flag("dry_run")?,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sweep_writes_unless_it_is_told_not_to() {
        for (fields, dry_run) in [
            (json!({}), false),
            (json!({"dry_run": false}), false),
            (json!({"dry_run": null}), false),
            (json!({"dry_run": true}), true),
        ] {
            let order = Order::read(&json!({"sweep": fields})).unwrap();
            assert_eq!(order, Ok(Order::Sweep(SweepOrder { dry_run })));
        }
    }
}
