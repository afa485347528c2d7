//! One record as a flat index of its values: what is where, nothing copied.
//!
//! ```text
//! {"id":"a","geo":{"lat":1.5}}
//! Object  Text Text  Text Object  Text Number
//!   0      1    2     3     4      5     6       <- nodes; `next` of 0 is 7, of 4 is 7
//! ```
//!
//! Reading is a strict check of RFC 8259 as well. It accepts exactly what [`crate::source::frame::Framer`] calls a record,
//! and leaves what is wrong with the rest to it. The nodes are reused from record to record.

use std::sync::Arc;

use super::keys::{Foresight, KeyBook, UNKNOWN};
use crate::source::frame::plain_text_len;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`: its members follow as key, value, key, value.
    Object,
    /// `[…]`: its elements follow.
    Array,
    /// A string; its range is without the quotes.
    Text,
    /// A number token.
    Number,
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

/// One value (or key) of a record.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// First byte, counted as the bytes handed to [`Tape::read`].
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
    /// Value: index of the node behind it and all within it. Key: its number in the [`KeyBook`], or [`UNKNOWN`].
    pub next: u32,
    /// What it is.
    pub kind: Kind,
    /// Text: holds a backslash. Number: has `.` or an exponent.
    pub special: bool,
}

/// The values of one record in the order of their first bytes; node 0 is the record itself.
#[derive(Debug, Default)]
pub struct Tape {
    nodes: Vec<Node>,
    open: Vec<u32>,
    keys: Foresight,
}

/// The bytes do not begin with a whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARecord;

impl Tape {
    /// Numbers keys by this book from now on.
    pub fn know(&mut self, book: &Arc<KeyBook>) {
        self.keys.know(book);
    }

    /// The node at `index`.
    #[inline]
    pub fn node(&self, index: u32) -> Node {
        self.nodes[index as usize]
    }

    /// Reads the object that begins at `bytes[at]`; the end of it is returned. `bytes` are at most 4 GiB.
    pub fn read(&mut self, bytes: &[u8], at: usize, depth_max: usize) -> Result<usize, NotARecord> {
        self.nodes.clear();
        self.open.clear();
        Reader {
            bytes,
            at,
            depth_max,
            nodes: &mut self.nodes,
            open: &mut self.open,
            keys: &mut self.keys,
        }
        .record()
    }

    /// The members of the object at `index`: key node, index of the value.
    pub fn members(&self, index: u32) -> Members<'_> {
        Members {
            tape: self,
            at: index + 1,
            end: self.node(index).next,
        }
    }

    /// Indices of the elements of the array at `index`.
    pub fn elements(&self, index: u32) -> impl Iterator<Item = u32> + '_ {
        let end = self.node(index).next;
        let mut at = index + 1;
        std::iter::from_fn(move || {
            let this = (at < end).then_some(at)?;
            at = self.node(at).next;
            Some(this)
        })
    }
}

/// See [`Tape::members`].
#[derive(Clone)]
pub struct Members<'a> {
    tape: &'a Tape,
    at: u32,
    end: u32,
}

impl Iterator for Members<'_> {
    type Item = (Node, u32);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let key = self.tape.node(self.at);
        let value = self.at + 1;
        self.at = self.tape.node(value).next;
        Some((key, value))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth_max: usize,
    nodes: &'a mut Vec<Node>,
    open: &'a mut Vec<u32>,
    keys: &'a mut Foresight,
}

impl Reader<'_> {
    fn record(mut self) -> Result<usize, NotARecord> {
        if self.peek() != b'{' {
            return Err(NotARecord);
        }
        self.begin(Kind::Object)?;
        let mut opened = true;
        // One turn a value. What may come next is known from the innermost open container alone.
        loop {
            if !(opened && self.close_if_empty()) {
                if self.in_object() {
                    self.key()?;
                    self.skip_space()?;
                }
                opened = self.value()?;
                if opened {
                    continue;
                }
            }
            opened = false;
            loop {
                if self.open.is_empty() {
                    return Ok(self.at);
                }
                self.skip_space()?;
                match self.peek() {
                    b',' => {
                        self.at += 1;
                        self.skip_space()?;
                        break;
                    }
                    b'}' if self.in_object() => self.end(),
                    b']' if !self.in_object() => self.end(),
                    _ => return Err(NotARecord),
                }
            }
        }
    }

    #[inline(always)]
    fn in_object(&self) -> bool {
        let innermost = *self.open.last().expect("a container is open");
        self.nodes[innermost as usize].kind == Kind::Object
    }

    /// The next byte; NUL, which no rule accepts, at the end.
    #[inline(always)]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn skip_space(&mut self) -> Result<(), NotARecord> {
        if self.peek() > b' ' {
            return Ok(());
        }
        self.skip_space_slowly()
    }

    fn skip_space_slowly(&mut self) -> Result<(), NotARecord> {
        loop {
            match self.peek() {
                b' ' | b'\t' | b'\r' => self.at += 1,
                // A line that begins with `{` starts a record, so this one broke off.
                b'\n' if self.bytes.get(self.at + 1) == Some(&b'{') => return Err(NotARecord),
                b'\n' => self.at += 1,
                _ => return Ok(()),
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, kind: Kind, start: usize, end: usize, special: bool) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node {
            start: start as u32,
            end: end as u32,
            next,
            kind,
            special,
        });
    }

    fn begin(&mut self, kind: Kind) -> Result<(), NotARecord> {
        if self.open.len() == self.depth_max {
            return Err(NotARecord);
        }
        self.open.push(self.nodes.len() as u32);
        self.push(kind, self.at, self.at, false);
        self.at += 1;
        self.skip_space()
    }

    fn end(&mut self) {
        self.at += 1;
        let index = self.open.pop().expect("a container is open") as usize;
        self.nodes[index].end = self.at as u32;
        self.nodes[index].next = self.nodes.len() as u32;
    }

    fn close_if_empty(&mut self) -> bool {
        let empty = self.peek() == if self.in_object() { b'}' } else { b']' };
        if empty {
            self.end();
        }
        empty
    }

    #[inline(always)]
    fn key(&mut self) -> Result<(), NotARecord> {
        if let Some((number, len)) = self.keys.next(&self.bytes[self.at..]) {
            self.push(Kind::Text, self.at + 1, self.at + len - 2, false);
            self.number_last(number);
            self.at += len;
            return Ok(());
        }
        self.other_key()
    }

    fn number_last(&mut self, number: u32) {
        if let Some(key) = self.nodes.last_mut() {
            key.next = number;
        }
    }

    fn other_key(&mut self) -> Result<(), NotARecord> {
        if self.peek() != b'"' {
            return Err(NotARecord);
        }
        let start = self.at + 1;
        self.text()?;
        let special = self.nodes.last().is_some_and(|key| key.special);
        let number = match special {
            true => UNKNOWN,
            false => self.keys.instead(&self.bytes[start..self.at - 1]),
        };
        self.number_last(number);
        self.skip_space()?;
        if self.peek() != b':' {
            return Err(NotARecord);
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a scalar, or the opening of a container (then true is returned).
    #[inline(always)]
    fn value(&mut self) -> Result<bool, NotARecord> {
        match self.peek() {
            b'"' => self.text()?,
            b'-' | b'0'..=b'9' => self.number()?,
            b'{' => {
                self.begin(Kind::Object)?;
                return Ok(true);
            }
            b'[' => {
                self.begin(Kind::Array)?;
                return Ok(true);
            }
            b't' => self.literal(b"true", Kind::True)?,
            b'f' => self.literal(b"false", Kind::False)?,
            b'n' => self.literal(b"null", Kind::Null)?,
            _ => return Err(NotARecord),
        }
        Ok(false)
    }

    #[inline(always)]
    fn text(&mut self) -> Result<(), NotARecord> {
        let start = self.at + 1;
        let mut at = start;
        let mut special = false;
        loop {
            at += plain_text_len(&self.bytes[at..]);
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    special = true;
                    at += match self.bytes.get(at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u') => {
                            let hex = self.bytes.get(at + 2..at + 6).ok_or(NotARecord)?;
                            if !hex.iter().all(u8::is_ascii_hexdigit) {
                                return Err(NotARecord);
                            }
                            6
                        }
                        _ => return Err(NotARecord),
                    };
                }
                _ => return Err(NotARecord),
            }
        }
        self.push(Kind::Text, start, at, special);
        self.at = at + 1;
        Ok(())
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<(), NotARecord> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word) {
            return Err(NotARecord);
        }
        self.push(kind, self.at, end, false);
        self.at = end;
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotARecord> {
        let start = self.at;
        let mut special = false;
        if self.peek() == b'-' {
            self.at += 1;
        }
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            special = true;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            special = true;
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        self.push(Kind::Number, start, self.at, special);
        Ok(())
    }

    #[inline(always)]
    fn digits(&mut self) -> Result<(), NotARecord> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start { Err(NotARecord) } else { Ok(()) }
    }
}
