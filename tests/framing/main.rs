//! Where records begin and end: what damage costs, that chunks never matter, and that one reading of JSON holds throughout.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod chunks;
mod damage;
#[path = "../support/reading.rs"]
mod reading;
mod records;
mod suite;
mod tape;
mod values;

use lakebed::source::frame::{FrameLimits, Framer, Stretch};
use reading::cases;

/// The stretches of a text handed over in chunks that end at `ends`.
fn stretches(text: &[u8], limits: FrameLimits, ends: &[usize]) -> Vec<Stretch> {
    let mut framer = Framer::new(limits, 0);
    let mut all = Vec::new();
    let mut begin = 0;
    for end in ends.iter().copied().chain([text.len()]) {
        let chunk = &text[begin..end.max(begin)];
        let mut at = 0;
        while let Some(stretch) = framer.next(chunk, &mut at) {
            all.push(stretch);
        }
        assert_eq!(at, chunk.len(), "a chunk is read to its end");
        begin += chunk.len();
    }
    all.extend(framer.finish());
    all
}

fn bytes_of<'a>(text: &'a [u8], stretch: &Stretch) -> &'a [u8] {
    &text[stretch.range.start as usize..stretch.range.end as usize]
}

/// Stretches are in order, hold all but white space and byte order marks, and begin and end with neither.
fn assert_accounted(text: &[u8], stretches: &[Stretch]) {
    let mut before = 0;
    for stretch in stretches {
        let (start, end) = (stretch.range.start as usize, stretch.range.end as usize);
        assert!(
            before <= start && start < end && end <= text.len(),
            "{stretch:?} behind {before}"
        );
        assert_between(&text[before..start]);
        let is_space = |byte: &u8| b" \t\r\n".contains(byte);
        assert!(!is_space(&text[start]) && !is_space(&text[end - 1]), "{stretch:?}");
        before = end;
    }
    assert_between(&text[before..]);
}

fn assert_between(mut text: &[u8]) {
    while let Some((byte, rest)) = text.split_first() {
        text = match text.strip_prefix(b"\xEF\xBB\xBF") {
            Some(rest) => rest,
            None if b" \t\r\n".contains(byte) => rest,
            None => panic!("lost: {}", String::from_utf8_lossy(text)),
        };
    }
}
