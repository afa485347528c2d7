//! Raw objects whose records are known, a lake, and processes that load from one into the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::retry::RetryConfig;
use lakebed::engine::{Engine, EngineConfig};
use lakebed::job::identity::SourceName;
use lakebed::load::{Became, RunOptions, chain};
use lakebed::pipeline::Progress;
use lakebed::place::Place;
use lakebed::report::Summary;
use lakebed::s3::{Patience, S3};
use lakebed::settings::{Flags, Settings};
use lakebed::source::listing::{Selection, pack};
use lakebed::table::Tables;
use serde_json::Value;

use crate::faults::Call;
use crate::raw::{CLICK_YAML, EVENT_YAML, Form, Like, content};
use crate::support::judge::{Content, Counting, Sources, Stored, judge};
use crate::support::s3::server::{ACCESS_KEY, SECRET_KEY};
use crate::support::s3::{At, Condition, Model, Server};

/// Attempts of a request.
pub(crate) const TRIES: u64 = 5;

/// A few records.
static SMALL: LazyLock<Arc<Content>> = LazyLock::new(|| object(Like::small(1000..1060)));
static OTHER: LazyLock<Arc<Content>> = LazyLock::new(|| object(Like::small(2000..2040)));
static NEWER: LazyLock<Arc<Content>> = LazyLock::new(|| object(Like::small(3000..3050)));
/// More than 4 MiB, which are two ranges.
static RANGES: LazyLock<Arc<Content>> = LazyLock::new(|| object(long(10_000..10_450)));
/// So much that the rows of one table are more than 8 MiB, which are an upload of two parts.
static LARGE: LazyLock<Arc<Content>> = LazyLock::new(|| object(long(20_000..21_400)));

fn object(like: Like) -> Arc<Content> {
    Arc::new(content(like))
}

/// Records of 10 KiB in one hour.
fn long(ids: std::ops::Range<i64>) -> Like {
    Like {
        ids,
        form: Form::Lines,
        hours: 5..6,
        words: 640,
    }
}

/// The raw objects and the lake of one case.
pub(crate) struct Scene {
    pub(crate) server: Server,
    sources: Sources,
}

/// How a run ended: by key, loaded or why not; or why nothing was even tried.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) loaded: BTreeSet<String>,
    pub(crate) failed: BTreeMap<String, String>,
}

impl Scene {
    /// All that a load needs in which this call is made.
    pub(crate) async fn of(call: Call) -> Self {
        let mut model = Model::at(UNIX_EPOCH + Duration::from_secs(1_714_564_800));
        model.min_part_bytes = 1;
        model.create_bucket("raw");
        model.create_bucket("lake").conditional_only = true;
        let mut scene = Self {
            server: Server::start(model),
            sources: Sources::new(),
        };
        let first = match call {
            Call::GetRange => &RANGES,
            Call::CreateUpload | Call::UploadPart | Call::CompleteUpload => &LARGE,
            _ => &SMALL,
        };
        scene.put("p/a", first);
        scene.put("p/b", &OTHER);
        if matches!(call, Call::HeadRaw | Call::GetClaim) {
            // Looked at because a claim is there; one of them is another by now.
            let ran = scene.run().await;
            assert_eq!(ran.loaded.len(), 2, "{ran:?}");
            scene.put("p/a", &NEWER);
        }
        scene.server.clear_log();
        scene
    }

    /// Puts a raw object there, with a while before and after it.
    fn put(&mut self, key: &str, content: &Arc<Content>) {
        let mut model = self.server.model();
        model.advance(Duration::from_secs(5));
        let etag = model.seed("raw", key, content.stored.clone()).tag;
        let object = model.get(At::new("raw", key), None, &Condition::None).unwrap();
        let modified = object.last_modified.duration_since(UNIX_EPOCH).unwrap();
        model.advance(Duration::from_secs(5));
        let counting = Counting {
            etag,
            last_modified_s: modified.as_secs() as i64,
            content: Arc::clone(content),
        };
        drop(model);
        self.sources.insert(format!("s3://raw/{key}"), counting);
    }

    /// S3 as a process reaches it, with less patience.
    fn s3(&self) -> S3 {
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES as u32)
            .with_initial_backoff(Duration::from_millis(1));
        // Of a role: there are always new ones.
        let end = UNIX_EPOCH + Duration::from_secs(1 << 33);
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, Some(end), "test");
        let config = self
            .server
            .config()
            .retry_config(retries)
            .credentials_provider(credentials);
        let patience = Patience {
            connect: Duration::from_secs(2),
            answer: Duration::from_millis(1500),
            large_answer: Duration::from_millis(2500),
            stall: Duration::from_millis(700),
            body: Duration::from_millis(1500),
            ..Patience::default()
        };
        S3::with_patience(Client::from_conf(config.build()), None, patience)
    }

    /// A new process loads what a listing has, as the command line does.
    pub(crate) async fn run(&self) -> Ran {
        let s3 = self.s3();
        let flags = Flags::from([
            ("LAKEBED_MEMORY", "256MiB".to_owned()),
            ("LAKEBED_JOBS", "1".to_owned()),
        ]);
        let settings = Settings::read(&Flags::new(), &flags, std::iter::empty(), None).unwrap();
        let files = [("event.yaml", EVENT_YAML), ("click.yaml", CLICK_YAML)];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let tables = Tables::from_sources(files.to_vec()).unwrap();
        let lake = Place::parse("s3://lake/x").unwrap();
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
        let engine = engine.await.unwrap_or_else(|error| panic!("{error}"));
        let mut ran = Ran::default();
        let raw = engine.raw.s3().unwrap();
        let listing = raw.list(&"s3://raw/p/".parse().unwrap(), &Selection::default()).await;
        let sources = match listing {
            Ok(mut listing) => {
                listing.settle();
                listing.sources
            }
            Err(error) => {
                ran.failed.insert("listing".to_owned(), chain(&error));
                return ran;
            }
        };
        let mut summary = Summary::new("test", String::new());
        let mut tell = |name: &SourceName, became: Became| {
            match became {
                Became::Loaded(_) | Became::Already => drop(ran.loaded.insert(name.to_string())),
                Became::Failed(failed) => drop(ran.failed.insert(name.to_string(), failed.message)),
            };
        };
        let options = RunOptions {
            jobs_max: 1,
            reload: false,
        };
        let jobs = pack(sources, settings.job_bytes);
        engine.loader.run(jobs, options, &mut summary, &mut tell).await;
        ran
    }

    pub(crate) fn stored(&self) -> Stored {
        Stored::in_bucket(&self.server.model(), "lake", "x/")
    }

    /// Sources that count, in the version that is there now.
    fn published(&self) -> BTreeSet<String> {
        let stored = self.stored();
        let mut published = BTreeSet::new();
        for (_, key) in stored.named("_lakebed/jobs/") {
            let outcome: Value = serde_json::from_slice(&stored.objects[key]).unwrap();
            let sources = outcome["sources"].as_array().into_iter().flatten();
            for source in sources.filter(|_| outcome["state"] == "done") {
                let name = format!("s3://raw/{}", source["key"].as_str().unwrap());
                published.extend((source["etag"] == *self.sources[&name].etag).then_some(name));
            }
        }
        published
    }

    /// What was called loaded counts, and each source met one fate.
    pub(crate) fn assert_acknowledged(&self, ran: &Ran) {
        let published = self.published();
        assert!(ran.loaded.is_subset(&published), "{ran:?}, and done are {published:?}");
        if !ran.failed.contains_key("listing") {
            let told: BTreeSet<_> = ran.loaded.iter().chain(ran.failed.keys()).cloned().collect();
            assert_eq!(told.len(), ran.loaded.len() + ran.failed.len(), "{ran:?}");
            assert!(self.sources.keys().all(|name| told.contains(name)), "{ran:?}");
        }
    }

    /// Nothing fails any more: the rest is loaded, each record is there once, and then there is nothing to do.
    pub(crate) async fn assert_comes_to_rest(&self, left: &BTreeSet<String>) {
        self.server.clear_faults();
        let ran = self.run().await;
        assert_eq!((ran.loaded.len(), &ran.failed), (self.sources.len(), &BTreeMap::new()));
        let faults = judge(&self.stored(), &self.sources, left);
        assert!(faults.is_empty(), "{}", faults[..faults.len().min(10)].join("\n"));
        self.server.clear_log();
        let ran = self.run().await;
        assert_eq!(ran.loaded.len(), self.sources.len(), "{ran:?}");
        let log = self.server.log();
        let mut writes = log
            .iter()
            .filter(|entry| !["GetObject", "HeadObject", "ListObjectsV2"].contains(&entry.operation));
        assert!(writes.next().is_none(), "{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        self.server.log().iter().map(|entry| format!("{entry}\n")).collect()
    }
}
