//! Reading all outcomes of a lake: several at once, in bounded memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::LakeError;
use super::identity::JobId;
use super::lake::Lake;
use super::outcome::{self, Outcome};
use crate::at_once::AtOnce;
use crate::store::{LakeKey, Listed};

/// Outcomes read at once, and their size as JSON in KiB: a large one is read alone.
const READS_MAX: usize = 16;
const MEMORY_KIB: u32 = 16 << 10;

/// Reads outcomes that were listed.
pub(crate) struct Outcomes<E> {
    lake: Lake,
    memory: Arc<Semaphore>,
    reading: AtOnce<Read, E>,
}

/// An outcome, or why there is none. Holds its share of the memory.
pub(crate) struct Read {
    pub(crate) key: LakeKey,
    pub(crate) job: JobId,
    pub(crate) outcome: Result<Option<Outcome>, LakeError>,
    _memory: OwnedSemaphorePermit,
}

/// The job that a listed object should be the outcome of.
pub(crate) fn job_of(listed: &Listed) -> Option<JobId> {
    let job = listed.key.file_name().strip_suffix(".json")?;
    JobId::try_from(job.to_owned()).ok()
}

impl<E: Send + 'static> Outcomes<E> {
    pub(crate) fn of(lake: Lake) -> Self {
        Self {
            lake,
            memory: Arc::new(Semaphore::new(MEMORY_KIB as usize)),
            reading: AtOnce::new(READS_MAX),
        }
    }

    /// Begins to read another. Where many are being read, the result of one comes first.
    pub(crate) async fn add(&mut self, listed: Listed, job: JobId) -> Result<Option<Read>, E> {
        let (lake, memory, key) = (self.lake.clone(), Arc::clone(&self.memory), listed.key);
        let kib = u32::try_from(listed.size >> 10).map_or(MEMORY_KIB, |kib| (kib + 1).min(MEMORY_KIB));
        let read = async move {
            let memory = memory
                .acquire_many_owned(kib)
                .await
                .expect("the semaphore is never closed");
            let outcome = outcome::read(&lake, &job).await;
            Ok(Read {
                key,
                job,
                outcome,
                _memory: memory,
            })
        };
        self.reading.add(read).await
    }

    /// The next one that was read; nothing where none is being read.
    pub(crate) async fn next(&mut self) -> Result<Option<Read>, E> {
        self.reading.next().await
    }
}
