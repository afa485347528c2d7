//! Records in a stream: chunks and blocks agree, every byte is accounted for, and a second parser knows the same records.

use std::io::Cursor;

use lakebed::source::blocks::{Block, Blocks};
use lakebed::source::frame::{FrameLimits, Framer, Stretch};
use lakebed::source::inflate::Inflate;
use serde::de::IgnoredAny;

use super::chosen;

/// The first byte chooses the limits and where chunks end; the rest is the stream.
pub(crate) fn check(bytes: &[u8]) {
    let (choice, text) = chosen(bytes);
    let limits = FrameLimits {
        record_bytes_max: [1 << 20, 20, 100, 3][choice % 4],
        depth_max: [128, 1, 2, 5][choice / 4 % 4],
    };
    let chunk_bytes = [1, 2, 3, 7, 64, 4096][choice / 16 % 6];
    let whole = stretches(text, limits, usize::MAX);
    assert_accounted(text, &whole);
    assert_eq!(
        stretches(text, limits, chunk_bytes),
        whole,
        "in chunks of {chunk_bytes}"
    );
    assert_blocks(text, limits, chunk_bytes);
    assert_known(text);
}

fn stretches(text: &[u8], limits: FrameLimits, chunk_bytes: usize) -> Vec<Stretch> {
    let mut framer = Framer::new(limits, 0);
    let mut all = Vec::new();
    for chunk in text.chunks(chunk_bytes) {
        let mut at = 0;
        while let Some(stretch) = framer.next(chunk, &mut at) {
            all.push(stretch);
        }
        assert_eq!(at, chunk.len(), "a chunk is read to its end");
    }
    all.extend(framer.finish());
    all
}

/// Stretches follow one another; between them stand white space and byte order marks only.
fn assert_accounted(text: &[u8], stretches: &[Stretch]) {
    let mut before = 0;
    for stretch in stretches {
        let (start, end) = (stretch.range.start as usize, stretch.range.end as usize);
        assert!(before <= start && start < end && end <= text.len(), "{stretch:?}");
        assert_between(&text[before..start]);
        before = end;
    }
    assert_between(&text[before..]);
}

fn assert_between(mut text: &[u8]) {
    while let Some((first, rest)) = text.split_first() {
        text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or_else(|| {
            assert!(b" \t\r\n".contains(first), "byte {first:#x} is in no stretch");
            rest
        });
    }
}

/// Blocks of any size lie end to end, and hold the stretches of the stream.
fn assert_blocks(text: &[u8], limits: FrameLimits, block_bytes: usize) {
    // A good line first, so that the stream is one of records and no codec's.
    let text = [b"{}\n".as_slice(), text].concat();
    let inflate = Inflate::new(Cursor::new(text.clone())).expect("it is plain");
    let mut blocks = Blocks::new(inflate, limits).with_block_bytes(block_bytes);
    let (mut end, mut found) = (0, Vec::new());
    while let Some(block) = blocks.next(Vec::new()).expect("memory can be read") {
        let Block::Bytes { offset, bytes, damaged } = block else {
            panic!("shorter than what is not held: {block:?}");
        };
        assert_eq!((offset, damaged), (end, false));
        end += bytes.len() as u64;
        assert_eq!(bytes, text[offset as usize..end as usize]);
        found.extend(
            stretches(&bytes, limits, usize::MAX)
                .into_iter()
                .map(|stretch| Stretch {
                    range: stretch.range.start + offset..stretch.range.end + offset,
                    ..stretch
                }),
        );
    }
    assert_eq!((end, blocks.ended().bytes), (text.len() as u64, text.len() as u64));
    assert_eq!(
        found,
        stretches(&text, limits, usize::MAX),
        "in blocks of {block_bytes}"
    );
}

/// A text that stands alone is a record exactly where the second parser reads an object. The one difference that is meant:
/// a line that begins with `{` begins a record.
fn assert_known(text: &[u8]) {
    let limits = FrameLimits {
        record_bytes_max: u64::MAX,
        depth_max: usize::MAX,
    };
    let text = text.trim_ascii();
    if !text.starts_with(b"{") || text.windows(2).any(|pair| pair == b"\n{") {
        return;
    }
    let is_record = match stretches(text, limits, usize::MAX).as_slice() {
        [one] => one.what.is_ok() && one.range == (0..text.len() as u64),
        _ => false,
    };
    let second = serde_json::from_slice::<IgnoredAny>(text);
    assert_eq!(
        is_record,
        second.is_ok(),
        "{second:?}: {}",
        String::from_utf8_lossy(text)
    );
}
