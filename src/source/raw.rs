//! Where raw objects are read from: local files, and S3 where it is set up.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::inflate::Hint;
use super::listing::Source;
use super::local::{self, LocalFiles};
use super::s3::{ReadAhead, S3Objects};
use crate::job::claim::Sources;
use crate::job::identity::{SourceName, Version};
use crate::s3::Refusal;
use crate::store::{Pending, StoreError};

/// All places that sources are in. Cloning gives another handle.
#[derive(Clone, Debug, Default)]
pub struct RawObjects {
    s3: Option<Arc<S3Objects>>,
}

/// Why a source could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there.
    #[error("it was listed or announced, and is not there; what was loaded of it before stays")]
    Missing,
    /// It is not what was listed. The sentence says in what.
    #[error("it {0}")]
    Changed(String),
    /// The file system failed.
    #[error(transparent)]
    Io(io::Error),
    /// S3 failed or refused.
    #[error(transparent)]
    S3(Box<Refusal>),
}

impl ReadError {
    /// Whether a later attempt may succeed without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Missing => false,
            Self::Changed(_) => true,
            Self::Io(error) => error.kind() != io::ErrorKind::PermissionDenied,
            Self::S3(refusal) => refusal.transient,
        }
    }

    /// The same failure, for whoever asks a second time.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Missing => Self::Missing,
            Self::Changed(what) => Self::Changed(what.clone()),
            Self::Io(error) => Self::Io(io::Error::new(error.kind(), error.to_string())),
            Self::S3(refusal) => {
                let kind = match refusal.transient {
                    true => io::ErrorKind::Other,
                    false => io::ErrorKind::PermissionDenied,
                };
                Self::Io(io::Error::new(kind, refusal.to_string()))
            }
        }
    }

    /// What kind of failure, in one word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "Source.Missing",
            Self::Changed(_) => "Source.Changed",
            Self::Io(_) | Self::S3(_) => "Source.Unreadable",
        }
    }
}

/// As it comes out of a reader.
impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Self::Missing,
                _ => Self::Io(error),
            },
        }
    }
}

/// A source that is being read.
pub struct Opened {
    /// Its bytes as they are stored.
    pub stored: Box<dyn Read + Send>,
    /// What it says of its codec.
    pub hint: Hint,
    /// The id of its version, in a versioned bucket.
    pub version_id: Option<String>,
    /// A second handle of a local file, to see whether it was written to meanwhile.
    watched: Option<File>,
}

impl Opened {
    /// What tells, after the stream has been taken out, whether the object stayed as it was.
    pub fn watch(&mut self) -> Watched {
        Watched(self.watched.take())
    }
}

/// A source whose bytes are being read elsewhere.
pub struct Watched(Option<File>);

impl Watched {
    /// Fails if the source is not what was listed any more. An S3 object need not be asked: each of its bytes was read on
    /// the condition that it is.
    pub fn check(&self, source: &Source) -> Result<(), ReadError> {
        self.0
            .as_ref()
            .map_or(Ok(()), |file| local::check(file, &source.version))
    }
}

/// The sources of one job, opened in their order.
pub struct JobReader {
    read_ahead: Option<ReadAhead>,
}

impl RawObjects {
    /// Local files, and these objects in S3.
    pub fn new(s3: Option<Arc<S3Objects>>) -> Self {
        Self { s3 }
    }

    /// The objects in S3, where it is set up.
    pub fn s3(&self) -> Option<&Arc<S3Objects>> {
        self.s3.as_ref()
    }

    /// Begins to read the sources of a job: those in S3 ahead, with at most `memory` bytes waiting to be taken.
    pub fn read(&self, runtime: &Handle, sources: &[Source], memory: u64) -> JobReader {
        let objects: Vec<Source> = sources
            .iter()
            .filter(|source| source.name.bucket.is_some())
            .cloned()
            .collect();
        let read_ahead = self
            .s3
            .as_ref()
            .filter(|_| !objects.is_empty())
            .map(|s3| s3.read_ahead(runtime, objects, memory));
        JobReader { read_ahead }
    }
}

impl Sources for RawObjects {
    fn version_now<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        match (&name.bucket, &self.s3) {
            (None, _) => LocalFiles.version_now(name),
            (Some(_), Some(s3)) => s3.version_now(name),
            (Some(_), None) => Box::pin(async move { Err(not_set_up(name)) }),
        }
    }

    fn version_settled<'a>(&'a self, name: &'a SourceName) -> Pending<'a, Option<Version>> {
        match (&name.bucket, &self.s3) {
            (None, _) => LocalFiles.version_settled(name),
            (Some(_), Some(s3)) => s3.version_settled(name),
            (Some(_), None) => Box::pin(async move { Err(not_set_up(name)) }),
        }
    }
}

impl JobReader {
    /// What ends it from elsewhere, also while it waits for bytes of S3.
    pub fn stopper(&self) -> Option<AbortHandle> {
        self.read_ahead.as_ref().map(ReadAhead::stopper)
    }

    /// Opens the next source. Blocks; not to be called from an async task.
    pub fn open(&mut self, source: &Source) -> Result<Opened, ReadError> {
        if source.name.bucket.is_none() {
            let (file, watched) = local::open(source)?;
            return Ok(Opened {
                stored: Box::new(file),
                hint: Hint {
                    content_encoding: None,
                    name: source.name.key.clone(),
                },
                version_id: None,
                watched: Some(watched),
            });
        }
        let read_ahead = self
            .read_ahead
            .as_mut()
            .ok_or_else(|| io::Error::other(not_set_up(&source.name)))?;
        let (head, stored) = read_ahead.open()?;
        Ok(Opened {
            stored: Box::new(stored),
            hint: Hint {
                content_encoding: head.content_encoding,
                name: source.name.key.clone(),
            },
            version_id: head.version_id,
            watched: None,
        })
    }
}

fn not_set_up(name: &SourceName) -> StoreError {
    let why = "sources in S3 were not expected in this run";
    StoreError::new("read", name, false, why)
}
