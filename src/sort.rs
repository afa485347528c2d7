//! Sorting more than memory holds: sorted runs in unnamed files, merged in the end.
//!
//! ```text
//! entries ──> memory, full: sorted ──> run ┐
//!                                      run ├─ many of one length: merged ──> longer run ┐
//!                                      ...─┘                                            ├─ merged ──> entries in order
//!                                                          what is in memory at the end ┘
//! ```
//!
//! Memory: `memory` bytes while entries come; while they are read, the last of these and 64 KiB for each of at most
//! [`RUNS_MAX`] runs of each length. Lengths grow by that factor, so two of them are terabytes. What is on disk is gone with
//! the process.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Runs of one length; so many become one that is longer.
const RUNS_MAX: usize = 64;
const BUFFER_BYTES: usize = 64 << 10;
/// Lengths of key and value before each entry of a run.
const HEAD_BYTES: usize = 8;

/// Takes entries in any order.
pub(crate) struct Sorter<T> {
    dir: PathBuf,
    memory: usize,
    held: Held,
    #[cfg(test)]
    memory_max: usize,
    /// Runs by their length: each of the next level is made of [`RUNS_MAX`] of this one.
    levels: Vec<Vec<File>>,
    of: PhantomData<T>,
}

/// Entries in memory.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    entries: Vec<Place>,
}

/// Where an entry is among the bytes: its key, and its value right behind.
#[derive(Clone, Copy)]
struct Place {
    begin: usize,
    key_bytes: u32,
    value_bytes: u32,
}

impl Held {
    /// Bytes of memory that are in use.
    fn memory(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Place>()
    }

    fn entry(&self, place: &Place) -> (&[u8], &[u8]) {
        let bytes = &self.bytes[place.begin..];
        let (key, rest) = bytes.split_at(place.key_bytes as usize);
        (key, &rest[..place.value_bytes as usize])
    }

    fn sort(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_unstable_by(|a, b| self.entry(a).cmp(&self.entry(b)));
        self.entries = entries;
    }
}

impl<T: Serialize + DeserializeOwned> Sorter<T> {
    /// Holds up to about `memory` bytes, the rest in unnamed files in `dir`. Nothing is made there before it is needed.
    pub(crate) fn new(dir: PathBuf, memory: usize) -> Self {
        Self {
            dir,
            memory,
            held: Held::default(),
            #[cfg(test)]
            memory_max: 0,
            levels: Vec::new(),
            of: PhantomData,
        }
    }

    /// Adds an entry. Keys may be equal.
    pub(crate) fn push(&mut self, key: &str, value: &T) -> io::Result<()> {
        let held = &mut self.held;
        let begin = held.bytes.len();
        held.bytes.extend_from_slice(key.as_bytes());
        serde_json::to_writer(&mut held.bytes, value)?;
        let length = |bytes: usize| u32::try_from(bytes).map_err(io::Error::other);
        held.entries.push(Place {
            begin,
            key_bytes: length(key.len())?,
            value_bytes: length(held.bytes.len() - begin - key.len())?,
        });
        #[cfg(test)]
        {
            self.memory_max = self.memory_max.max(held.memory());
        }
        if held.memory() >= self.memory {
            self.write_run()?;
        }
        Ok(())
    }

    /// The most memory that was in use at once.
    #[cfg(test)]
    pub(crate) fn memory_max(&self) -> usize {
        self.memory_max
    }

    /// Runs that were written, those of one length merged counted as one.
    #[cfg(test)]
    pub(crate) fn runs(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// All entries in the order of their keys' bytes; those with equal keys in the order of their values as JSON.
    pub(crate) fn finish(mut self) -> io::Result<Sorted<T>> {
        self.held.sort();
        let mut inputs = Vec::new();
        for run in self.levels.into_iter().flatten() {
            inputs.push(Input::run(run)?);
        }
        inputs.push(Input::Held {
            held: self.held,
            next: 0,
        });
        Ok(Sorted {
            merge: Merge::of(inputs)?,
            of: PhantomData,
        })
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.held.sort();
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(&self.dir)?);
        for place in &self.held.entries {
            let (key, value) = self.held.entry(place);
            write_entry(&mut out, key, value)?;
        }
        self.held.bytes.clear();
        self.held.entries.clear();
        let mut run = finished(out)?;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(run);
            if self.levels[level].len() < RUNS_MAX {
                break;
            }
            run = merged(std::mem::take(&mut self.levels[level]), &self.dir)?;
        }
        Ok(())
    }
}

fn finished(out: BufWriter<File>) -> io::Result<File> {
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

fn merged(runs: Vec<File>, dir: &PathBuf) -> io::Result<File> {
    let inputs = runs.into_iter().map(Input::run).collect::<io::Result<_>>()?;
    let mut merge = Merge::of(inputs)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(dir)?);
    while let Some(entry) = merge.next()? {
        write_entry(&mut out, &entry.key, &entry.value)?;
    }
    finished(out)
}

fn write_entry(out: &mut impl Write, key: &[u8], value: &[u8]) -> io::Result<()> {
    // They fitted when they were pushed.
    out.write_all(&(key.len() as u32).to_le_bytes())?;
    out.write_all(&(value.len() as u32).to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(value)
}

/// Sorted entries, one after another.
enum Input {
    Run(BufReader<File>),
    Held { held: Held, next: usize },
}

impl Input {
    fn run(mut file: File) -> io::Result<Self> {
        file.rewind()?;
        Ok(Self::Run(BufReader::with_capacity(BUFFER_BYTES, file)))
    }

    fn next(&mut self) -> io::Result<Option<Entry>> {
        match self {
            Self::Held { held, next } => {
                let place = held.entries.get(*next);
                *next += 1;
                Ok(place.map(|place| {
                    let (key, value) = held.entry(place);
                    Entry {
                        key: key.to_vec(),
                        value: value.to_vec(),
                    }
                }))
            }
            Self::Run(run) => {
                let mut head = [0; HEAD_BYTES];
                if run.read(&mut head[..1])? == 0 {
                    return Ok(None);
                }
                run.read_exact(&mut head[1..])?;
                let [key, value] =
                    [0, 4].map(|at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
                let (mut key, mut value) = (vec![0; key as usize], vec![0; value as usize]);
                run.read_exact(&mut key)?;
                run.read_exact(&mut value)?;
                Ok(Some(Entry { key, value }))
            }
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// The first entry of an input.
#[derive(PartialEq, Eq)]
struct First {
    entry: Entry,
    input: usize,
}

impl Ord for First {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.entry, self.input).cmp(&(&other.entry, other.input))
    }
}

impl PartialOrd for First {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

struct Merge {
    inputs: Vec<Input>,
    firsts: BinaryHeap<Reverse<First>>,
}

impl Merge {
    fn of(mut inputs: Vec<Input>) -> io::Result<Self> {
        let mut firsts = BinaryHeap::with_capacity(inputs.len());
        for (place, input) in inputs.iter_mut().enumerate() {
            firsts.extend(input.next()?.map(|entry| Reverse(First { entry, input: place })));
        }
        Ok(Self { inputs, firsts })
    }

    fn next(&mut self) -> io::Result<Option<Entry>> {
        let Some(Reverse(First { entry, input })) = self.firsts.pop() else {
            return Ok(None);
        };
        let next = self.inputs[input].next()?;
        self.firsts.extend(next.map(|entry| Reverse(First { entry, input })));
        Ok(Some(entry))
    }
}

/// Sorted entries.
pub(crate) struct Sorted<T> {
    merge: Merge,
    of: PhantomData<T>,
}

impl<T: DeserializeOwned> Sorted<T> {
    /// The next entry, or nothing after the last.
    pub(crate) fn next(&mut self) -> io::Result<Option<(String, T)>> {
        let Some(Entry { key, value }) = self.merge.next()? else {
            return Ok(None);
        };
        let key = String::from_utf8(key).map_err(io::Error::other)?;
        Ok(Some((key, serde_json::from_slice(&value)?)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn sorted(entries: &[(String, u32)], memory: usize) -> Vec<(String, u32)> {
        let mut sorter = Sorter::new(std::env::temp_dir(), memory);
        for (key, value) in entries {
            sorter.push(key, value).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        std::iter::from_fn(|| sorted.next().unwrap()).collect()
    }

    fn entry(key: &str, value: u32) -> (String, u32) {
        (key.to_owned(), value)
    }

    #[test]
    fn nothing_sorts_to_nothing_and_asks_for_no_disk() {
        let sorter: Sorter<u32> = Sorter::new("/nonexistent/spill".into(), 1 << 20);
        assert!(sorter.finish().unwrap().next().unwrap().is_none());
        let mut sorter: Sorter<u32> = Sorter::new("/nonexistent/spill".into(), 1 << 20);
        sorter.push("a", &1).unwrap();
        assert_eq!(sorter.finish().unwrap().next().unwrap(), Some(entry("a", 1)));
    }

    #[test]
    fn a_folder_without_room_is_an_error() {
        let mut sorter: Sorter<u32> = Sorter::new("/nonexistent/spill".into(), 1);
        assert_eq!(sorter.push("a", &1).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn keys_are_sorted_by_their_bytes_and_equal_ones_stay_apart() {
        let entries = [
            ("b", 2),
            ("a/b", 1),
            ("a-b", 3),
            ("", 4),
            ("b", 1),
            ("é", 5),
            ("b", 2),
            ("a", 10),
            ("a", 9),
        ];
        let entries = entries.map(|(key, value)| entry(key, value));
        let expected = [
            ("", 4),
            ("a", 10),
            ("a", 9),
            ("a-b", 3),
            ("a/b", 1),
            ("b", 1),
            ("b", 2),
            ("b", 2),
            ("é", 5),
        ];
        let expected = expected.map(|(key, value)| entry(key, value));
        for memory in [1, 20, 50, 1 << 20] {
            assert_eq!(sorted(&entries, memory), expected, "{memory}");
        }
    }

    #[test]
    fn runs_become_longer_runs() {
        // Every entry is a run of its own: 5,000 of them are three levels.
        let mut sorter = Sorter::new(std::env::temp_dir(), 1);
        for n in (0..5_000u32).rev() {
            sorter.push(&format!("{:04}", n * 7 % 5_000), &n).unwrap();
        }
        assert_eq!(sorter.levels.iter().map(Vec::len).collect::<Vec<_>>(), [8, 14, 1]);
        let mut sorted = sorter.finish().unwrap();
        for n in 0..5_000u32 {
            let (key, value) = sorted.next().unwrap().unwrap();
            assert_eq!((key, value * 7 % 5_000), (format!("{n:04}"), n));
        }
        assert!(sorted.next().unwrap().is_none());
    }

    proptest! {
        /// However little memory there is, entries come out as from a map.
        #[test]
        fn sorting_is_that_of_a_map(
            entries in proptest::collection::vec(("[a-c/é]{0,4}", 0..10u32), 0..400),
            memory in 100..2_000usize,
        ) {
            let mut map: BTreeMap<String, Vec<u32>> = BTreeMap::new();
            for (key, value) in &entries {
                map.entry(key.clone()).or_default().push(*value);
            }
            let mut expected = Vec::new();
            for (key, mut values) in map {
                values.sort_unstable();
                expected.extend(values.into_iter().map(|value| (key.clone(), value)));
            }
            prop_assert_eq!(sorted(&entries, memory), expected);
        }
    }
}
