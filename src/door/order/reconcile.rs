//! `{"reconcile": {...}}`: find what no job has loaded.

use serde_json::{Map, Value};

use super::fields::Fields;
use super::{Kind, Order, OrderError};
use crate::s3::S3Location;
use crate::source::listing::Selection;
use crate::source::when::{When, WhenError};

pub(super) const KIND: Kind = Kind {
    name: "reconcile",
    shape: "{\"reconcile\": {\"source\": \"s3://bucket/prefix\", \"since\": \"36h\", \"until\": \"1h\", \"load\": false}}",
    read,
};

const PLACE: &str = "\"s3://bucket/prefix\"";

/// An order to compare raw objects with the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconcileOrder {
    /// Where the raw objects are.
    pub source: S3Location,
    /// Only those modified at or after it.
    pub since: Option<When>,
    /// Only those modified before it.
    pub until: Option<When>,
    /// Only those whose key below the source matches.
    pub glob: Option<String>,
    /// Load what is missing.
    pub load: bool,
}

fn read(members: &Map<String, Value>) -> Result<Order, OrderError> {
    let fields = Fields::of("reconcile", &["source", "since", "until", "glob", "load"], members)?;
    let source = fields
        .text("source", PLACE)?
        .ok_or_else(|| fields.missing("source", PLACE))?;
    let source = source.parse().map_err(|why| fields.wrong("source", why))?;
    let when = |field| -> Result<Option<When>, OrderError> {
        let text = fields.text(field, &WhenError.to_string().replacen("write ", "", 1))?;
        text.map(|text| text.parse().map_err(|why: WhenError| fields.wrong(field, why)))
            .transpose()
    };
    let (since, until) = (when("since")?, when("until")?);
    let glob = fields.text("glob", "a pattern such as \"**/*.gz\"")?;
    Selection::new(None, None, glob).map_err(|why| fields.wrong("glob", why))?;
    Ok(Order::Reconcile(ReconcileOrder {
        source,
        since,
        until,
        glob: glob.map(str::to_owned),
        load: fields.flag("load")?,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_source_has_to_be_named() {
        let source: S3Location = "s3://raw/in".parse().unwrap();
        let bare = ReconcileOrder {
            source,
            since: None,
            until: None,
            glob: None,
            load: false,
        };
        for (more, expected) in [
            (json!({}), bare.clone()),
            (json!({"since": null, "load": false}), bare.clone()),
            (
                json!({"since": "36h", "until": "2019-10-12", "glob": "**/*.gz", "load": true}),
                ReconcileOrder {
                    since: Some(When::Ago(129_600)),
                    until: Some(When::At(1_570_838_400)),
                    glob: Some("**/*.gz".to_owned()),
                    load: true,
                    ..bare
                },
            ),
        ] {
            let mut fields = more;
            fields["source"] = json!("s3://raw/in");
            let order = Order::read(&json!({"reconcile": fields})).unwrap();
            assert_eq!(order, Ok(Order::Reconcile(expected)), "{fields}");
        }
    }
}
