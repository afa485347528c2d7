//! What was listed: which raw objects there are, in order, and which of them go into one job.

use std::iter::Peekable;

use globset::{GlobBuilder, GlobMatcher};

use crate::job::identity::{SourceName, Version};

/// Most sources of one job. Each is a claim to lay before the job is decided and a line of its intent.
pub const JOB_SOURCES_MAX: usize = 10_000;

/// A raw object as it was listed or first looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: SourceName,
    /// What is there.
    pub version: Version,
}

impl Source {
    /// Whether it is the empty object that consoles make for a folder.
    pub fn is_folder(&self) -> bool {
        self.name.bucket.is_some() && self.name.key.ends_with('/') && self.version.size == 0
    }
}

/// Which of the objects found are sources.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Modified at or after this time, in seconds since 1970.
    pub since_s: Option<i64>,
    /// Modified before this time.
    pub until_s: Option<i64>,
    /// Their name below what the user named matches.
    pub glob: Option<GlobMatcher>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The sources; see [`Listing::settle`] for their order.
    pub sources: Vec<Source>,
    /// Objects passed over because of their names.
    pub hidden: u64,
    /// Objects left out by the selection.
    pub unselected: u64,
}

impl Selection {
    /// By times in seconds since 1970, and a pattern such as `**/*.gz`, in which `*` takes no slash.
    pub fn new(since_s: Option<i64>, until_s: Option<i64>, glob: Option<&str>) -> Result<Self, globset::Error> {
        let glob = glob.map(|glob| GlobBuilder::new(glob).literal_separator(true).build());
        Ok(Self {
            since_s,
            until_s,
            glob: glob.transpose()?.map(|glob| glob.compile_matcher()),
        })
    }

    pub(crate) fn takes(&self, below: &str, version: &Version) -> bool {
        let modified = version.last_modified_s;
        self.since_s.is_none_or(|since| modified >= since)
            && self.until_s.is_none_or(|until| modified < until)
            && self.glob.as_ref().is_none_or(|glob| glob.is_match(below))
    }
}

impl Listing {
    /// Adds an object, or counts it; `below` is its name below what the user named.
    pub(super) fn add(&mut self, source: Source, below: &str, selection: &Selection) {
        if selection.takes(below, &source.version) {
            self.sources.push(source);
        } else {
            self.unselected += 1;
        }
    }

    /// Whether nothing was there at all.
    pub fn is_empty(&self) -> bool {
        let Self {
            sources,
            hidden,
            unselected,
        } = self;
        sources.is_empty() && *hidden == 0 && *unselected == 0
    }

    /// Adds what another listing found.
    pub fn append(&mut self, other: Self) {
        self.sources.extend(other.sources);
        self.hidden += other.hidden;
        self.unselected += other.unselected;
    }

    /// Sorts the sources by the bytes of their names and keeps each once.
    pub fn settle(&mut self) {
        self.sources.sort_by(|a, b| a.name.cmp(&b.name));
        self.sources.dedup_by(|a, b| a.name == b.name);
    }
}

/// Cuts sorted sources into those of each job. A job never spans two folders or parent prefixes, and is closed before it has
/// more than `job_bytes` or 10,000 sources; so which sources make a job depends on the listing alone.
pub fn pack(sources: Vec<Source>, job_bytes: u64) -> Vec<Vec<Source>> {
    packs(sources.into_iter(), job_bytes).collect()
}

/// The same of sources that come one by one: one job is held at a time.
pub fn packs<I: Iterator<Item = Source>>(sources: I, job_bytes: u64) -> Packs<I> {
    Packs {
        sources: sources.peekable(),
        job_bytes,
    }
}

/// Sources job by job.
#[derive(Debug)]
pub struct Packs<I: Iterator<Item = Source>> {
    sources: Peekable<I>,
    job_bytes: u64,
}

impl<I: Iterator<Item = Source>> Iterator for Packs<I> {
    type Item = Vec<Source>;

    fn next(&mut self) -> Option<Vec<Source>> {
        let first = self.sources.next()?;
        let mut bytes = first.version.size;
        let mut job = vec![first];
        while let Some(next) = self.sources.next_if(|next| {
            job.len() < JOB_SOURCES_MAX
                && bytes + next.version.size <= self.job_bytes
                && parent(&job[0].name) == parent(&next.name)
        }) {
            bytes += next.version.size;
            job.push(next);
        }
        Some(job)
    }
}

/// Its bucket, and its key without what follows the last slash.
fn parent(name: &SourceName) -> (Option<&str>, &str) {
    let prefix = name.key.rsplit_once('/').map_or("", |(prefix, _)| prefix);
    (name.bucket.as_deref(), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bucket: &str, key: &str, size: u64) -> Source {
        let version = Version {
            etag: "x".into(),
            size,
            last_modified_s: 0,
        };
        Source {
            name: SourceName::in_bucket(bucket, key),
            version,
        }
    }

    fn packed(sources: Vec<Source>) -> Vec<Vec<String>> {
        let jobs = pack(sources, 100);
        jobs.iter()
            .map(|job| job.iter().map(|source| source.name.to_string()).collect())
            .collect()
    }

    #[test]
    fn a_job_ends_with_its_parent_prefix_and_before_it_is_too_large() {
        let jobs = packed(vec![
            source("a", "x/1", 40),
            source("a", "x/2", 60),
            source("a", "x/3", 1),
            source("a", "x/4/5", 1),
            source("a", "x/6", 1),
            source("a", "y", 1),
            source("a", "z", 1),
            source("b", "z", 500),
            source("b", "zz", 0),
        ]);
        let expected: Vec<&[&str]> = vec![
            &["s3://a/x/1", "s3://a/x/2"],
            &["s3://a/x/3"],
            &["s3://a/x/4/5"],
            &["s3://a/x/6"],
            &["s3://a/y", "s3://a/z"],
            &["s3://b/z"],
            &["s3://b/zz"],
        ];
        assert_eq!(jobs, expected);
    }

    #[test]
    fn a_job_has_ten_thousand_sources_at_most() {
        let sources = (0..10_001).map(|n| source("a", &format!("x/{n:05}"), 0)).collect();
        let jobs = pack(sources, 100);
        assert_eq!(jobs.iter().map(Vec::len).collect::<Vec<_>>(), [10_000, 1]);
    }
}
