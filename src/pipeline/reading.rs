//! The reader thread: the sources of a job one after another, decompressed and cut into blocks.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};

use super::{Progress, StageError};
use crate::job::identity::{SourceName, Version};
use crate::job::stage::JobSource;
use crate::source::blocks::{Block, Blocks, Ended};
use crate::source::frame::FrameLimits;
use crate::source::inflate::{DamageKind, Inflate, InflateError};

/// Blocks read ahead of those that are being parsed.
pub(super) const READ_AHEAD: usize = 2;

/// A local file that is a source of the job.
#[derive(Debug)]
pub(super) struct SourceFile {
    pub name: SourceName,
    pub version: Version,
    pub arrival_s: i64,
    path: PathBuf,
}

/// What the reader hands over, in order.
pub(super) enum Step {
    Block(Block),
    End(Ended),
}

/// A step of the source at this place in the job, or why there are no more.
pub(super) type FromReader = Result<(usize, Step), StageError>;

impl SourceFile {
    pub(super) fn new(source: &JobSource, arrival_s: Option<i64>) -> Self {
        Self {
            path: source.name.path().unwrap_or_default(),
            arrival_s: arrival_s.unwrap_or(source.version.last_modified_s),
            name: source.name.clone(),
            version: source.version.clone(),
        }
    }
}

/// Reads all sources; ends early where nobody listens any more.
pub(super) fn read_all(
    files: &[SourceFile],
    (limits, block_bytes): (FrameLimits, usize),
    to: &SyncSender<FromReader>,
    spare: &Receiver<Vec<u8>>,
    progress: &Progress,
) {
    for (index, file) in files.iter().enumerate() {
        match read(index, file, (limits, block_bytes), to, spare, progress) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                // Where nobody listens, nobody needs to know.
                drop(to.send(Err(error)));
                return;
            }
        }
        progress.sources.fetch_add(1, Ordering::Relaxed);
    }
}

/// False where nobody listens any more.
fn read(
    index: usize,
    file: &SourceFile,
    (limits, block_bytes): (FrameLimits, usize),
    to: &SyncSender<FromReader>,
    spare: &Receiver<Vec<u8>>,
    progress: &Progress,
) -> Result<bool, StageError> {
    let fail = |source| StageError::Read {
        name: file.name.to_string(),
        source,
    };
    let opened = File::open(&file.path).map_err(fail)?;
    check_unchanged(file, &opened)?;
    let again = opened.try_clone().map_err(fail)?;
    let ended = match Inflate::new(opened) {
        Err(InflateError::Source(error)) => return Err(fail(error)),
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
                    InflateError::Source(error) => fail(error),
                    damaged @ InflateError::Damaged(_) => fail(std::io::Error::other(damaged)),
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
    check_unchanged(file, &again)?;
    // A stream that is cut is damage only if the object ends there, too.
    let all_read = ended.stored_bytes == file.version.size;
    if !all_read && ended.damage.is_none_or(|damage| damage.kind == DamageKind::Truncated) {
        let what = format!("gave {} of its {} bytes", ended.stored_bytes, file.version.size);
        return Err(StageError::Changed {
            name: file.name.to_string(),
            what,
        });
    }
    Ok(to.send(Ok((index, Step::End(ended)))).is_ok())
}

fn check_unchanged(file: &SourceFile, opened: &File) -> Result<(), StageError> {
    let name = || file.name.to_string();
    let about = opened
        .metadata()
        .map_err(|source| StageError::Read { name: name(), source })?;
    if Version::of_file(&about, None) == file.version {
        return Ok(());
    }
    let what = "was written to after it was listed".to_owned();
    Err(StageError::Changed { name: name(), what })
}
