//! What an object is, once no later one can be mistaken for it.
//!
//! Last-Modified counts whole seconds. An object that is replaced, and put back within the same second, looks as if nothing
//! had happened; from two seconds on, by the clock of the store, whatever comes later has another time.

use std::time::Duration;

use super::S3Objects;
use crate::job::identity::{SourceName, Version};
use crate::s3::Dated;
use crate::store::StoreError;

/// An object is settled at this age.
const SETTLED_S: u64 = 2;
/// Looks at an object that is replaced all the time.
const LOOKS_MAX: u32 = 15;

impl S3Objects {
    /// The version of an object that is at least two seconds old, or nothing. A younger one is waited for; so is one whose
    /// age the store does not tell: what has not changed for two seconds is two seconds old.
    pub(super) async fn settled(&self, name: &SourceName) -> Result<Option<Version>, StoreError> {
        let mut waited_for = None;
        for _ in 0..LOOKS_MAX {
            let dated = Dated::default();
            let Some(now) = self.head(name, Some(dated.clone())).await? else {
                return Ok(None);
            };
            let is_old = |date: i64| date.saturating_sub(now.last_modified_s) >= SETTLED_S as i64;
            if dated.seconds().is_some_and(is_old) || waited_for.as_ref() == Some(&now) {
                return Ok(Some(now));
            }
            waited_for = Some(now);
            tokio::time::sleep(Duration::from_secs(SETTLED_S)).await;
        }
        // Not transient: a job that has other sources to load does without it.
        let why = "it is replaced again and again; it is loaded when it stays as it is for two seconds";
        Err(StoreError::new("read", name, false, why))
    }
}
