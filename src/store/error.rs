//! A request to the store that got no answer.

use std::error::Error;
use std::io;

/// What was asked of the store, and why there is no answer. Says nothing about whether a write took effect.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {what}")]
pub struct StoreError {
    doing: &'static str,
    what: String,
    transient: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// `doing` is a verb, `what` a key or path; `transient`: a later attempt may succeed.
    pub fn new(
        doing: &'static str,
        what: impl ToString,
        transient: bool,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            doing,
            what: what.to_string(),
            transient,
            source: source.into(),
        }
    }

    /// The same from an operation on files.
    pub fn io(doing: &'static str, what: impl ToString, source: io::Error) -> Self {
        use io::ErrorKind::{Interrupted, ResourceBusy, StaleNetworkFileHandle, TimedOut};
        let transient = matches!(
            source.kind(),
            Interrupted | ResourceBusy | StaleNetworkFileHandle | TimedOut
        );
        Self::new(doing, what, transient, source)
    }

    /// Whether a later attempt may succeed.
    pub fn is_transient(&self) -> bool {
        self.transient
    }
}
