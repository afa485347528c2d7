//! Credentials that S3 calls expired are looked for anew, once for all requests that hear of it.
//!
//! The client keeps credentials until they say that they end. Where they end sooner, because a role was revoked or a clock is
//! wrong, every request would fail until then.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::{ConfigBag, IdentityCache, ResolveCachedIdentity, RuntimeComponents, SharedIdentityCache};
use aws_smithy_runtime_api::client::identity::{IdentityFuture, SharedIdentityResolver};
use tokio::time::Instant;

/// What was signed before credentials were renewed is answered within this time.
const RENEWED_FOR: Duration = Duration::from_secs(20);

/// The client's cache of credentials, which can be thrown away. Cloning gives another handle of it.
#[derive(Clone, Debug)]
pub(super) struct Renewal(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    cache: SharedIdentityCache,
    /// Whether the credentials in use are of a kind that ends, so that others may follow.
    ends: bool,
    renewed: Option<Instant>,
}

impl Default for Renewal {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            cache: IdentityCache::lazy().build(),
            ends: false,
            renewed: None,
        })))
    }
}

impl Renewal {
    /// The credentials in use have expired. Whether other ones may be had: those that are set by hand stay as they are.
    pub(super) fn renew(&self) -> bool {
        let mut state = self.state();
        let is_new = state.renewed.is_some_and(|renewed| renewed.elapsed() < RENEWED_FOR);
        if state.ends && !is_new {
            (state.cache, state.renewed) = (IdentityCache::lazy().build(), Some(Instant::now()));
        }
        state.ends
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolveCachedIdentity for Renewal {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        config: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let cache = self.state().cache.clone();
        IdentityFuture::new(async move {
            let identity = cache.resolve_cached_identity(resolver, components, config).await?;
            self.state().ends = identity.expiration().is_some();
            Ok(identity)
        })
    }
}
