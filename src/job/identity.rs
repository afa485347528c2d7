//! Names: of a source, of one version of it, of a plan, of a job. Each is a hash of what it names.
//!
//! ```text
//! source ─ bucket, key                             version ─ ETag, size, Last-Modified in seconds
//! plan   ─ encoder version, schemas, limits        job     ─ plan, sources with versions, claims it is laid over
//! ```
//!
//! Equal things have equal names on every machine, so twins meet; nothing else has them, so a name is never used again.
//! A hash is taken over lengths and contents, so no two different things are the same bytes.

use std::ffi::OsString;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// 130 of a hash's 256 bits.
const ID_CHARS: usize = 26;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A text that is no id.
#[derive(Debug, thiserror::Error)]
#[error("an id is 26 characters of a-z and 2-7")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 26 base-32 characters of a SHA-256, lower case.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as a text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                let good = text.len() == ID_CHARS && text.bytes().all(|c| BASE32.contains(&c));
                if good { Ok(Self(text)) } else { Err(IdError) }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

id! {
    /// Names a source, whatever its version.
    SourceId
}
id! {
    /// Names everything besides the sources that decides an output byte.
    PlanId
}
id! {
    /// Names one attempt to load some source versions with one plan over what was claimed before.
    JobId
}

impl JobId {
    /// The job whose file has this name, without its folders: those of all files of a job begin with the job's.
    pub fn of_file(name: &str) -> Option<Self> {
        let (job, _) = name.split_once('-')?;
        Self::try_from(job.to_owned()).ok()
    }
}

/// Where a raw object is. Orders by bucket, then key, by bytes: the order in which claims are laid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceName {
    /// The bucket; none for a local file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The key as S3 knows it; for a local file its canonical path, see [`SourceName::local`].
    pub key: String,
}

impl SourceName {
    /// An object in a bucket.
    pub fn in_bucket(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            bucket: Some(bucket.into()),
            key: key.into(),
        }
    }

    /// A local file by its canonical path. Bytes that are not UTF-8 are written `%XX`, and `%` itself `%25`, so that
    /// every path has one name and every name one path.
    pub fn local(canonical: &Path) -> Self {
        let mut key = String::new();
        for chunk in canonical.as_os_str().as_bytes().utf8_chunks() {
            key.push_str(&chunk.valid().replace('%', "%25"));
            for byte in chunk.invalid() {
                key.push_str(&format!("%{byte:02X}"));
            }
        }
        Self { bucket: None, key }
    }

    /// The path of a local file; nothing for an object in a bucket.
    pub fn path(&self) -> Option<PathBuf> {
        if self.bucket.is_some() {
            return None;
        }
        let mut rest = self.key.as_bytes();
        let mut path = Vec::with_capacity(rest.len());
        while let Some((&byte, after)) = rest.split_first() {
            let escaped = (byte == b'%').then(|| after.split_at_checked(2)).flatten();
            let escaped = escaped
                .and_then(|(hex, after)| Some((u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?, after)));
            let (byte, after) = escaped.unwrap_or((byte, after));
            path.push(byte);
            rest = after;
        }
        Some(PathBuf::from(OsString::from_vec(path)))
    }

    /// The name its claim is kept under.
    pub fn id(&self) -> SourceId {
        let mut hash = Naming::of("source");
        hash.optional(self.bucket.as_deref());
        hash.text(&self.key);
        SourceId(hash.finish())
    }
}

/// As a person would write it: `s3://bucket/key`, or the path.
impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bucket {
            Some(bucket) => write!(f, "s3://{bucket}/{}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

/// One content of a source: what GET, HEAD and listings all tell of it. Never taken from an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The ETag without quotes; for a local file its time of modification in nanoseconds since 1970.
    pub etag: String,
    /// Bytes as stored.
    pub size: u64,
    /// Last-Modified in whole seconds since 1970.
    pub last_modified_s: i64,
}

impl Version {
    /// Of a local file. Its time of modification stands for Last-Modified, unless `arrival_s` does.
    pub fn of_file(about: &Metadata, arrival_s: Option<i64>) -> Self {
        let modified_ns = i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec());
        Self {
            etag: modified_ns.to_string(),
            size: about.len(),
            last_modified_s: arrival_s.unwrap_or_else(|| about.mtime()),
        }
    }
}

/// Everything besides the sources that decides an output byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    id: PlanId,
    encoder: String,
}

impl Plan {
    /// `encoder` is its version; `schemas` and `limits` are in a form that changes whenever an output byte may.
    pub fn new(encoder: &str, schemas: &str, limits: &str) -> Self {
        let mut hash = Naming::of("plan");
        for text in [encoder, schemas, limits] {
            hash.text(text);
        }
        Self {
            id: PlanId(hash.finish()),
            encoder: encoder.to_owned(),
        }
    }

    /// Its name.
    pub fn id(&self) -> &PlanId {
        &self.id
    }

    /// The version of the encoder.
    pub fn encoder(&self) -> &str {
        &self.encoder
    }
}

/// A hash over a sequence of values, each led by its kind and length.
pub(super) struct Naming(Sha256);

impl Naming {
    pub(super) fn of(kind: &str) -> Self {
        let mut naming = Self(Sha256::new());
        naming.text("lakebed 1");
        naming.text(kind);
        naming
    }

    pub(super) fn text(&mut self, text: &str) {
        self.0.update([b't']);
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    pub(super) fn number(&mut self, number: i128) {
        self.0.update([b'n']);
        self.0.update(number.to_be_bytes());
    }

    pub(super) fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.update([b'-']),
        }
    }

    pub(super) fn source(&mut self, name: &SourceName, version: &Version) {
        self.optional(name.bucket.as_deref());
        self.text(&name.key);
        self.version(version);
    }

    pub(super) fn version(&mut self, version: &Version) {
        self.text(&version.etag);
        self.number(version.size.into());
        self.number(version.last_modified_s.into());
    }

    pub(super) fn job(self) -> JobId {
        JobId(self.finish())
    }

    fn finish(self) -> String {
        base32(&self.0.finalize())
    }
}

/// The first 130 bits in RFC 4648's alphabet, lower case.
fn base32(digest: &[u8]) -> String {
    let bit = |n: usize| digest[n / 8] >> (7 - n % 8) & 1;
    (0..ID_CHARS)
        .map(|n| (5 * n..5 * n + 5).fold(0, |five, n| five << 1 | bit(n)))
        .map(|five| char::from(BASE32[usize::from(five)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_never_change() {
        // A change here is a new lake: every claim would be looked for under another name.
        assert_eq!(
            SourceName::in_bucket("raw", "a/b.json").id().as_str(),
            "d6iwofhskvb53ctajhrslxmnhh"
        );
        assert_eq!(
            SourceName {
                bucket: None,
                key: "/raw/a/b.json".into()
            }
            .id()
            .as_str(),
            "dkooxli7qgqbgeln7c7xi5xv2z"
        );
        assert_eq!(Plan::new("0.1.0", "{}", "").id().as_str(), "4b76j6fa6rwwuoldakwwpd2xri");
    }

    #[test]
    fn no_two_things_share_a_name() {
        let mut seen = std::collections::HashSet::new();
        for (bucket, key) in [
            (None, "ab"),
            (None, "a"),
            (Some(""), "ab"),
            (Some("a"), "b"),
            (Some("ab"), ""),
        ] {
            assert!(
                seen.insert(
                    SourceName {
                        bucket: bucket.map(str::to_owned),
                        key: key.to_owned()
                    }
                    .id()
                    .0
                )
            );
        }
        for (encoder, schemas, limits) in [("ab", "c", ""), ("a", "bc", ""), ("", "abc", ""), ("a", "b", "c")] {
            assert!(seen.insert(Plan::new(encoder, schemas, limits).id.0));
        }
    }

    #[test]
    fn base32_takes_the_bits_in_order() {
        for (digest, text) in [
            ([0x00; 32], "aaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ([0xff; 32], "77777777777777777777777777"),
            // `foobar` begins `mzxw6ytboi` in RFC 4648.
            (
                *b"foobar\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                "mzxw6ytboiaaaaaaaaaaaaaaaa",
            ),
        ] {
            assert_eq!(base32(&digest), text);
        }
    }

    #[test]
    fn ids_are_checked_when_read() {
        for (text, good) in [
            ("mzxw6ytboiaaaaaaaaaaaaaaaa", true),
            ("mzxw6ytboiaaaaaaaaaaaaaaa", false),
            ("mzxw6ytboiaaaaaaaaaaaaaaa1", false),
            ("../../../../../etc/passwd0", false),
            ("MZXW6YTBOIAAAAAAAAAAAAAAAA", false),
        ] {
            assert_eq!(serde_json::from_value::<JobId>(text.into()).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn local_names_are_readable() {
        for (path, key) in [
            (b"/raw/a b+c.json".as_slice(), "/raw/a b+c.json"),
            ("/raw/Köln.json".as_bytes(), "/raw/Köln.json"),
            (b"/raw/100%.json", "/raw/100%25.json"),
            (b"/raw/\xff\xfe.json", "/raw/%FF%FE.json"),
            (b"/raw/%FF.json", "/raw/%25FF.json"),
        ] {
            assert_eq!(SourceName::local(Path::new(OsStr::from_bytes(path))).key, key);
        }
    }

    proptest! {
        /// Each path has its own name, and the name leads back to it.
        #[test]
        fn local_names_lead_back_to_their_paths(path in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'%'), Just(b'F')], 0..40)) {
            let path = Path::new(OsStr::from_bytes(&path));
            prop_assert_eq!(SourceName::local(path).path(), Some(path.to_owned()));
        }
    }
}
