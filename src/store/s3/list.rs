//! Listings of S3, which come in the order of the keys' bytes.

use std::time::SystemTime;

use aws_sdk_s3::types::{EncodingType, Object as Found};

use super::Object;
use crate::s3::{Action, decode_key};
use crate::store::{LakeKey, Listed, Page, STRANGE_MAX, StoreError};

const LIST: &str = "list";
/// What S3 gives in one answer, at most.
const PAGE_OBJECTS: i32 = 1000;

impl Object<'_> {
    /// The next page below this folder. What others put there under names that are no keys of a lake is passed over.
    pub(super) async fn list(&self, start_after: Option<&LakeKey>) -> Result<Page, StoreError> {
        let store = self.store;
        let folder = format!("{}/", self.full);
        let mut after = start_after.map(|key| format!("{}{key}", store.prefix));
        let mut strange = Vec::new();
        loop {
            let request = store
                .s3
                .client()
                .list_objects_v2()
                .bucket(&store.bucket)
                .prefix(&folder)
                // XML cannot hold every character of the keys of others.
                .encoding_type(EncodingType::Url);
            let answer = request
                .set_start_after(after.take())
                .max_keys(PAGE_OBJECTS)
                .set_expected_bucket_owner(store.s3.expected_owner())
                .send()
                .await
                .map_err(|error| self.refused(LIST, self.refusal(Action::ListBucket, error)))?;
            let is_encoded = answer.encoding_type() == Some(&EncodingType::Url);
            let decoded = |found: &Found| {
                let key = found.key()?;
                Some(if is_encoded {
                    decode_key(key).ok()?
                } else {
                    key.to_owned()
                })
            };
            let mut objects = Vec::with_capacity(answer.contents().len());
            for found in answer.contents() {
                let key = decoded(found);
                let key = key.as_deref().and_then(|key| key.strip_prefix(store.prefix.as_str()));
                let key = key.ok_or_else(|| self.nonsense(LIST, "it holds a key that was not asked for"))?;
                let size = found.size().and_then(|size| u64::try_from(size).ok());
                let Ok(known) = LakeKey::new(key) else {
                    let is_hidden = key.split('/').any(|part| part.starts_with('.'));
                    let is_folder = key.ends_with('/') && size == Some(0);
                    if !is_hidden && !is_folder && strange.len() < STRANGE_MAX {
                        strange.push(key.to_owned());
                    }
                    continue;
                };
                let last_modified = found.last_modified().and_then(|&time| SystemTime::try_from(time).ok());
                objects.push(Listed {
                    key: known,
                    size: size.ok_or_else(|| self.nonsense(LIST, "an object has no size"))?,
                    last_modified: last_modified
                        .ok_or_else(|| self.nonsense(LIST, "an object has no Last-Modified"))?,
                });
            }
            let more = answer.is_truncated() == Some(true);
            if !objects.is_empty() || !more {
                return Ok(Page { objects, more, strange });
            }
            // A page without one key of ours. The next begins where it ends: a page has to have one to go on from.
            after = answer.contents().last().and_then(decoded);
            if after.is_none() {
                return Err(self.nonsense(LIST, "an empty page says that there are more"));
            }
        }
    }
}
