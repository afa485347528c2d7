//! Gzip as it is written by many programs, and as it gets broken: all rows, or the tail is told to be damaged.

use lakebed::source::inflate::DamageKind;

use crate::object::{Object, by_id, ids, lines, object, object_as};
use crate::packed::{gzip, gzip_with_all_fields};

/// Every object here holds these.
const ROWS: u64 = 1000;

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(gzip).collect()
}

fn text() -> Vec<u8> {
    lines(0..ROWS).into_bytes()
}

#[track_caller]
fn assert_whole(name: &str, found: &Object) {
    let count = found.rows().len();
    assert!(found.rows() == ids(0..ROWS), "{name}: {count} rows, {:?}", found.damage);
    assert_eq!((found.codes().len(), found.damage), (0, None), "{name}");
}

/// All rows but those at the end, and the damage is told.
#[track_caller]
fn assert_damaged(name: &str, found: &Object, kind: DamageKind, rows_min: u64) {
    let count = found.rows().len() as u64;
    assert!(
        found.rows() == ids(0..count) && count >= rows_min,
        "{name}: {count} rows"
    );
    assert_eq!(found.damage, Some(kind), "{name}");
}

#[test]
fn members_of_any_number_and_with_any_header_are_one_stream() {
    let (plan, text) = (by_id(), text());
    let (one, rest) = text.split_at(text.len() / 3);
    let in_a_line = text.iter().position(|byte| *byte == b'\n').unwrap() + 10;
    let each_line: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(each_line.len(), 1000);
    let split = |at: usize| joined(&[&text[..at], &text[at..]]);
    for (name, stored) in [
        ("one member", gzip(&text)),
        ("two", joined(&[one, rest])),
        ("three, one of them empty", joined(&[one, b"", rest])),
        ("empty ones around", joined(&[b"", b"", one, rest, b"", b""])),
        ("a thousand", joined(&each_line)),
        ("split inside a line", split(in_a_line)),
        ("split before a newline", split(each_line[0].len() - 1)),
        ("split behind a newline", split(each_line[0].len())),
        ("a member for each byte of the first line", {
            let bytes: Vec<&[u8]> = text[..60].chunks(1).collect();
            [joined(&bytes), gzip(&text[60..])].concat()
        }),
        ("every field of a header", gzip_with_all_fields(&text)),
        (
            "every field, twice",
            [gzip_with_all_fields(one), gzip_with_all_fields(rest)].concat(),
        ),
        ("a zero behind", [gzip(&text), vec![0]].concat()),
        (
            "zeros to the end of a block",
            [gzip(&text), vec![0; 512 - gzip(&text).len() % 512]].concat(),
        ),
        ("a MiB of zeros behind", [gzip(&text), vec![0; 1 << 20]].concat()),
        ("gzip in gzip", gzip(gzip(&text))),
        ("gzip in gzip in gzip", gzip(gzip(gzip(&text)))),
        ("members in members", gzip(joined(&[one, rest]))),
        ("stored without being packed", {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
            std::io::Write::write_all(&mut out, &text).unwrap();
            out.finish().unwrap()
        }),
    ] {
        // What is said about an object changes nothing about its bytes.
        for encoding in ["", "gzip", "identity", "zstd", "snappy", "nonsense"] {
            for key in ["a", "a.json", "a.gz", "a.snappy", "a.zst", "a.json.gz.gz"] {
                assert_whole(name, &object_as(&plan, stored.as_slice(), encoding, key));
            }
        }
    }
}

#[test]
fn an_object_that_is_not_packed_is_read_as_it_is_whatever_is_said() {
    let plan = by_id();
    for encoding in ["", "gzip", "zstd", "snappy", "hadoop-snappy", "br"] {
        for key in ["a", "a.gz", "a.snappy", "a.zst"] {
            assert_whole("plain", &object_as(&plan, text(), encoding, key));
            assert_eq!(
                object_as(&plan, "", encoding, key),
                Object {
                    is_json: true,
                    ..Object::default()
                },
                "{encoding} {key}"
            );
        }
    }
}

#[test]
fn wrong_bytes_anywhere_are_damage_behind_all_that_came_before() {
    let (plan, text) = (by_id(), text());
    let whole = gzip(&text);
    let end = whole.len();
    let wrong = |at: usize, bytes: &[u8]| {
        let mut stored = whole.clone();
        stored[at..at + bytes.len()].copy_from_slice(bytes);
        stored
    };
    for (name, stored, kind, rows_min) in [
        (
            "a wrong checksum",
            wrong(end - 8, &[!whole[end - 8]]),
            DamageKind::Corrupt,
            ROWS,
        ),
        (
            "a wrong length",
            wrong(end - 4, &[!whole[end - 4]]),
            DamageKind::Corrupt,
            ROWS,
        ),
        ("no checksum", whole[..end - 8].to_vec(), DamageKind::Truncated, ROWS),
        ("no length", whole[..end - 4].to_vec(), DamageKind::Truncated, ROWS),
        (
            "text behind",
            [&whole[..], b"{\"t\":0,\"id\":9}\n"].concat(),
            DamageKind::Corrupt,
            ROWS,
        ),
        ("a byte behind", [&whole[..], b"x"].concat(), DamageKind::Corrupt, ROWS),
        (
            "zeros, then a byte",
            [&whole[..], &[0; 600], b"x"].concat(),
            DamageKind::Corrupt,
            ROWS,
        ),
        (
            "zeros, then a member",
            [&whole[..], &[0; 600], &gzip("{}")].concat(),
            DamageKind::Corrupt,
            ROWS,
        ),
        (
            "a member that begins",
            [&whole[..], &whole[..1]].concat(),
            DamageKind::Truncated,
            ROWS,
        ),
        (
            "a member without data",
            [&whole[..], &whole[..10]].concat(),
            DamageKind::Truncated,
            ROWS,
        ),
        (
            "a member of another method",
            [&whole[..], b"\x1f\x8b\x07\0\0\0\0\0\0\x03"].concat(),
            DamageKind::Corrupt,
            ROWS,
        ),
        (
            "a bad checksum of the header",
            {
                let mut stored = gzip_with_all_fields(&text);
                let head = stored.len() - (whole.len() - 10);
                stored[head - 1] ^= 1;
                stored
            },
            DamageKind::Corrupt,
            0,
        ),
        ("four deep", gzip(gzip(gzip(&whole))), DamageKind::Limit, 0),
    ] {
        assert_damaged(name, &object(&plan, stored), kind, rows_min);
    }
    // Noise may be other text before it is known for what it is; that there is damage is told.
    assert_eq!(
        object(&plan, wrong(end / 2, &[0xff; 64])).damage,
        Some(DamageKind::Corrupt)
    );
}
