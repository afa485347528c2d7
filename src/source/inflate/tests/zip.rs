//! Zip archives in the forms that writers give them.

use std::io::Write;

use super::samples::gzip;
use super::*;

/// How an entry is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lengths {
    /// In the local header.
    Before,
    /// In the local header's extra field, with 64 bits.
    Before64,
    /// Behind the data.
    Behind,
    /// Behind the data, without the signature that is usual there.
    BehindBare,
    /// Behind the data, with 64 bits.
    Behind64,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    name: &'static str,
    text: Vec<u8>,
    method: u16,
    flags: u16,
    lengths: Lengths,
}

impl Entry {
    pub(super) fn of(text: &[u8]) -> Self {
        Self {
            name: "events.json",
            text: text.to_vec(),
            method: 8,
            flags: 0,
            lengths: Lengths::Behind,
        }
    }

    fn stored(text: &[u8]) -> Self {
        Self {
            method: 0,
            lengths: Lengths::Before,
            ..Self::of(text)
        }
    }

    fn data(&self) -> Vec<u8> {
        if self.method == 0 {
            return self.text.clone();
        }
        let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(&self.text).unwrap();
        out.finish().unwrap()
    }

    /// Where the data ends in an archive that begins with it, if the header has no long lengths.
    pub(super) fn data_end(&self) -> usize {
        30 + self.name.len() + 4 + self.data().len()
    }

    fn crc(&self) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(&self.text);
        crc.sum()
    }

    fn local(&self) -> Vec<u8> {
        let data = self.data();
        let (crc, packed, plain) = (self.crc(), data.len() as u64, self.text.len() as u64);
        // A field of somebody else's stands before.
        let mut extra = b"\xfe\xca\0\0".to_vec();
        let behind = !matches!(self.lengths, Lengths::Before | Lengths::Before64);
        let (crc_told, packed_told, plain_told) = match self.lengths {
            Lengths::Before => (crc, packed as u32, plain as u32),
            Lengths::Before64 => {
                extra.extend(b"\x01\0\x10\0");
                extra.extend([plain, packed].map(u64::to_le_bytes).concat());
                (crc, u32::MAX, u32::MAX)
            }
            _ => (0, 0, 0),
        };
        let flags = self.flags | u16::from(behind) << 3;
        let mut out = b"PK\x03\x04\x14\0".to_vec();
        out.extend([flags, self.method, 0, 33].map(u16::to_le_bytes).concat());
        out.extend([crc_told, packed_told, plain_told].map(u32::to_le_bytes).concat());
        out.extend(
            [self.name.len() as u16, extra.len() as u16]
                .map(u16::to_le_bytes)
                .concat(),
        );
        out.extend(self.name.bytes());
        out.extend(extra);
        out.extend(data);
        if behind && self.lengths != Lengths::BehindBare {
            out.extend(b"PK\x07\x08");
        }
        match self.lengths {
            Lengths::Before | Lengths::Before64 => {}
            Lengths::Behind | Lengths::BehindBare => {
                out.extend([crc, packed as u32, plain as u32].map(u32::to_le_bytes).concat());
            }
            Lengths::Behind64 => {
                out.extend(crc.to_le_bytes());
                out.extend([packed, plain].map(u64::to_le_bytes).concat());
            }
        }
        out
    }

    fn central(&self) -> Vec<u8> {
        let mut out = vec![0; 46];
        out[..4].copy_from_slice(b"PK\x01\x02");
        out[16..20].copy_from_slice(&self.crc().to_le_bytes());
        out[28] = self.name.len() as u8;
        // An extra field and a comment.
        out[30] = 4;
        out[32] = 2;
        out.extend(self.name.bytes());
        out.extend(b"\xfe\xca\0\0hi");
        out
    }
}

/// All entries, then a directory that lists them.
pub(super) fn archive(entries: &[Entry]) -> Vec<u8> {
    [local(entries), listing(entries, entries.len())].concat()
}

fn local(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(Entry::local).collect()
}

/// A directory of these entries whose end record tells of `count`.
fn listing(entries: &[Entry], count: usize) -> Vec<u8> {
    let mut out: Vec<u8> = entries.iter().flat_map(Entry::central).collect();
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count as u16; 2].map(u16::to_le_bytes).concat());
    out.extend([0; 8]);
    out.extend(b"\x03\0bye");
    out
}

#[test]
fn an_entry_is_read_however_its_lengths_are_told() {
    let long = br#"{"a":"bcdefgh"}"#.repeat(60_000);
    let noise: Vec<u8> = (0..300_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for text in [&long[..], b"{}", b"", &[b"\x7b", &noise[..]].concat()] {
        let deflated = [
            Lengths::Before,
            Lengths::Before64,
            Lengths::Behind,
            Lengths::BehindBare,
            Lengths::Behind64,
        ]
        .map(|lengths| Entry {
            lengths,
            ..Entry::of(text)
        });
        let stored = [Lengths::Before, Lengths::Before64].map(|lengths| Entry {
            lengths,
            ..Entry::stored(text)
        });
        let unnamed = Entry {
            name: "",
            ..Entry::of(text)
        };
        for entry in deflated.into_iter().chain(stored).chain([unnamed]) {
            let (out, damage) = all(archive(std::slice::from_ref(&entry)));
            let (method, lengths, bytes) = (entry.method, entry.lengths, text.len());
            assert!(
                out == text && damage.is_none(),
                "{method} {lengths:?} {bytes}: {damage:?}"
            );
        }
    }
    let folder = Entry {
        name: "folder/",
        ..Entry::stored(b"")
    };
    assert_eq!(all(archive(&[folder])), (vec![], None));
}

#[test]
fn an_archive_that_another_program_wrote_is_read() {
    // By the zip classes of the Java runtime: the length behind the data, a time stamp in an extra field.
    let java = "504b030414000808080000002100000000000000000000000000060009006576656e7473555405000100000000ab56ca54b232d0\
        512a49ad2851b202530a7042a996ab1a246f4840de8880bc3101791302f2a604e4cd08c89be3960700504b0708529bc536300000000001\
        0000504b0102140014000808080000002100529bc53630000000000100000600090000000000000000000000000000006576656e747355\
        5405000100000000504b050600000000010001003d0000006d0000000000";
    assert_eq!(all(snappy::bytes(java)), (snappy::lines(), None));
}

#[test]
fn the_64_bit_records_of_an_archive_are_passed_over() {
    let entry = Entry::of(b"{}");
    let end = listing(&[], 0xFFFF);
    let records = [
        &b"PK\x06\x06\x2c\0\0\0\0\0\0\0"[..],
        &[0; 44],
        b"PK\x06\x07",
        &[0; 16],
        b"PK\x05\x05\x03\0sig",
    ]
    .concat();
    let stored = [entry.local(), entry.central(), records, end].concat();
    assert_eq!(all(stored), (b"{}".to_vec(), None));
}

#[test]
fn of_several_entries_the_first_comes_out_and_the_rest_is_damage() {
    let (a, b) = ([Entry::of(b"{\"a\":1}")], [Entry::stored(b"{\"b\":1}")]);
    let both = [&a[..], &b].concat();
    let first = a[0].local().len();
    for (name, stored, offset) in [
        ("two", archive(&both), first + 4),
        (
            "two archives",
            [archive(&a), archive(&b)].concat(),
            archive(&a).len() + 4,
        ),
        (
            "two in the directory",
            [local(&a), listing(&both, 2)].concat(),
            first + a[0].central().len() + 4,
        ),
    ] {
        let (out, damage) = hinted(stored, &Hint::default());
        assert_eq!(out, a[0].text, "{name}");
        let (kind, offset) = (DamageKind::ZipEntries, offset as u64);
        assert_eq!(damage, Some(Damage { kind, offset }), "{name}");
    }
}

#[test]
fn an_archive_that_does_not_hold_what_it_says_is_damage() {
    let entries = [Entry::of(b"{\"a\":1}\n")];
    let [entry] = &entries;
    let with = |entry: &Entry, at: usize, byte: u8| {
        let mut stored = archive(std::slice::from_ref(entry));
        stored[at] = byte;
        stored
    };
    let told = |lengths| Entry {
        lengths,
        ..entry.clone()
    };
    let (before, before64) = (told(Lengths::Before), told(Lengths::Before64));
    let (stored, data_end) = (Entry::stored(&entry.text), entry.data_end());
    let behind = |bytes: &[u8]| [archive(&entries), bytes.to_vec()].concat();
    let directory = |directory| [local(&entries), directory].concat();
    let (corrupt, method) = (DamageKind::Corrupt, DamageKind::ZipMethod);
    let (text, whole) = (&entry.text, entry.text.len());
    for (name, archive, least, kind) in [
        ("checksum before", with(&before, 14, 0), whole, corrupt),
        ("checksum behind", with(entry, data_end + 4, 0), whole, corrupt),
        ("length behind", with(entry, data_end + 8, 99), whole, corrupt),
        ("text longer than told", with(&before, 22, 3), whole, corrupt),
        ("data longer than told", with(&before, 18, 3), 0, corrupt),
        ("data shorter than told", with(&before, 18, 60), whole, corrupt),
        ("stored data longer than told", with(&stored, 18, 3), 3, corrupt),
        ("long lengths missing", with(&before64, 45, 9), 0, corrupt),
        ("none listed", directory(listing(&[], 0)), whole, corrupt),
        ("a wrong count", directory(listing(&entries, 2)), whole, corrupt),
        ("no directory", directory(gzip(b"{}")), whole, corrupt),
        ("bytes behind", behind(b"x"), whole, corrupt),
        ("encrypted", with(entry, 6, 1 | 8), 0, method),
        ("bzip2", with(entry, 8, 12), 0, method),
        ("stored, its length behind", with(entry, 8, 0), 0, method),
    ] {
        let (got, damage) = all(archive);
        assert!(text.starts_with(&got) && got.len() >= least, "{name}: {got:?}");
        assert_eq!(damage, Some(kind), "{name}");
    }
}
