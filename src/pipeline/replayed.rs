//! Quarantine entries of a job that is replaced, read once more: those that are records of today become rows, the others
//! stay what they were.
//!
//! ```text
//! quarantine files of the replaced job ─> entries, source by source ─> read alone ─┬─> row
//!                                                                                  └─> entry, with its place of old
//! ```
//!
//! An entry stands for one record or bad stretch, and whatever it gives is counted in its place: one row, or one entry. Where
//! its table has a transform, rows beyond the first are added, and a record of which there is none is dropped.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::io::BufRead;
use std::ops::Range;

use super::StageError;
use super::copied::{CopiedSources, Taking, damaged, lines_of};
use crate::job::stage::{FileKind, LakeFile};
use crate::quarantine::Entry;
use crate::record::{BlockRows, Reader, RecordPlan, SourceContext};
use crate::report::{ByteCounts, ReplayCounts};

/// Quarantine files of one job that are read at a time: one for each date on which an object of the job arrived.
const OPEN_MAX: usize = 64;

/// What an entry gave.
pub(super) enum Gave<'r> {
    /// A row, the only one in here; where its table has a transform, as many as that gave, or none.
    Rows(&'r BlockRows),
    /// The entry, as it is to be kept.
    Entry(Box<Entry<'static>>),
}

/// Entries of one source in one file, from 0.
struct Stretch {
    /// Place of the source in the new job.
    to: usize,
    /// Place of the file.
    file: usize,
    entries: Range<u64>,
}

/// Reads entries under a plan, one by one.
pub(super) struct Replayer<'a> {
    plan: &'a RecordPlan,
    reader: Reader,
    rows: BlockRows,
    /// Of the source whose entries are being read, and its arrival.
    context: Option<(usize, i64, SourceContext)>,
    counts: ReplayCounts,
}

impl<'a> Replayer<'a> {
    pub(super) fn new(plan: &'a RecordPlan) -> Self {
        Self {
            plan,
            reader: Reader::default(),
            rows: BlockRows::new(plan),
            context: None,
            counts: ReplayCounts::default(),
        }
    }

    /// What became of the entries so far.
    pub(super) fn counts(&self) -> ReplayCounts {
        self.counts
    }

    /// Reads all entries of the copied sources, in the order of the sources. `each` gets the place of the source in the job,
    /// what its entry gave, and where its bytes are to be counted now.
    pub(super) fn replay(
        &mut self,
        copied: &CopiedSources<'_>,
        taking: &Taking<'_>,
        mut each: impl FnMut(usize, Gave<'_>, Recounted) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let files: Vec<&LakeFile> = copied.files().collect();
        let mut stretches = Vec::new();
        for (place, file) in files.iter().enumerate() {
            if !matches!(file.kind, FileKind::Quarantine { .. }) {
                continue;
            }
            for rows in &file.rows_of {
                stretches.extend(copied.place_of(rows.source).map(|to| Stretch {
                    to,
                    file: place,
                    entries: rows.first_row..rows.first_row + rows.rows,
                }));
            }
        }
        stretches.sort_by_key(|stretch| (stretch.to, stretch.file));
        let mut left: HashMap<usize, usize> = HashMap::new();
        for stretch in &stretches {
            *left.entry(stretch.file).or_default() += 1;
        }
        // Sources lie in the same order in each file, so one pass over each does, several open at a time.
        let taking = taking.shared_by(left.len().min(OPEN_MAX) as u64);
        let mut open: HashMap<usize, (Box<dyn BufRead>, u64)> = HashMap::new();
        let mut line = Vec::new();
        for Stretch { to, file, entries } in stretches {
            taking.check_stop()?;
            let old = files[file];
            // Where there are more, one has to be begun again when its next source comes.
            if open.len() >= OPEN_MAX && !open.contains_key(&file) {
                let furthest = open.keys().copied().max_by_key(|file| left[file]);
                furthest.map(|file| open.remove(&file));
            }
            let (lines, next) = match open.entry(file) {
                Slot::Occupied(open) => open.into_mut(),
                Slot::Vacant(slot) => slot.insert((lines_of(&copied.take(old, &taking)?), 0)),
            };
            if entries.start < *next {
                return Err(damaged(&old.key, "does not hold its sources in order"));
            }
            while *next < entries.end {
                line.clear();
                let read = lines.read_until(b'\n', &mut line);
                read.map_err(|source| StageError::Copy {
                    key: old.key.clone(),
                    source: Box::new(source),
                })?;
                if !line.ends_with(b"\n") {
                    return Err(damaged(&old.key, "has not as many entries as are recorded"));
                }
                if *next >= entries.start {
                    let entry: Entry<'static> =
                        serde_json::from_slice(&line).map_err(|_| damaged(&old.key, "has a line that is no entry"))?;
                    let (gave, recounted) = self.read(to, entry);
                    each(to, gave, recounted)?;
                }
                *next += 1;
            }
            let left = left.get_mut(&file).expect("each stretch is counted");
            *left -= 1;
            if *left == 0 {
                open.remove(&file);
            }
        }
        Ok(())
    }

    /// Reads an entry of the source at this place.
    fn read(&mut self, source: usize, mut entry: Entry<'static>) -> (Gave<'_>, Recounted) {
        self.counts.entries += 1;
        let Some(bytes) = entry.whole() else {
            self.counts.partial += 1;
            return (Gave::Entry(Box::new(entry)), Recounted::default());
        };
        let mut recounted = Recounted {
            // Bytes that were unpacked from an error record are no part of the stream: the error record was counted.
            bytes: if bytes.len() as u64 == entry.length {
                entry.length
            } else {
                0
            },
            was_bad: entry.is_stretch(),
            is_bad: false,
        };
        // Limits of event times count from what they counted from then.
        let arrival_s = entry.arrival_timestamp.div_euclid(1000);
        if !matches!(&self.context, Some((of, arrived, _)) if *of == source && *arrived == arrival_s) {
            let context = SourceContext::new(self.plan, &entry.source.key, arrival_s);
            self.context = Some((source, arrival_s, context));
        }
        let (_, _, context) = self.context.as_ref().expect("made above");
        self.reader.read(self.plan, context, &bytes, &mut self.rows);
        match (self.rows.read, self.rows.rejected.as_slice()) {
            (1, []) => {
                match self.rows.dropped {
                    0 => self.counts.rows += 1,
                    _ => self.counts.dropped += 1,
                }
                return (Gave::Rows(&self.rows), recounted);
            }
            (1, [rejected]) => {
                let tables = self.plan.tables().as_slice();
                let table = rejected.table.map(|table| tables[table].name.clone());
                entry.error_code = rejected.code.as_str().into();
                entry.error_message = rejected.message.clone();
                entry.table = table.map(Into::into);
                entry.column = rejected.column.clone().map(Into::into);
            }
            // Several pieces: what stands for one is not counted as many.
            _ => {}
        }
        entry.attempts_made = entry.attempts_made.saturating_add(1);
        recounted.is_bad = entry.is_stretch();
        self.counts.quarantined += 1;
        (Gave::Entry(Box::new(entry)), recounted)
    }
}

/// The bytes of an entry in its source's stream: what they were counted as, and what they are now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recounted {
    bytes: u64,
    was_bad: bool,
    is_bad: bool,
}

impl Recounted {
    /// False where the counts do not have what they should.
    pub(super) fn apply(self, counts: &mut ByteCounts) -> bool {
        let Self { bytes, was_bad, is_bad } = self;
        let (from, to) = match (was_bad, is_bad) {
            (true, false) => (&mut counts.bad, &mut counts.records),
            (false, true) => (&mut counts.records, &mut counts.bad),
            (true, true) | (false, false) => return true,
        };
        let Some(left) = from.checked_sub(bytes) else {
            return false;
        };
        *from = left;
        *to += bytes;
        true
    }
}
