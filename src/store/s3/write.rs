//! Writing to S3: conditional puts, uploads in parts, deletes.

use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::sending::{checksum, stream};
use super::{Object, base64, is_absent, is_no_upload, request};
use crate::s3::{Action, Refusal};
use crate::store::{Body, Checksum, Complete, ObjectMeta, Part, Put, Replace, StoreError, Tag, UploadId};

const WRITE: &str = "write";
const REPLACE: &str = "replace";
const DELETE: &str = "delete";
const START: &str = "start upload of";
const UPLOAD: &str = "upload part of";
const COMPLETE: &str = "complete upload of";
const ABORT: &str = "abort upload of";

/// Times that S3 may find another request for the object to be replaced under way.
const CONFLICTS_MAX: u32 = 6;
/// Larger bodies take more time than an answer may.
const LARGE: u64 = 1 << 20;

/// The condition of a put.
#[derive(Clone, Copy)]
enum Unless<'a> {
    Anything,
    Not(&'a Tag),
}

impl Object<'_> {
    pub(super) async fn put_if_absent(&self, body: Body) -> Result<Put, StoreError> {
        match self.put(WRITE, body, Unless::Anything).await? {
            Ok(_) => Ok(Put::Written),
            Err(refusal) if refusal.status == Some(412) => Ok(Put::Exists),
            Err(refusal) if refusal.status == Some(409) => Ok(Put::Busy),
            Err(refusal) => match self.there_after(&refusal).await {
                Some(_) => Ok(Put::Exists),
                None => Err(self.refused(WRITE, refusal)),
            },
        }
    }

    /// Sent again, with a pause, as long as S3 says 409: what there is to compare with was not known then. Unlike a new
    /// object, a replacement cannot bring back what somebody deletes.
    pub(super) async fn put_if_match(&self, bytes: Bytes, tag: &Tag) -> Result<Replace, StoreError> {
        let mut conflicts = 0;
        loop {
            let refusal = match self.put(REPLACE, bytes.clone().into(), Unless::Not(tag)).await? {
                Ok(_) => return Ok(Replace::Written),
                Err(refusal) => refusal,
            };
            conflicts += 1;
            match refusal.status {
                Some(412) => return Ok(Replace::Changed),
                Some(404) if is_absent(&refusal) => return Ok(Replace::Absent),
                Some(409) if conflicts < CONFLICTS_MAX && self.store.s3.retries().again(conflicts).await => {}
                _ => {
                    return match self.there_after(&refusal).await {
                        Some(there) if there.tag != *tag => Ok(Replace::Changed),
                        _ => Err(self.refused(REPLACE, refusal)),
                    };
                }
            }
        }
    }

    /// What is there after a write that got no answer, whoever wrote it. Nothing where the write was refused, or where that
    /// is not known either.
    async fn there_after(&self, refusal: &Refusal) -> Option<ObjectMeta> {
        if !refusal.transient {
            return None;
        }
        self.head().await.ok().flatten()
    }

    async fn put(
        &self,
        doing: &'static str,
        body: Body,
        unless: Unless<'_>,
    ) -> Result<Result<PutObjectOutput, Refusal>, StoreError> {
        let sha256 = self.checksum(doing, &body).await?;
        let put = request!(self.put_object)
            .checksum_sha256(base64(sha256.as_bytes()))
            .body(stream(&body));
        let put = match unless {
            Unless::Anything => put.if_none_match("*"),
            Unless::Not(tag) => put.if_match(quoted(tag)),
        };
        // The signature covers the checksum, and that the body: to sign the body as well is to hash it twice.
        let mut put = put.customize().disable_payload_signing();
        if body.size() > LARGE {
            put = put.config_override(self.store.s3.patient());
        }
        Ok(match put.send().await {
            Ok(answer) if answer.e_tag.as_ref().is_some_and(|etag| !etag.is_empty()) => Ok(answer),
            // Success of something else, or none: the body, which would tell, is not read by the client.
            Ok(_) => Err(Refusal::without_result()),
            Err(error) => Err(self.refusal(Action::PutObject, error)),
        })
    }

    pub(super) async fn delete(&self) -> Result<(), StoreError> {
        match request!(self.delete_object).send().await {
            Ok(_) => Ok(()),
            Err(error) => match self.refusal(Action::DeleteObject, error) {
                refusal if is_absent(&refusal) => Ok(()),
                refusal => Err(self.refused(DELETE, refusal)),
            },
        }
    }

    pub(super) async fn start_upload(&self) -> Result<UploadId, StoreError> {
        let request = request!(self.create_multipart_upload).checksum_algorithm(ChecksumAlgorithm::Sha256);
        let started = request.send().await;
        let started = started.map_err(|error| self.refused(START, self.refusal(Action::PutObject, error)))?;
        started
            .upload_id
            .filter(|id| !id.is_empty())
            .map(UploadId::new)
            .ok_or_else(|| self.nonsense(START, "it names no upload"))
    }

    pub(super) async fn upload_part(&self, upload: &UploadId, number: u32, body: Body) -> Result<Part, StoreError> {
        let sha256 = self.checksum(UPLOAD, &body).await?;
        let mut request = request!(self.upload_part)
            .upload_id(upload.as_str())
            .part_number(self.part_number(UPLOAD, number)?)
            .checksum_sha256(base64(sha256.as_bytes()))
            .body(stream(&body))
            .customize()
            .disable_payload_signing();
        if body.size() > LARGE {
            request = request.config_override(self.store.s3.patient());
        }
        let sent = request.send().await.map_err(|error| {
            let mut refusal = self.refusal(Action::PutObject, error);
            // A later attempt starts an upload of its own.
            refusal.transient |= is_no_upload(&refusal);
            self.refused(UPLOAD, refusal)
        })?;
        Ok(Part {
            number,
            size: body.size(),
            sha256: Some(sha256),
            tag: self.tag(UPLOAD, sent.e_tag)?,
        })
    }

    pub(super) async fn complete_upload(&self, upload: &UploadId, parts: &[Part]) -> Result<Complete, StoreError> {
        if upload.as_str().is_empty() {
            return Ok(Complete::NoSuchUpload);
        }
        let completed = parts.iter().map(|part| {
            Ok(CompletedPart::builder()
                .part_number(self.part_number(COMPLETE, part.number)?)
                .e_tag(part.tag.as_str())
                .set_checksum_sha256(part.sha256.map(|sha256| base64(sha256.as_bytes())))
                .build())
        });
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(completed.collect::<Result<_, StoreError>>()?))
            .build();
        let sent = request!(self.complete_multipart_upload)
            .upload_id(upload.as_str())
            .multipart_upload(parts)
            .if_none_match("*")
            .customize()
            .config_override(self.store.s3.patient())
            .send();
        let refusal = match sent.await {
            // Status 200 is sent before the work begins; only the result says that it was done.
            Ok(answer) if answer.e_tag.as_ref().is_some_and(|etag| !etag.is_empty()) => return Ok(Complete::Written),
            Ok(_) => Refusal::without_result(),
            Err(error) => self.refusal(Action::PutObject, error),
        };
        match refusal.status {
            Some(412) => return Ok(Complete::Exists),
            Some(409) => return Ok(Complete::Busy),
            Some(404) if is_no_upload(&refusal) => return Ok(Complete::NoSuchUpload),
            _ => {}
        }
        match self.there_after(&refusal).await {
            Some(_) => Ok(Complete::Exists),
            None if refusal.is_without_result() => Ok(Complete::Busy),
            None => Err(self.refused(COMPLETE, refusal)),
        }
    }

    pub(super) async fn abort_upload(&self, upload: &UploadId) -> Result<(), StoreError> {
        if upload.as_str().is_empty() {
            return Ok(());
        }
        let request = request!(self.abort_multipart_upload).upload_id(upload.as_str());
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => match self.refusal(Action::AbortMultipartUpload, error) {
                refusal if is_absent(&refusal) => Ok(()),
                refusal => Err(self.refused(ABORT, refusal)),
            },
        }
    }

    async fn checksum(&self, doing: &'static str, body: &Body) -> Result<Checksum, StoreError> {
        checksum(body)
            .await
            .map_err(|source| StoreError::io(doing, self.key, source))
    }

    fn part_number(&self, doing: &'static str, number: u32) -> Result<i32, StoreError> {
        i32::try_from(number).map_err(|source| StoreError::new(doing, self.key, false, source))
    }
}

/// An ETag as it stands in a condition: in quotes, so that none is ever read as `*`.
fn quoted(tag: &Tag) -> String {
    if tag.as_str().starts_with('"') {
        tag.as_str().to_owned()
    } else {
        format!("\"{}\"", tag.as_str())
    }
}
