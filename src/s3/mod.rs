//! How S3 is reached, for raw objects and lakes alike: one client, its timeouts and retries, and what its errors mean.
//!
//! ```text
//! environment, profile, role ──> S3 ──> requests, each tried up to five times ──pace, patience──> S3 itself
//!                                ├──> retries: one store of tokens for whoever asks again
//!                                └──> Refusal: what was refused, why, and what to do about it
//! ```
//!
//! Everything that the AWS SDKs share is honoured: credentials, `AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`,
//! `AWS_ENDPOINT_URL_S3`, `AWS_MAX_ATTEMPTS` and what profiles say of the same. Bodies of answers are the caller's to
//! count: the client tries requests again, not bodies that break off.

mod attempts;
mod dated;
mod document;
mod error;
mod key;
mod lambda;
mod location;
mod pace;
mod patience;
mod renewal;
mod retries;

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::{self, StalledStreamProtectionConfig};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::ServiceConfigKey;

pub(crate) use dated::Dated;
pub use error::{Action, Refusal};
pub use key::{KeyError, decode_key};
pub use location::{LocationError, S3Location};
pub use patience::Patience;
pub(crate) use retries::Retries;

use attempts::{Judge, Paced};
use pace::Pace;
use renewal::Renewal;

/// What S3 tools take where nothing names a region. S3 names the right one when it refuses.
const REGION_DEFAULT: &str = "us-east-1";
/// Attempts of one request. Three, the SDK's own default, end too soon for an S3 that answers 503 while it scales.
const ATTEMPTS: u32 = 5;

/// How S3 is reached. Cloning gives another handle of the same client, with its connections, its pace and its retries.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    patience: Patience,
    retries: Retries,
    expected_owner: Option<String>,
    endpoint: Option<String>,
}

impl S3 {
    /// From the SDK's own environment. `expected_owner` is an account: buckets of others are refused.
    ///
    /// Sends no request to S3: what is wrong with credentials or endpoint is seen by the first request.
    pub async fn connect(expected_owner: Option<String>) -> Self {
        let mut sdk = loader().load().await;
        if sdk.region().is_none() {
            // Loaded again, not set afterwards: roles are assumed in a region too.
            sdk = loader().region(Region::from_static(REGION_DEFAULT)).load().await;
        }
        Self::from_sdk(&sdk, expected_owner)
    }

    /// The same in Lambda: environment variables alone. What looks for credentials elsewhere is not linked then.
    pub async fn in_lambda(expected_owner: Option<String>) -> Self {
        Self::from_sdk(&lambda::config(https()).await, expected_owner)
    }

    fn from_sdk(sdk: &SdkConfig, expected_owner: Option<String>) -> Self {
        let endpoint =
            setting(sdk, "AWS_ENDPOINT_URL", "endpoint_url").or_else(|| sdk.endpoint_url().map(str::to_owned));
        let mut retries = sdk.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        if setting(sdk, "AWS_MAX_ATTEMPTS", "max_attempts").is_none() {
            retries = retries.with_max_attempts(ATTEMPTS);
        }
        let patience = Patience::default();
        let settings = config::Builder::from(sdk)
            // Other stores rarely have a name for each bucket; `bucket.localhost` has none either.
            .force_path_style(endpoint.is_some())
            .retry_config(retries)
            .timeout_config(patience.timeouts(patience.answer));
        Self {
            expected_owner,
            endpoint,
            ..Self::over(settings.build(), patience)
        }
    }

    /// Over a client that was made elsewhere, in a test. Its own limits of time stay.
    pub fn with_client(client: Client, expected_owner: Option<String>) -> Self {
        Self {
            expected_owner,
            ..Self::over(client.config().clone(), Patience::default())
        }
    }

    /// The same with other limits.
    pub fn with_patience(client: Client, expected_owner: Option<String>, patience: Patience) -> Self {
        let settings = client.config().to_builder();
        let settings = settings.timeout_config(patience.timeouts(patience.answer));
        Self {
            expected_owner,
            ..Self::over(settings.build(), patience)
        }
    }

    /// Over this client of the SDK, every attempt of whose requests is paced, watched and counted.
    fn over(settings: config::Config, patience: Patience) -> Self {
        let (retries, renewal) = (Retries::default(), Renewal::default());
        let mut paced = settings.to_builder();
        if let Some(inner) = settings.http_client() {
            paced = paced.http_client(Paced {
                inner,
                pace: Pace::default(),
                retries: retries.clone(),
                patience,
            });
        }
        // Those of the SDK are shared by its requests alone.
        let of_the_sdk = RetryPartition::custom("lakebed").token_bucket(TokenBucket::unlimited());
        let paced = paced
            .retry_partition(of_the_sdk.build())
            .retry_classifier(Judge {
                retries: retries.clone(),
                renewal: renewal.clone(),
            })
            .identity_cache(renewal)
            // It counts the time in which a body is not asked for, and that in which a request waits its turn.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Self {
            client: Client::from_conf(paced.build()),
            patience,
            retries,
            expected_owner: None,
            endpoint: None,
        }
    }

    /// The client that every request goes through.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The account that buckets have to belong to, for `set_expected_bucket_owner` of every request.
    pub fn expected_owner(&self) -> Option<String> {
        self.expected_owner.clone()
    }

    /// For `config_override` of requests with large bodies: the time until their answer begins holds the sending.
    ///
    /// One longer timeout for all of them: connections are kept apart by it.
    pub fn patient(&self) -> config::Builder {
        config::Builder::new().timeout_config(self.patience.timeouts(self.patience.large_answer))
    }

    /// How long it is waited for.
    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// What may be asked again.
    pub(crate) fn retries(&self) -> &Retries {
        &self.retries
    }
}

fn loader() -> ConfigLoader {
    aws_config::defaults(behaviour()).http_client(https())
}

fn behaviour() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn https() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// A setting as the S3 client would look it up: for S3 alone, then for all services; environment, then profile.
fn setting(sdk: &SdkConfig, env: &str, profile: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("S3").env(env).profile(profile);
    sdk.service_config()?
        .load_config(key.build().expect("all three are given"))
}
