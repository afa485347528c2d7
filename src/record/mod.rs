//! A record becomes a row of its table, or is rejected with the reason.
//!
//! ```text
//! bytes ─> tape (what is where) ─> route (which table) ─> time (which hour) ─> coerce (its columns) ─> a row
//!             └─ no record ─┐          └─ no table ─┐       └─ no time ─┐       └─ does not fit ─┐
//!                           └──────────────────────────> Rejected <─────────────────────────────┘
//! ```
//!
//! A table may have a `transform` behind the route: what it gives takes the record's place, from the tape on.
//!
//! Works on a block of bytes that begins and ends between records, knows nothing of where it came from, does no I/O.

mod coerce;
pub mod column;
pub mod judge;
pub mod keys;
pub mod names;
pub mod number;
mod plan;
mod reader;
mod route;
mod rows;
pub mod tape;
pub mod text;
pub mod time;
pub mod transform;
mod transformed;
mod unknown;
mod wrapped;

pub(crate) use reader::explain;
pub use reader::{Reader, SourceContext};
pub(crate) use rows::add_unknown;
pub use rows::{BlockBytes, BlockRows, Rejected, TableRows, TableTally};

use std::sync::Arc;

use crate::source::frame::FrameLimits;
use crate::table::Tables;
use keys::KeyBook;
use plan::TablePlan;
use route::Router;

/// Most memory that the rows of one block may take where its records are as short as can be.
const BLOCK_ROWS_BYTES: usize = 32 << 20;
/// Blocks are no smaller, however wide their tables.
const BLOCK_BYTES_MIN: usize = 16 << 10;
/// A record with no more than an event time: `{"t":1}` and a newline.
const RECORD_BYTES_MIN: usize = 8;
/// An element of a list: `1,`.
const ELEMENT_BYTES_MIN: usize = 2;
/// How much more than its longest text a record's elements of lists and maps may take in columns.
const ELEMENTS_OF_RECORD_MAX: u64 = 4;

/// All that records are read by: the tables, prepared, and the limits of a record.
pub struct RecordPlan {
    tables: Tables,
    plans: Vec<TablePlan>,
    keys: Arc<KeyBook>,
    limits: FrameLimits,
    unwraps: bool,
}

impl RecordPlan {
    /// Prepares the tables.
    pub fn new(tables: Tables, limits: FrameLimits) -> Self {
        let mut plans: Vec<TablePlan> = tables.iter().map(TablePlan::new).collect();
        let mut keys = KeyBook::default();
        plans
            .iter_mut()
            .for_each(|plan| plan.each_names(&mut |names| names.enter(&mut keys)));
        Router::any(&tables).each_names(&mut |names| names.enter(&mut keys));
        plans
            .iter_mut()
            .for_each(|plan| plan.each_names(&mut |names| names.number(&keys)));
        Self {
            tables,
            plans,
            keys: Arc::new(keys),
            limits,
            unwraps: false,
        }
    }

    /// The same for error records: what is read is the records in their `rawData`, and not the error records.
    #[must_use]
    pub fn unwrapping(self) -> Self {
        Self { unwraps: true, ..self }
    }

    /// The tables; their places here are the places of their rows in [`BlockRows::tables`].
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Bytes of a block of which the rows take a bounded amount of memory, whatever its records are: the shortest of them
    /// still makes a row of all columns, and what a transform makes of it several.
    pub fn block_bytes(&self) -> usize {
        let rows = |plan: &TablePlan| BLOCK_ROWS_BYTES * RECORD_BYTES_MIN / plan.row_bytes.max(1) as usize;
        let elements = |plan: &TablePlan| BLOCK_ROWS_BYTES * ELEMENT_BYTES_MIN / plan.element_bytes.max(1) as usize;
        let each = self.plans.iter().map(|plan| {
            let bytes = rows(plan).min(elements(plan)).max(BLOCK_BYTES_MIN);
            match plan.transform {
                Some(_) => {
                    transform::block_bytes(BLOCK_ROWS_BYTES, plan.row_bytes as usize, RECORD_BYTES_MIN).min(bytes)
                }
                None => bytes,
            }
        });
        each.min().unwrap_or(BLOCK_ROWS_BYTES)
    }

    /// Bytes that the elements of a record's lists and maps may take in columns.
    fn elements_max(&self) -> u64 {
        self.limits.record_bytes_max.saturating_mul(ELEMENTS_OF_RECORD_MAX)
    }

    /// The limits of a record.
    pub fn limits(&self) -> FrameLimits {
        self.limits
    }
}
