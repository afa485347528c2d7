//! Uploads that are open, and what time it is for them.

use std::time::SystemTime;

use aws_sdk_s3::types::EncodingType;

use super::S3Store;
use crate::s3::{Action, Dated, decode_key};
use crate::store::{LakeKey, OpenUpload, StoreError, UploadId, UploadPage, UploadsAfter};

const LIST: &str = "list the open uploads of";
const CLOCK: &str = "ask for the time of";
/// What S3 gives in one answer, at most.
const PAGE_UPLOADS: i32 = 1000;

impl S3Store {
    /// The next page of uploads below the lake's prefix.
    pub(super) async fn open_uploads(&self, after: Option<&UploadsAfter>) -> Result<UploadPage, StoreError> {
        let request = self
            .s3
            .client()
            .list_multipart_uploads()
            .bucket(&self.bucket)
            .prefix(&self.prefix)
            .max_uploads(PAGE_UPLOADS)
            .set_key_marker(after.map(|after| after.key.clone()))
            .set_upload_id_marker(after.map(|after| after.id.clone()))
            // XML cannot hold every character of the keys of others.
            .encoding_type(EncodingType::Url)
            .set_expected_bucket_owner(self.s3.expected_owner());
        let answer = request.send().await.map_err(|error| {
            let action = Action::ListBucketMultipartUploads;
            let refusal = self.s3.refusal(action, &self.bucket, &self.prefix, error);
            StoreError::new(LIST, self.place(), refusal.transient, refusal)
        })?;
        let is_encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let decoded = |key: &str| match is_encoded {
            true => decode_key(key).ok(),
            false => Some(key.to_owned()),
        };
        let mut uploads = Vec::with_capacity(answer.uploads().len());
        for found in answer.uploads() {
            let key = found.key().and_then(decoded);
            let key = key.as_deref().and_then(|key| key.strip_prefix(self.prefix.as_str()));
            let key = key.ok_or_else(|| self.nonsense("it holds a key that was not asked for"))?;
            let Ok(key) = LakeKey::new(key) else { continue };
            let id = found.upload_id().ok_or_else(|| self.nonsense("an upload has no id"))?;
            let begun = found.initiated().and_then(|&time| SystemTime::try_from(time).ok());
            uploads.push(OpenUpload {
                key,
                id: UploadId::new(id),
                last_modified: begun.ok_or_else(|| self.nonsense("an upload has no time"))?,
            });
        }
        let next = match answer.is_truncated() {
            Some(true) => {
                let key = answer.next_key_marker().and_then(decoded).filter(|key| !key.is_empty());
                let next = UploadsAfter {
                    key: key.ok_or_else(|| self.nonsense("it says that there are more, and not where"))?,
                    id: answer.next_upload_id_marker().unwrap_or_default().to_owned(),
                };
                if after == Some(&next) {
                    return Err(self.nonsense("a page ends where it began"));
                }
                Some(next)
            }
            _ => None,
        };
        Ok(UploadPage { uploads, next })
    }

    /// S3 says in every answer what time it is, in whole seconds.
    pub(super) async fn date(&self) -> Result<SystemTime, StoreError> {
        let dated = Dated::default();
        let key = format!("{}_lakebed/lake.json", self.prefix);
        let request = self
            .s3
            .client()
            .head_object()
            .bucket(&self.bucket)
            .key(&key)
            .set_expected_bucket_owner(self.s3.expected_owner());
        let sent = request.customize().interceptor(dated.clone()).send().await;
        match (dated.time(), sent) {
            (Some(date), Ok(_)) => Ok(date),
            (None, Ok(_)) => Err(StoreError::new(CLOCK, self.place(), false, "its answers have no Date")),
            (_, Err(error)) => {
                let refusal = self.s3.refusal(Action::GetObject, &self.bucket, &key, error);
                Err(StoreError::new(CLOCK, self.place(), refusal.transient, refusal))
            }
        }
    }

    fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    fn nonsense(&self, why: &str) -> StoreError {
        let why = format!("the answer of S3 makes no sense: {why}");
        StoreError::new(LIST, self.place(), true, why)
    }
}
