//! The open partitions of a job: rows wait here for a full batch, batches go to the partition's file.
//!
//! ```text
//! rows of a block ──by table and hour──> waiting rows ──full batch──> file being written ──full──> next part
//!                                            └─ no room ─> spilled ──when the source has ended──┘
//! ```
//!
//! Batches are encoded beside what goes on here (`filing`), a few ahead. Any number of partitions may be open. Only some have
//! a file being written at a time: one is opened when a batch is full and there is memory for it. Rows of the others are spilled where they must be, and written when all has been read. What
//! is in a file depends on the rows in their order alone, since batches are cut by rows and bytes of records.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use hashbrown::HashMap;

use super::filing::{Filing, Queued};
use super::hour::PartitionHour;
use super::spill::{Segment, SpillFile};
use crate::encode::pages::PagePool;
use crate::encode::{BATCH_BYTES, Batch, FileEncoder, FileFormat, Finished};
use crate::record::time::Instant;
use crate::record::{RecordPlan, TableRows};
use crate::table::Table;

/// Bytes of batches of one file that may wait to be encoded.
const QUEUED_BYTES: u64 = 2 * BATCH_BYTES;
/// Files of which batches may wait to be encoded.
const ENCODING_MAX: usize = 64;

/// Memory, in bytes, that the partitions of one job may take.
#[derive(Clone, Copy, Debug)]
pub struct BucketMemory {
    /// For rows waiting for a full batch.
    pub rows: usize,
    /// For files being written, without their finished pages.
    pub files: usize,
    /// For finished pages.
    pub pages: usize,
}

/// Where finished files go.
pub trait Outputs {
    /// What one file is written to.
    type File: Write + Send + 'static;
    /// What is wrong when one cannot be begun or ended.
    type Error: From<BucketError>;

    /// Begins the file of a part.
    fn begin(&mut self, part: &PartId) -> Result<Self::File, Self::Error>;
    /// Facts for the footer.
    fn footer(&self, part: &PartId, times: (Instant, Instant)) -> Vec<(&'static str, String)>;
    /// Takes a finished file.
    fn end(&mut self, part: PartId, file: Finished<Self::File>, rows_of: Vec<RowsOf>) -> Result<(), Self::Error>;
}

/// One file of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartId {
    /// Place of the table.
    pub table: usize,
    /// The hour.
    pub hour: PartitionHour,
    /// Number within the partition and job, from 0.
    pub number: u32,
}

/// Rows of one source within a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsOf {
    /// Place of the source in its job.
    pub source: usize,
    /// The first of its rows, from 0.
    pub first_row: u64,
    /// How many.
    pub rows: u64,
}

/// Rows could not be gathered or written.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The spill file failed.
    #[error("write rows to the spill folder {dir}; give LAKEBED_SPILL_DIR more room, or raise --memory", dir = .dir.display())]
    Spill {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Parquet could not be written.
    #[error("write Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Columns do not make arrays.
    #[error("make Arrow arrays of the columns")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A row stands in a partition that is not its own.
    #[error(
        "a row of {time} stands in the partition of {hour}; nothing is published (this is a fault in lakebed, please report it)"
    )]
    Misplaced {
        /// The row's event time.
        time: String,
        /// The partition's hour.
        hour: PartitionHour,
    },
}

struct Partition<F: Write + Send + 'static> {
    table: usize,
    hour: PartitionHour,
    waiting: TableRows,
    waiting_bytes: u64,
    spilled: Vec<Segment>,
    file: Option<Filing<F>>,
    /// Bytes of memory that its file's columns, and the batches before it, were last seen to take.
    file_bytes: (usize, u64),
    parts: u32,
    /// Rows by source, of those not yet in a finished file, in order.
    sources: Vec<(usize, u64)>,
}

impl<F: Write + Send + 'static> Partition<F> {
    /// The part that is written now, or next.
    fn part(&self) -> PartId {
        PartId {
            table: self.table,
            hour: self.hour,
            number: self.parts,
        }
    }
}

/// See the module.
pub struct Buckets<O: Outputs> {
    outputs: O,
    formats: Vec<Arc<FileFormat>>,
    empty: Vec<TableRows>,
    /// Bytes that the columns of an open partition take besides its rows, by place of the table.
    open_bytes: Vec<u64>,
    partitions: Vec<Partition<O::File>>,
    places: HashMap<(usize, PartitionHour), usize>,
    memory: BucketMemory,
    pages: Arc<PagePool>,
    spill: SpillFile,
    spill_dir: PathBuf,
    waiting_bytes: u64,
    /// Waiting bytes at which partitions without a file are spilled.
    spill_at: u64,
    files_bytes: usize,
    /// Bytes of batches that are being encoded, as far as is known.
    queued_bytes: u64,
    /// Their partitions; the oldest first.
    encoding: VecDeque<usize>,
    /// Per partition, the rows of the block at hand; kept for its memory.
    runs: Vec<(usize, Vec<Range<usize>>)>,
    taken: Vec<Range<usize>>,
    scratch: Vec<Option<TableRows>>,
}

impl<O: Outputs> Buckets<O> {
    /// No rows yet. Spill files are made in `spill_dir`, when they are needed.
    pub fn new(plan: &RecordPlan, outputs: O, memory: BucketMemory, spill_dir: PathBuf) -> Result<Self, BucketError> {
        let tables = plan.tables();
        Ok(Self {
            outputs,
            formats: tables
                .iter()
                .map(|table| FileFormat::new(table).map(Arc::new))
                .collect::<Result<_, _>>()?,
            empty: tables.iter().map(TableRows::new).collect(),
            open_bytes: tables.iter().map(open_bytes).collect(),
            partitions: Vec::new(),
            places: HashMap::new(),
            memory,
            pages: Arc::new(PagePool::new(memory.pages, spill_dir.clone())),
            spill: SpillFile::new(spill_dir.clone()).map_err(|source| BucketError::Spill {
                dir: spill_dir.clone(),
                source,
            })?,
            spill_dir,
            waiting_bytes: 0,
            spill_at: memory.rows as u64,
            files_bytes: 0,
            queued_bytes: 0,
            encoding: VecDeque::new(),
            runs: Vec::new(),
            taken: Vec::new(),
            scratch: tables.iter().map(|_| None).collect(),
        })
    }

    /// What the files are written to.
    pub fn outputs(&self) -> &O {
        &self.outputs
    }

    /// Adds the rows of a block of the job's source at place `source`.
    pub fn add(&mut self, tables: &[TableRows], source: usize) -> Result<(), O::Error> {
        for (table, rows) in tables.iter().enumerate() {
            if rows.is_empty() {
                continue;
            }
            let mut runs = std::mem::take(&mut self.runs);
            let used = self.runs_by_partition(table, rows, &mut runs);
            for (place, ranges) in &mut runs[..used] {
                self.add_runs(*place, rows, ranges, source)?;
                ranges.clear();
            }
            self.runs = runs;
        }
        if self.waiting_bytes > self.spill_at {
            self.spill_waiting()?;
            // What waits for open files stays; there must be something to spill before it is tried again.
            self.spill_at = (self.memory.rows as u64).max(self.waiting_bytes + self.memory.rows as u64 / 2);
        }
        Ok(())
    }

    /// Lists the rows of each partition as ranges, partitions in the order in which they first occur.
    fn runs_by_partition(
        &mut self,
        table: usize,
        rows: &TableRows,
        runs: &mut Vec<(usize, Vec<Range<usize>>)>,
    ) -> usize {
        let mut used = 0;
        let mut place_of: HashMap<PartitionHour, usize> = HashMap::new();
        let mut at = 0;
        while at < rows.len() {
            let hour = rows.hours[at];
            let len = rows.hours[at..].iter().take_while(|other| **other == hour).count();
            let run = *place_of.entry(hour).or_insert_with(|| {
                let place = self.place(table, hour);
                if used == runs.len() {
                    runs.push((place, Vec::new()));
                } else {
                    runs[used].0 = place;
                }
                used += 1;
                used - 1
            });
            runs[run].1.push(at..at + len);
            at += len;
        }
        used
    }

    fn place(&mut self, table: usize, hour: PartitionHour) -> usize {
        *self.places.entry((table, hour)).or_insert_with(|| {
            self.partitions.push(Partition {
                table,
                hour,
                waiting: TableRows::none(),
                waiting_bytes: 0,
                spilled: Vec::new(),
                file: None,
                file_bytes: (0, 0),
                parts: 0,
                sources: Vec::new(),
            });
            self.partitions.len() - 1
        })
    }

    fn add_runs(
        &mut self,
        place: usize,
        rows: &TableRows,
        runs: &[Range<usize>],
        source: usize,
    ) -> Result<(), O::Error> {
        let count: usize = runs.iter().map(Range::len).sum();
        let sources = &mut self.partitions[place].sources;
        match sources.last_mut() {
            Some((last, rows)) if *last == source => *rows += count as u64,
            _ => sources.push((source, count as u64)),
        }
        self.append(place, rows, runs)
    }

    /// Adds rows to those waiting; every batch that becomes full goes on.
    fn append(&mut self, place: usize, rows: &TableRows, runs: &[Range<usize>]) -> Result<(), O::Error> {
        let batch_rows = self.formats[self.partitions[place].table].batch_rows();
        let mut taken = std::mem::take(&mut self.taken);
        let Partition {
            waiting, waiting_bytes, ..
        } = &self.partitions[place];
        let (mut count, mut bytes) = (waiting.len(), *waiting_bytes);
        for run in runs {
            let weights = &rows.weights[run.clone()];
            let all: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            if count + run.len() < batch_rows && bytes + all < BATCH_BYTES {
                (count, bytes) = (count + run.len(), bytes + all);
                taken.push(run.clone());
                continue;
            }
            let mut start = run.start;
            for (row, weight) in run.clone().zip(weights) {
                (count, bytes) = (count + 1, bytes + u64::from(*weight));
                if count == batch_rows || bytes >= BATCH_BYTES {
                    taken.push(start..row + 1);
                    self.take(place, rows, &taken, bytes);
                    taken.clear();
                    self.batch_is_full(place)?;
                    (start, count, bytes) = (row + 1, 0, 0);
                }
            }
            if start < run.end {
                taken.push(start..run.end);
            }
        }
        if !taken.is_empty() {
            self.take(place, rows, &taken, bytes);
        }
        taken.clear();
        self.taken = taken;
        Ok(())
    }

    /// Copies runs of rows to those waiting, which are of so many bytes then.
    fn take(&mut self, place: usize, rows: &TableRows, runs: &[Range<usize>], bytes: u64) {
        // A full batch that was spilled took its columns along.
        self.open_waiting(place);
        let partition = &mut self.partitions[place];
        let waiting = &mut partition.waiting;
        for (column, from) in waiting.columns.iter_mut().zip(&rows.columns) {
            column.append(from, runs);
        }
        for run in runs {
            waiting.times.extend_from_slice(&rows.times[run.clone()]);
            waiting.weights.extend_from_slice(&rows.weights[run.clone()]);
        }
        self.waiting_bytes += bytes - partition.waiting_bytes;
        partition.waiting_bytes = bytes;
    }

    fn batch_is_full(&mut self, place: usize) -> Result<(), O::Error> {
        let partition = &self.partitions[place];
        let may_open =
            partition.spilled.is_empty() && self.files_bytes + (self.queued_bytes as usize) < self.memory.files;
        if partition.file.is_some() || may_open {
            self.encode_waiting(place, false)
        } else {
            Ok(self.spill(place)?)
        }
    }

    fn spill(&mut self, place: usize) -> Result<(), BucketError> {
        let partition = &mut self.partitions[place];
        let segment = self.spill.write(&partition.waiting);
        let segment = segment.map_err(|source| BucketError::Spill {
            dir: self.spill_dir.clone(),
            source,
        })?;
        partition.spilled.push(segment);
        self.waiting_bytes -= std::mem::take(&mut partition.waiting_bytes);
        self.close_waiting(place);
        Ok(())
    }

    /// Makes the columns of a partition that has none: ten thousand partitions may have been opened, and few be in use.
    fn open_waiting(&mut self, place: usize) {
        let partition = &mut self.partitions[place];
        if partition.waiting.columns.is_empty() {
            partition.waiting = self.empty[partition.table].clone();
            self.waiting_bytes += self.open_bytes[partition.table];
        }
    }

    /// Gives the columns back; rows in them have gone elsewhere.
    fn close_waiting(&mut self, place: usize) -> TableRows {
        let partition = &mut self.partitions[place];
        let waiting = std::mem::replace(&mut partition.waiting, TableRows::none());
        if !waiting.columns.is_empty() {
            self.waiting_bytes -= self.open_bytes[partition.table];
        }
        waiting
    }

    fn spill_waiting(&mut self) -> Result<(), BucketError> {
        for place in 0..self.partitions.len() {
            let partition = &self.partitions[place];
            // A file being written goes on with its rows in order, so they stay.
            if partition.file.is_none() && !partition.waiting.is_empty() {
                self.spill(place)?;
            }
        }
        Ok(())
    }

    /// Writes the waiting rows as one batch.
    fn encode_waiting(&mut self, place: usize, last: bool) -> Result<(), O::Error> {
        let partition = &mut self.partitions[place];
        let batch = batch(&mut partition.waiting, &self.formats[partition.table], partition.hour)?;
        let bytes = std::mem::take(&mut partition.waiting_bytes);
        self.waiting_bytes -= bytes;
        let batch = Some(batch);
        self.queue(place, Queued { batch, bytes, last })?;
        // Batches that wait for a thread take memory.
        while self.queued_bytes > self.memory.rows as u64 / 2 || self.encoding.len() > ENCODING_MAX {
            let Some(oldest) = self.encoding.pop_front() else { break };
            self.settle(oldest, 0)?;
            if self.is_full(oldest) {
                let left = self.end_part(oldest)?;
                left.into_iter().try_for_each(|queued| self.queue(oldest, queued))?;
            }
        }
        Ok(())
    }

    fn is_full(&self, place: usize) -> bool {
        self.partitions[place].file.as_ref().is_some_and(Filing::is_full)
    }

    /// Hands a batch to the partition's file, in parts where one is full.
    fn queue(&mut self, place: usize, queued: Queued) -> Result<(), O::Error> {
        let mut queue = VecDeque::from([queued]);
        while let Some(next) = queue.pop_front() {
            if self.is_full(place) {
                let mut left = self.end_part(place)?;
                left.push_back(next);
                left.append(&mut queue);
                queue = left;
                continue;
            }
            let partition = &mut self.partitions[place];
            let part = partition.part();
            let file = match (&mut partition.file, &next.batch) {
                (Some(file), _) => file,
                (none, Some(first)) => {
                    let out = self.outputs.begin(&part)?;
                    let encoder = FileEncoder::open(out, &self.formats[partition.table], first, &self.pages);
                    none.insert(Filing::new(encoder.map_err(BucketError::Parquet)?))
                }
                (None, None) => unreachable!("what is queued has not been encoded"),
            };
            file.write(next).map_err(BucketError::Parquet)?;
            if self.encoding.back() != Some(&place) {
                self.encoding.push_back(place);
            }
            self.look(place);
            // Some batches ahead keep the threads busy; more are of no use.
            self.settle(place, QUEUED_BYTES)?;
        }
        Ok(())
    }

    /// Waits until no more than so many bytes of batches of the partition are left to be encoded.
    fn settle(&mut self, place: usize, left: u64) -> Result<(), O::Error> {
        if let Some(file) = &self.partitions[place].file {
            file.settle(left).map_err(BucketError::Parquet)?;
        }
        self.look(place);
        Ok(())
    }

    /// Counts anew what the partition's file takes.
    fn look(&mut self, place: usize) {
        let partition = &mut self.partitions[place];
        let now = partition.file.as_ref().map_or((0, 0), Filing::bytes);
        let before = std::mem::replace(&mut partition.file_bytes, now);
        self.files_bytes = self.files_bytes + now.0 - before.0;
        self.queued_bytes = self.queued_bytes + now.1 - before.1;
    }

    /// Ends the partition's file, and gives back the batches that it has no room for.
    fn end_part(&mut self, place: usize) -> Result<VecDeque<Queued>, O::Error> {
        self.settle(place, 0)?;
        let partition = &mut self.partitions[place];
        let Some(file) = partition.file.take() else {
            return Ok(VecDeque::new());
        };
        let part = partition.part();
        partition.parts += 1;
        let (encoder, left) = file.take().map_err(BucketError::Parquet)?;
        self.look(place);
        let outputs = &self.outputs;
        let finished = encoder
            .finish(|times| outputs.footer(&part, times))
            .map_err(BucketError::Parquet)?;
        let rows_of = take_rows(&mut self.partitions[place].sources, finished.rows);
        self.outputs.end(part, finished, rows_of)?;
        Ok(left)
    }

    /// All rows have been added: writes what is left, partition by partition, by table and hour.
    pub fn finish(mut self) -> Result<O, O::Error> {
        let mut order: Vec<usize> = (0..self.partitions.len()).collect();
        order.sort_by_key(|place| (self.partitions[*place].table, self.partitions[*place].hour));
        // The files of some partitions are ended side by side.
        let mut ending = VecDeque::new();
        let threads = rayon::current_num_threads();
        let ahead = if threads == 1 { 0 } else { 4 * threads };
        for place in order {
            let table = self.partitions[place].table;
            let spilled = std::mem::take(&mut self.partitions[place].spilled);
            if !spilled.is_empty() {
                // What waits came after what was spilled.
                self.waiting_bytes -= std::mem::take(&mut self.partitions[place].waiting_bytes);
                let waiting = self.close_waiting(place);
                self.open_waiting(place);
                let mut rows = self.scratch[table].take().unwrap_or_else(|| self.empty[table].clone());
                for segment in spilled {
                    let read = self.spill.read(segment, &mut rows);
                    read.map_err(|source| BucketError::Spill {
                        dir: self.spill_dir.clone(),
                        source,
                    })?;
                    self.append_spilled(place, &rows)?;
                }
                self.scratch[table] = Some(rows);
                self.append_spilled(place, &waiting)?;
            }
            if !self.partitions[place].waiting.is_empty() {
                self.encode_waiting(place, true)?;
            }
            self.close_waiting(place);
            ending.push_back(place);
            while ending.len() > ahead || self.files_bytes > self.memory.files {
                let Some(oldest) = ending.pop_front() else { break };
                self.end_parts(oldest)?;
            }
        }
        for place in ending {
            self.end_parts(place)?;
        }
        Ok(self.outputs)
    }

    /// Ends the partition's file, and those of what it has no room for.
    fn end_parts(&mut self, place: usize) -> Result<(), O::Error> {
        loop {
            let left = self.end_part(place)?;
            if left.is_empty() {
                return Ok(());
            }
            left.into_iter().try_for_each(|queued| self.queue(place, queued))?;
        }
    }

    /// Like [`Buckets::append`] where memory for the file is sure to be there.
    fn append_spilled(&mut self, place: usize, rows: &TableRows) -> Result<(), O::Error> {
        let limit = std::mem::replace(&mut self.memory.files, usize::MAX);
        let all = 0..rows.len();
        let result = self.append(place, rows, std::slice::from_ref(&all));
        self.memory.files = limit;
        result
    }
}

fn open_bytes(table: &Table) -> u64 {
    const LEAF_BYTES: u64 = 160;
    table
        .columns
        .iter()
        .map(|column| column.data_type.leaves() as u64)
        .sum::<u64>()
        * LEAF_BYTES
}

/// Moves rows into a batch, and makes sure that they are of its hour.
fn batch(rows: &mut TableRows, format: &FileFormat, hour: PartitionHour) -> Result<Batch, BucketError> {
    let count = rows.len();
    let first = rows.times.iter().min().copied();
    let last = rows.times.iter().max().copied();
    let (Some(first), Some(last)) = (first, last) else {
        unreachable!("a batch has rows")
    };
    for time in [first, last] {
        if !hour.contains(time) {
            return Err(BucketError::Misplaced {
                time: time.to_rfc3339(),
                hour,
            });
        }
    }
    let fields = format.arrow().fields();
    let arrays = rows
        .columns
        .iter_mut()
        .zip(fields)
        .map(|(column, field)| column.take_array(field.data_type()));
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    rows.times.clear();
    rows.weights.clear();
    Ok(Batch {
        arrays,
        times: (first, last),
        rows: count,
    })
}

/// Takes the first `rows` off the list of sources.
fn take_rows(sources: &mut Vec<(usize, u64)>, rows: u64) -> Vec<RowsOf> {
    let mut taken = Vec::new();
    let mut first_row = 0;
    while first_row < rows {
        let (source, left) = &mut sources[0];
        let count = (*left).min(rows - first_row);
        taken.push(RowsOf {
            source: *source,
            first_row,
            rows: count,
        });
        first_row += count;
        *left -= count;
        if *left == 0 {
            sources.remove(0);
        }
    }
    taken
}
