//! Packed objects of some KiB cut at every byte, and with every byte wrong: what came is a row or is told to be damaged,
//! and nothing is silently short.

use std::io::{Cursor, Read, Write as _};

use lakebed::source::inflate::{DamageKind, Hint};

use crate::object::{by_id, ids, lines, object, object_as, read_object};
use crate::packed::{PACKINGS, gzip, zip, zstd_with};
use crate::rounds;

/// Stored bytes of each object.
const STORED_BYTES: usize = 4096;

/// As many lines as make an object of at least 4 KiB, and that object.
fn sample(pack: impl Fn(&[u8]) -> Vec<u8>) -> (u64, Vec<u8>) {
    let packed = |lines_max: u64| pack(lines(0..lines_max).as_bytes());
    let count = (100..)
        .step_by(10)
        .find(|count| packed(*count).len() >= STORED_BYTES)
        .unwrap();
    (count, packed(count))
}

#[test]
fn an_object_cut_at_any_byte_is_whole_or_damaged() {
    let plan = by_id();
    let zstd_without_sum = |text: &[u8]| zstd_with(text, 19, false);
    let two_members = |text: &[u8]| [gzip(&text[..text.len() / 2]), gzip(&text[text.len() / 2..])].concat();
    let packed = PACKINGS[1..]
        .iter()
        .map(|packing| (packing.name, packing.key, sample(packing.pack)));
    let more = [
        ("zstd without a checksum", "a", sample(zstd_without_sum)),
        ("gzip of two members", "a", sample(two_members)),
    ];
    for (name, key, (count, stored)) in packed.chain(more) {
        let all = ids(0..count);
        let (mut joints, mut cuts) = (Vec::new(), 0);
        for cut in 1..stored.len() {
            let object = object_as(&plan, &stored[..cut], "", key);
            let rows = object.rows();
            assert!(
                all.iter().map(String::as_str).take(rows.len()).eq(rows.iter().copied()),
                "{name} cut at {cut}"
            );
            // Too short to be told what it is, it is taken for what it looks like; a raw block is, too.
            let is_untold = object.bytes == cut as u64 && rows.is_empty();
            match object.damage {
                Some(kind) => assert_eq!(kind, DamageKind::Truncated, "{name} cut at {cut}"),
                None if is_untold => assert!(cut < 16 && !object.is_json, "{name} cut at {cut}"),
                None => joints.push((cut, rows.len())),
            }
            cuts += 1;
        }
        assert!(cuts >= STORED_BYTES - 1, "{name}: {cuts}");
        let whole = object_as(&plan, stored.as_slice(), "", key);
        assert_eq!((whole.rows().len() as u64, whole.damage), (count, None), "{name}");
        // What can be joined from parts is whole where a part ends, and there alone.
        let parts = match name {
            "gzip of two members" => 1,
            // Behind their heads, and behind each chunk but the last.
            "framed snappy" | "xerial snappy" => lines(0..count).len().div_ceil(1000),
            // Its first byte alone is nothing, packed as one block.
            "hadoop snappy" => lines(0..count).len().div_ceil(2000),
            _ => 0,
        };
        assert_eq!(joints.len(), parts, "{name}: {joints:?}");
    }
}

#[test]
fn an_object_with_any_byte_wrong_is_damaged_or_the_same() {
    let plan = by_id();
    for packing in [&PACKINGS[1], &PACKINGS[2], &PACKINGS[4]] {
        let (count, stored) = sample(packing.pack);
        let all = ids(0..count);
        let step = if rounds() > 1 { 1 } else { 7 };
        for at in (0..stored.len()).step_by(step) {
            let mut wrong = stored.clone();
            wrong[at] ^= 1 << (at % 8);
            let object = object_as(&plan, wrong, "", packing.key);
            // A wrong byte at the very front makes something else of it, which holds no record.
            let is_told = object.damage.is_some() || !object.is_json;
            let is_whole = object.rows() == all && object.codes().is_empty();
            assert!(is_told || is_whole, "{}, byte {at}: {object:?}", packing.name);
        }
    }
}

/// A few bytes at a time.
struct Few(Cursor<Vec<u8>>, usize);

impl Read for Few {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let few = out.len().min(self.1);
        self.0.read(&mut out[..few])
    }
}

/// A good part as far as a flush, and then what no decoder can read.
fn broken_behind(text: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(text).unwrap();
    gz.flush().unwrap();
    let mut frame = ::zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    frame.write_all(text).unwrap();
    frame.flush().unwrap();
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    deflated.write_all(text).unwrap();
    deflated.flush().unwrap();
    let no_block = [0xff; 40];
    let head = zip(b"")[..31].to_vec();
    [
        ("gzip", [&gz.get_ref()[..], &no_block].concat()),
        (
            "gzip in gzip",
            crate::packed::gzip([&gz.get_ref()[..], &no_block].concat()),
        ),
        ("zstd", [&frame.get_ref()[..], &no_block].concat()),
        ("zip", [&head[..], &deflated.get_ref()[..], &no_block].concat()),
    ]
}

#[test]
fn all_that_came_before_the_damage_is_there_however_the_bytes_arrive() {
    let plan = by_id();
    for count in [1, 10, 1_000, 20_000] {
        for (name, stored) in broken_behind(lines(0..count).as_bytes()) {
            let at_once = object(&plan, stored.as_slice());
            assert!(
                at_once.rows() == ids(0..count),
                "{name}: {} of {count} rows",
                at_once.rows().len()
            );
            assert_eq!(at_once.damage, Some(DamageKind::Corrupt), "{name}, {count} rows");
            for few in [1, 7, 1000, 65_537] {
                let by_few = read_object(&plan, Few(Cursor::new(stored.clone()), few), &Hint::default());
                assert!(by_few == at_once, "{name}, {count} rows, {few} bytes at a time");
            }
        }
    }
}
