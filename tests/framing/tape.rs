//! The reader's own look at a record and the framer's agree on every input: what is a record, and where it ends.

use lakebed::record::tape::{NotARecord, Tape};
use lakebed::source::frame::{FrameLimits, Framer};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::cases;
use crate::damage::damage;
use crate::records::{join, records};

const TOKENS: [&str; 36] = [
    "{", "}", "[", "]", "\"", ":", ",", "\\", "\n", "\n{", " ", "\t", "\r\n", "{}", "[]", "\"a\"", "\"a\":", "{\"a\":",
    "\\u00e9", "\\ud83d", "\\n", "\\\"", "0", "-", "-1", "1.5", "1e5", ".", "e+", "true", "false", "null", "nul", "é",
    "\0", "\u{feff}",
];

/// The end of the record that begins with the text.
fn framed(text: &[u8], depth_max: usize) -> Option<usize> {
    let limits = FrameLimits {
        record_bytes_max: u64::MAX,
        depth_max,
    };
    let mut framer = Framer::new(limits, 0);
    let stretch = framer.next(text, &mut 0).or_else(|| framer.finish())?;
    (stretch.what.is_ok() && stretch.range.start == 0).then_some(stretch.range.end as usize)
}

fn assert_agreed(text: &[u8]) {
    let mut tape = Tape::default();
    for depth_max in [1, 2, 3, 4, 5, 128] {
        let found = tape.read(text, 0, depth_max);
        let expected = framed(text, depth_max).ok_or(NotARecord);
        assert_eq!(
            found,
            expected,
            "{:?} to depth {depth_max}",
            String::from_utf8_lossy(text)
        );
        if text.first() == Some(&b'{') {
            // The same from the middle of other bytes.
            let moved = [b"[ ", text].concat();
            assert_eq!(tape.read(&moved, 2, depth_max), found.map(|end| end + 2));
        }
    }
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn tokens_in_any_order(tokens in prop::collection::vec(select(&TOKENS[..]), 0..14)) {
        let text = tokens.concat();
        assert_agreed(text.as_bytes());
        assert_agreed(format!("{{{text}").as_bytes());
        assert_agreed(format!("{{\"a\":{text}}}").as_bytes());
    }

    #[test]
    fn damaged_records(
        (style, records) in records(1..3),
        damage in prop::collection::vec((damage(), any::<Index>()), 0..3),
    ) {
        let mut text = join(style, &records);
        for (damage, at) in damage {
            text = damage.of(&text, at.index(text.len() + 1));
        }
        assert_agreed(&text);
    }

    #[test]
    fn any_bytes(text in prop::collection::vec(any::<u8>(), 0..20)) {
        assert_agreed(&text);
        assert_agreed(&[b"{\"", text.as_slice(), b"\":0}"].concat());
        assert_agreed(&[b"{\"a\":", text.as_slice(), b"}"].concat());
    }
}

#[test]
fn depth_counts_the_record_itself() {
    for (text, depth) in [
        ("{}", 1),
        ("{\"a\":1}", 1),
        ("{\"a\":{}}", 2),
        ("{\"a\":[]}", 2),
        ("{\"a\":[{\"b\":[1]},[]],\"c\":{}}", 4),
    ] {
        for depth_max in 1..=6 {
            let is_record = depth_max >= depth;
            assert_eq!(
                framed(text.as_bytes(), depth_max).is_some(),
                is_record,
                "{text} to depth {depth_max}"
            );
            assert_eq!(
                Tape::default().read(text.as_bytes(), 0, depth_max).is_ok(),
                is_record,
                "{text} to depth {depth_max}"
            );
        }
    }
}

#[test]
fn a_line_that_begins_with_a_brace_breaks_the_record_wherever_white_space_may_stand() {
    for place in 0..14 {
        let parts = ["{", "\"a\"", ":", "[", "[", "[", "1", ",", "{", "}", "]", "]", "]", "}"];
        for (space, breaks) in [
            ("\n", false),
            ("\n ", false),
            (" \n", false),
            ("\r\n\t", false),
            ("\n{", true),
            (" \n\n{", true),
        ] {
            let text = [&parts[..place], &[space], &parts[place..]].concat().concat();
            let is_record = framed(text.as_bytes(), 9).is_some();
            // Before the record the space is none of its bytes, and a `{` behind it is its first.
            if place == 0 {
                continue;
            }
            let own_brace = space.ends_with('\n') && parts[place] == "{";
            assert_eq!(is_record, !breaks && !own_brace, "{text:?}");
            assert_agreed(text.as_bytes());
        }
    }
}
