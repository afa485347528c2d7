//! Output files as they are made: small ones in memory, large ones as an upload left open. Nothing is visible yet.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, spawn_blocking};

use super::StageError;
use crate::encode::{ENCODER_VERSION, Finished, footer};
use crate::job::lake::Lake;
use crate::job::stage::{Content, FileKind, Job, LakeFile, PreparedFile, RowsOf, UPLOAD_BYTES_MIN};
use crate::partition::buckets::{self, Outputs, PartId};
use crate::partition::hour::PartitionHour;
use crate::record::time::Instant;
use crate::store::{Body, Checksum, LakeKey, Part, StoreError, UploadId};
use crate::table::Tables;

/// Small files of a job: in memory as long as there is room, then one after another in an unnamed file.
#[derive(Debug)]
struct Spool {
    memory_max: usize,
    in_memory: usize,
    dir: PathBuf,
    file: Option<Arc<File>>,
    end: u64,
}

impl Spool {
    fn keep(&mut self, bytes: Bytes) -> io::Result<Body> {
        if self.in_memory + bytes.len() <= self.memory_max {
            self.in_memory += bytes.len();
            // Without the room that was kept for more.
            let bytes: Box<[u8]> = bytes.as_ref().into();
            return Ok(Body::from(Bytes::from(bytes)));
        }
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(Arc::new(tempfile::tempfile_in(&self.dir)?)),
        };
        file.write_all_at(&bytes, self.end)?;
        let range = self.end..self.end + bytes.len() as u64;
        self.end = range.end;
        Ok(Body::file(Arc::clone(file), range))
    }
}

/// What has outgrown this is made room for as a part.
const SMALL_BYTES: usize = 1 << 20;

/// What the writers of a job's files share.
#[derive(Debug)]
struct Shared {
    lake: Lake,
    runtime: Handle,
    /// Uploads that are open, so that all can be thrown away where the job is not published.
    uploads: Mutex<Vec<(LakeKey, UploadId)>>,
    /// Memory of parts that have been sent, to be used again by whichever file is next.
    spares: Mutex<Vec<BytesMut>>,
}

/// Files that are idle hold no memory for parts to come.
const SPARES_MAX: usize = 2;

/// One output file being written.
#[derive(Debug)]
pub(super) struct OutputFile {
    key: LakeKey,
    /// What is not yet in a part.
    buffer: BytesMut,
    size: u64,
    /// The part on its way, while the next one is filled.
    sending: Option<JoinHandle<Result<Sent, StoreError>>>,
    /// A part was not sent: nothing more is, whoever still has something to flush.
    broken: bool,
    shared: Arc<Shared>,
}

/// What of a large file is in parts.
#[derive(Debug)]
struct Sent {
    id: UploadId,
    parts: Vec<Part>,
    /// Of all parts so far.
    hash: Sha256,
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Err(io::Error::other("a part of this file could not be sent"));
        }
        self.size += bytes.len() as u64;
        if self.buffer.len() + bytes.len() > self.buffer.capacity().max(SMALL_BYTES) {
            // It will be a part: no more than that, and not grown step by step.
            let part = UPLOAD_BYTES_MIN as usize + SMALL_BYTES;
            self.buffer.reserve(part.saturating_sub(self.buffer.len()));
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() as u64 >= UPLOAD_BYTES_MIN {
            let sent = self.send_part();
            self.broken = sent.is_err();
            sent.map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OutputFile {
    /// Sends what is in the buffer on its way, when the part before has arrived.
    fn send_part(&mut self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let sent = match self.sent()? {
            Some(sent) => sent,
            None => Sent {
                id: shared.start_upload(&self.key)?,
                parts: Vec::new(),
                hash: Sha256::new(),
            },
        };
        let bytes = std::mem::replace(&mut self.buffer, shared.spare()).freeze();
        let offset = self.size - bytes.len() as u64;
        let key = self.key.clone();
        let runtime = shared.runtime.clone();
        self.sending = Some(runtime.spawn(async move { sent.send(&shared, &key, offset, bytes).await }));
        Ok(())
    }

    /// Waits for the part that is on its way.
    fn sent(&mut self) -> Result<Option<Sent>, StoreError> {
        let Some(sending) = self.sending.take() else {
            return Ok(None);
        };
        match self.shared.runtime.block_on(sending) {
            Ok(sent) => sent.map(Some),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(StoreError::new("send", &self.key, true, error)),
            },
        }
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // Nothing is sent to an upload that is thrown away.
        if let Some(sending) = self.sending.take() {
            sending.abort();
            drop(self.shared.runtime.block_on(sending));
        }
    }
}

impl Shared {
    fn spare(&self) -> BytesMut {
        let mut spares = self.spares.lock().expect("no panic holds this lock");
        spares.pop().unwrap_or_default()
    }

    fn keep_spare(&self, bytes: Bytes) {
        let mut spares = self.spares.lock().expect("no panic holds this lock");
        if let Ok(mut spare) = bytes.try_into_mut()
            && spares.len() < SPARES_MAX
        {
            spare.clear();
            spares.push(spare);
        }
    }

    fn start_upload(&self, key: &LakeKey) -> Result<UploadId, StoreError> {
        let id = self.runtime.block_on(self.lake.store().start_upload(key))?;
        let mut uploads = self.uploads.lock().expect("no panic holds this lock");
        uploads.push((key.clone(), id.clone()));
        Ok(id)
    }
}

impl Sent {
    async fn send(mut self, shared: &Shared, key: &LakeKey, offset: u64, bytes: Bytes) -> Result<Self, StoreError> {
        let number = self.parts.len() as u32 + 1;
        let (mut hash, hashed) = (self.hash, bytes.clone());
        let hashing = spawn_blocking(move || {
            hash.update(&hashed);
            hash
        });
        let part = shared
            .lake
            .store()
            .upload_part(key, &self.id, number, offset, bytes.clone().into());
        let part = part.await;
        self.hash = match hashing.await {
            Ok(hash) => hash,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.parts.push(part?);
        shared.keep_spare(bytes);
        Ok(self)
    }
}

/// The output files of one job.
#[derive(Debug)]
pub(super) struct JobOutputs {
    tables: Arc<Tables>,
    job: String,
    /// The source, where the job has but one and it is no local path.
    source: Option<String>,
    shared: Arc<Shared>,
    spool: Spool,
    files: Vec<PreparedFile>,
    /// Rows outside their table's projection, by place of the table.
    pub outside_projection: BTreeMap<usize, u64>,
}

impl JobOutputs {
    pub(super) fn new(
        job: &Job,
        tables: Arc<Tables>,
        lake: Lake,
        runtime: Handle,
        memory: usize,
        spill_dir: PathBuf,
    ) -> Self {
        let source = match job.sources() {
            [only] if only.name.bucket.is_some() => Some(only.name.to_string()),
            _ => None,
        };
        Self {
            tables,
            job: job.id().as_str().to_owned(),
            source,
            shared: Arc::new(Shared {
                lake,
                runtime,
                uploads: Mutex::default(),
                spares: Mutex::default(),
            }),
            spool: Spool {
                memory_max: memory,
                in_memory: 0,
                dir: spill_dir,
                file: None,
                end: 0,
            },
            files: Vec::new(),
            outside_projection: BTreeMap::new(),
        }
    }

    /// The file of rejected records that arrived on `date`.
    pub(super) fn begin_quarantine(&self, date: &str) -> Result<OutputFile, StageError> {
        self.begin_at(&format!("_lakebed/quarantine/date={date}"), 0, "ndjson.gz")
    }

    /// The file of the job that has this number in a folder.
    pub(super) fn begin_at(&self, folder: &str, number: u32, ending: &str) -> Result<OutputFile, StageError> {
        self.file(format!("{folder}/{}-{number:04}.{ending}", self.job))
    }

    /// Takes a finished file of rejected records.
    pub(super) fn end_quarantine(&mut self, file: OutputFile, rows_of: Vec<buckets::RowsOf>) -> Result<(), StageError> {
        let entries = rows_of.iter().map(|rows| rows.rows).sum();
        self.keep(file, FileKind::Quarantine { entries }, rows_of)
    }

    /// What the footer of a file says, given what that of the file says which its rows are copied from.
    pub(super) fn facts_of_copy(&self, facts: Vec<(String, String)>) -> Vec<(String, String)> {
        let kept = facts.into_iter().filter(|(key, _)| key.starts_with("lakebed."));
        let of_this_job = |(key, value): (String, String)| match key.as_str() {
            footer::JOB => Some((key, self.job.clone())),
            footer::ENCODER => Some((key, ENCODER_VERSION.to_string())),
            footer::SOURCE => None,
            _ => Some((key, value)),
        };
        let source = self
            .source
            .iter()
            .map(|source| (footer::SOURCE.to_owned(), source.clone()));
        kept.filter_map(of_this_job).chain(source).collect()
    }

    /// Takes a finished file whose rows or entries were copied from one of this kind.
    pub(super) fn end_copy(
        &mut self,
        file: OutputFile,
        of: &FileKind,
        rows_of: Vec<buckets::RowsOf>,
    ) -> Result<(), StageError> {
        let copied = rows_of.iter().map(|rows| rows.rows).sum();
        let mut kind = of.clone();
        match &mut kind {
            FileKind::Quarantine { entries } => *entries = copied,
            FileKind::Data { table, hour, rows } => {
                *rows = copied;
                let place = self.tables.iter().position(|configured| configured.name == *table);
                if let (Some(place), Ok(hour)) = (place, hour.parse()) {
                    self.count_projection(place, hour, copied);
                }
            }
        }
        self.keep(file, kind, rows_of)
    }

    /// Keys of the files that are finished.
    pub(super) fn keys(&self) -> impl Iterator<Item = &LakeKey> {
        self.files.iter().map(|prepared| &prepared.file.key)
    }

    /// All files, finished, by key: which was finished first depends on the threads.
    pub(super) fn into_files(mut self) -> Vec<PreparedFile> {
        self.files.sort_by(|one, other| one.file.key.cmp(&other.file.key));
        self.files
    }

    /// What throws the job's open uploads away.
    pub(super) fn uploads(&self) -> Uploads {
        Uploads(Arc::clone(&self.shared))
    }

    fn file(&self, key: String) -> Result<OutputFile, StageError> {
        let key = LakeKey::new(key).map_err(|error| StageError::Fault(error.to_string()))?;
        let shared = Arc::clone(&self.shared);
        Ok(OutputFile {
            key,
            buffer: BytesMut::new(),
            size: 0,
            sending: None,
            broken: false,
            shared,
        })
    }

    fn count_projection(&mut self, place: usize, hour: PartitionHour, rows: u64) {
        let projection = &self.tables.as_slice()[place].projection;
        let date = chrono::DateTime::from_timestamp(hour.first_second(), 0).map(|time| time.date_naive());
        if date.is_some_and(|date| date < projection.from || date > projection.to) {
            *self.outside_projection.entry(place).or_default() += rows;
        }
    }

    fn keep(&mut self, mut file: OutputFile, kind: FileKind, rows_of: Vec<buckets::RowsOf>) -> Result<(), StageError> {
        if file.sending.is_some() && !file.buffer.is_empty() {
            file.send_part()?;
        }
        let (content, sha256) = match file.sent()? {
            Some(Sent { id, parts, hash, .. }) => {
                let digest: [u8; 32] = hash.finalize().into();
                (Content::Upload { id, parts }, digest.into())
            }
            None => {
                let bytes = std::mem::take(&mut file.buffer).freeze();
                let sha256 = Checksum::of(&bytes);
                (
                    Content::Small(self.spool.keep(bytes).map_err(StageError::Spool)?),
                    sha256,
                )
            }
        };
        let (key, size) = (file.key.clone(), file.size);
        let rows_of = rows_of
            .iter()
            .map(|r| RowsOf {
                source: r.source,
                first_row: r.first_row,
                rows: r.rows,
            })
            .collect();
        self.files.push(PreparedFile {
            file: LakeFile {
                key,
                size,
                sha256,
                kind,
                rows_of,
            },
            content,
        });
        Ok(())
    }
}

impl Outputs for JobOutputs {
    type File = OutputFile;
    type Error = StageError;

    fn begin(&mut self, part: &PartId) -> Result<OutputFile, StageError> {
        let table = &self.tables.as_slice()[part.table];
        let prefix = table.layout.prefix(part.hour);
        self.begin_at(&format!("{}/{prefix}", table.name), part.number, "parquet")
    }

    fn footer(&self, part: &PartId, (first, last): (Instant, Instant)) -> Vec<(&'static str, String)> {
        let table = &self.tables.as_slice()[part.table];
        let mut facts = vec![
            (footer::JOB, self.job.clone()),
            (footer::TABLE, table.name.clone()),
            (footer::HOUR, part.hour.to_string()),
            (footer::EVENT_TIME_MIN, first.to_rfc3339()),
            (footer::EVENT_TIME_MAX, last.to_rfc3339()),
        ];
        let column = table.event_time_column().map(|column| column.name.clone());
        facts.extend(column.map(|column| (footer::EVENT_TIME_COLUMN, column)));
        facts.push((footer::ENCODER, ENCODER_VERSION.to_string()));
        facts.extend(self.source.iter().map(|source| (footer::SOURCE, source.clone())));
        facts
    }

    fn end(
        &mut self,
        part: PartId,
        file: Finished<OutputFile>,
        rows_of: Vec<buckets::RowsOf>,
    ) -> Result<(), StageError> {
        self.count_projection(part.table, part.hour, file.rows);
        let kind = FileKind::Data {
            table: self.tables.as_slice()[part.table].name.clone(),
            hour: part.hour.to_string(),
            rows: file.rows,
        };
        self.keep(file.out, kind, rows_of)
    }
}

/// The open uploads of a job.
pub(super) struct Uploads(Arc<Shared>);

impl Uploads {
    /// Throws all away; what cannot be is left to the lake's lifecycle rule.
    pub(super) fn abort(&self) {
        let open = std::mem::take(&mut *self.0.uploads.lock().expect("no panic holds this lock"));
        for (key, id) in open {
            drop(self.0.runtime.block_on(self.0.lake.store().abort_upload(&key, &id)));
        }
    }
}
