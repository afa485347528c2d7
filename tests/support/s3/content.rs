//! The bytes of objects and parts, and the sums that S3 keeps of them.

use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};

use super::Refusal;

/// The sums S3 can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// As in `x-amz-checksum-algorithm`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// What an upload keeps if it does not say.
    pub(crate) fn default_type(self) -> ChecksumType {
        match self {
            Self::Crc64Nvme => ChecksumType::FullObject,
            _ => ChecksumType::Composite,
        }
    }

    /// Whether a multipart object can have it in this form: a hash cannot be joined from those of parts.
    pub(crate) fn allows(self, kind: ChecksumType) -> bool {
        match kind {
            ChecksumType::Composite => self != Self::Crc64Nvme,
            ChecksumType::FullObject => !matches!(self, Self::Sha1 | Self::Sha256),
        }
    }

    /// The sum of all pieces, one after the other.
    pub(crate) fn digest<'a>(self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        fn run<'a, C: s3s::crypto::Checksum>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
            let mut sum = C::new();
            pieces.into_iter().for_each(|piece| sum.update(piece));
            sum.finalize().as_ref().to_vec()
        }
        match self {
            Self::Crc32 => run::<Crc32>(pieces),
            Self::Crc32c => run::<Crc32c>(pieces),
            Self::Crc64Nvme => run::<Crc64Nvme>(pieces),
            Self::Sha1 => run::<Sha1>(pieces),
            Self::Sha256 => run::<Sha256>(pieces),
        }
    }
}

/// What a checksum is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChecksumType {
    /// Of the parts' checksums, followed by `-` and their number.
    Composite,
    /// Of the bytes.
    FullObject,
}

impl ChecksumType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Composite => "COMPOSITE",
            Self::FullObject => "FULL_OBJECT",
        }
    }
}

/// A checksum as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    /// Base64; `-N` follows when it is composite.
    pub(crate) value: String,
}

impl Checksum {
    pub(crate) fn of<'a>(algorithm: Algorithm, pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self {
            algorithm,
            value: BASE64_STANDARD.encode(algorithm.digest(pieces)),
        }
    }

    /// Of parts that have these checksums.
    pub(crate) fn composite(algorithm: Algorithm, parts: &[&Self]) -> Self {
        let sums: Vec<_> = parts
            .iter()
            .map(|part| BASE64_STANDARD.decode(&part.value).unwrap())
            .collect();
        let Self { value, .. } = Self::of(algorithm, sums.iter().map(Vec::as_slice));
        Self {
            algorithm,
            value: format!("{value}-{}", parts.len()),
        }
    }

    pub(crate) fn kind(&self) -> ChecksumType {
        if self.value.contains('-') {
            ChecksumType::Composite
        } else {
            ChecksumType::FullObject
        }
    }
}

/// What a request says about its own body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    pub(crate) checksum: Option<Checksum>,
    /// `Content-MD5`, in base64.
    pub(crate) md5: Option<String>,
}

/// A body that is what it was said to be.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    pub(crate) bytes: Bytes,
    pub(crate) md5: [u8; 16],
    /// The one that was given.
    pub(crate) checksum: Option<Checksum>,
}

impl Payload {
    /// A body without any claim.
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            md5: Md5::checksum(&bytes),
            bytes,
            checksum: None,
        }
    }

    pub(crate) fn verified(bytes: Bytes, claims: Claims) -> Result<Self, Refusal> {
        let payload = Self::new(bytes);
        if let Some(given) = &claims.checksum {
            let found = Checksum::of(given.algorithm, [payload.bytes.as_ref()]);
            let length = BASE64_STANDARD.decode(&given.value).map(|sum| sum.len()).ok();
            if length != BASE64_STANDARD.decode(&found.value).map(|sum| sum.len()).ok() {
                return Err(Refusal::InvalidRequest(
                    "The value of the x-amz-checksum header is invalid.",
                ));
            }
            if found != *given {
                return Err(Refusal::BadDigest);
            }
        }
        if claims.md5.is_some_and(|md5| md5 != BASE64_STANDARD.encode(payload.md5)) {
            return Err(Refusal::BadDigest);
        }
        Ok(Self {
            checksum: claims.checksum,
            ..payload
        })
    }
}

/// The bytes of an object, in the pieces they came in: the parts of an upload are not copied together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pieces: Vec<Bytes>,
}

impl Content {
    pub(crate) fn new(pieces: Vec<Bytes>) -> Self {
        Self { pieces }
    }

    pub(crate) fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(AsRef::as_ref)
    }

    /// The pieces of a range that is within the object.
    pub(crate) fn slice(&self, range: Range<u64>) -> Vec<Bytes> {
        let mut slices = Vec::new();
        let mut begin = 0;
        for piece in &self.pieces {
            let end = begin + piece.len() as u64;
            let (first, last) = (range.start.max(begin), range.end.min(end));
            if first < last {
                slices.push(piece.slice((first - begin) as usize..(last - begin) as usize));
            }
            begin = end;
        }
        slices
    }

    /// All of it, copied together if it is in pieces.
    pub(crate) fn bytes(&self) -> Bytes {
        match self.pieces.as_slice() {
            [one] => one.clone(),
            pieces => {
                let mut all = BytesMut::new();
                pieces.iter().for_each(|piece| all.extend_from_slice(piece));
                all.freeze()
            }
        }
    }
}

/// A `Range` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteRange {
    From(u64),
    /// Both ends included.
    Between(u64, u64),
    Last(u64),
}

impl ByteRange {
    /// The bytes meant, of an object of this size.
    pub(crate) fn of(self, size: u64) -> Result<Range<u64>, Refusal> {
        let range = match self {
            Self::From(first) => first..size,
            Self::Between(first, last) => first..size.min(last.saturating_add(1)),
            Self::Last(length) => size.saturating_sub(length)..size,
        };
        if range.start < range.end {
            Ok(range)
        } else {
            Err(Refusal::InvalidRange { size })
        }
    }
}
