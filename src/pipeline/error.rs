//! Why a job could not be staged.

use std::error::Error;
use std::io;

use crate::job::LakeError;
use crate::job::identity::JobId;
use crate::partition::buckets::BucketError;
use crate::source::raw::ReadError;
use crate::store::{LakeKey, StoreError};

/// A job could not be staged. Nothing of it is in the lake.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A source could not be read.
    #[error("read {name}")]
    Read {
        /// Its name.
        name: String,
        /// Why.
        source: ReadError,
    },
    /// Rows could not be gathered or encoded.
    #[error(transparent)]
    Rows(#[from] BucketError),
    /// A large file could not be staged in the lake.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Small files could not be kept.
    #[error("write small files to the spill folder; give LAKEBED_SPILL_DIR more room")]
    Spool(#[source] io::Error),
    /// The job that is replaced has been replaced by another one meanwhile, and its files are gone: look again.
    #[error("job {job} was replaced while its rows were copied; what is loaded now is to be looked at again")]
    Moved {
        /// The job that was to be replaced.
        job: JobId,
    },
    /// What the replaced job left is not what it should be.
    #[error(
        "the lake is damaged: {what}; run `lakebed verify` to see all that is wrong, and bring it back from a backup"
    )]
    Damaged {
        /// What is missing or wrong.
        what: String,
    },
    /// The lake does not say whether the replaced job still counts.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// Rows or entries of a file could not be copied.
    #[error("copy what {key} holds")]
    Copy {
        /// The file of the replaced job.
        key: LakeKey,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The user stopped the run.
    #[error("stopped before it was published")]
    Stopped,
    /// The counts do not add up, or something else that must not happen.
    #[error("{0}; nothing is published (this is a fault in lakebed, please report it)")]
    Fault(String),
}

impl StageError {
    /// Whether a later attempt may succeed without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Read { source, .. } => source.is_transient(),
            Self::Stopped | Self::Moved { .. } => true,
            Self::Store(error) => error.is_transient(),
            Self::Lake(error) => error.is_transient(),
            Self::Rows(_) | Self::Spool(_) | Self::Damaged { .. } | Self::Copy { .. } | Self::Fault(_) => false,
        }
    }
}
