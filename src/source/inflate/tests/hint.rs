//! What headers and names decide, and what they do not.

use super::samples::{gzip, hadoop, raw, xerial};
use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Is {
    Decoded,
    AsItStands,
    Broken,
}
use Is::{AsItStands, Broken, Decoded};

#[test]
fn a_header_or_a_name_decides_where_the_bytes_do_not() {
    let text = br#"{"a":"bcdefgh"}"#.repeat(40);
    let (hadoop, raw) = (hadoop(&[&[&text]]).0, raw(&text));
    for (content_encoding, name, hadoop_is, raw_is) in [
        ("hadoop-snappy", "", Decoded, Broken),
        ("Hadoop-Snappy", "a", Decoded, Broken),
        ("aws-chunked, hadoop-snappy", "a.json", Decoded, Broken),
        ("snappy", "", Decoded, Decoded),
        ("SNAPPY", "a.gz", Decoded, Decoded),
        ("snappy-java", "", Decoded, Decoded),
        ("aws-chunked,snappy", "", Decoded, Decoded),
        ("", "a.snappy", Decoded, Decoded),
        ("", "a/b.json.Snappy", Decoded, Decoded),
        ("identity", "a.SNAPPY", Decoded, Decoded),
        ("aws-chunked", "a.snappy", Decoded, Decoded),
        ("gzip", "a.snappy", Decoded, Decoded),
        ("x-snappy-framed", "a.sz", AsItStands, AsItStands),
        ("gzip", "a.gz", AsItStands, AsItStands),
        ("aws-chunked,gzip", "a", AsItStands, AsItStands),
        ("", "", AsItStands, AsItStands),
        ("", "snappy", AsItStands, AsItStands),
        ("", "a.snappy.json", AsItStands, AsItStands),
        ("", "a.snappy/b", AsItStands, AsItStands),
        ("", "a.snappy.parquet", AsItStands, AsItStands),
    ] {
        for (framing, stored, expected) in [("hadoop", &hadoop, hadoop_is), ("raw", &raw, raw_is)] {
            let (out, damage) = hinted(stored.as_slice(), &hint(content_encoding, name));
            let is = match damage {
                Some(_) => Broken,
                None if out == text => Decoded,
                None => AsItStands,
            };
            assert_eq!(is, expected, "{framing}, {content_encoding:?}, {name:?}: {damage:?}");
            assert!(is != AsItStands || out == *stored);
        }
    }
}

#[test]
fn what_looks_like_json_is_json_and_what_has_first_bytes_is_what_they_say() {
    let text = br#"{"a":"bcdefgh"}"#.repeat(40);
    for start in ["{", "[", " ", "\t", "\r", "\n", "\u{feff}{"] {
        let stored = [start.as_bytes(), &text].concat();
        for hint in [hint("hadoop-snappy", ""), hint("snappy", ""), hint("gzip", "a.snappy")] {
            assert_eq!(
                hinted(stored.as_slice(), &hint),
                (stored.clone(), None),
                "{start:?}, {hint:?}"
            );
        }
    }
    for hint in [hint("hadoop-snappy", "a.snappy"), hint("identity", "a.json")] {
        for stored in [gzip(&text), xerial(&[&text]).0, super::samples::zip(&text)] {
            assert_eq!(hinted(stored, &hint), (text.clone(), None), "{hint:?}");
        }
        assert_eq!(hinted("", &hint), (vec![], None));
    }
}

#[test]
fn nothing_is_said_about_what_is_inside() {
    let inner = hadoop(&[&[b"{}"]]).0;
    let hint = hint("hadoop-snappy", "a.snappy");
    assert_eq!(hinted(gzip(&inner), &hint), (inner, None));
}

#[test]
fn a_name_does_not_make_snappy_of_what_cannot_be() {
    let hint = hint("", "a.snappy");
    for stored in [
        &b"PAR1\x15\x04\x15\x10"[..],
        &[0xFF; 40],
        &[0, 0, 1],
        &[0, 0, 0, 9, 0, 0, 0],
        // A block whose chunk holds more than it, one whose chunk is far too long, one that begins with a copy.
        &[0, 0, 0, 1, 0, 0, 0, 9, 7, 24, 1, 2, 3, 4, 5, 6],
        &[0, 0, 0, 7, 0, 0, 9, 9, 7, 24, 1, 2, 3, 4, 5, 6],
        &[0, 0, 0, 7, 0, 0, 0, 9, 7, 1, 1, 2, 3, 4, 5, 6],
    ] {
        assert_eq!(hinted(stored, &hint), (stored.to_vec(), None));
    }
}
