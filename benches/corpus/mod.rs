//! Inputs of the benchmarks: the same bytes on every machine and in every run.
//!
//! ```text
//! seed ─> records of a shape ─> text ─┬─> blocks ─> rows
//!                                     └─> gzip, zstd
//! ```
//!
//! Two shapes: `flat` has five strings in about 160 bytes, one of them random letters; `wide` has 22 fields in about 675
//! bytes: numbers, booleans, nulls, structs, a list, escapes, UTF-8. Event times end at one hour: all within it, or 90 %
//! within it and the rest up to two days late, or anywhere in 10,000 hours.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

mod records;

use std::io::Cursor;
use std::sync::Arc;

use lakebed::record::{BlockRows, Reader, RecordPlan, SourceContext};
use lakebed::source::blocks::{Block, Blocks};
use lakebed::source::frame::FrameLimits;
use lakebed::source::inflate::Inflate;
use lakebed::table::Tables;

use records::{Dice, Flat, Wide};

/// When the objects are taken to have arrived: the end of the hour that most records are of.
pub(crate) const ARRIVAL_S: i64 = BASE_S + 3600;
/// The beginning of that hour, 2019-10-12T02.
const BASE_S: i64 = 1_570_845_600;
const SEED: u64 = 7;

/// What a record looks like.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Flat,
    Wide,
}

/// How records stand in the text.
#[derive(Clone, Copy)]
pub(crate) enum Layout {
    /// A newline behind each.
    Newline,
    /// Nothing between them.
    RunTogether,
    /// Each over several lines.
    Indented,
}

/// When records happened.
#[derive(Clone, Copy)]
pub(crate) enum Hours {
    One,
    /// 49 hours; nine of ten records within one of them.
    Late,
    /// 10,000 hours, all alike.
    Random,
}

/// Some JSON, and how many records it holds.
pub(crate) struct Text {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) records: u64,
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Wide => "wide",
        }
    }

    /// The one table that takes every record.
    pub(crate) fn tables(self) -> Tables {
        let (file, text) = match self {
            Self::Flat => ("flat.yaml", include_str!("flat/flat.yaml")),
            Self::Wide => ("wide.yaml", include_str!("wide/wide.yaml")),
        };
        Tables::from_sources(vec![(file.to_owned(), text.to_owned())]).expect("the schema is sound")
    }

    pub(crate) fn plan(self) -> RecordPlan {
        RecordPlan::new(self.tables(), LIMITS)
    }

    fn write(self, dice: &mut Dice, hours: Hours, layout: Layout, out: &mut Vec<u8>) {
        let time_us = hours.time_us(dice);
        let pretty = matches!(layout, Layout::Indented);
        let written = match (self, pretty) {
            (Self::Flat, false) => serde_json::to_writer(&mut *out, &Flat::new(dice, time_us)),
            (Self::Flat, true) => serde_json::to_writer_pretty(&mut *out, &Flat::new(dice, time_us)),
            (Self::Wide, false) => serde_json::to_writer(&mut *out, &Wide::new(dice, time_us)),
            (Self::Wide, true) => serde_json::to_writer_pretty(&mut *out, &Wide::new(dice, time_us)),
        };
        written.expect("a vector takes everything");
        if !matches!(layout, Layout::RunTogether) {
            out.push(b'\n');
        }
    }
}

/// The limits of a record that `lakebed` has by default.
pub(crate) const LIMITS: FrameLimits = FrameLimits {
    record_bytes_max: 16 << 20,
    depth_max: 128,
};

impl Hours {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "one-hour",
            Self::Late => "49-hours",
            Self::Random => "random-hours",
        }
    }

    /// Microseconds since 1970.
    fn time_us(self, dice: &mut Dice) -> i64 {
        const HOUR_US: i64 = 3_600_000_000;
        let (from_h, to_h) = match (self, dice.below(100)) {
            (Self::One, _) | (Self::Late, 0..90) => (0, 1),
            (Self::Late, 90..98) => (-3, 0),
            (Self::Late, _) => (-48, 0),
            (Self::Random, _) => (-9_999, 1),
        };
        let within = dice.below((to_h - from_h) as u64 * HOUR_US as u64) as i64;
        BASE_S * 1_000_000 + from_h * HOUR_US + within
    }
}

/// At least `bytes` of JSON.
pub(crate) fn text(shape: Shape, layout: Layout, hours: Hours, bytes: usize) -> Text {
    let mut dice = Dice::new(SEED);
    let mut out = Vec::with_capacity(bytes + 2048);
    let mut records = 0;
    while out.len() < bytes {
        shape.write(&mut dice, hours, layout, &mut out);
        records += 1;
    }
    Text {
        bytes: out.into(),
        records,
    }
}

/// The same with a newline behind each record, and every hundredth one without the colon behind its first key.
pub(crate) fn one_bad_in_100(shape: Shape, bytes: usize) -> Text {
    let good = text(shape, Layout::Newline, Hours::Late, bytes);
    let mut out = Vec::with_capacity(good.bytes.len());
    for (place, line) in good.bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match line.iter().position(|byte| *byte == b':') {
            Some(colon) if place % 100 == 99 => {
                out.extend_from_slice(&line[..colon]);
                out.extend_from_slice(&line[colon + 1..]);
            }
            _ => out.extend_from_slice(line),
        }
    }
    Text {
        bytes: out.into(),
        records: good.records,
    }
}

/// The stream of an object that holds these bytes.
pub(crate) fn stream(stored: &Arc<[u8]>) -> Inflate {
    Inflate::new(Cursor::new(Arc::clone(stored))).expect("the first bytes can be read")
}

/// The blocks of a text of good records, each with its bytes.
pub(crate) fn blocks(text: &Text) -> Vec<Vec<u8>> {
    let mut blocks = Blocks::new(stream(&text.bytes), LIMITS);
    let mut all = Vec::new();
    while let Some(block) = blocks.next(Vec::new()).expect("memory can be read") {
        let Block::Bytes { bytes, .. } = block else {
            panic!("a block of something else than records")
        };
        all.push(bytes);
    }
    all
}

/// The rows of each block.
pub(crate) fn rows(plan: &RecordPlan, text: &Text) -> Vec<BlockRows> {
    let context = SourceContext::new(plan, "corpus", ARRIVAL_S);
    let mut reader = Reader::default();
    let read = |block: Vec<u8>| {
        let mut rows = BlockRows::new(plan);
        reader.read(plan, &context, &block, &mut rows);
        assert!(rows.rejected.is_empty(), "{:?}", rows.rejected);
        rows
    };
    blocks(text).into_iter().map(read).collect()
}
