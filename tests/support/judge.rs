//! Judges a lake at rest by what was put into it.
//!
//! ```text
//! the test made every record ──> Sources: which version of each object counts, and what its records are ─┐
//! folder, or bucket ──> Stored: keys and bytes ──────────────────────────────────────────────────────────┴─> faults
//! ```
//!
//! Knows nothing of lakebed's code: rows are read by another Parquet reader, claims, intents and outcomes as plain JSON,
//! quarantine as compressed lines. What it holds a lake to:
//!
//! - each record of each source's counting version is there once, as a row of its own table and hour with its values, or as
//!   a quarantine entry with its code, position and bytes; what outcomes say of it in figures is so;
//! - what a done job says it published is there byte for byte, what a dead job may have published is not;
//! - every claim is of a job that has ended, and says who owns its source;
//! - every key is one that a lake may have, and nothing was left over but what killed processes could not take away.

mod quarantine;
mod rows;
mod stored;
mod sums;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) use stored::{Stored, hex};

/// A raw object: its bytes, and what they hold in order.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) stored: Bytes,
    pub(crate) records: Vec<Record>,
}

/// What is to become of a record, or of a stretch that is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record {
    Row {
        /// Like no other's, in whatever object or version.
        id: i64,
        /// `table/year=2024/...`, as far as the hour.
        folder: String,
        at_ms: i64,
        text: String,
    },
    Reject {
        code: &'static str,
        /// Where it begins in the decompressed stream.
        offset: u64,
        bytes: Vec<u8>,
    },
}

/// The version of a source whose records the lake is to hold.
#[derive(Clone, Debug)]
pub(crate) struct Counting {
    /// As an outcome says it.
    pub(crate) etag: String,
    pub(crate) last_modified_s: i64,
    pub(crate) content: Arc<Content>,
}

/// The counting versions by name: `s3://bucket/key`, or a path.
pub(crate) type Sources = BTreeMap<String, Counting>;

/// What is wrong with a lake at rest; nothing if all is well. `left`: what is known to be left over of killed processes, see
/// [`Stored::leftovers`].
pub(crate) fn judge(lake: &Stored, sources: &Sources, left: &BTreeSet<String>) -> Vec<String> {
    let mut judge = Judge {
        lake,
        sources,
        faults: Vec::new(),
        open: sources
            .iter()
            .map(|(name, counting)| (name.clone(), Open::of(counting)))
            .collect(),
        loaded: BTreeMap::new(),
        published: BTreeSet::new(),
        jobs: BTreeMap::new(),
    };
    judge.keys();
    judge.outcomes();
    judge.claims();
    judge.intents();
    judge.unpublished();
    judge.missing();
    for leftover in lake.leftovers.difference(left) {
        judge
            .faults
            .push(format!("left over, and of no killed process: {leftover}"));
    }
    judge.faults
}

/// What may count of a source.
#[derive(Clone, Debug, Default)]
pub(crate) struct May {
    /// The newest last. One, unless the object was deleted before anybody said that it was loaded.
    pub(crate) versions: Vec<Counting>,
    /// Whether it may never have been loaded.
    pub(crate) absent: bool,
}

/// The version of each source that is to count, given the lake: the one that may, or of several the one it has.
pub(crate) fn counting(lake: &Stored, sources: &BTreeMap<String, May>) -> Sources {
    let mut loaded: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, key) in lake.named("_lakebed/jobs/") {
        let outcome: Value = serde_json::from_slice(&lake.objects[key]).unwrap_or_default();
        for source in array(&outcome["sources"]).iter().filter(|_| outcome["state"] == "done") {
            let etag = source["etag"].as_str().unwrap_or_default().to_owned();
            loaded.entry(source_name(source)).or_default().insert(etag);
        }
    }
    let choose = |(name, may): (&String, &May)| {
        let has = |counting: &&Counting| loaded.get(name).is_some_and(|tags| tags.contains(&counting.etag));
        let chosen = may.versions.iter().rfind(has);
        let newest = may.versions.last().filter(|_| !may.absent);
        Some((name.clone(), chosen.or(newest)?.clone()))
    };
    sources.iter().filter_map(choose).collect()
}

struct Judge<'a> {
    lake: &'a Stored,
    sources: &'a Sources,
    faults: Vec<String>,
    /// What was not yet found.
    open: BTreeMap<String, Open>,
    /// The done job of each source.
    loaded: BTreeMap<String, String>,
    /// Keys of the files of done jobs.
    published: BTreeSet<String>,
    /// Every job with an outcome: whether it is done.
    jobs: BTreeMap<String, bool>,
}

/// The records of a source that were not yet found, by place.
struct Open {
    ordinals: BTreeSet<usize>,
    by_id: HashMap<i64, usize>,
}

impl Open {
    fn of(counting: &Counting) -> Self {
        let records = &counting.content.records;
        let ids = records.iter().enumerate().filter_map(|(ordinal, record)| match record {
            Record::Row { id, .. } => Some((*id, ordinal)),
            Record::Reject { .. } => None,
        });
        Self {
            ordinals: (0..records.len()).collect(),
            by_id: ids.collect(),
        }
    }
}

/// What an outcome says of a file.
struct File<'a> {
    key: &'a str,
    bytes: &'a Bytes,
    /// Names of the sources, and which rows or entries are theirs.
    parts: Vec<(&'a str, std::ops::Range<usize>)>,
}

impl<'a> Judge<'a> {
    fn fault(&mut self, what: impl Into<String>) {
        self.faults.push(what.into());
    }

    /// A record of the lake as JSON.
    fn json(&mut self, key: &str) -> Option<Value> {
        match serde_json::from_slice(&self.lake.objects[key]) {
            Ok(json) => Some(json),
            Err(error) => {
                self.fault(format!("{key}: {error}"));
                None
            }
        }
    }

    fn keys(&mut self) {
        for key in self.lake.objects.keys() {
            if !stored::may_be(key) {
                self.fault(format!("no key of a lake: {key}"));
            }
        }
        let mark = "_lakebed/lake.json";
        let version = self.lake.objects.contains_key(mark).then(|| self.json(mark)).flatten();
        if version.is_none_or(|mark| mark["version"] != 1) {
            self.fault(format!("{mark} does not say version 1"));
        }
    }

    fn outcomes(&mut self) {
        for (job, key) in self.lake.named("_lakebed/jobs/") {
            let Some(outcome) = self.json(key) else { continue };
            let job = job.trim_end_matches(".json").to_owned();
            if outcome["job"] != *job {
                self.fault(format!("{key} is of job {}", outcome["job"]));
            }
            match outcome["state"].as_str() {
                Some("done") => {
                    self.jobs.insert(job.clone(), true);
                    self.done(&job, &outcome);
                }
                Some("dead") => {
                    self.jobs.insert(job, false);
                }
                _ => self.fault(format!("{key} has the state {}", outcome["state"])),
            }
        }
    }

    fn done(&mut self, job: &str, outcome: &Value) {
        let names: Vec<String> = array(&outcome["sources"]).iter().map(source_name).collect();
        for (name, source) in names.iter().zip(array(&outcome["sources"])) {
            if let Some(other) = self.loaded.insert(name.clone(), job.to_owned()) {
                self.fault(format!("{name} counts in job {job} and in job {other}"));
            }
            match self.sources.get(name) {
                None => self.fault(format!("job {job} loaded {name}, which was never there")),
                Some(counting) => {
                    let expected = (&counting.etag, counting.content.stored.len(), counting.last_modified_s);
                    let (etag, size, modified) = (&source["etag"], &source["size"], &source["last_modified_s"]);
                    if (etag, size, modified) != (&(**expected.0).into(), &expected.1.into(), &expected.2.into()) {
                        self.fault(format!("{name} counts as {source}, and should as {expected:?}"));
                    }
                }
            }
        }
        for why in sums::faults(outcome, &names, self.sources) {
            self.fault(format!("job {job}: {why}"));
        }
        for file in array(&outcome["files"]) {
            self.file(job, file, &names);
        }
    }

    fn file(&mut self, job: &str, file: &Value, names: &[String]) {
        let lake = self.lake;
        let key = file["key"].as_str().unwrap_or_default();
        if !self.published.insert(key.to_owned()) {
            self.fault(format!("{key} is listed twice"));
            return;
        }
        let Some(bytes) = lake.objects.get(key) else {
            self.fault(format!("{key} of done job {job} is not there"));
            return;
        };
        if file["size"] != bytes.len() || file["sha256"] != hex(&Sha256::digest(bytes)) {
            self.fault(format!("{key} has not the size and checksum of its outcome"));
        }
        let mut parts = Vec::new();
        let mut next = 0;
        for part in array(&file["rows_of"]) {
            let [source, first, rows] = ["source", "first_row", "rows"].map(|name| number(&part[name]));
            let Some(name) = names.get(source).filter(|_| first == next) else {
                self.fault(format!("{key}: rows of {part}"));
                return;
            };
            next = first + rows;
            parts.push((name.as_str(), first..next));
        }
        if number(&file["rows"]) + number(&file["entries"]) != next {
            self.fault(format!("{key} has not the rows of its sources"));
        }
        let file = File { key, bytes, parts };
        if key.starts_with("_lakebed/quarantine/") {
            self.quarantine(&file);
        } else {
            self.rows(&file);
        }
    }

    /// A record was found as row or entry. False: it was before, or is none of this version's.
    fn found(&mut self, source: &str, ordinal: usize, what: &str) {
        let is_new = self
            .open
            .get_mut(source)
            .is_some_and(|open| open.ordinals.remove(&ordinal));
        if !is_new && self.sources.contains_key(source) {
            self.fault(format!(
                "record {} of {source} is there more than once: {what}",
                ordinal + 1
            ));
        }
    }

    fn claims(&mut self) {
        let mut owners: Vec<(String, String)> = Vec::new();
        for (_, key) in self.lake.named("_lakebed/claims/") {
            let Some(claim) = self.json(key) else { continue };
            let job = claim["job"].as_str().unwrap_or_default();
            let owner = match self.jobs.get(job) {
                None => {
                    self.fault(format!("{key} is of job {job}, which has no outcome"));
                    continue;
                }
                Some(true) => &claim,
                // Nobody's, where nothing was before.
                Some(false) if claim["was"].is_null() => continue,
                Some(false) => &claim["was"],
            };
            owners.push((
                owner["job"].as_str().unwrap_or_default().to_owned(),
                owner["version"].to_string(),
            ));
        }
        let mut expected = Vec::new();
        for (name, job) in &self.loaded {
            let Some(counting) = self.sources.get(name) else {
                continue;
            };
            let version = serde_json::json!({
                "etag": counting.etag, "size": counting.content.stored.len(), "last_modified_s": counting.last_modified_s,
            });
            expected.push((job.clone(), version.to_string()));
        }
        owners.sort();
        expected.sort();
        if owners != expected {
            let (found, loaded) = (owners.len(), expected.len());
            let other = owners.iter().find(|owner| !expected.contains(owner));
            let lost = expected.iter().find(|owner| !owners.contains(owner));
            self.fault(format!(
                "{found} claims own what {loaded} sources loaded: found {other:?}, missing {lost:?}"
            ));
        }
    }

    /// An intent may be left of a job that has ended, or of one that nobody's claim names.
    fn intents(&mut self) {
        let claimed: BTreeSet<String> = self
            .lake
            .named("_lakebed/claims/")
            .filter_map(|(_, key)| serde_json::from_slice::<Value>(&self.lake.objects[key]).ok())
            .map(|claim| claim["job"].as_str().unwrap_or_default().to_owned())
            .collect();
        for (job, key) in self.lake.named("_lakebed/open/") {
            if !self.jobs.contains_key(job) && claimed.contains(job) {
                self.fault(format!("{key} is claimed and was not settled"));
            }
        }
    }

    /// Whatever a reader sees and no done job lists is of a dead job, or of nobody.
    fn unpublished(&mut self) {
        for (key, bytes) in self.lake.files() {
            if !self.published.contains(key) {
                let job = stored::job_of(key);
                let whose = match self.jobs.get(job) {
                    Some(false) => "a dead job",
                    Some(true) => "a done job, which does not list it",
                    None => "a job without outcome",
                };
                self.fault(format!("{key} is there, and of {whose}"));
                if key.ends_with(".parquet")
                    && let Err(error) = rows::read(bytes)
                {
                    self.fault(format!("{key}: {error}"));
                }
            }
        }
    }

    fn missing(&mut self) {
        for (name, open) in std::mem::take(&mut self.open) {
            if !self.loaded.contains_key(&name) {
                self.fault(format!("{name} was not loaded"));
            } else if let Some(first) = open.ordinals.first() {
                let record = &self.sources[&name].content.records[*first];
                let missing = open.ordinals.len();
                self.fault(format!(
                    "{missing} records of {name} are missing; the first: {}",
                    brief(record)
                ));
            }
        }
    }
}

/// `s3://bucket/key`, or the path.
pub(crate) fn source_name(source: &Value) -> String {
    let key = source["key"].as_str().unwrap_or_default();
    match source["bucket"].as_str() {
        Some(bucket) => format!("s3://{bucket}/{key}"),
        None => key.to_owned(),
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A number, or 0 where there is none.
fn number(value: &Value) -> usize {
    value.as_u64().unwrap_or(0) as usize
}

/// A record without its bytes.
fn brief(record: &Record) -> String {
    match record {
        Record::Row { id, folder, .. } => format!("id {id} of {folder}"),
        Record::Reject { code, offset, .. } => format!("{code} at {offset}"),
    }
}
