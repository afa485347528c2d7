//! A file of the lake, taken over whole and proved to be what was recorded of it, before a byte of it is used.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::job::lake::Lake;
use crate::job::stage::LakeFile;
use crate::store::{Checksum, StoreError};

/// Bytes asked for at once.
const RANGE_BYTES: u64 = 8 << 20;

/// The bytes of a file: here, or in an unnamed file. Cloning copies none.
#[derive(Clone, Debug)]
pub(super) enum TakenFile {
    Memory(Bytes),
    Spilled { file: Arc<File>, size: u64 },
}

/// Why a file could not be taken over.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// It is not there.
    Absent,
    /// Its size or checksum is another.
    Unlike,
    Store(StoreError),
    Spool(io::Error),
}

impl TakenFile {
    /// Reads a file: into memory up to `memory` bytes, else into an unnamed file in `spill_dir`. Blocks.
    pub(super) fn take(
        lake: &Lake,
        runtime: &Handle,
        file: &LakeFile,
        memory: u64,
        spill_dir: &Path,
    ) -> Result<Self, NotTaken> {
        let (mut whole, mut spilled) = (Vec::new(), None);
        match usize::try_from(file.size) {
            Ok(size) if file.size <= memory => whole.reserve_exact(size),
            _ => spilled = Some(tempfile::tempfile_in(spill_dir).map_err(NotTaken::Spool)?),
        }
        let mut hash = Sha256::new();
        let mut at = 0;
        while at < file.size {
            // The last range asks for a byte more: a longer file is another one.
            let left = file.size - at;
            let asked = if left > RANGE_BYTES { RANGE_BYTES } else { left + 1 };
            let bytes = runtime.block_on(lake.store().get_range(&file.key, at..at + asked));
            let bytes = bytes.map_err(NotTaken::Store)?.ok_or(NotTaken::Absent)?;
            if bytes.len() as u64 != asked.min(left) {
                return Err(NotTaken::Unlike);
            }
            hash.update(&bytes);
            match &spilled {
                None => whole.extend_from_slice(&bytes),
                Some(spilled) => spilled.write_all_at(&bytes, at).map_err(NotTaken::Spool)?,
            }
            at += asked;
        }
        let digest: [u8; 32] = hash.finalize().into();
        if Checksum::from(digest) != file.sha256 {
            return Err(NotTaken::Unlike);
        }
        Ok(match spilled {
            None => Self::Memory(whole.into()),
            Some(spilled) => Self::Spilled {
                file: Arc::new(spilled),
                size: file.size,
            },
        })
    }

    /// Reads it from this byte on.
    pub(super) fn read_from(&self, start: u64) -> Box<dyn Read + Send> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(start).map_or(bytes.len(), |start| start.min(bytes.len()));
                Box::new(bytes.slice(start..).reader())
            }
            Self::Spilled { file, .. } => {
                let file = Arc::clone(file);
                Box::new(BufReader::new(FileAt { file, at: start }))
            }
        }
    }
}

impl Length for TakenFile {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Spilled { size, .. } => *size,
        }
    }
}

impl ChunkReader for TakenFile {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.read_from(start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        match self {
            Self::Memory(bytes) => bytes.get_bytes(start, length),
            Self::Spilled { file, .. } => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, start)?;
                Ok(bytes.into())
            }
        }
    }
}

/// A place in a file that others read at other places.
struct FileAt {
    file: Arc<File>,
    at: u64,
}

impl Read for FileAt {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(out, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
