//! Answers that are one XML document have to come to its end.
//!
//! The client takes what is there of a document that breaks off, as long as the connection was in order: a listing would
//! lack objects, and nobody would know.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::error::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::patience::Coming;

/// How a document ends: `</ListBucketResult>`, `</ListMultipartUploadsResult>`, `<CompleteMultipartUploadResult/>`, `</Error>`.
const ENDS: [&[u8]; 3] = [b"Result>", b"Result/>", b"Error>"];
/// More than what may follow an end, white space included.
const TAIL_BYTES: usize = 256;

/// Whether the answer to a request is a document, when it is a success: listings of objects and of open uploads, and steps of
/// uploads that are named in it.
pub(super) fn is_asked_for(request: &HttpRequest) -> bool {
    match request.method() {
        "POST" => true,
        "GET" => is_listing(request.uri()),
        _ => false,
    }
}

/// Told by a parameter of its own. Its value may be left out; those of others, and keys, are encoded.
fn is_listing(uri: &str) -> bool {
    let parameters = uri.split_once('?').map_or("", |(_, parameters)| parameters);
    let mut names = parameters
        .split('&')
        .map(|parameter| parameter.split('=').next().unwrap_or_default());
    names.any(|name| ["list-type", "uploads"].contains(&name))
}

/// The body of such an answer.
pub(super) struct Document {
    inner: Coming,
    /// Its last bytes so far.
    tail: Vec<u8>,
}

impl Document {
    pub(super) fn new(inner: Coming) -> Self {
        Self {
            inner,
            tail: Vec::new(),
        }
    }

    fn take(&mut self, data: &[u8]) {
        self.tail
            .extend_from_slice(&data[data.len().saturating_sub(TAIL_BYTES)..]);
        let old = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..old);
    }

    /// An answer without a word is for others to judge.
    fn is_whole(&self) -> bool {
        let tail = self.tail.trim_ascii_end();
        tail.is_empty() || ENDS.iter().any(|end| tail.ends_with(end))
    }
}

impl Body for Document {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            None if !self.is_whole() => {
                self.tail.clear();
                Poll::Ready(Some(Err("the answer of S3 breaks off before its end".into())))
            }
            frame => {
                if let Some(Ok(frame)) = &frame
                    && let Some(data) = frame.data_ref()
                {
                    self.take(data);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::SdkBody;

    use super::*;
    use crate::s3::Patience;

    #[test]
    fn listings_and_steps_of_uploads_are_documents_and_objects_are_not() {
        for (method, uri, expected) in [
            ("GET", "https://lake.s3.amazonaws.com/?list-type=2&prefix=p%2F", true),
            ("GET", "https://s3.local/lake?prefix=p%2F&list-type=2", true),
            ("GET", "https://lake.s3.amazonaws.com/?uploads&encoding-type=url", true),
            ("GET", "https://s3.local/lake?max-uploads=1000&uploads=", true),
            ("POST", "https://lake.s3.amazonaws.com/p/t/a?uploads", true),
            ("POST", "https://lake.s3.amazonaws.com/p/t/a?uploadId=x", true),
            ("GET", "https://lake.s3.amazonaws.com/uploads?x-id=GetObject", false),
            ("GET", "https://lake.s3.amazonaws.com/list-type=2/uploads", false),
            ("GET", "https://s3.local/lake?prefix=uploads&max-uploads=1", false),
            ("HEAD", "https://lake.s3.amazonaws.com/uploads", false),
            (
                "PUT",
                "https://lake.s3.amazonaws.com/p/t/a?partNumber=1&uploadId=x",
                false,
            ),
            ("DELETE", "https://lake.s3.amazonaws.com/p/t/a?uploadId=x", false),
        ] {
            let mut request = HttpRequest::new(SdkBody::empty());
            request.set_method(method).unwrap();
            request.set_uri(uri).unwrap();
            assert_eq!(is_asked_for(&request), expected, "{method} {uri}");
        }
    }

    #[test]
    fn documents_are_told_from_their_beginnings() {
        let pieces: [(&[&str], bool); 11] = [
            (&["<ListBucketResult><Name>a</Name></ListBucketResult>"], true),
            (&["<ListBucketResult>", "</List", "BucketRes", "ult>", "\n \n"], true),
            (&["<?xml?>\n", "   ", "<Error><Code>InternalError</Code></Error>"], true),
            (&["<?xml?>", "<CompleteMultipartUploadResult/>"], true),
            (
                &[
                    "<ListMultipartUploadsResult><Upload></Upload>",
                    "</ListMultipartUploadsResult>",
                ],
                true,
            ),
            (&["<ListMultipartUploadsResult><Upload></Upload>"], false),
            (&["<ListBucketResult><Name>a</Name>"], false),
            (&["<ListBucketResult></ListBucketResult"], false),
            (&["<ListBucketResult><Key>Result&gt;</Key>"], false),
            (&[""], true),
            (&[" "], true),
        ];
        for (pieces, expected) in pieces {
            let mut document = Document::new(Coming::new(SdkBody::empty(), Patience::default()));
            pieces.iter().for_each(|piece| document.take(piece.as_bytes()));
            assert_eq!(document.is_whole(), expected, "{pieces:?}");
            document.take(&[b' '; TAIL_BYTES - 20]);
            document.take(b"</Result>");
            assert!(document.is_whole() && document.tail.len() <= TAIL_BYTES);
        }
    }
}
