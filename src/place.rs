//! Where a lake is, or raw objects are, as a user writes it: a path, or `s3://bucket/prefix`.

use std::fmt;
use std::path::PathBuf;

use crate::job::lake;
use crate::s3::{LocationError, S3Location};

/// A folder or file, or a place in S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this machine.
    Local(PathBuf),
    /// In S3.
    S3(S3Location),
}

impl Place {
    /// Reads `s3://…` as a place in S3, and all else as a path.
    pub fn parse(path: impl Into<PathBuf>) -> Result<Self, LocationError> {
        let path = path.into();
        match path.to_str().filter(|text| has_scheme(text)) {
            Some(text) => text.parse().map(Self::S3),
            None => Ok(Self::Local(path)),
        }
    }

    /// In S3, if it is there.
    pub fn s3(&self) -> Option<&S3Location> {
        match self {
            Self::S3(location) => Some(location),
            Self::Local(_) => None,
        }
    }

    /// Whether anything can lie in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(a), Self::Local(b)) => lake::overlaps(a, b),
            (Self::S3(a), Self::S3(b)) => a.overlaps(b),
            (Self::Local(_), Self::S3(_)) | (Self::S3(_), Self::Local(_)) => false,
        }
    }
}

/// `S3://`, `s3a://` and the like are no paths either: the error says how to write them.
fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| matches!(scheme.as_str(), "s3" | "s3a" | "s3n"))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => fmt::Display::fmt(&path.display(), f),
            Self::S3(location) => fmt::Display::fmt(location, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_paths_or_in_s3() {
        assert_eq!(Place::parse("a/b").unwrap(), Place::Local("a/b".into()));
        assert_eq!(Place::parse("s3:/a/b").unwrap(), Place::Local("s3:/a/b".into()));
        assert_eq!(
            Place::parse("s3://raw/a").unwrap().s3().map(S3Location::bucket),
            Some("raw")
        );
        for wrong in ["s3://", "S3://raw/a", "s3a://raw/a"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
        let at = |text: &str| Place::parse(text).unwrap();
        assert!(at("s3://raw/b").overlaps(&at("s3://raw/b/c")) && !at("s3://raw/b").overlaps(&at("s3://raw/bc")));
        assert!(!at("/a").overlaps(&at("s3://aaa")) && at("/a").overlaps(&at("/a/b")));
    }
}
