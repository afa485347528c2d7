//! Ways to pack bytes, as other programs do and as somebody might on purpose.

use std::io::Write as _;

use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc, GzBuilder};

pub(crate) fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(text.as_ref()).unwrap();
    out.finish().unwrap()
}

/// A member with all that its header may hold, and a checksum of that.
pub(crate) fn gzip_with_all_fields(text: &[u8]) -> Vec<u8> {
    let builder = GzBuilder::new()
        .extra(&b"AB\x02\0\x1f\x8b"[..])
        .filename("{\"id\":9}\n.json")
        .comment("{\"id\":9}");
    let mut out = builder.mtime(1_714_521_600).write(Vec::new(), Compression::default());
    out.write_all(text).unwrap();
    with_header_checksum(out.finish().unwrap(), text)
}

/// Sets the flag and puts two bytes behind the header, which ends where the same data without fields begins.
fn with_header_checksum(member: Vec<u8>, text: &[u8]) -> Vec<u8> {
    let plain_bytes = gzip(text).len() - 10;
    let (head, data) = member.split_at(member.len() - plain_bytes);
    let mut head = head.to_vec();
    head[3] |= 2;
    let mut sum = Crc::new();
    sum.update(&head);
    [&head, &(sum.sum() as u16).to_le_bytes()[..], data].concat()
}

pub(crate) fn zstd(text: impl AsRef<[u8]>) -> Vec<u8> {
    zstd_with(text, 3, true)
}

pub(crate) fn zstd_with(text: impl AsRef<[u8]>, level: i32, checksum: bool) -> Vec<u8> {
    let mut out = ::zstd::stream::write::Encoder::new(Vec::new(), level).unwrap();
    out.include_checksum(checksum).unwrap();
    out.write_all(text.as_ref()).unwrap();
    out.finish().unwrap()
}

pub(crate) fn snappy(text: impl AsRef<[u8]>) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(text.as_ref()).unwrap()
}

/// Snappy in its official framing.
pub(crate) fn framed(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = snap::write::FrameEncoder::new(Vec::new());
    for some in text.as_ref().chunks(1000) {
        out.write_all(some).unwrap();
        out.flush().unwrap();
    }
    out.into_inner().unwrap()
}

/// As snappy-java writes it: a head, then chunks with their lengths.
pub(crate) fn xerial(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    text.as_ref().chunks(1000).for_each(|some| out.extend(chunk(some)));
    out
}

/// As Hadoop writes it: blocks with their unpacked lengths, each of chunks with their lengths.
pub(crate) fn hadoop(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for block in text.as_ref().chunks(2000) {
        out.extend((block.len() as u32).to_be_bytes());
        block.chunks(700).for_each(|some| out.extend(chunk(some)));
    }
    out
}

fn chunk(text: &[u8]) -> Vec<u8> {
    let packed = snappy(text);
    [&(packed.len() as u32).to_be_bytes()[..], &packed].concat()
}

/// A zip of one deflated entry, its lengths behind it, as Firehose writes it.
pub(crate) fn zip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    let mut data = DeflateEncoder::new(Vec::new(), Compression::default());
    data.write_all(text).unwrap();
    let data = data.finish().unwrap();
    let mut sum = Crc::new();
    sum.update(text);
    let lengths = [sum.sum(), data.len() as u32, text.len() as u32]
        .map(u32::to_le_bytes)
        .concat();
    let about = b"\x14\0\x08\0\x08\0\0\0\0\0";
    let local = [b"PK\x03\x04", &about[..], &[0; 12], b"\x01\0\0\0a"].concat();
    let central = [b"PK\x01\x02\x14\0", &about[..], &lengths, b"\x01\0\0\0", &[0; 14], b"a"].concat();
    let listed_at = (local.len() + data.len() + 16) as u32;
    let listed = [(central.len() as u32).to_le_bytes(), listed_at.to_le_bytes()].concat();
    let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &listed[..], b"\0\0"].concat();
    [local, data, b"PK\x07\x08".to_vec(), lengths, central, end].concat()
}

/// An encoding, and the name that an object packed by it needs to be told.
pub(crate) struct Packing {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) pack: fn(&[u8]) -> Vec<u8>,
}

/// All ways in which objects are packed.
pub(crate) const PACKINGS: [Packing; 8] = [
    Packing {
        name: "plain",
        key: "a",
        pack: <[u8]>::to_vec,
    },
    Packing {
        name: "gzip",
        key: "a",
        pack: |text| gzip(text),
    },
    Packing {
        name: "zstd",
        key: "a",
        pack: |text| zstd(text),
    },
    Packing {
        name: "framed snappy",
        key: "a",
        pack: |text| framed(text),
    },
    Packing {
        name: "zip",
        key: "a",
        pack: |text| zip(text),
    },
    Packing {
        name: "xerial snappy",
        key: "a",
        pack: |text| xerial(text),
    },
    Packing {
        name: "hadoop snappy",
        key: "a.snappy",
        pack: |text| hadoop(text),
    },
    Packing {
        name: "raw snappy",
        key: "a.snappy",
        pack: |text| snappy(text),
    },
];
