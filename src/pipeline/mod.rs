//! Connects the stages: raw objects of a job in, its finished files and counts out. Nothing is visible in the lake yet.
//!
//! ```text
//! reader thread        blocks, in order   rayon                  staging thread
//! read, inflate, cut ────(bounded)──────> parse some blocks ───> rows of the oldest to their partitions
//!                    <─ spare buffers ───────────────────────────┘   │ full batches
//!                                         encode pages, groups  <────┘
//!                                              │ full parts
//! tokio                                        └─> hash and upload the part before
//! ```
//!
//! Sources that are not to be read come last: their rows are copied from files of the lake.
//!
//! Only the staging thread waits for others: work that waited within rayon could lie on top of what it waits for. On one core
//! everything between the reader and the files runs on the staging thread.

mod copied;
mod error;
mod outputs;
mod reading;
mod rejects;
mod replayed;
mod taken;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::job::heir::Heritage;
use crate::job::lake::Lake;
use crate::job::stage::{Job, JobSource, PreparedFile};
use crate::partition::buckets::{BucketMemory, Buckets};
use crate::record::{BlockRows, Reader, RecordPlan, SourceContext, TableTally};
use crate::report::{JobReport, ReplayCounts, SourceReport, TableReport};
use crate::source::blocks::{BLOCK_BYTES, Block};
use crate::source::listing::Source;
use crate::source::raw::RawObjects;
use crate::table::Tables;
use copied::{CopiedSources, Taking};
use outputs::JobOutputs;
use reading::{Arrived, FromReader, Step};
use rejects::Rejects;
use replayed::{Gave, Replayer};

pub use error::StageError;

/// How long a stopped run may go on waiting for bytes.
const STOP_CHECKED: Duration = Duration::from_millis(200);

/// What staging needs besides the job.
pub struct Stager {
    plan: RecordPlan,
    tables: Arc<Tables>,
    lake: Lake,
    raw: RawObjects,
    runtime: Handle,
    /// Bytes of memory for one job.
    memory: usize,
    spill_dir: PathBuf,
    /// The time that stands for every source's Last-Modified, if one was given.
    arrival_s: Option<i64>,
    progress: Arc<Progress>,
    /// Bytes of a stream that are parsed at a time.
    block_bytes: usize,
}

/// What has been done so far, for whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Sources staged or passed over.
    pub sources: AtomicU64,
    /// Stored bytes read.
    pub bytes: AtomicU64,
    /// Records read.
    pub records: AtomicU64,
    /// Jobs that have not begun to publish are to be dropped.
    pub stop: AtomicBool,
}

/// A staged job: all its files, complete and checked, and what became of its records.
#[derive(Debug)]
pub struct Staged {
    /// The files.
    pub files: Vec<PreparedFile>,
    /// The counts.
    pub report: JobReport,
}

/// A step of a source, with what its block was parsed with and the rows that came of it.
struct Parsed {
    source: usize,
    step: Step,
    tools: Tools,
}

/// The state of the job between blocks.
struct InOrder<'a> {
    plan: &'a RecordPlan,
    progress: &'a Progress,
    contexts: Vec<SourceContext>,
    buckets: Buckets<JobOutputs>,
    rejects: Rejects,
    sources: Vec<SourceReport>,
    tallies: Vec<TableTally>,
}

impl Stager {
    /// `memory`: bytes for one job at a time.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is named where it is called, and all are needed"
    )]
    pub fn new(
        plan: RecordPlan,
        tables: Arc<Tables>,
        lake: Lake,
        raw: RawObjects,
        runtime: Handle,
        memory: usize,
        spill_dir: PathBuf,
        arrival_s: Option<i64>,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            block_bytes: plan.block_bytes(),
            plan,
            tables,
            lake,
            raw,
            runtime,
            memory,
            spill_dir,
            arrival_s,
            progress,
        }
    }

    /// Parses at most so many bytes of a stream at a time, and a record at least. Decides no byte of a file.
    #[must_use]
    pub fn with_block_bytes(self, bytes: usize) -> Self {
        Self {
            block_bytes: bytes.min(self.plan.block_bytes()),
            ..self
        }
    }

    /// How records are read.
    pub fn plan(&self) -> &RecordPlan {
        &self.plan
    }

    /// The tables that records are read into.
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Reads all sources of `job` to their end and makes its files. Sources in `heritage` are not read: their rows and
    /// rejects are copied from the files of the job that is replaced. Blocks; not to be called from an async task.
    ///
    /// [`StageError::Moved`] is no failure: what was to be replaced is so already.
    pub fn stage(&self, job: &Job, heritage: Option<&Heritage>) -> Result<Staged, StageError> {
        let heritage = heritage.filter(|heritage| !heritage.copied.is_empty());
        let copied = heritage.map(|heritage| CopiedSources::new(job, heritage)).transpose()?;
        let memory = self.memory;
        let outputs = JobOutputs::new(
            job,
            Arc::clone(&self.tables),
            self.lake.clone(),
            self.runtime.clone(),
            memory / 8,
            self.spill_dir.clone(),
        );
        let uploads = outputs.uploads();
        let buckets_memory = BucketMemory {
            rows: memory / 4,
            files: memory / 4,
            pages: memory / 4,
        };
        let buckets = Buckets::new(&self.plan, outputs, buckets_memory, self.spill_dir.clone())?;
        let result = self.stage_into(job, copied.as_ref(), buckets);
        if result.is_err() {
            uploads.abort();
        }
        result
    }

    /// What would become of the quarantine entries of a job that `heritage` says are read again. Makes no files. Blocks.
    pub fn try_replay(&self, job: &Job, heritage: &Heritage) -> Result<ReplayCounts, StageError> {
        let copied = CopiedSources::new(job, heritage)?;
        let mut replayer = Replayer::new(&self.plan);
        replayer.replay(&copied, &self.taking(), |_, _, _| {
            self.progress.records.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })?;
        Ok(replayer.counts())
    }

    fn taking(&self) -> Taking<'_> {
        Taking {
            lake: &self.lake,
            runtime: &self.runtime,
            memory: self.memory as u64 / 4,
            spill_dir: &self.spill_dir,
            stop: &self.progress.stop,
        }
    }

    fn stage_into(
        &self,
        job: &Job,
        copied: Option<&CopiedSources<'_>>,
        buckets: Buckets<JobOutputs>,
    ) -> Result<Staged, StageError> {
        let mut arrived: Vec<Arrived> = job
            .sources()
            .iter()
            .map(JobSource::source)
            .map(|source| Arrived {
                arrival_s: self.arrival_s.unwrap_or(source.version.last_modified_s),
                source,
                copied: false,
            })
            .collect();
        let mut reports = vec![SourceReport::default(); arrived.len()];
        for (place, report) in copied.iter().flat_map(|copied| copied.reports()) {
            arrived[place].copied = true;
            reports[place] = report.clone();
        }
        let read = arrived.iter().filter(|arrived| !arrived.copied);
        let read: Vec<Source> = read.map(|arrived| arrived.source.clone()).collect();
        let reader = self.raw.read(&self.runtime, &read, self.memory as u64 / 8);
        let stopper = reader.stopper();
        let mut state = InOrder {
            plan: &self.plan,
            progress: &self.progress,
            contexts: arrived
                .iter()
                .map(|a| SourceContext::new(&self.plan, &a.source.name.key, a.arrival_s))
                .collect(),
            buckets,
            rejects: Rejects::default(),
            sources: reports,
            tallies: vec![TableTally::default(); self.tables.as_slice().len()],
        };
        let (to_staging, from_reader) = mpsc::sync_channel(reading::READ_AHEAD);
        let (to_reader, spare) = mpsc::channel();
        std::thread::scope(|scope| {
            let (arrived, progress) = (&arrived, &*self.progress);
            let limits = (self.plan.limits(), self.block_bytes);
            scope.spawn(move || reading::read_all(reader, arrived, limits, &to_staging, &spare, progress));
            let done = state.all(arrived, &from_reader, &to_reader);
            // So that the reader ends when nobody listens any more.
            drop(from_reader);
            if done.is_err()
                && let Some(stopper) = stopper
            {
                stopper.abort();
            }
            done
        })?;
        let replayed = match copied.filter(|copied| copied.replays()) {
            Some(copied) => Some(state.replay(copied, &self.taking())?),
            None => None,
        };
        self.finish(state, &arrived, copied, replayed)
    }

    /// All sources have been read to their end: writes what is left, copies what is not read and proves the sums.
    fn finish(
        &self,
        state: InOrder<'_>,
        arrived: &[Arrived],
        copied: Option<&CopiedSources<'_>>,
        replayed: Option<ReplayCounts>,
    ) -> Result<Staged, StageError> {
        let InOrder {
            buckets,
            rejects,
            sources,
            tallies,
            ..
        } = state;
        let mut outputs = buckets.finish()?;
        let mut quarantined = rejects.finish(&mut outputs)?;
        let mut untried = 0;
        if let Some(copied) = copied {
            copied.copy(&self.taking(), &mut outputs, &mut quarantined)?;
            if !copied.replays() {
                untried = copied.reports().map(|(_, report)| report.records.quarantined).sum();
            }
        }
        let mut report = JobReport {
            quarantined,
            untried,
            replayed,
            ..JobReport::default()
        };
        for (source, arrived) in sources.iter().zip(arrived) {
            if !source.records.is_sound() || !source.bytes.is_sound() {
                return Err(StageError::Fault(format!(
                    "the counts of {} do not add up: {source:?}",
                    arrived.source.name
                )));
            }
            report.records.add(&source.records);
            report.bytes.add(&source.bytes);
        }
        for (place, (table, tally)) in self.tables.iter().zip(&tallies).enumerate() {
            let mut seen = TableReport::from(tally);
            seen.outside_projection = outputs.outside_projection.get(&place).copied().unwrap_or(0);
            if seen != TableReport::default() {
                report.tables.insert(table.name.clone(), seen);
            }
        }
        report.sources = sources;
        let files = outputs.into_files();
        prove(&report, &files)?;
        Ok(Staged { files, report })
    }
}

/// The files hold as many rows and entries of each source as were counted.
fn prove(report: &JobReport, files: &[PreparedFile]) -> Result<(), StageError> {
    let mut written: BTreeMap<usize, u64> = BTreeMap::new();
    for file in files {
        for rows in &file.file.rows_of {
            *written.entry(rows.source).or_default() += rows.rows;
        }
    }
    for (index, source) in report.sources.iter().enumerate() {
        let counted = source.records.rows + source.records.quarantined;
        let written = written.get(&index).copied().unwrap_or(0);
        if counted != written {
            return Err(StageError::Fault(format!(
                "{counted} records of source {index} counted, {written} written"
            )));
        }
    }
    Ok(())
}

/// What parsing blocks takes, used again and again.
type Tools = (Reader, BlockRows);

impl InOrder<'_> {
    /// Takes steps from the reader, parses the blocks of some at a time and adds all in their order.
    fn all(
        &mut self,
        arrived: &[Arrived],
        reader: &Receiver<FromReader>,
        spare: &Sender<Vec<u8>>,
    ) -> Result<(), StageError> {
        let (plan, contexts) = (self.plan, std::mem::take(&mut self.contexts));
        let parse = |(source, step): (usize, Step), mut tools: Tools| {
            if let Step::Block(Block::Bytes { bytes, .. }) = &step {
                tools.0.read(plan, &contexts[source], bytes, &mut tools.1);
            }
            Parsed { source, step, tools }
        };
        let mut idle = Vec::new();
        let tools = |idle: &mut Vec<Tools>| idle.pop().unwrap_or_else(|| (Reader::default(), BlockRows::new(plan)));
        let threads = rayon::current_num_threads();
        if threads == 1 {
            while let Ok(step) = self.wait(reader)? {
                self.add(arrived, parse(step?, tools(&mut idle)), spare, &mut idle)?;
            }
            return Ok(());
        }
        // What is added is added on this thread, which is none of rayon's: it may wait for batches.
        rayon::in_place_scope(|scope| {
            let mut parsing = VecDeque::new();
            loop {
                while parsing.len() <= threads {
                    // Wait only where there is nothing else to do.
                    let next = match parsing.is_empty() {
                        true => self.wait(reader)?,
                        false => reader.try_recv(),
                    };
                    let Ok(step) = next else { break };
                    let (step, tools) = (step?, tools(&mut idle));
                    let (done, parsed) = mpsc::sync_channel(1);
                    scope.spawn(move |_| drop(done.send(parse(step, tools))));
                    parsing.push_back(parsed);
                }
                let Some(oldest) = parsing.pop_front() else {
                    return Ok(());
                };
                // Where it has panicked, so does the scope.
                let parsed = oldest
                    .recv()
                    .map_err(|_| StageError::Fault("a block was not parsed".into()))?;
                self.add(arrived, parsed, spare, &mut idle)?;
            }
        })
    }

    /// Adds what a step gave; what was used for it can be used again.
    fn add(
        &mut self,
        arrived: &[Arrived],
        Parsed { source, step, tools }: Parsed,
        spare: &Sender<Vec<u8>>,
        idle: &mut Vec<Tools>,
    ) -> Result<(), StageError> {
        self.check_stop()?;
        let about = (source, &arrived[source]);
        let report = &mut self.sources[source];
        let (reader, mut rows) = tools;
        let bytes = match step {
            Step::Begin(version_id) => {
                self.rejects.begin(version_id);
                None
            }
            Step::End(ended) => {
                self.rejects.end(about, ended, (report, self.buckets.outputs()))?;
                None
            }
            Step::Block(block) => {
                let before = report.records.read;
                self.rejects
                    .add(self.plan, about, &block, &mut rows, (report, self.buckets.outputs()))?;
                self.progress
                    .records
                    .fetch_add(report.records.read - before, Ordering::Relaxed);
                match block {
                    Block::Bytes { bytes, .. } => Some(bytes),
                    Block::Oversized { .. } | Block::NotJson { .. } => None,
                }
            }
        };
        if let Some(bytes) = bytes {
            report.bytes.add_block(&rows.bytes);
            report.records.rows += rows.tables.iter().map(|table| table.len() as u64).sum::<u64>();
            report.records.added += rows.added;
            report.records.dropped += rows.dropped;
            for (tally, table) in self.tallies.iter_mut().zip(&rows.tables) {
                tally.add(&table.tally);
            }
            self.buckets.add(&rows.tables, source)?;
            if bytes.len() > BLOCK_BYTES {
                // What a huge record has grown is given back to the system.
                return Ok(());
            }
            // The reader may have ended already; then nobody needs the buffer.
            drop(spare.send(bytes));
        }
        idle.push((reader, rows));
        Ok(())
    }
}

impl InOrder<'_> {
    /// Reads the quarantine of the copied sources again.
    fn replay(&mut self, copied: &CopiedSources<'_>, taking: &Taking<'_>) -> Result<ReplayCounts, StageError> {
        let mut replayer = Replayer::new(self.plan);
        replayer.replay(copied, taking, |source, gave, recounted| {
            let report = &mut self.sources[source];
            if !recounted.apply(&mut report.bytes) {
                let what = format!("an entry of source {source} was not counted as what it is");
                return Err(StageError::Fault(what));
            }
            match gave {
                Gave::Rows(rows) => {
                    report.records.rows += rows.tables.iter().map(|table| table.len() as u64).sum::<u64>();
                    report.records.added += rows.added;
                    report.records.dropped += rows.dropped;
                    report.records.quarantined = report.records.quarantined.saturating_sub(1);
                    for (tally, table) in self.tallies.iter_mut().zip(&rows.tables) {
                        tally.add(&table.tally);
                    }
                    self.buckets.add(&rows.tables, source)
                }
                Gave::Entry(entry) => self.rejects.keep(source, &entry, self.buckets.outputs()),
            }
        })?;
        Ok(replayer.counts())
    }

    /// The next step, however long it takes, unless the user stops the run.
    fn wait(&self, reader: &Receiver<FromReader>) -> Result<Result<FromReader, TryRecvError>, StageError> {
        loop {
            match reader.recv_timeout(STOP_CHECKED) {
                Ok(step) => return Ok(Ok(step)),
                Err(RecvTimeoutError::Disconnected) => return Ok(Err(TryRecvError::Disconnected)),
                Err(RecvTimeoutError::Timeout) => self.check_stop()?,
            }
        }
    }

    fn check_stop(&self) -> Result<(), StageError> {
        match self.progress.stop.load(Ordering::Relaxed) {
            true => Err(StageError::Stopped),
            false => Ok(()),
        }
    }
}
