//! What time it is by the clock of S3: every answer says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

/// The `Date` of the last answer to a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dated(Arc<Mutex<Option<i64>>>);

impl Dated {
    /// The same as a time.
    pub(crate) fn time(&self) -> Option<SystemTime> {
        let seconds = u64::try_from(self.seconds()?).ok()?;
        Some(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// In seconds since 1970; nothing where the store tells none.
    pub(crate) fn seconds(&self) -> Option<i64> {
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
