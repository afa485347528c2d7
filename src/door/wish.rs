//! How a caller wants its objects to be loaded: what it may say beside their names.
//!
//! ```text
//! dry_run: say what would be done    reload: also what was loaded before    since, until, glob: only these
//! ```

use serde_json::{Map, Value};

use super::order::Fields;
use super::seen::kind;
use crate::source::listing::Selection;
use crate::source::when::{When, WhenError};

const NAMES: [&str; 5] = ["dry_run", "reload", "since", "until", "glob"];
const FLAGS: [&str; 2] = ["dry_run", "reload"];

/// How objects are loaded. By default: those that are not, and all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Say what would be done; write nothing.
    pub dry_run: bool,
    /// Load objects again that were loaded before, in place of the rows that are there.
    pub reload: bool,
    /// Only those modified at or after it.
    pub since: Option<When>,
    /// Only those modified before it.
    pub until: Option<When>,
    /// Only those whose key matches.
    pub glob: Option<String>,
}

impl Wish {
    /// What a person says: all of it, of the members of an order that has others too.
    pub(super) fn of(fields: &Fields<'_>) -> Result<Self, super::OrderError> {
        let when = |field| -> Result<Option<When>, super::OrderError> {
            let text = fields.text(field, &WhenError.to_string().replacen("write ", "", 1))?;
            text.map(|text| text.parse().map_err(|why: WhenError| fields.wrong(field, why)))
                .transpose()
        };
        let glob = fields.text("glob", "a pattern such as \"**/*.gz\"")?;
        Selection::new(None, None, glob).map_err(|why| fields.wrong("glob", why))?;
        Ok(Self {
            dry_run: fields.flag("dry_run")?,
            reload: fields.flag("reload")?,
            since: when("since")?,
            until: when("until")?,
            glob: glob.map(str::to_owned),
        })
    }

    /// The arguments of a job of S3 Batch Operations, all of which are texts.
    pub(super) fn of_arguments(arguments: Option<&Value>) -> Result<Self, String> {
        let arguments = match arguments {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(arguments)) => arguments,
            Some(other) => return Err(format!("userArguments is {}, not an object", kind(other))),
        };
        let typed: Map<String, Value> = arguments
            .iter()
            .map(|(name, value)| {
                let flag = value.as_str().filter(|_| FLAGS.contains(&name.as_str()));
                let flag = flag.and_then(|text| text.to_ascii_lowercase().parse::<bool>().ok());
                (name.clone(), flag.map_or_else(|| value.clone(), Value::Bool))
            })
            .collect();
        let fields = Fields::of("userArguments", &NAMES, &typed).map_err(|error| error.to_string())?;
        Self::of(&fields).map_err(|error| error.to_string())
    }

    /// Whether a member of this name says how objects are loaded.
    pub(super) fn has(name: &str) -> bool {
        NAMES.contains(&name)
    }

    /// What is said beside a list of objects: the bucket, and the same.
    pub(super) fn beside(list: &'static str, input: &Map<String, Value>) -> Result<(Option<String>, Self), String> {
        let names: Vec<&str> = NAMES.into_iter().chain(["bucket"]).collect();
        let read = || {
            let fields = Fields::of(list, &names, input)?;
            let bucket = fields.text("bucket", "the name of a bucket")?;
            Ok((bucket.map(str::to_owned), Self::of(&fields)?))
        };
        read().map_err(|error: super::OrderError| error.to_string())
    }

    /// Whether what it says depends on what time it is.
    pub fn needs_now(&self) -> bool {
        let ago = |when: Option<When>| matches!(when, Some(When::Ago(_)));
        ago(self.since) || ago(self.until)
    }
}
