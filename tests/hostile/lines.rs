//! What stands between, around and inside of lines.

use std::io::{Cursor, Read};

use lakebed::record::RecordPlan;
use lakebed::source::frame::FrameLimits;
use lakebed::source::inflate::Hint;

use crate::object::{Object, by_id, lines, object, read_object};
use crate::reading::plan_of;

/// What became of each record, in a word each: its id, or its code.
fn told(found: &Object) -> String {
    let words = found.outcomes.iter().map(|outcome| match outcome {
        Ok(row) => row[0].clone(),
        Err(code) => code.clone(),
    });
    let words = words.collect::<Vec<_>>().join(" ");
    if found.is_json {
        words
    } else {
        format!("{words}not json")
    }
}

fn record(id: u64) -> Vec<u8> {
    format!("{{\"t\":0,\"id\":{id}}}").into_bytes()
}

/// The pieces one behind another; `1`, `2` and `3` stand for records with these ids.
fn object_of(pieces: &[&[u8]]) -> Vec<u8> {
    let piece = |piece: &&[u8]| match *piece {
        [id @ b'1'..=b'3'] => record(u64::from(id - b'0')),
        other => other.to_vec(),
    };
    pieces.iter().flat_map(piece).collect()
}

#[test]
fn lines_end_and_begin_as_people_and_programs_write_them() {
    let plan = by_id();
    let utf16 = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        let text = lines(0..3);
        [mark, &text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()].concat()
    };
    let little = utf16(b"\xff\xfe", u16::to_le_bytes);
    let big = utf16(b"\xfe\xff", u16::to_be_bytes);
    let bare = utf16(b"", u16::to_le_bytes);
    let cases: Vec<(&str, Vec<&[u8]>, &str)> = vec![
        ("no newline at the end", vec![b"1", b"\n", b"2"], "1 2"),
        ("CRLF", vec![b"1", b"\r\n", b"2", b"\r\n"], "1 2"),
        ("CR alone", vec![b"1", b"\r", b"2", b"\r", b"3"], "1 2 3"),
        ("blank lines", vec![b"\n\n", b"1", b"\n\n\n", b"2", b"\n\n"], "1 2"),
        (
            "spaces alone",
            vec![b"  \n\t\n", b"1", b" \t\n  ", b"2", b" \t "],
            "1 2",
        ),
        ("nothing but spaces", vec![b" \t\r\n  "], ""),
        ("run together", vec![b"1", b"2", b"3"], "1 2 3"),
        ("spaces between", vec![b"1", b" ", b"2", b"   ", b"3"], "1 2 3"),
        ("commas between", vec![b"1", b",", b"2", b"\n", b"3"], "1 Json.Syntax 3"),
        (
            "commas and newlines",
            vec![b"1", b",\n", b"2", b",\n", b"3"],
            "1 Json.Syntax 2 Json.Syntax 3",
        ),
        ("a BOM first", vec![b"\xef\xbb\xbf", b"1", b"\n", b"2"], "1 2"),
        ("two of them", vec![b"\xef\xbb\xbf\xef\xbb\xbf", b"1"], "1"),
        ("a BOM in the middle", vec![b"1", b"\n\xef\xbb\xbf", b"2", b"\n"], "1 2"),
        ("a BOM at the end", vec![b"1", b"\n\xef\xbb\xbf"], "1"),
        ("half a BOM", vec![b"\xef\xbb", b"1", b"\n", b"2"], "Json.Syntax 2"),
        ("UTF-16, little end first", vec![&little], "not json"),
        ("UTF-16, big end first", vec![&big], "not json"),
        (
            "UTF-16 without a mark",
            vec![&bare],
            "Json.Syntax Json.Syntax Json.Syntax Json.Syntax",
        ),
        ("NUL between", vec![b"1", b"\n\0\n", b"2"], "1 Json.Syntax 2"),
        (
            "NUL inside",
            vec![b"1", b"\n{\"t\":0,\"id\":2,\"text\":\"\0\"}\n", b"3"],
            "1 Json.Syntax 3",
        ),
        ("NUL at the end", vec![b"1", b"\n", b"\0\0\0"], "1 Json.Syntax"),
        (
            "a raw tab in a string",
            vec![b"{\"t\":0,\"id\":2,\"text\":\"a\tb\"}\n", b"3"],
            "Json.Syntax 3",
        ),
        (
            "a raw newline in a string",
            vec![b"{\"t\":0,\"id\":2,\"text\":\"a\nb\"}\n", b"3"],
            "Json.Truncated Json.Syntax 3",
        ),
        (
            "U+2028 and U+0085 in a string",
            vec![
                "{\"t\":0,\"id\":2,\"text\":\"\u{2028}\u{85}\u{2029}\"}\n".as_bytes(),
                b"3",
            ],
            "2 3",
        ),
        (
            "U+2028 between",
            vec![b"1", "\u{2028}".as_bytes(), b"2", b"\n", b"3"],
            "1 Json.Syntax 3",
        ),
        (
            "U+00A0 between",
            vec![b"1", "\n\u{a0}\n".as_bytes(), b"2"],
            "1 Json.Syntax 2",
        ),
        (
            "no UTF-8 in a string",
            vec![b"{\"t\":0,\"id\":2,\"text\":\"\xff\"}\n", b"3"],
            "Json.InvalidUtf8 3",
        ),
        (
            "no UTF-8 in a key",
            vec![b"{\"t\":0,\"id\":2,\"\xc3\x28\":1}\n", b"3"],
            "Json.InvalidUtf8 3",
        ),
        ("no UTF-8 between", vec![b"1", b"\n\xff\n", b"2"], "1 Json.Syntax 2"),
        (
            "half a character at the end",
            vec![b"1", b"\n{\"t\":0,\"id\":2,\"text\":\"\xf0\x9f"],
            "1 Json.Truncated",
        ),
        (
            "half a pair of surrogates",
            vec![b"{\"t\":0,\"id\":2,\"text\":\"\\ud83d\"}\n", b"3"],
            "Json.LoneSurrogate 3",
        ),
        (
            "the other half",
            vec![b"{\"t\":0,\"id\":2,\"text\":\"\\ude00x\"}\n", b"3"],
            "Json.LoneSurrogate 3",
        ),
        (
            "both, the wrong way round",
            vec![b"{\"t\":0,\"id\":2,\"text\":\"\\ude00\\ud83d\"}\n", b"3"],
            "Json.LoneSurrogate 3",
        ),
        (
            "a pair",
            vec![b"{\"t\":0,\"id\":2,\"text\":\"\\ud83d\\ude00\"}\n", b"3"],
            "2 3",
        ),
        (
            "a surrogate in bytes",
            vec![b"{\"t\":0,\"id\":2,\"text\":\"\xed\xa0\xbd\"}\n", b"3"],
            "Json.InvalidUtf8 3",
        ),
        (
            "an array of records",
            vec![b"[", b"1", b",", b"2", b"]\n", b"3"],
            "Json.NotAnObject 3",
        ),
        (
            "an array over lines",
            vec![b"[\n", b"1", b",\n", b"2", b"\n]\n", b"3"],
            "Json.Truncated 1 Json.Syntax 2 Json.Syntax 3",
        ),
        (
            "scalars",
            vec![b"1", b"\n17\n\"x\"\ntrue\nnull\n-1.5e3\n", b"2"],
            "1 Json.NotAnObject Json.NotAnObject Json.NotAnObject Json.NotAnObject Json.NotAnObject 2",
        ),
        (
            "a comment",
            vec![b"1", b"\n// {\"t\":0,\"id\":9}\n", b"2"],
            "1 Json.Syntax 2",
        ),
        (
            "a sequence of records",
            vec![b"\x1e", b"1", b"\n\x1e", b"2", b"\n"],
            "not json",
        ),
        (
            "a log line first",
            vec![b"2024-05-01 INFO {starting}\n", b"1"],
            "Json.Syntax 1",
        ),
        (
            "a record that breaks off",
            vec![b"{\"t\":0,\"id\":2,\n", b"3"],
            "Json.Truncated 3",
        ),
        ("a brace too many", vec![b"1", b"}\n", b"2"], "1 Json.Syntax 2"),
    ];
    for (name, pieces, expected) in &cases {
        let text = object_of(pieces);
        assert_eq!(told(&object(&plan, text.as_slice())), *expected, "{name}");
        // The same far from the beginning of an object.
        let behind = [lines(100..200).into_bytes(), text].concat();
        let found = told(&object(&plan, behind));
        let rest = found
            .strip_prefix(&told(&object(&plan, lines(100..200))))
            .unwrap()
            .trim_start();
        assert!(rest == *expected || expected.contains("not json"), "{name}: {rest}");
    }
    assert!(cases.len() >= 40);
}

fn limited(record_bytes_max: u64, depth_max: usize) -> RecordPlan {
    let schema =
        "table: t\nevent_time: { field: t, max_future: none, max_past: none }\ncolumns: { id: bigint, text: string }\n";
    plan_of(
        &[("t", schema.to_owned())],
        FrameLimits {
            record_bytes_max,
            depth_max,
        },
    )
}

#[test]
fn a_record_of_the_longest_length_is_a_row_and_one_byte_more_is_not() {
    for record_bytes_max in [40, 100, 4095, 4096, 70_000, 1 << 20, 3 << 20] {
        let plan = limited(record_bytes_max, 128);
        for (more, expected) in [(-1_i64, "1 2 3"), (0, "1 2 3"), (1, "1 Record.TooLarge 3")] {
            let bytes = usize::try_from(record_bytes_max as i64 + more).unwrap();
            let long = format!("{{\"t\":0,\"id\":2,\"x\":\"{}\"}}", "a".repeat(bytes - 21));
            assert_eq!(long.len(), bytes);
            for between in ["\n", "", " \r\n"] {
                let text = object_of(&[b"1", between.as_bytes(), long.as_bytes(), between.as_bytes(), b"3"]);
                assert_eq!(
                    told(&object(&plan, text)),
                    expected,
                    "{record_bytes_max} {more} {between:?}"
                );
            }
        }
    }
}

#[test]
fn a_record_of_the_deepest_nesting_is_a_row_and_a_level_more_is_not() {
    for depth_max in [1, 2, 127, 128, 129, 1000] {
        let plan = limited(16 << 20, depth_max);
        for (depth, expected) in [
            (depth_max.saturating_sub(1).max(1), "1 2 3"),
            (depth_max, "1 2 3"),
            (depth_max + 1, "1 Json.TooDeep 3"),
            (100_000, "1 Json.TooDeep 3"),
            (1_000_000, "1 Json.TooDeep 3"),
        ] {
            for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
                let inside = [open.repeat(depth - 1), "0".to_owned(), close.repeat(depth - 1)].concat();
                let deep = format!("{{\"t\":0,\"id\":2,\"x\":{inside}}}");
                let text = object_of(&[b"1", b"\n", deep.as_bytes(), b"\n", b"3"]);
                assert_eq!(told(&object(&plan, text)), expected, "{depth} of {depth_max} {open}");
            }
        }
    }
}

/// Two reads, the first of so many bytes.
struct Halves(Cursor<Vec<u8>>, u64);

impl Read for Halves {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let first = self.1.saturating_sub(self.0.position());
        match first {
            0 => self.0.read(out),
            first => self.0.by_ref().take(first).read(out),
        }
    }
}

#[test]
fn a_sample_in_two_chunks_is_read_the_same_wherever_it_is_split() {
    let plan = by_id();
    let odd = "{\"t\":0,\"id\":1,\"text\":\"京😀\\ud83d\\ude00\\\"}{\"}\r\n[1,{\"a\":2}]\n\u{feff}{\"t\":0\n{\"t\":0,\"id\":2}{\"t\":0,\"id\":3}  oops\n";
    let text = [odd, &lines(10..60), odd].concat();
    let text = &text.as_bytes()[..2048];
    let whole = object(&plan, text);
    assert!(whole.rows().len() > 40 && whole.codes().len() > 3);
    for split in 0..=text.len() {
        let halves = Halves(Cursor::new(text.to_vec()), split as u64);
        assert_eq!(read_object(&plan, halves, &Hint::default()), whole, "split at {split}");
    }
}
