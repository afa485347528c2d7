//! Snappy in its framings.

use super::samples::{XERIAL_HEADER, framed, gzip, hadoop, raw, word, xerial};
use super::*;

/// The bytes that hexadecimal digits stand for.
pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// What the streams of other programs hold.
pub(super) fn lines() -> Vec<u8> {
    let line = |i| format!("{{\"i\":{i},\"text\":\"text text text\"}}\n");
    (0..8).flat_map(|i| line(i).into_bytes()).collect()
}

fn named() -> Hint {
    hint("", "2024/05/01/events.snappy")
}

#[test]
fn every_framing_is_read_from_nothing_to_many_chunks() {
    let (a, b) = (br#"{"a":"bcdefgh"}"#.repeat(4000), br#"{"b":2}"#.to_vec());
    let noise: Vec<u8> = (0..50_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let (one, many): (Vec<&[u8]>, Vec<&[u8]>) = (vec![&a], [&a[..], b"", &noise, &b].repeat(5));
    let none = Hint::default;
    for (name, stored, hint, text) in [
        ("framed, empty", framed(&[]).0, none(), vec![]),
        ("framed, magic alone", b"\xFF\x06\0\0sNaPpY".to_vec(), none(), vec![]),
        ("framed, one", framed(&one).0, none(), a.clone()),
        ("framed, many", framed(&many).0, none(), many.concat()),
        (
            "framed, joined",
            [framed(&one).0, framed(&many).0].concat(),
            none(),
            [one.concat(), many.concat()].concat(),
        ),
        ("xerial, empty", xerial(&[]).0, none(), vec![]),
        ("xerial, one", xerial(&one).0, none(), a.clone()),
        ("xerial, many", xerial(&many).0, none(), many.concat()),
        (
            "xerial, joined",
            [xerial(&one).0, xerial(&[]).0, xerial(&many).0].concat(),
            none(),
            [one.concat(), many.concat()].concat(),
        ),
        ("xerial, headers alone", XERIAL_HEADER.repeat(100_000), none(), vec![]),
        ("hadoop, empty", hadoop(&[&[]]).0, hadoop_snappy(), vec![]),
        (
            "hadoop, an empty chunk",
            hadoop(&[&[&b, b"", &b]]).0,
            hadoop_snappy(),
            b.repeat(2),
        ),
        ("hadoop, one", hadoop(&[&one]).0, hadoop_snappy(), a.clone()),
        (
            "hadoop, many chunks",
            hadoop(&[&many]).0,
            hadoop_snappy(),
            many.concat(),
        ),
        (
            "hadoop, many blocks",
            hadoop(&[&one, &[], &[&b], &[&noise, &b], &[]]).0,
            hadoop_snappy(),
            [&a[..], &b, &noise, &b].concat(),
        ),
        ("hadoop, by its name", hadoop(&[&many]).0, named(), many.concat()),
        ("hadoop, empty, by its name", hadoop(&[&[]]).0, named(), vec![]),
        (
            "hadoop, an empty block, by its name",
            hadoop(&[&[], &one]).0,
            named(),
            a.clone(),
        ),
        ("raw, nothing", raw(b""), named(), vec![]),
        ("raw", raw(&a), named(), a.clone()),
        ("raw, short", raw(&b), named(), b.clone()),
        ("raw, of one byte", raw(b"x"), named(), b"x".to_vec()),
        ("raw, not compressible", raw(&noise), named(), noise.clone()),
    ] {
        let (out, damage) = hinted(stored, &hint);
        assert!(
            out == text && damage.is_none(),
            "{name}: {} bytes, {damage:?}",
            out.len()
        );
    }
}

#[test]
fn streams_that_other_programs_wrote_are_read() {
    for (name, hex, hint) in [
        (
            "xerial, by kafka-python",
            "82534e415050590000000001000000010000002964347b2269223a302c2274657874223a05070020010c05050c227d0a7b012000317a\
             200000327620000000002a64243a332c2274657874223a05070020010c050520227d0a7b2269223a347a200000357a200008362c2200\
             00001f381874657874223a2201070020150524227d0a7b2269223a372c05194e2000",
            Hint::default(),
        ),
        (
            "hadoop, by python-snappy",
            "000000640000002964347b2269223a302c2274657874223a05070020010c05050c227d0a7b012000317a200000327620000000009c00\
             0000319c01243a332c2274657874223a05070020010c050520227d0a7b2269223a347a200000357a200000367a20000037662000",
            hadoop_snappy(),
        ),
        (
            "framed, by cramjam",
            "ff060000734e6150705900470000b94e156b8002347b2269223a302c2274657874223a05070020010c05050c227d0a7b012000317a20\
             0000327a200000337a200000347a200000357a200000367a20000037662000",
            Hint::default(),
        ),
        (
            "raw, by cramjam",
            "8002347b2269223a302c2274657874223a05070020010c05050c227d0a7b012000317a200000327a200000337a200000347a200000\
             357a200000367a20000037662000",
            named(),
        ),
    ] {
        assert_eq!(hinted(bytes(hex), &hint), (lines(), None), "{name}");
    }
}

#[test]
fn wrong_lengths_are_damage_behind_what_came_before() {
    let text = br#"{"a":"bcdefgh"}"#.repeat(9);
    let good = xerial(&[&text]).0;
    let behind = |more: &[u8]| [&good, more].concat();
    let one_block = |len: usize, more: &[u8]| [&word(len)[..], &word(raw(&text).len()), &raw(&text), more].concat();
    let none = Hint::default;
    let huge = [&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F][..], &[0; 20]].concat();
    let in_xerial = |chunk: &[u8]| behind(&[&word(chunk.len())[..], chunk].concat());
    let (corrupt, limit, cut) = (DamageKind::Corrupt, DamageKind::Limit, DamageKind::Truncated);
    for (name, stored, hint, out, kind) in [
        ("a chunk of no bytes", behind(&word(0)), none(), &text[..], corrupt),
        (
            "a broken header",
            behind(b"\x82SNAPPI\0\0\0\0\x01\0\0\0\x01"),
            none(),
            &text,
            corrupt,
        ),
        ("a chunk over 64 MiB", in_xerial(&huge), none(), &text, limit),
        (
            "a chunk a byte over 64 MiB",
            in_xerial(&[0x81, 0x80, 0x80, 0x20, 0]),
            none(),
            &text,
            limit,
        ),
        (
            "a preamble over 32 bits",
            in_xerial(&[0xFF; 20]),
            none(),
            &text,
            corrupt,
        ),
        (
            "a chunk far longer than its text",
            behind(b"\x7F\xFF\xFF\xFF\x05\x10{}{}{}"),
            none(),
            &text,
            corrupt,
        ),
        (
            "a text far longer than its chunk",
            in_xerial(&[0x80, 0x80, 0x80, 0x10, 0, b'{']),
            none(),
            &text,
            corrupt,
        ),
        (
            "a chunk that ends too soon",
            in_xerial(&[9, 4, b'{', b'}']),
            none(),
            &text,
            corrupt,
        ),
        (
            "a chunk that copies from nowhere",
            in_xerial(&[8, 4, b'{', b'}', 1, 9]),
            none(),
            &text,
            corrupt,
        ),
        (
            "a block longer than it says",
            one_block(text.len() - 1, &[]),
            hadoop_snappy(),
            b"",
            corrupt,
        ),
        (
            "a block shorter than it says",
            one_block(text.len() + 1, &[]),
            hadoop_snappy(),
            &text,
            cut,
        ),
        (
            "a block with a broken end",
            one_block(text.len(), &[0]),
            hadoop_snappy(),
            &text,
            cut,
        ),
        (
            "not in Hadoop's framing at all",
            b"id,name\n1,somebody\n".to_vec(),
            hadoop_snappy(),
            b"",
            corrupt,
        ),
        (
            "a chunk over 64 MiB in a block",
            [&word(usize::pow(2, 31))[..], &word(25), &huge].concat(),
            hadoop_snappy(),
            b"",
            limit,
        ),
        (
            "bytes behind a raw chunk",
            [raw(&text), raw(&text)].concat(),
            named(),
            b"",
            corrupt,
        ),
        (
            "many bytes behind a raw chunk",
            [raw(&text), vec![0; 9000]].concat(),
            named(),
            b"",
            corrupt,
        ),
        ("a raw chunk over 64 MiB", huge.clone(), named(), b"", limit),
    ] {
        let (got, damage) = hinted(stored, &hint);
        assert_eq!(got, out, "{name}: {damage:?}");
        assert_eq!(damage.map(|damage| damage.kind), Some(kind), "{name}");
    }
}

#[test]
fn a_bad_checksum_of_a_framed_chunk_is_damage_behind_the_chunks_before() {
    let (a, b) = (br#"{"a":"bcdefgh"}"#.repeat(9), br#"{"b":2}"#.to_vec());
    let (mut stored, parts) = framed(&[&a, &b]);
    // Kind and length of the second chunk, then its checksum.
    stored[parts[1].end + 4] ^= 1;
    assert_eq!(all(stored), (a, Some(DamageKind::Corrupt)));
}

#[test]
fn damage_is_told_by_its_place_in_the_stored_object() {
    let stored = [xerial(&[b"{\"a\":1}"]).0, word(0).to_vec(), b"more".to_vec()].concat();
    let offset = stored.len() as u64 - 4;
    let damage = hinted(stored.clone(), &Hint::default()).1.unwrap();
    assert_eq!(damage.offset, offset);
    // Within gzip that is where gzip has got to.
    let packed = gzip(&stored);
    let damage = hinted(packed.clone(), &Hint::default()).1.unwrap();
    assert!(damage.offset <= packed.len() as u64, "{damage:?}");
}
