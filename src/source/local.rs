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

/// Files handed over at a time.
const PART_SOURCES: usize = 1_000;

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
    list_parts(roots, selection, &mut |part| {
        listing.append(part);
        true
    })?;
    listing.settle();
    Ok(listing)
}

/// The same for more files than memory holds: `each` takes some at a time, in no order, and says whether to go on.
pub fn list_parts(
    roots: &[PathBuf],
    selection: &Selection,
    each: &mut dyn FnMut(Listing) -> bool,
) -> Result<(), ListError> {
    let mut walk = Walk {
        selection,
        each,
        part: Listing::default(),
        goes_on: true,
    };
    for root in roots {
        let fail = |source| ListError {
            path: root.clone(),
            source,
        };
        let canonical = root.canonicalize().map_err(fail)?;
        let about = canonical.metadata().map_err(fail)?;
        if about.is_dir() {
            walk.folder(&canonical, &canonical)?;
        } else if about.is_file() {
            let below = PathBuf::from(root.file_name().unwrap_or_default());
            walk.add(&canonical, &below, &about);
        } else {
            // A pipe or device has no content that could be read again: no second run could know it.
            let why = "it is neither a file nor a folder";
            return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, why)));
        }
    }
    walk.hand_over();
    Ok(())
}

/// A listing under way.
struct Walk<'a> {
    selection: &'a Selection,
    each: &'a mut dyn FnMut(Listing) -> bool,
    part: Listing,
    goes_on: bool,
}

impl Walk<'_> {
    fn folder(&mut self, root: &Path, folder: &Path) -> Result<(), ListError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| ListError { path, source }
        };
        for entry in fs::read_dir(folder).map_err(fail(folder))? {
            if !self.goes_on {
                return Ok(());
            }
            let entry = entry.map_err(fail(folder))?;
            let path = entry.path();
            if matches!(entry.file_name().as_bytes().first(), Some(b'.' | b'_')) {
                self.part.hidden += 1;
                continue;
            }
            let kind = entry.file_type().map_err(fail(&path))?;
            if kind.is_dir() {
                self.folder(root, &path)?;
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
                self.add(&path, &below, &about);
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, below: &Path, about: &Metadata) {
        let source = Source {
            name: SourceName::local(path),
            version: Version::of_file(about, None),
        };
        self.part.add(source, &below.to_string_lossy(), self.selection);
        if self.part.sources.len() >= PART_SOURCES {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        self.goes_on = (self.each)(std::mem::take(&mut self.part));
    }
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
