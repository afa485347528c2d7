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

pub(crate) use reader::explain;
pub use reader::{Reader, SourceContext};
pub use rows::{BlockBytes, BlockRows, Rejected, TableRows, TableTally};

use crate::source::frame::FrameLimits;
use crate::table::Tables;
use plan::TablePlan;

/// All that records are read by: the tables, prepared, and the limits of a record.
pub struct RecordPlan {
    tables: Tables,
    plans: Vec<TablePlan>,
    limits: FrameLimits,
}

impl RecordPlan {
    /// Prepares the tables.
    pub fn new(tables: Tables, limits: FrameLimits) -> Self {
        let plans = tables.iter().map(TablePlan::new).collect();
        Self { tables, plans, limits }
    }

    /// The tables; their places here are the places of their rows in [`BlockRows::tables`].
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The limits of a record.
    pub fn limits(&self) -> FrameLimits {
        self.limits
    }
}
