//! A place in S3, as people write it: `s3://bucket` or `s3://bucket/prefix`.
//!
//! ```text
//! s3://b, s3://b/   the whole bucket
//! s3://b/p          the key `p` and all below `p/`, never `p2/`
//! s3://b/p/         all below `p/`
//! ```
//!
//! Prefixes are taken verbatim, byte for byte: S3 knows no folders, no case folding, and `//` is not `/`. Knows nothing of
//! requests.

use std::fmt;
use std::str::FromStr;

const SCHEME: &str = "s3://";
/// What S3 allows a key.
const PREFIX_BYTES_MAX: usize = 1024;

/// A bucket, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Location {
    bucket: String,
    prefix: String,
    /// What every key inside begins with, besides `prefix` itself: empty, or ends with `/`.
    root: String,
}

/// A text that is no place in S3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no place in S3: {why}; write s3://bucket or s3://bucket/prefix")]
pub struct LocationError {
    text: String,
    why: &'static str,
}

impl S3Location {
    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What was written after the bucket and one slash; may be empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What goes before a key relative to this place to make it a key of the bucket: empty, or ends with `/`.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Is the object inside?
    pub fn contains(&self, bucket: &str, key: &str) -> bool {
        self.bucket == bucket && (key == self.prefix || key.starts_with(&self.root))
    }

    /// Is every key inside that is inside the other?
    pub fn contains_all(&self, other: &Self) -> bool {
        let has_key = other.prefix == other.root || self.contains(&other.bucket, &other.prefix);
        self.bucket == other.bucket && other.root.starts_with(&self.root) && has_key
    }

    /// Is there any key that is inside both?
    pub fn overlaps(&self, other: &Self) -> bool {
        // A key equal to a prefix needs no look of its own: where it is inside the other, so is all below it.
        self.bucket == other.bucket && (self.root.starts_with(&other.root) || other.root.starts_with(&self.root))
    }
}

impl FromStr for S3Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let fail = |why| LocationError {
            text: text.to_owned(),
            why,
        };
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return Err(fail("it does not begin with s3://"));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(fail("it names no bucket"));
        }
        // Loose: S3 itself judges names, and older buckets have capitals and underscores.
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !(3..=255).contains(&bucket.len()) || !bucket.chars().all(named) {
            return Err(fail(
                "a bucket's name is at least 3 letters, digits, dots, dashes or underscores",
            ));
        }
        if prefix.len() > PREFIX_BYTES_MAX {
            return Err(fail("the prefix is longer than the 1,024 bytes of a key"));
        }
        let root = match prefix {
            "" => String::new(),
            below if below.ends_with('/') => below.to_owned(),
            key => format!("{key}/"),
        };
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            root,
        })
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.bucket)?;
        if self.prefix.is_empty() {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> S3Location {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_a_bucket_or_what_is_at_and_below_a_prefix() {
        for (place, key, inside) in [
            ("s3://raw", "a", true),
            ("s3://raw", "/a", true),
            ("s3://raw/", "", true),
            ("s3://raw/p", "p", true),
            ("s3://raw/p", "p/", true),
            ("s3://raw/p", "p/a", true),
            ("s3://raw/p", "p//a", true),
            ("s3://raw/p", "p/../a", true),
            ("s3://raw/p", "p2/a", false),
            ("s3://raw/p", "p2", false),
            ("s3://raw/p", "P/a", false),
            ("s3://raw/p", "/p/a", false),
            ("s3://raw/p", "a/p/a", false),
            ("s3://raw/p", "", false),
            ("s3://raw/p/", "p", false),
            ("s3://raw/p/", "p/", true),
            ("s3://raw/p/", "p/a", true),
            ("s3://raw/p//", "p/a", false),
            ("s3://raw/p//", "p//a", true),
            ("s3://raw//", "a", false),
            ("s3://raw//", "/a", true),
            ("s3://raw/p%3D1", "p=1/a", false),
            ("s3://raw/p=1", "p=1/a", true),
            ("s3://raw/caf\u{e9}", "cafe\u{301}/a", false),
        ] {
            assert_eq!(at(place).contains("raw", key), inside, "{place} {key:?}");
            assert!(!at(place).contains("Raw", key), "{place} {key:?}");
            assert!(!at(place).contains("raw2", key), "{place} {key:?}");
        }
    }

    #[test]
    fn places_overlap_where_a_key_can_be_inside_both() {
        for (one, other, overlap) in [
            ("s3://one", "s3://one", true),
            ("s3://one", "s3://one/", true),
            ("s3://one", "s3://two", false),
            ("s3://one", "s3://One", false),
            ("s3://one", "s3://one2", false),
            ("s3://one", "s3://one/p", true),
            ("s3://one/", "s3://one/p/", true),
            ("s3://one", "s3://one//", true),
            ("s3://one/p", "s3://one/p", true),
            ("s3://one/p", "s3://one/p/", true),
            ("s3://one/p", "s3://two/p", false),
            ("s3://one/p", "s3://one/q", false),
            ("s3://one/p", "s3://one/P", false),
            ("s3://one/p", "s3://one/p2", false),
            ("s3://one/p", "s3://one/p2/", false),
            ("s3://one/p", "s3://one/p/q", true),
            ("s3://one/p/", "s3://one/p/q/r", true),
            ("s3://one/p", "s3://one/p//", true),
            ("s3://one/p", "s3://one//p", false),
            ("s3://one/p//", "s3://one/p/q", false),
            ("s3://one//", "s3://one/p", false),
            ("s3://one//", "s3://one//p", true),
            ("s3://one/p/q", "s3://one/p/r", false),
            ("s3://one/p/..", "s3://one/q", false),
        ] {
            assert_eq!(at(one).overlaps(&at(other)), overlap, "{one} {other}");
            assert_eq!(at(other).overlaps(&at(one)), overlap, "{other} {one}");
        }
    }

    #[test]
    fn a_text_that_is_no_place_says_what_to_write() {
        let long = format!("s3://raw/{}", "a".repeat(1025));
        for (text, why) in [
            ("", "does not begin with s3://"),
            ("raw/p", "does not begin with s3://"),
            ("s3:/raw/p", "does not begin with s3://"),
            ("S3://raw", "does not begin with s3://"),
            ("s3a://raw", "does not begin with s3://"),
            ("https://raw.s3.amazonaws.com/p", "does not begin with s3://"),
            (" s3://raw", "does not begin with s3://"),
            ("s3://", "names no bucket"),
            ("s3:///p", "names no bucket"),
            ("s3://ab", "at least 3"),
            ("s3://raw bucket/p", "at least 3"),
            ("s3://raw?p", "at least 3"),
            ("s3://*/p", "at least 3"),
            ("s3://\u{e9}\u{e9}\u{e9}", "at least 3"),
            (&long, "1,024 bytes"),
        ] {
            let error = text.parse::<S3Location>().unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
            assert!(error.ends_with("write s3://bucket or s3://bucket/prefix"), "{error}");
        }
    }

    #[test]
    fn what_goes_before_a_relative_key_ends_with_a_slash_or_is_empty() {
        for (place, root) in [
            ("s3://raw", ""),
            ("s3://raw/", ""),
            ("s3://raw/p", "p/"),
            ("s3://raw/p/", "p/"),
            ("s3://raw/p/q", "p/q/"),
            ("s3://raw/p//", "p//"),
        ] {
            assert_eq!(at(place).root(), root, "{place}");
        }
    }

    proptest! {
        /// What is said of two places agrees with what is said of each key, and a place reads back as it is written.
        #[test]
        fn overlaps_agree_with_keys(one in "(p|q|/){0,4}", other in "(p|q|/){0,4}", key in "(p|q|/){0,6}") {
            let [one, other] = [one, other].map(|prefix| at(&format!("s3://raw/{prefix}")));
            prop_assert_eq!(&at(&one.to_string()), &one);
            if one.contains("raw", &key) && other.contains("raw", &key) {
                prop_assert!(one.overlaps(&other), "{} {} {}", one, other, key);
            }
            if one.overlaps(&other) {
                let deeper = if one.root().len() > other.root().len() { one.root() } else { other.root() };
                let key = format!("{deeper}a");
                prop_assert!(one.contains("raw", &key) && other.contains("raw", &key), "{} {}", one, other);
            }
        }
    }
}
