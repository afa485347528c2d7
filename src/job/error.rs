//! What can stand between a job and its lake.

use crate::store::{LakeKey, StoreError};

use super::identity::JobId;

/// The lake could not be read, or must not be written. Nothing is half done that a later run would not finish.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The store gave no answer. Whether a write took effect is not known; a later run finds out.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lake's records contradict each other.
    #[error(
        "the lake is damaged: {what}; bring back what is missing below `_lakebed/` from a backup, delete nothing there"
    )]
    Damaged {
        /// What is missing or wrong.
        what: String,
    },
    /// A file is there with other bytes than its job made.
    #[error("{key} is there with other content than job {job} made; it was not touched, so move it away and run again")]
    Unlike {
        /// The file.
        key: LakeKey,
        /// The job it is named after.
        job: JobId,
    },
    /// A record of the lake that this release does not know.
    #[error("{key} has version {found}, and this release of lakebed knows {known}: use a newer release")]
    Newer {
        /// The record.
        key: LakeKey,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// A record of the lake that is not the JSON it should be.
    #[error("read {key} as JSON")]
    Malformed {
        /// The record.
        key: LakeKey,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
    /// A folder of data that lakebed did not write.
    #[error(
        "{table}/ has files, and there is no _lakebed/lake.json: this folder was not written by lakebed. \
         Give an empty lake, or name the table otherwise"
    )]
    NotALake {
        /// The table whose folder it is.
        table: String,
    },
    /// A table that cannot take these columns or this layout.
    #[error("table {table}: {why}. Keep it as it was, or give the table a new name")]
    Table {
        /// The table.
        table: String,
        /// What has changed.
        why: String,
    },
    /// A prepared job that contradicts itself. Nothing of it was written.
    #[error("job {job} is not sound: {why}")]
    Unsound {
        /// The job.
        job: JobId,
        /// What does not fit.
        why: String,
    },
    /// Others were quicker every time.
    #[error("lost the sources to other jobs {rounds} times in a row; run again when fewer run at once")]
    Contended {
        /// Attempts made.
        rounds: u32,
    },
}

impl LakeError {
    /// Whether a later attempt may succeed without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Contended { .. } => true,
            Self::Damaged { .. }
            | Self::Unlike { .. }
            | Self::Newer { .. }
            | Self::Malformed { .. }
            | Self::NotALake { .. }
            | Self::Table { .. }
            | Self::Unsound { .. } => false,
        }
    }
}
