//! A server with raw objects, the library's own readers over it, and lakes that are proved as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::retry::RetryConfig;
use lakebed::engine::{Engine, EngineConfig};
use lakebed::job::identity::{SourceName, Version};
use lakebed::load::{Became, RunOptions};
use lakebed::pipeline::Progress;
use lakebed::place::Place;
use lakebed::report::Summary;
use lakebed::s3::{Patience, S3};
use lakebed::settings::{Flags, Settings};
use lakebed::source::listing::{Listing, Selection, Source, pack};
use lakebed::source::raw::{RawObjects, ReadError};
use lakebed::source::s3::S3Objects;
use lakebed::table::Tables;
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::lake::Lake;
use crate::sandbox::{Dice, EVENT_YAML};
use crate::support::s3::{Effect, Entry, Fault, Model, Server, Stored};
use crate::support::s3_lake::download;

pub(crate) const MIB: u64 = 1 << 20;

/// How long an impatient client waits for an answer, or for the next byte of one.
pub(crate) const PATIENCE: Duration = Duration::from_millis(700);

/// 2024-05-01T12:00:00Z, the time that objects have unless a test lets time pass.
pub(crate) fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOON_S as u64)
}

pub(crate) const NOON_S: i64 = 1_714_564_800;

/// A server with the buckets `raw` and `lake`, where time stands still.
pub(crate) fn server() -> Arc<Server> {
    let mut model = Model::at(noon());
    model.min_part_bytes = 1;
    model.create_bucket("raw");
    // As a policy may demand.
    model.create_bucket("lake").conditional_only = true;
    Arc::new(Server::start(model))
}

/// Retries as the library's own client does, in less time.
pub(crate) fn config(server: &Server) -> Builder {
    let retries = RetryConfig::standard()
        .with_max_attempts(5)
        .with_initial_backoff(Duration::from_millis(1));
    server.config().retry_config(retries)
}

pub(crate) fn s3(server: &Server) -> S3 {
    S3::with_client(Client::from_conf(config(server).build()), None)
}

/// Gives up what stalls, or is not answered, soon.
pub(crate) fn impatient(server: &Server) -> S3 {
    let patience = Patience {
        answer: PATIENCE,
        stall: PATIENCE,
        body: 3 * PATIENCE,
        ..Patience::default()
    };
    S3::with_patience(Client::from_conf(config(server).build()), None, patience)
}

/// Runs all cases of a table at the same time: most of what they do is to wait.
pub(crate) async fn at_once<C>(cases: impl IntoIterator<Item = C>)
where
    C: Future<Output = ()> + Send + 'static,
{
    let running: Vec<_> = cases.into_iter().map(tokio::spawn).collect();
    for case in running {
        case.await.unwrap();
    }
}

pub(crate) fn raw_of(s3: S3) -> RawObjects {
    RawObjects::new(Some(Arc::new(S3Objects::new(s3))))
}

pub(crate) fn name(key: &str) -> SourceName {
    SourceName::in_bucket("raw", key)
}

/// An object of the bucket `raw`, as a listing at noon would tell of it.
pub(crate) fn source(key: &str, stored: &Stored, size: usize) -> Source {
    Source {
        name: name(key),
        version: Version {
            etag: stored.tag.clone(),
            size: size as u64,
            last_modified_s: NOON_S,
        },
    }
}

/// Puts an object into the bucket `raw`.
pub(crate) fn seed(server: &Server, key: &str, bytes: impl Into<Vec<u8>>) -> Source {
    let bytes = bytes.into();
    let size = bytes.len();
    let stored = server.model().seed("raw", key, bytes);
    source(key, &stored, size)
}

/// What is at and below a place, in the order in which it is packed.
pub(crate) async fn list(s3: S3, place: &str) -> Listing {
    let (objects, place) = (S3Objects::new(s3), place.parse().unwrap());
    let mut listing = objects.list(&place, &Selection::default()).await.unwrap();
    listing.settle();
    listing
}

/// Bytes that tell every mistake: no two stretches are alike.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut dice = Dice(seed);
    let words = (0..size.div_ceil(8)).flat_map(|_| dice.next().to_le_bytes());
    words.take(size).collect()
}

/// Opens sources in their order and reads each to its end, as a job with so much memory for reading ahead does. Ends with
/// the first error.
pub(crate) async fn read_all(raw: &RawObjects, sources: &[Source], memory: u64) -> Result<Vec<Vec<u8>>, ReadError> {
    let (raw, sources) = (raw.clone(), sources.to_vec());
    blocking(move |runtime| {
        let mut reader = raw.read(runtime, &sources, memory);
        let mut all = Vec::new();
        for source in &sources {
            let mut bytes = Vec::new();
            reader.open(source)?.stored.read_to_end(&mut bytes)?;
            all.push(bytes);
        }
        Ok(all)
    })
    .await
}

/// Runs what blocks.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce(&Handle) -> T + Send + 'static) -> T {
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || work(&runtime)).await.unwrap()
}

/// Changes what is stored when the n-th GET of an object has arrived, before it is answered.
pub(crate) fn before_get(
    server: &Arc<Server>,
    key: &'static str,
    n: u64,
    change: impl FnOnce(&mut Model) + Send + 'static,
) {
    let (server_again, mut seen, mut change) = (Arc::downgrade(server), 0, Some(change));
    let arrived = move |entry: &Entry| {
        seen += u64::from(entry.bucket == "raw" && entry.key == key);
        if seen == n
            && let (Some(change), Some(server)) = (change.take(), server_again.upgrade())
        {
            change(&mut server.model());
        }
        false
    };
    server.inject(Fault::on("GetObject", Effect::Close).request(arrived));
}

/// The requests for raw objects, in their order.
pub(crate) fn raw_log(server: &Server) -> Vec<Entry> {
    let log = server.log();
    log.into_iter().filter(|entry| entry.bucket == "raw").collect()
}

/// GETs of an object so far.
pub(crate) fn gets(server: &Server, key: &str) -> usize {
    let is_get = |entry: &&Entry| entry.operation == "GetObject" && entry.key == key;
    raw_log(server).iter().filter(is_get).count()
}

/// A process that loads into a lake, in a folder or in the bucket `lake`.
pub(crate) struct Process {
    pub(crate) engine: Engine,
    settings: Settings,
    folder: Option<TempDir>,
}

/// What became of sources: by key, `loaded`, `already` or the code of the failure.
pub(crate) type Fates = BTreeMap<String, String>;

impl Process {
    /// Into a folder of its own, with the least memory: ranges are read one at a time.
    pub(crate) async fn local(s3: S3) -> Self {
        let folder = TempDir::new().unwrap();
        let place = Place::Local(folder.path().join("lake"));
        Self {
            folder: Some(folder),
            ..Self::open(s3, place, "64MiB").await
        }
    }

    /// Into `s3://lake/x`.
    pub(crate) async fn in_s3(s3: S3) -> Self {
        Self::open(s3, Place::parse("s3://lake/x").unwrap(), "256MiB").await
    }

    async fn open(s3: S3, lake: Place, memory: &str) -> Self {
        let flags = Flags::from([("LAKEBED_MEMORY", memory.to_owned())]);
        let settings = Settings::read(&Flags::new(), &flags, std::iter::empty(), None).unwrap();
        let tables = vec![("event.yaml".to_owned(), EVENT_YAML.to_owned())];
        let tables = Tables::from_sources(tables).unwrap_or_else(|errors| panic!("{errors}"));
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
        Self {
            engine: engine.await.unwrap_or_else(|error| panic!("{error}")),
            settings,
            folder: None,
        }
    }

    /// Loads what was listed.
    pub(crate) async fn load(&self, sources: Vec<Source>) -> (Summary, Fates) {
        self.run(sources, false).await
    }

    /// The same again, in place of what is there.
    pub(crate) async fn reload(&self, sources: Vec<Source>) -> (Summary, Fates) {
        self.run(sources, true).await
    }

    async fn run(&self, sources: Vec<Source>, reload: bool) -> (Summary, Fates) {
        let (mut summary, mut fates) = (Summary::new("test", String::new()), Fates::new());
        let mut tell = |name: &SourceName, became: Became| {
            let fate = match became {
                Became::Loaded(_) => "loaded".to_owned(),
                Became::Already => "already".to_owned(),
                Became::Failed(failed) => failed.code,
            };
            let before = fates.insert(name.key.clone(), fate);
            assert_eq!(before, None, "{name} was told twice");
        };
        let jobs = pack(sources, self.settings.job_bytes);
        let jobs_max = self.engine.jobs_max;
        let options = RunOptions { jobs_max, reload };
        self.engine.loader.run(jobs, options, &mut summary, &mut tell).await;
        (summary, fates)
    }

    /// Loads what was announced by name.
    pub(crate) async fn load_announced(&self, keys: &[&str]) -> (Summary, Fates) {
        let names = keys.iter().map(|key| name(key)).collect();
        let (sources, failed) = self.engine.loader.find(names).await;
        let (mut summary, mut fates) = self.load(sources).await;
        for (name, failed) in failed {
            fates.insert(name.key, failed.code.clone());
            summary.add_failed(failed);
        }
        self.engine.raw.s3().unwrap().forget();
        (summary, fates)
    }

    /// The ids of all rows, sorted, of a lake in a folder that is sound as a whole.
    #[track_caller]
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.lake().prove().ids()
    }

    /// The lake in a folder.
    pub(crate) fn lake(&self) -> Lake {
        Lake::at(self.folder.as_ref().unwrap().path().join("lake"))
    }
}

/// These are the ids in this range, each once. Not `assert_eq!`: thousands of numbers would be printed.
#[track_caller]
pub(crate) fn events_fit(ids: &[u64], expected: std::ops::Range<u64>) {
    let (count, first, last) = (ids.len(), ids.first(), ids.last());
    assert!(
        ids.iter().copied().eq(expected),
        "{count} ids, of {first:?} to {last:?}"
    );
}

/// The lake at `s3://lake/x`, copied to a folder that lives as long as the first of the two.
pub(crate) fn copied(server: &Server) -> (TempDir, Lake) {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("lake");
    download(server, "x/", &root);
    (folder, Lake::at(root))
}

/// The ids of all rows, sorted, of the lake at `s3://lake/x`, which is sound as a whole.
#[track_caller]
pub(crate) fn ids_in_s3(server: &Server) -> Vec<u64> {
    let (_folder, lake) = copied(server);
    lake.prove().ids()
}
