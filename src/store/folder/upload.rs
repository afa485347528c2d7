//! Uploads in a folder: a hidden file beside the object it will be.
//!
//! What a killed process left of a single object is another such file, and is thrown away in the same way.

use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::write::{absent_is_fine, hidden, place, sync_folder_of};
use super::{Folder, is_absent, open};
use crate::store::{Body, Complete, Part, Put, Tag, UploadId};

/// How names of uploads end.
pub(super) const UPLOAD: &str = ".upload";
/// How names of objects end that are being written.
pub(super) const TEMPORARY: &str = ".tmp";

impl Folder {
    pub(super) fn start_upload(&self, path: &Path) -> io::Result<UploadId> {
        // Random, so that an id in an old intent never comes to mean a newer upload. It names no object.
        let id = UploadId::new(format!("{:016x}", RandomState::new().hash_one(std::process::id())));
        let (_, file) = self.create_hidden(path, || suffix(&id))?;
        file.keep();
        sync_folder_of(path)?;
        Ok(id)
    }
}

pub(super) fn part(path: &Path, upload: &UploadId, number: u32, offset: u64, body: &Body) -> io::Result<Part> {
    let file = upload_path(path, upload)?.ok_or(io::ErrorKind::NotFound)?;
    let mut file = OpenOptions::new().write(true).open(file)?;
    file.seek(SeekFrom::Start(offset))?;
    body.write_to(&mut file)?;
    // Before an intent may speak of it.
    file.sync_all()?;
    Ok(Part {
        number,
        size: body.size(),
        sha256: None,
        tag: Tag::new(number.to_string()),
    })
}

pub(super) fn complete(path: &Path, upload: &UploadId, size: u64) -> io::Result<Complete> {
    let gone = |path: &Path| {
        Ok(match open(path)? {
            Some(_) => Complete::Exists,
            None => Complete::NoSuchUpload,
        })
    };
    let Some(file) = upload_path(path, upload)? else {
        return gone(path);
    };
    match fs::metadata(&file) {
        Err(error) if is_absent(&error) => return gone(path),
        about => {
            let there = about?.len();
            if there != size {
                let text = format!("the upload holds {there} bytes and its parts {size}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
    }
    let placed = match place(&file, path) {
        Err(error) if is_absent(&error) => return gone(path),
        placed => placed?,
    };
    let written = placed == Put::Written;
    if written {
        absent_is_fine(fs::remove_file(&file))?;
    }
    sync_folder_of(path)?;
    Ok(if written { Complete::Written } else { Complete::Exists })
}

pub(super) fn abort(path: &Path, upload: &UploadId) -> io::Result<()> {
    let file = match upload_path(path, upload)? {
        None if is_temporary_id(upload.as_str()) => Some(hidden(path, &format!("{}{TEMPORARY}", upload.as_str()))?),
        file => file,
    };
    file.map_or(Ok(()), |file| absent_is_fine(fs::remove_file(file)))
}

/// Where an upload is written, or nothing for an id that is none of ours: ids come from objects that others can write, and
/// no file is touched on their word.
fn upload_path(path: &Path, upload: &UploadId) -> io::Result<Option<PathBuf>> {
    if is_upload_id(upload.as_str()) {
        hidden(path, &suffix(upload)).map(Some)
    } else {
        Ok(None)
    }
}

pub(super) fn is_upload_id(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|c| c.is_ascii_hexdigit())
}

/// `<pid>.<n>`
pub(super) fn is_temporary_id(id: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    id.split_once('.')
        .is_some_and(|(pid, n)| is_number(pid) && is_number(n))
}

fn suffix(upload: &UploadId) -> String {
    format!("{}{UPLOAD}", upload.as_str())
}
