//! Local files as sources: which there are below what the user named, and what each is now.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::listing::{Listing, Selection, Source};
use super::raw::ReadError;
use crate::job::claim::Sources;
use crate::job::identity::{SourceName, Version};
use crate::store::{Pending, StoreError};

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
            add(&mut listing, &canonical, &below, &about, selection);
        } else {
            // A pipe or device has no content that could be read again: no second run could know it.
            let why = "it is neither a file nor a folder";
            return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, why)));
        }
    }
    listing.settle();
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
            add(listing, &path, &below, &about, selection);
        }
    }
    Ok(())
}

fn add(listing: &mut Listing, path: &Path, below: &Path, about: &Metadata, selection: &Selection) {
    let source = Source {
        name: SourceName::local(path),
        version: Version::of_file(about, None),
    };
    listing.add(source, &below.to_string_lossy(), selection);
}

/// Opens a file that is still what was listed, twice: to read it, and to look at it again later.
pub(super) fn open(source: &Source) -> Result<(File, File), ReadError> {
    let path = source.name.path().unwrap_or_default();
    let file = File::open(&path)?;
    check(&file, &source.version)?;
    let watched = file.try_clone()?;
    Ok((file, watched))
}

/// Whether an open file is still this version.
pub(super) fn check(file: &File, version: &Version) -> Result<(), ReadError> {
    if Version::of_file(&file.metadata()?, None) == *version {
        return Ok(());
    }
    let what = "was written to after it was listed; run again when nobody writes to it".to_owned();
    Err(ReadError::Changed(what))
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

    /// The time of modification counts nanoseconds: nothing needs to be waited for.
    fn version_settled<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        self.version_now(name)
    }
}
