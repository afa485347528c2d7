//! What the blocks of a job gave that is no row: into the quarantine files, counted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::DateTime;

use super::StageError;
use super::outputs::{JobOutputs, OutputFile};
use super::reading::Arrived;
use crate::partition::buckets::RowsOf;
use crate::quarantine::{Code, Entry, OffsetIn, QuarantineWriter, SourceRef, raw_data};
use crate::record::{BlockRows, RecordPlan, explain};
use crate::report::SourceReport;
use crate::source::blocks::{Block, Ended, KEPT_BYTES_MAX};
use crate::source::inflate::{Damage, DamageKind};

struct QuarantineFile {
    out: QuarantineWriter<OutputFile>,
    rows_of: Vec<RowsOf>,
}

/// The quarantine files of a job, one for each date of arrival.
#[derive(Default)]
pub(super) struct Rejects {
    files: BTreeMap<String, QuarantineFile>,
    codes: BTreeMap<String, u64>,
    /// The record that a broken stream broke off in.
    tail: Vec<u8>,
    /// Of the source that is being read.
    version_id: Option<String>,
}

/// What an entry says besides its source.
struct Rejection<'a> {
    code: Code,
    message: &'a str,
    bytes: &'a [u8],
    offset: u64,
    length: u64,
    offset_in: OffsetIn,
    /// `bytes` are only the first of them.
    is_head: bool,
    is_error_record: bool,
    table: Option<&'a str>,
    column: Option<&'a str>,
}

impl Rejects {
    /// A source begins.
    pub(super) fn begin(&mut self, version_id: Option<String>) {
        self.version_id = version_id;
    }

    /// Adds what a block of the source at place `index` gave, and counts it.
    pub(super) fn add(
        &mut self,
        plan: &RecordPlan,
        (index, file): (usize, &Arrived),
        block: &Block,
        rows: &mut BlockRows,
        (report, outputs): (&mut SourceReport, &JobOutputs),
    ) -> Result<(), StageError> {
        match block {
            Block::Bytes { offset, bytes, damaged } => {
                if *damaged && let Some(tail) = rows.take_broken_off(bytes) {
                    self.tail = bytes[tail].to_vec();
                }
                let before = report.records.read;
                for rejected in &rows.rejected {
                    report.records.read = before + rejected.ordinal;
                    let tables = plan.tables().as_slice();
                    let own = rejected.unpacked.as_deref();
                    let rejection = Rejection {
                        code: rejected.code,
                        message: &rejected.message,
                        bytes: own.unwrap_or(&bytes[rejected.range.clone()]),
                        offset: offset + rejected.range.start as u64,
                        length: rejected.range.len() as u64,
                        offset_in: OffsetIn::Decompressed,
                        is_head: false,
                        is_error_record: rejected.is_error_record,
                        table: rejected.table.map(|table| tables[table].name.as_str()),
                        column: rejected.column.as_deref(),
                    };
                    self.write((index, file), &rejection, (report, outputs))?;
                }
                report.records.read = before + rows.read;
            }
            Block::Oversized {
                range,
                code,
                head,
                between,
            } => {
                let (code, message) = explain(*code, plan);
                let length = range.end - range.start;
                report.bytes.bad += length;
                report.bytes.between += between;
                let rejection = Rejection::plain(code, &message, head, range.start, length);
                self.write((index, file), &rejection, (report, outputs))?;
            }
            Block::NotJson { bytes, head } => {
                let code = Code::ObjectNotJson;
                let message = "no JSON record begins in the first MiB of the object";
                report.bytes.bad += bytes;
                report.damaged = Some(code.as_str().to_owned());
                self.write(
                    (index, file),
                    &Rejection::plain(code, message, head, 0, *bytes),
                    (report, outputs),
                )?;
            }
        }
        Ok(())
    }

    /// The source at place `index` has ended: a broken stream is one entry.
    pub(super) fn end(
        &mut self,
        (index, file): (usize, &Arrived),
        ended: Ended,
        (report, outputs): (&mut SourceReport, &JobOutputs),
    ) -> Result<(), StageError> {
        report.bytes.stored = file.source.version.size;
        report.bytes.decompressed = ended.bytes;
        // An object that holds no JSON is one entry already, however it ends.
        let Some(Damage { kind, offset }) = ended.damage.filter(|_| report.damaged.is_none()) else {
            return Ok(());
        };
        let code = Code::from(kind);
        let what = match kind {
            DamageKind::Truncated => "ends in the middle",
            DamageKind::Corrupt => "is broken: wrong bytes or a wrong checksum",
            DamageKind::Limit => {
                "asks for too much memory (a zstd window over 128 MiB, a snappy chunk over 64 MiB), or is packed more than \
                 three times"
            }
            DamageKind::ZipEntries => "is a zip archive of several entries, of which only the first is read",
            DamageKind::ZipMethod => {
                "is a zip entry that is encrypted, neither stored nor deflated, or stored with its length behind it"
            }
        };
        let tail = std::mem::take(&mut self.tail);
        let message = format!(
            "the compressed stream {what}; rawData holds the {} decompressed bytes behind the last whole record",
            tail.len()
        );
        report.damaged = Some(code.as_str().to_owned());
        let rejection = Rejection {
            offset_in: OffsetIn::Stored,
            is_head: false,
            ..Rejection::plain(
                code,
                &message,
                &tail,
                offset,
                file.source.version.size - offset.min(file.source.version.size),
            )
        };
        self.write((index, file), &rejection, (report, outputs))
    }

    fn write(
        &mut self,
        (index, file): (usize, &Arrived),
        rejection: &Rejection<'_>,
        (report, outputs): (&mut SourceReport, &JobOutputs),
    ) -> Result<(), StageError> {
        let arrival = DateTime::from_timestamp(file.arrival_s, 0).unwrap_or_default();
        let source = SourceRef {
            bucket: file.source.name.bucket.as_deref().map(Cow::from),
            key: Cow::from(&file.source.name.key),
            version_id: self.version_id.clone().map(Cow::from),
            etag: Cow::from(&file.source.version.etag),
            last_modified: arrival.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into(),
        };
        report.records.read += 1;
        let entry = Entry {
            error_code: rejection.code.as_str().into(),
            error_message: rejection.message.into(),
            raw_data: raw_data(&rejection.bytes[..rejection.bytes.len().min(KEPT_BYTES_MAX)]),
            raw_data_truncated: rejection.is_head || rejection.bytes.len() > KEPT_BYTES_MAX,
            is_error_record: rejection.is_error_record,
            attempts_made: 1,
            arrival_timestamp: file.arrival_s.saturating_mul(1000),
            source,
            offset: rejection.offset,
            length: rejection.length,
            offset_in: rejection.offset_in,
            record: Some(report.records.read),
            table: rejection.table.map(Cow::from),
            column: rejection.column.map(Cow::from),
        };
        report.records.quarantined += 1;
        self.keep(index, &entry, outputs)
    }

    /// Writes an entry of the source at place `index`, and counts its code. Sources come in their order.
    pub(super) fn keep(&mut self, index: usize, entry: &Entry<'_>, outputs: &JobOutputs) -> Result<(), StageError> {
        let arrival = DateTime::from_timestamp_millis(entry.arrival_timestamp).unwrap_or_default();
        let date = arrival.date_naive().to_string();
        let quarantine = match self.files.get_mut(&date) {
            Some(quarantine) => quarantine,
            None => {
                let out = QuarantineWriter::new(outputs.begin_quarantine(&date)?);
                self.files.entry(date).or_insert(QuarantineFile {
                    out,
                    rows_of: Vec::new(),
                })
            }
        };
        quarantine.out.write(entry).map_err(StageError::Spool)?;
        match quarantine.rows_of.last_mut() {
            Some(last) if last.source == index => last.rows += 1,
            last => {
                let first_row = last.map_or(0, |last| last.first_row + last.rows);
                quarantine.rows_of.push(RowsOf {
                    source: index,
                    first_row,
                    rows: 1,
                });
            }
        }
        *self.codes.entry(entry.error_code.clone().into_owned()).or_default() += 1;
        Ok(())
    }

    /// Ends the files; entries by code are given back.
    pub(super) fn finish(self, outputs: &mut JobOutputs) -> Result<BTreeMap<String, u64>, StageError> {
        for quarantine in self.files.into_values() {
            let file = quarantine.out.finish().map_err(StageError::Spool)?;
            outputs.end_quarantine(file, quarantine.rows_of)?;
        }
        Ok(self.codes)
    }
}

impl<'a> Rejection<'a> {
    fn plain(code: Code, message: &'a str, bytes: &'a [u8], offset: u64, length: u64) -> Self {
        let (offset_in, table, column) = (OffsetIn::Decompressed, None, None);
        Self {
            code,
            message,
            bytes,
            offset,
            length,
            offset_in,
            is_head: length > KEPT_BYTES_MAX as u64,
            is_error_record: false,
            table,
            column,
        }
    }
}
