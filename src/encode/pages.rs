//! Where finished pages wait for their row group to end: in memory as long as there is room, then in a spill file.
//!
//! Whether a page was spilled changes no byte of the file it ends up in.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parquet::arrow::arrow_writer::{PageKey, PageStore, PageStoreArgs, PageStoreFactory};
use parquet::errors::Result;

/// The room that all open row groups of a job share.
#[derive(Debug)]
pub struct PagePool {
    memory_max: usize,
    in_memory: AtomicUsize,
    spill_dir: PathBuf,
    file: OnceLock<File>,
    file_end: AtomicU64,
}

impl PagePool {
    /// Holds up to `memory_max` bytes in memory, the rest in an unnamed file in `spill_dir`.
    pub fn new(memory_max: usize, spill_dir: PathBuf) -> Self {
        Self {
            memory_max,
            in_memory: AtomicUsize::new(0),
            spill_dir,
            file: OnceLock::new(),
            file_end: AtomicU64::new(0),
        }
    }

    fn file(&self) -> io::Result<&File> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = tempfile::tempfile_in(&self.spill_dir)?;
        // Another thread may have been quicker; its file counts.
        Ok(self.file.get_or_init(|| file))
    }

    fn put(&self, page: Bytes) -> io::Result<Page> {
        let before = self.in_memory.fetch_add(page.len(), Ordering::Relaxed);
        if before + page.len() <= self.memory_max {
            // Without the room that the compressor had: its memory is used again for the next page.
            return Ok(Page::Memory(Bytes::copy_from_slice(&page)));
        }
        self.in_memory.fetch_sub(page.len(), Ordering::Relaxed);
        let offset = self.file_end.fetch_add(page.len() as u64, Ordering::Relaxed);
        self.file()?.write_all_at(&page, offset)?;
        Ok(Page::Spilled {
            offset,
            len: page.len(),
        })
    }
}

#[derive(Debug)]
enum Page {
    Memory(Bytes),
    Spilled { offset: u64, len: usize },
    Taken,
}

#[derive(Debug)]
struct Pages {
    pool: Arc<PagePool>,
    pages: Vec<Page>,
}

impl PageStore for Pages {
    fn put(&mut self, page: Bytes) -> Result<PageKey> {
        self.pages.push(self.pool.put(page)?);
        Ok(PageKey::new(self.pages.len() as u64 - 1))
    }

    fn take(&mut self, key: PageKey) -> Result<Bytes> {
        match std::mem::replace(&mut self.pages[key.get() as usize], Page::Taken) {
            Page::Memory(page) => {
                self.pool.in_memory.fetch_sub(page.len(), Ordering::Relaxed);
                Ok(page)
            }
            Page::Spilled { offset, len } => {
                let mut page = vec![0; len];
                self.pool.file()?.read_exact_at(&mut page, offset)?;
                Ok(page.into())
            }
            Page::Taken => unreachable!("a page is taken once"),
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        for page in &self.pages {
            if let Page::Memory(page) = page {
                self.pool.in_memory.fetch_sub(page.len(), Ordering::Relaxed);
            }
        }
    }
}

/// Makes a store for the pages of each column.
#[derive(Debug)]
pub(super) struct PageStores(Arc<PagePool>);

impl PageStores {
    pub(super) fn new(pool: Arc<PagePool>) -> Self {
        Self(pool)
    }
}

impl PageStoreFactory for PageStores {
    fn create(&self, _: &PageStoreArgs<'_>) -> Result<Box<dyn PageStore>> {
        Ok(Box::new(Pages {
            pool: Arc::clone(&self.0),
            pages: Vec::new(),
        }))
    }
}
