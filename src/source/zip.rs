//! The one entry of a zip archive, streamed: it is handed over before the central directory is seen.
//!
//! ```text
//! local header, name, extra │ data │ descriptor: checksum, lengths │ central directory │ end record
//!                                    only where the header has none
//! ```
//!
//! The end comes only when all of that was there and right. An archive of several entries is not read as one stream: what the
//! entries are to each other is not known, so the first one is handed over and the rest is damage.
//!
//! Not the `zip` crate: it reads a stream only where the lengths stand in the header, and Firehose writes them behind.

use std::io::{self, BufRead, Read, Take};

use flate2::Crc;

use super::inflate::{DamageKind, broken};
use super::kept::{Deflated, Kept};

/// First bytes of an entry, and so of an archive that has one.
pub(super) const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
const CENTRAL_HEADER: [u8; 4] = *b"PK\x01\x02";
const CENTRAL_SIGNATURE: [u8; 4] = *b"PK\x05\x05";
const END_64: [u8; 4] = *b"PK\x06\x06";
const END_64_LOCATOR: [u8; 4] = *b"PK\x06\x07";
const END: [u8; 4] = *b"PK\x05\x06";

/// The flags of an encrypted entry, of patched data, of strong encryption and of a header that is masked for it.
const FLAGS_FOREIGN: u16 = 1 | 1 << 5 | 1 << 6 | 1 << 13;
/// The flag of an entry whose checksum and lengths stand behind it.
const FLAG_DESCRIPTOR: u16 = 1 << 3;
const METHOD_STORED: u16 = 0;
const METHOD_DEFLATED: u16 = 8;
/// The extra field with the lengths that need 64 bits.
const EXTRA_ZIP64: u16 = 1;

/// Decodes the only entry of an archive.
pub(super) struct OnlyEntry<R: BufRead> {
    state: State<R>,
}

enum State<R: BufRead> {
    Before(R),
    Within(Box<Entry<R>>),
    Ended,
}

impl<R: BufRead> OnlyEntry<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            state: State::Before(from),
        }
    }
}

impl<R: BufRead> Read for OnlyEntry<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Before(from) => self.state = State::Within(Box::new(Entry::open(from)?)),
                State::Within(mut entry) => {
                    let n = entry.read(out)?;
                    if n > 0 || out.is_empty() {
                        self.state = State::Within(entry);
                        return Ok(n);
                    }
                    directory(&mut entry.close()?)?;
                }
            }
        }
    }
}

struct Entry<R: BufRead> {
    data: Data<R>,
    /// What the header says, unless a descriptor behind the data does.
    told: Option<Sums>,
    /// Stored bytes that the data may have.
    packed_max: u64,
    crc: Crc,
    plain: u64,
}

enum Data<R: BufRead> {
    Stored(Take<R>),
    Deflated(Kept<Take<R>, Deflated>),
}

/// The checksum and the lengths of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sums {
    crc: u32,
    packed: u64,
    plain: u64,
}

impl<R: BufRead> Entry<R> {
    fn open(mut from: R) -> io::Result<Self> {
        let header: [u8; 30] = array(&mut from)?;
        let (flags, method) = (u16_at(&header, 6), u16_at(&header, 8));
        skip(&mut from, u16_at(&header, 26).into())?;
        let mut extra = vec![0; u16_at(&header, 28).into()];
        from.read_exact(&mut extra)?;
        let behind = flags & FLAG_DESCRIPTOR != 0;
        // Deflated data says where it ends, stored data does not.
        let is_read = matches!((method, behind), (METHOD_DEFLATED, _) | (METHOD_STORED, false));
        if flags & FLAGS_FOREIGN != 0 || !is_read {
            return Err(broken(DamageKind::ZipMethod));
        }
        let told = if behind { None } else { Some(told(&header, &extra)?) };
        let packed_max = told.map_or(u64::MAX, |told| told.packed);
        let packed = from.take(packed_max);
        Ok(Self {
            data: if method == METHOD_STORED {
                Data::Stored(packed)
            } else {
                Data::Deflated(Kept::new(packed, Deflated::bare()))
            },
            told,
            packed_max,
            crc: Crc::new(),
            plain: 0,
        })
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = match &mut self.data {
            Data::Stored(data) => match data.read(out)? {
                0 if data.limit() > 0 && !out.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => n,
            },
            Data::Deflated(data) => match data.read(out) {
                // Cut by its own header: the archive goes on.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && data.get_ref().limit() == 0 => {
                    return Err(broken(DamageKind::Corrupt));
                }
                read => read?,
            },
        };
        self.crc.update(&out[..n]);
        self.plain += n as u64;
        Ok(n)
    }

    /// Compares the sums when the data has ended, and gives back what follows.
    fn close(self) -> io::Result<R> {
        let data = match self.data {
            Data::Stored(data) => data,
            Data::Deflated(data) => data.into_inner(),
        };
        let sums = Sums {
            crc: self.crc.sum(),
            packed: self.packed_max - data.limit(),
            plain: self.plain,
        };
        let mut from = data.into_inner();
        let right = match self.told {
            Some(told) => told == sums,
            None => descriptor(&mut from, &sums)?,
        };
        right.then_some(from).ok_or_else(|| broken(DamageKind::Corrupt))
    }
}

/// The sums that stand in a local header and the extra fields behind it.
fn told(header: &[u8; 30], extra: &[u8]) -> io::Result<Sums> {
    let mut wide = zip64(extra);
    // A length that does not fit is all ones, and the next one in the extra field is meant.
    let mut length = |at| match (u32_at(header, at), &mut wide) {
        (u32::MAX, wide) => {
            let (length, rest) = wide.split_first_chunk().ok_or_else(|| broken(DamageKind::Corrupt))?;
            *wide = rest;
            Ok::<_, io::Error>(u64::from_le_bytes(*length))
        }
        (length, _) => Ok(length.into()),
    };
    let plain = length(22)?;
    let packed = length(18)?;
    Ok(Sums {
        crc: u32_at(header, 14),
        packed,
        plain,
    })
}

/// The extra field with long lengths; empty if there is none.
fn zip64(mut extra: &[u8]) -> &[u8] {
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0), u16_at(extra, 2).into());
        let Some((field, rest)) = extra[4..].split_at_checked(len) else {
            break;
        };
        if id == EXTRA_ZIP64 {
            return field;
        }
        extra = rest;
    }
    &[]
}

/// Takes a data descriptor. Are these the sums in it? Its signature may be missing; whether its lengths have 32 or 64 bits
/// stands nowhere that writers agree on, so it is what fits.
fn descriptor(from: &mut impl BufRead, sums: &Sums) -> io::Result<bool> {
    let mut crc = array(from)?;
    if crc == DESCRIPTOR {
        crc = array(from)?;
    }
    let lengths: [u8; 8] = array(from)?;
    let narrow = [u32_at(&lengths, 0), u32_at(&lengths, 4)] == [sums.packed as u32, sums.plain as u32];
    // Of an empty entry both fit; the next thing begins with a letter.
    let wide = u64::from_le_bytes(lengths) == sums.packed && (!narrow || from.fill_buf()?.first() == Some(&0));
    let right = if wide {
        u64::from_le_bytes(array(from)?) == sums.plain
    } else {
        narrow
    };
    Ok(right && u32::from_le_bytes(crc) == sums.crc)
}

/// Takes all that follows the first entry: a directory that lists this entry alone, and nothing else.
fn directory(from: &mut impl BufRead) -> io::Result<()> {
    let mut listed = false;
    loop {
        match array(from)? {
            CENTRAL_HEADER if !listed => {
                listed = true;
                let header: [u8; 42] = array(from)?;
                let behind = [24, 26, 28].map(|at| u64::from(u16_at(&header, at)));
                skip(from, behind.iter().sum())?;
            }
            LOCAL_HEADER | CENTRAL_HEADER => return Err(broken(DamageKind::ZipEntries)),
            CENTRAL_SIGNATURE => {
                let bytes = u16::from_le_bytes(array(from)?);
                skip(from, bytes.into())?;
            }
            END_64 => {
                let bytes = u64::from_le_bytes(array(from)?);
                skip(from, bytes)?;
            }
            END_64_LOCATOR => skip(from, 16)?,
            END if listed => {
                let record: [u8; 18] = array(from)?;
                // All ones: the 64-bit record counts.
                if !matches!(u16_at(&record, 6), 1 | u16::MAX) {
                    return Err(broken(DamageKind::Corrupt));
                }
                skip(from, u16_at(&record, 16).into())?;
                break;
            }
            _ => return Err(broken(DamageKind::Corrupt)),
        }
    }
    let mut behind = Vec::new();
    from.take(4).read_to_end(&mut behind)?;
    match behind.as_slice() {
        [] => Ok(()),
        // Archives that were joined.
        behind if behind == LOCAL_HEADER => Err(broken(DamageKind::ZipEntries)),
        _ => Err(broken(DamageKind::Corrupt)),
    }
}

fn array<const N: usize>(from: &mut impl BufRead) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(from: &mut impl BufRead, bytes: u64) -> io::Result<()> {
    if io::copy(&mut from.take(bytes), &mut io::sink())? < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// The little-endian number at `at`, which is within `bytes`.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// As [`u16_at`].
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}
