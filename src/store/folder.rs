//! A lake in a local folder: the store contract by links, renames and one lock.
//!
//! ```text
//! new key     .<name>.<pid>.<n>.tmp, fsync, link to <name> (exists: nothing happened), unlink, fsync the folder
//! replace     lock `_lakebed/lock`, compare, then the same with a rename
//! upload      .<name>.<id>.upload, fsynced part by part; completed by link, so by anybody on any machine that sees the folder
//! ```
//!
//! Names that begin with a dot are no keys: listings and query engines pass over them. What a killed process leaves behind
//! is hidden in the same way, and listed with the uploads.

mod list;
mod open;
mod upload;
mod write;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;

use super::body::Hashing;
use super::{
    Body, Checksum, Compared, Complete, LakeKey, ObjectMeta, Page, Part, Pending, Put, Replace, Store, StoreError, Tag,
    UploadId, UploadPage, UploadsAfter,
};

/// A lake in a local folder. Cloning gives another handle of the same store.
#[derive(Clone, Debug)]
pub struct FolderStore(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    root: PathBuf,
    /// Tells apart the temporary files of this process.
    temporaries: AtomicU64,
    /// Folders known to be there and synced into their parents.
    durable: Mutex<HashSet<PathBuf>>,
}

impl FolderStore {
    /// The lake at `root`, which is made by the first write. Fails when the path cannot be made absolute or is no folder.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let absolute = match fs::canonicalize(root) {
            Ok(path) if !path.is_dir() => Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::path::absolute(root),
            other => other,
        };
        let root = absolute.map_err(|source| StoreError::io("open folder", root.display(), source))?;
        Ok(Self(Arc::new(Folder {
            root,
            temporaries: AtomicU64::new(0),
            durable: Mutex::default(),
        })))
    }

    /// Runs file operations where they may block.
    fn blocking<'a, T: Send + 'static>(
        &self,
        doing: &'static str,
        key: &'a LakeKey,
        work: impl FnOnce(&Folder, &Path) -> io::Result<T> + Send + 'static,
    ) -> Pending<'a, T> {
        let path = self.0.path(key);
        let answer = self.run(move |folder| work(folder, &path));
        Box::pin(async move { answer.await.map_err(|source| StoreError::io(doing, key, source)) })
    }

    /// The same of the lake as a whole.
    fn of_all<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    ) -> Pending<'static, T> {
        let root = self.0.root.clone();
        let answer = self.run(work);
        Box::pin(async move {
            answer
                .await
                .map_err(|source| StoreError::io(doing, root.display(), source))
        })
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send + 'static {
        let folder = Arc::clone(&self.0);
        async move {
            match tokio::task::spawn_blocking(move || work(&folder)).await {
                Ok(answer) => answer,
                Err(stopped) => match stopped.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(shutdown) => Err(io::Error::other(shutdown)),
                },
            }
        }
    }
}

impl Folder {
    fn path(&self, key: &LakeKey) -> PathBuf {
        self.root.join(key.as_str())
    }
}

impl Store for FolderStore {
    fn get<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<(Bytes, Tag)>> {
        self.blocking("read", key, |_, path| {
            let Some(mut file) = open(path)? else { return Ok(None) };
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let tag = tag_of(&Checksum::of(&bytes));
            Ok(Some((bytes.into(), tag)))
        })
    }

    fn get_range<'a>(&'a self, key: &'a LakeKey, range: Range<u64>) -> Pending<'a, Option<Bytes>> {
        self.blocking("read", key, move |_, path| {
            let Some(file) = open(path)? else { return Ok(None) };
            let end = range.end.min(file.metadata()?.len());
            let mut bytes = vec![0; usize::try_from(end.saturating_sub(range.start)).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, range.start)?;
            Ok(Some(bytes.into()))
        })
    }

    fn head<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<ObjectMeta>> {
        self.blocking("look at", key, |_, path| {
            let Some(mut file) = open(path)? else { return Ok(None) };
            let about = file.metadata()?;
            let tag = tag_of(&checksum_of(&mut file)?);
            Ok(Some(ObjectMeta {
                size: about.len(),
                tag,
                last_modified: about.modified()?,
            }))
        })
    }

    fn compare<'a>(
        &'a self,
        key: &'a LakeKey,
        size: u64,
        checksum: &'a Checksum,
        _parts: &'a [Part],
    ) -> Pending<'a, Compared> {
        let expected = *checksum;
        self.blocking("compare", key, move |_, path| {
            let Some(mut file) = open(path)? else {
                return Ok(Compared::Absent);
            };
            let same = file.metadata()?.len() == size && checksum_of(&mut file)? == expected;
            Ok(if same { Compared::Same } else { Compared::Different })
        })
    }

    fn put_if_absent<'a>(&'a self, key: &'a LakeKey, body: Body) -> Pending<'a, Put> {
        self.blocking("write", key, move |folder, path| folder.put_new(path, &body))
    }

    fn put_if_match<'a>(&'a self, key: &'a LakeKey, bytes: Bytes, tag: &'a Tag) -> Pending<'a, Replace> {
        let tag = tag.clone();
        self.blocking("replace", key, move |folder, path| folder.replace(path, &bytes, &tag))
    }

    fn delete<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, ()> {
        self.blocking("delete", key, |folder, path| folder.delete(path))
    }

    fn list<'a>(&'a self, folder: &'a LakeKey, start_after: Option<&'a LakeKey>) -> Pending<'a, Page> {
        let below = folder.clone();
        let after = start_after.cloned();
        self.blocking("list", folder, move |_, path| list::page(path, &below, after.as_ref()))
    }

    fn start_upload<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, UploadId> {
        self.blocking("start upload of", key, |folder, path| folder.start_upload(path))
    }

    fn upload_part<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        number: u32,
        offset: u64,
        body: Body,
    ) -> Pending<'a, Part> {
        let upload = upload.clone();
        self.blocking("upload part of", key, move |_, path| {
            upload::part(path, &upload, number, offset, &body)
        })
    }

    fn complete_upload_if_absent<'a>(
        &'a self,
        key: &'a LakeKey,
        upload: &'a UploadId,
        parts: &'a [Part],
    ) -> Pending<'a, Complete> {
        let upload = upload.clone();
        let size = parts.iter().map(|part| part.size).sum();
        self.blocking("complete upload of", key, move |_, path| {
            upload::complete(path, &upload, size)
        })
    }

    fn abort_upload<'a>(&'a self, key: &'a LakeKey, upload: &'a UploadId) -> Pending<'a, ()> {
        let upload = upload.clone();
        self.blocking("abort upload of", key, move |_, path| upload::abort(path, &upload))
    }

    fn list_uploads<'a>(&'a self, after: Option<&'a UploadsAfter>) -> Pending<'a, UploadPage> {
        let after = after.cloned();
        self.of_all("list the open uploads of", move |folder| {
            open::page(&folder.root, after.as_ref())
        })
    }

    /// As the file system dates a file that is made now, without a name: it may be on another machine.
    fn now(&self) -> Pending<'_, SystemTime> {
        self.of_all("ask for the time of", |folder| {
            tempfile::tempfile_in(&folder.root)?.metadata()?.modified()
        })
    }
}

/// The object at a path. Neither a folder nor something below a file is one.
fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(if file.metadata()?.is_file() { Some(file) } else { None }),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn checksum_of(file: &mut File) -> io::Result<Checksum> {
    let mut hashing = Hashing::new(io::sink());
    io::copy(file, &mut hashing)?;
    Ok(hashing.finish())
}

/// A tag is a hash of the content. Not inode and time, which is cheaper: a file system may use an inode again within one
/// tick of its clock, and claims are all of one size.
fn tag_of(checksum: &Checksum) -> Tag {
    Tag::new(checksum.to_string())
}
