//! A lake read back from its files alone: the rows by another Parquet reader, the records of `_lakebed/` as plain JSON.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType};
use bytes::Bytes;
use chrono::{NaiveDate, NaiveDateTime};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A lake in a folder.
pub(crate) struct Lake {
    root: PathBuf,
}

/// A data file with its rows.
pub(crate) struct DataFile {
    pub(crate) table: String,
    pub(crate) rows: RecordBatch,
}

impl DataFile {
    /// Reads a file; each of its rows is of the hour that its key names.
    fn read(key: &str, bytes: Bytes) -> Self {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let schema = reader.schema().clone();
        let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
        let rows = concat_batches(&schema, &batches).unwrap();
        assert_in_its_hour(key, &rows);
        let table = key.split('/').next().unwrap().to_owned();
        Self { table, rows }
    }

    /// The column `id`, in the order of the rows.
    pub(crate) fn ids(&self) -> Vec<u64> {
        let ids = self.rows.column_by_name("id").unwrap().as_primitive::<Int64Type>();
        ids.values().iter().map(|id| *id as u64).collect()
    }
}

impl Lake {
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn exists(&self) -> bool {
        self.root.exists()
    }

    fn bytes(&self, key: &str) -> Bytes {
        let path = self.root.join(key);
        fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            .into()
    }

    fn json(&self, key: &str) -> Value {
        serde_json::from_slice(&self.bytes(key)).unwrap_or_else(|error| panic!("{key}: {error}"))
    }

    /// Every file that is there, hidden ones too.
    fn all(&self) -> BTreeMap<String, PathBuf> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(
                        path.strip_prefix(&self.root).unwrap().to_str().unwrap().to_owned(),
                        path,
                    );
                }
            }
        }
        files
    }

    /// Keys of the files that a reader of the lake sees below a prefix.
    fn keys(&self, prefix: &str) -> Vec<String> {
        let visible = |key: &String| key.starts_with(prefix) && !key.split('/').any(|part| part.starts_with('.'));
        self.all().into_keys().filter(visible).collect()
    }

    fn documents(&self, prefix: &str) -> Vec<Value> {
        self.keys(prefix).iter().map(|key| self.json(key)).collect()
    }

    /// Every file with its time of modification and its bytes: equal where nothing was written.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, (SystemTime, Vec<u8>)> {
        let of = |path: &Path| (path.metadata().unwrap().modified().unwrap(), fs::read(path).unwrap());
        self.all().into_iter().map(|(key, path)| (key, of(&path))).collect()
    }

    /// The bytes of all data files by key.
    pub(crate) fn data(&self) -> BTreeMap<String, Bytes> {
        let data = self.keys("").into_iter().filter(|key| !key.starts_with("_lakebed/"));
        data.map(|key| (key.clone(), self.bytes(&key))).collect()
    }

    /// What the footer of each data file says under this name.
    pub(crate) fn footer(&self, name: &str) -> Vec<Option<String>> {
        let of = |bytes: Bytes| {
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
            let facts = reader.metadata().file_metadata().key_value_metadata().unwrap();
            facts.iter().find(|fact| fact.key == name)?.value.clone()
        };
        self.data().into_values().map(of).collect()
    }

    /// What is left in `_lakebed/open/`.
    pub(crate) fn intents(&self) -> Vec<String> {
        self.keys("_lakebed/open/")
    }

    pub(crate) fn claims(&self) -> Vec<Value> {
        self.documents("_lakebed/claims/")
    }

    pub(crate) fn outcomes(&self) -> Vec<Value> {
        self.documents("_lakebed/jobs/")
    }

    /// All lines of all quarantine files.
    pub(crate) fn quarantine(&self) -> Vec<Value> {
        let mut entries = Vec::new();
        for key in self.keys("_lakebed/quarantine/") {
            let mut text = String::new();
            flate2::read::MultiGzDecoder::new(&*self.bytes(&key))
                .read_to_string(&mut text)
                .unwrap();
            assert!(text.ends_with('\n'), "{key}");
            entries.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
        entries
    }

    /// How many quarantine entries there are of each code.
    pub(crate) fn codes(&self) -> BTreeMap<String, usize> {
        let mut codes = BTreeMap::new();
        for entry in self.quarantine() {
            *codes
                .entry(entry["errorCode"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        codes
    }

    /// All data files, each with all its rows.
    pub(crate) fn tables(&self) -> Vec<DataFile> {
        let files = self.data().into_iter();
        files.map(|(key, bytes)| DataFile::read(&key, bytes)).collect()
    }

    /// The column `id` of all rows, sorted: equal to the ids loaded where each is there exactly once.
    pub(crate) fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.tables().iter().flat_map(DataFile::ids).collect();
        ids.sort_unstable();
        ids
    }

    /// The column `id` of the rows of each folder that holds data, sorted.
    pub(crate) fn ids_by_folder(&self) -> BTreeMap<String, Vec<u64>> {
        let mut folders: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (key, bytes) in self.data() {
            let folder = key.rsplit_once('/').unwrap().0.to_owned();
            folders
                .entry(folder)
                .or_default()
                .extend(DataFile::read(&key, bytes).ids());
        }
        folders.values_mut().for_each(|ids| ids.sort_unstable());
        folders
    }

    /// Proves that the lake is at rest and sound: [`prove_published`](Self::prove_published), and every intent that is
    /// left is of a job that has ended.
    #[track_caller]
    pub(crate) fn prove(&self) -> &Self {
        let outcomes = self.keys("_lakebed/jobs/");
        for intent in self.intents() {
            let job = intent.rsplit('/').next().unwrap();
            assert!(
                outcomes.contains(&format!("_lakebed/jobs/{job}.json")),
                "not ended: {intent}"
            );
        }
        self.prove_published()
    }

    /// Proves that every claim is of a job that has ended, what a done job published is there byte for byte and nothing
    /// else is visible, no source counts twice, rows lie in their hours, and all sums hold.
    #[track_caller]
    pub(crate) fn prove_published(&self) -> &Self {
        assert_eq!(self.json("_lakebed/lake.json")["version"], 1);
        let mut published = BTreeSet::new();
        let mut states = BTreeMap::new();
        let mut loaded = BTreeSet::new();
        for outcome in self.outcomes() {
            let is_done = outcome["state"] == "done";
            states.insert(outcome["job"].as_str().unwrap().to_owned(), is_done);
            if !is_done {
                assert_eq!(outcome["state"], "dead");
                continue;
            }
            assert_sums(&outcome["counts"]);
            for source in outcome["sources"].as_array().unwrap() {
                let name = format!("{} {}", source["bucket"], source["key"]);
                assert!(loaded.insert(name), "loaded twice: {source}");
            }
            let (mut rows, mut entries) = (0, 0);
            for file in outcome["files"].as_array().unwrap() {
                let key = file["key"].as_str().unwrap();
                let bytes = self.bytes(key);
                assert_eq!(file["size"], bytes.len(), "{key}");
                assert_eq!(file["sha256"], hex(&Sha256::digest(&bytes)), "{key}");
                rows += file["rows"].as_u64().unwrap_or(0);
                entries += file["entries"].as_u64().unwrap_or(0);
                published.insert(key.to_owned());
            }
            assert_eq!(outcome["counts"]["records"]["rows"], rows);
            assert_eq!(outcome["counts"]["records"]["quarantined"], entries);
        }
        let visible = self.keys("").into_iter();
        let visible: BTreeSet<_> = visible
            .filter(|key| !key.starts_with("_lakebed/") || key.starts_with("_lakebed/quarantine/"))
            .collect();
        assert_eq!(visible, published, "what is there, and what was published");
        for claim in self.claims() {
            assert!(
                states.contains_key(claim["job"].as_str().unwrap()),
                "not ended: {claim}"
            );
        }
        let rows: usize = self.tables().iter().map(|file| file.rows.num_rows()).sum();
        let counted = |outcome: &Value| outcome["counts"]["records"]["rows"].as_u64().unwrap() as usize;
        let done = self.outcomes().into_iter().filter(|outcome| outcome["state"] == "done");
        assert_eq!(rows, done.map(|outcome| counted(&outcome)).sum::<usize>());
        self
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// read + added = rows + quarantined + dropped, and decompressed = records + bad + between: in all and per source.
#[track_caller]
pub(crate) fn assert_sums(counts: &Value) {
    let sum = |of: &Value, names: &[&str]| names.iter().map(|name| of[*name].as_u64().unwrap()).sum::<u64>();
    for of in counts["sources"].as_array().unwrap().iter().chain([counts]) {
        let (records, bytes) = (&of["records"], &of["bytes"]);
        let (found, ended) = (["read", "added"], ["rows", "quarantined", "dropped"]);
        assert_eq!(sum(records, &found), sum(records, &ended), "{of}");
        assert_eq!(
            sum(bytes, &["decompressed"]),
            sum(bytes, &["records", "bad", "between"]),
            "{of}"
        );
    }
    for part in ["records", "bytes"] {
        for (name, total) in counts[part].as_object().unwrap() {
            let sources = counts["sources"].as_array().unwrap();
            let sources = sources.iter().map(|source| source[part][name].as_u64().unwrap());
            assert_eq!(total.as_u64().unwrap(), sources.sum::<u64>(), "{part}.{name}");
        }
    }
}

/// Microseconds since 1970 of a timestamp column.
pub(crate) fn micros(column: &ArrayRef) -> Vec<i64> {
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, None) => {
            let times = column.as_primitive::<TimestampMillisecondType>();
            times.values().iter().map(|time| time * 1000).collect()
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            column.as_primitive::<TimestampMicrosecondType>().values().to_vec()
        }
        other => panic!("{other} is no timestamp of a lake"),
    }
}

/// Every row of a file is of the hour that its key names.
#[track_caller]
fn assert_in_its_hour(key: &str, rows: &RecordBatch) {
    let time = ["at", "time", "shipped_at"]
        .iter()
        .find_map(|name| rows.column_by_name(name));
    let time = time.unwrap_or_else(|| panic!("{key} has no column of event times"));
    assert_eq!(time.null_count(), 0, "{key}");
    let hour = hour_of(key).and_utc().timestamp();
    for micros in micros(time) {
        assert_eq!(micros.div_euclid(3_600_000_000) * 3600, hour, "{micros} in {key}");
    }
    assert!(rows.num_rows() > 0, "{key} is empty");
}

/// The hour that `.../year=2019/month=10/day=12/hour=02/...` or `.../day=2019-10-12/hour=02/...` names.
fn hour_of(key: &str) -> NaiveDateTime {
    let part = |name: &str| {
        key.split('/')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let number = |name| {
        part(name)
            .unwrap_or_else(|| panic!("{key} has no {name}"))
            .parse()
            .unwrap()
    };
    let date = match part("year") {
        Some(year) => NaiveDate::from_ymd_opt(year.parse().unwrap(), number("month"), number("day")).unwrap(),
        None => part("day").unwrap().parse().unwrap(),
    };
    date.and_hms_opt(number("hour"), 0, 0).unwrap()
}
