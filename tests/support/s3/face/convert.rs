//! Between the protocol's types and the model's.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use s3s::dto::{ChecksumType, ETag, ETagCondition, Metadata, Range, StreamingBlob};
use s3s::{Body, S3Error, S3Result, StdError, TrailingHeaders};

use super::super::content::{Algorithm, ByteRange, Checksum, Claims, Payload};
use super::super::model::{Condition, Headers};
use super::super::refusal::Refusal;

/// The most that is handed to the connection at once.
const PIECE_BYTES: usize = 64 << 10;

/// The checksum that an input has, in whichever of its five fields.
macro_rules! checksum_in {
    ($input:expr) => {
        crate::support::s3::face::convert::one_checksum([
            (crate::support::s3::Algorithm::Crc32, $input.checksum_crc32.take()),
            (crate::support::s3::Algorithm::Crc32c, $input.checksum_crc32c.take()),
            (
                crate::support::s3::Algorithm::Crc64Nvme,
                $input.checksum_crc64nvme.take(),
            ),
            (crate::support::s3::Algorithm::Sha1, $input.checksum_sha1.take()),
            (crate::support::s3::Algorithm::Sha256, $input.checksum_sha256.take()),
        ])
    };
}

/// Puts a checksum into the field of an output that is its own.
macro_rules! checksum_out {
    ($output:expr, $checksum:expr) => {
        if let Some(checksum) = $checksum {
            match checksum.algorithm {
                crate::support::s3::Algorithm::Crc32 => $output.checksum_crc32 = Some(checksum.value),
                crate::support::s3::Algorithm::Crc32c => $output.checksum_crc32c = Some(checksum.value),
                crate::support::s3::Algorithm::Crc64Nvme => $output.checksum_crc64nvme = Some(checksum.value),
                crate::support::s3::Algorithm::Sha1 => $output.checksum_sha1 = Some(checksum.value),
                crate::support::s3::Algorithm::Sha256 => $output.checksum_sha256 = Some(checksum.value),
            }
        }
    };
}

/// Where a request with this input goes.
macro_rules! place {
    ($input:expr, $key:expr) => {
        crate::support::s3::At {
            bucket: &$input.bucket,
            key: $key,
            owner: $input.expected_bucket_owner.as_deref(),
        }
    };
}

pub(super) use {checksum_in, checksum_out, place};

/// S3 takes one checksum a request.
pub(super) fn one_checksum(fields: [(Algorithm, Option<String>); 5]) -> Result<Option<Checksum>, Refusal> {
    let mut given = fields
        .into_iter()
        .filter_map(|(algorithm, value)| value.map(|value| Checksum { algorithm, value }));
    match (given.next(), given.next()) {
        (_, Some(_)) => Err(Refusal::InvalidRequest("Expecting a single x-amz-checksum- header.")),
        (one, None) => Ok(one),
    }
}

pub(super) fn kind_of(checksum: &Option<Checksum>) -> Option<ChecksumType> {
    let checksum = checksum.as_ref()?;
    Some(ChecksumType::from_static(checksum.kind().name()))
}

/// The condition of a write, or of a read, which has no `If-None-Match` here.
pub(super) fn condition(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> Result<Condition, Refusal> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::None),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        (Some(ETagCondition::Any), None) => Ok(Condition::Present),
        (Some(ETagCondition::ETag(tag)), None) => Ok(Condition::Tag(tag.value().to_owned())),
        _ => Err(Refusal::NotImplemented(
            "These conditions together, or a tag in If-None-Match.",
        )),
    }
}

/// Refuses a request that has a condition of which the model knows nothing.
pub(super) fn no_conditions(given: &[bool]) -> Result<(), Refusal> {
    if given.contains(&true) {
        return Err(Refusal::NotImplemented("A condition that is not modelled."));
    }
    Ok(())
}

/// A tag of the model, as the protocol has it.
pub(super) fn tag(text: String) -> Option<ETag> {
    Some(ETag::Strong(text))
}

pub(super) fn range_of(range: Range) -> ByteRange {
    match range {
        Range::Int { first, last: None } => ByteRange::From(first),
        Range::Int {
            first,
            last: Some(last),
        } => ByteRange::Between(first, last),
        Range::Suffix { length } => ByteRange::Last(length),
    }
}

pub(super) fn object_headers(
    content_encoding: Option<String>,
    content_type: Option<String>,
    metadata: Option<Metadata>,
) -> Headers {
    // How the body travelled is no part of the object.
    let kept = content_encoding.map(|text| {
        let codings = text.split(',').map(str::trim);
        let kept: Vec<_> = codings
            .filter(|coding| !coding.is_empty() && *coding != "aws-chunked")
            .collect();
        kept.join(",")
    });
    Headers {
        content_encoding: kept.filter(|text| !text.is_empty()),
        content_type,
        metadata: metadata.unwrap_or_default().into_iter().collect(),
    }
}

/// The content type and metadata of an answer.
pub(super) fn split_metadata(headers: &Headers) -> (Option<String>, Option<Metadata>) {
    let content_type = headers.content_type.clone();
    let content_type = content_type.unwrap_or_else(|| "binary/octet-stream".to_owned());
    let metadata: Metadata = headers.metadata.clone().into_iter().collect();
    (
        Some(content_type),
        Some(metadata).filter(|metadata| !metadata.is_empty()),
    )
}

/// As `encoding-type=url` has it: like a form, but slashes stay.
pub(super) fn url_encoded(text: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    encoded.replace("%2F", "/")
}

/// Receives a body, and checks it against what the headers and the trailer say of it.
pub(super) async fn payload(
    body: Option<StreamingBlob>,
    length: Option<i64>,
    checksum: Option<Checksum>,
    md5: Option<String>,
    trailers: Option<TrailingHeaders>,
) -> S3Result<Payload> {
    let length = length.and_then(|length| usize::try_from(length).ok());
    // One allocation, so that a large object is held once.
    let mut bytes = BytesMut::with_capacity(length.unwrap_or(0));
    let mut body = body.map_or_else(Body::empty, Body::from);
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|source| broken_body(&source))?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    if length.is_some_and(|length| length != bytes.len()) {
        return Err(Refusal::IncompleteBody.into());
    }
    let mut checksums: Vec<_> = checksum.into_iter().collect();
    if let Some(trailers) = trailers {
        let trailers = trailers.take().ok_or(Refusal::InvalidRequest(
            "The trailer that the headers announce did not come.",
        ))?;
        for algorithm in Algorithm::ALL {
            let name = format!("x-amz-checksum-{}", algorithm.name().to_lowercase());
            let value = trailers.get(name).and_then(|value| value.to_str().ok());
            checksums.extend(value.map(|value| Checksum {
                algorithm,
                value: value.to_owned(),
            }));
        }
    }
    if checksums.len() > 1 {
        return Err(Refusal::InvalidRequest("Expecting a single x-amz-checksum- header.").into());
    }
    let claims = Claims {
        checksum: checksums.pop(),
        md5,
    };
    Ok(Payload::verified(bytes.freeze(), claims)?)
}

/// s3s checks what is signed of a body while it is read, and tells by the words of its errors alone.
fn broken_body(source: &StdError) -> Refusal {
    let words = source.to_string();
    if words.contains("Sha256Mismatch") {
        Refusal::BadPayloadHash
    } else if words.contains("SignatureMismatch") {
        Refusal::BadChunkSignature
    } else {
        Refusal::IncompleteBody
    }
}

/// A body of these bytes, whose length is known.
pub(super) fn stream(slices: Vec<Bytes>) -> StreamingBlob {
    StreamingBlob::from(Body::http_body(Pieces(slices.into())))
}

struct Pieces(VecDeque<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(mut piece) = self.0.pop_front() else {
            return Poll::Ready(None);
        };
        if piece.len() > PIECE_BYTES {
            let rest = piece.split_off(PIECE_BYTES);
            self.0.push_front(rest);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        let code = refusal.code().parse().expect("a code is any text");
        let mut error = Self::with_message(code, refusal.message());
        error.set_status_code(hyper::StatusCode::from_u16(refusal.status()).expect("the table has no others"));
        if refusal == Refusal::Deleted {
            let mut headers = hyper::HeaderMap::new();
            headers.insert("x-amz-delete-marker", hyper::header::HeaderValue::from_static("true"));
            error.set_headers(headers);
        }
        error
    }
}
