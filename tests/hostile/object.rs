//! A stored object through all that reads it, without a lake: what became of each record, and of each byte.

use std::io::{Cursor, Read};

use lakebed::record::RecordPlan;
use lakebed::source::blocks::{Block, Blocks};
use lakebed::source::frame::BadFrame;
use lakebed::source::inflate::{Damage, DamageKind, Hint, Inflate, InflateError};

use crate::reading::{code, outcomes_of, plan, read};

/// What became of an object.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Object {
    /// The row of each record, a text a column, or the code of its refusal.
    pub(crate) outcomes: Vec<Result<Vec<String>, String>>,
    /// How the packed stream is broken, if it is.
    pub(crate) damage: Option<DamageKind>,
    /// Bytes of the stream.
    pub(crate) bytes: u64,
    /// Behind the damage begins no record: it may have cost the one before it.
    pub(crate) is_json: bool,
}

impl Object {
    /// The first column of each row.
    pub(crate) fn rows(&self) -> Vec<&str> {
        self.outcomes.iter().flatten().map(|row| row[0].as_str()).collect()
    }

    /// The codes of what is no row.
    pub(crate) fn codes(&self) -> Vec<&str> {
        self.outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().err().map(String::as_str))
            .collect()
    }
}

/// A plan whose first column is a record's `id`.
pub(crate) fn by_id() -> RecordPlan {
    plan("columns: { id: bigint, text: string }")
}

/// `{"t":0,"id":7,"text":"..."}` with each of these ids, a line each; no two have the same text.
pub(crate) fn lines(ids: std::ops::Range<u64>) -> String {
    let word = |id: u64| id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    ids.map(|id| format!("{{\"t\":0,\"id\":{id},\"text\":\"{:x}\"}}\n", word(id)))
        .collect()
}

/// The ids as [`Object::rows`] has them.
pub(crate) fn ids(ids: std::ops::Range<u64>) -> Vec<String> {
    ids.map(|id| id.to_string()).collect()
}

/// Reads an object of which nothing is said.
pub(crate) fn object(plan: &RecordPlan, stored: impl Into<Vec<u8>>) -> Object {
    object_as(plan, stored, "", "")
}

/// Reads an object with a `Content-Encoding`, unless it is empty, and a name.
pub(crate) fn object_as(plan: &RecordPlan, stored: impl Into<Vec<u8>>, encoding: &str, name: &str) -> Object {
    let hint = Hint {
        content_encoding: (!encoding.is_empty()).then(|| encoding.to_owned()),
        name: name.to_owned(),
    };
    read_object(plan, Cursor::new(stored.into()), &hint)
}

/// Reads an object from its bytes as they come. Each byte of the stream is in one block, and each byte of a block is of a
/// record, of a bad stretch or between them.
pub(crate) fn read_object(plan: &RecordPlan, stored: impl Read + Send + 'static, hint: &Hint) -> Object {
    let inflate = match Inflate::with_hint(stored, hint) {
        Ok(inflate) => inflate,
        Err(InflateError::Damaged(Damage { kind, .. })) => {
            return Object {
                damage: Some(kind),
                ..Object::default()
            };
        }
        Err(InflateError::Source(error)) => panic!("{error}"),
    };
    let mut blocks = Blocks::new(inflate, plan.limits());
    let mut all = Object {
        is_json: true,
        ..Object::default()
    };
    while let Some(block) = blocks.next(Vec::new()).unwrap() {
        match block {
            Block::Bytes { offset, bytes, .. } => {
                assert_eq!(offset, all.bytes);
                all.bytes += bytes.len() as u64;
                let outcomes = outcomes_of(plan, read(plan, &bytes), 0);
                all.outcomes.extend(
                    outcomes
                        .into_iter()
                        .map(|outcome| outcome.map_err(|rejected| code(&rejected))),
                );
            }
            Block::Oversized {
                range, code, between, ..
            } => {
                assert_eq!((range.start, code), (all.bytes, BadFrame::TooLarge));
                all.bytes = range.end + between;
                all.outcomes.push(Err("Record.TooLarge".to_owned()));
            }
            Block::NotJson { bytes, .. } => {
                assert_eq!(all.bytes, 0);
                all.bytes = bytes;
                all.is_json = false;
            }
        }
    }
    let ended = blocks.ended();
    assert_eq!(ended.bytes, all.bytes);
    all.damage = ended.damage.map(|damage| damage.kind);
    all
}
