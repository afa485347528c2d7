//! Rows of one partition become a Snappy Parquet file.
//!
//! ```text
//! batch of rows ─> a column writer for each leaf (pages, in memory or spilled) ─> row group ─> file ─> footer
//! ```
//!
//! What readers rely on: format 1.0, data pages v1, encodings PLAIN, RLE and dictionary, statistics and page index, the
//! declared types and nothing about Arrow in the footer. Bytes depend on the rows and the table alone: the writer is fed
//! in batches whose size is part of the plan, and nothing is decided by memory, time or threads.

pub mod copy;
mod dictionary;
pub mod footer;
pub mod pages;

use std::io::Write;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{SchemaDescriptor, TypePtr};
use rayon::prelude::*;

use crate::record::time::Instant;
use crate::table::{ParquetOptions, Table};
use pages::PagePool;

/// Changes whenever the same rows would come out as other bytes.
pub const ENCODER_VERSION: u32 = 4;
/// Rows handed to the writer at once. Part of the plan: page and dictionary decisions are made between batches.
pub const BATCH_ROWS: usize = 8192;
/// Bytes of records after which a batch is full before it has all its rows.
pub const BATCH_BYTES: u64 = 4 << 20;

/// Small enough that a page, plain and compressed, stays in the cache of its core.
const DATA_PAGE_BYTES: usize = 128 << 10;
const DICTIONARY_PAGE_BYTES: usize = 1 << 20;

/// What all files have in common; which columns have a dictionary is left to say.
fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::SNAPPY)
        .set_created_by(format!("lakebed (encoder {ENCODER_VERSION})"))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_data_page_size_limit(DATA_PAGE_BYTES)
        .set_dictionary_page_size_limit(DICTIONARY_PAGE_BYTES)
        .set_max_row_group_row_count(None)
}

/// What all files of one table have in common.
#[derive(Debug)]
pub struct FileFormat {
    arrow: SchemaRef,
    parquet: TypePtr,
    descriptor: SchemaDescriptor,
    options: ParquetOptions,
}

impl FileFormat {
    /// The format of a table's files.
    pub fn new(table: &Table) -> Result<Self> {
        let arrow = crate::table::arrow::schema(table);
        let descriptor = ArrowSchemaConverter::new().schema_root("schema").convert(&arrow)?;
        Ok(Self {
            arrow,
            parquet: descriptor.root_schema_ptr(),
            descriptor,
            options: table.parquet,
        })
    }

    /// The Arrow schema of the columns.
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    /// Rows after which a batch is full.
    pub fn batch_rows(&self) -> usize {
        BATCH_ROWS.min(self.options.row_group_rows)
    }
}

/// One output file being written.
pub struct FileEncoder<W: Write + Send> {
    file: SerializedFileWriter<W>,
    factory: ArrowRowGroupWriterFactory,
    columns: Vec<ArrowColumnWriter>,
    format: Arc<FileFormat>,
    group_rows: usize,
    rows: u64,
    times: Option<(Instant, Instant)>,
}

/// A batch of rows: an array a column, and the event time of each row.
pub struct Batch {
    /// The arrays, of the format's Arrow types.
    pub arrays: Vec<ArrayRef>,
    /// First and last event time.
    pub times: (Instant, Instant),
    /// How many rows.
    pub rows: usize,
}

/// What a finished file is.
pub struct Finished<W> {
    /// What it was written to.
    pub out: W,
    /// How many rows.
    pub rows: u64,
    /// First and last event time.
    pub times: (Instant, Instant),
}

impl<W: Write + Send> FileEncoder<W> {
    /// Opens a file that begins with `first`: what is in it decides which columns get a dictionary.
    pub fn open(out: W, format: &Arc<FileFormat>, first: &Batch, pages: &Arc<PagePool>) -> Result<Self> {
        let mut properties = properties();
        let leaves = first.arrays.iter().flat_map(dictionary::leaves);
        for (leaf, column) in leaves.zip(format.descriptor.columns()) {
            properties = properties.set_column_dictionary_enabled(column.path().clone(), dictionary::pays_off(&leaf));
        }
        let file = SerializedFileWriter::new(out, Arc::clone(&format.parquet), Arc::new(properties.build()))?;
        let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(&format.arrow))
            .with_page_store_factory(Arc::new(pages::PageStores::new(Arc::clone(pages))));
        let format = Arc::clone(format);
        Ok(Self {
            file,
            factory,
            columns: Vec::new(),
            format,
            group_rows: 0,
            rows: 0,
            times: None,
        })
    }

    /// Adds a batch.
    pub fn write(&mut self, batch: &Batch) -> Result<()> {
        if self.columns.is_empty() {
            self.columns = self
                .factory
                .create_column_writers(self.file.flushed_row_groups().len())?;
        }
        let leaves: Vec<_> = self
            .format
            .arrow
            .fields()
            .iter()
            .zip(&batch.arrays)
            .map(|(field, array)| compute_leaves(field, array))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        if rayon::current_num_threads() > 1 {
            self.columns
                .par_iter_mut()
                .zip(&leaves)
                .try_for_each(|(column, leaf)| column.write(leaf))?;
        } else {
            self.columns
                .iter_mut()
                .zip(&leaves)
                .try_for_each(|(column, leaf)| column.write(leaf))?;
        }
        self.group_rows += batch.rows;
        self.rows += batch.rows as u64;
        let (first, last) = batch.times;
        let (min, max) = self.times.unwrap_or(batch.times);
        self.times = Some((min.min(first), max.max(last)));
        let options = &self.format.options;
        let full = self.group_rows + self.format.batch_rows() > options.row_group_rows
            || self.group_bytes() >= options.row_group_bytes
            || self.is_full();
        if full { self.close_group() } else { Ok(()) }
    }

    /// The file has the size at which the next one is begun.
    pub fn is_full(&self) -> bool {
        self.file.bytes_written() as u64 + self.group_bytes() >= self.format.options.file_bytes
    }

    fn group_bytes(&self) -> u64 {
        self.columns
            .iter()
            .map(|column| column.get_estimated_total_bytes() as u64)
            .sum()
    }

    /// Bytes of memory held by the columns that are being written.
    pub fn memory_bytes(&self) -> usize {
        self.columns.iter().map(ArrowColumnWriter::memory_size).sum()
    }

    /// Ends the row group at hand, if there is one.
    pub fn close_group(&mut self) -> Result<()> {
        if self.group_rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for column in self.columns.drain(..) {
            column.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.group_rows = 0;
        Ok(())
    }

    /// Writes the footer with `metadata` in it.
    pub fn finish(
        mut self,
        metadata: impl FnOnce((Instant, Instant)) -> Vec<(&'static str, String)>,
    ) -> Result<Finished<W>> {
        self.close_group()?;
        let times = self
            .times
            .ok_or_else(|| ParquetError::General("a file without rows".into()))?;
        for (key, value) in metadata(times) {
            self.file
                .append_key_value_metadata(KeyValue::new(key.to_owned(), value));
        }
        Ok(Finished {
            rows: self.rows,
            times,
            out: self.file.into_inner()?,
        })
    }
}
