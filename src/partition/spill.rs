//! Rows that do not fit the memory budget wait in an unnamed file, compressed.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use zstd::bulk::{Compressor, Decompressor};

use crate::record::TableRows;
use crate::record::time::Instant;

/// Fast, and still halves what goes to the disk.
const LEVEL: i32 = 1;

/// Where some rows of one partition stand in the spill file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    offset: u64,
    bytes: usize,
    /// Bytes before they were compressed.
    plain_bytes: usize,
    /// How many rows.
    pub rows: usize,
}

/// A spill file; made when the first rows are spilled, gone with the process.
pub(super) struct SpillFile {
    dir: PathBuf,
    file: Option<File>,
    end: u64,
    // Segments may be many and small: codecs and buffers are used again.
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl SpillFile {
    pub(super) fn new(dir: PathBuf) -> io::Result<Self> {
        Ok(Self {
            dir,
            file: None,
            end: 0,
            compressor: Compressor::new(LEVEL)?,
            decompressor: Decompressor::new()?,
            plain: Vec::new(),
            packed: Vec::new(),
        })
    }

    /// Appends rows; they stay with the caller, who clears them.
    pub(super) fn write(&mut self, rows: &TableRows) -> io::Result<Segment> {
        let plain = &mut self.plain;
        plain.clear();
        rows.columns.iter().try_for_each(|column| column.write_to(plain))?;
        for (time, weight) in rows.times.iter().zip(&rows.weights) {
            plain.extend_from_slice(&time.seconds().to_le_bytes());
            plain.extend_from_slice(&time.nanos().to_le_bytes());
            plain.extend_from_slice(&weight.to_le_bytes());
        }
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        let bytes = self.compressor.compress_to_buffer(plain, &mut self.packed)?;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.dir)?),
        };
        file.write_all_at(&self.packed, self.end)?;
        let segment = Segment {
            offset: self.end,
            bytes,
            plain_bytes: plain.len(),
            rows: rows.len(),
        };
        self.end += bytes as u64;
        Ok(segment)
    }

    /// Replaces `rows` by those of a segment.
    pub(super) fn read(&mut self, segment: Segment, rows: &mut TableRows) -> io::Result<()> {
        let nothing = || io::Error::other("nothing was spilled");
        let file = self.file.as_ref().ok_or_else(nothing)?;
        self.packed.resize(segment.bytes, 0);
        file.read_exact_at(&mut self.packed, segment.offset)?;
        self.plain.clear();
        self.plain.reserve(segment.plain_bytes);
        self.decompressor.decompress_to_buffer(&self.packed, &mut self.plain)?;
        let mut from = self.plain.as_slice();
        rows.columns
            .iter_mut()
            .try_for_each(|column| column.read_from(&mut from))?;
        rows.times.clear();
        rows.weights.clear();
        for _ in 0..segment.rows {
            let (mut seconds, mut nanos, mut weight) = ([0; 8], [0; 4], [0; 4]);
            from.read_exact(&mut seconds)?;
            from.read_exact(&mut nanos)?;
            from.read_exact(&mut weight)?;
            let time = Instant::new(i64::from_le_bytes(seconds), u32::from_le_bytes(nanos));
            rows.times
                .push(time.ok_or_else(|| io::Error::other("a spilled event time is out of range"))?);
            rows.weights.push(u32::from_le_bytes(weight));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BlockRows, Reader, RecordPlan, SourceContext};
    use crate::source::frame::FrameLimits;
    use crate::table::Tables;

    const SCHEMA: &str = "table: t
event_time: { field: t, max_future: none, max_past: none }
columns: { s: string, l: \"array<struct<a:int>>\", m: \"map<string,double>\", d: \"decimal(38,9)\", b: boolean }
";

    fn rows(records: &str) -> TableRows {
        let tables = Tables::from_sources(vec![("t.yaml".into(), SCHEMA.into())]).unwrap();
        let limits = FrameLimits {
            record_bytes_max: 1 << 20,
            depth_max: 9,
        };
        let plan = RecordPlan::new(tables, limits);
        let mut block = BlockRows::new(&plan);
        Reader::default().read(
            &plan,
            &SourceContext::new(&plan, "k", 0),
            records.as_bytes(),
            &mut block,
        );
        block.tables.remove(0)
    }

    fn shown(rows: &TableRows) -> String {
        format!("{:?} {:?} {:?}", rows.columns, rows.times, rows.weights)
    }

    #[test]
    fn segments_read_back_in_any_order_and_whatever_was_there_before() {
        let all = [
            rows(r#"{"t":-0.5,"s":"a","l":[{"a":1},null],"m":{"k":0.5},"d":-1.5,"b":true}"#),
            rows(""),
            rows(&r#"{"t":1,"s":"many"}{"t":2,"m":{}}{"t":3,"l":[]}"#.repeat(1000)),
            rows(r#"{"t":253402300799.999999999}"#),
        ];
        let mut spill = SpillFile::new(std::env::temp_dir()).unwrap();
        let segments: Vec<Segment> = all.iter().map(|rows| spill.write(rows).unwrap()).collect();
        let mut back = rows(r#"{"t":9,"s":"before","l":[{"a":9}],"b":false}"#);
        for place in [2, 0, 3, 1, 0] {
            spill.read(segments[place], &mut back).unwrap();
            assert_eq!(segments[place].rows, all[place].len());
            assert_eq!(shown(&back), shown(&all[place]));
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_asked_for_with_the_first_rows_only() {
        let mut spill = SpillFile::new("/nonexistent/spill".into()).unwrap();
        assert_eq!(
            spill.write(&rows("{\"t\":0}")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
