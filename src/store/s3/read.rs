//! Reading from S3. The client repeats requests; a body that breaks off is asked for again here, from its start.

use std::ops::Range;
use std::time::SystemTime;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Object, base64, is_absent, request};
use crate::s3::Action;
use crate::store::{Checksum, Compared, ObjectMeta, Part, StoreError, Tag};

const READ: &str = "read";
const LOOK: &str = "look at";
/// Bodies that may break off, one after another.
const BODIES_MAX: u32 = 4;
/// Memory taken on the word of an answer, before the bytes are there.
const RESERVED_MAX: u64 = 64 << 20;

impl Object<'_> {
    pub(super) async fn get(&self) -> Result<Option<(Bytes, Tag)>, StoreError> {
        let mut bytes = Vec::new();
        let etag = self.download(None, &mut bytes).await?;
        etag.map(|etag| Ok((bytes.into(), self.tag(READ, etag)?))).transpose()
    }

    pub(super) async fn get_range(&self, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        if range.is_empty() {
            return Ok(self.head().await?.map(|_| Bytes::new()));
        }
        let mut bytes = Vec::new();
        Ok(self.download(Some(range), &mut bytes).await?.map(|_| bytes.into()))
    }

    pub(super) async fn head(&self) -> Result<Option<ObjectMeta>, StoreError> {
        let Some(head) = self.head_object().await? else {
            return Ok(None);
        };
        let last_modified = head.last_modified.and_then(|time| SystemTime::try_from(time).ok());
        Ok(Some(ObjectMeta {
            size: self.size(&head)?,
            tag: self.tag(LOOK, head.e_tag)?,
            last_modified: last_modified.ok_or_else(|| self.nonsense(LOOK, "it has no Last-Modified"))?,
        }))
    }

    pub(super) async fn compare(&self, size: u64, checksum: &Checksum, parts: &[Part]) -> Result<Compared, StoreError> {
        let Some(head) = self.head_object().await? else {
            return Ok(Compared::Absent);
        };
        if self.size(&head)? != size {
            return Ok(Compared::Different);
        }
        let whole = base64(checksum.as_bytes());
        if let Some(kept) = head.checksum_sha256() {
            if kept == whole || (!parts.is_empty() && kept == of_parts(parts)) {
                return Ok(Compared::Same);
            }
            if head.checksum_type() == Some(&ChecksumType::FullObject) {
                return Ok(Compared::Different);
            }
        }
        // S3 keeps no hash of the whole: uploaded in other parts, or a store that keeps none at all.
        let mut read = Hashed::default();
        Ok(match self.download(None, &mut read).await? {
            None => Compared::Absent,
            Some(_) if read.size == size && base64(read.hash.finalize()) == whole => Compared::Same,
            Some(_) => Compared::Different,
        })
    }

    async fn head_object(&self) -> Result<Option<HeadObjectOutput>, StoreError> {
        let request = request!(self.head_object).checksum_mode(ChecksumMode::Enabled);
        match request.send().await {
            Ok(head) => Ok(Some(head)),
            Err(error) => match self.refusal(Action::GetObject, error) {
                refusal if is_absent(&refusal) => Ok(None),
                refusal => Err(self.refused(LOOK, refusal)),
            },
        }
    }

    fn size(&self, head: &HeadObjectOutput) -> Result<u64, StoreError> {
        head.content_length()
            .and_then(|size| u64::try_from(size).ok())
            .ok_or_else(|| self.nonsense(LOOK, "it has no size"))
    }

    /// Reads the object, or those bytes of `range` that are there, into `sink`. Gives the ETag; nothing if there is no
    /// object.
    async fn download(
        &self,
        range: Option<Range<u64>>,
        sink: &mut impl Sink,
    ) -> Result<Option<Option<String>>, StoreError> {
        // An end beyond what S3 counts to is the object's.
        let wanted = range.as_ref().map(|range| match i64::try_from(range.end) {
            Ok(_) => format!("bytes={}-{}", range.start, range.end - 1),
            Err(_) => format!("bytes={}-", range.start),
        });
        let mut broken = 0;
        loop {
            sink.begin();
            let answer = match request!(self.get_object).set_range(wanted.clone()).send().await {
                Ok(answer) => answer,
                Err(error) => match self.refusal(Action::GetObject, error) {
                    refusal if is_absent(&refusal) => return Ok(None),
                    // It begins past the end.
                    refusal if range.is_some() && refusal.status == Some(416) => return Ok(Some(None)),
                    refusal => return Err(self.refused(READ, refusal)),
                },
            };
            let etag = answer.e_tag.clone();
            let range = range.clone().unwrap_or(0..u64::MAX);
            let begins = first_byte(&answer).filter(|&begins| begins <= range.start);
            let begins = begins.ok_or_else(|| self.nonsense(READ, "it begins at another byte than asked for"))?;
            match pour(answer, range.start - begins, range.end - range.start, sink).await {
                Ok(()) => return Ok(Some(etag)),
                Err(why) => {
                    broken += 1;
                    // Waits before the next one.
                    if broken == BODIES_MAX || !self.store.s3.retries().again(broken).await {
                        return Err(StoreError::new(READ, self.key, true, why));
                    }
                }
            }
        }
    }
}

/// Where the bytes of an answer begin in the object. Without the header it is all of it, whatever was asked for.
fn first_byte(answer: &GetObjectOutput) -> Option<u64> {
    match answer.content_range() {
        None => Some(0),
        Some(range) => range.strip_prefix("bytes ")?.split('-').next()?.parse().ok(),
    }
}

/// Takes `want` bytes, or those there are, after skipping some.
async fn pour(
    mut answer: GetObjectOutput,
    mut skip: u64,
    mut want: u64,
    sink: &mut impl Sink,
) -> Result<(), BrokenBody> {
    let promised = answer.content_length.and_then(|length| u64::try_from(length).ok());
    if let Some(promised) = promised {
        sink.expect(promised.saturating_sub(skip).min(want));
    }
    let mut came = 0;
    while let Some(chunk) = answer.body.next().await {
        let mut chunk = chunk.map_err(|source| BrokenBody::Broke { after: came, source })?;
        came += chunk.len() as u64;
        // No more than the chunk is long, so both fit.
        let skipped = skip.min(chunk.len() as u64);
        skip -= skipped;
        chunk = chunk.slice(skipped as usize..);
        chunk.truncate(want.min(chunk.len() as u64) as usize);
        want -= chunk.len() as u64;
        sink.take(&chunk);
        if want == 0 && skip == 0 && promised.is_some_and(|promised| came < promised) {
            // The rest was not asked for.
            return Ok(());
        }
    }
    match promised {
        Some(promised) if promised != came => Err(BrokenBody::Short { came, promised }),
        _ => Ok(()),
    }
}

/// A body of which not all bytes came.
#[derive(Debug, thiserror::Error)]
enum BrokenBody {
    #[error("the connection to S3 broke after {after} bytes, in every attempt")]
    Broke {
        after: u64,
        source: aws_sdk_s3::primitives::ByteStreamError,
    },
    #[error("S3 sent {came} of {promised} bytes, in every attempt")]
    Short { came: u64, promised: u64 },
}

/// Where the bytes of an object go.
trait Sink: Send {
    /// Another attempt: what came so far counts no more.
    fn begin(&mut self);
    /// So many bytes should come.
    fn expect(&mut self, bytes: u64);
    fn take(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn begin(&mut self) {
        self.clear();
    }

    fn expect(&mut self, bytes: u64) {
        self.reserve_exact(bytes.min(RESERVED_MAX) as usize);
    }

    fn take(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Bytes that are hashed and forgotten.
#[derive(Default)]
struct Hashed {
    hash: Sha256,
    size: u64,
}

impl Sink for Hashed {
    fn begin(&mut self) {
        *self = Self::default();
    }

    fn expect(&mut self, _: u64) {}

    fn take(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }
}

/// What S3 keeps of an object uploaded in parts: the hash of their hashes, and their number.
fn of_parts(parts: &[Part]) -> String {
    let mut hash = Sha256::new();
    for sha256 in parts.iter().filter_map(|part| part.sha256) {
        hash.update(sha256.as_bytes());
    }
    format!("{}-{}", base64(hash.finalize()), parts.len())
}
