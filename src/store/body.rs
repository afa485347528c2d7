//! Bodies of objects: bytes in memory and ranges of spool files, copied through a small buffer; and their checksums.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const COPY_BYTES: usize = 256 << 10;

/// What an object shall hold: pieces, one after another. Cloning copies no content.
#[derive(Clone, Debug, Default)]
pub struct Body(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Memory(Bytes),
    // Held open, so that a spool file may be unlinked at once and is gone after a crash.
    File { file: Arc<File>, range: Range<u64> },
}

impl Body {
    /// A range of a spool file, which must not change as long as the body lives.
    pub fn file(file: Arc<File>, range: Range<u64>) -> Self {
        Self(vec![Piece::File { file, range }])
    }

    /// Adds another body behind this one.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Bytes of the whole body.
    pub fn size(&self) -> u64 {
        self.0.iter().map(Piece::size).sum()
    }

    /// All of it in memory, if it is one piece there already.
    pub(super) fn as_bytes(&self) -> Option<Bytes> {
        match self.0.as_slice() {
            [] => Some(Bytes::new()),
            [Piece::Memory(bytes)] => Some(bytes.clone()),
            _ => None,
        }
    }

    /// All of it in chunks of at most 256 KiB. Blocks where a spool file is read; ends with an error where it is shorter
    /// than the body says.
    pub(super) fn chunks(&self) -> Chunks {
        Chunks {
            body: self.clone(),
            piece: 0,
            at: 0,
        }
    }

    /// Writes all of it. Blocks; fails when a spool file is shorter than the body says.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut buffer = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Memory(bytes) => out.write_all(bytes)?,
                Piece::File { file, range } => {
                    buffer.resize(COPY_BYTES, 0);
                    let mut at = range.start;
                    while at < range.end {
                        let want = usize::try_from(range.end - at).map_or(COPY_BYTES, |rest| rest.min(COPY_BYTES));
                        file.read_exact_at(&mut buffer[..want], at)?;
                        out.write_all(&buffer[..want])?;
                        at += want as u64;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A body, chunk by chunk. None is empty.
#[derive(Debug)]
pub(super) struct Chunks {
    body: Body,
    piece: usize,
    /// Bytes of the piece that were given already.
    at: u64,
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let piece = self.body.0.get(self.piece)?;
            let rest = piece.size() - self.at;
            if rest == 0 {
                self.piece += 1;
                self.at = 0;
                continue;
            }
            let want = usize::try_from(rest).map_or(COPY_BYTES, |rest| rest.min(COPY_BYTES));
            let chunk = piece.read(self.at, want);
            match &chunk {
                Ok(_) => self.at += want as u64,
                Err(_) => self.piece = self.body.0.len(),
            }
            return Some(chunk);
        }
    }
}

impl Piece {
    fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { range, .. } => range.end.saturating_sub(range.start),
        }
    }

    /// `len` bytes from `at` on, which are inside the piece.
    fn read(&self, at: u64, len: usize) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => {
                let at = usize::try_from(at).map_err(io::Error::other)?;
                Ok(bytes.slice(at..at + len))
            }
            Self::File { file, range } => {
                let mut chunk = vec![0; len];
                file.read_exact_at(&mut chunk, range.start + at)?;
                Ok(chunk.into())
            }
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(vec![Piece::Memory(bytes)])
    }
}

/// The SHA-256 of some bytes, written as 64 hexadecimal digits.
///
/// Not the ETag, which is opaque for uploads in parts and under KMS. Not a CRC, which S3 would compute for us: a hash also
/// proves an object to whoever reads the lake's own records years later, and every tool can check it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum([u8; 32]);

/// A text that is no SHA-256 in hexadecimal.
#[derive(Debug, thiserror::Error)]
#[error("a SHA-256 is 64 lower-case hexadecimal digits")]
pub struct ChecksumError;

impl Checksum {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes themselves.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A hash that was computed while the bytes went by.
impl From<[u8; 32]> for Checksum {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Checksum {
    type Error = ChecksumError;

    fn try_from(text: String) -> Result<Self, ChecksumError> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Ok(c - b'0'),
            b'a'..=b'f' => Ok(c - b'a' + 10),
            _ => Err(ChecksumError),
        };
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| ChecksumError)?;
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(digest))
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

/// A writer that keeps the hash of what goes through it.
pub(super) struct Hashing<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Hashing<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            hash: Sha256::new(),
        }
    }

    pub(super) fn finish(self) -> Checksum {
        Checksum(self.hash.finalize().into())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_written_one_after_another() {
        let mut spool = tempfile::tempfile().unwrap();
        let long: Vec<u8> = (0..600_000u32).map(|i| i as u8).collect();
        spool.write_all(&long).unwrap();
        let spool = Arc::new(spool);
        let mut body = Body::from(Bytes::from_static(b"head "));
        body.append(Body::file(Arc::clone(&spool), 1..599_999));
        body.append(Body::file(Arc::clone(&spool), 7..7));
        let mut out = Hashing::new(Vec::new());
        body.write_to(&mut out).unwrap();
        let expected = [b"head ".as_slice(), &long[1..599_999]].concat();
        assert!(out.out == expected);
        assert_eq!(body.size(), expected.len() as u64);
        assert_eq!(out.finish(), Checksum::of(&expected));
        let chunks: Vec<Bytes> = body.chunks().collect::<io::Result<_>>().unwrap();
        assert!(chunks.concat() == expected);
        assert!(chunks.iter().all(|chunk| (1..=COPY_BYTES).contains(&chunk.len())));
        let short: Vec<_> = Body::file(Arc::clone(&spool), 599_000..600_001).chunks().collect();
        assert!(matches!(short[..], [Err(_)]), "a short spool ends with an error");
        assert!(
            Body::file(spool, 0..600_001).write_to(&mut io::sink()).is_err(),
            "a short spool is no success"
        );
    }

    #[test]
    fn checksums_are_read_as_they_are_written() {
        let abc = Checksum::of(b"abc");
        assert_eq!(
            abc.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(Checksum::try_from(abc.to_string()).unwrap(), abc);
        for bad in ["", "ba78", &"g".repeat(64), &"A".repeat(64), &"é".repeat(32)] {
            assert!(Checksum::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
