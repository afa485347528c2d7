//! Reads a file of the lake once: its bytes are hashed as they come, and kept to be opened.
//!
//! Small files are kept in memory, larger ones in an unnamed file. How many are read at once is decided by the bytes that
//! they hold in memory, so their number and sizes do not matter.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::store::{Checksum, LakeKey, Store, StoreError};

/// Up to this size a file is read at once and kept in memory; larger ones are read in pieces of it.
const PIECE_BYTES: u64 = 8 << 20;
/// Memory for the files that are read at once, in KiB.
const MEMORY_KIB: u32 = 64 << 10;

/// The bytes of a file.
#[derive(Debug)]
pub(super) enum Content {
    Memory(Bytes),
    Spooled(File),
}

/// What came of reading a file.
pub(super) enum Fetched {
    /// All bytes came: this many, with this hash.
    Whole(u64, Checksum, Content),
    /// There is no such file.
    Absent,
}

/// A file could not be read, or not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Spool(#[from] io::Error),
}

/// Reads files within one budget of memory. Cloning gives another handle.
#[derive(Clone)]
pub(super) struct Fetcher {
    store: Arc<dyn Store>,
    spill_dir: PathBuf,
    memory: Arc<Semaphore>,
}

impl Fetcher {
    pub(super) fn new(store: Arc<dyn Store>, spill_dir: PathBuf) -> Self {
        Self {
            store,
            spill_dir,
            memory: Arc::new(Semaphore::new(MEMORY_KIB as usize)),
        }
    }

    /// Waits until there is memory for a file of this size. It is held until what is given back is dropped.
    pub(super) async fn memory_for(&self, size: u64) -> tokio::sync::OwnedSemaphorePermit {
        // What is opened takes some pages besides, however small it is.
        let kib = (size.min(PIECE_BYTES) >> 10) as u32 + 1024;
        let acquired = Arc::clone(&self.memory).acquire_many_owned(kib).await;
        acquired.expect("the semaphore is never closed")
    }

    /// Reads a file to its end, which `size` says beforehand.
    pub(super) async fn fetch(&self, key: &LakeKey, size: u64) -> Result<Fetched, FetchError> {
        let mut at = 0;
        let mut hashing = Hashing::default();
        loop {
            let end = size.min(at + PIECE_BYTES);
            let Some(bytes) = self.store.get_range(key, at..end).await? else {
                return Ok(Fetched::Absent);
            };
            at += bytes.len() as u64;
            let is_last = at >= size || bytes.is_empty();
            let (dir, keep) = (self.spill_dir.clone(), size > PIECE_BYTES);
            let added = spawn_blocking(move || hashing.add(bytes, keep.then_some(dir.as_path())));
            hashing = added.await.map_err(io::Error::other)??;
            if is_last {
                let Hashing { hash, content } = hashing;
                let digest: [u8; 32] = hash.finalize().into();
                return Ok(Fetched::Whole(at, digest.into(), content));
            }
        }
    }
}

struct Hashing {
    hash: Sha256,
    content: Content,
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            hash: Sha256::new(),
            content: Content::Memory(Bytes::new()),
        }
    }
}

impl Hashing {
    /// Adds a piece: to a file in `spool`, or as all there is.
    fn add(mut self, bytes: Bytes, spool: Option<&Path>) -> io::Result<Self> {
        self.hash.update(&bytes);
        self.content = match (self.content, spool) {
            (_, None) => Content::Memory(bytes),
            (Content::Memory(_), Some(dir)) => {
                let mut file = tempfile::tempfile_in(dir)?;
                file.write_all(&bytes)?;
                Content::Spooled(file)
            }
            (Content::Spooled(mut file), Some(_)) => {
                file.write_all(&bytes)?;
                Content::Spooled(file)
            }
        };
        Ok(self)
    }
}
