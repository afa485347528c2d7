//! The open partitions of a job: rows wait here for a full batch, batches go to the partition's file.
//!
//! ```text
//! rows of a block ──by table and hour──> waiting rows ──full batch──> file being written ──full──> next part
//!                                            └─ no room ─> spilled ──when the source has ended──┘
//! ```
//!
//! Any number of partitions may be open. Only some have a file being written at a time: one is opened when a batch is full
//! and there is memory for it. Rows of the others are spilled where they must be, and written when all has been read. What
//! is in a file depends on the rows in their order alone, since batches are cut by rows and bytes of records.

use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use hashbrown::HashMap;

use super::hour::PartitionHour;
use super::spill::{Segment, SpillFile};
use crate::encode::pages::PagePool;
use crate::encode::{BATCH_BYTES, Batch, FileEncoder, FileFormat, Finished};
use crate::record::time::Instant;
use crate::record::{RecordPlan, TableRows};
use crate::table::Table;

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
    type File: Write + Send;
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

struct Partition<F: Write + Send> {
    table: usize,
    hour: PartitionHour,
    waiting: TableRows,
    waiting_bytes: u64,
    spilled: Vec<Segment>,
    file: Option<FileEncoder<F>>,
    parts: u32,
    /// Rows by source, of those not yet in a finished file, in order.
    sources: Vec<(usize, u64)>,
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
    /// Per partition, the rows of the block at hand; kept for its memory.
    runs: Vec<(usize, Vec<Range<usize>>)>,
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
            runs: Vec::new(),
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
        for run in runs {
            self.append(place, rows, run.clone())?;
        }
        Ok(())
    }

    /// Adds rows to those waiting; every batch that becomes full goes on.
    fn append(&mut self, place: usize, rows: &TableRows, mut range: Range<usize>) -> Result<(), O::Error> {
        while !range.is_empty() {
            // A full batch that was spilled took its columns along.
            self.open_waiting(place);
            let partition = &mut self.partitions[place];
            let batch_rows = self.formats[partition.table].batch_rows();
            let mut end = range.start;
            let mut bytes = partition.waiting_bytes;
            let mut full = false;
            while end < range.end && !full {
                bytes += u64::from(rows.weights[end]);
                end += 1;
                full = bytes >= BATCH_BYTES || partition.waiting.len() + (end - range.start) == batch_rows;
            }
            let taken = range.start..end;
            for (column, from) in partition.waiting.columns.iter_mut().zip(&rows.columns) {
                column.append(from, taken.clone());
            }
            partition.waiting.times.extend_from_slice(&rows.times[taken.clone()]);
            partition.waiting.weights.extend_from_slice(&rows.weights[taken]);
            self.waiting_bytes += bytes - partition.waiting_bytes;
            partition.waiting_bytes = bytes;
            if full {
                self.batch_is_full(place)?;
            }
            range.start = end;
        }
        Ok(())
    }

    fn batch_is_full(&mut self, place: usize) -> Result<(), O::Error> {
        let partition = &self.partitions[place];
        let may_open = partition.spilled.is_empty() && self.files_bytes < self.memory.files;
        if partition.file.is_some() || may_open {
            self.encode_waiting(place)
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
    fn encode_waiting(&mut self, place: usize) -> Result<(), O::Error> {
        let partition = &mut self.partitions[place];
        let format = &self.formats[partition.table];
        let batch = batch(&mut partition.waiting, format, partition.hour)?;
        self.waiting_bytes -= std::mem::take(&mut partition.waiting_bytes);
        let part = PartId {
            table: partition.table,
            hour: partition.hour,
            number: partition.parts,
        };
        let file = match &mut partition.file {
            Some(file) => file,
            none => {
                let out = self.outputs.begin(&part)?;
                none.insert(FileEncoder::open(out, format, &batch, &self.pages).map_err(BucketError::Parquet)?)
            }
        };
        let before = file.memory_bytes();
        file.write(&batch).map_err(BucketError::Parquet)?;
        self.files_bytes = self.files_bytes + file.memory_bytes() - before;
        if file.is_full() { self.end_part(place) } else { Ok(()) }
    }

    fn end_part(&mut self, place: usize) -> Result<(), O::Error> {
        let partition = &mut self.partitions[place];
        let Some(file) = partition.file.take() else {
            return Ok(());
        };
        self.files_bytes -= file.memory_bytes();
        let part = PartId {
            table: partition.table,
            hour: partition.hour,
            number: partition.parts,
        };
        partition.parts += 1;
        let outputs = &self.outputs;
        let finished = file
            .finish(|times| outputs.footer(&part, times))
            .map_err(BucketError::Parquet)?;
        let rows_of = take_rows(&mut partition.sources, finished.rows);
        self.outputs.end(part, finished, rows_of)
    }

    /// All rows have been added: writes what is left, partition by partition, by table and hour.
    pub fn finish(mut self) -> Result<O, O::Error> {
        let mut order: Vec<usize> = (0..self.partitions.len()).collect();
        order.sort_by_key(|place| (self.partitions[*place].table, self.partitions[*place].hour));
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
                self.encode_waiting(place)?;
            }
            self.end_part(place)?;
            self.close_waiting(place);
        }
        Ok(self.outputs)
    }

    /// Like [`Buckets::append`] where memory for the file is sure to be there.
    fn append_spilled(&mut self, place: usize, rows: &TableRows) -> Result<(), O::Error> {
        let limit = std::mem::replace(&mut self.memory.files, usize::MAX);
        let result = self.append(place, rows, 0..rows.len());
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
