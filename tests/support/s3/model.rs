//! S3 as a state machine in memory: every call is one step, and steps do not overlap.
//!
//! ```text
//! put, get, delete     here
//! lists                in `listing.rs`
//! uploads              in `uploads.rs`
//! ```
//!
//! No I/O, no async, nothing random: names of versions and uploads are counted, and time is [`Clock`]'s.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use s3s::crypto::{Checksum as _, Sha256};

use super::content::{Algorithm, Checksum, Content, Payload};
use super::refusal::Refusal;
use super::uploads::Uploads;

/// The account that owns a bucket unless the test says otherwise.
pub(crate) const OWNER: &str = "111122223333";

pub(crate) struct Model {
    clock: Clock,
    buckets: BTreeMap<String, Bucket>,
    pub(super) uploads: Uploads,
    named: u64,
    /// The least size of a part that is not the last. S3's is 5 MiB; a test of small files may lower it.
    pub(crate) min_part_bytes: u64,
    /// Whether a completion that is sent again is answered as the first time. S3 does so for a while, and says
    /// `NoSuchUpload` later; without it that later time begins at once.
    pub(crate) repeats_completions: bool,
}

/// A bucket; a test may change what is public at any time.
pub(crate) struct Bucket {
    pub(crate) owner: String,
    pub(crate) versioning: Versioning,
    /// Whether a policy denies writes of objects that have no `If-None-Match` or `If-Match`.
    pub(crate) conditional_only: bool,
    objects: BTreeMap<String, Vec<Version>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versioning {
    Off,
    On,
    Suspended,
}

/// Where a request goes, and whom it expects to own the bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) owner: Option<&'a str>,
}

impl<'a> At<'a> {
    pub(crate) fn new(bucket: &'a str, key: &'a str) -> Self {
        Self {
            bucket,
            key,
            owner: None,
        }
    }
}

/// What has to be there for a write. Tags have no quotation marks here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    #[default]
    None,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: "tag"`
    Tag(String),
    /// `If-Match: *`
    Present,
}

/// What is kept with an object and given back as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers {
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_type: Option<String>,
    /// `x-amz-meta-*`, without the prefix.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// An object as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) content: Content,
    /// Without quotation marks.
    pub(crate) tag: String,
    pub(crate) last_modified: SystemTime,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) headers: Headers,
    /// Told by [`Model::get`], in a bucket that has or had versions.
    pub(crate) version: Option<String>,
}

#[derive(Clone, Debug)]
struct Version {
    /// `null` for those of the time without versioning.
    id: String,
    /// None is a delete marker.
    object: Option<Object>,
}

/// What a write left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) tag: String,
    pub(crate) version: Option<String>,
    pub(crate) checksum: Option<Checksum>,
}

/// What a deletion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub(crate) version: Option<String>,
    pub(crate) marker: bool,
}

/// What the model takes for now.
enum Clock {
    Real { ahead: Duration },
    Set(SystemTime),
}

impl Default for Model {
    /// No buckets, real time, S3's own limits.
    fn default() -> Self {
        Self {
            clock: Clock::Real { ahead: Duration::ZERO },
            buckets: BTreeMap::new(),
            uploads: Uploads::default(),
            named: 0,
            min_part_bytes: 5 << 20,
            repeats_completions: false,
        }
    }
}

impl Model {
    /// A model whose time stands still but for [`Model::advance`].
    pub(crate) fn at(time: SystemTime) -> Self {
        Self {
            clock: Clock::Set(time),
            ..Self::default()
        }
    }

    /// In whole seconds, as S3 tells it.
    pub(crate) fn now(&self) -> SystemTime {
        let now = match self.clock {
            #[allow(
                clippy::disallowed_methods,
                reason = "S3 has a clock of its own, and its users read it"
            )]
            Clock::Real { ahead } => SystemTime::now() + ahead,
            Clock::Set(time) => time,
        };
        UNIX_EPOCH + Duration::from_secs(now.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        match &mut self.clock {
            Clock::Real { ahead } => *ahead += by,
            Clock::Set(time) => *time += by,
        }
    }

    /// A new bucket of [`OWNER`], without versions.
    pub(crate) fn create_bucket(&mut self, name: &str) -> &mut Bucket {
        self.buckets.entry(name.to_owned()).or_insert_with(|| Bucket {
            owner: OWNER.to_owned(),
            versioning: Versioning::Off,
            conditional_only: false,
            objects: BTreeMap::new(),
        })
    }

    /// A bucket, as the test that made it sees it.
    pub(crate) fn bucket(&mut self, name: &str) -> &mut Bucket {
        self.buckets.get_mut(name).unwrap()
    }

    /// The newest content of a key, whatever policies say.
    pub(crate) fn bytes(&self, bucket: &str, key: &str) -> Option<Bytes> {
        Some(self.buckets[bucket].newest(key)?.content.bytes())
    }

    /// Every key that has an object, in order.
    pub(crate) fn keys(&self, bucket: &str) -> Vec<String> {
        let there = self.buckets[bucket].newest_in((Bound::Unbounded, Bound::Unbounded));
        there.map(|(key, _)| key.to_owned()).collect()
    }

    /// Puts an object there as somebody else would: no condition asked, none demanded.
    pub(crate) fn seed(&mut self, bucket: &str, key: &str, bytes: impl Into<Bytes>) -> Stored {
        let object = self.object(Payload::new(bytes), Headers::default());
        self.store(bucket, key, object)
    }

    pub(crate) fn put(
        &mut self,
        at: At<'_>,
        payload: Payload,
        headers: Headers,
        condition: &Condition,
    ) -> Result<Stored, Refusal> {
        self.check_write(at, condition)?;
        let object = self.object(payload, headers);
        Ok(self.store(at.bucket, at.key, object))
    }

    /// What GET and HEAD both need.
    pub(crate) fn get(&self, at: At<'_>, version: Option<&str>, if_match: &Condition) -> Result<Object, Refusal> {
        let bucket = self.permitted(at)?;
        let versions = bucket.objects.get(at.key).map_or(&[][..], Vec::as_slice);
        let (found, absent, deleted) = match version {
            None => (versions.last(), Refusal::NoSuchKey, Refusal::Deleted),
            Some(id) => {
                let found = versions.iter().find(|found| found.id == id);
                (found, Refusal::NoSuchVersion, Refusal::MethodNotAllowed)
            }
        };
        let found = found.ok_or(absent)?;
        let object = found.object.as_ref().ok_or(deleted)?;
        match if_match {
            Condition::Tag(tag) if *tag != object.tag => Err(Refusal::PreconditionFailed),
            _ => Ok(Object {
                version: (bucket.versioning != Versioning::Off).then(|| found.id.clone()),
                ..object.clone()
            }),
        }
    }

    pub(crate) fn delete(&mut self, at: At<'_>, version: Option<&str>) -> Result<Deleted, Refusal> {
        self.permitted(at)?;
        let fresh = self.fresh_name("version");
        let bucket = self.bucket(at.bucket);
        let versioning = bucket.versioning;
        let versions = bucket.objects.entry(at.key.to_owned()).or_default();
        let deleted = if let Some(id) = version {
            let gone = versions.extract_if(.., |found| found.id == id).next();
            Deleted {
                version: Some(id.to_owned()),
                marker: gone.is_some_and(|gone| gone.object.is_none()),
            }
        } else if versioning == Versioning::Off {
            versions.clear();
            Deleted {
                version: None,
                marker: false,
            }
        } else {
            let id = Bucket::make_room(versioning, versions, fresh);
            versions.push(Version {
                id: id.clone(),
                object: None,
            });
            Deleted {
                version: Some(id),
                marker: true,
            }
        };
        if versions.is_empty() {
            bucket.objects.remove(at.key);
        }
        Ok(deleted)
    }

    /// Refuses a bucket that is not there or is somebody else's.
    pub(super) fn permitted(&self, at: At<'_>) -> Result<&Bucket, Refusal> {
        let bucket = self.buckets.get(at.bucket).ok_or(Refusal::NoSuchBucket)?;
        match at.owner {
            Some(owner) if owner != bucket.owner => Err(Refusal::AccessDenied),
            _ => Ok(bucket),
        }
    }

    /// Refuses a write whose condition does not hold, or is missing where the bucket demands one.
    pub(super) fn check_write(&self, at: At<'_>, condition: &Condition) -> Result<(), Refusal> {
        let bucket = self.permitted(at)?;
        match (condition, bucket.newest(at.key)) {
            (Condition::None, _) if bucket.conditional_only => Err(Refusal::AccessDenied),
            (Condition::None, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => Ok(()),
            (Condition::Absent, Some(_)) => Err(Refusal::PreconditionFailed),
            (Condition::Tag(_) | Condition::Present, None) => Err(Refusal::NoSuchKey),
            (Condition::Tag(tag), Some(object)) if *tag == object.tag => Ok(()),
            (Condition::Tag(_), Some(_)) => Err(Refusal::PreconditionFailed),
        }
    }

    /// Makes an object the newest version of its key.
    pub(super) fn store(&mut self, bucket: &str, key: &str, object: Object) -> Stored {
        let fresh = self.fresh_name("version");
        let bucket = self.bucket(bucket);
        let versions = bucket.objects.entry(key.to_owned()).or_default();
        let id = Bucket::make_room(bucket.versioning, versions, fresh);
        let version = (bucket.versioning != Versioning::Off).then(|| id.clone());
        let stored = Stored {
            tag: object.tag.clone(),
            version,
            checksum: object.checksum.clone(),
        };
        versions.push(Version {
            id,
            object: Some(object),
        });
        stored
    }

    /// A name that was not given before: it looks as opaque as S3's, but later ones are greater.
    pub(super) fn fresh_name(&mut self, what: &str) -> String {
        self.named += 1;
        let sum = Sha256::checksum(format!("{what} {}", self.named).as_bytes());
        format!("{:08x}{}", self.named, hex(&sum[..16]))
    }

    fn object(&self, payload: Payload, headers: Headers) -> Object {
        // S3 sums up what nobody else did.
        let whole = || Checksum::of(Algorithm::Crc64Nvme, [payload.bytes.as_ref()]);
        Object {
            tag: hex(&payload.md5),
            last_modified: self.now(),
            checksum: Some(payload.checksum.clone().unwrap_or_else(whole)),
            content: Content::new(vec![payload.bytes]),
            headers,
            version: None,
        }
    }
}

impl Bucket {
    fn newest(&self, key: &str) -> Option<&Object> {
        self.objects.get(key)?.last()?.object.as_ref()
    }

    /// The objects of a range of keys, in order; a key whose newest version is a delete marker has none.
    pub(super) fn newest_in<'a>(
        &'a self,
        range: (Bound<&'a str>, Bound<&'a str>),
    ) -> impl Iterator<Item = (&'a str, &'a Object)> {
        let there =
            |(key, versions): (&'a String, &'a Vec<Version>)| Some((key.as_str(), versions.last()?.object.as_ref()?));
        self.objects.range::<str, _>(range).filter_map(there)
    }

    /// The id of the version that comes next; without versioning it takes the place of the one called `null`.
    fn make_room(versioning: Versioning, versions: &mut Vec<Version>, fresh: String) -> String {
        if versioning == Versioning::On {
            return fresh;
        }
        versions.retain(|version| version.id != "null");
        "null".to_owned()
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
