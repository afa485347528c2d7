//! The checksum of an object that is read in several ranges.
//!
//! ```text
//! HEAD, beside the first range ──> the checksum that S3 keeps of the whole object ──┐
//! ranges, in their order ──> summed as they are handed over ────────────────────────┴─> the same, or nothing counts
//! ```
//!
//! An answer to a range comes without a checksum, so bytes that were changed on their way would be read as they came. Whole
//! answers need none of this: the SDK compares them itself. One that broke off and was resumed does.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_checksums::http::HttpChecksum;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::S3Objects;
use crate::source::listing::Source;

/// A checksum of a whole object, as S3 keeps it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    algorithm: ChecksumAlgorithm,
    /// In base64.
    value: String,
}

/// Bytes being summed, to be compared.
pub(super) struct Summing {
    sum: Box<dyn HttpChecksum>,
    kept: Kept,
}

impl S3Objects {
    /// The checksum that S3 keeps of this version as a whole, if it keeps one that costs little to compare. Older objects have
    /// none; those of several parts may have one for each part alone.
    ///
    /// A request that fails is no failure of the object: the reads beside it meet the same.
    pub(super) async fn whole_checksum(&self, source: &Source) -> Option<Kept> {
        let request = self
            .s3
            .client()
            .head_object()
            .set_bucket(source.name.bucket.clone())
            .key(&source.name.key)
            .if_match(format!("\"{}\"", source.version.etag))
            .checksum_mode(ChecksumMode::Enabled)
            .set_expected_bucket_owner(self.s3.expected_owner());
        kept(&request.send().await.ok()?)
    }

    /// Whether these are the bytes of this version, as far as S3 tells.
    pub(super) async fn agrees(&self, source: &Source, pieces: &[Bytes]) -> bool {
        let Some(kept) = self.whole_checksum(source).await else {
            return true;
        };
        let mut summing = Summing::new(kept);
        summing.add(pieces);
        summing.agrees()
    }
}

fn kept(answer: &HeadObjectOutput) -> Option<Kept> {
    // One of checksums says nothing of the order in which bytes are read here.
    if answer.checksum_type() == Some(&ChecksumType::Composite) {
        return None;
    }
    let kept = |algorithm, value: Option<&str>| {
        let value = value.filter(|value| !value.contains('-'))?.to_owned();
        Some(Kept { algorithm, value })
    };
    kept(ChecksumAlgorithm::Crc64Nvme, answer.checksum_crc64_nvme())
        .or_else(|| kept(ChecksumAlgorithm::Crc32c, answer.checksum_crc32_c()))
        .or_else(|| kept(ChecksumAlgorithm::Crc32, answer.checksum_crc32()))
}

impl Summing {
    pub(super) fn new(kept: Kept) -> Self {
        Self {
            sum: kept.algorithm.into_impl(),
            kept,
        }
    }

    pub(super) fn add(&mut self, pieces: &[Bytes]) {
        for piece in pieces {
            self.sum.update(piece);
        }
    }

    /// Whether all bytes that were added are those of the object.
    pub(super) fn agrees(self) -> bool {
        STANDARD.encode(self.sum.finalize()) == self.kept.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_checksums_of_whole_objects_count() {
        let head = HeadObjectOutput::builder;
        assert_eq!(kept(&head().build()), None);
        assert_eq!(kept(&head().checksum_sha256("x").build()), None);
        assert_eq!(kept(&head().checksum_crc32("AAAAAA==-3").build()), None);
        let of_parts = head().checksum_crc32("AAAAAA==").checksum_type(ChecksumType::Composite);
        assert_eq!(kept(&of_parts.build()), None);
        let whole = kept(&head().checksum_crc32_c("AAAAAA==").build()).unwrap();
        assert_eq!(whole.algorithm, ChecksumAlgorithm::Crc32c);
    }

    #[test]
    fn sums_are_those_of_all_pieces_in_order() {
        // The check values of the algorithms' specifications, for the digits 1 to 9.
        for (algorithm, sum) in [
            (ChecksumAlgorithm::Crc32, 0xcbf4_3926_u32.to_be_bytes().to_vec()),
            (ChecksumAlgorithm::Crc32c, 0xe306_9283_u32.to_be_bytes().to_vec()),
            (
                ChecksumAlgorithm::Crc64Nvme,
                0xae8b_1486_0a79_9888_u64.to_be_bytes().to_vec(),
            ),
        ] {
            let summing = || {
                Summing::new(Kept {
                    algorithm,
                    value: STANDARD.encode(&sum),
                })
            };
            let mut right = summing();
            right.add(&[Bytes::from_static(b"1234"), Bytes::from_static(b"")]);
            right.add(&[Bytes::from_static(b"56789")]);
            assert!(right.agrees());
            let mut wrong = summing();
            wrong.add(&[Bytes::from_static(b"123456798")]);
            assert!(!wrong.agrees());
        }
    }
}
