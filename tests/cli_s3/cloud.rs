//! A sandbox with an S3 beside it.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use crate::lake::Lake;
use crate::sandbox::{MODIFIED_S, Ran, Run as _, Sandbox};
use crate::support::s3::{Model, Server};
use crate::support::s3_lake::download;

/// Schemas and local files in a folder, and an S3 with the buckets `raw` and `lake`.
pub(crate) struct Cloud {
    pub(crate) server: Server,
    sandbox: Sandbox,
}

impl Deref for Cloud {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Cloud {
    pub(crate) fn new() -> Self {
        Self::over(Model::at(UNIX_EPOCH + Duration::from_secs(MODIFIED_S)))
    }

    /// With a clock of its own.
    pub(crate) fn over(mut model: Model) -> Self {
        model.create_bucket("raw");
        // As a policy may demand.
        model.create_bucket("lake").conditional_only = true;
        let server = Server::start(model);
        let sandbox = Sandbox::new();
        Self { server, sandbox }
    }

    /// Puts an object into the bucket `raw`.
    pub(crate) fn seed(&self, key: &str, bytes: impl AsRef<[u8]>) {
        self.server.model().seed("raw", key, bytes.as_ref().to_vec());
    }

    /// A command line, split at white space, that knows how this S3 is reached and nothing else of AWS.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = self.without_credentials(line);
        command.envs(self.server.environment());
        command
    }

    /// The same with nothing of AWS in its environment.
    pub(crate) fn without_credentials(&self, line: &str) -> Command {
        let mut command = self.sandbox.command(line);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", self.path(""))
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        self.command(line).run()
    }

    /// The operations that reached S3 so far, and those alone that change something.
    pub(crate) fn writes(&self) -> Vec<String> {
        let log = self.server.log();
        let writes = log.iter().filter(|entry| {
            !["GetObject", "HeadObject", "ListObjectsV2", "ListMultipartUploads"].contains(&entry.operation)
        });
        writes.map(ToString::to_string).collect()
    }

    /// The ids of all rows, sorted, of a lake that is sound as a whole: a folder, or a place in the bucket `lake`.
    #[track_caller]
    pub(crate) fn ids(&self, lake: &str) -> Vec<u64> {
        self.with_lake(lake, |lake| lake.prove().ids())
    }

    /// Looks at a lake: a folder, or a place in the bucket `lake`.
    #[track_caller]
    pub(crate) fn with_lake<T>(&self, lake: &str, look: impl FnOnce(&Lake) -> T) -> T {
        let Some(prefix) = lake.strip_prefix("s3://lake") else {
            return look(&self.sandbox.lake(lake));
        };
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        let folder = tempfile::tempdir().unwrap();
        let root: &Path = folder.path();
        download(&self.server, &prefix, &root.join("lake"));
        look(&Lake::at(root.join("lake")))
    }
}
