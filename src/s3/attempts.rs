//! What every attempt of every request passes through, below the SDK's own retries.
//!
//! ```text
//! SDK ──attempt──> Paced: slot of the pace ──> body watched ──> connection ──> answer, its body watched ──> SDK
//!  ^                                                              │ told to pace and retries
//!  └──── another attempt ──── Judge: worth it? a token left? <────┘
//! ```

use std::time::Duration;

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::interceptors::InterceptorContext;
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::config::{ConfigBag, HttpClient, RuntimeComponents, RuntimeComponentsBuilder, SharedHttpClient};
use aws_sdk_s3::error::{BoxError, ConnectorError};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat, SdkBody};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::retries::classifiers::RetryClassifierPriority;

use super::document::{self, Document};
use super::pace::Pace;
use super::patience::{Coming, Going, Patience};
use super::renewal::Renewal;
use super::retries::Retries;

/// A client of HTTP whose requests keep to the pace of the process.
#[derive(Clone, Debug)]
pub(super) struct Paced<C> {
    pub(super) inner: C,
    pub(super) pace: Pace,
    pub(super) retries: Retries,
    pub(super) patience: Patience,
}

impl HttpClient for Paced<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let Self {
            inner,
            pace,
            retries,
            patience,
        } = self;
        SharedHttpConnector::new(Paced {
            inner: inner.http_connector(settings, components),
            pace: pace.clone(),
            retries: retries.clone(),
            patience: *patience,
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        HttpClient::validate_base_client_config(&self.inner, components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        HttpClient::validate_final_config(&self.inner, components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

impl HttpConnector for Paced<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let paced = self.clone();
        HttpConnectorFuture::new(async move {
            let is_document = document::is_asked_for(&request);
            let slot = paced.pace.enter().await;
            let answer = paced.send(request).await;
            drop(slot);
            let mut answer = answer?;
            paced.hear(&answer);
            let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
            let coming = Coming::new(body, paced.patience);
            *answer.body_mut() = match is_document && answer.status().is_success() {
                true => SdkBody::from_body_1_x(Document::new(coming)),
                false => SdkBody::from_body_1_x(coming),
            };
            Ok(answer)
        })
    }
}

impl Paced<SharedHttpConnector> {
    /// Sends a request, and gives it up where its body gets stuck.
    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        if request.body().content_length() == Some(0) {
            return self.inner.call(request).await;
        }
        let body = std::mem::replace(request.body_mut(), SdkBody::taken());
        let (body, taken) = Going::new(body);
        *request.body_mut() = SdkBody::from_body_1_x(body);
        tokio::select! {
            answer = self.inner.call(request) => answer,
            stalled = taken.stalls(self.patience.stall) => Err(ConnectorError::timeout(stalled.into())),
        }
    }

    fn hear(&self, answer: &HttpResponse) {
        match answer.status().as_u16() {
            429 | 503 => self.pace.refused(retry_after(answer)),
            500.. => {}
            _ => {
                self.pace.answered();
                self.retries.answered();
            }
        }
    }
}

/// How long an answer asks to be left alone: in seconds, or until a time by the clock that also says what it is now.
fn retry_after(answer: &HttpResponse) -> Option<Duration> {
    let date = |name| DateTime::from_str(answer.headers().get(name)?, DateTimeFormat::HttpDate).ok();
    let text = answer.headers().get("retry-after")?;
    let seconds = text.trim().parse().ok().or_else(|| {
        let wait = date("retry-after")?.secs().checked_sub(date("date")?.secs())?;
        u64::try_from(wait).ok()
    });
    seconds.map(Duration::from_secs)
}

/// Has the last word on whether a request is tried again.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) retries: Retries,
    pub(super) renewal: Renewal,
}

impl ClassifyRetry for Judge {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        self.classify_retry_v2(context, &RetryAction::NoActionIndicated)
    }

    fn classify_retry_v2(&self, context: &InterceptorContext, so_far: &RetryAction) -> RetryAction {
        if !context.is_failed() {
            return RetryAction::NoActionIndicated;
        }
        let found = match context.response().map(|answer| (answer.status().as_u16(), answer)) {
            // Not by every name is it known to the SDK.
            Some((429, _)) if !so_far.should_retry() => RetryAction::throttling_error(),
            Some((400, answer)) if says(answer, &CHANGED_ON_THE_WAY) => RetryAction::transient_error(),
            Some((status, answer)) if has_expired(status, answer) && self.renewal.renew() => {
                RetryAction::server_error()
            }
            _ => RetryAction::NoActionIndicated,
        };
        let is_worth_it = found.should_retry() || so_far.should_retry();
        if is_worth_it && !self.retries.draw() {
            return RetryAction::RetryForbidden;
        }
        found
    }

    fn name(&self) -> &'static str {
        "Judge"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

/// What S3 says where it did not get the bytes that were sent.
const CHANGED_ON_THE_WAY: [&str; 3] = ["BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"];

/// Whether S3 refuses credentials that were good once. It says so in a body, which answers to HEAD have not: there, 400 is
/// all it says.
fn has_expired(status: u16, answer: &HttpResponse) -> bool {
    says(
        answer,
        &["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"],
    ) || (status == 400 && answer.body().bytes().is_some_and(<[u8]>::is_empty))
}

/// Whether an answer names one of these errors.
fn says(answer: &HttpResponse, codes: &[&str]) -> bool {
    let body = answer.body().bytes().unwrap_or_default();
    let named = |code: &&str| memchr::memmem::find(body, format!("<Code>{code}</Code>").as_bytes()).is_some();
    codes.iter().any(named)
}
