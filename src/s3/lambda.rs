//! What the SDK reads of its surroundings where these are Lambda's: environment variables. Credentials of profiles, roles and
//! metadata services are not looked for, and what would look for them is not linked.

use std::env;

use aws_config::SdkConfig;
use aws_config::default_provider::retry_config;
use aws_config::default_provider::use_dual_stack::use_dual_stack_provider;
use aws_config::default_provider::use_fips::use_fips_provider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::region::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::{REGION_DEFAULT, behaviour};

const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// Variables, looked up as all SDKs do: of a service by its own name first.
#[derive(Debug)]
struct Variables;

impl LoadServiceConfig for Variables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        if key.env() == ENDPOINT && variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|yes| yes == "true") {
            return None;
        }
        let service = key.service_id().to_ascii_uppercase().replace(' ', "_");
        variable(&format!("{}_{service}", key.env())).or_else(|| variable(key.env()))
    }
}

/// The environment's credentials, region, endpoint, retries, and which endpoints of S3 are meant.
pub(super) async fn config(http: SharedHttpClient) -> SdkConfig {
    let conf = ProviderConfig::without_region();
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let retries = retry_config::default_provider().configure(&conf).retry_config().await;
    let mut sdk = SdkConfig::builder()
        .behavior_version(behaviour())
        .http_client(http)
        .region(region.map_or(Region::from_static(REGION_DEFAULT), Region::new))
        .credentials_provider(SharedCredentialsProvider::new(
            EnvironmentVariableCredentialsProvider::new(),
        ))
        .retry_config(retries)
        .service_config(Variables);
    sdk.set_use_fips(use_fips_provider(&conf).await);
    sdk.set_use_dual_stack(use_dual_stack_provider(&conf).await);
    sdk.build()
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}
