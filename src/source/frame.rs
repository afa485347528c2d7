//! Where records begin and end in a stream of bytes, and what to do with bytes that are no record.
//!
//! ```text
//! {"a":1}{"b":2}\n   {"c"\n{"d":4}\n   [1,2]\n      oops {"e":5}\n
//! └─────┘└─────┘     └──┘  └─────┘     └───┘        └──────────┘
//! record  record   truncated record  not an object  bad to the end of the line
//! ```
//!
//! The rules, in the order in which they are tried:
//!
//! 1. A line whose first byte is `{` starts a record, whatever went before: one still open is `Truncated`. So `\n{` is
//!    a place to cut a stream into blocks that can be read on their own.
//! 2. A raw newline inside a string ends the record there (`Truncated`).
//! 3. Any other error begins a bad stretch, which ends at the next newline, or before the next `{` that follows `}`
//!    directly or after spaces.
//! 4. An array or scalar at top level is one bad stretch (`NotAnObject`), unless something else than white space or the next
//!    value's `{` or `[` follows it directly: then it is the beginning of an error like any other.
//! 5. Where a quote is lost, or a bad stretch ends inside a string, all that stands between strings is read as strings,
//!    and one of them is `}{`, the end of a record and the beginning of the next. So what breaks off right behind a string
//!    that ends in `}` and `{` ends before that `{`, which starts a record.
//!
//! Between records stand spaces, tabs, CR, LF and byte order marks. Every other byte is in exactly one stretch. Where
//! chunks end never matters: [`Framer`] is a plain state machine over bytes. Knows nothing of tables, nor of UTF-8.

use std::ops::Range;

mod text;

use text::Tail;
pub(crate) use text::plain_text_len;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFrame {
    /// Not JSON.
    Syntax,
    /// The record breaks off: the input, its line, or the string at its end was cut.
    Truncated,
    /// JSON, but an array or a scalar.
    NotAnObject,
    /// Nested deeper than the limit.
    TooDeep,
    /// Longer than the limit.
    TooLarge,
}

/// A run of bytes between two places where the stream is at top level. Offsets count from the start of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its bytes, without white space around them.
    pub range: Range<u64>,
    /// A whole JSON object, or why not.
    pub what: Result<(), BadFrame>,
}

/// The limits of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Longest record, in bytes of the decompressed stream.
    pub record_bytes_max: u64,
    /// Deepest nesting; the record itself is level 1.
    pub depth_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Top,
    /// So many bytes of a byte order mark have been seen at top level.
    Mark(u8),
    Bad(BadFrame),
    Value,
    ValueOrEnd,
    KeyOrEnd,
    Key,
    Colon,
    AfterValue,
    /// Behind an array or scalar at top level.
    AfterOther,
    Text {
        key: bool,
    },
    Escape {
        key: bool,
    },
    Hex {
        key: bool,
        left: u8,
    },
    Literal {
        rest: &'static [u8],
    },
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

enum Step {
    /// The byte is taken.
    Taken,
    /// The state changed; the byte is looked at again.
    Again,
    /// The byte is taken and is the last of its record.
    Last,
    /// The stretch ended before this byte, which is looked at again at top level.
    Before(Result<(), BadFrame>),
    /// The stretch ended at a gap that was taken for the end of a string; the byte is looked at again behind it.
    Gap { code: BadFrame, end: u64, start: u64 },
}

/// Finds the stretches of a stream that is handed over in chunks of any size.
#[derive(Clone, Debug)]
pub struct Framer {
    limits: FrameLimits,
    state: State,
    /// The open containers: true for an object.
    open: Vec<bool>,
    /// Offset of the next byte.
    offset: u64,
    start: u64,
    /// Behind the last byte of this stretch that is not white space.
    solid_end: u64,
    /// The byte before the next one.
    last: u8,
    /// The last byte that is no space, tab or CR.
    last_solid: u8,
    is_object: bool,
    too_large: bool,
    /// Of the string that is open, or ended before nothing but spaces.
    tail: Tail,
}

const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

impl Framer {
    /// Begins at top level, `offset` bytes into the stream.
    pub fn new(limits: FrameLimits, offset: u64) -> Self {
        Self {
            limits,
            state: State::Top,
            open: Vec::new(),
            offset,
            start: offset,
            solid_end: offset,
            last: 0,
            last_solid: 0,
            is_object: false,
            too_large: false,
            tail: Tail::Other,
        }
    }

    /// Where the stretch that is open began; nothing at top level.
    pub fn open_since(&self) -> Option<u64> {
        (self.state != State::Top).then_some(self.start)
    }

    /// Reads on in `chunk` from `at` to the end of the next stretch, or to the end of the chunk.
    pub fn next(&mut self, chunk: &[u8], at: &mut usize) -> Option<Stretch> {
        while let Some(&byte) = chunk.get(*at) {
            if let State::Text { .. } = self.state {
                let plain = plain_text_len(&chunk[*at..]);
                if plain > 0 {
                    let text = &chunk[*at..*at + plain];
                    self.tail = self.tail.then(text, self.offset);
                    self.take(text);
                    *at += plain;
                    continue;
                }
            }
            match self.step(byte) {
                Step::Taken => {
                    *at += 1;
                    self.take(&[byte]);
                }
                Step::Again => {}
                Step::Last => {
                    *at += 1;
                    self.take(&[byte]);
                    return Some(self.end(Ok(())));
                }
                Step::Before(what) => return Some(self.end(what)),
                Step::Gap { code, end, start } => return Some(self.split(code, end, start)),
            }
        }
        None
    }

    /// The input has ended: what is open ends here.
    pub fn finish(mut self) -> Option<Stretch> {
        let what = match self.state {
            State::Top => return None,
            State::Bad(code) => Err(code),
            State::Zero | State::Digits | State::Fraction | State::ExponentDigits if self.open.is_empty() => {
                Err(BadFrame::NotAnObject)
            }
            State::AfterOther => Err(BadFrame::NotAnObject),
            State::Mark(_) => Err(BadFrame::Syntax),
            _ => Err(BadFrame::Truncated),
        };
        Some(self.end(what))
    }

    fn take(&mut self, bytes: &[u8]) {
        let begin = self.offset;
        self.offset += bytes.len() as u64;
        self.last = bytes.last().copied().unwrap_or(self.last);
        if let Some(solid) = bytes.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r')) {
            self.last_solid = bytes[solid];
            if self.state != State::Top && bytes[solid] != b'\n' {
                self.solid_end = begin + solid as u64 + 1;
            }
        }
        let too_long = self.offset - self.start > self.limits.record_bytes_max;
        if too_long && !matches!(self.state, State::Top | State::Bad(_)) {
            self.too_large = true;
        }
    }

    fn end(&mut self, what: Result<(), BadFrame>) -> Stretch {
        let end = if what.is_ok() { self.offset } else { self.solid_end };
        let what = if self.too_large { Err(BadFrame::TooLarge) } else { what };
        self.state = State::Top;
        self.open.clear();
        self.too_large = false;
        self.tail = Tail::Other;
        Stretch {
            range: self.start..end,
            what,
        }
    }

    /// Ends the stretch at `end`; what has been read from `start` on is the beginning of a record.
    fn split(&mut self, code: BadFrame, end: u64, start: u64) -> Stretch {
        // The string under way is the space behind its brace, or the string that has ended was the quote of its first key.
        let is_open = matches!(self.state, State::Text { .. });
        let solid_end = std::mem::replace(&mut self.solid_end, end);
        let stretch = self.end(Err(code));
        self.start = start;
        self.solid_end = solid_end;
        self.is_object = true;
        self.open.push(true);
        self.state = if is_open {
            State::KeyOrEnd
        } else {
            State::Text { key: true }
        };
        stretch
    }

    fn begin(&mut self, state: State, is_object: bool) -> Step {
        self.start = self.offset;
        self.solid_end = self.offset;
        self.is_object = is_object;
        self.state = state;
        Step::Again
    }

    fn go(&mut self, state: State) -> Step {
        self.state = state;
        Step::Taken
    }

    /// Where a stretch ends and a record starts if the string just read is none. What is too large is not held, so
    /// nothing can start in it.
    fn gap(&self) -> Option<(u64, u64)> {
        match self.tail {
            Tail::Gap { end, start } if !self.too_large => Some((end, start)),
            _ => None,
        }
    }

    fn bad(&mut self, code: BadFrame) -> Step {
        if let Some((end, start)) = self.gap() {
            return Step::Gap { code, end, start };
        }
        self.state = State::Bad(code);
        Step::Again
    }

    fn step(&mut self, byte: u8) -> Step {
        let inside = self.offset > self.start && !matches!(self.state, State::Top | State::Bad(_));
        if byte == b'{' && self.last == b'\n' && inside {
            return Step::Before(Err(BadFrame::Truncated));
        }
        match self.state {
            State::Top => match byte {
                b' ' | b'\t' | b'\r' | b'\n' => Step::Taken,
                b'{' => self.begin(State::Value, true),
                b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => self.begin(State::Value, false),
                0xEF => self.begin(State::Mark(0), false),
                _ => self.begin(State::Bad(BadFrame::Syntax), false),
            },
            State::Mark(seen) if byte == MARK[usize::from(seen)] => {
                if seen == 2 {
                    self.state = State::Top;
                    Step::Taken
                } else {
                    self.go(State::Mark(seen + 1))
                }
            }
            State::Mark(_) => self.bad(BadFrame::Syntax),
            State::Bad(code) => match byte {
                b'\n' => Step::Before(Err(code)),
                b'{' if self.last_solid == b'}' && self.offset > self.start => Step::Before(Err(code)),
                _ => Step::Taken,
            },
            State::AfterOther => match byte {
                b' ' if self.gap().is_some() => Step::Taken,
                b' ' | b'\t' | b'\r' | b'\n' | b'{' | b'[' => Step::Before(Err(BadFrame::NotAnObject)),
                _ => self.bad(BadFrame::Syntax),
            },
            State::Value | State::ValueOrEnd | State::KeyOrEnd | State::Key | State::Colon | State::AfterValue => {
                self.structure(byte)
            }
            State::Text { key } => match byte {
                b'"' if key => self.go(State::Colon),
                b'"' => self.value_ended(),
                b'\\' => {
                    self.tail = Tail::Other;
                    self.go(State::Escape { key })
                }
                b'\n' if self.gap().is_some() => self.bad(BadFrame::Truncated),
                b'\n' => Step::Before(Err(BadFrame::Truncated)),
                _ => self.bad(BadFrame::Syntax),
            },
            State::Escape { key } => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.go(State::Text { key }),
                b'u' => self.go(State::Hex { key, left: 4 }),
                b'\n' => Step::Before(Err(BadFrame::Truncated)),
                _ => self.bad(BadFrame::Syntax),
            },
            State::Hex { key, left } => match byte {
                b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' if left == 1 => self.go(State::Text { key }),
                b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' => self.go(State::Hex { key, left: left - 1 }),
                b'\n' => Step::Before(Err(BadFrame::Truncated)),
                _ => self.bad(BadFrame::Syntax),
            },
            State::Literal { rest } => match rest {
                [next] if byte == *next => self.value_ended(),
                [next, rest @ ..] if byte == *next => self.go(State::Literal { rest }),
                _ => self.bad(BadFrame::Syntax),
            },
            _ => self.number(byte),
        }
    }

    fn structure(&mut self, byte: u8) -> Step {
        if is_space(byte) {
            if byte != b' ' {
                self.tail = Tail::Other; // No key goes on over it.
            }
            return Step::Taken;
        }
        let tail = std::mem::replace(&mut self.tail, Tail::Other);
        match (self.state, byte) {
            (State::ValueOrEnd, b']') | (State::KeyOrEnd, b'}') => self.close(),
            (State::Value | State::ValueOrEnd, b'{') => self.nest(true),
            (State::Value | State::ValueOrEnd, b'[') => self.nest(false),
            (State::Value | State::ValueOrEnd, b'"') => self.go(State::Text { key: false }),
            (State::Value | State::ValueOrEnd, b'-') => self.go(State::Minus),
            (State::Value | State::ValueOrEnd, b'0') => self.go(State::Zero),
            (State::Value | State::ValueOrEnd, b'1'..=b'9') => self.go(State::Digits),
            (State::Value | State::ValueOrEnd, b't') => self.go(State::Literal { rest: b"rue" }),
            (State::Value | State::ValueOrEnd, b'f') => self.go(State::Literal { rest: b"alse" }),
            (State::Value | State::ValueOrEnd, b'n') => self.go(State::Literal { rest: b"ull" }),
            (State::KeyOrEnd | State::Key, b'"') => self.go(State::Text { key: true }),
            (State::Colon, b':') => self.go(State::Value),
            (State::AfterValue, b',') if self.open.last() == Some(&true) => self.go(State::Key),
            (State::AfterValue, b',') => self.go(State::Value),
            (State::AfterValue, b'}') if self.open.last() == Some(&true) => self.close(),
            (State::AfterValue, b']') if self.open.last() == Some(&false) => self.close(),
            _ => {
                self.tail = tail;
                self.bad(BadFrame::Syntax)
            }
        }
    }

    fn nest(&mut self, object: bool) -> Step {
        if self.open.len() == self.limits.depth_max {
            return self.bad(BadFrame::TooDeep);
        }
        self.open.push(object);
        self.go(if object { State::KeyOrEnd } else { State::ValueOrEnd })
    }

    fn close(&mut self) -> Step {
        self.open.pop();
        self.value_ended()
    }

    /// The byte that ends a value is taken.
    fn value_ended(&mut self) -> Step {
        if !self.open.is_empty() {
            return self.go(State::AfterValue);
        }
        if self.is_object {
            return Step::Last;
        }
        self.go(State::AfterOther)
    }

    fn number(&mut self, byte: u8) -> Step {
        let next = match (self.state, byte) {
            (State::Minus, b'0') => State::Zero,
            (State::Minus, b'1'..=b'9') | (State::Digits, b'0'..=b'9') => State::Digits,
            (State::Zero | State::Digits, b'.') => State::Point,
            (State::Zero | State::Digits | State::Fraction, b'e' | b'E') => State::Exponent,
            (State::Point | State::Fraction, b'0'..=b'9') => State::Fraction,
            (State::Exponent, b'+' | b'-') => State::ExponentSign,
            (State::Exponent | State::ExponentSign | State::ExponentDigits, b'0'..=b'9') => State::ExponentDigits,
            (State::Zero | State::Digits | State::Fraction | State::ExponentDigits, _) => {
                self.state = if self.open.is_empty() {
                    State::AfterOther
                } else {
                    State::AfterValue
                };
                return Step::Again;
            }
            _ => return self.bad(BadFrame::Syntax),
        };
        self.go(next)
    }
}

/// White space between records: space, tab, CR, LF.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests;
