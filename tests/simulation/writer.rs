//! Loads batches as the front doors do, in small: look, stage, publish, and heirs of what was overwritten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lakebed::job::claim::{Look, look_all};
use lakebed::job::heir::{Heritage, Inheritance, inherit};
use lakebed::job::identity::{JobId, Plan, SourceName, Version};
use lakebed::job::lake::Lake;
use lakebed::job::shape::TableShape;
use lakebed::job::stage::{Content, FileKind, Job, JobSource, LakeFile, PreparedFile, PreparedJob, RowsOf};
use lakebed::job::{Answer, LakeError, publish};
use lakebed::store::{Body, Checksum, LakeKey};
use serde_json::Value;

use crate::support::key;
use crate::support::oracle::{LAKE, PREFIX, file};
use crate::support::s3::direct::Direct;
use crate::support::sim::Handle;

/// Looks of one delivery, at most.
const ROUNDS_MAX: u32 = 40;

/// How a batch is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) plan: &'static str,
    /// An encoder whose bytes differ from those of others, under the same plan.
    pub(crate) machine: &'static str,
    /// What is loaded already is loaded again.
    pub(crate) reload: bool,
    /// Every so many-th file is an upload; 0: none.
    pub(crate) uploads: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            plan: "p1",
            machine: "",
            reload: false,
            uploads: 2,
        }
    }
}

/// A delivery under way.
struct Run {
    writer: Writer,
    direct: Direct,
    lake: Lake,
    /// Sources that are answered with success.
    loaded: BTreeSet<SourceName>,
    /// Sources that are not there any more.
    gone: BTreeSet<SourceName>,
}

/// What was read for a file, source by source.
type Lines = BTreeMap<LakeKey, Vec<(usize, Vec<String>)>>;

pub(crate) fn source(name: &str) -> SourceName {
    let (bucket, key) = name.split_once('/').unwrap();
    SourceName::in_bucket(bucket, key)
}

fn name_of(source: &SourceName) -> String {
    format!("{}/{}", source.bucket.as_deref().unwrap(), source.key)
}

pub(crate) async fn lake(handle: &Handle) -> Result<Lake, LakeError> {
    let lake = Lake::open(Arc::new(Direct::new(handle.clone(), LAKE, PREFIX)), &["t", "u"]).await?;
    for name in ["t", "u"] {
        let shape = TableShape {
            name: name.into(),
            layout: "hour".into(),
            columns: vec![("row".to_owned(), "bigint".to_owned())],
        };
        lake.admit_table(&shape).await?;
    }
    Ok(lake)
}

impl Writer {
    /// Until every source of the batch is in the lake or is not there any more. The names of those that are.
    pub(crate) async fn load(self, handle: &Handle, batch: &[String]) -> Result<Vec<String>, LakeError> {
        let lake = lake(handle).await?;
        self.load_into(handle, lake, batch).await
    }

    /// The same in a lake that is open.
    pub(crate) async fn load_into(
        self,
        handle: &Handle,
        lake: Lake,
        batch: &[String],
    ) -> Result<Vec<String>, LakeError> {
        let mut run = Run {
            writer: self,
            direct: Direct::new(handle.clone(), LAKE, PREFIX),
            lake,
            loaded: BTreeSet::new(),
            gone: BTreeSet::new(),
        };
        // Once each, whatever the batch says.
        let names: BTreeSet<SourceName> = batch.iter().map(|name| source(name)).collect();
        for _ in 0..ROUNDS_MAX {
            if run.once(&names).await? {
                return Ok(run.loaded.iter().map(name_of).collect());
            }
            tokio::time::sleep(Duration::from_millis(1 + handle.sim.draw(200))).await;
        }
        Err(LakeError::Contended { rounds: ROUNDS_MAX })
    }
}

impl Run {
    /// Whether nothing is left to do.
    async fn once(&mut self, names: &BTreeSet<SourceName>) -> Result<bool, LakeError> {
        let mut listed: BTreeMap<SourceName, Version> = BTreeMap::new();
        for name in names.difference(&self.loaded) {
            if self.gone.contains(name) {
                continue;
            }
            match self.direct.first_look(name).await? {
                Some(version) => drop(listed.insert(name.clone(), version)),
                None => drop(self.gone.insert(name.clone())),
            }
        }
        if listed.is_empty() {
            return Ok(true);
        }
        let looks = look_all(&self.lake, listed.keys().cloned().collect(), &self.direct).await?;
        let (mut free, mut replaced) = (Vec::new(), BTreeSet::new());
        for ((name, version), look) in listed.into_iter().zip(looks) {
            match look {
                Look::Free { over } => free.push(JobSource {
                    name,
                    version,
                    over,
                    was: None,
                }),
                Look::Loaded { job } if self.writer.reload => drop(replaced.insert(job)),
                Look::Loaded { .. } => drop(self.loaded.insert(name)),
                Look::Overwritten { job } => drop(replaced.insert(job)),
                Look::Missing { .. } => drop(self.gone.insert(name)),
                Look::Stuck { error } => return Err(error),
                Look::Unknown { error, .. } => return Err(error.into()),
            }
        }
        if free.is_empty() && replaced.is_empty() {
            return Ok(self.loaded.len() + self.gone.len() >= names.len());
        }
        if !free.is_empty() {
            let job = Job::new(&self.plan(), free);
            self.publish(job, None, names).await?;
            return Ok(false);
        }
        for job in replaced {
            self.replace(&job, names).await?;
        }
        Ok(false)
    }

    fn plan(&self) -> Plan {
        Plan::new(self.writer.plan, "", "")
    }

    async fn replace(&mut self, job: &JobId, names: &BTreeSet<SourceName>) -> Result<(), LakeError> {
        match inherit(&self.lake, job, &BTreeSet::new(), &self.direct).await? {
            Inheritance::Heir { sources, of, kept } => {
                let job = Job::keeping(&self.plan(), sources, &kept);
                let heritage = Heritage::of(*of, &job, &kept);
                self.publish(job, Some(heritage), names).await
            }
            Inheritance::Moved => Ok(()),
            Inheritance::Unknown(mut unknown) => Err(unknown.remove(0).1.into()),
        }
    }

    async fn publish(
        &mut self,
        job: Job,
        heritage: Option<Heritage>,
        names: &BTreeSet<SourceName>,
    ) -> Result<(), LakeError> {
        let copied: BTreeSet<usize> = heritage
            .iter()
            .flat_map(|heritage| heritage.copied.iter().map(|copied| copied.to))
            .collect();
        let of_it: Vec<SourceName> = job.sources().iter().map(|source| source.name.clone()).collect();
        let Some(lines) = self.read(&job, heritage.as_ref()).await? else {
            return Ok(());
        };
        let mut files = Vec::new();
        for (n, (key, lines)) in lines.into_iter().enumerate() {
            let upload = self.writer.uploads != 0 && (n + 1).is_multiple_of(self.writer.uploads);
            files.push(self.file(key, &lines, upload).await?);
        }
        let prepared = PreparedJob::new(job, files, Value::from(self.writer.machine))?;
        if let Answer::Done(_) = publish(&self.lake, prepared).await? {
            for (to, name) in of_it.into_iter().enumerate().filter(|(_, name)| names.contains(name)) {
                // What is copied is in the lake, and not answered with success: it is there no more.
                let became = if copied.contains(&to) {
                    &mut self.gone
                } else {
                    &mut self.loaded
                };
                became.insert(name);
            }
        }
        Ok(())
    }

    /// Nothing if a source is not what it was.
    async fn read(&self, job: &Job, heritage: Option<&Heritage>) -> Result<Option<Lines>, LakeError> {
        let mut lines = Lines::new();
        for (to, source) in job.sources().iter().enumerate() {
            let copied = heritage.and_then(|heritage| heritage.copied.iter().find(|copied| copied.to == to));
            let records = match (heritage, copied) {
                (Some(heritage), Some(copied)) => self.copy(heritage, copied.from).await?,
                _ => self.direct.read(&source.name, &source.version).await?.map(|bytes| {
                    let text = std::str::from_utf8(&bytes).unwrap();
                    text.lines().map(str::to_owned).collect()
                }),
            };
            let Some(records) = records else { return Ok(None) };
            let mut of_file: BTreeMap<LakeKey, Vec<String>> = BTreeMap::new();
            for record in records {
                of_file.entry(key_of(job.id(), &record)).or_default().push(record);
            }
            for (key, records) in of_file {
                lines.entry(key).or_default().push((to, records));
            }
        }
        Ok(Some(lines))
    }

    /// The rows and rejects of a source in the files of the job that is replaced; nothing if they are gone.
    async fn copy(&self, heritage: &Heritage, from: usize) -> Result<Option<Vec<String>>, LakeError> {
        let mut records = Vec::new();
        for file in &heritage.of.files {
            for rows in file.rows_of.iter().filter(|rows| rows.source == from) {
                let Some((bytes, _)) = self.lake.store().get(&file.key).await? else {
                    return Ok(None);
                };
                let lines = file::parse(&bytes).expect("a whole file");
                records.extend_from_slice(&lines[rows.first_row as usize..(rows.first_row + rows.rows) as usize]);
            }
        }
        Ok(Some(records))
    }

    async fn file(
        &self,
        key: LakeKey,
        lines: &[(usize, Vec<String>)],
        upload: bool,
    ) -> Result<PreparedFile, LakeError> {
        let (mut all, mut rows_of) = (Vec::new(), Vec::new());
        for (source, lines) in lines {
            rows_of.push(RowsOf {
                source: *source,
                first_row: all.len() as u64,
                rows: lines.len() as u64,
            });
            all.extend_from_slice(lines);
        }
        let bytes = Bytes::from(file::write(self.writer.machine, &all));
        let parts: Vec<&str> = key.as_str().split('/').collect();
        let rows = all.len() as u64;
        let kind = match parts[..] {
            ["_lakebed", ..] => FileKind::Quarantine { entries: rows },
            [table, ..] => FileKind::Data {
                table: table.to_owned(),
                hour: hour_of(&all[0]),
                rows,
            },
            [] => unreachable!("a key has parts"),
        };
        let content = if upload {
            let store = self.lake.store();
            let id = store.start_upload(&key).await?;
            let mut sent = Vec::new();
            for (number, range) in [(1, 0..7), (2, 7..bytes.len())] {
                let (offset, part) = (range.start as u64, Body::from(bytes.slice(range)));
                sent.push(store.upload_part(&key, &id, number, offset, part).await?);
            }
            Content::Upload { id, parts: sent }
        } else {
            Content::Small(bytes.clone().into())
        };
        let file = LakeFile {
            key,
            size: bytes.len() as u64,
            sha256: Checksum::of(&bytes),
            kind,
            rows_of,
        };
        Ok(PreparedFile { file, content })
    }
}

fn hour_of(record: &str) -> String {
    let record: Value = serde_json::from_str(record).unwrap();
    record["hour"].as_str().unwrap().to_owned()
}

/// Where a record goes.
fn key_of(job: &JobId, record: &str) -> LakeKey {
    if record.starts_with('!') {
        return key(&format!("_lakebed/quarantine/date=2019-10-12/{job}-0000.ndjson.gz"));
    }
    let json: Value = serde_json::from_str(record).unwrap();
    let (table, hour) = (json["table"].as_str().unwrap(), json["hour"].as_str().unwrap());
    let (year, month, day, hour) = (&hour[..4], &hour[5..7], &hour[8..10], &hour[11..]);
    key(&format!(
        "{table}/year={year}/month={month}/day={day}/hour={hour}/{job}-0000.parquet"
    ))
}
