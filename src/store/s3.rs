//! A lake below a prefix of an S3 bucket: the store contract by S3's conditional requests.
//!
//! ```text
//! new key     PutObject          If-None-Match: *     412 exists, 409 busy
//! replace     PutObject          If-Match: <ETag>     412 changed, 404 absent
//! upload      CreateMultipartUpload, UploadPart, then CompleteMultipartUpload with If-None-Match: *
//!                                                     412 exists, 409 busy, 404 no such upload
//! compare     HeadObject         the SHA-256 that S3 keeps; the object itself is read where there is none
//! ```
//!
//! Every body is sent with its SHA-256, which S3 checks before it stores anything, and keeps. No put is unconditional,
//! so a bucket whose policy demands conditional writes serves as a lake. A request whose answer was lost is repeated, and
//! where no answer ever comes, the key is looked at: its own success then looks like somebody else's.

mod list;
mod open;
mod read;
mod sending;
mod write;

use std::error::Error;
use std::ops::Range;
use std::time::SystemTime;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use super::{
    Body, Checksum, Compared, Complete, LakeKey, ObjectMeta, Page, Part, Pending, Put, Replace, Store, StoreError, Tag,
    UploadId, UploadPage, UploadsAfter,
};
use crate::s3::{Action, Refusal, S3, S3Location};

/// A lake in S3. Cloning gives another handle of the same store.
#[derive(Clone, Debug)]
pub struct S3Store {
    s3: S3,
    bucket: String,
    /// Empty, or ending in `/`.
    prefix: String,
}

impl S3Store {
    /// The lake below `location`. `s3://b/p` and `s3://b/p/` are the same lake. Sends no request.
    pub fn new(s3: S3, location: &S3Location) -> Self {
        Self {
            s3,
            bucket: location.bucket().to_owned(),
            prefix: location.root().to_owned(),
        }
    }

    fn object<'a>(&'a self, key: &'a LakeKey) -> Object<'a> {
        Object {
            store: self,
            key,
            full: format!("{}{key}", self.prefix),
        }
    }
}

impl Store for S3Store {
    fn get<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<(Bytes, Tag)>> {
        Box::pin(async move { self.object(key).get().await })
    }

    fn get_range<'a>(&'a self, key: &'a LakeKey, range: Range<u64>) -> Pending<'a, Option<Bytes>> {
        Box::pin(async move { self.object(key).get_range(range).await })
    }

    fn head<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<ObjectMeta>> {
        Box::pin(async move { self.object(key).head().await })
    }

    fn compare<'a>(
        &'a self,
        key: &'a LakeKey,
        size: u64,
        checksum: &'a Checksum,
        parts: &'a [Part],
    ) -> Pending<'a, Compared> {
        Box::pin(async move { self.object(key).compare(size, checksum, parts).await })
    }

    fn put_if_absent<'a>(&'a self, key: &'a LakeKey, body: Body) -> Pending<'a, Put> {
        Box::pin(async move { self.object(key).put_if_absent(body).await })
    }

    fn put_if_match<'a>(&'a self, key: &'a LakeKey, bytes: Bytes, tag: &'a Tag) -> Pending<'a, Replace> {
        Box::pin(async move { self.object(key).put_if_match(bytes, tag).await })
    }

    fn delete<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, ()> {
        Box::pin(async move { self.object(key).delete().await })
    }

    fn list<'a>(&'a self, folder: &'a LakeKey, start_after: Option<&'a LakeKey>) -> Pending<'a, Page> {
        Box::pin(async move { self.object(folder).list(start_after).await })
    }

    fn start_upload<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, UploadId> {
        Box::pin(async move { self.object(key).start_upload().await })
    }

    /// S3 knows where a part goes by its number; `offset` is for stores that do not.
    fn upload_part<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        number: u32,
        _offset: u64,
        body: Body,
    ) -> Pending<'a, Part> {
        Box::pin(async move { self.object(key).upload_part(upload, number, body).await })
    }

    fn complete_upload_if_absent<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        parts: &'a [Part],
    ) -> Pending<'a, Complete> {
        Box::pin(async move { self.object(key).complete_upload(upload, parts).await })
    }

    fn abort_upload<'a>(&'a self, key: &'a LakeKey, upload: &'a UploadId) -> Pending<'a, ()> {
        Box::pin(async move { self.object(key).abort_upload(upload).await })
    }

    fn list_uploads<'a>(&'a self, after: Option<&'a UploadsAfter>) -> Pending<'a, UploadPage> {
        Box::pin(self.open_uploads(after))
    }

    fn now(&self) -> Pending<'_, SystemTime> {
        Box::pin(self.date())
    }
}

/// An object of the lake, or the folder of a listing, and its key in the bucket.
struct Object<'a> {
    store: &'a S3Store,
    key: &'a LakeKey,
    full: String,
}

/// Sets what every request says: which object, and whose bucket it has to be in.
macro_rules! request {
    ($object:ident . $operation:ident) => {
        $object
            .store
            .s3
            .client()
            .$operation()
            .bucket(&$object.store.bucket)
            .key(&$object.full)
            .set_expected_bucket_owner($object.store.s3.expected_owner())
    };
}
use request;

impl Object<'_> {
    fn refusal<E>(&self, action: Action, error: SdkError<E, HttpResponse>) -> Refusal
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        self.store.s3.refusal(action, &self.store.bucket, &self.full, error)
    }

    fn refused(&self, doing: &'static str, refusal: Refusal) -> StoreError {
        StoreError::new(doing, self.key, refusal.transient, refusal)
    }

    /// For an answer that lacks what belongs in it, or contradicts itself. Whether it was done is not known.
    fn nonsense(&self, doing: &'static str, why: &str) -> StoreError {
        StoreError::new(doing, self.key, true, format!("the answer of S3 makes no sense: {why}"))
    }

    fn tag(&self, doing: &'static str, etag: Option<String>) -> Result<Tag, StoreError> {
        etag.filter(|etag| !etag.is_empty())
            .map(Tag::new)
            .ok_or_else(|| self.nonsense(doing, "it has no ETag"))
    }
}

/// Nothing has this key. Not: the bucket is not there, or the caller may not see the key (status 403).
fn is_absent(refusal: &Refusal) -> bool {
    refusal.status == Some(404) && refusal.code.as_deref() != Some("NoSuchBucket")
}

fn is_no_upload(refusal: &Refusal) -> bool {
    refusal.status == Some(404) && refusal.code.as_deref() == Some("NoSuchUpload")
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}
