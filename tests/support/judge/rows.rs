//! Data files: every row is one record's, and all its values are.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{File, Judge, Record};

/// A row, as far as it is known to whoever made its record.
struct Row {
    id: i64,
    at_ms: i64,
    text: String,
}

/// All rows of a file in order.
fn rows(bytes: &Bytes) -> Result<Vec<Row>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(|error| text(&error))?;
    let mut rows = Vec::new();
    for batch in builder.build().map_err(|error| text(&error))? {
        let batch = batch.map_err(|error| text(&error))?;
        let column = |name: &str| batch.column_by_name(name).ok_or(format!("has no column {name}"));
        let ids = column("id")?.as_primitive_opt::<Int64Type>().ok_or("id is no bigint")?;
        let times = column("at")?.as_primitive_opt::<TimestampMillisecondType>();
        let times = times.ok_or("at is no timestamp")?;
        let texts = column("text")?.as_string_opt::<i32>().ok_or("text is no string")?;
        if ids.null_count() + times.null_count() + texts.null_count() > 0 {
            return Err("has nulls where no record has".to_owned());
        }
        rows.extend((0..batch.num_rows()).map(|n| Row {
            id: ids.value(n),
            at_ms: times.value(n),
            text: texts.value(n).to_owned(),
        }));
    }
    Ok(rows)
}

/// How many rows a file has, if it can be read to its end.
pub(super) fn read(bytes: &Bytes) -> Result<usize, String> {
    Ok(rows(bytes)?.len())
}

impl Judge<'_> {
    pub(super) fn rows(&mut self, file: &File<'_>) {
        let key = file.key;
        let rows = match rows(file.bytes) {
            Ok(rows) => rows,
            Err(error) => return self.fault(format!("{key}: {error}")),
        };
        let listed = file.parts.last().map_or(0, |(_, range)| range.end);
        if rows.len() != listed {
            self.fault(format!("{key} has {} rows, and its outcome says {listed}", rows.len()));
        }
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (source, range) in &file.parts {
            let mut last = None;
            for row in rows.iter().take(range.end).skip(range.start) {
                let open = self.open.get(*source);
                let Some(ordinal) = open.and_then(|open| open.by_id.get(&row.id)).copied() else {
                    self.fault(format!("{key}: id {} is in no counting version of {source}", row.id));
                    continue;
                };
                let Record::Row {
                    folder: own,
                    at_ms,
                    text,
                    ..
                } = &self.sources[*source].content.records[ordinal]
                else {
                    unreachable!("ids are of rows")
                };
                if own != folder {
                    self.fault(format!("{key}: id {} belongs to {own}", row.id));
                }
                if (row.at_ms, &row.text) != (*at_ms, text) {
                    self.fault(format!("{key}: id {} has other values than its record", row.id));
                }
                if last.is_some_and(|last| last > ordinal) {
                    self.fault(format!("{key}: rows of {source} are not in its order"));
                }
                last = Some(ordinal);
                self.found(source, ordinal, key);
            }
        }
    }
}
