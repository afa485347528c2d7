//! A lake in the S3 of the test process.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use bytes::Bytes;
use lakebed::s3::S3;
use lakebed::store::{Body, LakeKey, Part, S3Store, Store, StoreError, UploadId};

use super::s3::{Effect, Fault, Model, Server};

/// A lake at `s3://lake/p/`, whose bucket takes conditional puts only.
pub(crate) struct S3Lake {
    pub(crate) server: Server,
    pub(crate) store: S3Store,
}

impl S3Lake {
    pub(crate) fn new() -> Self {
        let mut model = Model::default();
        model.create_bucket("lake").conditional_only = true;
        model.min_part_bytes = 1;
        Self::over(model)
    }

    pub(crate) fn over(model: Model) -> Self {
        let server = Server::start(model);
        let retries = RetryConfig::standard()
            .with_max_attempts(5)
            .with_initial_backoff(Duration::from_millis(1));
        let client = Client::from_conf(server.config().retry_config(retries).build());
        let store = store(client, None);
        Self { server, store }
    }

    pub(crate) fn inject(&self, operation: &'static str, effect: Effect, first: u64) {
        self.server.inject(Fault::on(operation, effect).first(first));
    }

    pub(crate) fn stored(&self, key: &str) -> Option<String> {
        let bytes = self.server.model().bytes("lake", &format!("p/{key}"))?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    pub(crate) async fn uploaded(&self, key: &LakeKey, texts: &[&str]) -> (UploadId, Vec<Part>) {
        let id = self.store.start_upload(key).await.unwrap();
        let mut parts = Vec::new();
        for (text, number) in texts.iter().zip(1..) {
            parts.push(self.store.upload_part(key, &id, number, 0, body(text)).await.unwrap());
        }
        (id, parts)
    }
}

pub(crate) fn store(client: Client, expected_owner: Option<&str>) -> S3Store {
    let location = "s3://lake/p".parse().unwrap();
    S3Store::new(S3::with_client(client, expected_owner.map(str::to_owned)), &location)
}

pub(crate) fn body(text: &str) -> Body {
    Bytes::copy_from_slice(text.as_bytes()).into()
}

pub(crate) fn spooled(bytes: &[u8]) -> Arc<std::fs::File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

/// An error as a person reads it: all of its chain.
pub(crate) fn told(error: &StoreError) -> String {
    let causes = std::iter::successors(Some(error as &dyn Error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Copies what lies below a prefix of the bucket `lake` to a folder.
pub(crate) fn download(server: &Server, prefix: &str, folder: &Path) {
    let model = server.model();
    for key in model.keys("lake") {
        let Some(below) = key.strip_prefix(prefix) else {
            continue;
        };
        let path = folder.join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, model.bytes("lake", &key).unwrap()).unwrap();
    }
}
