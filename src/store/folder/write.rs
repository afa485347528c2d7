//! Writing one object into a folder: whole or not at all, and durable before it is answered.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{Folder, is_absent, open, tag_of};
use crate::store::{Body, Put, Replace, Tag};

/// Folders remembered as durable; beyond it they are synced again, which only costs time.
const DURABLE_MAX: usize = 10_000;

impl Folder {
    pub(super) fn put_new(&self, path: &Path, body: &Body) -> io::Result<Put> {
        if fs::symlink_metadata(path).is_ok() {
            // The common end of a second run: not worth writing a temporary file for.
            sync_folder_of(path)?;
            return Ok(Put::Exists);
        }
        let temporary = self.write_temporary(path, |file| body.write_to(file))?;
        let put = place(&temporary.0, path)?;
        drop(temporary);
        sync_folder_of(path)?;
        Ok(put)
    }

    pub(super) fn replace(&self, path: &Path, bytes: &[u8], tag: &Tag) -> io::Result<Replace> {
        let lock = self.lock_file()?;
        lock.lock()?;
        let Some(mut there) = open(path)? else {
            return Ok(Replace::Absent);
        };
        if tag_of(&super::checksum_of(&mut there)?) != *tag {
            return Ok(Replace::Changed);
        }
        let temporary = self.write_temporary(path, |file| file.write_all(bytes))?;
        fs::rename(&temporary.0, path)?;
        sync_folder_of(path)?;
        Ok(Replace::Written)
    }

    pub(super) fn delete(&self, path: &Path) -> io::Result<()> {
        if open(path)?.is_none() {
            return Ok(());
        }
        // Shared: deletes may run side by side, but none between the comparison and the rename of a replacement.
        let lock = self.lock_file()?;
        lock.lock_shared()?;
        absent_is_fine(fs::remove_file(path))?;
        sync_folder_of(path)
    }

    /// Each call opens it anew: a lock belongs to an open file, so two of one process exclude each other too. It is let
    /// go when the file is closed, also by the end of a killed process.
    fn lock_file(&self) -> io::Result<File> {
        let folder = self.root.join("_lakebed");
        self.make_folder(&folder)?;
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))
    }

    fn write_temporary(&self, path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Temporary> {
        let (mut file, temporary) = self.create_hidden(path, || {
            let n = self.temporaries.fetch_add(1, Ordering::Relaxed);
            format!("{}.{n}.tmp", std::process::id())
        })?;
        fill(&mut file)?;
        file.sync_all()?;
        Ok(temporary)
    }

    /// A new file beside `path`: `.<name>.<suffix>`, with further suffixes while the name is taken.
    pub(super) fn create_hidden(&self, path: &Path, suffix: impl Fn() -> String) -> io::Result<(File, Temporary)> {
        let folder = folder_of(path)?;
        self.make_folder(folder)?;
        let mut made_again = false;
        loop {
            let temporary = hidden(path, &suffix())?;
            match File::create_new(&temporary) {
                Ok(file) => return Ok((file, Temporary(temporary))),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && !made_again => {
                    // Somebody removed an empty folder that this process had seen.
                    made_again = true;
                    self.durable.lock().unwrap_or_else(PoisonError::into_inner).clear();
                    self.make_folder(folder)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a folder below the lake, and syncs it and those above it into their parents, once for each process.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let known = || self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(folder) {
            return Ok(());
        }
        if folder.starts_with(&self.root) && folder != self.root {
            self.make_folder(folder_of(folder)?)?;
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => sync_folder_of(folder)?,
            }
        } else {
            let made = folder
                .ancestors()
                .take_while(|above| !above.exists())
                .collect::<Vec<_>>();
            fs::create_dir_all(folder)?;
            made.into_iter().try_for_each(sync_folder_of)?;
        }
        let mut known = known();
        if known.len() >= DURABLE_MAX {
            known.clear();
        }
        known.insert(folder.to_owned());
        Ok(())
    }
}

/// Gives a finished file its name, if the name is free. The temporary name may stay: it goes with its [`Temporary`].
pub(super) fn place(temporary: &Path, path: &Path) -> io::Result<Put> {
    match fs::hard_link(temporary, path) {
        Ok(()) => Ok(Put::Written),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Put::Exists),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => place_by_rename(temporary, path),
            _ => Err(error),
        },
    }
}

/// For file systems without hard links (FAT, some network shares).
fn place_by_rename(temporary: &Path, path: &Path) -> io::Result<Put> {
    match renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(Put::Written),
        Err(Errno::EXIST) => Ok(Put::Exists),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this file system can neither link files nor rename without replacing; put the lake on another one",
        )),
        Err(error) => Err(error.into()),
    }
}

/// A hidden file that goes when this is dropped, unless it was renamed.
pub(super) struct Temporary(pub(super) PathBuf);

impl Temporary {
    /// Lets the file stay.
    pub(super) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Best effort: what stays behind is hidden.
        let _ = fs::remove_file(&self.0);
    }
}

pub(super) fn hidden(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or(io::ErrorKind::InvalidFilename)?;
    Ok(path.with_file_name(format!(".{name}.{suffix}")))
}

pub(super) fn folder_of(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::ErrorKind::InvalidFilename.into())
}

pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path)?)?.sync_all()
}

pub(super) fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if is_absent(&error) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_links_do_not_exist_a_rename_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second, path) = (
            folder.path().join(".first"),
            folder.path().join(".second"),
            folder.path().join("object"),
        );
        fs::write(&first, "first").unwrap();
        fs::write(&second, "second").unwrap();
        assert_eq!(place_by_rename(&first, &path).unwrap(), Put::Written);
        assert_eq!(place_by_rename(&second, &path).unwrap(), Put::Exists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
    }

    #[test]
    fn a_name_left_by_a_killed_process_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder {
            root: root.path().to_owned(),
            temporaries: Default::default(),
            durable: Default::default(),
        };
        let path = root.path().join("t/object");
        fs::create_dir(root.path().join("t")).unwrap();
        fs::write(
            root.path().join(format!("t/.object.{}.0.tmp", std::process::id())),
            "half",
        )
        .unwrap();
        assert_eq!(
            folder
                .put_new(&path, &Body::from(bytes::Bytes::from_static(b"whole")))
                .unwrap(),
            Put::Written
        );
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(
            fs::read_dir(root.path().join("t")).unwrap().count(),
            2,
            "our own temporary name is gone"
        );
    }

    #[test]
    fn a_folder_removed_under_us_is_made_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder {
            root: root.path().join("a/b"),
            temporaries: Default::default(),
            durable: Default::default(),
        };
        let body = Body::from(bytes::Bytes::from_static(b"x"));
        for _ in 0..2 {
            assert_eq!(
                folder.put_new(&root.path().join("a/b/c/object"), &body).unwrap(),
                Put::Written
            );
            fs::remove_dir_all(root.path().join("a")).unwrap();
        }
    }
}
