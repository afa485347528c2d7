//! A strict store in memory: what S3 promises, and nothing that only a folder would give.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, Range};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lakebed::store::{
    Body, Checksum, Compared, Complete, LakeKey, Listed, ObjectMeta, OpenUpload, Page, Part, Pending, Put, Replace,
    Store, StoreError, Tag, UploadId, UploadPage, UploadsAfter,
};

#[derive(Debug, Default)]
pub(crate) struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<LakeKey, Bytes>,
    uploads: HashMap<String, Open>,
    /// Since 1970.
    now: Duration,
    begun: u64,
    seed: u64,
}

#[derive(Debug)]
struct Open {
    key: LakeKey,
    begun: Duration,
    parts: BTreeMap<u32, Bytes>,
}

impl Memory {
    /// Time passes for uploads; objects are all of 1970.
    pub(crate) fn advance(&self, by: Duration) {
        self.inner.lock().unwrap().now += by;
    }

    /// Answers come in an order that the seed decides.
    pub(crate) fn shuffled(seed: u64) -> Self {
        Self {
            inner: Mutex::new(Inner {
                seed: seed | 1 << 63,
                ..Inner::default()
            }),
        }
    }

    pub(crate) fn open_uploads(&self) -> usize {
        self.inner.lock().unwrap().uploads.len()
    }

    /// What a lifecycle rule does.
    pub(crate) fn throw_uploads_away(&self) {
        self.inner.lock().unwrap().uploads.clear();
    }

    pub(crate) fn overwrite(&self, key: &LakeKey, bytes: &'static [u8]) {
        self.inner
            .lock()
            .unwrap()
            .objects
            .insert(key.clone(), Bytes::from_static(bytes));
    }

    fn at<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&mut Inner) -> Result<T, StoreError> + Send + 'a,
    ) -> Pending<'a, T> {
        Box::pin(async move {
            self.dawdle().await;
            let answer = work(&mut self.inner.lock().unwrap());
            self.dawdle().await;
            answer
        })
    }

    async fn dawdle(&self) {
        let yields = {
            let mut inner = self.inner.lock().unwrap();
            if inner.seed == 0 {
                return;
            }
            inner.seed ^= inner.seed << 13;
            inner.seed ^= inner.seed >> 7;
            inner.seed ^= inner.seed << 17;
            inner.seed >> 33 & 7
        };
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
    }
}

fn bytes_of(body: &Body) -> Result<Bytes, StoreError> {
    let mut bytes = Vec::new();
    body.write_to(&mut bytes)
        .map_err(|source| StoreError::io("read body", "spool", source))?;
    Ok(bytes.into())
}

fn tag_of(bytes: &[u8]) -> Tag {
    Tag::new(Checksum::of(bytes).to_string())
}

impl Store for Memory {
    fn get<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<(Bytes, Tag)>> {
        self.at(|inner| Ok(inner.objects.get(key).map(|bytes| (bytes.clone(), tag_of(bytes)))))
    }

    fn get_range<'a>(&'a self, key: &'a LakeKey, range: Range<u64>) -> Pending<'a, Option<Bytes>> {
        self.at(move |inner| {
            Ok(inner.objects.get(key).map(|bytes| {
                let cut = |at: u64| bytes.len().min(at as usize);
                bytes.slice(cut(range.start)..cut(range.end).max(cut(range.start)))
            }))
        })
    }

    fn head<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<ObjectMeta>> {
        self.at(|inner| {
            Ok(inner.objects.get(key).map(|bytes| ObjectMeta {
                size: bytes.len() as u64,
                tag: tag_of(bytes),
                last_modified: SystemTime::UNIX_EPOCH,
            }))
        })
    }

    fn compare<'a>(
        &'a self,
        key: &'a LakeKey,
        size: u64,
        checksum: &'a Checksum,
        _parts: &'a [Part],
    ) -> Pending<'a, Compared> {
        self.at(move |inner| {
            Ok(match inner.objects.get(key) {
                None => Compared::Absent,
                Some(bytes) if bytes.len() as u64 == size && Checksum::of(bytes) == *checksum => Compared::Same,
                Some(_) => Compared::Different,
            })
        })
    }

    fn put_if_absent<'a>(&'a self, key: &'a LakeKey, body: Body) -> Pending<'a, Put> {
        self.at(move |inner| {
            if inner.objects.contains_key(key) {
                return Ok(Put::Exists);
            }
            inner.objects.insert(key.clone(), bytes_of(&body)?);
            Ok(Put::Written)
        })
    }

    fn put_if_match<'a>(&'a self, key: &'a LakeKey, bytes: Bytes, tag: &'a Tag) -> Pending<'a, Replace> {
        self.at(move |inner| {
            Ok(match inner.objects.get_mut(key) {
                None => Replace::Absent,
                Some(there) if tag_of(there) != *tag => Replace::Changed,
                Some(there) => {
                    *there = bytes;
                    Replace::Written
                }
            })
        })
    }

    fn delete<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, ()> {
        self.at(|inner| {
            inner.objects.remove(key);
            Ok(())
        })
    }

    fn list<'a>(&'a self, folder: &'a LakeKey, start_after: Option<&'a LakeKey>) -> Pending<'a, Page> {
        self.at(move |inner| {
            let prefix = format!("{folder}/");
            let after = start_after.map_or(Bound::Unbounded, Bound::Excluded);
            let mut found: Vec<_> = inner
                .objects
                .range::<LakeKey, _>((after, Bound::Unbounded))
                .filter(|(key, _)| key.as_str().starts_with(&prefix))
                .take(1001)
                .map(|(key, bytes)| Listed {
                    key: key.clone(),
                    size: bytes.len() as u64,
                    last_modified: SystemTime::UNIX_EPOCH,
                })
                .collect();
            let more = found.len() > 1000;
            found.truncate(1000);
            Ok(Page {
                objects: found,
                more,
                strange: Vec::new(),
            })
        })
    }

    fn start_upload<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, UploadId> {
        self.at(|inner| {
            inner.begun += 1;
            let id = format!("upload-{}", inner.begun);
            let open = Open {
                key: key.clone(),
                begun: inner.now,
                parts: BTreeMap::new(),
            };
            inner.uploads.insert(id.clone(), open);
            Ok(UploadId::new(id))
        })
    }

    fn upload_part<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        number: u32,
        _offset: u64,
        body: Body,
    ) -> Pending<'a, Part> {
        self.at(move |inner| {
            let bytes = bytes_of(&body)?;
            let Some(Open { parts, .. }) = inner.uploads.get_mut(upload.as_str()) else {
                return Err(StoreError::new("upload part of", key, false, "no such upload"));
            };
            parts.insert(number, bytes.clone());
            Ok(Part {
                number,
                size: bytes.len() as u64,
                sha256: Some(Checksum::of(&bytes)),
                tag: tag_of(&bytes),
            })
        })
    }

    fn complete_upload_if_absent<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        parts: &'a [Part],
    ) -> Pending<'a, Complete> {
        self.at(move |inner| {
            let Some(there) = inner.uploads.get(upload.as_str()) else {
                return Ok(Complete::NoSuchUpload);
            };
            if inner.objects.contains_key(key) {
                return Ok(Complete::Exists);
            }
            let mut whole = Vec::new();
            for part in parts {
                match there.parts.get(&part.number) {
                    Some(bytes) if tag_of(bytes) == part.tag => whole.extend_from_slice(bytes),
                    _ => return Err(StoreError::new("complete upload of", key, false, "invalid part")),
                }
            }
            inner.objects.insert(key.clone(), whole.into());
            inner.uploads.remove(upload.as_str());
            Ok(Complete::Written)
        })
    }

    fn abort_upload<'a>(&'a self, _key: &'a LakeKey, upload: &'a UploadId) -> Pending<'a, ()> {
        self.at(|inner| {
            inner.uploads.remove(upload.as_str());
            Ok(())
        })
    }

    fn list_uploads<'a>(&'a self, after: Option<&'a UploadsAfter>) -> Pending<'a, UploadPage> {
        self.at(move |inner| {
            let after = after.map_or(("", ""), |after| (after.key.as_str(), after.id.as_str()));
            let open = inner.uploads.iter();
            let mut uploads: Vec<_> = open
                .filter(|(id, open)| (open.key.as_str(), id.as_str()) > after)
                .map(|(id, open)| OpenUpload {
                    key: open.key.clone(),
                    id: UploadId::new(id),
                    last_modified: SystemTime::UNIX_EPOCH + open.begun,
                })
                .collect();
            uploads.sort_by(|a, b| (&a.key, a.id.as_str()).cmp(&(&b.key, b.id.as_str())));
            let more = uploads.len() > 1000;
            uploads.truncate(1000);
            let last = uploads.last().filter(|_| more);
            let next = last.map(|last| UploadsAfter {
                key: last.key.to_string(),
                id: last.id.as_str().to_owned(),
            });
            Ok(UploadPage { uploads, next })
        })
    }

    fn now(&self) -> Pending<'_, SystemTime> {
        self.at(|inner| Ok(SystemTime::UNIX_EPOCH + inner.now))
    }
}
