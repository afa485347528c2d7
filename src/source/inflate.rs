//! A stored object as the stream of bytes it stands for: plain, gzip (many members, gzip in gzip), zstd (many frames), snappy
//! (its three framings, or a raw block), zip (of one entry).
//!
//! ```text
//! stored bytes ──> first bytes say which codec ──> decoder ──> first bytes again ... ──> plain bytes
//! ```
//!
//! The bytes themselves are asked. A header or a name has a say ([`Hint`]) in the outermost layer alone, and only where no
//! codec's first bytes are there and the bytes do not look like JSON. A stream that is cut or fails its checksum ends where
//! it does, with [`Damage`]; everything before is handed over.

mod hint;
mod peek;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::gzip::Members;
use super::kept::{Frames, Kept};
use super::snappy::{Chunks, FRAMED_MAGIC, Framing, XERIAL_MAGIC};
use super::zip::{LOCAL_HEADER, OnlyEntry};
use peek::Peek;

pub use hint::Hint;

/// Gzip within gzip within gzip is read; deeper is somebody's joke.
const LAYERS_MAX: usize = 3;
/// Largest window a zstd frame may ask for, as a power of two: 128 MiB, the most that the `zstd` tool uses unasked.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
const BUFFER_BYTES: usize = 256 << 10;

/// How a compressed stream is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// It ends in the middle.
    Truncated,
    /// Its bytes or its checksum are wrong.
    Corrupt,
    /// It asks for more memory than is given, or is packed too often.
    Limit,
    /// It is a zip archive of several entries. The first one has been handed over.
    ZipEntries,
    /// It is a zip entry that is encrypted, neither stored nor deflated, or stored with its length behind it.
    ZipMethod,
}

/// A compressed stream is broken. No retry helps: all stored bytes have been seen as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// How.
    pub kind: DamageKind,
    /// Where in the stored object it was noticed, in bytes.
    pub offset: u64,
}

/// Why a stream ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// The source could not be read; a later attempt may succeed.
    #[error(transparent)]
    Source(io::Error),
    /// The stream is broken.
    #[error("the compressed stream is broken ({:?}) at byte {} of the object", .0.kind, .0.offset)]
    Damaged(Damage),
}

/// Marks errors of the source, so that they are told from errors of a codec on their way through it.
#[derive(Debug, thiserror::Error)]
#[error("read the source")]
struct SourceFailed(#[source] io::Error);

/// What a codec of ours found, on its way through those around it.
#[derive(Debug, thiserror::Error)]
#[error("the compressed stream is broken ({0:?})")]
struct Broken(DamageKind);

/// An error with which a codec ends its stream.
pub(super) fn broken(kind: DamageKind) -> io::Error {
    io::Error::other(Broken(kind))
}

/// The stored bytes in chunks of one size, and how many of them were taken. How they arrive decides nothing: a decoder may
/// notice damage sooner or later in other chunks.
struct Stored<R> {
    from: R,
    chunk: Box<[u8]>,
    /// What of the chunk is still to be taken.
    left: Range<usize>,
    /// What ended the chunk: its bytes are handed over first.
    failed: Option<io::Error>,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Stored<R> {
    fn new(from: R, taken: Arc<AtomicU64>) -> Self {
        Self {
            from,
            chunk: vec![0; BUFFER_BYTES].into(),
            left: 0..0,
            failed: None,
            taken,
        }
    }
}

impl<R: Read> Read for Stored<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: Read> BufRead for Stored<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.is_empty() {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            self.left = 0..0;
            while self.left.end < self.chunk.len() {
                match self.from.read(&mut self.chunk[self.left.end..]) {
                    Ok(0) => break,
                    Ok(read) => self.left.end += read,
                    // Decoders do not expect one.
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        let error = io::Error::other(SourceFailed(error));
                        if self.left.is_empty() {
                            return Err(error);
                        }
                        self.failed = Some(error);
                        break;
                    }
                }
            }
        }
        Ok(&self.chunk[self.left.clone()])
    }

    fn consume(&mut self, bytes: usize) {
        self.left.start += bytes;
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// The decompressed stream of one object.
pub struct Inflate {
    from: Box<dyn BufRead + Send>,
    taken: Arc<AtomicU64>,
}

impl Inflate {
    /// Sets up what decodes `stored`, of which nothing is known but its bytes.
    pub fn new(stored: impl Read + Send + 'static) -> Result<Self, InflateError> {
        Self::with_hint(stored, &Hint::default())
    }

    /// Looks at the first bytes of `stored`, and then at the hint, and sets up what decodes them.
    pub fn with_hint(stored: impl Read + Send + 'static, hint: &Hint) -> Result<Self, InflateError> {
        let taken = Arc::new(AtomicU64::new(0));
        let mut from: Box<dyn BufRead + Send> = Box::new(Stored::new(stored, Arc::clone(&taken)));
        for layer in 0.. {
            let peek = Peek::new(from);
            let codec = match Codec::of(peek.head()) {
                Codec::Plain if layer == 0 => hint.framing(peek.head()).map_or(Codec::Plain, Codec::Snappy),
                codec => codec,
            };
            if codec != Codec::Plain && layer == LAYERS_MAX {
                return Err(explain(broken(DamageKind::Limit), &taken));
            }
            from = match codec {
                Codec::Plain => {
                    return Ok(Self {
                        from: Box::new(peek),
                        taken,
                    });
                }
                Codec::Gzip => buffered(Members::new(peek)),
                Codec::Zstd => {
                    let frames = Frames::new(ZSTD_WINDOW_LOG_MAX).map_err(|error| explain(error, &taken))?;
                    buffered(Kept::new(peek, frames))
                }
                Codec::Framed => buffered(snap::read::FrameDecoder::new(peek)),
                Codec::Snappy(framing) => Box::new(Chunks::new(peek, framing)),
                Codec::Zip => buffered(OnlyEntry::new(peek)),
            };
        }
        unreachable!("the number of layers is bounded")
    }

    /// Reads up to `bytes` more, fewer only at the end of the stream. What came before an error is in `out` as well.
    pub fn read(&mut self, out: &mut Vec<u8>, bytes: usize) -> Result<usize, InflateError> {
        let before = out.len();
        match self.from.by_ref().take(bytes as u64).read_to_end(out) {
            Ok(_) => Ok(out.len() - before),
            Err(error) => Err(explain(error, &self.taken)),
        }
    }

    /// Bytes of the stored object taken so far.
    pub fn stored_bytes(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

fn buffered(decoder: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Plain,
    Gzip,
    Zstd,
    /// Snappy in its official framing.
    Framed,
    Snappy(Framing),
    Zip,
}

impl Codec {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1F, 0x8B, 0x08, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ if head.starts_with(&FRAMED_MAGIC) => Self::Framed,
            _ if head.starts_with(&XERIAL_MAGIC) => Self::Snappy(Framing::Xerial),
            _ if head.starts_with(&LOCAL_HEADER) => Self::Zip,
            _ => Self::Plain,
        }
    }
}

fn explain(error: io::Error, taken: &AtomicU64) -> InflateError {
    let inner = error.get_ref();
    if inner.is_some_and(|inner| inner.is::<SourceFailed>()) {
        let inner = error
            .into_inner()
            .and_then(|inner| inner.downcast::<SourceFailed>().ok());
        return InflateError::Source(inner.map_or_else(|| io::Error::other("the source"), |failed| failed.0));
    }
    let kind = match inner.and_then(|inner| inner.downcast_ref()) {
        Some(Broken(kind)) => *kind,
        None if error.kind() == io::ErrorKind::UnexpectedEof => DamageKind::Truncated,
        // The message is all that the zstd library gives.
        None if error.to_string().contains("too much memory") => DamageKind::Limit,
        None => DamageKind::Corrupt,
    };
    InflateError::Damaged(Damage {
        kind,
        offset: taken.load(Ordering::Relaxed),
    })
}
