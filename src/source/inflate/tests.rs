//! What holds for every codec. What is particular to one is tested in the files below.

mod hint;
mod samples;
mod snappy;
mod zip;

use std::io::{self, Read};

use super::*;
use samples::{gzip, samples, zstd};

/// A whole stream with nothing said about it, and how it ended if not well.
fn all(stored: impl Into<Vec<u8>>) -> (Vec<u8>, Option<DamageKind>) {
    let (out, damage) = hinted(stored, &Hint::default());
    (out, damage.map(|damage| damage.kind))
}

fn hinted(stored: impl Into<Vec<u8>>, hint: &Hint) -> (Vec<u8>, Option<Damage>) {
    let (out, ended) = read(io::Cursor::new(stored.into()), hint);
    match ended {
        Ok(()) => (out, None),
        Err(InflateError::Damaged(damage)) => (out, Some(damage)),
        Err(InflateError::Source(error)) => panic!("{error}"),
    }
}

fn read(stored: impl Read + Send + 'static, hint: &Hint) -> (Vec<u8>, Result<(), InflateError>) {
    let mut out = Vec::new();
    let ended = Inflate::with_hint(stored, hint).and_then(|mut stream| {
        while stream.read(&mut out, 1000)? > 0 {}
        Ok(())
    });
    (out, ended)
}

/// An empty `content_encoding` is none.
fn hint(content_encoding: &str, name: &str) -> Hint {
    Hint {
        content_encoding: (!content_encoding.is_empty()).then(|| content_encoding.to_owned()),
        name: name.to_owned(),
    }
}

fn hadoop_snappy() -> Hint {
    hint("hadoop-snappy", "")
}

/// Gives one byte at a time, and every second time is interrupted.
struct Trickle(io::Cursor<Vec<u8>>, bool);

impl Read for Trickle {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.0.by_ref().take(1).read(out)
    }
}

struct Fails;

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::TimedOut.into())
    }
}

#[test]
fn the_first_bytes_say_how_an_object_is_packed() {
    let (a, b) = (br#"{"a":1}"#.repeat(50_000), br#"{"b":2}"#.repeat(3));
    let both = [a.clone(), b.clone()].concat();
    for (name, stored) in [
        ("plain", both.clone()),
        ("gzip", gzip(&both)),
        ("two members", [gzip(&a), gzip(&b)].concat()),
        ("an empty member between", [gzip(&a), gzip(b""), gzip(&b)].concat()),
        ("zeros behind", [gzip(&both), vec![0; 700_000]].concat()),
        ("gzip in gzip", gzip(&[gzip(&a), gzip(&b)].concat())),
        ("zstd", zstd(&both)),
        ("two frames", [zstd(&a), zstd(&b)].concat()),
        (
            "skippable frame",
            [vec![0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 9, 9], zstd(&both)].concat(),
        ),
        ("zstd in gzip", gzip(&zstd(&both))),
        ("framed snappy in gzip", gzip(&samples::framed(&[&a, &b]).0)),
        ("gzip in xerial snappy", samples::xerial(&[&gzip(&both)]).0),
        ("gzip in zip", samples::zip(&gzip(&both))),
    ] {
        let (out, damage) = all(stored);
        let bytes = out.len();
        assert!(out == both && damage.is_none(), "{name}: {bytes} bytes, {damage:?}");
    }
    assert_eq!(all(""), (vec![], None));
    assert_eq!(all("{"), (b"{".to_vec(), None));
}

#[test]
fn a_thousand_members_are_one_stream() {
    let lines = |pack: fn(&[u8]) -> Vec<u8>| -> Vec<u8> {
        (0..1000)
            .flat_map(|i| pack(format!("{{\"i\":{i}}}\n").as_bytes()))
            .collect()
    };
    assert_eq!(all(lines(gzip)), (lines(<[u8]>::to_vec), None));
}

#[test]
fn a_stream_cut_anywhere_is_damaged_and_never_silently_short() {
    for sample in samples() {
        let name = sample.name;
        let (whole, damage) = hinted(sample.stored.as_slice(), &sample.hint);
        assert!(whole == sample.text && damage.is_none(), "{name}: {damage:?}");
        for cut in 1..sample.stored.len() {
            let stored = &sample.stored[..cut];
            let (out, damage) = hinted(stored, &sample.hint);
            // Too short for its first bytes to be told.
            if cut < sample.told_by && out == stored {
                continue;
            }
            assert!(sample.may_begin_with(&out), "{name}, cut at {cut}: {damage:?}");
            let came = sample.parts.iter().rev().find(|part| part.end <= cut);
            let least = came.map_or(0, |part| part.plain);
            assert!(out.len() >= least, "{name}, cut at {cut}: {} of {least}", out.len());
            // What can be joined can be cut where it was joined, and only there.
            let joint = came.is_some_and(|part| part.end == cut && part.is_joint);
            let expected = (!joint).then_some(Damage {
                kind: DamageKind::Truncated,
                offset: cut as u64,
            });
            assert_eq!(damage, expected, "{name}, cut at {cut}");
        }
    }
}

#[test]
fn a_flipped_bit_is_damage_wherever_there_is_a_checksum() {
    for sample in samples() {
        for at in 0..sample.stored.len() {
            for bit in 0..8 {
                let mut stored = sample.stored.clone();
                stored[at] ^= 1 << bit;
                let (out, damage) = hinted(stored.as_slice(), &sample.hint);
                let excused = !sample.has_checksum
                    // The flip made it something else, which it is taken for as it stands.
                    || (at < sample.told_by && out == stored)
                    // Chunks of these kinds are there to be skipped, and no checksum covers the kind.
                    || (sample.name == "framed snappy" && (0x80..=0xFD).contains(&stored[at]) && bit == 7);
                let name = sample.name;
                assert!(
                    excused || damage.is_some() || out == sample.text,
                    "{name}: bit {bit} of byte {at}: {} bytes",
                    out.len()
                );
            }
        }
    }
}

#[test]
fn bytes_at_random_are_damage_or_text_and_nothing_worse() {
    let mut state = 1_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for sample in samples() {
        for _ in 0..500 {
            let mut stored = sample.stored.clone();
            for _ in 0..=random(4) {
                let at = random(stored.len());
                stored[at] = random(256) as u8;
            }
            if random(2) == 0 {
                // Noise to the end.
                let from = random(stored.len());
                stored.iter_mut().skip(from).for_each(|byte| *byte = random(256) as u8);
            }
            let (out, damage) = hinted(stored.as_slice(), &sample.hint);
            // It may have become something else, and a chunk of the official framing one to be skipped.
            let excused = !sample.has_checksum || out == stored || sample.name == "framed snappy";
            assert!(excused || damage.is_some() || out == sample.text, "{}", sample.name);
        }
    }
}

#[test]
fn a_source_may_give_single_bytes_and_be_interrupted() {
    for sample in samples() {
        let (out, ended) = read(Trickle(io::Cursor::new(sample.stored), false), &sample.hint);
        assert!(out == sample.text && ended.is_ok(), "{}: {ended:?}", sample.name);
    }
}

#[test]
fn an_error_of_the_source_is_not_damage() {
    for sample in samples() {
        for cut in 0..sample.stored.len() {
            let (out, ended) = read(
                io::Cursor::new(sample.stored[..cut].to_vec()).chain(Fails),
                &sample.hint,
            );
            let told = cut >= sample.told_by;
            assert!(!told || sample.may_begin_with(&out), "{}, at {cut}", sample.name);
            assert!(
                matches!(&ended, Err(InflateError::Source(error)) if error.kind() == io::ErrorKind::TimedOut),
                "{}, at {cut}: {ended:?}",
                sample.name
            );
        }
    }
}

#[test]
fn wrong_bytes_are_damage() {
    let text = br#"{"a":"bcdefgh"}"#.repeat(40);
    let bad_sum = |text: &[u8]| {
        let mut stored = gzip(text);
        let sum = stored.len() - 6;
        stored[sum] ^= 1;
        stored
    };
    let corrupt = Some(DamageKind::Corrupt);
    assert_eq!(all(bad_sum(&text)), (text.clone(), corrupt));
    // What came before the damage is handed over even if it is less than it takes to tell a codec.
    assert_eq!(all(bad_sum(b"{}")), (b"{}".to_vec(), corrupt));
    assert_eq!(
        all([gzip(&text), b"garbage".to_vec()].concat()),
        (text.clone(), corrupt)
    );
    assert_eq!(all([zstd(&text), b"garbage".to_vec()].concat()).1, corrupt);
    assert_eq!(all(gzip(&gzip(&gzip(&gzip(&text))))).1, Some(DamageKind::Limit));
}

#[test]
fn a_bomb_comes_out_a_piece_at_a_time() {
    const PIECE: usize = 1 << 20;
    let spaces = vec![b' '; 48 * PIECE];
    let chunks: Vec<&[u8]> = spaces.chunks(PIECE).collect();
    for (name, stored) in [
        ("gzip", gzip(&spaces)),
        ("gzip in gzip", gzip(&gzip(&spaces))),
        ("zstd", zstd(&spaces)),
        ("zip", samples::zip(&spaces)),
        ("framed", samples::framed(&chunks).0),
        ("xerial", samples::xerial(&chunks).0),
    ] {
        let mut stream = Inflate::new(io::Cursor::new(stored)).unwrap();
        let (mut piece, mut pieces) = (Vec::with_capacity(PIECE + 64), 0);
        while stream.read(&mut piece, PIECE).unwrap() > 0 {
            assert_eq!(piece.len(), PIECE, "{name}");
            piece.clear();
            pieces += 1;
        }
        assert_eq!(pieces, 48, "{name}");
    }
}
