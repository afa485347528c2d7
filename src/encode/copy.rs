//! Rows of a finished file become another one.
//!
//! ```text
//! file ─> row group ─> column: levels and values of the wanted rows ─> the same column of a new file
//! ```
//!
//! Levels and values are handed on as they are stored, whatever they mean: no table has to be known, and no type can be
//! read otherwise than it was written. All else is as in any file of ours, but a column has a dictionary where it had one.
//! Only pages are held in memory, never a row group. Bytes depend on the file and the rows alone.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{
    AsBytes, BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
    Int96Type,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::KeyValue;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

/// Rows handed on at once. Pages end between them.
const COPIED_ROWS: usize = 1024;

/// A finished file whose rows are wanted again.
pub struct WrittenFile<R: ChunkReader> {
    reader: SerializedFileReader<R>,
}

/// Wanted rows of one row group, counted in the group, ascending.
type GroupRows = (usize, Vec<Range<u64>>);

impl<R: ChunkReader + 'static> WrittenFile<R> {
    /// Reads the footer.
    pub fn open(file: R) -> Result<Self> {
        let reader = SerializedFileReader::new(file)?;
        Ok(Self { reader })
    }

    /// Rows in it.
    pub fn rows(&self) -> u64 {
        let groups = self.reader.metadata().row_groups();
        groups.iter().map(|group| group.num_rows() as u64).sum()
    }

    /// What its footer says besides what Parquet needs, in order.
    pub fn facts(&self) -> Vec<(String, String)> {
        let facts = self.reader.metadata().file_metadata().key_value_metadata();
        let facts = facts.into_iter().flatten();
        facts
            .filter_map(|fact| Some((fact.key.clone(), fact.value.clone()?)))
            .collect()
    }

    /// Writes a file of these rows, in this order, with `facts` in its footer.
    pub fn copy<W: Write + Send>(&self, out: W, rows: &[Range<u64>], facts: Vec<(String, String)>) -> Result<W> {
        let metadata = self.reader.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let has_dictionary = |column: usize| {
            let mut groups = metadata.row_groups().iter();
            groups.any(|group| group.column(column).dictionary_page_offset().is_some())
        };
        let has_dictionary: Vec<bool> = (0..schema.num_columns()).map(has_dictionary).collect();
        let mut properties = super::properties();
        for (column, on) in schema.columns().iter().zip(&has_dictionary) {
            properties = properties.set_column_dictionary_enabled(column.path().clone(), *on);
        }
        let mut file = SerializedFileWriter::new(out, schema.root_schema_ptr(), Arc::new(properties.build()))?;
        for (place, rows) in self.by_group(rows) {
            let from = self.reader.get_row_group(place)?;
            let mut to = file.next_row_group()?;
            let mut columns = has_dictionary.iter().enumerate();
            while let Some(mut column) = to.next_column()? {
                let (place, has_dictionary) = columns.next().expect("both files have the same columns");
                copy_column(from.get_column_reader(place)?, &mut column, &rows, *has_dictionary)?;
                column.close()?;
            }
            to.close()?;
        }
        for (key, value) in facts {
            file.append_key_value_metadata(KeyValue::new(key, value));
        }
        file.into_inner()
    }

    /// The rows by row group. A group comes again where the order of the rows asks for it.
    fn by_group(&self, rows: &[Range<u64>]) -> Vec<GroupRows> {
        let mut parts: Vec<GroupRows> = Vec::new();
        for wanted in rows {
            let mut first = 0;
            for (place, group) in self.reader.metadata().row_groups().iter().enumerate() {
                let end = first + group.num_rows() as u64;
                let inside = wanted.start.max(first)..wanted.end.min(end);
                if !inside.is_empty() {
                    let inside = inside.start - first..inside.end - first;
                    match parts.last_mut() {
                        Some((last, rows))
                            if *last == place && rows.last().is_some_and(|rows| rows.end <= inside.start) =>
                        {
                            rows.push(inside);
                        }
                        _ => parts.push((place, vec![inside])),
                    }
                }
                first = end;
            }
        }
        parts
    }
}

fn copy_column(
    from: ColumnReader,
    to: &mut SerializedColumnWriter<'_>,
    rows: &[Range<u64>],
    has_dictionary: bool,
) -> Result<()> {
    use ColumnReader as From;
    fn as_they_are<V>(_: &mut [V]) {}
    match from {
        From::BoolColumnReader(from) => copy_values::<BoolType>(from, to.typed(), rows, as_they_are),
        From::Int32ColumnReader(from) => copy_values::<Int32Type>(from, to.typed(), rows, as_they_are),
        From::Int64ColumnReader(from) => copy_values::<Int64Type>(from, to.typed(), rows, as_they_are),
        From::Int96ColumnReader(from) => copy_values::<Int96Type>(from, to.typed(), rows, as_they_are),
        From::FloatColumnReader(from) => copy_values::<FloatType>(from, to.typed(), rows, as_they_are),
        From::DoubleColumnReader(from) => copy_values::<DoubleType>(from, to.typed(), rows, as_they_are),
        From::ByteArrayColumnReader(from) => {
            let prepare = if has_dictionary { detach } else { as_they_are };
            copy_values::<ByteArrayType>(from, to.typed(), rows, prepare)
        }
        From::FixedLenByteArrayColumnReader(from) => {
            let prepare = if has_dictionary { detach } else { as_they_are };
            copy_values::<FixedLenByteArrayType>(from, to.typed(), rows, prepare)
        }
    }
}

fn copy_values<T: DataType>(
    mut from: ColumnReaderImpl<T>,
    to: &mut ColumnWriterImpl<'_, T>,
    rows: &[Range<u64>],
    prepare: fn(&mut [T::T]),
) -> Result<()> {
    let count = |rows: u64| usize::try_from(rows).map_err(|error| ParquetError::External(Box::new(error)));
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    let (mut at, mut held) = (0, 0);
    let last = rows.last().map(|rows| rows.end);
    for wanted in rows {
        let skip = count(wanted.start - at)?;
        if from.skip_records(skip)? < skip {
            return Err(too_few());
        }
        let mut left = count(wanted.end - wanted.start)?;
        while left > 0 {
            let batch = left.min(COPIED_ROWS - held);
            let (read, ..) = from.read_records(batch, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
            if read == 0 {
                return Err(too_few());
            }
            left -= read;
            held += read;
            // Written in full batches, wherever the rows were: where pages end does not depend on that.
            if held < COPIED_ROWS && (left > 0 || Some(wanted.end) != last) {
                continue;
            }
            prepare(&mut values);
            // A column whose values are never NULL, or never repeated, has no such levels.
            let levels = [&definitions, &repetitions].map(|levels| Some(levels.as_slice()).filter(|l| !l.is_empty()));
            to.write_batch(&values, levels[0], levels[1])?;
            values.clear();
            definitions.clear();
            repetitions.clear();
            held = 0;
        }
        at = wanted.end;
    }
    Ok(())
}

fn too_few() -> ParquetError {
    ParquetError::EOF("a column has fewer rows than its row group".into())
}

/// Gives values bytes of their own. As they are read they hold the page that they stand in, and the dictionary of the new
/// column keeps values of many pages.
fn detach<V: AsBytes + Clone + From<Vec<u8>>>(values: &mut [V]) {
    // Those out of a dictionary share their bytes, and go on doing so. All are alive at once, so no place is used twice.
    let mut own: HashMap<(usize, usize), V> = HashMap::new();
    for value in values {
        let bytes = value.as_bytes();
        let place = (bytes.as_ptr().addr(), bytes.len());
        let detached = own.entry(place).or_insert_with(|| V::from(bytes.to_vec())).clone();
        *value = detached;
    }
}
