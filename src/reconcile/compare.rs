//! All that is known of each source; what would be told as never loaded, or as overwritten, is looked at again before it is.
//!
//! ```text
//! entries by name ──> loaded: counted
//!                 ├─> of an open job
//!                 └─> missing ──some at a time──> its claim ──> of a done job, in this version: loaded
//!                                                           ├─> of a done job, in another: overwritten since
//!                                                           ├─> of a job with an intent and no outcome: open
//!                                                           └─> neither: as the listings have it
//! ```
//!
//! Listings are older than what is told of them: a job that was read as dead may have an heir whose outcome was not listed.
//! Ownership is only ever handed on, so the claim that is read last is right.

use super::report::{Report, Why};
use super::{Entry, MISSING_MEMORY, Options, ReconcileError, names};
use crate::job::LakeError;
use crate::job::claim::{self, Standing};
use crate::job::identity::{JobId, Version};
use crate::job::lake::Lake;
use crate::sort::{Sorted, Sorter};
use crate::source::listing::Source;
use crate::store::LakeKey;

/// Versions of one source in done jobs that are told apart. More than one is damage, which `verify` tells.
const DONE_MAX: usize = 16;
/// Missing sources that wait to be looked at together.
const AGAIN_MAX: usize = 256;

/// All that is known of one source.
#[derive(Debug, Default)]
struct Seen {
    raw: Option<Version>,
    done: Vec<Version>,
    open: Option<JobId>,
}

/// A source that is not loaded, by what was listed.
struct Missed {
    key: String,
    source: Source,
    why: Why,
    job: Option<JobId>,
}

/// Goes through all that is known, source by source.
pub(super) async fn compare(
    lake: &Lake,
    seen: Sorter<Entry>,
    options: &Options,
    report: &mut Report,
) -> Result<Sorted<Version>, ReconcileError> {
    let mut comparing = Comparing {
        lake,
        load: options.load,
        report,
        missed: Vec::new(),
        missing: Sorter::new(options.spill_dir.clone(), MISSING_MEMORY),
    };
    let mut sorted = seen.finish().map_err(ReconcileError::Spill)?;
    let mut next = sorted.next().map_err(ReconcileError::Spill)?;
    while let Some((key, first)) = next.take() {
        let mut one = Seen::default();
        one.add(first);
        loop {
            next = sorted.next().map_err(ReconcileError::Spill)?;
            match next.take_if(|(next, _)| *next == key) {
                Some((_, entry)) => one.add(entry),
                None => break,
            }
        }
        comparing.add(key, one).await?;
    }
    comparing.look_again().await?;
    comparing.missing.finish().map_err(ReconcileError::Spill)
}

struct Comparing<'a> {
    lake: &'a Lake,
    load: bool,
    report: &'a mut Report,
    /// In order.
    missed: Vec<Missed>,
    missing: Sorter<Version>,
}

impl Comparing<'_> {
    async fn add(&mut self, key: String, mut one: Seen) -> Result<(), ReconcileError> {
        let Some(version) = one.raw.take() else {
            return Ok(());
        };
        self.report.sources.found += 1;
        let Some((why, job)) = one.why_missing(&version) else {
            self.report.sources.loaded += 1;
            return Ok(());
        };
        let name = names::name(&key);
        self.missed.push(Missed {
            key,
            source: Source { name, version },
            why,
            job,
        });
        match self.missed.len() < AGAIN_MAX {
            true => Ok(()),
            false => self.look_again().await,
        }
    }

    /// Tells those that are missing even now.
    async fn look_again(&mut self) -> Result<(), ReconcileError> {
        let missed = std::mem::take(&mut self.missed);
        let asked = missed.iter().filter(|missed| missed.why != Why::Open);
        let names = asked.map(|missed| missed.source.name.clone()).collect();
        let mut standings = claim::standings(self.lake, names).await?.into_iter();
        for mut missed in missed {
            let standing = match missed.why {
                Why::Open => None,
                Why::Never | Why::Overwritten => standings.next(),
            };
            let is_loaded = match standing {
                None => false,
                Some(Ok(standing)) => missed.is_loaded(standing),
                Some(Err(error)) => {
                    self.add_unread(&missed, &error);
                    false
                }
            };
            if is_loaded {
                self.report.sources.loaded += 1;
                continue;
            }
            let Missed { key, source, why, job } = missed;
            self.report.add_missing(&source, why, job);
            if self.load {
                self.missing
                    .push(&key, &source.version)
                    .map_err(ReconcileError::Spill)?;
            }
        }
        Ok(())
    }

    /// A claim that cannot be read. Outcomes that cannot were told when they were read, once for all their sources.
    fn add_unread(&mut self, missed: &Missed, error: &LakeError) {
        let key: LakeKey = claim::key_of(&missed.source.name.id());
        let of = match error {
            LakeError::Malformed { key, .. } | LakeError::Newer { key, .. } => Some(key),
            LakeError::Store(_) => Some(&key),
            _ => None,
        };
        if of == Some(&key) {
            self.report.add_unread(&key, error);
        }
    }
}

impl Missed {
    /// Whether it is loaded after all; otherwise it is told as what it has become.
    fn is_loaded(&mut self, standing: Standing) -> bool {
        let version = &self.source.version;
        match standing {
            Standing::Owned(owner) | Standing::Open { was: Some(owner), .. } if owner.version == *version => true,
            Standing::Open { job, .. } => {
                (self.why, self.job) = (Why::Open, Some(job));
                false
            }
            Standing::Owned(_) => {
                self.why = Why::Overwritten;
                false
            }
            Standing::Free => false,
        }
    }
}

impl Seen {
    fn add(&mut self, entry: Entry) {
        match entry {
            // Listed twice, and replaced in between, perhaps.
            Entry::Raw(version) => {
                let newer = self
                    .raw
                    .as_ref()
                    .is_none_or(|raw| raw.last_modified_s <= version.last_modified_s);
                if newer {
                    self.raw = Some(version);
                }
            }
            Entry::Done(version) if self.done.len() < DONE_MAX => self.done.push(version),
            Entry::Done(_) => {}
            Entry::Open(job) => self.open = Some(job),
        }
    }

    /// Why this version of it is not in the lake, if it is not, and the open job that has it.
    fn why_missing(self, version: &Version) -> Option<(Why, Option<JobId>)> {
        if self.done.contains(version) {
            return None;
        }
        Some(match self.open {
            Some(job) => (Why::Open, Some(job)),
            None if self.done.is_empty() => (Why::Never, None),
            None => (Why::Overwritten, None),
        })
    }
}
