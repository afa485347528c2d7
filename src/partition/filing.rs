//! The file of an open partition: its batches are encoded one after another, beside whatever else is done.
//!
//! ```text
//! staging thread   batch, batch ──> ......... rows of other blocks ......... ──> batch, batch
//! rayon                 └──> pages of each column, row group where it is full ──┘
//! ```
//!
//! With one thread, or called on one of rayon's, everything happens in the call. What is written is the same: batches are
//! taken until the file is full, and given back from there on.

use std::collections::VecDeque;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use parquet::errors::Result;

use crate::encode::{Batch, FileEncoder};

/// A batch on its way to the file.
pub(super) struct Queued {
    /// Gone while it is encoded.
    pub batch: Option<Batch>,
    /// Bytes that its rows were counted as.
    pub bytes: u64,
    /// Nothing follows: the row group is closed behind it.
    pub last: bool,
}

/// A file being written.
pub(super) struct Filing<F: Write + Send>(Arc<Shared<F>>);

struct Shared<F: Write + Send> {
    state: Mutex<State<F>>,
    changed: Condvar,
}

struct State<F: Write + Send> {
    queue: VecDeque<Queued>,
    /// With whoever encodes, while somebody does.
    encoder: Option<Box<FileEncoder<F>>>,
    /// Somebody encodes.
    busy: bool,
    is_full: bool,
    /// Bytes of memory its columns take.
    bytes: usize,
    failed: Option<thread::Result<parquet::errors::ParquetError>>,
}

impl<F: Write + Send> State<F> {
    /// Bytes of the batches that have not been encoded.
    fn waiting(&self) -> u64 {
        self.queue.iter().map(|queued| queued.bytes).sum()
    }
}

impl<F: Write + Send + 'static> Filing<F> {
    pub(super) fn new(encoder: FileEncoder<F>) -> Self {
        let state = State {
            queue: VecDeque::new(),
            encoder: Some(Box::new(encoder)),
            busy: false,
            is_full: false,
            bytes: 0,
            failed: None,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }))
    }

    /// Bytes of memory that its columns and the batches before it take.
    pub(super) fn bytes(&self) -> (usize, u64) {
        let state = self.0.lock();
        (state.bytes, state.waiting())
    }

    /// Encodes a batch behind those before.
    pub(super) fn write(&self, queued: Queued) -> Result<()> {
        let mut state = self.0.lock();
        state.queue.push_back(queued);
        if state.is_full {
            return Ok(());
        }
        // A thread of rayon that waited for another could wait for work that lies beneath its own.
        if rayon::current_num_threads() == 1 || rayon::current_thread_index().is_some() {
            drop(state);
            self.0.encode();
            return self.check(self.0.lock()).map(drop);
        }
        if !state.busy {
            let shared = Arc::clone(&self.0);
            drop(state);
            rayon::spawn(move || shared.encode());
        }
        Ok(())
    }

    /// Waits until no more than so many bytes of batches are left, or the file is full.
    pub(super) fn settle(&self, left: u64) -> Result<()> {
        let mut state = self.0.lock();
        while state.failed.is_none() && !state.is_full && state.waiting() > left {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.check(state).map(drop)
    }

    /// The file has the size at which the next one is begun.
    pub(super) fn is_full(&self) -> bool {
        self.0.lock().is_full
    }

    /// The file to be finished, and the batches that it has no room for. To be asked when it is settled or full.
    pub(super) fn take(&self) -> Result<(FileEncoder<F>, VecDeque<Queued>)> {
        let mut state = self.check(self.0.lock())?;
        while state.busy {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let encoder = state
            .encoder
            .take()
            .expect("a job ends with the first batch that fails");
        Ok((*encoder, std::mem::take(&mut state.queue)))
    }

    fn check<'a>(&self, mut state: MutexGuard<'a, State<F>>) -> Result<MutexGuard<'a, State<F>>> {
        match state.failed.take() {
            None => Ok(state),
            Some(Ok(error)) => Err(error),
            Some(Err(panic)) => {
                drop(state);
                resume_unwind(panic)
            }
        }
    }
}

impl<F: Write + Send> Drop for Filing<F> {
    fn drop(&mut self) {
        // Where a job has failed, nothing goes on being written behind its back.
        let mut state = self.0.lock();
        state.queue.clear();
        while state.busy {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        // Also not by a task that has not begun.
        let encoder = state.encoder.take();
        drop(state);
        drop(encoder);
    }
}

impl<F: Write + Send> Shared<F> {
    fn lock(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encodes what is queued, unless somebody does.
    fn encode(&self) {
        let mut state = self.lock();
        let Some(mut encoder) = state.encoder.take() else {
            return;
        };
        state.busy = true;
        while !state.is_full
            && let Some(queued) = state.queue.front_mut()
            && let Some(batch) = queued.batch.take()
        {
            let last = queued.last;
            drop(state);
            let written = catch_unwind(AssertUnwindSafe(|| {
                encoder.write(&batch)?;
                if last { encoder.close_group() } else { Ok(()) }
            }));
            drop(batch);
            state = self.lock();
            state.queue.pop_front();
            state.bytes = encoder.memory_bytes();
            state.is_full = encoder.is_full();
            self.changed.notify_all();
            state.failed = match written {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => Some(Ok(error)),
                Err(panic) => Some(Err(panic)),
            };
            // Nothing is added to a broken file.
            state.queue.clear();
            break;
        }
        state.encoder = Some(encoder);
        state.busy = false;
        self.changed.notify_all();
    }
}
