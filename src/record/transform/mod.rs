//! A table's `transform`: a jq filter, through which each record of the table passes before it is read into columns.
//!
//! ```text
//! {"id":1,"items":["a","b"]} ── .items[] as $i | { id, item: $i } ──> {"id":1,"item":"a"}  {"id":1,"item":"b"}
//! ```
//!
//! | what of a record | is |
//! | --- | --- |
//! | a number that the filter does not touch | as it was written: `0.1000`, `12345678901234567890`, `1e400` |
//! | the order of members that it does not touch | kept |
//! | white space, and escapes that need not be | gone: each text is written in one way |
//! | half a surrogate pair | kept, as an escape |
//! | a key that stands twice in an object | refused: a filter would see one of them |
//!
//! What comes out depends on the filter's text and the record alone: there is no clock, no environment, no file and nothing
//! random in it. What a filter may take for one record is limited ([`Transform::apply`]), and it cannot call itself, so neither
//! a loop nor a value that doubles with each step can do harm.

mod compile;
mod functions;
mod meter;
mod number;
mod read;
mod value;
mod write;

use std::fmt;
use std::sync::Arc;

use jaq_core::{Ctx, Filter, Vars};

pub use compile::FilterError;
use functions::{Engine, Terms};
use meter::{Budget, Stop};
use read::DuplicateKey;
use value::Value;

use super::tape::Tape;
use crate::quarantine::Code;
use crate::source::frame::FrameLimits;

/// Steps of a filter that any record may take.
const STEPS: u64 = 100_000;
/// And more of them for each byte of the record.
const STEPS_PER_BYTE: u64 = 32;
/// Bytes of values made, in records of the greatest length.
const VALUES_IN_RECORDS: u64 = 8;
/// Containers that a filter may put around the deepest record: `to_entries` takes two.
const WRAPPED_IN: usize = 16;
/// Outputs of the shortest record.
const OUTPUTS: usize = 16;
/// And one more for so many of its bytes: an element of a list has two.
const BYTES_PER_OUTPUT: usize = 2;
/// Bytes of all outputs of the shortest record.
const OUTPUT_BYTES: usize = 4 << 10;
/// And more of them for each byte of the record.
const OUTPUT_BYTES_PER_BYTE: usize = 64;
/// Bytes of all outputs of any record, in records of the greatest length.
const OUTPUTS_IN_RECORDS: u64 = 4;

/// Blocks are no smaller, however wide the table: each has its price.
const BLOCK_BYTES_MIN: usize = 4 << 10;

/// Part of the plan: raised with whatever makes other outputs of the same filter and record, be it here or in jaq.
pub(crate) const VERSION: u32 = 1;

/// Bytes of a block, of records of at least `record_bytes`, of which the outputs take no more than `rows_bytes`: as text, and
/// as rows of `row_bytes` each.
pub(super) fn block_bytes(rows_bytes: usize, row_bytes: usize, record_bytes: usize) -> usize {
    let text_of_byte = OUTPUT_BYTES / record_bytes + OUTPUT_BYTES_PER_BYTE;
    let rows_of_byte = OUTPUTS.div_ceil(record_bytes) + 1;
    (rows_bytes / text_of_byte)
        .min(rows_bytes / (rows_of_byte * row_bytes.max(1)))
        .max(BLOCK_BYTES_MIN)
}

/// A compiled filter. Clones share it, also between threads.
#[derive(Clone)]
pub struct Transform(Arc<Compiled>);

struct Compiled {
    text: String,
    filter: Filter<Engine>,
}

/// A record that its table's transform does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransformError {
    /// [`Code::TransformFailed`], or that of what is wrong with the record itself.
    pub code: Code,
    /// Why, in words; holds no value of the record.
    pub message: &'static str,
}

impl Transform {
    /// Makes a transform of the text of a jq filter.
    ///
    /// # Errors
    /// All that is wrong with it: no jq, unknown names, definitions that call themselves, and whatever depends on more than
    /// the record, such as `now`, `env` or `input`.
    pub fn compile(text: &str) -> Result<Self, Vec<FilterError>> {
        let filter = compile::compile(text)?;
        let text = text.to_owned();
        Ok(Self(Arc::new(Compiled { text, filter })))
    }

    /// The filter's text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// What the filter makes of `record`, one JSON object: the JSON of each output, without white space. None: it is dropped.
    ///
    /// # Errors
    /// The bytes are no record, or have a key twice in one object; the filter fails on it, gives something that is no object,
    /// or takes too much for a record of its length:
    ///
    /// | limit | for a record of `n` bytes, `max` being the longest |
    /// | --- | --- |
    /// | steps | 100,000 + 32 n |
    /// | bytes of values made, also of those that are gone again | 8 max |
    /// | nesting of an output, of any value | that of records; 16 more |
    /// | outputs | 16 + n / 2 |
    /// | bytes of an output, of all outputs | max; 4 KiB + 64 n, and at most 4 max |
    pub fn apply(&self, record: &[u8], limits: FrameLimits) -> Result<Vec<Vec<u8>>, TransformError> {
        let fault = |code, message| TransformError { code, message };
        if std::str::from_utf8(record).is_err() {
            return Err(fault(Code::JsonInvalidUtf8, "bytes that are not UTF-8"));
        }
        let record = record.trim_ascii();
        let mut tape = Tape::default();
        match tape.read(record, 0, limits.depth_max) {
            Ok(end) if end == record.len() => self.run(record, record.len(), &tape, limits),
            _ => Err(fault(Code::JsonSyntax, "not one JSON object")),
        }
    }

    /// The same for the record of `len` bytes that was read into `tape` from `bytes`, which are UTF-8.
    pub(super) fn run(
        &self,
        bytes: &[u8],
        len: usize,
        tape: &Tape,
        limits: FrameLimits,
    ) -> Result<Vec<Vec<u8>>, TransformError> {
        let budget = Budget {
            steps: STEPS + STEPS_PER_BYTE * len as u64,
            bytes: limits.record_bytes_max.saturating_mul(VALUES_IN_RECORDS),
            depth: u32::try_from(limits.depth_max + WRAPPED_IN).unwrap_or(u32::MAX),
        };
        meter::metered(budget, || self.outputs(bytes, len, tape, limits)).unwrap_or_else(|stop| Err(stop.into()))
    }

    fn outputs(
        &self,
        bytes: &[u8],
        len: usize,
        tape: &Tape,
        limits: FrameLimits,
    ) -> Result<Vec<Vec<u8>>, TransformError> {
        let Compiled { text: _, filter } = &*self.0;
        let record = read::value(bytes, tape, 0)?;
        let context = Ctx::<Engine>::new(Terms(&filter.lut), Vars::new([]));
        let bytes_max = ((OUTPUT_BYTES + OUTPUT_BYTES_PER_BYTE * len) as u64)
            .min(limits.record_bytes_max.saturating_mul(OUTPUTS_IN_RECORDS));
        let (mut outputs, mut bytes) = (Vec::new(), 0);
        for output in filter.id.run((context, record)) {
            let output = match output {
                Ok(output) if output.depth() as usize > limits.depth_max => return Err(Stop::Depth.into()),
                Ok(output @ Value::Object(_)) => output.to_json(),
                Ok(_) => return Err(failed("gives a value that is not an object")),
                Err(exception) => return Err(failed(exception.get_err().as_ref().map_or(BREAKS_OFF, kind_of))),
            };
            bytes += output.len() as u64;
            if output.len() as u64 > limits.record_bytes_max {
                return Err(failed("gives an object longer than LAKEBED_RECORD_BYTES_MAX"));
            }
            if bytes > bytes_max || outputs.len() == OUTPUTS + len / BYTES_PER_OUTPUT {
                return Err(failed("gives more than a record of this length may become"));
            }
            outputs.push(output);
        }
        Ok(outputs)
    }
}

const BREAKS_OFF: &str = "ends without a result";

fn failed(message: &'static str) -> TransformError {
    let code = Code::TransformFailed;
    TransformError { code, message }
}

/// What kind of failure it is: its own words hold values of the record.
fn kind_of(error: &jaq_core::Error<Value>) -> &'static str {
    let mut begin = Begin(String::new());
    // It ends early on purpose.
    let _ = fmt::write(&mut begin, format_args!("{error}"));
    let Begin(begin) = begin;
    match begin {
        _ if begin.starts_with("cannot use ") => "takes a value for what it is not",
        _ if begin.starts_with("cannot index ") => "looks for a member or element in a value that has no such",
        _ if begin.starts_with("cannot calculate ") => "calculates with values that have no such result",
        _ if begin.starts_with("invalid path ") => "changes a value at what is no path",
        _ => "raises an error",
    }
}

/// The first bytes of a text, and no more.
struct Begin(String);

impl fmt::Write for Begin {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = 32_usize.saturating_sub(self.0.len());
        self.0.extend(text.chars().take(room));
        if room == 0 { Err(fmt::Error) } else { Ok(()) }
    }
}

impl From<DuplicateKey> for TransformError {
    fn from(DuplicateKey: DuplicateKey) -> Self {
        Self {
            code: Code::JsonDuplicateKey,
            message: "a key standing twice in one object, of which a transform would see one",
        }
    }
}

impl From<Stop> for TransformError {
    fn from(stop: Stop) -> Self {
        failed(match stop {
            Stop::Steps => "takes more steps than a record of this length may",
            Stop::Bytes => "makes values of more than eight times LAKEBED_RECORD_BYTES_MAX",
            Stop::Depth => "makes a value nested deeper than LAKEBED_DEPTH_MAX",
            Stop::Stack => "nests calls deeper than there is stack for",
            Stop::Fault => BREAKS_OFF,
        })
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transform").field(&self.text()).finish()
    }
}

#[cfg(test)]
mod tests;
