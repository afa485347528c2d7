//! Raw objects in S3: which there are, what each is now, and its bytes.
//!
//! ```text
//! listing, or the first GET of an object that was announced ──> version (ETag, size, Last-Modified)
//! version ──> ranges, some read ahead at once, each on the condition that the object is still that version ──> bytes
//! ```
//!
//! What an object is, is always asked of S3 itself, never taken from an event. The id that a versioned bucket gives a version
//! only pins the reads that follow the first.

mod ahead;
mod list;
mod range;
mod settled;
mod whole;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::primitives::DateTime;

pub use ahead::{ReadAhead, Stored};

use crate::job::claim::Sources;
use crate::job::identity::{SourceName, Version};
use crate::s3::{Action, Dated, Refusal, S3};
use crate::store::{Pending, StoreError};

/// Bytes asked for at once, at least: large enough that requests cost little, small enough that a few fit any memory. What
/// waits of a range to be read is never more.
const RANGE_BYTES_MIN: u64 = 4 << 20;
/// At most. More would put the ranges behind it further off; less, and a store that takes an object up as a whole for each
/// request spends most of its time on that.
const RANGE_BYTES_MAX: u64 = 64 << 20;
/// Ranges of a large object.
const RANGES: u64 = 32;
/// First answers whose bodies wait to be read. Each is a connection.
const KEPT_MAX: usize = 16;

/// Objects in S3, as sources.
#[derive(Debug)]
pub struct S3Objects {
    s3: S3,
    /// Answers to first looks, not yet read.
    kept: Mutex<HashMap<SourceName, Kept>>,
    /// The id of a version may not be asked for (`s3:GetObjectVersion` is not granted); the ETag has to do.
    unpinned: AtomicBool,
}

/// The answer to a first look: the whole object, its body not yet read.
#[derive(Debug)]
struct Kept {
    version: Version,
    answer: GetObjectOutput,
}

impl S3Objects {
    /// Objects that are reached this way.
    pub fn new(s3: S3) -> Self {
        Self {
            s3,
            kept: Mutex::default(),
            unpinned: AtomicBool::new(false),
        }
    }

    /// What an object is that was announced and not listed, or nothing. A small one is asked for in the same request, and is not
    /// asked for again by the reader that follows; as a whole, so that its checksum comes along.
    pub async fn first_look(&self, name: &SourceName) -> Result<Option<Version>, StoreError> {
        if self.kept().len() >= KEPT_MAX {
            return self.version_now(name).await;
        }
        let answer = match self.get(name).send().await.map_err(|error| self.refusal(name, error)) {
            Ok(answer) => answer,
            Err(refused) if refused.status == Some(404) && !no_bucket(&refused) => return Ok(None),
            Err(refused) => return Err(failed(name, refused)),
        };
        let size = answer.content_length().and_then(|size| u64::try_from(size).ok());
        let version = version(answer.e_tag(), size, answer.last_modified()).map_err(|why| odd(name, why))?;
        let mut kept = self.kept();
        // A larger one is read in ranges; the rest of this answer goes with its connection.
        if version.size <= RANGE_BYTES_MIN && kept.len() < KEPT_MAX {
            let version = version.clone();
            kept.insert(name.clone(), Kept { version, answer });
        }
        Ok(Some(version))
    }

    /// What an object is now, if it can also be read: HEAD answers for archived objects too.
    pub async fn probe(&self, name: &SourceName) -> Result<Option<Version>, StoreError> {
        let request = self.get(name).range("bytes=0-0");
        let answer = match request.send().await.map_err(|error| self.refusal(name, error)) {
            Ok(answer) => answer,
            // It has no bytes.
            Err(refused) if refused.status == Some(416) => return self.version_now(name).await,
            Err(refused) if refused.status == Some(404) && !no_bucket(&refused) => return Ok(None),
            Err(refused) => return Err(failed(name, refused)),
        };
        let size = match answer.content_range() {
            Some(range) => range::total(range),
            None => answer.content_length().and_then(|size| u64::try_from(size).ok()),
        };
        let version = version(answer.e_tag(), size, answer.last_modified());
        version.map(Some).map_err(|why| odd(name, why))
    }

    /// Lets go of the answers to first looks that nobody came to read.
    pub fn forget(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<SourceName, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an object is now, or nothing; `dated` is told when that was answered.
    async fn head(&self, name: &SourceName, dated: Option<Dated>) -> Result<Option<Version>, StoreError> {
        let request = self
            .s3
            .client()
            .head_object()
            .set_bucket(name.bucket.clone())
            .key(&name.key)
            .set_expected_bucket_owner(self.s3.expected_owner());
        let answer = match dated {
            Some(dated) => request.customize().interceptor(dated).send().await,
            None => request.send().await,
        };
        match answer.map_err(|error| self.refusal(name, error)) {
            Ok(answer) => {
                let size = answer.content_length().and_then(|size| u64::try_from(size).ok());
                version(answer.e_tag(), size, answer.last_modified())
                    .map(Some)
                    .map_err(|why| odd(name, why))
            }
            Err(refused) if refused.status == Some(404) && !no_bucket(&refused) => Ok(None),
            Err(refused) => Err(failed(name, refused)),
        }
    }

    /// What an error of a request for an object means.
    fn refusal<E>(&self, name: &SourceName, error: SdkError<E, HttpResponse>) -> Refusal
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let bucket = name.bucket.as_deref().unwrap_or_default();
        self.s3.refusal(Action::GetObject, bucket, &name.key, error)
    }

    fn get(&self, name: &SourceName) -> GetObjectFluentBuilder {
        self.s3
            .client()
            .get_object()
            .set_bucket(name.bucket.clone())
            .key(&name.key)
            .set_expected_bucket_owner(self.s3.expected_owner())
    }
}

impl Sources for S3Objects {
    fn version_now<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        Box::pin(self.head(name, None))
    }

    fn version_settled<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        Box::pin(self.settled(name))
    }
}

/// The one way to a version, so that listings, HEAD and GET agree.
fn version(etag: Option<&str>, size: Option<u64>, modified: Option<&DateTime>) -> Result<Version, &'static str> {
    Ok(Version {
        etag: bare(etag.ok_or("S3 gave no ETag")?).to_owned(),
        size: size.ok_or("S3 gave no size")?,
        last_modified_s: modified.ok_or("S3 gave no Last-Modified")?.secs(),
    })
}

/// An ETag without its quotes.
fn bare(etag: &str) -> &str {
    etag.trim_matches('"')
}

fn no_bucket(refused: &Refusal) -> bool {
    refused.code.as_deref() == Some("NoSuchBucket")
}

fn failed(name: &SourceName, refused: Refusal) -> StoreError {
    StoreError::new("read", name, refused.transient, refused)
}

fn odd(name: &SourceName, why: &'static str) -> StoreError {
    StoreError::new("read", name, false, why)
}
