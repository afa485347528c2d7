//! The store contract: what the lake asks of an S3 prefix or a local folder, and nothing more.
//!
//! ```text
//! key ──> get, get_range, head, compare, list        reads see every write that was answered before they began
//!     ──> put_if_absent, put_if_match, delete        all or nothing, durable when answered
//!     ──> start_upload, upload_part ... complete     invisible until completed, by anybody who knows the id
//!     ──> list_uploads, abort_upload                 what was never completed
//! ```
//!
//! A key that is there is only ever replaced by [`Store::put_if_match`]; there is no unconditional put.
//!
//! A store may repeat a request whose answer was lost, and look at what is there when no answer comes at all. Its own
//! success can then come back as [`Put::Exists`], [`Replace::Changed`], [`Complete::Exists`] or
//! [`Complete::NoSuchUpload`]: these say what is there now, never whose it is. An error says nothing about whether a write
//! took effect.
//!
//! Knows nothing of jobs, tables or Parquet.

mod body;
mod error;
mod folder;
mod key;
mod objects;
mod s3;

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use body::{Body, Checksum, ChecksumError};
pub use error::StoreError;
pub use folder::FolderStore;
pub use key::{KeyError, LakeKey};
pub(crate) use objects::Objects;
pub use s3::S3Store;

/// The answer of a store that is still on its way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where a lake lives. Every implementation passes the one suite in `tests/store_contract.rs`.
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// The whole object and its tag, or nothing.
    fn get<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<(Bytes, Tag)>>;

    /// The bytes of `range` that are there: a range past the end is cut, and is empty when it begins past it.
    fn get_range<'a>(&'a self, key: &'a LakeKey, range: Range<u64>) -> Pending<'a, Option<Bytes>>;

    /// Size, tag and time of an object, or nothing. A folder reads the object to know its tag.
    fn head<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<ObjectMeta>>;

    /// Whether the object holds exactly these bytes. `parts` are those it was uploaded in, or empty: S3 keeps for such an
    /// object a checksum of its parts' checksums, so their cut has to be known.
    fn compare<'a>(
        &'a self,
        key: &'a LakeKey,
        size: u64,
        checksum: &'a Checksum,
        parts: &'a [Part],
    ) -> Pending<'a, Compared>;

    /// Writes a new object, if nothing is there. What stands in its way for a moment is not waited out: it may be a delete,
    /// and whether the object is still wanted is for the caller to know.
    fn put_if_absent<'a>(&'a self, key: &'a LakeKey, body: Body) -> Pending<'a, Put>;

    /// Replaces the object that has this tag. Others for the same key that are under way are waited for.
    fn put_if_match<'a>(&'a self, key: &'a LakeKey, bytes: Bytes, tag: &'a Tag) -> Pending<'a, Replace>;

    /// Removes an object. One that is not there is a success.
    fn delete<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, ()>;

    /// The objects below `folder`, in the order of their keys' bytes, a page at a time: those after `start_after`, or
    /// from the first.
    fn list<'a>(&'a self, folder: &'a LakeKey, start_after: Option<&'a LakeKey>) -> Pending<'a, Page>;

    /// Opens an upload. Nothing is visible, to readers or in listings, before it is completed.
    fn start_upload<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, UploadId>;

    /// Sends one part. `offset` is where it begins in the finished object; a part sent again replaces itself. An upload
    /// that was aborted is an error.
    fn upload_part<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        number: u32,
        offset: u64,
        body: Body,
    ) -> Pending<'a, Part>;

    /// Makes an upload the object, if nothing is there. Anybody who knows the id and the parts may do it. Where the key
    /// is taken and the upload is gone as well, either answer may come.
    fn complete_upload_if_absent<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        parts: &'a [Part],
    ) -> Pending<'a, Complete>;

    /// Throws an upload away. One that was completed or aborted before is a success, and its object is not touched.
    fn abort_upload<'a>(&'a self, key: &'a LakeKey, upload: &'a UploadId) -> Pending<'a, ()>;

    /// The uploads that are open in the whole lake, in the order of their keys' bytes, a page at a time: those after `after`,
    /// or from the first. In a folder also what killed processes left of single objects, under ids that
    /// [`abort_upload`](Self::abort_upload) takes as well.
    fn list_uploads<'a>(&'a self, after: Option<&'a UploadsAfter>) -> Pending<'a, UploadPage>;

    /// What time it is by the clock that dates objects and uploads. Writes nothing.
    fn now(&self) -> Pending<'_, SystemTime>;
}

/// The state of an object's content, for [`Store::put_if_match`]. Opaque; equal content may have an equal tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tag(String);

impl Tag {
    /// Takes over what the store calls it: an ETag, a hash.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As the store calls it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an open upload, as the store gave it. Opaque.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UploadId(String);

impl UploadId {
    /// Takes over what the store calls it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As the store calls it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One part of an upload, all that its completion needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From 1, in the order of the object's bytes.
    pub number: u32,
    /// Bytes of this part.
    pub size: u64,
    /// SHA-256 of this part, where the store asks for it at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Checksum>,
    /// The store's tag of this part.
    pub tag: Tag,
}

/// What is known of an object without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Bytes.
    pub size: u64,
    /// The tag [`Store::get`] gives.
    pub tag: Tag,
    /// When it was written, by the store's clock.
    pub last_modified: SystemTime,
}

/// A line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The object's key.
    pub key: LakeKey,
    /// Bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub last_modified: SystemTime,
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// At most 1,000 objects.
    pub objects: Vec<Listed>,
    /// Whether there are more after the last of them.
    pub more: bool,
    /// What others put there under names that are no keys of a lake, up to 1,000 of them. Not: hidden names, which begin
    /// with a dot, and empty objects that stand for folders.
    pub strange: Vec<String>,
}

/// A line of a listing of open uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenUpload {
    /// The key it would be completed to.
    pub key: LakeKey,
    /// The upload.
    pub id: UploadId,
    /// When it was begun, in a folder: last written to, by the store's clock.
    pub last_modified: SystemTime,
}

/// A page of a listing of open uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPage {
    /// At most 1,000 uploads. Those of others under names that are no keys of a lake are passed over.
    pub uploads: Vec<OpenUpload>,
    /// Where the next page begins, if there is one.
    pub next: Option<UploadsAfter>,
}

/// A place in a listing of open uploads: behind this one, which may be of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadsAfter {
    /// Its key, as the store has it.
    pub key: String,
    /// The upload.
    pub id: String,
}

/// Names of a page beyond which no more strange ones are told.
const STRANGE_MAX: usize = 1000;

/// How a conditional put of a new object ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object is this body, durably.
    Written,
    /// Something is there; perhaps this very body, by a twin or by an earlier try.
    Exists,
    /// Not written now: another request for this key is under way, or a delete of it came first.
    Busy,
}

/// How a conditional replacement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// The object is these bytes, durably.
    Written,
    /// Something else is there than the tag says; perhaps these very bytes.
    Changed,
    /// Nothing is there, and nothing was written.
    Absent,
}

/// How the completion of an upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complete {
    /// The object is the upload's content, durably.
    Written,
    /// Something is there; perhaps this very content.
    Exists,
    /// The upload is not open: completed before, by whomever, or thrown away.
    NoSuchUpload,
    /// Not done now: another request for this key is under way, a delete of it came first, or S3 began and did not come to
    /// an end. The upload may be open still.
    Busy,
}

/// What stands under a key, compared with what should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Nothing.
    Absent,
    /// The same size and checksum.
    Same,
    /// Something else.
    Different,
}
