//! Where a value stands in a record: a top-level key taken literally, or a JSON Pointer.
//!
//! `id.orig_h` is one key; `/id/orig_h` is the key `orig_h` inside `id`. Knows nothing of tables or records.

use std::fmt;

use super::error::Problem;

/// Names one place in a record. `Display` prints what the user wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FieldPath {
    /// A top-level key, taken literally.
    Key(String),
    /// A JSON Pointer (RFC 6901) as its keys, `~1` and `~0` undone; at least one.
    Pointer(Vec<String>),
}

impl FieldPath {
    /// Reads `key`, or `/a/b~1c`.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err(
                Problem::new("an empty field name").way_out("a top-level key, or a JSON Pointer such as `/user/id`")
            );
        }
        let Some(pointer) = text.strip_prefix('/') else {
            return Ok(Self::Key(text.to_owned()));
        };
        let keys = pointer.split('/').map(|key| {
            // What remains of the `~` after both escapes stands alone.
            if key.replace("~0", "").replace("~1", "").contains('~') {
                let problem = Problem::new(format!("`{text}` has a `~` that is not followed by 0 or 1"));
                return Err(problem.way_out(format!("`{}`", text.replace('~', "~0"))));
            }
            Ok(key.replace("~1", "/").replace("~0", "~"))
        });
        keys.collect::<Result<_, _>>().map(Self::Pointer)
    }

    /// The keys from the record's top down to the value.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let keys = match self {
            Self::Key(key) => std::slice::from_ref(key),
            Self::Pointer(keys) => keys,
        };
        keys.iter().map(String::as_str)
    }

    /// Whether both name the same place: `time` and `/time` do.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.keys().eq(other.keys())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Pointer(keys) => keys
                .iter()
                .try_for_each(|key| write!(f, "/{}", key.replace('~', "~0").replace('/', "~1"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_literal_key_or_a_pointer() {
        for (text, keys) in [
            ("time", &["time"][..]),
            ("id.orig_h", &["id.orig_h"]),
            ("$['a']", &["$['a']"]),
            ("a/b", &["a/b"]),
            ("a~b", &["a~b"]),
            ("/user/id", &["user", "id"]),
            ("/a/b~1c", &["a", "b/c"]),
            ("/m~0n", &["m~n"]),
            ("/~01", &["~1"]),
            ("/", &[""]),
            ("/a/", &["a", ""]),
            ("/0/x y", &["0", "x y"]),
        ] {
            let path = FieldPath::parse(text).unwrap();
            assert_eq!(path.keys().collect::<Vec<_>>(), keys, "{text}");
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn a_stray_tilde_or_nothing_is_no_path() {
        for (text, way_out) in [("", "a top-level key"), ("/a~2", "`/a~02`"), ("/a~", "`/a~0`")] {
            let problem = FieldPath::parse(text).unwrap_err();
            assert!(
                problem.way_out.as_deref().unwrap().contains(way_out),
                "{text}: {problem:?}"
            );
        }
    }

    #[test]
    fn a_key_and_its_pointer_are_the_same_place() {
        let parse = |text| FieldPath::parse(text).unwrap();
        assert!(parse("time").is_same_place(&parse("/time")));
        assert!(parse("a/b").is_same_place(&parse("/a~1b")));
        assert!(!parse("a/b").is_same_place(&parse("/a/b")));
    }
}
