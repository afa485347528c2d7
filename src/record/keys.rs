//! Keys by number: every name that a table reads is numbered once, so that a key is compared with its bytes once a record,
//! however many places ask for it.
//!
//! Producers write members in one order. After each key stands, mostly, the key that stood there last time: it is compared
//! with the bytes before these are looked at one by one.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::source::frame::plain_text_len;

/// The number of a key that nothing reads.
pub const UNKNOWN: u32 = u32::MAX;
/// Names beyond are looked up by their bytes: each table's [`super::names::Names`] has a place for each number.
const NUMBERED_MAX: usize = 1 << 14;
/// Bytes of a key that are compared at once.
const HEAD_BYTES: usize = 16;

/// A key as it stands in JSON: `"id":`.
#[derive(Debug)]
struct Spelled {
    text: Box<[u8]>,
    head: u128,
    mask: u128,
}

impl Spelled {
    fn new(name: &[u8]) -> Self {
        let text = [b"\"", name, b"\":"].concat();
        let mut head = [0; HEAD_BYTES];
        let len = text.len().min(HEAD_BYTES);
        head[..len].copy_from_slice(&text[..len]);
        Self {
            text: text.into(),
            head: u128::from_le_bytes(head),
            mask: u128::MAX >> (8 * (HEAD_BYTES - len)),
        }
    }

    #[inline(always)]
    fn begins(&self, bytes: &[u8]) -> bool {
        let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else {
            return bytes.starts_with(&self.text);
        };
        u128::from_le_bytes(*head) & self.mask == self.head
            && (self.text.len() <= HEAD_BYTES || bytes[HEAD_BYTES..].starts_with(&self.text[HEAD_BYTES..]))
    }
}

/// All names of all tables, each once.
#[derive(Debug, Default)]
pub struct KeyBook {
    numbers: HashMap<Box<[u8]>, u32>,
    spelled: Vec<Spelled>,
}

impl KeyBook {
    /// Numbers a name, unless it is one that JSON writes otherwise, or there are too many.
    pub fn add(&mut self, name: &[u8]) {
        let plain = plain_text_len(name) == name.len();
        if plain && self.spelled.len() < NUMBERED_MAX && !self.numbers.contains_key(name) {
            self.numbers.insert(name.into(), self.spelled.len() as u32);
            self.spelled.push(Spelled::new(name));
        }
    }

    /// The names in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.spelled
            .iter()
            .map(|spelled| &spelled.text[1..spelled.text.len() - 2])
    }
}

/// Which key comes next, learned while reading.
#[derive(Debug, Default)]
pub(super) struct Foresight {
    book: Arc<KeyBook>,
    /// By the number of the key before: the number of the one that followed it last. At the end: behind an unknown one.
    after: Vec<u32>,
    last: usize,
}

impl Foresight {
    /// Reads by this book from now on.
    pub(super) fn know(&mut self, book: &Arc<KeyBook>) {
        if !Arc::ptr_eq(&self.book, book) {
            self.book = Arc::clone(book);
            self.after = vec![UNKNOWN; book.spelled.len() + 1];
            self.last = book.spelled.len();
        }
    }

    /// The foreseen key, if `bytes` begin with it and its colon: its number and length with quotes and colon.
    #[inline(always)]
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<(u32, usize)> {
        let number = *self.after.get(self.last)?;
        let spelled = self.book.spelled.get(number as usize)?;
        if !spelled.begins(bytes) {
            return None;
        }
        self.last = number as usize;
        Some((number, spelled.text.len()))
    }

    /// Another key stood there; its number, if it has one.
    pub(super) fn instead(&mut self, name: &[u8]) -> u32 {
        let number = self.book.numbers.get(name).copied();
        if let Some(after) = self.after.get_mut(self.last) {
            // A key that nobody reads is no reason to forget the others.
            *after = number.unwrap_or(*after);
            self.last = number.map_or(self.book.spelled.len(), |number| number as usize);
        }
        number.unwrap_or(UNKNOWN)
    }
}
