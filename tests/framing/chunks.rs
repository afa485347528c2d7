//! Where chunks end never matters: not to the framer, nor to where blocks are cut, nor to what is read from them.

use std::io::{self, Read};
use std::ops::Range;

use lakebed::source::blocks::{BLOCK_BYTES, Block, Blocks, Ended, KEPT_BYTES_MAX};
use lakebed::source::frame::{BadFrame, FrameLimits, Stretch};
use lakebed::source::inflate::Inflate;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::damage::{Damage, damage};
use crate::reading::{LIMITS, plan_of, read};
use crate::records::{Style, join, records};
use crate::{assert_accounted, bytes_of, cases, stretches};

/// Gives as many bytes at a time as its sizes say, over and over.
struct Trickle {
    text: io::Cursor<Vec<u8>>,
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.turn += 1;
        let size = self.sizes[self.turn % self.sizes.len()].min(buffer.len());
        self.text.read(&mut buffer[..size])
    }
}

fn blocks(text: &[u8], limits: FrameLimits, sizes: &[usize]) -> (Vec<Block>, Ended) {
    let from = Trickle {
        text: io::Cursor::new(text.to_vec()),
        sizes: sizes.to_vec(),
        turn: 0,
    };
    let mut blocks = Blocks::new(Inflate::new(from).unwrap(), limits);
    let mut all = Vec::new();
    while let Some(block) = blocks.next(Vec::new()).unwrap() {
        all.push(block);
    }
    (all, blocks.ended())
}

/// The stretches of each block on its own, by their place in the stream. Blocks are checked to lie end to end.
fn stretches_of_blocks(text: &[u8], blocks: &[Block], limits: FrameLimits) -> Vec<Stretch> {
    let mut all = Vec::new();
    let mut end = 0;
    for block in blocks {
        match block {
            Block::Bytes { offset, bytes, damaged } => {
                assert_eq!((*offset, *damaged), (end, false));
                end += bytes.len() as u64;
                assert!(*bytes == text[*offset as usize..end as usize]);
                let inside = stretches(bytes, limits, &[]).into_iter().map(|stretch| Stretch {
                    range: stretch.range.start + offset..stretch.range.end + offset,
                    ..stretch
                });
                all.extend(inside);
            }
            Block::Oversized {
                range,
                code,
                head,
                between,
            } => {
                assert_eq!(range.start, end);
                assert!(text[range.start as usize..].starts_with(head));
                assert_eq!(head.len(), KEPT_BYTES_MAX.min((range.end - range.start) as usize));
                end = range.end + between;
                all.push(Stretch {
                    range: range.clone(),
                    what: Err(*code),
                });
            }
            Block::NotJson { .. } => panic!("records begin at once"),
        }
    }
    assert_eq!(end, text.len() as u64);
    all
}

fn assert_blocks_are_the_stream(text: &[u8], limits: FrameLimits, sizes: &[usize]) {
    let whole = stretches(text, limits, &[]);
    assert_accounted(text, &whole);
    let (all, ended) = blocks(text, limits, sizes);
    assert_eq!((ended.bytes, ended.damage), (text.len() as u64, None));
    let found = stretches_of_blocks(text, &all, limits);
    let differs = found.iter().zip(&whole).find(|(found, whole)| found != whole);
    assert_eq!((differs, found.len()), (None, whole.len()));
}

/// Records over and over until there are `bytes`, with some damage.
fn large(style: Style, records: &[String], bytes: usize, damage: &[(Damage, Index)]) -> Vec<u8> {
    let once = join(style, records);
    let mut text = once.repeat(bytes / once.len() + 1);
    for (damage, at) in damage {
        if !matches!(damage, Damage::Cut) {
            text = damage.of(&text, at.index(text.len()));
        }
    }
    text
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn the_framer_does_not_depend_on_chunks(
        (style, records) in records(1..6),
        damage in prop::collection::vec((damage(), any::<Index>()), 0..4),
        ends in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let text = large(style, &records, 1, &damage);
        let mut ends: Vec<usize> = ends.iter().map(|end| end.index(text.len() + 1)).collect();
        ends.sort_unstable();
        let whole = stretches(&text, LIMITS, &[]);
        assert_accounted(&text, &whole);
        prop_assert_eq!(&stretches(&text, LIMITS, &ends), &whole);
        let every_byte: Vec<usize> = (0..text.len()).collect();
        prop_assert_eq!(&stretches(&text, LIMITS, &every_byte), &whole);
    }

    /// So a block may be read on its own, and so may what stands behind a bad stretch.
    #[test]
    fn a_stretch_does_not_depend_on_those_before_it(
        (style, records) in records(1..6),
        damage in prop::collection::vec((damage(), any::<Index>()), 0..4),
    ) {
        let text = large(style, &records, 1, &damage);
        let whole = stretches(&text, LIMITS, &[]);
        for (place, stretch) in whole.iter().enumerate() {
            let begin = stretch.range.start;
            let rest = stretches(&text[begin as usize..], LIMITS, &[]);
            let moved = rest.into_iter().map(|stretch| Stretch {
                range: stretch.range.start + begin..stretch.range.end + begin,
                ..stretch
            });
            prop_assert_eq!(&moved.collect::<Vec<_>>(), &whole[place..]);
        }
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn blocks_do_not_depend_on_how_bytes_arrive(
        (style, records) in records(1..6),
        bytes in BLOCK_BYTES / 2..3 * BLOCK_BYTES,
        damage in prop::collection::vec((damage(), any::<Index>()), 0..20),
        sizes in prop::collection::vec(prop_oneof![1..10usize, 1..100_000usize], 1..8),
        record_bytes_max in prop_oneof![30..300u64, Just(16 << 20)],
    ) {
        // The first line is good, so that the text is one of records.
        let text = [&b"{}\n"[..], &large(style, &records, bytes, &damage)].concat();
        let limits = FrameLimits { record_bytes_max, ..LIMITS };
        let (all, ended) = blocks(&text, limits, &[usize::MAX]);
        assert_blocks_are_the_stream(&text, limits, &sizes);
        let again = blocks(&text, limits, &sizes);
        prop_assert!(again.0 == all && again.1 == ended);
    }
}

fn text_of(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[test]
fn blocks_hold_what_fits_and_pass_what_does_not() {
    const MIB: usize = 1 << 20;
    let small = |n: usize| format!("{{\"n\":{n}}}");
    let long = |bytes: usize| format!("{{\"long\":\"{}\"}}", text_of(bytes));
    let run_together = |bytes: usize| (0..bytes / 8).map(small).collect::<String>();
    let lines = |bytes: usize| (0..bytes / 8).map(|n| small(n) + "\n").collect::<String>();
    let bad = |bytes: usize| format!("{{bad {}", text_of(bytes));
    let nested = format!("{{\"a\":[{}1]}}", "[1,2],\n ".repeat(MIB / 4));
    // (text, longest record, stretches of each code)
    for (name, text, record_bytes_max, expected) in [
        ("one small record", small(1), MIB, [1, 0, 0, 0]),
        ("3 MiB of lines", lines(3 * MIB), 100, [393_216, 0, 0, 0]),
        (
            "5 MiB without a newline",
            run_together(5 * MIB),
            100,
            [655_360, 0, 0, 0],
        ),
        (
            "a record larger than a block",
            small(1) + "\n" + &long(3 * MIB) + "\n" + &small(2),
            16 * MIB,
            [3, 0, 0, 0],
        ),
        (
            "the same, run together",
            small(1) + &long(3 * MIB) + &small(2),
            16 * MIB,
            [3, 0, 0, 0],
        ),
        (
            "a record over the limit",
            small(1) + "\n" + &long(3 * MIB) + " \n" + &small(2),
            2 * MIB,
            [2, 1, 0, 0],
        ),
        (
            "the same, run together",
            small(1) + &long(3 * MIB) + " \t" + &small(2),
            2 * MIB,
            [2, 1, 0, 0],
        ),
        (
            "a short one over a small limit",
            small(1) + &long(200) + &small(2),
            100,
            [2, 1, 0, 0],
        ),
        (
            "a small limit and a record larger than a block",
            long(5 * MIB) + &small(2),
            100,
            [1, 1, 0, 0],
        ),
        (
            "over the limit, and cut",
            long(5 * MIB).replace('}', " "),
            2 * MIB,
            [0, 1, 0, 0],
        ),
        (
            "5 MiB of one string, cut",
            small(1) + &long(5 * MIB).replace("\"}", ""),
            16 * MIB,
            [1, 0, 0, 1],
        ),
        (
            "over the limit, with the edge of records at its end",
            long(3 * MIB).replace("\"}", "}{\"a\":1}") + &small(1) + &small(2),
            2 * MIB,
            [2, 1, 0, 0],
        ),
        (
            "a record of many lines",
            small(1) + "\n" + &nested + "\n" + &small(2),
            16 * MIB,
            [3, 0, 0, 0],
        ),
        (
            "a long array",
            small(1) + "[" + &"1,".repeat(2 * MIB) + "1]" + &small(2),
            100,
            [2, 1, 0, 0],
        ),
        ("5 MiB of something else", bad(5 * MIB), 2 * MIB, [0, 0, 1, 0]),
        (
            "5 MiB of something else, then records",
            bad(5 * MIB) + " \r\n" + &small(1) + &small(2),
            100,
            [2, 0, 1, 0],
        ),
        (
            "5 MiB of something else, then a brace",
            bad(5 * MIB) + "} " + &small(1) + &small(2),
            100,
            [2, 0, 1, 0],
        ),
        (
            "5 MiB of white space inside",
            format!("{{\"a\":{}1}}", " ".repeat(5 * MIB)),
            2 * MIB,
            [0, 1, 0, 0],
        ),
        (
            "5 MiB of white space between",
            format!("{{}}{}{{}}", " ".repeat(5 * MIB)),
            100,
            [2, 0, 0, 0],
        ),
        (
            "newlines between",
            format!("{{}}{}{{}}", "\n".repeat(3 * MIB)),
            100,
            [2, 0, 0, 0],
        ),
    ] {
        let limits = FrameLimits {
            record_bytes_max: record_bytes_max as u64,
            depth_max: 128,
        };
        let codes = [
            Ok(()),
            Err(BadFrame::TooLarge),
            Err(BadFrame::Syntax),
            Err(BadFrame::Truncated),
        ];
        let whole = stretches(text.as_bytes(), limits, &[]);
        let counts = codes.map(|code| whole.iter().filter(|stretch| stretch.what == code).count());
        assert_eq!((counts, whole.len()), (expected, expected.iter().sum()), "{name}");
        let (all, ended) = blocks(text.as_bytes(), limits, &[usize::MAX]);
        for sizes in [&[usize::MAX][..], &[4096, 1, 77], &[BLOCK_BYTES - 1], &[1 << 17, 3]] {
            assert_blocks_are_the_stream(text.as_bytes(), limits, sizes);
            let again = blocks(text.as_bytes(), limits, sizes);
            assert!(again.0 == all && again.1 == ended, "{name} by {sizes:?}");
        }
        let held = all.iter().map(|block| match block {
            Block::Bytes { bytes, .. } => bytes.len(),
            Block::Oversized { head, .. } | Block::NotJson { head, .. } => head.len(),
        });
        assert!(
            held.max().unwrap() <= BLOCK_BYTES.max(record_bytes_max) + 2 * BLOCK_BYTES,
            "{name}"
        );
    }
}

#[test]
fn a_stream_in_whose_first_block_no_record_begins_is_none_of_records() {
    let some = |text: &str| text.repeat(2 * BLOCK_BYTES / text.len());
    for (text, is_json) in [
        (some("a;b;c\n"), false),
        ("[{\"a\":1}]".to_owned(), false),
        ("[\n  {\"a\":1}\n]\n".to_owned(), false),
        (some("1\n") + "{}", false),
        ("PAR1{}".to_owned(), false),
        ("\"{}\"".to_owned(), false),
        ("{".to_owned(), true),
        ("{bad".to_owned(), true),
        ("\u{feff}\u{feff}\n {\"a\":1}".to_owned(), true),
        ("a;b\n{\"a\":1}".to_owned(), true),
        ("1 {\"a\":1}".to_owned(), true),
        (some(" \n"), true),
        ("a".repeat(BLOCK_BYTES - 3) + "\n{}", true),
        ("a".repeat(BLOCK_BYTES) + "\n{}", false),
    ] {
        let start: String = text.chars().take(20).collect();
        for sizes in [&[usize::MAX][..], &[1000, 1]] {
            let (all, ended) = blocks(text.as_bytes(), LIMITS, sizes);
            assert_eq!(ended.bytes, text.len() as u64, "{start}");
            if is_json {
                stretches_of_blocks(text.as_bytes(), &all, LIMITS);
            } else {
                let head = text.as_bytes()[..text.len().min(BLOCK_BYTES)].to_vec();
                let bytes = text.len() as u64;
                assert!(all == [Block::NotJson { bytes, head }], "{start}");
            }
        }
    }
    assert_eq!(blocks(b"", LIMITS, &[1]).0, []);
}

/// The reader finds its records by itself; they have to be those of the framer.
fn assert_reader_agrees(text: &[u8], limits: FrameLimits) -> Result<(), TestCaseError> {
    let schema =
        "table: t\nevent_time: { field: number, max_future: none, max_past: none }\ncolumns: { number: int }\n";
    let plan = plan_of(&[("t", schema.to_owned())], limits);
    let block = read(&plan, text);
    let whole = stretches(text, limits, &[]);
    prop_assert_eq!(block.read, whole.len() as u64);
    let lengths = |good: bool| {
        let some = whole.iter().filter(move |stretch| stretch.what.is_ok() == good);
        some.map(|stretch| bytes_of(text, stretch).len() as u64).sum::<u64>()
    };
    prop_assert_eq!((block.bytes.records, block.bytes.bad), (lengths(true), lengths(false)));
    for rejected in &block.rejected {
        let Range { start, end } = rejected.range;
        prop_assert_eq!(&whole[rejected.ordinal as usize].range, &(start as u64..end as u64));
    }
    let bad: Vec<u64> = (0..)
        .zip(&whole)
        .filter(|(_, stretch)| stretch.what.is_err())
        .map(|(place, _)| place)
        .collect();
    let rejected: Vec<u64> = block.rejected.iter().map(|rejected| rejected.ordinal).collect();
    prop_assert!(bad.iter().all(|place| rejected.contains(place)));
    Ok(())
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn the_reader_finds_the_stretches_of_the_framer(
        (style, records) in records(1..6),
        damage in prop::collection::vec((damage(), any::<Index>()), 0..4),
        depth_max in 1..6usize,
        record_bytes_max in 1..200u64,
    ) {
        let text = large(style, &records, 1, &damage);
        assert_reader_agrees(&text, LIMITS)?;
        assert_reader_agrees(&text, FrameLimits { record_bytes_max, depth_max })?;
    }
}
