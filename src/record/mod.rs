//! A record becomes a row of its table, or is rejected with the reason.
//!
//! ```text
//! bytes ─> tape (what is where) ─> route (which table) ─> time (which hour) ─> coerce (its columns) ─> a row
//!             └─ no record ─┐          └─ no table ─┐       └─ no time ─┐       └─ does not fit ─┐
//!                           └──────────────────────────> Rejected <─────────────────────────────┘
//! ```
//!
//! Works on a block of bytes that begins and ends between records, knows nothing of where it came from, does no I/O.

mod coerce;
pub mod column;
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
    /// still makes a row of all columns.
    pub fn block_bytes(&self) -> usize {
        let rows = |plan: &TablePlan| BLOCK_ROWS_BYTES * RECORD_BYTES_MIN / plan.row_bytes.max(1) as usize;
        let elements = |plan: &TablePlan| BLOCK_ROWS_BYTES * ELEMENT_BYTES_MIN / plan.element_bytes.max(1) as usize;
        let each = self.plans.iter().map(|plan| rows(plan).min(elements(plan)));
        each.min().unwrap_or(BLOCK_ROWS_BYTES).max(16 << 10)
    }

    /// The limits of a record.
    pub fn limits(&self) -> FrameLimits {
        self.limits
    }
}
