//! A stream in each codec, in as many parts as it can be joined from.

use std::io::Write;

use super::{Hint, hadoop_snappy, hint};

/// A stream that is whole.
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) stored: Vec<u8>,
    pub(super) text: Vec<u8>,
    pub(super) hint: Hint,
    /// What must have come out of a stream that ends behind each part.
    pub(super) parts: Vec<Part>,
    /// With fewer bytes than these it may be taken for something else.
    pub(super) told_by: usize,
    pub(super) has_checksum: bool,
    /// The stream within, where there is one.
    inner: Vec<u8>,
}

impl Sample {
    /// May these be all bytes of a stream that is cut? Of a stream within one that is cut as soon as it begins, the first
    /// bytes are not enough to tell what it is.
    pub(super) fn may_begin_with(&self, out: &[u8]) -> bool {
        self.text.starts_with(out) || (out.len() < 8 && self.inner.starts_with(out))
    }
}

/// A part that can be decoded without those behind it.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// Where it ends in the stream.
    pub(super) end: usize,
    /// Where it ends in the text.
    pub(super) plain: usize,
    /// Is the stream whole if it ends here?
    pub(super) is_joint: bool,
}

/// Streams of some hundred bytes.
pub(super) fn samples() -> Vec<Sample> {
    let texts = [(0..9), (9..10), (10..25)].map(|numbers| -> Vec<u8> {
        let line = |i| format!("{{\"i\":{i},\"text\":\"some words and {}\"}}\n", i * 77_377);
        numbers.flat_map(|i| line(i).into_bytes()).collect()
    });
    let each: [&[u8]; 3] = [&texts[0], &texts[1], &texts[2]];
    let joined = |pack: fn(&[u8]) -> Vec<u8>| joined(each.iter().map(|text| (pack(text), text.len())));
    let sample = |name, (stored, parts), told_by, has_checksum| Sample {
        name,
        stored,
        text: texts.concat(),
        hint: Hint::default(),
        parts,
        told_by,
        has_checksum,
        inner: vec![],
    };
    let in_gzip = |name, inner: Vec<u8>| Sample {
        inner: inner.clone(),
        ..sample(name, (gzip(&inner), vec![]), 3, true)
    };
    let whole = texts.concat();
    vec![
        sample("gzip", joined(gzip), 3, true),
        in_gzip("gzip in gzip", joined(gzip).0),
        sample("zstd", joined(zstd), 4, true),
        sample("framed snappy", framed(&each), 10, true),
        sample("xerial snappy", xerial(&each), 8, false),
        sample("joined xerial snappy", xerials(&each), 8, false),
        in_gzip("xerial snappy in gzip", xerial(&each).0),
        Sample {
            hint: hadoop_snappy(),
            ..sample("hadoop snappy", hadoop(&[&each[..2], &each[2..]]), 0, false)
        },
        Sample {
            hint: hint("", "events.json.snappy"),
            ..sample("raw snappy", (raw(&whole), vec![]), 4, false)
        },
        sample("zip", (zip(&whole), zip_parts(&whole)), 4, true),
    ]
}

/// Streams one behind another.
fn joined(each: impl Iterator<Item = (Vec<u8>, usize)>) -> (Vec<u8>, Vec<Part>) {
    let (mut stored, mut parts, mut plain) = (Vec::new(), Vec::new(), 0);
    for (stream, text) in each {
        stored.extend(stream);
        plain += text;
        parts.push(Part {
            end: stored.len(),
            plain,
            is_joint: true,
        });
    }
    (stored, parts)
}

pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

pub(super) fn zstd(text: &[u8]) -> Vec<u8> {
    let mut out = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    out.include_checksum(true).unwrap();
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

pub(super) fn raw(text: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(text).unwrap()
}

/// A raw chunk with its length before it.
fn chunk(text: &[u8]) -> Vec<u8> {
    let packed = raw(text);
    [&word(packed.len())[..], &packed].concat()
}

pub(super) fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_be_bytes()
}

pub(super) const XERIAL_HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// Chunks behind one header.
pub(super) fn xerial(chunks: &[&[u8]]) -> (Vec<u8>, Vec<Part>) {
    let header = (XERIAL_HEADER.to_vec(), 0);
    joined(std::iter::once(header).chain(chunks.iter().map(|text| (chunk(text), text.len()))))
}

/// A header before each chunk.
fn xerials(chunks: &[&[u8]]) -> (Vec<u8>, Vec<Part>) {
    let header = || (XERIAL_HEADER.to_vec(), 0);
    joined(chunks.iter().flat_map(|text| [header(), (chunk(text), text.len())]))
}

/// Blocks of chunks.
pub(super) fn hadoop(blocks: &[&[&[u8]]]) -> (Vec<u8>, Vec<Part>) {
    let (mut stored, mut parts, mut plain) = (Vec::new(), Vec::new(), 0);
    for block in blocks {
        stored.extend(word(block.iter().map(|text| text.len()).sum()));
        for (i, text) in block.iter().enumerate() {
            stored.extend(chunk(text));
            plain += text.len();
            parts.push(Part {
                end: stored.len(),
                plain,
                is_joint: i + 1 == block.len(),
            });
        }
    }
    (stored, parts)
}

/// Chunks of up to 64 KiB in the official framing.
pub(super) fn framed(chunks: &[&[u8]]) -> (Vec<u8>, Vec<Part>) {
    let mut out = snap::write::FrameEncoder::new(Vec::new());
    let (mut parts, mut plain) = (Vec::new(), 0);
    // Its magic alone is a stream of nothing.
    for text in [&[][..]].iter().chain(chunks) {
        out.write_all(text).unwrap();
        out.flush().unwrap();
        plain += text.len();
        parts.push(Part {
            end: out.get_ref().len().max(10),
            plain,
            is_joint: true,
        });
    }
    (out.into_inner().unwrap(), parts)
}

/// A zip as Firehose writes it: one deflated entry whose lengths stand behind it.
pub(super) fn zip(text: &[u8]) -> Vec<u8> {
    super::zip::archive(&[super::zip::Entry::of(text)])
}

fn zip_parts(text: &[u8]) -> Vec<Part> {
    let data_end = super::zip::Entry::of(text).data_end();
    vec![Part {
        end: data_end,
        plain: text.len(),
        is_joint: false,
    }]
}
