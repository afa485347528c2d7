//! Judges a lake by the raw objects it came from, and knows nothing of the code that made it.
//!
//! ```text
//! every write ──> Watch            I2 I3 I4 I5 I7 I11, decided before published, never neither of two versions
//! a lake at rest ──> Watch::at_rest    I1 I4 I10 I11
//! ```
//!
//! - I1: each record of the current version of a source, or of the last one loaded if it is gone, stands once in the rows or
//!   the rejects, and none of another version.
//! - I2: what is visible is whole. I3: a row is of its table and hour.
//! - I4: the files of a done job are there, as its outcome says.
//! - I5: what was answered with success is in a done outcome.
//! - I6: a duplicate writes nothing. I7: a file never changes.
//! - I9: when faults stop, two deliveries are enough.
//! - I10: swept, there is no file of a dead job, no intent, and no upload but of those who were killed.
//! - I11: every key is one of a lake, and nothing is written to raw.
//!
//! Reads keys and bytes straight out of the model; outcomes, intents and claims as plain JSON; and takes all sums itself. The
//! files are not Parquet but lines between a head and a foot, see [`file`]: what is published whole is judged by it.

pub(crate) mod file;
pub(crate) mod keys;
mod rest;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::s3::{At, Condition, Model};
use super::sim::Request;
use keys::Place;

/// The bucket of the lake, and where it is in it.
pub(crate) const LAKE: &str = "lake";
pub(crate) const PREFIX: &str = "p/";

/// All that was seen of a lake and of the raw objects.
#[derive(Default)]
pub(crate) struct Watch {
    faults: Vec<String>,
    raw: BTreeMap<String, Vec<Raw>>,
    jobs: BTreeMap<String, Job>,
    /// The sum of every file that ever was visible.
    files: BTreeMap<String, String>,
    /// Every value a claim ever had.
    claims: BTreeMap<String, Vec<String>>,
    /// Of each job with an intent: the names of its sources' claims.
    intents: BTreeMap<String, BTreeSet<String>>,
    /// Jobs named by claims, with the claims.
    claimed: BTreeSet<(String, String)>,
    uploads: BTreeMap<String, Upload>,
    /// Actors that were killed or failed: what they staged may stay.
    excused: BTreeSet<String>,
}

/// What a raw object was for a while.
#[derive(Clone, Debug)]
struct Raw {
    /// Nothing: it was deleted.
    object: Option<(Version, Vec<String>)>,
    /// In lines of the log.
    until: usize,
}

/// ETag, size, Last-Modified in seconds.
type Version = (String, u64, i64);

struct Upload {
    /// Who knows its name.
    by: Option<String>,
    in_an_intent: bool,
}

#[derive(Clone, Debug)]
struct Job {
    state: String,
    sources: Vec<(String, Version)>,
    files: Vec<File>,
    /// In lines of the log: when it was seen done, and no longer done.
    done_at: usize,
    until: usize,
}

#[derive(Clone, Debug)]
struct File {
    key: String,
    size: u64,
    sha256: String,
    rows: u64,
    /// Source, first row, rows.
    rows_of: Vec<(usize, u64, u64)>,
}

impl Watch {
    pub(crate) fn has_seen_a_fault(&self) -> bool {
        !self.faults.is_empty()
    }

    /// What did not hold, in the order in which it was seen.
    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    fn fault(&mut self, why: String) {
        self.faults.push(why);
    }

    /// The raw objects that are there now: `bucket/key`.
    pub(crate) fn sources(&self) -> Vec<String> {
        let there = |(name, was): (&String, &Vec<Raw>)| was.last()?.object.as_ref().map(|_| name.clone());
        self.raw.iter().filter_map(there).collect()
    }

    /// Jobs that are done.
    pub(crate) fn done(&self) -> usize {
        self.jobs.values().filter(|job| job.state == "done").count()
    }

    /// When a raw object became what it is, in lines of the log.
    pub(crate) fn changed_at(&self, source: &str) -> usize {
        let was = &self.raw[source];
        was.len().checked_sub(2).map_or(0, |before| was[before].until)
    }

    /// Somebody wrote or deleted a raw object, before line `at` of the log.
    pub(crate) fn raw_changed(&mut self, model: &Model, bucket: &str, key: &str, at: usize) {
        let object = model
            .get(At::new(bucket, key), None, &Condition::None)
            .ok()
            .map(|object| {
                let bytes = object.content.bytes();
                let lines = std::str::from_utf8(&bytes).unwrap().lines().map(str::to_owned);
                let since = object.last_modified.duration_since(std::time::UNIX_EPOCH).unwrap();
                (
                    (object.tag, object.content.len(), since.as_secs() as i64),
                    lines.collect(),
                )
            });
        let was = self.raw.entry(format!("{bucket}/{key}")).or_default();
        if let Some(last) = was.last_mut() {
            last.until = at;
        }
        was.push(Raw {
            object,
            until: usize::MAX,
        });
    }

    /// A message was answered with success: at some moment since it was delivered there was a done outcome that has the
    /// source as it was then (I5).
    pub(crate) fn acknowledged(&mut self, source: &str, delivered: usize) {
        let current = |version: &Version| {
            let was = self.raw.get(source).map_or(&[][..], Vec::as_slice);
            was.iter()
                .any(|raw| raw.until >= delivered && raw.object.as_ref().is_some_and(|(is, _)| is == version))
        };
        let proved = self.jobs.values().any(|job| {
            let has = |(name, version): &(String, Version)| name == source && current(version);
            job.done_at != usize::MAX && job.until >= delivered && job.sources.iter().any(has)
        });
        if !proved {
            self.fault(format!(
                "I5: {source} was acknowledged, and no done outcome has it as it was"
            ));
        }
    }

    /// What this actor staged may stay: it could not clean up.
    pub(crate) fn excuse(&mut self, actor: &str) {
        self.excused.insert(actor.to_owned());
    }

    /// Whether a write leaves the lake as it is, all told: the file of a dead job, deleted once more.
    pub(crate) fn is_idle(&self, request: &Request) -> bool {
        let key = request.key.strip_prefix(PREFIX).unwrap_or_default();
        let job = keys::place(key).and_then(|place| self.jobs.get(place.job_of_file()?));
        request.operation == "DeleteObject" && job.is_some_and(|job| job.state == "dead")
    }

    /// It came to its end: all that it staged has to be published or thrown away.
    pub(crate) fn pardon_no_more(&mut self, actor: &str) {
        self.excused.remove(actor);
    }
}

/// The content of a key of the lake.
fn content(model: &Model, key: &str) -> Option<Bytes> {
    model.bytes(LAKE, &format!("{PREFIX}{key}"))
}

/// Every key of the lake, without its prefix.
fn lake_keys(model: &Model) -> Vec<String> {
    let keys = model.keys(LAKE).into_iter();
    keys.map(|key| key.strip_prefix(PREFIX).unwrap_or("outside of the lake").to_owned())
        .collect()
}

/// Lower-case hexadecimal.
fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(key: &str, bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("{key} is not JSON: {error}"))
}

/// `bucket/key` of a source in a record.
fn source_of(source: &Value) -> String {
    let text = |field: &str| source[field].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text("bucket"), text("key"))
}

fn version_of(source: &Value) -> Version {
    (
        source["etag"].as_str().unwrap_or_default().to_owned(),
        source["size"].as_u64().unwrap_or_default(),
        source["last_modified_s"].as_i64().unwrap_or_default(),
    )
}

fn job_of(outcome: &Value) -> Job {
    let list = |field: &str| outcome[field].as_array().cloned().unwrap_or_default();
    let number = |value: &Value, field: &str| value[field].as_u64().unwrap_or(u64::MAX);
    let file = |file: &Value| File {
        key: file["key"].as_str().unwrap_or_default().to_owned(),
        size: number(file, "size"),
        sha256: file["sha256"].as_str().unwrap_or_default().to_owned(),
        rows: file["rows"].as_u64().unwrap_or_else(|| number(file, "entries")),
        rows_of: file["rows_of"]
            .as_array()
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .map(|of| {
                (
                    number(of, "source") as usize,
                    number(of, "first_row"),
                    number(of, "rows"),
                )
            })
            .collect(),
    };
    Job {
        state: outcome["state"].as_str().unwrap_or_default().to_owned(),
        sources: list("sources")
            .iter()
            .map(|source| (source_of(source), version_of(source)))
            .collect(),
        files: list("files").iter().map(file).collect(),
        done_at: usize::MAX,
        until: usize::MAX,
    }
}

/// Why a visible file is not what its key says (I2, I3), or its lines.
fn lines_of(key: &str, place: &Place, bytes: &[u8]) -> Result<Vec<String>, String> {
    let lines = file::parse(bytes).map_err(|why| format!("I2: {key} {why}"))?;
    if let Place::Data { table, hour, .. } = place {
        for line in &lines {
            let row: Value =
                serde_json::from_str(line).map_err(|_| format!("I3: {key} has a row that is none: {line}"))?;
            if row["table"] != table.as_str() || row["hour"] != hour.as_str() {
                return Err(format!("I3: {key} has a row of elsewhere: {line}"));
            }
        }
    } else if let Some(line) = lines.iter().find(|line| !line.starts_with('!')) {
        return Err(format!("I3: {key} has a good record: {line}"));
    }
    Ok(lines)
}
