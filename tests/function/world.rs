//! Buckets `raw` and `lake` on a server, functions that load from one to the other, and the lake as it stands.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::ops::{Deref, Range};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use bytes::Bytes;
use lakebed::engine::{Engine, EngineConfig};
use lakebed::function::{Function, Handled, StartError};
use lakebed::load::RunOptions;
use lakebed::pipeline::Progress;
use lakebed::place::Place;
use lakebed::report::Summary;
use lakebed::s3::S3;
use lakebed::settings::{Flags, Settings};
use lakebed::source::listing::{Selection, pack};
use lakebed::table::Tables;
use serde_json::Value;
use tempfile::TempDir;

use crate::lake::Lake;
use crate::support::s3::{At, Condition, Entry, Headers, Model, OWNER, Payload, Server};

/// One table by `kind`, one for the rest, with `id` to tell rows by.
const EVENT_YAML: &str = "\
table: event
event_time: { field: at, max_past: none }
columns:
  id: bigint
  at: timestamp
  text: string
";
const CLICK_YAML: &str = "\
table: click
route: { kind: click }
event_time: { field: at, max_past: none }
columns:
  id: bigint
  at: timestamp
layout: day/hour
";

/// The schema files.
pub(crate) const SCHEMAS: [(&str, &str); 2] = [("event.yaml", EVENT_YAML), ("click.yaml", CLICK_YAML)];

/// What a function has in its environment, unless a test says otherwise.
pub(crate) const ENVIRONMENT: [(&str, &str); 4] = [
    ("LAKEBED_LAKE", "s3://lake/p"),
    ("LAKEBED_RAW", "s3://raw/in"),
    ("LAKEBED_EXPECTED_OWNER", OWNER),
    ("LAKEBED_PARTIAL_BATCH", "1"),
];

/// 2024-05-01T12:00:00Z
fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_714_564_800)
}

/// The server. Time stands still at noon, and the lake's bucket takes conditional puts only.
pub(crate) struct World {
    pub(crate) server: Arc<Server>,
}

/// A lake copied from its bucket.
pub(crate) struct Copied {
    _folder: TempDir,
    lake: Lake,
}

impl Deref for Copied {
    type Target = Lake;

    fn deref(&self) -> &Lake {
        &self.lake
    }
}

pub(crate) fn tables() -> Tables {
    let files = SCHEMAS.map(|(name, text)| (name.to_owned(), text.to_owned()));
    Tables::from_sources(files.to_vec()).unwrap()
}

pub(crate) fn settings(more: &[(&str, &str)]) -> Settings {
    let environment = ENVIRONMENT.iter().chain(more);
    let environment = environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::read(&Flags::new(), &Flags::new(), environment, None).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        let mut model = Model::at(noon());
        model.create_bucket("raw");
        model.create_bucket("lake").conditional_only = true;
        let server = Arc::new(Server::start(model));
        Self { server }
    }

    /// Puts a raw object.
    pub(crate) fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.server.model().seed("raw", key, bytes);
    }

    /// Puts a raw object with a `Content-Encoding`.
    pub(crate) fn put_encoded(&self, key: &str, bytes: impl Into<Bytes>, encoding: &str) {
        let headers = Headers {
            content_encoding: Some(encoding.to_owned()),
            ..Headers::default()
        };
        let put = (Payload::new(bytes), headers, &Condition::None);
        self.server
            .model()
            .put(At::new("raw", key), put.0, put.1, put.2)
            .unwrap();
    }

    pub(crate) fn delete(&self, key: &str) {
        self.server.model().delete(At::new("raw", key), None).unwrap();
    }

    /// S3 as a process reaches it; only the pauses between attempts are shorter.
    pub(crate) fn s3(&self) -> S3 {
        let retries = RetryConfig::standard()
            .with_max_attempts(5)
            .with_initial_backoff(Duration::from_millis(1));
        let client = Client::from_conf(self.server.config().retry_config(retries).build());
        S3::with_client(client, Some(OWNER.to_owned()))
    }

    /// A new function, as a new process has it.
    pub(crate) fn function(&self) -> Function {
        self.function_with(&[]).unwrap()
    }

    pub(crate) fn function_with(&self, environment: &[(&str, &str)]) -> Result<Function, StartError> {
        let function = Function::new(settings(environment), tables())?;
        Ok(function.with_s3(self.s3()))
    }

    /// Loads what a listing of `s3://raw/in` has, as the command line does.
    pub(crate) async fn backfill(&self) -> Summary {
        let (settings, tables, s3) = (settings(&[]), tables(), self.s3());
        let lake = Place::parse("s3://lake/p").unwrap();
        let engine = Engine::open(EngineConfig {
            settings: &settings,
            tables: &tables,
            lake: &lake,
            s3: Some(s3),
            arrival_s: None,
            unwraps: false,
            writes: true,
            progress: Arc::new(Progress::default()),
        });
        let engine = engine.await.unwrap();
        let location = "s3://raw/in".parse().unwrap();
        let raw = engine.raw.s3().unwrap();
        let mut listing = raw.list(&location, &Selection::default()).await.unwrap();
        listing.settle();
        let mut summary = Summary::new("backfill", "s3://lake/p".to_owned());
        let jobs = pack(listing.sources, settings.job_bytes);
        engine
            .loader
            .run(
                jobs,
                RunOptions {
                    jobs_max: engine.jobs_max,
                    reload: false,
                },
                &mut summary,
                &mut |_, _| {},
            )
            .await;
        summary
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Entry> {
        self.server.log()
    }

    /// How many requests of an operation a bucket had.
    pub(crate) fn calls(&self, bucket: &str, operation: &str) -> usize {
        let log = self.server.log();
        let is_one = |entry: &&Entry| entry.operation == operation && entry.bucket == bucket;
        log.iter().filter(is_one).count()
    }

    /// What is there of the lake, not proved.
    pub(crate) fn copied(&self) -> Copied {
        let folder = TempDir::new().unwrap();
        let model = self.server.model();
        for key in model.keys("lake") {
            let path: PathBuf = folder.path().join(key.strip_prefix("p/").unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, model.bytes("lake", &key).unwrap()).unwrap();
        }
        drop(model);
        let lake = Lake::at(folder.path().to_owned());
        Copied { _folder: folder, lake }
    }

    /// The lake, proved.
    #[track_caller]
    pub(crate) fn lake(&self) -> Copied {
        let copied = self.copied();
        copied.prove();
        copied
    }
}

/// Answers an event.
pub(crate) async fn handle(function: &Function, event: &Value) -> Handled {
    function.handle(event, "8476a536-e9f4-11e8-9739-2dfe598c3fcd").await
}

/// The answer to an event that can be answered.
pub(crate) async fn answer(function: &Function, event: &Value) -> Value {
    let handled = handle(function, event).await;
    handled.answer.unwrap_or_else(|error| panic!("{error}"))
}

/// The error of an event that cannot.
pub(crate) async fn error(function: &Function, event: &Value) -> String {
    let handled = handle(function, event).await;
    handled
        .answer
        .map_or_else(|error| error.to_string(), |answer| panic!("{answer}"))
}

/// `objects loaded already skipped failed` of the answer to a notification.
pub(crate) fn tally(answer: &Value) -> [u64; 5] {
    ["objects", "loaded", "already", "skipped", "failed"].map(|name| answer[name].as_u64().unwrap())
}

/// Records with these ids, one a line, in the hours 0 to 3 of 2024-05-01.
pub(crate) fn lines(ids: Range<u64>) -> String {
    let mut text = String::new();
    for id in ids {
        let (hour, minute) = (id % 4, id % 60);
        writeln!(
            text,
            "{{\"id\":{id},\"at\":\"2024-05-01T{hour:02}:{minute:02}:00Z\",\"text\":\"t{id}\"}}"
        )
        .unwrap();
    }
    text
}

/// The same with so much text in each that nobody can compress.
pub(crate) fn long_lines(ids: Range<u64>, words: u64) -> String {
    let mut text = String::new();
    for id in ids {
        write!(
            text,
            "{{\"id\":{id},\"at\":\"2024-05-01T{:02}:00:00Z\",\"text\":\"",
            id % 4
        )
        .unwrap();
        let mut state = id;
        for _ in 0..words {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            write!(text, "{:016x}", state ^ state >> 29).unwrap();
        }
        text.push_str("\"}\n");
    }
    text
}

pub(crate) fn gzip(data: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn ids(ids: Range<u64>) -> Vec<u64> {
    ids.collect()
}
