//! The multipart half of the model: parts that nobody sees until they are completed to an object.

use std::collections::BTreeMap;
use std::time::SystemTime;

use s3s::crypto::{Checksum as _, Md5};

use super::content::{Algorithm, Checksum, ChecksumType, Content, Payload};
use super::model::{At, Condition, Headers, Model, Object, Stored, hex};
use super::refusal::Refusal;

/// Those open, and what became of those completed.
#[derive(Default)]
pub(crate) struct Uploads {
    open: BTreeMap<String, Upload>,
    completed: BTreeMap<String, (String, Vec<PartClaim>, Stored)>,
}

struct Upload {
    bucket: String,
    key: String,
    initiated: SystemTime,
    headers: Headers,
    checksum: Option<(Algorithm, ChecksumType)>,
    parts: BTreeMap<u32, Payload>,
}

/// What a completion says of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartClaim {
    pub(crate) number: u32,
    /// Without quotation marks.
    pub(crate) tag: String,
    pub(crate) checksum: Option<Checksum>,
}

/// What a completion asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Completion {
    pub(crate) parts: Vec<PartClaim>,
    pub(crate) condition: Condition,
    /// Of the whole object, if the request knows it.
    pub(crate) checksum: Option<Checksum>,
    /// Likewise, in bytes.
    pub(crate) size: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct UploadQuery<'a> {
    pub(crate) prefix: &'a str,
    /// Key and id of the last one of the page before.
    pub(crate) after: (&'a str, &'a str),
    pub(crate) max: usize,
}

/// A line of a listing of uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenUpload {
    pub(crate) key: String,
    pub(crate) id: String,
    pub(crate) initiated: SystemTime,
}

impl Model {
    pub(crate) fn create_upload(
        &mut self,
        at: At<'_>,
        headers: Headers,
        algorithm: Option<Algorithm>,
        kind: Option<ChecksumType>,
    ) -> Result<String, Refusal> {
        self.permitted(at)?;
        let checksum = match (algorithm, kind) {
            (None, None) => None,
            (None, Some(_)) => return Err(Refusal::InvalidRequest("A checksum type needs an algorithm.")),
            (Some(algorithm), kind) => Some((algorithm, kind.unwrap_or(algorithm.default_type()))),
        };
        if checksum.is_some_and(|(algorithm, kind)| !algorithm.allows(kind)) {
            return Err(Refusal::InvalidRequest(
                "The checksum type cannot be used with the algorithm.",
            ));
        }
        let id = self.fresh_name("upload");
        let upload = Upload {
            bucket: at.bucket.to_owned(),
            key: at.key.to_owned(),
            initiated: self.now(),
            headers,
            checksum,
            parts: BTreeMap::new(),
        };
        self.uploads.open.insert(id.clone(), upload);
        Ok(id)
    }

    /// Takes a part; one that was sent before is replaced. The answer is its tag.
    pub(crate) fn put_part(
        &mut self,
        at: At<'_>,
        id: &str,
        number: u32,
        mut payload: Payload,
    ) -> Result<String, Refusal> {
        self.permitted(at)?;
        if !(1..=10_000).contains(&number) {
            return Err(Refusal::InvalidArgument("A part number is an integer from 1 to 10000."));
        }
        let upload = self.uploads.open(at, id)?;
        let given = payload.checksum.as_ref().map(|checksum| checksum.algorithm);
        match upload.checksum {
            // S3 can make this one by itself.
            Some((algorithm, ChecksumType::FullObject)) if given.is_none() => {
                payload.checksum = Some(Checksum::of(algorithm, [payload.bytes.as_ref()]));
            }
            expected if given != expected.map(|(algorithm, _)| algorithm) => {
                return Err(Refusal::InvalidRequest(
                    "The part's checksum is not of the algorithm that the upload was created with.",
                ));
            }
            _ => {}
        }
        let tag = hex(&payload.md5);
        upload.parts.insert(number, payload);
        Ok(tag)
    }

    /// Makes the parts an object. After a refusal the upload is as it was.
    pub(crate) fn complete_upload(&mut self, at: At<'_>, id: &str, completion: &Completion) -> Result<Stored, Refusal> {
        self.permitted(at)?;
        if self.repeats_completions
            && let Some((key, parts, stored)) = self.uploads.completed.get(id)
            && (key.as_str(), parts) == (at.key, &completion.parts)
        {
            return Ok(stored.clone());
        }
        let (now, min_part_bytes) = (self.now(), self.min_part_bytes);
        let upload = self.uploads.open(at, id)?;
        let object = upload.assemble(completion, now, min_part_bytes)?;
        self.check_write(at, &completion.condition)?;
        self.uploads.open.remove(id);
        let stored = self.store(at.bucket, at.key, object);
        let done = (at.key.to_owned(), completion.parts.clone(), stored.clone());
        self.uploads.completed.insert(id.to_owned(), done);
        Ok(stored)
    }

    pub(crate) fn abort_upload(&mut self, at: At<'_>, id: &str) -> Result<(), Refusal> {
        self.permitted(at)?;
        self.uploads.open(at, id)?;
        self.uploads.open.remove(id);
        Ok(())
    }

    /// The open uploads of a bucket by key and then by time, and whether there are more. `at.key` is not looked at.
    pub(crate) fn list_uploads(&self, at: At<'_>, query: &UploadQuery<'_>) -> Result<(Vec<OpenUpload>, bool), Refusal> {
        self.permitted(at)?;
        let (key, id) = query.after;
        // Without the id of the last one seen, all uploads of its key are passed.
        let seen = |upload: &Upload, name: &String| {
            upload.key.as_str() < key || upload.key == key && (id.is_empty() || name.as_str() <= id)
        };
        let here = |(name, upload): (&String, &Upload)| {
            let listed = upload.bucket == at.bucket && upload.key.starts_with(query.prefix) && !seen(upload, name);
            listed.then(|| OpenUpload {
                key: upload.key.clone(),
                id: name.clone(),
                initiated: upload.initiated,
            })
        };
        let mut found: Vec<_> = self.uploads.open.iter().filter_map(here).collect();
        // Ids grow with time, so this is the order of time within a key as well.
        found.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        let more = found.len() > query.max;
        found.truncate(query.max);
        Ok((found, more))
    }
}

impl Uploads {
    fn open(&mut self, at: At<'_>, id: &str) -> Result<&mut Upload, Refusal> {
        let upload = self.open.get_mut(id);
        upload
            .filter(|upload| upload.bucket == at.bucket && upload.key == at.key)
            .ok_or(Refusal::NoSuchUpload)
    }
}

impl Upload {
    /// The object that a completion names, if everything it says holds.
    fn assemble(&self, completion: &Completion, now: SystemTime, min_part_bytes: u64) -> Result<Object, Refusal> {
        let claims = &completion.parts;
        if claims.is_empty() {
            return Err(Refusal::MalformedXml);
        }
        if !claims.is_sorted_by(|a, b| a.number < b.number) {
            return Err(Refusal::InvalidPartOrder);
        }
        let mut parts = Vec::new();
        for claim in claims {
            parts.push(self.named(claim)?);
        }
        let composite = matches!(self.checksum, Some((_, ChecksumType::Composite)));
        if composite && claims.iter().any(|claim| claim.checksum.is_none()) {
            return Err(Refusal::InvalidRequest(
                "The upload was created with a checksum. The request must include the checksum of each part.",
            ));
        }
        if composite && !claims.iter().map(|claim| claim.number).eq(1..=claims.len() as u32) {
            // So it is documented: numbers with gaps and checksums of parts do not go together.
            return Err(Refusal::InternalError);
        }
        let (_last, others) = parts.split_last().expect("there is at least one part");
        if others.iter().any(|part| (part.bytes.len() as u64) < min_part_bytes) {
            return Err(Refusal::EntityTooSmall);
        }
        let content = Content::new(parts.iter().map(|part| part.bytes.clone()).collect());
        if completion.size.is_some_and(|size| size != content.len()) {
            return Err(Refusal::InvalidRequest("The object is not of the size given."));
        }
        let checksum = self.checksum.map(|(algorithm, kind)| match kind {
            ChecksumType::FullObject => Checksum::of(algorithm, content.pieces()),
            ChecksumType::Composite => {
                let sums: Vec<_> = parts.iter().flat_map(|part| part.checksum.as_ref()).collect();
                Checksum::composite(algorithm, &sums)
            }
        });
        if completion.checksum.is_some() && completion.checksum != checksum {
            return Err(Refusal::BadDigest);
        }
        let sums: Vec<u8> = parts.iter().flat_map(|part| part.md5).collect();
        Ok(Object {
            tag: format!("{}-{}", hex(&Md5::checksum(&sums)), parts.len()),
            content,
            last_modified: now,
            checksum,
            headers: self.headers.clone(),
            version: None,
        })
    }

    fn named(&self, claim: &PartClaim) -> Result<&Payload, Refusal> {
        let part = self.parts.get(&claim.number).ok_or(Refusal::InvalidPart)?;
        let same_checksum = claim.checksum.is_none() || claim.checksum == part.checksum;
        if hex(&part.md5) == claim.tag && same_checksum {
            Ok(part)
        } else {
            Err(Refusal::InvalidPart)
        }
    }
}
