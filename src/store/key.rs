//! Keys of a lake: relative to its root, made of checked components.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of a key. S3 takes 1,024; the rest is left for the lake's own prefix.
const KEY_BYTES_MAX: usize = 800;
/// Bytes of one component. File systems take 255; the rest is left for the suffix of a temporary file.
const COMPONENT_BYTES_MAX: usize = 200;

/// The key of an object, relative to the lake: `page_view/year=2019/month=10/day=12/hour=02/x-0000.parquet`.
///
/// Components are joined by single slashes, none is empty or begins with a dot (so none climbs, and hidden files of a
/// folder are no keys), none holds a control character or a backslash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LakeKey(String);

/// A text that is no key of a lake.
#[derive(Debug, thiserror::Error)]
#[error("{key:?} is no key of a lake: {why}")]
pub struct KeyError {
    key: String,
    why: &'static str,
}

impl LakeKey {
    /// Checks a text. Errors name the rule it breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, KeyError> {
        let key = text.into();
        let why = if key.len() > KEY_BYTES_MAX {
            "it is longer than 800 bytes"
        } else if key.split('/').any(str::is_empty) {
            "it is empty, or begins, ends or doubles with `/`"
        } else if key.split('/').any(|component| component.starts_with('.')) {
            "a component begins with `.`"
        } else if key.split('/').any(|component| component.len() > COMPONENT_BYTES_MAX) {
            "a component is longer than 200 bytes"
        } else if key.chars().any(|c| c.is_control() || c == '\\') {
            "it holds a control character or a backslash"
        } else {
            return Ok(Self(key));
        };
        Err(KeyError { key, why })
    }

    /// The key as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for LakeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for LakeKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::new(text)
    }
}

impl From<LakeKey> for String {
    fn from(key: LakeKey) -> Self {
        key.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_inside_the_lake() {
        let long = "a".repeat(201);
        let longer = "a/".repeat(400) + "b";
        for (text, good) in [
            ("page_view/year=2019/month=10/day=12/hour=02/x-0000.parquet", true),
            ("_lakebed/lake.json", true),
            ("t/part 0 (copy).parquet", true),
            ("", false),
            ("/etc/passwd", false),
            ("a/", false),
            ("a//b", false),
            ("a/../b", false),
            ("..", false),
            ("./a", false),
            ("a/.x.tmp", false),
            ("a\\b", false),
            ("a\nb", false),
            ("a\0b", false),
            (long.as_str(), false),
            (longer.as_str(), false),
        ] {
            assert_eq!(LakeKey::new(text).is_ok(), good, "{text:?}");
        }
    }
}
