//! Files: those that outcomes name, in the order of their keys, against those that are there, in the same order.
//!
//! ```text
//! named, there         sizes agree? then it is read: hash, rows, event times, entries
//! named, not there     missing, unless its job is dead by now
//! there, not named     whose is it? see `unaccounted`
//! ```

use std::sync::atomic::Ordering::Relaxed;

use tokio::task::spawn_blocking;

use super::content::{Content, FetchError, Fetched, Fetcher};
use super::data::{Expected, Fault, Times};
use super::jobs::Jobs;
use super::outcomes::FileEntry;
use super::report::{Code, Problem};
use super::tables::Tables;
use super::unaccounted::Unaccounted;
use super::{AtOnce, Verifier, VerifyError, data, entries};
use crate::job::stage::FileKind;
use crate::load::chain;
use crate::sort::Sorter;
use crate::store::{LakeKey, Objects};

/// Files that are read or wait for memory at once.
const READS_MAX: usize = 32;
/// Times a file is read where its bytes are not those that were written: what went wrong on the way does so once.
const READS_OF_ONE: u32 = 2;

/// What to do about a file that is lost.
const MEND: &str = "bring it back from a backup, or load the objects of its job again (backfill --reload)";

/// A file that was looked at.
struct Looked {
    entry: FileEntry,
    found: Found,
}

enum Found {
    /// As its outcome says.
    Sound(Times),
    /// Its job is dead by now.
    Replaced,
    Problem(Box<Problem>),
}

impl Verifier<'_> {
    /// Looks at every file that an outcome names, and at every one that is there.
    pub(super) async fn files(&mut self, tables: &Tables, files: Sorter<FileEntry>) -> Result<(), VerifyError> {
        let store = self.lake.store().clone();
        let mut named = files.finish().map_err(VerifyError::Spill)?;
        let mut next = named.next().map_err(VerifyError::Spill)?;
        let mut looking = AtOnce::new(READS_MAX);
        let mut unaccounted = Unaccounted::default();
        for folder in folders(tables) {
            let mut listed = Objects::below(&*store, LakeKey::new(folder.trim_end_matches('/')).expect("a folder"));
            loop {
                listed.peek().await?;
                self.add_strange(&mut listed);
                let there = listed.peek().await?;
                let name = next
                    .as_ref()
                    .map(|(name, _)| name.as_str())
                    .filter(|name| name.starts_with(&folder));
                // The lower key of both is next; one of them alone may have it.
                let order = match (name, there) {
                    (None, None) => break,
                    (None, Some(_)) => std::cmp::Ordering::Greater,
                    (Some(_), None) => std::cmp::Ordering::Less,
                    (Some(name), Some(there)) => name.cmp(there.key.as_str()),
                };
                let there = if order.is_ge() { listed.next().await? } else { None };
                if order.is_gt() {
                    if let Some(there) = there {
                        self.add_unaccounted(&mut unaccounted, there.key, there.size).await?;
                    }
                    continue;
                }
                if let Some((key, entry)) = next.take() {
                    next = named.next().map_err(VerifyError::Spill)?;
                    // An outcome that has a file twice is told where outcomes are read.
                    while next.take_if(|(next, _)| *next == key).is_some() {
                        next = named.next().map_err(VerifyError::Spill)?;
                    }
                    let look = Look {
                        jobs: self.jobs.clone(),
                        fetcher: self.fetcher.clone(),
                        key: LakeKey::new(key).expect("it was one when it was added"),
                        size: there.map(|there| there.size),
                        is_quick: self.options.quick,
                        is_told: !self.report.is_full(),
                    };
                    if let Some(looked) = looking.add(look.look(entry)).await? {
                        self.add_file_looked(looked);
                    }
                }
            }
        }
        while let Some(looked) = looking.next().await? {
            self.add_file_looked(looked);
        }
        self.settle_unaccounted(&mut unaccounted).await
    }

    fn add_strange(&mut self, listed: &mut Objects<'_>) {
        for name in listed.strange.drain(..) {
            let message = "was put there by somebody else, under a name that no file of a lake has. Move it away";
            self.report.add(Problem::new(Code::FileForeign, name, None, message));
        }
    }

    fn add_file_looked(&mut self, Looked { entry, found }: Looked) {
        self.progress.files.fetch_add(1, Relaxed);
        self.progress.bytes.fetch_add(entry.size, Relaxed);
        match found {
            Found::Replaced => {}
            Found::Problem(problem) => self.report.add(*problem),
            Found::Sound(times) => {
                let report = &mut self.report;
                report.files += 1;
                report.bytes += entry.size;
                match entry.kind {
                    FileKind::Data { rows, .. } => {
                        report.rows += rows;
                        let by_footer = times == Times::Footer && !report.quick;
                        report.rows_by_footer += if by_footer { rows } else { 0 };
                    }
                    FileKind::Quarantine { entries } => report.entries += entries,
                }
            }
        }
    }
}

/// Where files may be, each with its slash, in the order of whole keys.
fn folders(tables: &Tables) -> Vec<String> {
    let quarantine = "_lakebed/quarantine/".to_owned();
    let mut folders: Vec<_> = tables
        .keys()
        .map(|table| format!("{table}/"))
        .chain([quarantine])
        .collect();
    folders.sort_unstable();
    folders
}

/// A file that is named, and its size if it is there.
struct Look {
    jobs: Jobs,
    fetcher: Fetcher,
    key: LakeKey,
    size: Option<u64>,
    is_quick: bool,
    /// There is room for another problem. Otherwise it is counted, and not looked at again.
    is_told: bool,
}

impl Look {
    async fn look(self, entry: FileEntry) -> Result<Looked, VerifyError> {
        let result = match self.size {
            None => Err(missing()),
            Some(size) if size != entry.size => Err(wrong_size(size, entry.size)),
            Some(_) if self.is_quick => Ok(Times::Footer),
            Some(_) => self.read(&entry).await?,
        };
        let found = match result {
            Ok(times) => Found::Sound(times),
            // Gone with its job, which another one has replaced since.
            Err(_) if self.is_told && self.jobs.is_dead(&entry.job).await? => Found::Replaced,
            Err((code, message)) => Found::Problem(Box::new(Problem::new(code, &self.key, Some(&entry.job), message))),
        };
        Ok(Looked { entry, found })
    }

    async fn read(&self, entry: &FileEntry) -> Result<Result<Times, Fault>, VerifyError> {
        let _memory = self.fetcher.memory_for(entry.size).await;
        let mut fault = missing();
        for _ in 0..READS_OF_ONE {
            fault = match self.fetcher.fetch(&self.key, entry.size).await {
                Ok(Fetched::Absent) => missing(),
                Ok(Fetched::Whole(size, ..)) if size != entry.size => wrong_size(size, entry.size),
                Ok(Fetched::Whole(_, sha256, _)) if sha256 != entry.sha256 => (
                    Code::FileChecksum,
                    format!("has other bytes than its job wrote (SHA-256); {MEND}"),
                ),
                Ok(Fetched::Whole(_, _, content)) => return Ok(prove(content, entry).await),
                Err(FetchError::Spool(error)) => return Err(VerifyError::Spill(error)),
                Err(FetchError::Store(error)) if error.is_transient() => return Err(error.into()),
                Err(FetchError::Store(error)) => {
                    let message = format!("cannot be read ({}); mend that. If it is lost, {MEND}", chain(&error));
                    return Ok(Err((Code::FileUnreadable, message)));
                }
            };
        }
        Ok(Err(fault))
    }
}

/// Opens what has the bytes that its outcome names.
async fn prove(content: Content, entry: &FileEntry) -> Result<Times, Fault> {
    let (job, encoder, kind) = (entry.job.clone(), entry.encoder.clone(), entry.kind.clone());
    let proving = spawn_blocking(move || match &kind {
        FileKind::Quarantine { entries } => entries::prove(content, *entries).map(|()| Times::Rows),
        FileKind::Data { table, hour, rows } => {
            let expected = Expected {
                job: &job,
                encoder: &encoder,
                table,
                hour,
                rows: *rows,
            };
            data::prove(content, &expected)
        }
    });
    let proved = match proving.await {
        Ok(proved) => proved,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(shutdown) => unreachable!("tasks are neither detached nor aborted: {shutdown}"),
        },
    };
    proved.map_err(|(code, why)| {
        let message = format!(
            "{why}. It has the bytes that its outcome names, so the outcome was edited: bring that back from a backup (or, if \
             nobody did, report a fault in lakebed)"
        );
        (code, message)
    })
}

fn missing() -> Fault {
    let message = format!("is not there, and its job is done; {MEND}");
    (Code::FileMissing, message)
}

fn wrong_size(found: u64, expected: u64) -> Fault {
    let message = format!("has {found} bytes, and its job wrote {expected}; {MEND}");
    (Code::FileSize, message)
}
