//! A stored object as the stream of bytes it stands for: plain, gzip (many members, gzip in gzip), zstd (many frames).
//!
//! ```text
//! stored bytes ──> first bytes say which codec ──> decoder ──> first bytes again ... ──> plain bytes
//! ```
//!
//! Only the bytes themselves are asked, never a name or a header. A stream that is cut or fails its checksum ends where it
//! does, with [`Damage`]; everything before is handed over.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

/// Gzip within gzip within gzip is read; deeper is somebody's joke.
const LAYERS_MAX: usize = 3;
/// Largest window a zstd frame may ask for, as a power of two: 128 MiB, the most that the `zstd` tool uses unasked.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// The first byte of a gzip member.
const GZIP_FIRST: u8 = 0x1f;
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

/// Counts what is taken from the source.
struct Stored<R> {
    from: R,
    taken: Arc<AtomicU64>,
}

impl<R: BufRead> Read for Stored<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Stored<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.from.fill_buf().map_err(|error| match error.kind() {
            // Whoever reads tries again.
            io::ErrorKind::Interrupted => error,
            _ => io::Error::other(SourceFailed(error)),
        })
    }

    fn consume(&mut self, bytes: usize) {
        self.from.consume(bytes);
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A reader whose first bytes can be looked at before they are taken.
struct Peek<R> {
    head: Vec<u8>,
    at: usize,
    from: R,
}

impl<R: BufRead> Peek<R> {
    fn new(mut from: R, bytes: usize) -> io::Result<Self> {
        let mut head = Vec::new();
        from.by_ref().take(bytes as u64).read_to_end(&mut head)?;
        Ok(Self { head, at: 0, from })
    }
}

impl<R: BufRead> Read for Peek<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.head.len() {
            return self.from.read(out);
        }
        let n = (&self.head[self.at..]).read(out)?;
        self.at += n;
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Peek<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.head.len() {
            self.from.fill_buf()
        } else {
            Ok(&self.head[self.at..])
        }
    }

    fn consume(&mut self, bytes: usize) {
        if self.at == self.head.len() {
            self.from.consume(bytes);
        } else {
            self.at += bytes;
        }
    }
}

/// The members of a gzip file, one after another. Zeros behind the last one are padding; anything else is damage.
struct Members<R: BufRead> {
    /// Between members the reader itself, within one its decoder.
    state: MemberState<R>,
}

enum MemberState<R: BufRead> {
    Between(R),
    Within(Box<GzDecoder<R>>),
    Ended,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, MemberState::Ended) {
                MemberState::Ended => return Ok(0),
                MemberState::Within(mut member) => {
                    let n = member.read(out)?;
                    if n > 0 || out.is_empty() {
                        self.state = MemberState::Within(member);
                        return Ok(n);
                    }
                    self.state = MemberState::Between(member.into_inner());
                }
                MemberState::Between(mut from) => match from.fill_buf()?.first() {
                    None => return Ok(0),
                    Some(0) => {
                        padding(&mut from)?;
                        return Ok(0);
                    }
                    Some(&GZIP_FIRST) => self.state = MemberState::Within(Box::new(GzDecoder::new(from))),
                    Some(_) => return Err(behind_the_last_member()),
                },
            }
        }
    }
}

fn behind_the_last_member() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "bytes behind the last gzip member")
}

fn padding(from: &mut impl BufRead) -> io::Result<()> {
    loop {
        let rest = from.fill_buf()?;
        if rest.is_empty() {
            return Ok(());
        }
        if rest.iter().any(|byte| *byte != 0) {
            return Err(behind_the_last_member());
        }
        let n = rest.len();
        from.consume(n);
    }
}

/// TEMP
#[derive(Clone, Debug, Default)]
pub struct Hint {
    /// x
    pub content_encoding: Option<String>,
    /// x
    pub name: String,
}
/// The decompressed stream of one object.
pub struct Inflate {
    from: Box<dyn BufRead + Send>,
    taken: Arc<AtomicU64>,
}

impl Inflate {
    /// Looks at the first bytes of `stored` and sets up what decodes them.
    pub fn new(stored: impl Read + Send + 'static) -> Result<Self, InflateError> {
        let taken = Arc::new(AtomicU64::new(0));
        let stored = BufReader::with_capacity(BUFFER_BYTES, stored);
        let mut from: Box<dyn BufRead + Send> = Box::new(Stored {
            from: stored,
            taken: Arc::clone(&taken),
        });
        let fail = |error: io::Error| explain(error, &taken);
        for layer in 0.. {
            let peek = Peek::new(from, 4).map_err(fail)?;
            let codec = Codec::of(&peek.head);
            if codec != Codec::Plain && layer == LAYERS_MAX {
                let offset = taken.load(Ordering::Relaxed);
                return Err(InflateError::Damaged(Damage {
                    kind: DamageKind::Limit,
                    offset,
                }));
            }
            from = match codec {
                Codec::Plain => {
                    return Ok(Self {
                        from: Box::new(peek),
                        taken,
                    });
                }
                Codec::Gzip => {
                    let members = Members {
                        state: MemberState::Between(peek),
                    };
                    Box::new(BufReader::with_capacity(BUFFER_BYTES, members))
                }
                Codec::Zstd => {
                    let mut frames = zstd::stream::read::Decoder::with_buffer(peek).map_err(fail)?;
                    frames.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(fail)?;
                    Box::new(BufReader::with_capacity(BUFFER_BYTES, frames))
                }
            };
        }
        unreachable!("the number of layers is bounded")
    }

    /// TEMP
    pub fn with_hint(stored: impl Read + Send + 'static, _: &Hint) -> Result<Self, InflateError> {
        Self::new(stored)
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Plain,
    Gzip,
    Zstd,
}

impl Codec {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1F, 0x8B, 0x08, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD] | [0x50..=0x5F, 0x2A, 0x4D, 0x18] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

fn explain(error: io::Error, taken: &AtomicU64) -> InflateError {
    if error.get_ref().is_some_and(|inner| inner.is::<SourceFailed>()) {
        let inner = error
            .into_inner()
            .and_then(|inner| inner.downcast::<SourceFailed>().ok());
        return InflateError::Source(inner.map_or_else(|| io::Error::other("the source"), |failed| failed.0));
    }
    let kind = match error.kind() {
        io::ErrorKind::UnexpectedEof => DamageKind::Truncated,
        // The message is all that the library gives.
        _ if error.to_string().contains("too much memory") => DamageKind::Limit,
        _ => DamageKind::Corrupt,
    };
    InflateError::Damaged(Damage {
        kind,
        offset: taken.load(Ordering::Relaxed),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 3).unwrap()
    }

    fn all(stored: Vec<u8>) -> (Vec<u8>, Option<DamageKind>) {
        let mut out = Vec::new();
        let result = Inflate::new(io::Cursor::new(stored)).and_then(|mut stream| {
            while stream.read(&mut out, 1000)? > 0 {}
            Ok(())
        });
        match result {
            Ok(()) => (out, None),
            Err(InflateError::Damaged(damage)) => (out, Some(damage.kind)),
            Err(InflateError::Source(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn the_first_bytes_say_how_an_object_is_packed() {
        let (a, b) = (br#"{"a":1}"#.repeat(50_000), br#"{"b":2}"#.repeat(3));
        let both = [a.clone(), b.clone()].concat();
        for (name, stored, expected) in [
            ("plain", both.clone(), both.clone()),
            ("nothing", vec![], vec![]),
            ("a byte", vec![b'{'], vec![b'{']),
            ("gzip", gzip(&both), both.clone()),
            ("two members", [gzip(&a), gzip(&b)].concat(), both.clone()),
            (
                "an empty member between",
                [gzip(&a), gzip(b""), gzip(&b)].concat(),
                both.clone(),
            ),
            ("zeros behind", [gzip(&both), vec![0; 700_000]].concat(), both.clone()),
            ("gzip in gzip", gzip(&[gzip(&a), gzip(&b)].concat()), both.clone()),
            ("zstd", zstd(&both), both.clone()),
            ("two frames", [zstd(&a), zstd(&b)].concat(), both.clone()),
            (
                "skippable frame",
                [vec![0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 9, 9], zstd(&both)].concat(),
                both.clone(),
            ),
            ("zstd in gzip", gzip(&zstd(&both)), both.clone()),
        ] {
            let (out, damage) = all(stored);
            assert!(
                out == expected && damage.is_none(),
                "{name}: {} bytes, {damage:?}",
                out.len()
            );
        }
    }

    #[test]
    fn a_thousand_members_are_one_stream() {
        let (out, damage) = all((0..1000)
            .flat_map(|i| gzip(format!("{{\"i\":{i}}}\n").as_bytes()))
            .collect());
        assert_eq!(damage, None);
        assert_eq!(
            out,
            (0..1000)
                .flat_map(|i| format!("{{\"i\":{i}}}\n").into_bytes())
                .collect::<Vec<u8>>()
        );
    }

    #[test]
    fn a_stream_cut_anywhere_is_damaged_and_never_silently_short() {
        let text = br#"{"a":"bcdefgh"}"#.repeat(40);
        for stored in [gzip(&text), [gzip(&text), gzip(&text)].concat(), zstd(&text)] {
            let whole = all(stored.clone()).0;
            for cut in 1..stored.len() {
                let (out, damage) = all(stored[..cut].to_vec());
                let plain = Codec::of(&stored[..cut.min(4)]) == Codec::Plain;
                assert!(plain || whole.starts_with(&out), "cut at {cut}");
                let member_edge = cut == stored.len() / 2 && out == text;
                assert!(
                    plain || damage == Some(DamageKind::Truncated) || member_edge,
                    "cut at {cut}: {damage:?}"
                );
            }
        }
    }

    #[test]
    fn wrong_bytes_are_damage() {
        let text = br#"{"a":"bcdefgh"}"#.repeat(40);
        let mut bad_sum = gzip(&text);
        let sum = bad_sum.len() - 6;
        bad_sum[sum] ^= 1;
        assert_eq!(all(bad_sum), (text.clone(), Some(DamageKind::Corrupt)));
        assert_eq!(
            all([gzip(&text), b"garbage".to_vec()].concat()),
            (text.clone(), Some(DamageKind::Corrupt))
        );
        assert_eq!(all(gzip(&gzip(&gzip(&gzip(&text))))).1, Some(DamageKind::Limit));
        assert_eq!(
            all([zstd(&text), b"garbage".to_vec()].concat()).1,
            Some(DamageKind::Corrupt)
        );
    }

    #[test]
    fn an_error_of_the_source_is_not_damage() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::TimedOut))
            }
        }
        let stored = gzip(&b"{}".repeat(900));
        let half = io::Cursor::new(stored[..stored.len() / 2].to_vec()).chain(Fails);
        let mut stream = Inflate::new(half);
        let result = match &mut stream {
            Ok(stream) => stream.read(&mut Vec::new(), 1 << 20).map(drop),
            Err(_) => stream.map(drop),
        };
        assert!(matches!(result, Err(InflateError::Source(error)) if error.kind() == io::ErrorKind::TimedOut));
    }
}
