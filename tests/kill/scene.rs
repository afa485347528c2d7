//! Raw objects and a lake, both in folders or both in S3, and what may be said of the lake at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lakebed::job::lake::Lake;
use lakebed::job::sweep::{Options, Progress, sweep};
use lakebed::s3::S3;
use lakebed::store::{FolderStore, S3Store, Store};

use crate::cloud::Cloud;
use crate::moment::{Moment, changed, torn};
use crate::raw::{CLICK_YAML, EVENT_YAML};
use crate::sandbox::{MODIFIED_S, Ran, Run as _, finish};
use crate::shapes::Shape;
use crate::support::judge::{Content, Counting, May, Sources, Stored, counting, judge};
use crate::support::s3::{At, Condition};

/// Where raw objects and lake are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Folder,
    Wire,
}

/// The raw objects, the lake, and what has been seen of it.
pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) cloud: Cloud,
    /// What may count of each raw object.
    sources: BTreeMap<String, May>,
    /// Raw objects that are there.
    pub(crate) there: BTreeSet<String>,
    job_bytes: &'static str,
    /// How often something was put there.
    puts: u64,
    /// What killed processes left.
    left: BTreeSet<String>,
    /// What the lake held when it was looked at last.
    seen: Stored,
}

impl Scene {
    pub(crate) fn new(place: Place, shape: &Shape) -> Self {
        let mut scene = Self {
            place,
            cloud: Cloud::new(),
            sources: BTreeMap::new(),
            there: BTreeSet::new(),
            job_bytes: shape.job_bytes,
            puts: 0,
            left: BTreeSet::new(),
            seen: Stored::default(),
        };
        scene.cloud.write("schemas/event.yaml", EVENT_YAML);
        scene.cloud.write("schemas/click.yaml", CLICK_YAML);
        scene
            .cloud
            .write("wider/event.yaml", format!("{EVENT_YAML}  more: string\n"));
        scene.cloud.write("wider/click.yaml", CLICK_YAML);
        for (name, content) in &shape.objects {
            scene.put(name, content);
        }
        scene
    }

    /// Puts a raw object there, with a while before and after it by the clock that dates it.
    pub(crate) fn put(&mut self, name: &str, content: &Arc<Content>) {
        self.pass(3);
        self.put_at_once(name, content);
        self.pass(3);
    }

    /// Puts it there in the same second in which the one before was put there.
    pub(crate) fn put_at_once(&mut self, name: &str, content: &Arc<Content>) {
        self.puts += 1;
        let content = Arc::clone(content);
        let (etag, last_modified_s) = match self.place {
            Place::Folder => {
                // Not written where it is read: it is replaced as a whole.
                let modified_s = MODIFIED_S + self.puts;
                self.cloud.write_at("new", &content.stored, modified_s);
                let path = self.cloud.path(&format!("raw/{name}"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::rename(self.cloud.path("new"), path).unwrap();
                (format!("{modified_s}000000000"), modified_s)
            }
            Place::Wire => {
                let key = format!("p/{name}");
                let mut model = self.cloud.server.model();
                let etag = model.seed("raw", &key, content.stored.clone()).tag;
                let object = model.get(At::new("raw", &key), None, &Condition::None).unwrap();
                let modified = object.last_modified.duration_since(UNIX_EPOCH).unwrap();
                (etag, modified.as_secs())
            }
        };
        let counting = Counting {
            etag,
            last_modified_s: last_modified_s as i64,
            content,
        };
        self.there.insert(name.to_owned());
        let name = self.source(name);
        let may = self.sources.entry(name).or_insert_with(|| May {
            absent: true,
            ..May::default()
        });
        may.versions.push(counting);
    }

    /// Deletes a raw object. Its rows stay, if it has any.
    pub(crate) fn delete(&mut self, name: &str) {
        self.there.remove(name);
        match self.place {
            Place::Folder => fs::remove_file(self.cloud.path(&format!("raw/{name}"))).unwrap(),
            Place::Wire => {
                let key = format!("p/{name}");
                self.cloud.server.model().delete(At::new("raw", &key), None).unwrap();
            }
        }
    }

    /// Lets seconds pass by the clock that dates objects.
    pub(crate) fn pass(&self, seconds: u64) {
        self.cloud.server.model().advance(Duration::from_secs(seconds));
    }

    /// What is to be in the lake as it is now.
    pub(crate) fn counting(&self, lake: &Stored) -> Sources {
        let newest = |(name, may): (&String, &May)| {
            let is_there = self.there.iter().any(|there| self.source(there) == *name);
            let may = match is_there {
                true => May {
                    versions: may.versions.last().cloned().into_iter().collect(),
                    absent: false,
                },
                false => may.clone(),
            };
            (name.clone(), may)
        };
        counting(lake, &self.sources.iter().map(newest).collect())
    }

    /// A raw object as outcomes name it.
    fn source(&self, name: &str) -> String {
        match self.place {
            Place::Folder => self.cloud.path(&format!("raw/{name}")).to_str().unwrap().to_owned(),
            Place::Wire => format!("s3://raw/p/{name}"),
        }
    }

    /// Raw objects as arguments; all of them where none is named.
    pub(crate) fn arguments(&self, names: &[&str]) -> String {
        let root = match self.place {
            Place::Folder => "raw",
            Place::Wire => "s3://raw/p",
        };
        match names {
            [] => root.to_owned(),
            names => names.iter().map(|name| format!("{root}/{name} ")).collect(),
        }
    }

    pub(crate) fn lake(&self) -> &'static str {
        match self.place {
            Place::Folder => "lake",
            Place::Wire => "s3://lake/x",
        }
    }

    /// Loads raw objects, all where none is named.
    pub(crate) fn backfill(&self, names: &[&str]) -> Command {
        let line = format!("backfill {} --to {} --json", self.arguments(names), self.lake());
        let mut command = self.cloud.command(&line);
        command.env("LAKEBED_JOB_BYTES", self.job_bytes);
        command
    }

    pub(crate) fn stored(&self) -> Stored {
        match self.place {
            Place::Folder => Stored::in_folder(&self.cloud.path("lake")),
            Place::Wire => Stored::in_bucket(&self.cloud.server.model(), "lake", "x/"),
        }
    }

    /// How many keys of the lake have this part. Only for a lake in a folder, which may change meanwhile.
    pub(crate) fn count(&self, part: &str) -> usize {
        let root = self.cloud.path("lake");
        let (mut count, mut folders) = (0, vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                    continue;
                }
                let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                let key = path.strip_prefix(&root).unwrap().to_str().unwrap();
                count += usize::from(!is_hidden && key.contains(part));
            }
        }
        count
    }

    /// Settles what no source leads to any more. Nothing is old enough to be dropped.
    pub(crate) fn sweep(&self) {
        self.sweep_at(UNIX_EPOCH);
    }

    /// When all is old: intents, and what killed processes left of uploads and of single objects, are gone, and nothing else.
    #[track_caller]
    pub(crate) fn prove_swept(&mut self) {
        let before = self.look();
        self.sweep_at(UNIX_EPOCH + Duration::from_secs(1 << 36));
        let stored = self.look();
        assert!(stored.leftovers.is_empty(), "left over: {:?}", stored.leftovers);
        let is_intent = |key: &&String| key.starts_with("_lakebed/open/");
        assert_eq!(stored.objects.keys().find(is_intent), None, "an intent is left");
        let gone = |key: &&String| !is_intent(key) && !stored.objects.contains_key(*key);
        assert_eq!(before.objects.keys().find(gone), None, "it went too");
        // A job that nobody's claim names is dead now.
        let is_new = |key: &&String| !before.objects.contains_key(*key) && !key.starts_with("_lakebed/jobs/");
        assert_eq!(stored.objects.keys().find(is_new), None, "it came");
        let faults = judge(&stored, &self.counting(&stored), &BTreeSet::new());
        assert!(faults.is_empty(), "{}", faults[..faults.len().min(20)].join("\n"));
        self.left.clear();
        self.seen = stored;
    }

    fn sweep_at(&self, now: SystemTime) {
        let store: Arc<dyn Store> = match self.place {
            Place::Folder => Arc::new(FolderStore::open(&self.cloud.path("lake")).unwrap()),
            Place::Wire => {
                let s3 = S3::with_client(self.cloud.server.client(), None);
                Arc::new(S3Store::new(s3, &"s3://lake/x".parse().unwrap()))
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let swept = runtime.unwrap().block_on(async {
            let lake = Lake::open(store, &["event", "click"]).await.unwrap();
            let options = Options::at(now, "x".to_owned());
            sweep(&lake, &options, &Progress::default()).await.unwrap()
        });
        assert!(swept.failed.is_empty(), "{:?}", swept.failed);
    }

    /// After a process was killed: every file is whole and as it was, and what is left over is its.
    pub(crate) fn after_kill(&mut self) -> Moment {
        let stored = self.look();
        self.left.extend(stored.leftovers.iter().cloned());
        let moment = Moment::of(&stored, &self.wanted());
        self.seen = stored;
        moment
    }

    /// What is among the raw objects, whoever put it there: names and tags.
    fn raw(&self) -> BTreeSet<(String, String)> {
        if self.place == Place::Wire {
            let model = self.cloud.server.model();
            let of = |key: String| {
                let tag = model.get(At::new("raw", &key), None, &Condition::None).unwrap().tag;
                (format!("s3://raw/{key}"), tag)
            };
            return model.keys("raw").into_iter().map(of).collect();
        }
        let mut found = BTreeSet::new();
        let mut folders = vec![self.cloud.path("raw")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let about = path.metadata().unwrap();
                if about.is_dir() {
                    folders.push(path);
                    continue;
                }
                let modified = about.modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
                found.insert((path.to_str().unwrap().to_owned(), modified.as_nanos().to_string()));
            }
        }
        found
    }

    /// Names and tags of the raw objects that are there.
    fn wanted(&self) -> BTreeSet<(String, String)> {
        let names = self.there.iter().map(|name| self.source(name));
        names
            .map(|name| (name.clone(), self.sources[&name].versions.last().unwrap().etag.clone()))
            .collect()
    }

    /// Looks at the lake: what holds at every moment holds.
    #[track_caller]
    fn look(&self) -> Stored {
        let stored = self.stored();
        let mut faults = torn(&stored);
        faults.extend(changed(&self.seen, &stored));
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        stored
    }

    /// Proves the lake at rest: judged record by record, and another run finds nothing to do and writes nothing.
    #[track_caller]
    pub(crate) fn prove(&mut self) {
        let stored = self.look();
        let counting = self.counting(&stored);
        let faults = judge(&stored, &counting, &self.left);
        assert!(faults.is_empty(), "{}", faults[..faults.len().min(20)].join("\n"));
        assert_eq!(self.raw(), self.wanted(), "among the raw objects");
        self.cloud.server.clear_log();
        let [found, done, already, ..] = self.backfill(&[]).run().exits(0).sources();
        assert_eq!((done, already), (0, found), "done and loaded before");
        assert_eq!(self.cloud.writes(), [""; 0]);
        let again = self.stored();
        assert!(again.objects == stored.objects, "something was written");
        self.seen = again;
        // What counts now may be replaced, and is not lost.
        for (name, counting) in counting {
            self.sources.insert(
                name,
                May {
                    versions: vec![counting],
                    absent: false,
                },
            );
        }
    }
}

/// Ends well, with every source that was found loaded.
#[track_caller]
pub(crate) fn ends_well(ran: Ran) {
    let ran = ran.exits(0);
    let [found, done, already, failed, ..] = ran.sources();
    assert_eq!((done + already, failed), (found, 0), "{ran:?}");
}

/// Begins all, and sees each of them end well.
#[track_caller]
pub(crate) fn all_at_once(commands: Vec<Command>) {
    let children: Vec<_> = commands.into_iter().map(|mut command| command.begin()).collect();
    let ran: Vec<_> = children.into_iter().map(finish).collect();
    ran.into_iter().for_each(ends_well);
}
