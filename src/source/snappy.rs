//! The snappy streams that producers on AWS write, beside the official framing (which the `snap` crate reads).
//!
//! ```text
//! xerial (snappy-java)   82 'SNAPPY' 00, version, compatible version, then: length, raw chunk, length, raw chunk, ...
//! hadoop                 uncompressed length of a block, then: length, raw chunk, ... until the block is full; next block
//! raw                    one chunk, no frame at all
//! ```
//!
//! Lengths are 32-bit big-endian; a raw chunk begins with its uncompressed length. A chunk is handed over whole or not at
//! all, so of an object that is one raw chunk nothing comes out unless all of it can be decoded. None of the three has a
//! checksum. Memory is taken for bytes that are there, never for what a length says.

use std::io::{self, BufRead, Read};

use snap::raw::{Decoder, decompress_len, max_compress_len};

use super::inflate::{DamageKind, broken};

/// First bytes of a xerial stream.
pub(super) const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// The two versions behind it. Readers of all kinds pay no heed to them: there has been one format.
const XERIAL_VERSIONS_BYTES: usize = 8;
/// First bytes of a stream in the official framing.
pub(super) const FRAMED_MAGIC: [u8; 10] = [0xFF, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y'];
/// Most that a chunk may hold, uncompressed. Framed chunks are 32 KiB (snappy-java) to 256 KiB (Hadoop), but a raw object is
/// one chunk and has to be held whole, packed and not. Buffers double as they grow, so an object takes at most 256 MiB.
const CHUNK_BYTES_MAX: usize = 64 << 20;
/// Most that a byte of a chunk can stand for, rounded up: a copy of 64 bytes takes three.
const EXPANSION_MAX: usize = 22;
/// The uncompressed length at the head of a chunk: up to 32 bits, seven to a byte.
const PREAMBLE_BYTES_MAX: usize = 5;

/// Which framing a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// snappy-java's.
    Xerial,
    /// That of Hadoop's `SnappyCodec`.
    Hadoop,
    /// None: one chunk.
    Raw,
}

impl Framing {
    /// Which of the framings without magic a stream may have that begins with `head`, 14 bytes or all there are.
    pub(super) fn guess(head: &[u8]) -> Option<Self> {
        if may_be_hadoop(head) {
            Some(Self::Hadoop)
        } else {
            may_be_raw(head).then_some(Self::Raw)
        }
    }
}

fn may_be_hadoop(head: &[u8]) -> bool {
    let Some((block, rest)) = head.split_first_chunk() else {
        return false;
    };
    let block = u32::from_be_bytes(*block) as usize;
    // What Hadoop writes where there is nothing to write.
    if block == 0 {
        return true;
    }
    let Some((packed, chunk)) = rest.split_first_chunk() else {
        return false;
    };
    let packed = u32::from_be_bytes(*packed) as usize;
    may_be_raw(chunk) && decompress_len(chunk).is_ok_and(|plain| plain <= block && fits(packed, plain))
}

fn may_be_raw(head: &[u8]) -> bool {
    let preamble = head
        .iter()
        .take(PREAMBLE_BYTES_MAX)
        .take_while(|byte| **byte >= 0x80)
        .count()
        + 1;
    match (decompress_len(head), head.get(preamble)) {
        (Ok(0), _) => head.len() == 1,
        // The first element has nothing behind it to copy from: it is a literal.
        (Ok(_), Some(tag)) => tag & 3 == 0,
        _ => false,
    }
}

/// Can a chunk of `packed` bytes stand for `plain` bytes? No encoder makes longer ones, and no decoder gets more out of them.
fn fits(packed: usize, plain: usize) -> bool {
    packed <= max_compress_len(plain) && plain <= packed.saturating_mul(EXPANSION_MAX)
}

/// Decodes a stream chunk by chunk.
pub(super) struct Chunks<R> {
    from: R,
    framing: Framing,
    /// Hadoop: bytes of the block at hand that are still to come.
    left: usize,
    /// The chunk at hand, as it is stored.
    packed: Vec<u8>,
    /// The chunk at hand.
    plain: Vec<u8>,
    /// How much of it has been handed over.
    at: usize,
}

impl<R: BufRead> Chunks<R> {
    pub(super) fn new(from: R, framing: Framing) -> Self {
        Self {
            from,
            framing,
            left: 0,
            packed: Vec::new(),
            plain: Vec::new(),
            at: 0,
        }
    }

    /// Decodes the next chunk into `plain`; false at the end of the stream.
    fn next(&mut self) -> io::Result<bool> {
        match self.framing {
            Framing::Raw => self.whole(),
            Framing::Xerial => {
                while let Some(word) = self.word()? {
                    if word != XERIAL_MAGIC[..4] {
                        self.chunk(word, CHUNK_BYTES_MAX)?;
                        return Ok(true);
                    }
                    // The header stands at the start, and again where streams were joined.
                    let mut header = [0; XERIAL_MAGIC.len() - 4 + XERIAL_VERSIONS_BYTES];
                    self.from.read_exact(&mut header)?;
                    if header[..4] != XERIAL_MAGIC[4..] {
                        return Err(broken(DamageKind::Corrupt));
                    }
                }
                Ok(false)
            }
            Framing::Hadoop => {
                while self.left == 0 {
                    let Some(word) = self.word()? else { return Ok(false) };
                    self.left = u32::from_be_bytes(word) as usize;
                }
                let word = self.word()?.ok_or(io::ErrorKind::UnexpectedEof)?;
                self.chunk(word, self.left)?;
                self.left -= self.plain.len();
                Ok(true)
            }
        }
    }

    /// The next four bytes; nothing at the end of the stream.
    fn word(&mut self) -> io::Result<Option<[u8; 4]>> {
        if self.from.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut word = [0; 4];
        self.from.read_exact(&mut word)?;
        Ok(Some(word))
    }

    /// Takes up to `bytes` more of the chunk at hand.
    fn take(&mut self, bytes: usize) -> io::Result<usize> {
        self.from.by_ref().take(bytes as u64).read_to_end(&mut self.packed)
    }

    /// Decodes a chunk whose stored length stands before it and which may hold up to `room` bytes.
    fn chunk(&mut self, packed: [u8; 4], room: usize) -> io::Result<()> {
        let packed = u32::from_be_bytes(packed) as usize;
        let truncated = || io::Error::from(io::ErrorKind::UnexpectedEof);
        self.packed.clear();
        let head = packed.min(PREAMBLE_BYTES_MAX);
        if self.take(head)? < head {
            return Err(truncated());
        }
        let plain = plain_len(&self.packed)?;
        if plain > room || !fits(packed, plain) {
            return Err(broken(DamageKind::Corrupt));
        }
        if self.take(packed - head)? < packed - head {
            return Err(truncated());
        }
        self.decode(plain).map_err(|_| broken(DamageKind::Corrupt))
    }

    /// Decodes a stream that is one chunk; false where that has been done.
    fn whole(&mut self) -> io::Result<bool> {
        if self.from.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.packed.clear();
        self.take(PREAMBLE_BYTES_MAX)?;
        if self.packed.len() < PREAMBLE_BYTES_MAX && self.packed.iter().all(|byte| *byte >= 0x80) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let plain = plain_len(&self.packed)?;
        self.take(max_compress_len(plain).saturating_sub(self.packed.len()))?;
        if !self.from.fill_buf()?.is_empty() {
            return Err(broken(DamageKind::Corrupt));
        }
        // Nothing but its own elements says where the chunk ends, so one that ends too soon is cut.
        if plain > self.packed.len().saturating_mul(EXPANSION_MAX) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match self.decode(plain) {
            Ok(()) => Ok(true),
            Err(error) if is_cut(&error) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(_) => Err(broken(DamageKind::Corrupt)),
        }
    }

    fn decode(&mut self, plain: usize) -> Result<(), snap::Error> {
        self.plain.resize(plain, 0);
        self.at = 0;
        let decoded = Decoder::new().decompress(&self.packed, &mut self.plain);
        if decoded.is_err() {
            self.plain.clear();
        }
        decoded.map(drop)
    }
}

/// The uncompressed length that a chunk begins with.
fn plain_len(chunk: &[u8]) -> io::Result<usize> {
    match decompress_len(chunk) {
        Ok(plain) if plain > CHUNK_BYTES_MAX => Err(broken(DamageKind::Limit)),
        Ok(plain) if !chunk.is_empty() => Ok(plain),
        _ => Err(broken(DamageKind::Corrupt)),
    }
}

/// Would more bytes have helped?
fn is_cut(error: &snap::Error) -> bool {
    match error {
        snap::Error::HeaderMismatch { .. } | snap::Error::CopyRead { .. } => true,
        snap::Error::Literal { len, src_len, .. } => src_len < len,
        _ => false,
    }
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Chunks<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.plain.len() && self.next()? {}
        Ok(&self.plain[self.at..])
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_takes_no_memory() {
        // A chunk of 67,108,864 bytes that would be 3,145,728 stored ones, or as many as there are.
        let (preamble, packed) = (&[0x80, 0x80, 0x80, 0x20, 0][..], &[0, 0x30, 0, 0][..]);
        for (name, framing, stored, kind) in [
            ("xerial", Framing::Xerial, [packed, preamble].concat(), None),
            (
                "hadoop",
                Framing::Hadoop,
                [&[4, 0, 0, 0], packed, preamble].concat(),
                None,
            ),
            ("raw", Framing::Raw, preamble.to_vec(), None),
            (
                "a chunk that ends too soon",
                Framing::Xerial,
                [&[0, 0, 0, 20], preamble, &[0; 20]].concat(),
                Some(DamageKind::Corrupt),
            ),
        ] {
            let mut chunks = Chunks::new(io::Cursor::new(stored), framing);
            let error = chunks.fill_buf().map(drop).unwrap_err();
            let truncated = error.kind() == io::ErrorKind::UnexpectedEof;
            assert_eq!(truncated, kind.is_none(), "{name}: {error}");
            let taken = chunks.packed.capacity() + chunks.plain.capacity();
            assert!(taken < 1 << 10, "{name}: {taken} bytes");
        }
    }

    #[test]
    fn the_largest_chunk_is_read() {
        let text = vec![b' '; CHUNK_BYTES_MAX];
        let packed = snap::raw::Encoder::new().compress_vec(&text).unwrap();
        let mut chunks = Chunks::new(io::Cursor::new(packed), Framing::Raw);
        assert!(chunks.fill_buf().unwrap() == text);
        chunks.consume(text.len());
        assert!(chunks.fill_buf().unwrap().is_empty());
    }
}
