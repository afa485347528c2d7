//! Zstd and snappy beyond what their tools write unasked: frames, windows, checksums, dictionaries, and names that lie.

use lakebed::source::inflate::DamageKind;

use crate::object::{by_id, ids, lines, object, object_as};
use crate::packed::{PACKINGS, framed, snappy, xerial, zstd, zstd_with};

const ROWS: u64 = 300;

/// A frame of one block that is stored as it is, with a window of 2 to the power of `window_log`.
fn frame(text: &[u8], window_log: u32) -> Vec<u8> {
    let window = u8::try_from((window_log - 10) << 3).unwrap();
    let block = u32::try_from(text.len() << 3 | 1).unwrap().to_le_bytes();
    [&b"\x28\xb5\x2f\xfd\0"[..], &[window], &block[..3], text].concat()
}

fn skippable(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let bytes_len = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    [&[0x50 | kind, 0x2a, 0x4d, 0x18], &bytes_len[..], bytes].concat()
}

#[test]
fn frames_of_any_number_and_kind_are_one_stream() {
    let (plan, text) = (by_id(), lines(0..ROWS));
    let (one, rest) = text.split_at(text.len() / 3);
    let each_line: Vec<&str> = text.split_inclusive('\n').collect();
    let in_a_row = |pack: &dyn Fn(&str) -> Vec<u8>| each_line.iter().flat_map(|line| pack(line)).collect::<Vec<u8>>();
    for (name, stored) in [
        ("two frames", [zstd(one), zstd(rest)].concat()),
        ("an empty one between", [zstd(one), zstd(""), zstd(rest)].concat()),
        ("a frame a line", in_a_row(&|line| zstd(line))),
        (
            "with and without checksums",
            [zstd_with(one, 1, false), zstd_with(rest, 19, true)].concat(),
        ),
        (
            "skippable ones around",
            [
                skippable(0, b"{\"id\":9}\n"),
                zstd(one),
                skippable(15, b""),
                zstd(rest),
                skippable(7, &[0; 5000]),
            ]
            .concat(),
        ),
        (
            "stored blocks",
            [frame(one.as_bytes(), 23), frame(rest.as_bytes(), 17)].concat(),
        ),
        ("the largest window", frame(text.as_bytes(), 27)),
        ("zstd in zstd", zstd(zstd(&text))),
        ("zstd in snappy", framed(zstd(&text))),
        ("snappy in zstd", zstd(framed(&text))),
        ("a snappy stream a line", in_a_row(&|line| framed(line))),
        ("a xerial stream a line", in_a_row(&|line| xerial(line))),
    ] {
        let found = object(&plan, stored);
        assert!(
            found.rows() == ids(0..ROWS) && found.codes().is_empty(),
            "{name}: {}",
            found.rows().len()
        );
        assert_eq!(found.damage, None, "{name}");
    }
}

#[test]
fn a_window_is_given_up_to_128_mib_and_refused_beyond() {
    let plan = by_id();
    let text = lines(0..10);
    for window_log in 20..=31 {
        let found = object(&plan, frame(text.as_bytes(), window_log));
        let expected = if window_log <= 27 {
            (10, None)
        } else {
            (0, Some(DamageKind::Limit))
        };
        assert_eq!((found.rows().len(), found.damage), expected, "2^{window_log}");
        // What came before it is kept.
        let behind = [zstd(&text), frame(b"{}\n", window_log)].concat();
        let found = object(&plan, behind);
        assert_eq!(
            (found.rows().len(), found.damage),
            (10, expected.1),
            "2^{window_log}, behind another"
        );
    }
}

#[test]
fn a_frame_that_is_not_what_it_says_is_damage() {
    let (plan, text) = (by_id(), lines(0..ROWS));
    let whole = zstd(&text);
    // Its block is stored as it is, and would be readable all the same.
    let by_dictionary = [
        &b"\x28\xb5\x2f\xfd\x01\x58\x07"[..],
        &frame(b"{\"t\":0,\"id\":0}\n", 20)[6..],
    ]
    .concat();
    let mut bad_sum = whole.clone();
    *bad_sum.last_mut().unwrap() ^= 1;
    for (name, stored, kind, rows) in [
        ("a bad checksum", bad_sum, DamageKind::Corrupt, None),
        (
            "a dictionary that nobody has",
            by_dictionary,
            DamageKind::Corrupt,
            Some(0),
        ),
        (
            "text behind",
            [&whole[..], b"{\"t\":0,\"id\":9}\n"].concat(),
            DamageKind::Corrupt,
            Some(ROWS),
        ),
        (
            "zeros behind",
            [&whole[..], &[0; 100]].concat(),
            DamageKind::Corrupt,
            Some(ROWS),
        ),
        (
            "a skippable frame that is cut",
            [whole.clone(), skippable(0, &[0; 100])[..50].to_vec()].concat(),
            DamageKind::Truncated,
            Some(ROWS),
        ),
        (
            "a reserved block",
            [&b"\x28\xb5\x2f\xfd\0\x58"[..], &[7, 0, 0], b"x"].concat(),
            DamageKind::Corrupt,
            Some(0),
        ),
    ] {
        let found = object(&plan, stored);
        let count = found.rows().len() as u64;
        assert_eq!(found.damage, Some(kind), "{name}");
        assert!(
            rows.is_none_or(|rows| rows == count) && found.rows() == ids(0..count),
            "{name}: {count} rows"
        );
    }
}

#[test]
fn a_chunk_of_snappy_that_is_wrong_is_damage_behind_those_before() {
    let (plan, text) = (by_id(), lines(0..ROWS));
    let whole = framed(&text);
    let mut bad_sum = whole.clone();
    let last = whole.len() - framed(&text.as_bytes()[text.len() / 1000 * 1000..]).len() + 10;
    bad_sum[last + 4] ^= 1;
    let mut bad_xerial = xerial(&text);
    let end = bad_xerial.len();
    bad_xerial[end - 20..].fill(0xff);
    for (name, stored) in [
        ("a bad checksum", bad_sum),
        ("a reserved chunk", [&whole[..], b"\x02\x01\0\0x"].concat()),
        ("text behind", [&whole[..], b"{\"t\":0,\"id\":9}\n"].concat()),
        (
            "another magic in the identifier",
            [&whole[..], b"\xff\x06\0\0sNaPpX"].concat(),
        ),
        ("noise at the end of xerial", bad_xerial),
    ] {
        let found = object(&plan, stored);
        let count = found.rows().len() as u64;
        assert!(
            found.damage.is_some_and(|kind| kind != DamageKind::Limit),
            "{name}: {:?}",
            found.damage
        );
        assert!(
            count >= ROWS * 9 / 10 && found.rows() == ids(0..count),
            "{name}: {count} rows"
        );
    }
    // What may be skipped is: padding, and the magic again.
    let more = [
        &whole[..],
        b"\xfe\x03\0\0abc",
        b"\xff\x06\0\0sNaPpY",
        b"\x80\x01\0\0x",
        &framed(lines(ROWS..ROWS + 1)),
    ]
    .concat();
    let found = object(&plan, more);
    assert_eq!((found.rows().len() as u64, found.damage), (ROWS + 1, None));
}

/// Only raw and Hadoop's snappy, which have no first bytes, need a name or a header.
#[test]
fn a_name_or_header_that_lies_changes_nothing() {
    let (plan, text) = (by_id(), lines(0..ROWS));
    let mut cases = 0;
    for packing in &PACKINGS[..6] {
        for key in ["a", "a.gz", "a.zst", "a.snappy", "a.zip", "a.json", "a.parquet"] {
            for encoding in [
                "",
                "gzip",
                "zstd",
                "snappy",
                "hadoop-snappy",
                "identity",
                "aws-chunked,gzip",
            ] {
                let found = object_as(&plan, (packing.pack)(text.as_bytes()), encoding, key);
                assert!(
                    found.rows() == ids(0..ROWS) && found.damage.is_none(),
                    "{} as {key}, {encoding}",
                    packing.name
                );
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 6 * 7 * 7);
    let found = object(&plan, snappy(&text));
    assert!(
        !found.is_json && found.rows().is_empty(),
        "without a word it is no JSON"
    );
}
