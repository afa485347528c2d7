//! What could not be used: one line a record or bad stretch, with where it stood, why, and its bytes.
//!
//! A line is a superset of a Firehose error record, so the same tools replay both. Messages hold no value of the record;
//! the bytes stand in `rawData` alone.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::source::inflate::DamageKind;

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $text:literal,)+) => {
        /// Why something is in quarantine. The list is closed; a code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $code,)+ }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// The code as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text),+ }
            }
        }
    };
}

codes! {
    /// Not JSON.
    JsonSyntax = "Json.Syntax",
    /// A record that breaks off.
    JsonTruncated = "Json.Truncated",
    /// An array or scalar at top level.
    JsonNotAnObject = "Json.NotAnObject",
    /// Nested too deep.
    JsonTooDeep = "Json.TooDeep",
    /// A key that is read stands twice.
    JsonDuplicateKey = "Json.DuplicateKey",
    /// Bytes that are not UTF-8.
    JsonInvalidUtf8 = "Json.InvalidUtf8",
    /// A string that a column takes holds half a surrogate pair.
    JsonLoneSurrogate = "Json.LoneSurrogate",
    /// Longer than a record may be.
    RecordTooLarge = "Record.TooLarge",
    /// No table takes the record.
    RouteNoTable = "Route.NoTable",
    /// The event time is missing or null.
    EventTimeMissing = "EventTime.Missing",
    /// The event time is of no form that the table reads.
    EventTimeUnreadable = "EventTime.Unreadable",
    /// The event time is outside the years 0001 to 9999.
    EventTimeOutOfRange = "EventTime.OutOfRange",
    /// The local event time does not occur in its zone.
    EventTimeNonexistent = "EventTime.Nonexistent",
    /// Further in the past than `max_past`.
    EventTimeTooOld = "EventTime.TooOld",
    /// Further in the future than `max_future`.
    EventTimeTooNew = "EventTime.TooNew",
    /// A value is of another type than its column.
    TypeMismatch = "Type.Mismatch",
    /// A value is of the right kind and does not fit its column.
    TypeRange = "Type.Range",
    /// A required column has no value.
    TypeNull = "Type.Null",
    /// A field that the table does not have.
    FieldUnknown = "Field.Unknown",
    /// The table's transform failed.
    TransformFailed = "Transform.Failed",
    /// The compressed object ends in the middle.
    CodecTruncated = "Codec.Truncated",
    /// The compressed object's bytes or checksum are wrong.
    CodecCorrupt = "Codec.Corrupt",
    /// The compressed object asks for more than is given, or is packed in a way that is not read.
    CodecLimit = "Codec.Limit",
    /// The object does not hold JSON records.
    ObjectNotJson = "Object.NotJson",
}

impl From<DamageKind> for Code {
    fn from(kind: DamageKind) -> Self {
        match kind {
            DamageKind::Truncated => Self::CodecTruncated,
            DamageKind::Corrupt => Self::CodecCorrupt,
            DamageKind::Limit | DamageKind::ZipEntries | DamageKind::ZipMethod => Self::CodecLimit,
        }
    }
}

impl Code {
    /// Is it about bytes that are no record?
    pub fn is_stretch(self) -> bool {
        matches!(
            self,
            Self::JsonSyntax
                | Self::JsonTruncated
                | Self::JsonNotAnObject
                | Self::JsonTooDeep
                | Self::RecordTooLarge
                | Self::ObjectNotJson
        )
    }

    /// Is it about the event time?
    pub fn is_event_time(self) -> bool {
        self.as_str().starts_with("EventTime.")
    }
}

/// The source object an entry comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceRef<'a> {
    /// Absent for a local file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Cow<'a, str>>,
    /// The key, or the path.
    pub key: Cow<'a, str>,
    /// Where the bucket is versioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<Cow<'a, str>>,
    /// Without quotes.
    pub etag: Cow<'a, str>,
    /// RFC 3339, whole seconds.
    pub last_modified: Cow<'a, str>,
}

/// What a position counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OffsetIn {
    /// Bytes of the decompressed stream.
    Decompressed,
    /// Bytes of the object as it is stored.
    Stored,
}

/// One line of a quarantine file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry<'a> {
    /// See [`Code`].
    pub error_code: Cow<'a, str>,
    /// In words, without values.
    pub error_message: Cow<'a, str>,
    /// The bytes in base64.
    pub raw_data: String,
    /// `rawData` holds only the first bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub raw_data_truncated: bool,
    /// It is an error record from which no record could be taken, and no record itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error_record: bool,
    /// 1, and one more each time it was read again in vain.
    pub attempts_made: u32,
    /// The source's Last-Modified in milliseconds since 1970-01-01.
    pub arrival_timestamp: i64,
    /// Where it stood.
    pub source: SourceRef<'a>,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
    /// What `offset` and `length` count.
    pub offset_in: OffsetIn,
    /// Place among the source's records and bad stretches, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// The table, where it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Cow<'a, str>>,
    /// The column, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<Cow<'a, str>>,
}

impl Entry<'_> {
    /// The bytes that stood there, if `rawData` holds all of them and they are those of a record or bad stretch. What a broken
    /// stream, an object without records or a broken error record left is neither.
    pub fn whole(&self) -> Option<Vec<u8>> {
        let is_part = self.raw_data_truncated
            || self.is_error_record
            || self.offset_in == OffsetIn::Stored
            || self.error_code == Code::ObjectNotJson.as_str();
        if is_part {
            return None;
        }
        STANDARD.decode(&self.raw_data).ok()
    }

    /// Whether its bytes were counted as a bad stretch, not as those of a record. What has a table was one, also where it is
    /// too large for its columns.
    pub fn is_stretch(&self) -> bool {
        let of_code = |code: &Code| code.is_stretch() && self.error_code == code.as_str();
        self.table.is_none() && Code::ALL.iter().any(of_code)
    }
}

/// Bytes as `rawData` holds them.
pub fn raw_data(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Bytes of lines that wait before they are compressed: an encoder takes more memory than most files ever have lines.
const WAITING_BYTES_MAX: usize = 32 << 10;

/// A quarantine file being written: gzip of one JSON object a line.
pub struct QuarantineWriter<W: Write> {
    out: Out<W>,
    lines: Vec<u8>,
}

enum Out<W: Write> {
    /// Nothing has been compressed yet.
    Plain(W),
    Packed(Box<GzEncoder<W>>),
    /// Between the two.
    Moving,
}

impl<W: Write> QuarantineWriter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out: Out::Plain(out),
            lines: Vec::new(),
        }
    }

    /// Adds a line.
    pub fn write(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.lines, entry)?;
        self.lines.push(b'\n');
        self.pack_some()
    }

    /// Adds a line that was written before, with its end.
    pub fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.lines.extend_from_slice(line);
        self.pack_some()
    }

    fn pack_some(&mut self) -> io::Result<()> {
        if self.lines.len() > WAITING_BYTES_MAX {
            self.pack()?;
        }
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<W> {
        self.pack()?;
        match self.out {
            Out::Packed(out) => out.finish(),
            Out::Plain(_) | Out::Moving => unreachable!("packing leaves an encoder"),
        }
    }

    fn pack(&mut self) -> io::Result<()> {
        let mut out = match std::mem::replace(&mut self.out, Out::Moving) {
            Out::Plain(out) => Box::new(GzEncoder::new(out, Compression::fast())),
            Out::Packed(out) => out,
            Out::Moving => unreachable!("never left so"),
        };
        let written = out.write_all(&self.lines);
        self.out = Out::Packed(out);
        self.lines.clear();
        written
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn few_lines_and_many_read_back_as_they_were_written() {
        let source = SourceRef {
            bucket: None,
            key: "raw/a".into(),
            version_id: None,
            etag: "1".into(),
            last_modified: "2019-10-12T02:00:00Z".into(),
        };
        for lines in [0, 1, 5_000] {
            let mut writer = QuarantineWriter::new(Vec::new());
            let mut expected = String::new();
            for line in 0..lines {
                let entry = Entry {
                    error_code: Code::JsonSyntax.as_str().into(),
                    error_message: "not JSON".into(),
                    raw_data: raw_data(b"oops"),
                    raw_data_truncated: false,
                    is_error_record: false,
                    attempts_made: 1,
                    arrival_timestamp: 0,
                    source: source.clone(),
                    offset: line,
                    length: 4,
                    offset_in: OffsetIn::Decompressed,
                    record: Some(line + 1),
                    table: None,
                    column: None,
                };
                expected += &format!("{}\n", serde_json::to_string(&entry).unwrap());
                writer.write(&entry).unwrap();
            }
            let packed = writer.finish().unwrap();
            let mut read = String::new();
            flate2::bufread::MultiGzDecoder::new(packed.as_slice())
                .read_to_string(&mut read)
                .unwrap();
            assert!(read == expected, "{lines} lines");
        }
    }
}
