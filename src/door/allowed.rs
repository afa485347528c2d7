//! Which objects may be read: those below a raw prefix. What we wrote ourselves is left alone.
//!
//! ```text
//! inside the lake      ──> skipped: an answer of ours would call us again, and trying again never helps
//! in no raw prefix     ──> refused: somebody else's event, or a setting to correct; the message ends as a dead letter
//! below a raw prefix   ──> read
//! ```
//!
//! Decided by names, before any request.

use std::fmt;

use super::Wanted;
use super::answer::{Failure, Fate};
use crate::s3::{LocationError, S3Location};

/// Raw prefixes named in an error.
const NAMED_MAX: usize = 5;

/// Where raw objects may be. At least one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPrefixes(Vec<S3Location>);

/// The raw prefixes and the lake do not go together, or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowedError {
    /// No raw prefix.
    #[error("no raw prefix is given; write s3://bucket/prefix, several with commas between")]
    None,
    /// Nothing between two commas, or after the last.
    #[error("number {number} of the raw prefixes is empty; write s3://bucket/prefix, several with commas between")]
    Empty {
        /// From 1.
        number: usize,
    },
    /// One is no place in S3.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// What is written to the lake would be read as raw again.
    #[error(
        "the raw prefix {raw} and the lake {lake} overlap, so the lake's own files would be loaded again: \
         give the lake a bucket or prefix of its own"
    )]
    Overlap {
        /// The raw prefix.
        raw: String,
        /// The lake.
        lake: String,
    },
}

impl RawPrefixes {
    /// Reads places in S3 with commas between; white space around each is ignored.
    pub fn parse(text: &str) -> Result<Self, AllowedError> {
        if text.trim().is_empty() {
            return Err(AllowedError::None);
        }
        let one = |(text, number): (&str, usize)| match text.trim() {
            "" => Err(AllowedError::Empty { number }),
            text => Ok(text.parse()?),
        };
        text.split(',').zip(1..).map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Is the object below one of them?
    pub fn contains(&self, bucket: &str, key: &str) -> bool {
        self.0.iter().any(|raw| raw.contains(bucket, key))
    }
}

impl fmt::Display for RawPrefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (raw, number) in self.0.iter().take(NAMED_MAX).zip(1..) {
            write!(f, "{}{raw}", if number == 1 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// A place that may not be read as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} is not all below one raw prefix ({raw}); name a place inside of one, or add it to LAKEBED_RAW")]
pub struct NotAllowed {
    place: String,
    raw: String,
}

/// The judge of objects.
#[derive(Clone, Debug)]
pub struct Allowed {
    raw: RawPrefixes,
    lake: Option<S3Location>,
}

impl Allowed {
    /// Raw prefixes beside a lake; `lake` is none where it is a local folder. One that overlaps the lake is an error.
    pub fn new(raw: RawPrefixes, lake: Option<S3Location>) -> Result<Self, AllowedError> {
        if let Some(lake) = &lake
            && let Some(raw) = raw.0.iter().find(|raw| raw.overlaps(lake))
        {
            return Err(AllowedError::Overlap {
                raw: raw.to_string(),
                lake: lake.to_string(),
            });
        }
        Ok(Self { raw, lake })
    }

    /// May every object of a place be read?
    pub fn admit_all(&self, place: &S3Location) -> Result<(), NotAllowed> {
        match self.raw.0.iter().any(|raw| raw.contains_all(place)) {
            true => Ok(()),
            false => Err(NotAllowed {
                place: place.to_string(),
                raw: self.raw.to_string(),
            }),
        }
    }

    /// May the object be read? If not, the error is its fate.
    pub fn admit(&self, wanted: &Wanted) -> Result<(), Fate> {
        let Wanted { bucket, key } = wanted;
        if let Some(lake) = self.lake.as_ref().filter(|lake| lake.contains(bucket, key)) {
            let why = format!(
                "it is inside the lake {lake}, which is never read as raw; leave the lake out of the notification"
            );
            return Err(Fate::Skipped { why });
        }
        if self.raw.contains(bucket, key) {
            return Ok(());
        }
        Err(Fate::Failed(Failure::new(
            "Source.NotAllowed",
            format!(
                "it is below no raw prefix ({}); add its prefix to LAKEBED_RAW, or narrow the notification",
                self.raw
            ),
            false,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(raw: &str, lake: Option<&str>) -> Result<Allowed, String> {
        let raw = RawPrefixes::parse(raw).map_err(|error| error.to_string())?;
        Allowed::new(raw, lake.map(|lake| lake.parse().unwrap())).map_err(|error| error.to_string())
    }

    #[test]
    fn raw_prefixes_are_places_with_commas_between() {
        for (text, expected) in [
            ("s3://raw", "s3://raw"),
            (" s3://raw/a , s3://raw/b/ ", "s3://raw/a, s3://raw/b/"),
            ("s3://raw/a b", "s3://raw/a b"),
            (
                "s3://a11,s3://a12,s3://a13,s3://a14,s3://a15,s3://a16,s3://a17",
                "s3://a11, s3://a12, s3://a13, s3://a14, s3://a15 and 2 more",
            ),
        ] {
            assert_eq!(RawPrefixes::parse(text).unwrap().to_string(), expected);
        }
        for (text, why) in [
            ("", "no raw prefix is given"),
            ("  ", "no raw prefix is given"),
            ("s3://raw,", "number 2 of the raw prefixes is empty"),
            (",s3://raw", "number 1 of the raw prefixes is empty"),
            ("s3://raw/a,b/c", "\"b/c\" is no place in S3"),
        ] {
            let error = RawPrefixes::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_lake_that_overlaps_a_raw_prefix_stops_the_start() {
        for (raw, lake, named) in [
            ("s3://raw", "s3://lake", None),
            ("s3://one/raw", "s3://one/lake", None),
            ("s3://one/raw", "s3://one/raw2", None),
            ("s3://one/raw", "s3://one/Raw", None),
            ("s3://one", "s3://one/lake", Some("s3://one")),
            ("s3://one/lake/raw", "s3://one", Some("s3://one/lake/raw")),
            ("s3://one/raw", "s3://one/raw/", Some("s3://one/raw")),
            ("s3://raw, s3://two, s3://one/a", "s3://one/a/b", Some("s3://one/a")),
        ] {
            let error = allowed(raw, Some(lake)).err();
            let expected = named.map(|raw| {
                format!(
                    "the raw prefix {raw} and the lake {lake} overlap, so the lake's own files would be loaded again: \
                     give the lake a bucket or prefix of its own"
                )
            });
            assert_eq!(error, expected, "{raw} {lake}");
        }
        assert!(allowed("s3://one", None).is_ok());
    }

    #[test]
    fn a_place_is_read_where_all_of_it_is_raw() {
        let allowed = allowed("s3://one/raw,s3://two,s3://three/in/", Some("s3://one/lake")).unwrap();
        for (place, expected) in [
            ("s3://one/raw", true),
            ("s3://one/raw/", true),
            ("s3://one/raw/2024", true),
            ("s3://two", true),
            ("s3://two/a", true),
            ("s3://three/in/", true),
            ("s3://three/in/a", true),
            // The key `in` itself is not.
            ("s3://three/in", false),
            ("s3://one", false),
            ("s3://one/raw2", false),
            ("s3://one/lake", false),
            ("s3://four", false),
        ] {
            let admitted = allowed.admit_all(&place.parse().unwrap());
            assert_eq!(admitted.is_ok(), expected, "{place}");
        }
        let error = allowed
            .admit_all(&"s3://four/x".parse().unwrap())
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "s3://four/x is not all below one raw prefix (s3://one/raw, s3://two, s3://three/in/); name a place inside of \
             one, or add it to LAKEBED_RAW"
        );
    }

    #[test]
    fn only_raw_objects_are_read_and_our_own_are_left() {
        let allowed = allowed("s3://one/raw,s3://two", Some("s3://one/lake")).unwrap();
        for (bucket, key, expected) in [
            ("one", "raw/a", "read"),
            ("one", "raw", "read"),
            ("two", "anything", "read"),
            ("one", "lake/_lakebed/jobs/x.json", "skipped"),
            ("one", "lake/t/x.parquet", "skipped"),
            ("one", "lake", "skipped"),
            ("one", "lake2/a", "failed"),
            ("one", "raw2/a", "failed"),
            ("one", "RAW/a", "failed"),
            ("one", "/raw/a", "failed"),
            ("three", "raw/a", "failed"),
            ("Two", "a", "failed"),
        ] {
            let wanted = Wanted {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            };
            match allowed.admit(&wanted) {
                Ok(()) => assert_eq!("read", expected, "{wanted}"),
                Err(Fate::Skipped { why }) => {
                    assert_eq!("skipped", expected, "{wanted}");
                    assert!(why.contains("s3://one/lake"), "{why}");
                }
                Err(Fate::Failed(Failure { code, message, .. })) => {
                    assert_eq!("failed", expected, "{wanted}");
                    assert_eq!(code, "Source.NotAllowed");
                    assert_eq!(
                        message,
                        "it is below no raw prefix (s3://one/raw, s3://two); add its prefix to LAKEBED_RAW, or narrow the notification"
                    );
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}
