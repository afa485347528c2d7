//! What an object is, once no later one can be mistaken for it.
//!
//! Last-Modified counts whole seconds. An object that is replaced, and put back within the same second, looks as if nothing
//! had happened; from two seconds on, by the clock of the store, whatever comes later has another time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

use super::S3Objects;
use crate::job::identity::{SourceName, Version};
use crate::store::StoreError;

/// An object is settled at this age.
const SETTLED_S: u64 = 2;
/// Looks at an object that is replaced all the time.
const LOOKS_MAX: u32 = 15;

/// The `Date` of the last answer to a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Dated(Arc<Mutex<Option<i64>>>);

impl Dated {
    /// In seconds since 1970; nothing where the store tells none.
    fn seconds(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Dated {
    fn name(&self) -> &'static str {
        "Dated"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date.map(|date| date.secs());
        Ok(())
    }
}

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
