//! Bodies on their way to S3: hashed once, sent in small chunks, sent again as often as the client asks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::store::body::{Chunks, Hashing};
use crate::store::{Body, Checksum};

/// Hashed where they are; longer bodies where hashing may block.
const HASHED_IN_PLACE: u64 = 64 << 10;

/// A body as the client takes it. What is in one piece in memory stays there; the rest is never in memory as a whole.
pub(super) fn stream(body: &Body) -> ByteStream {
    if let Some(bytes) = body.as_bytes() {
        return ByteStream::from(bytes);
    }
    let body = body.clone();
    ByteStream::new(SdkBody::retryable(move || {
        SdkBody::from_body_1_x(Sending {
            left: body.size(),
            chunks: body.chunks(),
        })
    }))
}

/// The hash S3 is to find as well. It stands in a header, so the body is read once before it is sent: a spool file that
/// is too short is found here, and nothing is sent.
pub(super) async fn checksum(body: &Body) -> io::Result<Checksum> {
    fn hash(body: &Body) -> io::Result<Checksum> {
        let mut hashing = Hashing::new(io::sink());
        body.write_to(&mut hashing)?;
        Ok(hashing.finish())
    }
    if body.size() <= HASHED_IN_PLACE {
        return hash(body);
    }
    let body = body.clone();
    match tokio::task::spawn_blocking(move || hash(&body)).await {
        Ok(checksum) => checksum,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(shutdown) => Err(io::Error::other(shutdown)),
        },
    }
}

/// One sending of a body.
struct Sending {
    chunks: Chunks,
    left: u64,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    /// Reads from the spool file right here: it was written, and hashed, a moment ago, so the read copies 256 KiB from
    /// the page cache, which is quicker than to hand it to another thread.
    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let chunk = self.chunks.next();
        if let Some(Ok(bytes)) = &chunk {
            self.left -= bytes.len() as u64;
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
