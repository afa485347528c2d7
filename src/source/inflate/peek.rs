//! A reader whose first bytes can be looked at before they are taken.

use std::io::{self, BufRead, Read};

/// The longest magic has ten bytes. To guess at Hadoop's framing takes two lengths, a preamble of five bytes and a tag.
const HEAD_BYTES: u64 = 16;

/// Gives its head, then what follows.
pub(super) struct Peek<R> {
    head: Vec<u8>,
    at: usize,
    /// What ended the head: what came before it is handed over first.
    failed: Option<io::Error>,
    from: R,
}

impl<R: BufRead> Peek<R> {
    pub(super) fn new(mut from: R) -> Self {
        let mut head = Vec::new();
        let failed = from.by_ref().take(HEAD_BYTES).read_to_end(&mut head).err();
        Self {
            head,
            at: 0,
            failed,
            from,
        }
    }

    /// The first bytes, fewer than 16 only where no more are to be had.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }
}

impl<R: BufRead> Read for Peek<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.head.len() && self.failed.is_none() {
            return self.from.read(out);
        }
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Peek<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at < self.head.len() {
            return Ok(&self.head[self.at..]);
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.from.fill_buf(),
        }
    }

    fn consume(&mut self, bytes: usize) {
        if self.at < self.head.len() {
            self.at += bytes;
        } else {
            self.from.consume(bytes);
        }
    }
}
