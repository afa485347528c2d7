//! Raw objects with a few rows each, a worker that loads them, and a reader that judges the lake.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lakebed::job::claim::{Look, Sources, look};
use lakebed::job::identity::{Plan, SourceName, Version};
use lakebed::job::lake::Lake;
use lakebed::job::outcome::{Outcome, State};
use lakebed::job::shape::TableShape;
use lakebed::job::stage::{Content, FileKind, Job, JobSource, LakeFile, PreparedFile, PreparedJob, RowsOf};
use lakebed::job::{Answer, LakeError, Rounds, publish};
use lakebed::store::{Body, Checksum, LakeKey, Pending, Store};

use super::key;

/// Rows of every source; row `n` belongs to hour `n % HOURS`.
const ROWS: u64 = 5;
const HOURS: u64 = 2;

#[derive(Debug, Default)]
pub(crate) struct World {
    raw: Mutex<BTreeMap<SourceName, Version>>,
}

pub(crate) fn source(name: &str) -> SourceName {
    SourceName {
        bucket: None,
        key: format!("/raw/{name}"),
    }
}

impl World {
    pub(crate) fn of(names: &[&str]) -> Arc<Self> {
        let world = Arc::new(Self::default());
        for name in names {
            world.write(name, "1");
        }
        world
    }

    pub(crate) fn write(&self, name: &str, etag: &str) {
        let version = Version {
            etag: etag.to_owned(),
            size: 100,
            last_modified_s: 1_570_845_600,
        };
        self.raw.lock().unwrap().insert(source(name), version);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.raw.lock().unwrap().remove(&source(name));
    }
}

impl Sources for World {
    fn version_now<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        Box::pin(async move { Ok(self.raw.lock().unwrap().get(name).cloned()) })
    }

    fn version_settled<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        self.version_now(name)
    }
}

/// Loads batches as a front door would.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) world: Arc<World>,
    pub(crate) plan: &'static str,
    /// An encoder whose bytes differ from those of others, under the same plan.
    pub(crate) machine: &'static str,
    /// Files of the second hour are uploads.
    pub(crate) uploads: bool,
}

impl Worker {
    pub(crate) fn new(store: Arc<dyn Store>, world: &Arc<World>) -> Self {
        Self {
            store,
            world: Arc::clone(world),
            plan: "p1",
            machine: "",
            uploads: true,
        }
    }

    pub(crate) fn plan(self, plan: &'static str) -> Self {
        Self { plan, ..self }
    }

    pub(crate) fn machine(self, machine: &'static str) -> Self {
        Self { machine, ..self }
    }

    pub(crate) fn small(self) -> Self {
        Self { uploads: false, ..self }
    }

    pub(crate) fn killable(self, store: Arc<dyn Store>) -> Self {
        Self { store, ..self }
    }

    pub(crate) async fn lake(&self) -> Result<Lake, LakeError> {
        let lake = Lake::open(Arc::clone(&self.store), &["t"]).await?;
        let columns = vec![("row".to_owned(), "string".to_owned())];
        lake.admit_table(&TableShape {
            name: "t".into(),
            layout: "hour".into(),
            columns,
        })
        .await?;
        Ok(lake)
    }

    /// Until all of the batch is in the lake.
    pub(crate) async fn load(&self, batch: &[&str]) -> Result<(), LakeError> {
        let lake = &self.lake().await?;
        let mut rounds = Rounds::default();
        while self.attempt(lake, batch).await?.is_none() {
            rounds.lost().await?;
        }
        Ok(())
    }

    async fn attempt(&self, lake: &Lake, batch: &[&str]) -> Result<Option<()>, LakeError> {
        let Some(job) = self.job(lake, batch).await? else {
            return Ok(Some(()));
        };
        let prepared = self.stage(lake, job).await?;
        Ok(match publish(lake, prepared).await? {
            Answer::Done(_) => Some(()),
            Answer::Dead => None,
        })
    }

    /// A job of what is free in the batch.
    pub(crate) async fn job(&self, lake: &Lake, batch: &[&str]) -> Result<Option<Job>, LakeError> {
        let mut free = Vec::new();
        for name in batch {
            let name = source(name);
            match look(lake, &name, &*self.world).await? {
                Look::Free { over } => {
                    let version = self.world.version_now(&name).await?.expect("a raw object");
                    free.push(JobSource {
                        name,
                        version,
                        over,
                        was: None,
                    });
                }
                Look::Loaded { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        let plan = Plan::new(self.plan, "", "");
        Ok(if free.is_empty() {
            None
        } else {
            Some(Job::new(&plan, free))
        })
    }

    pub(crate) async fn stage(&self, lake: &Lake, job: Job) -> Result<PreparedJob, LakeError> {
        let mut files = Vec::new();
        for hour in 0..HOURS {
            let kind = |rows| FileKind::Data {
                table: "t".into(),
                hour: format!("2019-10-12T{hour:02}"),
                rows,
            };
            let key = key(&format!("t/hour={hour:02}/{}-0000.parquet", job.id()));
            let text = |name: &SourceName, version: &Version| -> Vec<String> {
                let rows = (0..ROWS).filter(|row| row % HOURS == hour);
                rows.map(|row| format!("{} {} {row}", name.key, version.etag)).collect()
            };
            files.push(
                self.file(lake, &job, key, kind, text, self.uploads && hour == 1)
                    .await?,
            );
        }
        let key = key(&format!(
            "_lakebed/quarantine/date=2019-10-12/{}-0000.ndjson.gz",
            job.id()
        ));
        let entry = |name: &SourceName, version: &Version| vec![format!("{} {} rejected", name.key, version.etag)];
        let kind = |entries| FileKind::Quarantine { entries };
        files.push(self.file(lake, &job, key, kind, entry, false).await?);
        PreparedJob::new(job, files, serde_json::json!({ "machine": self.machine }))
    }

    async fn file(
        &self,
        lake: &Lake,
        job: &Job,
        key: LakeKey,
        kind: impl Fn(u64) -> FileKind,
        text: impl Fn(&SourceName, &Version) -> Vec<String>,
        upload: bool,
    ) -> Result<PreparedFile, LakeError> {
        let mut lines = vec![format!("# {}", self.machine)];
        let mut rows_of = Vec::new();
        let mut first_row = 0;
        for (n, source) in job.sources().iter().enumerate() {
            let rows = text(&source.name, &source.version);
            rows_of.push(RowsOf {
                source: n,
                first_row,
                rows: rows.len() as u64,
            });
            first_row += rows.len() as u64;
            lines.extend(rows);
        }
        let bytes = Bytes::from(lines.join("\n"));
        let file = LakeFile {
            key,
            size: bytes.len() as u64,
            sha256: Checksum::of(&bytes),
            kind: kind(first_row),
            rows_of,
        };
        let content = if upload {
            let id = lake.store().start_upload(&file.key).await?;
            let mut parts = Vec::new();
            for (number, range) in [(1, 0..7), (2, 7..bytes.len())] {
                let (offset, part) = (range.start as u64, Body::from(bytes.slice(range)));
                parts.push(lake.store().upload_part(&file.key, &id, number, offset, part).await?);
            }
            Content::Upload { id, parts }
        } else {
            Content::Small(bytes.into())
        };
        Ok(PreparedFile { file, content })
    }
}

/// Every key below a folder, over all pages.
pub(crate) async fn keys(store: &dyn Store, folder: &str) -> Vec<LakeKey> {
    let folder = key(folder);
    let mut found: Vec<LakeKey> = Vec::new();
    loop {
        let page = store.list(&folder, found.last()).await.unwrap();
        found.extend(page.objects.into_iter().map(|listed| listed.key));
        if !page.more {
            return found;
        }
    }
}

/// What a reader sees, and whether the lake's records prove it: each row of each source exactly once, every visible file
/// in a done outcome, every file of a done outcome visible.
pub(crate) async fn judge(store: &dyn Store, names: &[&str]) -> Result<(), String> {
    judge_versions(store, names, "1").await
}

/// The same where the sources were overwritten: rows of this version, and of no other.
pub(crate) async fn judge_versions(store: &dyn Store, names: &[&str], etag: &str) -> Result<(), String> {
    let mut expected: BTreeMap<LakeKey, Checksum> = BTreeMap::new();
    for outcome in keys(store, "_lakebed/jobs").await {
        let (bytes, _) = store.get(&outcome).await.unwrap().unwrap();
        let outcome: Outcome = serde_json::from_slice(&bytes).unwrap();
        if outcome.state == State::Done {
            expected.extend(outcome.files.into_iter().map(|file| (file.key, file.sha256)));
        }
    }
    let mut rows: BTreeMap<String, u32> = BTreeMap::new();
    for folder in ["t", "_lakebed/quarantine"] {
        for key in keys(store, folder).await {
            let (bytes, _) = store.get(&key).await.unwrap().unwrap();
            match expected.remove(&key) {
                None => return Err(format!("{key} belongs to no done job")),
                Some(checksum) if checksum != Checksum::of(&bytes) => return Err(format!("{key} is not as recorded")),
                Some(_) => {}
            }
            for line in std::str::from_utf8(&bytes).unwrap().lines().skip(1) {
                *rows.entry(line.to_owned()).or_default() += 1;
            }
        }
    }
    if let Some(key) = expected.keys().next() {
        return Err(format!("{key} is missing"));
    }
    let what: Vec<String> = (0..ROWS)
        .map(|row| row.to_string())
        .chain(["rejected".to_owned()])
        .collect();
    let wanted: BTreeMap<String, u32> = names
        .iter()
        .flat_map(|name| what.iter().map(move |what| (format!("/raw/{name} {etag} {what}"), 1)))
        .collect();
    if rows != wanted {
        Err(format!("rows are {rows:?}"))
    } else {
        Ok(())
    }
}
