//! A lake with one loaded job, and what a job that replaces it is staged to: rows and lines by source, as others read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lakebed::job::claim::{Claim, Owner};
use lakebed::job::heir::{Copied, Heritage};
use lakebed::job::identity::{JobId, Plan, SourceName};
use lakebed::job::lake::Lake;
use lakebed::job::outcome::{self, Outcome};
use lakebed::job::stage::{Content, FileKind, Job, JobSource, LakeFile, PreparedJob};
use lakebed::job::{Answer, publish};
use lakebed::pipeline::{Progress, StageError, Staged, Stager};
use lakebed::report::JobReport;
use lakebed::source::listing::{Selection, Source};
use lakebed::source::local;
use lakebed::source::raw::RawObjects;
use lakebed::store::{Checksum, Complete, FolderStore, LakeKey, Store};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::reading::{LIMITS, plan_of, shown};

/// When the raw files were modified: 2024-06-01T00:00:00Z.
pub(crate) const MODIFIED_S: u64 = 1_717_200_000;

pub(crate) struct World {
    /// Holds `raw`, and `lake` where that is in a folder.
    pub(crate) root: PathBuf,
    /// Gone with the world that made it.
    _dir: Option<TempDir>,
    runtime: Runtime,
    store: Arc<dyn Store>,
    schemas: Vec<(&'static str, String)>,
    pub(crate) memory: usize,
    pub(crate) block_bytes: usize,
    pub(crate) stop: bool,
}

/// A file with what it holds: its rows or lines as text, and whose they are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) file: LakeFile,
    pub(crate) bytes: Bytes,
    lines: Vec<String>,
}

/// Rows and lines of each source, by the folder they lie in.
pub(crate) type BySource = BTreeMap<(String, String), Vec<String>>;

impl Held {
    fn of(file: &LakeFile, bytes: Bytes) -> Self {
        assert_eq!(file.size, bytes.len() as u64, "{}", file.key);
        assert_eq!(file.sha256, Checksum::of(&bytes), "{}", file.key);
        let lines = match file.kind {
            FileKind::Data { .. } => rows(bytes.clone()),
            FileKind::Quarantine { .. } => {
                let mut text = String::new();
                flate2::read::MultiGzDecoder::new(&*bytes)
                    .read_to_string(&mut text)
                    .unwrap();
                text.split_inclusive('\n').map(str::to_owned).collect()
            }
        };
        assert_eq!(lines.len() as u64, file.kind.rows(), "{}", file.key);
        let mut next = 0;
        for rows in &file.rows_of {
            assert_eq!(rows.first_row, next, "{}", file.key);
            next += rows.rows;
        }
        assert_eq!(next, file.kind.rows(), "{}", file.key);
        let order: Vec<usize> = file.rows_of.iter().map(|rows| rows.source).collect();
        assert!(order.is_sorted_by(|a, b| a < b), "{}: {order:?}", file.key);
        Self {
            file: file.clone(),
            bytes,
            lines,
        }
    }

    pub(crate) fn folder(&self) -> &str {
        self.file.key.as_str().rsplit_once('/').unwrap().0
    }

    /// The facts in the footer, without those that Parquet needs.
    pub(crate) fn facts(&self) -> BTreeMap<String, String> {
        let reader = SerializedFileReader::new(self.bytes.clone()).unwrap();
        let facts = reader.metadata().file_metadata().key_value_metadata().unwrap();
        facts
            .iter()
            .map(|fact| (fact.key.clone(), fact.value.clone().unwrap()))
            .collect()
    }
}

/// All rows of a file, as a reader finds them that knows nothing of ours.
fn rows(file: Bytes) -> Vec<String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let names: Vec<String> = reader
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let mut all = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        all.extend((0..batch.num_rows()).map(|row| {
            let values = names.iter().zip(batch.columns());
            let values: Vec<String> = values
                .map(|(name, column)| format!("{name}={}", shown(column, row)))
                .collect();
            values.join(" ")
        }));
    }
    all
}

/// What files hold, by source and folder; the files of a folder in the order of their names.
pub(crate) fn by_source(files: &[Held], names: &[SourceName]) -> BySource {
    let mut files: Vec<&Held> = files.iter().collect();
    files.sort_by_key(|held| &held.file.key);
    let mut all = BySource::new();
    for held in files {
        for rows in &held.file.rows_of {
            let name = names[rows.source].key.rsplit('/').next().unwrap().to_owned();
            let lines = &held.lines[rows.first_row as usize..(rows.first_row + rows.rows) as usize];
            all.entry((name, held.folder().to_owned()))
                .or_default()
                .extend_from_slice(lines);
        }
    }
    all
}

impl World {
    /// A lake in a folder, with these tables.
    pub(crate) fn new(schemas: &[(&'static str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut world = Self::at(dir.path().to_owned(), schemas);
        world._dir = Some(dir);
        world
    }

    /// The world that another process has made.
    pub(crate) fn at(root: PathBuf, schemas: &[(&'static str, &str)]) -> Self {
        let store = FolderStore::open(&root.join("lake")).unwrap();
        Self::of(root, Arc::new(store), schemas)
    }

    /// A lake elsewhere.
    pub(crate) fn over(store: Arc<dyn Store>, schemas: &[(&'static str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut world = Self::of(dir.path().to_owned(), store, schemas);
        world._dir = Some(dir);
        world
    }

    fn of(root: PathBuf, store: Arc<dyn Store>, schemas: &[(&'static str, &str)]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        Self {
            root,
            _dir: None,
            runtime,
            store,
            schemas: schemas.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(),
            memory: 64 << 20,
            block_bytes: 1 << 20,
            stop: false,
        }
    }

    /// From now on these are the tables.
    pub(crate) fn configure(&mut self, schemas: &[(&'static str, &str)]) {
        self.schemas = schemas.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root.join("raw").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED_S);
        File::open(path).unwrap().set_modified(modified).unwrap();
    }

    /// Removes a raw file, and gives back what it was.
    pub(crate) fn take_away(&self, name: &str) -> Vec<u8> {
        let path = self.root.join("raw").join(name);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(path).unwrap();
        bytes
    }

    pub(crate) fn lake_path(&self, key: &LakeKey) -> PathBuf {
        self.root.join("lake").join(key.as_str())
    }

    /// Uploads that were left open in the folder of the lake.
    pub(crate) fn open_uploads(&self) -> Vec<PathBuf> {
        let (mut folders, mut found) = (vec![self.root.join("lake")], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "upload") {
                    found.push(path);
                }
            }
        }
        found
    }

    pub(crate) fn sources(&self) -> Vec<Source> {
        let raw = self.root.join("raw");
        local::list(&[raw], &Selection::default()).unwrap().sources
    }

    fn lake(&self) -> Lake {
        let names: Vec<&str> = self.schemas.iter().map(|(name, _)| *name).collect();
        self.runtime
            .block_on(Lake::open(Arc::clone(&self.store), &names))
            .unwrap()
    }

    pub(crate) fn stage(&self, job: &Job, heritage: Option<&Heritage>) -> Result<Staged, StageError> {
        let plan = plan_of(&self.schemas, LIMITS);
        let progress = Progress::default();
        progress.stop.store(self.stop, Ordering::Relaxed);
        let tables = Arc::new(plan.tables().clone());
        let stager = Stager::new(
            plan,
            tables,
            self.lake(),
            RawObjects::default(),
            self.runtime.handle().clone(),
            self.memory,
            self.root.clone(),
            None,
            Arc::new(progress),
        );
        stager.with_block_bytes(self.block_bytes).stage(job, heritage)
    }

    /// All raw files as one job.
    pub(crate) fn job(&self) -> Job {
        let sources = self.sources().into_iter().map(|Source { name, version }| JobSource {
            name,
            version,
            over: None,
            was: None,
        });
        Job::new(&Plan::new("1", "", ""), sources.collect())
    }

    /// Loads all raw files as one job.
    pub(crate) fn load(&self) -> Outcome {
        let job = self.job();
        let Staged { files, report } = self.stage(&job, None).unwrap();
        let prepared = PreparedJob::new(job, files, serde_json::to_value(report).unwrap()).unwrap();
        match self.runtime.block_on(publish(&self.lake(), prepared)).unwrap() {
            Answer::Done(outcome) => *outcome,
            Answer::Dead => panic!("nobody else is here"),
        }
    }

    pub(crate) fn outcome(&self, job: &JobId) -> Outcome {
        self.runtime
            .block_on(outcome::read(&self.lake(), job))
            .unwrap()
            .unwrap()
    }

    /// A job with all sources of a loaded one. Those whose names end so are copied, the others are as they are now.
    pub(crate) fn heir(&self, of: &Outcome, copied: &BTreeSet<&str>) -> (Job, Heritage) {
        let now = self.sources();
        let is_copied = |name: &SourceName| copied.contains(name.key.rsplit('/').next().unwrap());
        let sources = of.sources.iter().map(|old| {
            let was = Owner {
                job: of.job.clone(),
                version: old.version.clone(),
            };
            let found = now.iter().find(|source| source.name == old.name);
            let version = match is_copied(&old.name) {
                true => old.version.clone(),
                false => found.unwrap().version.clone(),
            };
            JobSource {
                name: old.name.clone(),
                version,
                over: Some(Claim {
                    job: of.job.clone(),
                    version: old.version.clone(),
                    was: None,
                }),
                was: Some(was),
            }
        });
        let job = Job::new(&Plan::new("2", "", ""), sources.collect());
        let of_name = |to: &JobSource| of.sources.iter().position(|from| from.name == to.name).unwrap();
        let copied = job
            .sources()
            .iter()
            .enumerate()
            .filter(|(_, source)| is_copied(&source.name));
        let copied = copied
            .map(|(to, source)| Copied {
                from: of_name(source),
                to,
            })
            .collect();
        let of = of.clone();
        let replays = false;
        (job, Heritage { of, copied, replays })
    }

    /// Files of the lake, read back.
    pub(crate) fn published(&self, outcome: &Outcome) -> Vec<Held> {
        let read = |file: &LakeFile| self.runtime.block_on(self.store.get(&file.key)).unwrap().unwrap().0;
        outcome.files.iter().map(|file| Held::of(file, read(file))).collect()
    }

    /// Staged files, read back. Uploads are completed for that, and taken away again.
    pub(crate) fn staged(&self, staged: &Staged) -> Vec<Held> {
        let read = |(file, content): (&LakeFile, &Content)| match content {
            Content::Small(body) => {
                let mut bytes = Vec::new();
                body.write_to(&mut bytes).unwrap();
                Bytes::from(bytes)
            }
            Content::Upload { id, parts } => self.runtime.block_on(async {
                let completed = self.store.complete_upload_if_absent(&file.key, id, parts).await;
                assert_eq!(completed.unwrap(), Complete::Written, "{}", file.key);
                let (bytes, _) = self.store.get(&file.key).await.unwrap().unwrap();
                self.store.delete(&file.key).await.unwrap();
                bytes
            }),
        };
        let files = staged.files.iter().map(|prepared| (&prepared.file, &prepared.content));
        files
            .map(|(file, content)| Held::of(file, read((file, content))))
            .collect()
    }
}

pub(crate) fn names(job: &Job) -> Vec<SourceName> {
    job.sources().iter().map(|source| source.name.clone()).collect()
}

pub(crate) fn names_of(outcome: &Outcome) -> Vec<SourceName> {
    outcome.sources.iter().map(|source| source.name.clone()).collect()
}

pub(crate) fn report_of(outcome: &Outcome) -> JobReport {
    serde_json::from_value(outcome.counts.clone()).unwrap()
}

/// Entries by code of quarantine files, in all.
pub(crate) fn codes(files: &[Held]) -> BTreeMap<String, u64> {
    let mut codes = BTreeMap::new();
    let entries = files
        .iter()
        .filter(|held| matches!(held.file.kind, FileKind::Quarantine { .. }));
    for line in entries.flat_map(|held| &held.lines) {
        let entry: Value = serde_json::from_str(line).unwrap();
        *codes
            .entry(entry["errorCode"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    codes
}
