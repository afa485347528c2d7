//! The members of a gzip file, one after another. Zeros behind the last one are padding; anything else is damage.

use std::io::{self, BufRead, Read};

use super::inflate::{DamageKind, broken};
use super::kept::{Deflated, Kept};

/// The first byte of a gzip member.
const FIRST: u8 = 0x1f;

/// Decodes member after member.
pub(super) struct Members<R: BufRead> {
    /// Between members the reader itself, within one its decoder.
    state: State<R>,
}

enum State<R: BufRead> {
    Between(R),
    Within(Box<Kept<R, Deflated>>),
    Ended,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            state: State::Between(from),
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Within(mut member) => {
                    let n = member.read(out)?;
                    if n > 0 || out.is_empty() {
                        self.state = State::Within(member);
                        return Ok(n);
                    }
                    self.state = State::Between(member.into_inner());
                }
                State::Between(mut from) => match from.fill_buf()?.first() {
                    None => return Ok(0),
                    Some(0) => {
                        padding(&mut from)?;
                        return Ok(0);
                    }
                    Some(&FIRST) => self.state = State::Within(Box::new(Kept::new(from, Deflated::member()))),
                    Some(_) => return Err(broken(DamageKind::Corrupt)),
                },
            }
        }
    }
}

fn padding(from: &mut impl BufRead) -> io::Result<()> {
    loop {
        let rest = from.fill_buf()?;
        if rest.is_empty() {
            return Ok(());
        }
        if rest.iter().any(|byte| *byte != 0) {
            return Err(broken(DamageKind::Corrupt));
        }
        let n = rest.len();
        from.consume(n);
    }
}
