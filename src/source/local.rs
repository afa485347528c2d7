//! Local files as sources: which there are below what the user named, in what order, and which go into one job.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use globset::GlobMatcher;

use crate::job::claim::Sources;
use crate::job::identity::{SourceName, Version};
use crate::store::{Pending, StoreError};

/// Most sources of one job.
pub const JOB_SOURCES_MAX: usize = 1000;

/// A file that is a source, as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSource {
    /// Its name: the canonical path.
    pub name: SourceName,
    /// The canonical path.
    pub path: PathBuf,
    /// What is there.
    pub version: Version,
}

/// Which of the files found are sources.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Modified at or after this time, in seconds since 1970.
    pub since_s: Option<i64>,
    /// Modified before this time.
    pub until_s: Option<i64>,
    /// Their path below what was named matches.
    pub glob: Option<GlobMatcher>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The sources, sorted by the bytes of their names, each once.
    pub sources: Vec<LocalSource>,
    /// Files and folders passed over because their names begin with `.` or `_`.
    pub hidden: u64,
    /// Files left out by the selection.
    pub unselected: u64,
}

/// A path could not be listed.
#[derive(Debug, thiserror::Error)]
#[error("list {path}", path = .path.display())]
pub struct ListError {
    path: PathBuf,
    source: io::Error,
}

/// Lists files, and folders with all that is below them.
pub fn list(roots: &[PathBuf], selection: &Selection) -> Result<Listing, ListError> {
    let mut listing = Listing::default();
    for root in roots {
        let fail = |source| ListError {
            path: root.clone(),
            source,
        };
        let canonical = root.canonicalize().map_err(fail)?;
        let about = canonical.metadata().map_err(fail)?;
        if about.is_dir() {
            walk(&canonical, &canonical, selection, &mut listing)?;
        } else if about.is_file() {
            let below = PathBuf::from(root.file_name().unwrap_or_default());
            listing.add(canonical, &below, &about, selection);
        } else {
            // A pipe or device has no content that could be read again: no second run could know it.
            let why = "it is neither a file nor a folder";
            return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, why)));
        }
    }
    listing.sources.sort_by(|a, b| a.name.cmp(&b.name));
    listing.sources.dedup_by(|a, b| a.name == b.name);
    Ok(listing)
}

fn walk(root: &Path, folder: &Path, selection: &Selection, listing: &mut Listing) -> Result<(), ListError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| ListError { path, source }
    };
    for entry in fs::read_dir(folder).map_err(fail(folder))? {
        let entry = entry.map_err(fail(folder))?;
        let path = entry.path();
        if matches!(entry.file_name().as_bytes().first(), Some(b'.' | b'_')) {
            listing.hidden += 1;
            continue;
        }
        let kind = entry.file_type().map_err(fail(&path))?;
        if kind.is_dir() {
            walk(root, &path, selection, listing)?;
            continue;
        }
        // A pattern is matched against what the user sees here, also where it is a link to another name.
        let below = path.strip_prefix(root).unwrap_or(&path).to_owned();
        // A link to a file is that file, under its own name; a link to a folder could lead in a circle.
        let path = if kind.is_symlink() {
            path.canonicalize().map_err(fail(&path))?
        } else {
            path
        };
        let about = match path.metadata() {
            // Removed since the folder was read: then it is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !kind.is_symlink() => continue,
            about => about.map_err(fail(&path))?,
        };
        if about.is_file() {
            listing.add(path, &below, &about, selection);
        }
    }
    Ok(())
}

impl Listing {
    fn add(&mut self, path: PathBuf, below: &Path, about: &Metadata, selection: &Selection) {
        let version = Version::of_file(about, None);
        let modified = version.last_modified_s;
        let selected = selection.since_s.is_none_or(|since| modified >= since)
            && selection.until_s.is_none_or(|until| modified < until)
            && selection.glob.as_ref().is_none_or(|glob| glob.is_match(below));
        if selected {
            self.sources.push(LocalSource {
                name: SourceName::local(&path),
                path,
                version,
            });
        } else {
            self.unselected += 1;
        }
    }
}

/// Cuts a sorted listing into the sources of each job. A job never spans two folders, and is closed before it has more
/// than `job_bytes` or 1,000 sources; so which sources make a job depends on the listing alone.
pub fn pack(sources: Vec<LocalSource>, job_bytes: u64) -> Vec<Vec<LocalSource>> {
    let mut jobs: Vec<Vec<LocalSource>> = Vec::new();
    let mut bytes = 0;
    for source in sources {
        let fits = jobs
            .last()
            .and_then(|job| job.last())
            .is_some_and(|last| last.path.parent() == source.path.parent())
            && bytes + source.version.size <= job_bytes
            && jobs.last().is_some_and(|job| job.len() < JOB_SOURCES_MAX);
        if !fits {
            jobs.push(Vec::new());
            bytes = 0;
        }
        bytes += source.version.size;
        jobs.last_mut().expect("a job was begun").push(source);
    }
    jobs
}

/// The local file system, asked anew each time.
#[derive(Clone, Copy, Debug)]
pub struct LocalFiles;

impl Sources for LocalFiles {
    fn version_now<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        Box::pin(async move {
            let Some(path) = name.path() else { return Ok(None) };
            match tokio::fs::metadata(&path).await {
                Ok(about) => Ok(Some(Version::of_file(&about, None))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(StoreError::io("look at", path.display(), error)),
            }
        })
    }
}
