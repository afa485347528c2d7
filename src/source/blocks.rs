//! The stream of an object in blocks that begin and end between records, so that each can be read on its own.
//!
//! ```text
//! stream: {..}\n{..}\n{..}\n{..}\n{..}\n{...
//! block:  └──────── about 1 MiB ──────┘└─ next
//! ```
//!
//! A block is cut before the last line of it that begins with `{`: there a record starts whatever went before. Where no
//! line does (records run together), the framer says where one ends. A stretch over the limit is not held: only its first
//! bytes and its place are kept. Where blocks end depends on the stream alone, not on how it arrived.

use super::frame::{BadFrame, FrameLimits, Framer, Stretch, is_space};
use super::inflate::{Damage, Inflate, InflateError};

/// Bytes of the stream read for one block, and in which a record must begin for the object to be one of records.
pub const BLOCK_BYTES: usize = 1 << 20;
/// Bytes kept of what is quarantined.
pub const KEPT_BYTES_MAX: usize = 1 << 20;

/// A piece of a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    /// Bytes that begin and end between records.
    Bytes {
        /// Where in the stream they begin.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
        /// The stream is broken right behind them.
        damaged: bool,
    },
    /// A stretch too long to be held.
    Oversized {
        /// Its place in the stream, and what it is.
        range: std::ops::Range<u64>,
        /// Why it is no record.
        code: BadFrame,
        /// Its first bytes.
        head: Vec<u8>,
        /// Bytes of white space behind it.
        between: u64,
    },
    /// No record begins where one should: the whole stream is something else.
    NotJson {
        /// Bytes of the stream.
        bytes: u64,
        /// The first of them.
        head: Vec<u8>,
    },
}

/// What is known when a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Bytes of the decompressed stream.
    pub bytes: u64,
    /// Bytes taken of the stored object.
    pub stored_bytes: u64,
    /// The stream broke off.
    pub damage: Option<Damage>,
}

/// Cuts a stream into blocks.
pub struct Blocks {
    from: Inflate,
    limits: FrameLimits,
    /// What has been read and not handed over.
    buffer: Vec<u8>,
    /// Where in the stream the buffer begins.
    offset: u64,
    ended: bool,
    damage: Option<Damage>,
    begun: bool,
    block_bytes: usize,
    sampled: bool,
}

impl Blocks {
    /// Starts at the first byte of a stream.
    pub fn new(from: Inflate, limits: FrameLimits) -> Self {
        Self {
            from,
            limits,
            buffer: Vec::new(),
            offset: 0,
            ended: false,
            damage: None,
            begun: false,
            block_bytes: BLOCK_BYTES,
            sampled: false,
        }
    }

    /// Makes smaller blocks: for tables so wide that the rows of a block take much more than its bytes.
    #[must_use]
    pub fn with_block_bytes(self, block_bytes: usize) -> Self {
        Self {
            block_bytes: block_bytes.clamp(1, BLOCK_BYTES),
            ..self
        }
    }

    /// Only the first block is wanted: what is too long to be held, or no JSON, is not followed to its end.
    #[must_use]
    pub fn sampled(self) -> Self {
        Self { sampled: true, ..self }
    }

    /// What is known at the end; to be asked when [`Blocks::next`] has given nothing.
    pub fn ended(&self) -> Ended {
        Ended {
            bytes: self.offset,
            stored_bytes: self.from.stored_bytes(),
            damage: self.damage,
        }
    }

    /// Bytes of the stored object taken so far.
    pub fn stored_bytes(&self) -> u64 {
        self.from.stored_bytes()
    }

    /// The next block. `spare` is a buffer to use again. Errors are those of the source; a broken stream is an end.
    pub fn next(&mut self, mut spare: Vec<u8>) -> Result<Option<Block>, InflateError> {
        let wanted = if self.begun { self.block_bytes } else { BLOCK_BYTES };
        self.fill(wanted.saturating_sub(self.buffer.len()))?;
        if !self.begun {
            self.begun = true;
            if !has_record(&self.buffer, self.limits) {
                return self.not_json().map(Some);
            }
        }
        if let Some(small) = self.buffer.get(..self.block_bytes)
            && let Some(cut) = last_line_of_record(small)
        {
            return Ok(self.hand_over(cut, spare));
        }
        if self.ended {
            return Ok(self.hand_over(self.buffer.len(), spare));
        }
        if let Some(cut) = last_line_of_record(&self.buffer) {
            return Ok(self.hand_over(cut, spare));
        }
        // No line begins a record: go from stretch to stretch.
        let mut framer = Framer::new(self.limits, 0);
        let mut at = 0;
        loop {
            while framer.next(&self.buffer, &mut at).is_some() {}
            let cut = framer.open_since().map_or(at, |start| start as usize);
            if cut > 0 {
                return Ok(self.hand_over(cut, spare));
            }
            if self.buffer.len() as u64 > self.limits.record_bytes_max.max(BLOCK_BYTES as u64) {
                spare.clear();
                return self.oversized(framer, spare).map(Some);
            }
            self.fill(BLOCK_BYTES)?;
            if self.ended {
                return Ok(self.hand_over(self.buffer.len(), spare));
            }
            if let Some(cut) = last_line_of_record(&self.buffer) {
                return Ok(self.hand_over(cut, spare));
            }
        }
    }

    fn fill(&mut self, bytes: usize) -> Result<(), InflateError> {
        if self.ended {
            return Ok(());
        }
        match self.from.read(&mut self.buffer, bytes) {
            Ok(read) => self.ended = read < bytes,
            Err(InflateError::Damaged(damage)) => {
                self.damage = Some(damage);
                self.ended = true;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn hand_over(&mut self, bytes: usize, mut next: Vec<u8>) -> Option<Block> {
        let damaged = self.damage.is_some() && bytes == self.buffer.len();
        if bytes == 0 {
            return None;
        }
        next.clear();
        next.extend_from_slice(&self.buffer[bytes..]);
        let mut block = std::mem::replace(&mut self.buffer, next);
        block.truncate(bytes);
        let offset = self.offset;
        self.offset += bytes as u64;
        Some(Block::Bytes {
            offset,
            bytes: block,
            damaged,
        })
    }

    /// The stretch at the start of the buffer is longer than may be held: it is followed to its end, unheld.
    fn oversized(&mut self, mut framer: Framer, mut chunk: Vec<u8>) -> Result<Block, InflateError> {
        let head = self.buffer[..KEPT_BYTES_MAX.min(self.buffer.len())].to_vec();
        let start = self.offset;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        std::mem::swap(&mut self.buffer, &mut chunk);
        let stretch: Stretch = loop {
            self.ended |= self.sampled;
            self.buffer.clear();
            self.fill(BLOCK_BYTES)?;
            let mut at = 0;
            let found = framer.next(&self.buffer, &mut at);
            self.offset += at as u64;
            if let Some(stretch) = found {
                self.buffer.drain(..at);
                break stretch;
            }
            if self.ended {
                self.buffer.clear();
                break framer.finish().expect("a stretch is open");
            }
        };
        // What the framer left behind the stretch is white space, and has been passed.
        let range = start..start + (stretch.range.end - stretch.range.start);
        let between = self.offset - range.end;
        Ok(Block::Oversized {
            range,
            code: stretch.what.err().unwrap_or(BadFrame::TooLarge),
            head,
            between,
        })
    }

    fn not_json(&mut self) -> Result<Block, InflateError> {
        let head = self.buffer[..KEPT_BYTES_MAX.min(self.buffer.len())].to_vec();
        self.ended |= self.sampled;
        while !self.ended {
            self.offset += self.buffer.len() as u64;
            self.buffer.clear();
            self.fill(BLOCK_BYTES)?;
        }
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(Block::NotJson {
            bytes: self.offset,
            head,
        })
    }
}

/// Behind the newline before the last line that begins with `{`.
fn last_line_of_record(buffer: &[u8]) -> Option<usize> {
    let newlines = memchr::memrchr_iter(b'\n', buffer.get(..buffer.len().saturating_sub(1))?);
    newlines.map(|newline| newline + 1).find(|line| buffer[*line] == b'{')
}

/// Does a record begin here, or is there nothing but white space?
///
/// What begins with `{` does. Elsewhere a record must be whole, or whole as far as the head goes: in a MiB of compressed or
/// encrypted bytes some sixteen lines begin with `{`, too.
fn has_record(head: &[u8], limits: FrameLimits) -> bool {
    let mut text = head;
    while let Some(rest) = text.strip_prefix(&[0xEF, 0xBB, 0xBF]).or_else(|| {
        text.split_first()
            .and_then(|(first, rest)| is_space(*first).then_some(rest))
    }) {
        text = rest;
    }
    if matches!(text.first(), None | Some(b'{')) {
        return true;
    }
    let mut framer = Framer::new(limits, 0);
    let mut at = 0;
    let begins = |stretch: &Stretch| head[stretch.range.start as usize] == b'{';
    while let Some(stretch) = framer.next(head, &mut at) {
        let end = stretch.range.end as usize;
        // `{}` alone happens by chance as well, but seldom before one of these.
        let is_meant =
            &head[stretch.range.start as usize..end] != b"{}" || matches!(head.get(end), None | Some(b'\n' | b'{'));
        let is_record = match stretch.what {
            Ok(()) => is_meant,
            Err(BadFrame::TooDeep | BadFrame::TooLarge) => begins(&stretch),
            Err(BadFrame::Syntax | BadFrame::Truncated | BadFrame::NotAnObject) => false,
        };
        if is_record {
            return true;
        }
    }
    let cut = framer.finish();
    cut.is_some_and(|cut| begins(&cut) && !matches!(cut.what, Err(BadFrame::Syntax | BadFrame::NotAnObject)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const LIMITS: FrameLimits = FrameLimits {
        record_bytes_max: 2 << 20,
        depth_max: 9,
    };

    fn blocks(text: Vec<u8>) -> Blocks {
        Blocks::new(Inflate::new(Cursor::new(text)).unwrap(), LIMITS)
    }

    #[test]
    fn smaller_blocks_are_the_same_stream_cut_at_lines_of_records() {
        let line = b"{\"t\":1,\"s\":\"a line of a record\"}\n";
        let text = line.repeat(100_000);
        for block_bytes in [1, line.len() - 1, 1000, 50_000, BLOCK_BYTES] {
            let mut blocks = blocks(text.clone()).with_block_bytes(block_bytes);
            let mut all = Vec::new();
            while let Some(block) = blocks.next(Vec::new()).unwrap() {
                let Block::Bytes { offset, bytes, .. } = block else {
                    panic!("all of it is records")
                };
                assert_eq!(offset, all.len() as u64);
                let solid = bytes.trim_ascii();
                assert!(solid.is_empty() || solid.starts_with(b"{") && solid.ends_with(b"}"));
                let fits = block_bytes < 2 * line.len() || bytes.len() <= block_bytes;
                assert!(fits, "{} of {block_bytes} bytes", bytes.len());
                all.extend(bytes);
            }
            assert!(all == text, "{block_bytes}");
        }
    }

    #[test]
    fn a_sample_is_not_followed_to_its_end() {
        let oversized = [b"{\"a\":\"".as_slice(), &vec![b'x'; 20 << 20]].concat();
        for text in [vec![b'x'; 20 << 20], oversized] {
            let mut sampled = blocks(text.clone()).sampled();
            let block = sampled.next(Vec::new()).unwrap().unwrap();
            assert!(!matches!(block, Block::Bytes { .. }));
            assert!(sampled.stored_bytes() < 5 << 20, "{}", sampled.stored_bytes());
            let mut followed = blocks(text.clone());
            followed.next(Vec::new()).unwrap();
            assert_eq!(followed.stored_bytes(), text.len() as u64);
        }
    }
}
