//! Error records of Firehose and lines of a quarantine: the records in their `rawData` are read, as if they had come by
//! themselves.
//!
//! ```text
//! {"errorCode":...,"rawData":"<base64>"} ──> the bytes that were refused then ──> records ──> rows and rejects
//! ```
//!
//! An error record counts as one record that was read: what else it holds is added, and one that holds nothing is dropped.
//! Rejects keep the place of their error record, and their own bytes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::reader::{Reader, SourceContext, explain, skip_between};
use super::rows::{BlockRows, Rejected};
use super::{RECORD_BYTES_MIN, RecordPlan};
use crate::quarantine::Code;
use crate::source::frame::Framer;

/// What is read of an error record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorRecord<'a> {
    #[serde(borrow)]
    raw_data: Option<Cow<'a, str>>,
    #[serde(default)]
    raw_data_truncated: bool,
}

impl Reader {
    /// Reads the records in all error records of `block`, which begins and ends between these.
    pub(super) fn add_wrapped(&mut self, plan: &RecordPlan, source: &SourceContext, block: &[u8], out: &mut BlockRows) {
        let mut at = 0;
        loop {
            let begin = skip_between(block, at);
            out.bytes.between += (begin - at) as u64;
            if begin == block.len() {
                return;
            }
            let mut framer = Framer::new(plan.limits, begin as u64);
            let stretch = framer.next(block, &mut begin.clone()).or_else(|| framer.finish());
            let stretch = stretch.expect("a byte that is not between records is in a stretch");
            let end = stretch.range.end as usize;
            let (bytes, range) = (&block[begin..end], begin..end);
            let refused = |code, message, is_error_record| Rejected {
                code,
                message,
                ordinal: out.read,
                range: range.clone(),
                unpacked: None,
                is_error_record,
                table: None,
                column: None,
            };
            match stretch.what {
                Err(what) => {
                    out.bytes.bad += bytes.len() as u64;
                    let (code, message) = explain(what, plan);
                    out.rejected.push(refused(code, message, false));
                }
                Ok(()) => {
                    out.bytes.records += bytes.len() as u64;
                    match unpack(bytes).and_then(|inner| few_enough(inner, plan)) {
                        Ok(inner) => {
                            self.add_unpacked(plan, source, &inner, range, out);
                            at = end;
                            continue;
                        }
                        Err(why) => out.rejected.push(refused(Code::TransformFailed, why.into(), true)),
                    }
                }
            }
            out.read += 1;
            at = end;
        }
    }

    /// Reads what an error record at `range` holds, and counts all of it as one that was read.
    fn add_unpacked(
        &mut self,
        plan: &RecordPlan,
        source: &SourceContext,
        inner: &[u8],
        range: std::ops::Range<usize>,
        out: &mut BlockRows,
    ) {
        let (read, bytes, rejected) = (out.read, out.bytes, out.rejected.len());
        self.add(plan, source, inner, out);
        for rejected in &mut out.rejected[rejected..] {
            rejected.unpacked = Some(inner[rejected.range.clone()].into());
            rejected.range = range.clone();
            rejected.ordinal = read;
        }
        match out.read - read {
            0 => out.dropped += 1,
            held => out.added += held - 1,
        }
        (out.read, out.bytes) = (read + 1, bytes);
    }
}

/// Refuses what holds so many records that their rows would not fit: those of a block are bounded, and these make one.
fn few_enough(inner: Vec<u8>, plan: &RecordPlan) -> Result<Vec<u8>, &'static str> {
    let room = plan.block_bytes();
    if inner.len() <= room {
        return Ok(inner);
    }
    let (mut framer, mut at, mut records) = (Framer::new(plan.limits, 0), 0, 0);
    while framer.next(&inner, &mut at).is_some() {
        records += 1;
        if records > room / RECORD_BYTES_MIN {
            return Err("holds more records than one message can; load the object it came from");
        }
    }
    Ok(inner)
}

/// The bytes that an error record is about.
fn unpack(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let no_error_record =
        "no error record of Firehose and no line of a quarantine: `rawData` is missing, or is no base64";
    let ErrorRecord {
        raw_data,
        raw_data_truncated,
    } = serde_json::from_slice(bytes).map_err(|_| no_error_record)?;
    if raw_data_truncated {
        return Err("`rawData` holds only the first bytes; load the object that `source` names again");
    }
    let raw_data = raw_data.ok_or(no_error_record)?;
    STANDARD.decode(raw_data.as_bytes()).map_err(|_| no_error_record)
}
