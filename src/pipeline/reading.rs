//! The reader thread: the sources of a job one after another, decompressed and cut into blocks.

use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Progress, StageError};
use crate::source::blocks::{Block, Blocks, Ended};
use crate::source::frame::FrameLimits;
use crate::source::inflate::{DamageKind, Inflate, InflateError};
use crate::source::listing::Source;
use crate::source::raw::{JobReader, ReadError};

/// Blocks read ahead of those that are being parsed.
pub(super) const READ_AHEAD: usize = 2;

/// What the reader hands over, in order.
pub(super) enum Step {
    /// A source begins, which has this version id in a versioned bucket.
    Begin(Option<String>),
    Block(Block),
    End(Ended),
}

/// A source of the job, and when it arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub source: Source,
    /// Seconds since 1970.
    pub arrival_s: i64,
    /// It is not read: its rows are copied from files.
    pub copied: bool,
}

/// A step of the source at this place in the job, or why there are no more.
pub(super) type FromReader = Result<(usize, Step), StageError>;

/// Reads all sources that are to be read; ends early where nobody listens any more.
pub(super) fn read_all(
    mut reader: JobReader,
    sources: &[Arrived],
    (limits, block_bytes): (FrameLimits, usize),
    to: &SyncSender<FromReader>,
    spare: &Receiver<Vec<u8>>,
    progress: &Progress,
) {
    for (index, Arrived { source, copied, .. }) in sources.iter().enumerate() {
        if *copied {
            progress.sources.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        match read(&mut reader, (index, source), (limits, block_bytes), to, spare, progress) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                let name = source.name.to_string();
                // Where nobody listens, nobody needs to know.
                drop(to.send(Err(StageError::Read { name, source: error })));
                return;
            }
        }
        progress.sources.fetch_add(1, Ordering::Relaxed);
    }
}

/// False where nobody listens any more.
fn read(
    reader: &mut JobReader,
    (index, source): (usize, &Source),
    (limits, block_bytes): (FrameLimits, usize),
    to: &SyncSender<FromReader>,
    spare: &Receiver<Vec<u8>>,
    progress: &Progress,
) -> Result<bool, ReadError> {
    let mut opened = reader.open(source)?;
    let watched = opened.watch();
    if to.send(Ok((index, Step::Begin(opened.version_id.take())))).is_err() {
        return Ok(false);
    }
    let rest = Rest(Arc::new(Mutex::new(opened.stored)));
    let ended = match Inflate::with_hint(rest.clone(), &opened.hint) {
        Err(InflateError::Source(error)) => return Err(error.into()),
        Err(InflateError::Damaged(damage)) => Ended {
            bytes: 0,
            stored_bytes: damage.offset,
            damage: Some(damage),
        },
        Ok(stream) => {
            let mut blocks = Blocks::new(stream, limits).with_block_bytes(block_bytes);
            let mut seen = 0;
            loop {
                let next = blocks.next(spare.try_recv().unwrap_or_default());
                let next = next.map_err(|error| match error {
                    InflateError::Source(error) => error.into(),
                    damaged @ InflateError::Damaged(_) => ReadError::Io(std::io::Error::other(damaged)),
                })?;
                progress
                    .bytes
                    .fetch_add(blocks.stored_bytes() - seen, Ordering::Relaxed);
                seen = blocks.stored_bytes();
                let Some(block) = next else { break };
                if to.send(Ok((index, Step::Block(block)))).is_err() {
                    return Ok(false);
                }
            }
            blocks.ended()
        }
    };
    // Whether its bytes came as they are stored, S3 says at their end.
    if source.name.bucket.is_some() && ended.damage.is_some() {
        rest.read_out()?;
    }
    watched.check(source)?;
    // A stream that is cut is damage only if the object ends there, too.
    let all_read = ended.stored_bytes == source.version.size;
    if !all_read && ended.damage.is_none_or(|damage| damage.kind == DamageKind::Truncated) {
        let what = format!("gave {} of its {} bytes", ended.stored_bytes, source.version.size);
        return Err(ReadError::Changed(what));
    }
    Ok(to.send(Ok((index, Step::End(ended)))).is_ok())
}

/// The stored bytes of a source, also in the hand of whoever reads on where a codec has given up.
#[derive(Clone)]
struct Rest(Arc<Mutex<Box<dyn Read + Send>>>);

impl Read for Rest {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(out)
    }
}

impl Rest {
    fn read_out(mut self) -> Result<(), ReadError> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(())
    }
}
