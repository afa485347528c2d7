//! The model without a wire: the store contract and the sources straight on it, each request a step of a simulation.
//!
//! Does what `S3Store` does over HTTP, request by request: bodies with their SHA-256, conditional puts, what is there
//! compared by the checksum that S3 keeps, requests without an answer sent again.

mod open;

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use lakebed::job::claim::Sources;
use lakebed::job::identity::{SourceName, Version};
use lakebed::store::{
    self, Body, Compared, Complete, LakeKey, Listed, ObjectMeta, Page, Pending, Put, Replace, Store, StoreError, Tag,
    UploadId, UploadPage, UploadsAfter,
};
use sha2::{Digest, Sha256};

use super::super::sim::{Failure, Handle, Request};
use super::content::{Algorithm, Checksum, ChecksumType, Claims, Payload};
use super::listing::{ListQuery, Listing};
use super::model::{At, Condition, Headers, Model, Object, Stored};
use super::refusal::Refusal;
use super::uploads::{Completion, PartClaim};

/// Times that a request is sent when no answer comes, or one that asks for patience.
const ATTEMPTS: u32 = 3;
/// Times that S3 may find another request for the same key under way.
const CONFLICTS_MAX: u32 = 6;
/// Age of a raw object, by the clock of its store, that no later version has in common with it.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// A client of the simulated S3: a lake below a prefix of a bucket, and raw objects in all buckets.
#[derive(Clone, Debug)]
pub(crate) struct Direct {
    handle: Handle,
    bucket: &'static str,
    /// Ends in `/`.
    prefix: &'static str,
}

impl Direct {
    pub(crate) fn new(handle: Handle, bucket: &'static str, prefix: &'static str) -> Self {
        Self { handle, bucket, prefix }
    }

    fn request(&self, operation: &'static str, key: &LakeKey, note: String) -> Request {
        Request {
            operation,
            bucket: self.bucket.to_owned(),
            key: format!("{}{key}", self.prefix),
            note,
        }
    }

    /// Sends a request until there is an answer, as the client of S3 does.
    async fn send<T: Send + 'static>(
        &self,
        request: &Request,
        work: impl Fn(&mut Model, At<'_>) -> Result<T, Refusal> + Send + Sync + 'static,
        tell: fn(&T) -> String,
    ) -> Result<T, Failure> {
        let (bucket, key) = (request.bucket.clone(), request.key.clone());
        let work = Arc::new(move |model: &mut Model| work(model, At::new(&bucket, &key)));
        let (mut attempts, mut conflicts) = (0, 0);
        loop {
            let failure = match self.handle.request(request, work.clone(), tell).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match failure {
                Failure::Status(409) if request.note.starts_with("if-match") => conflicts += 1,
                Failure::Status(500..) | Failure::NoAnswer => attempts += 1,
                Failure::Status(_) | Failure::Refused(_) => return Err(failure),
            }
            if attempts == ATTEMPTS || conflicts == CONFLICTS_MAX {
                return Err(failure);
            }
            let jitter_ms = self.handle.sim.draw(100 << (attempts + conflicts));
            tokio::time::sleep(Duration::from_millis(jitter_ms)).await;
        }
    }

    async fn find(&self, operation: &'static str, key: &LakeKey) -> Result<Option<Object>, StoreError> {
        let request = self.request(operation, key, String::new());
        found(
            &request,
            self.send(&request, |model, at| model.get(at, None, &Condition::None), told)
                .await,
        )
    }

    /// Whether an object is there that a request which got no answer may have written.
    async fn is_there_after(&self, key: &LakeKey, failure: &Failure) -> bool {
        let unknown = matches!(failure, Failure::Status(500..) | Failure::NoAnswer);
        unknown && matches!(self.find("HeadObject", key).await, Ok(Some(_)))
    }

    async fn put(
        &self,
        key: &LakeKey,
        body: &Body,
        condition: Condition,
    ) -> Result<Result<Stored, Failure>, StoreError> {
        let bytes = bytes_of(body)?;
        let note = match &condition {
            Condition::Tag(tag) => format!("if-match={}", &tag[..8]),
            _ => "if-none-match=*".to_owned(),
        };
        let request = self.request("PutObject", key, note);
        let work = move |model: &mut Model, at: At<'_>| model.put(at, payload(&bytes)?, Headers::default(), &condition);
        Ok(self.send(&request, work, |_| "written".to_owned()).await)
    }

    /// The version that is read, and its bytes; nothing if it is not there any more.
    pub(crate) async fn read(&self, name: &SourceName, version: &Version) -> Result<Option<Bytes>, StoreError> {
        let request = raw_request("GetObject", name, format!("if-match={}", &version.etag[..8]));
        let if_match = Condition::Tag(version.etag.clone());
        let work = move |model: &mut Model, at: At<'_>| model.get(at, None, &if_match);
        Ok(match refused(&request, self.send(&request, work, told).await)? {
            Ok(object) if version_of(&object) == *version => Some(object.content.bytes()),
            Ok(_) | Err(Refusal::PreconditionFailed | Refusal::NoSuchKey | Refusal::Deleted) => None,
            Err(refusal) => return Err(failed(&request, Failure::Refused(refusal))),
        })
    }

    /// What is there, asked with the beginning of its bytes.
    pub(crate) async fn first_look(&self, name: &SourceName) -> Result<Option<Version>, StoreError> {
        self.version(name, "GetObject").await
    }

    async fn version(&self, name: &SourceName, operation: &'static str) -> Result<Option<Version>, StoreError> {
        Ok(self.dated(name, operation).await?.0)
    }

    /// The same, and what S3's clock said.
    async fn dated(
        &self,
        name: &SourceName,
        operation: &'static str,
    ) -> Result<(Option<Version>, SystemTime), StoreError> {
        let request = raw_request(operation, name, String::new());
        let work = |model: &mut Model, at: At<'_>| match model.get(at, None, &Condition::None) {
            Ok(object) => Ok((Some(object), model.now())),
            Err(Refusal::NoSuchKey | Refusal::Deleted) => Ok((None, model.now())),
            Err(refusal) => Err(refusal),
        };
        let tell = |(object, _): &(Option<Object>, SystemTime)| object.as_ref().map_or("absent".to_owned(), told);
        let sent = self.send(&request, work, tell).await;
        let (object, date) = sent.map_err(|failure| failed(&request, failure))?;
        Ok((object.as_ref().map(version_of), date))
    }
}

fn raw_request(operation: &'static str, name: &SourceName, note: String) -> Request {
    Request {
        operation,
        bucket: name.bucket.clone().expect("raw objects are in a bucket"),
        key: name.key.clone(),
        note,
    }
}

impl Sources for Direct {
    fn version_now<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        Box::pin(self.version(name, "HeadObject"))
    }

    fn version_settled<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        Box::pin(async move {
            loop {
                // The Date of the answer, in whole seconds as well.
                let (found, date) = self.dated(name, "HeadObject").await?;
                let Some(version) = found else { return Ok(None) };
                let settled = UNIX_EPOCH + Duration::from_secs(version.last_modified_s as u64) + SETTLED_AFTER;
                let Ok(early) = settled.duration_since(date) else {
                    return Ok(Some(version));
                };
                if early.is_zero() {
                    return Ok(Some(version));
                }
                tokio::time::sleep(early).await;
            }
        })
    }
}

impl Store for Direct {
    fn get<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<(Bytes, Tag)>> {
        Box::pin(async move {
            let object = self.find("GetObject", key).await?;
            Ok(object.map(|object| (object.content.bytes(), quoted(&object.tag))))
        })
    }

    fn get_range<'a>(&'a self, key: &'a LakeKey, range: Range<u64>) -> Pending<'a, Option<Bytes>> {
        Box::pin(async move {
            let request = self.request("GetObject", key, format!("range={}-{}", range.start, range.end));
            let sent = self.send(&request, |model, at| model.get(at, None, &Condition::None), told);
            Ok(found(&request, sent.await)?.map(|object| {
                let end = range.end.min(object.content.len());
                let pieces = object.content.slice(range.start.min(end)..end);
                pieces.concat().into()
            }))
        })
    }

    fn head<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<ObjectMeta>> {
        Box::pin(async move {
            let object = self.find("HeadObject", key).await?;
            Ok(object.map(|object| ObjectMeta {
                size: object.content.len(),
                tag: quoted(&object.tag),
                last_modified: object.last_modified,
            }))
        })
    }

    fn compare<'a>(
        &'a self,
        key: &'a LakeKey,
        size: u64,
        checksum: &'a store::Checksum,
        parts: &'a [store::Part],
    ) -> Pending<'a, Compared> {
        Box::pin(async move {
            let Some(object) = self.find("HeadObject", key).await? else {
                return Ok(Compared::Absent);
            };
            if object.content.len() != size {
                return Ok(Compared::Different);
            }
            let whole = BASE64_STANDARD.encode(checksum.as_bytes());
            let kept = object.checksum.filter(|kept| kept.algorithm == Algorithm::Sha256);
            if let Some(kept) = kept {
                if kept.value == whole || (!parts.is_empty() && kept.value == of_parts(parts)) {
                    return Ok(Compared::Same);
                }
                if kept.kind() == ChecksumType::FullObject {
                    return Ok(Compared::Different);
                }
            }
            Ok(match self.find("GetObject", key).await? {
                None => Compared::Absent,
                Some(object) if BASE64_STANDARD.encode(Sha256::digest(object.content.bytes())) == whole => {
                    Compared::Same
                }
                Some(_) => Compared::Different,
            })
        })
    }

    fn put_if_absent<'a>(&'a self, key: &'a LakeKey, body: Body) -> Pending<'a, Put> {
        Box::pin(async move {
            match self.put(key, &body, Condition::Absent).await? {
                Ok(_) => Ok(Put::Written),
                Err(Failure::Refused(Refusal::PreconditionFailed)) => Ok(Put::Exists),
                Err(Failure::Status(409)) => Ok(Put::Busy),
                Err(failure) if self.is_there_after(key, &failure).await => Ok(Put::Exists),
                Err(failure) => Err(error("write", key, &failure)),
            }
        })
    }

    fn put_if_match<'a>(&'a self, key: &'a LakeKey, bytes: Bytes, tag: &'a Tag) -> Pending<'a, Replace> {
        Box::pin(async move {
            let condition = Condition::Tag(tag.as_str().trim_matches('"').to_owned());
            match self.put(key, &bytes.into(), condition).await? {
                Ok(_) => Ok(Replace::Written),
                Err(Failure::Refused(Refusal::PreconditionFailed)) => Ok(Replace::Changed),
                Err(Failure::Refused(Refusal::NoSuchKey)) => Ok(Replace::Absent),
                Err(failure) => Err(error("replace", key, &failure)),
            }
        })
    }

    fn delete<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, ()> {
        Box::pin(async move {
            let request = self.request("DeleteObject", key, String::new());
            let sent = self.send(&request, |model, at| model.delete(at, None), |_| "gone".to_owned());
            sent.await.map(drop).map_err(|failure| failed(&request, failure))
        })
    }

    fn list<'a>(&'a self, folder: &'a LakeKey, start_after: Option<&'a LakeKey>) -> Pending<'a, Page> {
        Box::pin(async move {
            let mut request = self.request("ListObjectsV2", folder, String::new());
            request.key.push('/');
            let after = start_after
                .map(|key| format!("{}{key}", self.prefix))
                .unwrap_or_default();
            let work = move |model: &mut Model, at: At<'_>| {
                let query = ListQuery {
                    prefix: at.key,
                    after: &after,
                    delimiter: None,
                    max: 1000,
                };
                model.list(at, &query)
            };
            let listing = self.send(&request, work, |listing: &Listing| listing.objects.len().to_string());
            let listing = listing.await.map_err(|failure| failed(&request, failure))?;
            let listed = |(key, object): &(String, Object)| Listed {
                key: LakeKey::new(&key[self.prefix.len()..]).expect("nobody else writes here"),
                size: object.content.len(),
                last_modified: object.last_modified,
            };
            Ok(Page {
                objects: listing.objects.iter().map(listed).collect(),
                more: listing.next.is_some(),
                strange: Default::default(),
            })
        })
    }

    fn start_upload<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, UploadId> {
        Box::pin(async move {
            let request = self.request("CreateMultipartUpload", key, String::new());
            let work = |model: &mut Model, at: At<'_>| {
                model.create_upload(at, Headers::default(), Some(Algorithm::Sha256), None)
            };
            let id = self.send(&request, work, |id: &String| id[..8].to_owned()).await;
            id.map(UploadId::new).map_err(|failure| failed(&request, failure))
        })
    }

    fn upload_part<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        number: u32,
        _offset: u64,
        body: Body,
    ) -> Pending<'a, store::Part> {
        Box::pin(async move {
            let bytes = bytes_of(&body)?;
            let request = self.request("UploadPart", key, format!("{}#{number}", &upload.as_str()[..8]));
            let (id, part) = (upload.as_str().to_owned(), bytes.clone());
            let work = move |model: &mut Model, at: At<'_>| model.put_part(at, &id, number, payload(&part)?);
            let tag = self.send(&request, work, |_| "taken".to_owned()).await;
            let tag = tag.map_err(|failure| {
                // A later attempt starts an upload of its own.
                let transient = matches!(failure, Failure::Refused(Refusal::NoSuchUpload));
                let failed = failed(&request, failure);
                StoreError::new("upload part of", key, transient || failed.is_transient(), failed)
            })?;
            Ok(store::Part {
                number,
                size: bytes.len() as u64,
                sha256: Some(store::Checksum::of(&bytes)),
                tag: quoted(&tag),
            })
        })
    }

    fn complete_upload_if_absent<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        parts: &'a [store::Part],
    ) -> Pending<'a, Complete> {
        Box::pin(async move {
            let request = self.request("CompleteMultipartUpload", key, upload.as_str()[..8].to_owned());
            let claims = parts.iter().map(|part| PartClaim {
                number: part.number,
                tag: part.tag.as_str().trim_matches('"').to_owned(),
                checksum: part.sha256.map(|sum| Checksum {
                    algorithm: Algorithm::Sha256,
                    value: BASE64_STANDARD.encode(sum.as_bytes()),
                }),
            });
            let completion = Completion {
                parts: claims.collect(),
                condition: Condition::Absent,
                ..Completion::default()
            };
            let id = upload.as_str().to_owned();
            let work = move |model: &mut Model, at: At<'_>| model.complete_upload(at, &id, &completion);
            match self.send(&request, work, |_| "written".to_owned()).await {
                Ok(_) => Ok(Complete::Written),
                Err(Failure::Refused(Refusal::PreconditionFailed)) => Ok(Complete::Exists),
                Err(Failure::Refused(Refusal::NoSuchUpload)) => Ok(Complete::NoSuchUpload),
                Err(Failure::Status(409)) => Ok(Complete::Busy),
                Err(failure) if self.is_there_after(key, &failure).await => Ok(Complete::Exists),
                Err(failure) => Err(failed(&request, failure)),
            }
        })
    }

    fn abort_upload<'a>(&'a self, key: &'a LakeKey, upload: &'a UploadId) -> Pending<'a, ()> {
        Box::pin(async move {
            let request = self.request("AbortMultipartUpload", key, upload.as_str()[..8].to_owned());
            let id = upload.as_str().to_owned();
            let work = move |model: &mut Model, at: At<'_>| model.abort_upload(at, &id);
            match refused(&request, self.send(&request, work, |()| "aborted".to_owned()).await)? {
                Ok(()) | Err(Refusal::NoSuchUpload) => Ok(()),
                Err(refusal) => Err(failed(&request, Failure::Refused(refusal))),
            }
        })
    }

    fn list_uploads<'a>(&'a self, after: Option<&'a UploadsAfter>) -> Pending<'a, UploadPage> {
        Box::pin(self.open_uploads(after))
    }

    fn now(&self) -> Pending<'_, SystemTime> {
        Box::pin(async { Ok(self.handle.sim.now()) })
    }
}

/// An object, nothing where there is none.
fn found(request: &Request, answer: Result<Object, Failure>) -> Result<Option<Object>, StoreError> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(Failure::Refused(Refusal::NoSuchKey | Refusal::Deleted)) => Ok(None),
        Err(failure) => Err(failed(request, failure)),
    }
}

/// An answer of S3, whatever it says.
fn refused<T>(request: &Request, answer: Result<T, Failure>) -> Result<Result<T, Refusal>, StoreError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(Failure::Refused(refusal)) => Ok(Err(refusal)),
        Err(failure) => Err(failed(request, failure)),
    }
}

fn failed(request: &Request, failure: Failure) -> StoreError {
    error(request.operation, &request.key, &failure)
}

fn error(doing: &'static str, what: impl ToString, failure: &Failure) -> StoreError {
    let mut why = String::new();
    let transient = match failure {
        Failure::Refused(refusal) => {
            let _ = write!(why, "{} {}", refusal.status(), refusal.code());
            false
        }
        Failure::Status(status) => {
            let _ = write!(why, "status {status}");
            *status != 403
        }
        Failure::NoAnswer => {
            why.push_str("no answer");
            true
        }
    };
    StoreError::new(doing, what, transient, why)
}

fn told(object: &Object) -> String {
    format!("{} {}", object.content.len(), &object.tag[..8])
}

fn version_of(object: &Object) -> Version {
    let modified = object.last_modified.duration_since(UNIX_EPOCH).expect("after 1970");
    Version {
        etag: object.tag.clone(),
        size: object.content.len(),
        last_modified_s: modified.as_secs() as i64,
    }
}

fn quoted(tag: &str) -> Tag {
    Tag::new(format!("\"{tag}\""))
}

/// A body with the checksum that is sent with it.
fn payload(bytes: &Bytes) -> Result<Payload, Refusal> {
    let checksum = Checksum::of(Algorithm::Sha256, [bytes.as_ref()]);
    Payload::verified(
        bytes.clone(),
        Claims {
            checksum: Some(checksum),
            md5: None,
        },
    )
}

fn bytes_of(body: &Body) -> Result<Bytes, StoreError> {
    let mut bytes = Vec::new();
    body.write_to(&mut bytes)
        .map_err(|source| StoreError::io("read body", "spool", source))?;
    Ok(bytes.into())
}

/// What S3 keeps of an object uploaded in parts.
fn of_parts(parts: &[store::Part]) -> String {
    let mut hash = Sha256::new();
    for sum in parts.iter().filter_map(|part| part.sha256) {
        hash.update(sum.as_bytes());
    }
    format!("{}-{}", BASE64_STANDARD.encode(hash.finalize()), parts.len())
}
