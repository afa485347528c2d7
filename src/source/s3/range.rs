//! One range of an object: asked for on a condition, checked against what was promised, resumed where it breaks off.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use super::{RANGE_BYTES_MIN, S3Objects, bare, no_bucket};
use crate::s3::Refusal;
use crate::source::listing::Source;
use crate::source::raw::ReadError;

/// Attempts in a row that bring no more than [`PROGRESS_BYTES`].
const ATTEMPTS_MAX: u32 = 6;
/// A connection that breaks off after less is not getting anywhere.
const PROGRESS_BYTES: u64 = 64 << 10;
/// A piece takes no more room than this, so that it always fits once all before it were read.
const ROOM_MOST: u32 = RANGE_BYTES_MIN as u32;

/// What the first answer for an object tells of the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) content_encoding: Option<String>,
    /// The id of its version, to pin further reads.
    pub(crate) version_id: Option<String>,
}

/// What comes of a range, in order.
#[derive(Debug)]
pub(super) enum FromRange {
    /// S3 has answered, and no byte was read yet.
    Head(Head),
    /// Bytes, and the room they take until they are dropped.
    Pieces(Vec<Bytes>, Option<OwnedSemaphorePermit>),
}

/// Takes the bytes of a range on their way to the reader.
#[derive(Debug)]
pub(super) struct Sink {
    to: mpsc::UnboundedSender<FromRange>,
    /// Bytes that may wait to be read. None: all wait until the range is complete, and can still be thrown away.
    room: Option<Arc<Semaphore>>,
    held: Vec<Bytes>,
    /// How long the reader was waited for.
    waited: Duration,
}

impl Sink {
    /// `room`: bytes of a range that may wait, where not all of it does.
    pub(super) fn new(to: mpsc::UnboundedSender<FromRange>, room: Option<usize>) -> Self {
        Self {
            to,
            room: room.map(|bytes| Arc::new(Semaphore::new(bytes))),
            held: Vec::new(),
            waited: Duration::ZERO,
        }
    }

    fn head(&self, head: &Head) {
        // Where nobody listens any more, this task is about to be dropped.
        drop(self.to.send(FromRange::Head(head.clone())));
    }

    async fn push(&mut self, piece: Bytes) {
        let Some(room) = &self.room else {
            self.held.push(piece);
            return;
        };
        let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX).min(ROOM_MOST);
        let since = Instant::now();
        let permit = Arc::clone(room).acquire_many_owned(bytes).await.ok();
        self.waited += since.elapsed();
        drop(self.to.send(FromRange::Pieces(vec![piece], permit)));
    }

    /// Forgets all bytes, if none has gone out yet.
    fn restart(&mut self) -> bool {
        self.held.clear();
        self.room.is_none()
    }

    /// The bytes that wait.
    fn held(&self) -> &[Bytes] {
        &self.held
    }

    fn finish(&mut self) {
        if !self.held.is_empty() {
            drop(self.to.send(FromRange::Pieces(std::mem::take(&mut self.held), None)));
        }
    }
}

/// What goes wrong with one answer.
enum Broken {
    /// What was read so far stays; the rest is asked for again.
    Off(Box<Refusal>),
    /// It is no use to ask again.
    For(ReadError),
}

impl S3Objects {
    /// Reads a range to its end, into `sink`. `begun` is an answer to exactly this range, its body not yet read; `on_head` is
    /// called as soon as S3 has answered, before the body is read.
    pub(super) async fn range(
        &self,
        source: &Source,
        range: Range<u64>,
        pin: Option<String>,
        mut begun: Option<GetObjectOutput>,
        (sink, on_head): (&mut Sink, impl FnOnce(&Head) + Send),
    ) -> Result<(), ReadError> {
        let mut on_head = Some(on_head);
        let (mut got, mut attempts) = (0, 0);
        let is_whole = range == (0..source.version.size);
        let begun_at = Instant::now();
        loop {
            let before = got;
            // An answer to the rest of a whole object comes without its checksum.
            let is_pieced = is_whole && got > 0;
            let rest = range.start + got..range.end;
            let answer = match begun.take() {
                Some(answer) => Ok(answer),
                None => self.ask(source, &rest, pin.as_deref()).await,
            };
            let broken = match answer {
                Err(broken) => broken,
                Ok(answer) => {
                    if let Some(on_head) = on_head.take() {
                        let head = Head {
                            content_encoding: answer.content_encoding().map(str::to_owned),
                            version_id: answer.version_id().map(str::to_owned),
                        };
                        on_head(&head);
                        sink.head(&head);
                    }
                    match take(source, &rest, answer, sink, &mut got).await {
                        Ok(()) if is_pieced && !self.agrees(source, sink.held()).await => {
                            Broken::Off(Box::new(Refusal::broken_off("its checksum is that of other bytes")))
                        }
                        Ok(()) => {
                            sink.finish();
                            return Ok(());
                        }
                        Err(broken) => broken,
                    }
                }
            };
            let refused = match broken {
                Broken::For(error) => return Err(error),
                Broken::Off(refused) => refused,
            };
            if got == range.end - range.start {
                if !sink.restart() {
                    return Ok(());
                }
                // All bytes, and yet an error: they are not what S3 has, by the checksum that came with them.
                got = 0;
            }
            attempts = if got > before + PROGRESS_BYTES { 1 } else { attempts + 1 };
            let waited = begun_at.elapsed().saturating_sub(sink.waited);
            if waited > self.s3.patience().for_range(range.end - range.start) {
                let (size, waited_s) = (range.end - range.start, waited.as_secs());
                let why = format!("S3 sent {got} of {size} bytes in {waited_s} s, and was not asked any more");
                return Err(ReadError::S3(Box::new(Refusal::broken_off(why))));
            }
            if attempts >= ATTEMPTS_MAX {
                return Err(ReadError::S3(refused));
            }
            if !self.s3.retries().again(attempts).await {
                return Err(ReadError::S3(Box::new(refused.out_of_retries())));
            }
        }
    }

    /// Asks for a range of an object as it was listed. One that is not that version any more is an error.
    async fn ask(&self, source: &Source, range: &Range<u64>, pin: Option<&str>) -> Result<GetObjectOutput, Broken> {
        let whole = *range == (0..source.version.size);
        let mut pin = pin.filter(|_| !self.unpinned.load(Ordering::Relaxed));
        let mut refused_pinned = false;
        loop {
            let request = self
                .get(&source.name)
                .if_match(format!("\"{}\"", source.version.etag))
                .set_version_id(pin.map(str::to_owned))
                // Without a range S3 sends its checksum of the whole along, and the SDK compares.
                .set_range((!whole).then(|| format!("bytes={}-{}", range.start, range.end.saturating_sub(1))));
            let refused = match request.send().await.map_err(|error| self.refusal(&source.name, error)) {
                Ok(answer) => {
                    // To read a version by its id takes a permission of its own.
                    self.unpinned.fetch_or(refused_pinned, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(refused) => refused,
            };
            return Err(match refused.status {
                Some(403) if pin.is_some() => {
                    refused_pinned = true;
                    pin = None;
                    continue;
                }
                Some(404) if !no_bucket(&refused) => Broken::For(ReadError::Missing),
                // The id `null`, of a bucket whose versioning is suspended, is a delete marker's now.
                Some(405) if pin.is_some() => Broken::For(ReadError::Missing),
                Some(412 | 416) => Broken::For(overwritten()),
                _ if refused.transient => Broken::Off(Box::new(refused)),
                _ => Broken::For(ReadError::S3(Box::new(refused))),
            });
        }
    }
}

/// Takes the body of an answer to `range`, as far as it goes; `got` counts what was taken.
async fn take(
    source: &Source,
    range: &Range<u64>,
    answer: GetObjectOutput,
    sink: &mut Sink,
    got: &mut u64,
) -> Result<(), Broken> {
    let mut skip = begins_at(source, range, &answer)?;
    let mut missing = range.end - range.start;
    let mut body = answer.body;
    loop {
        let mut piece = match body.next().await {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Err(Broken::Off(Box::new(Refusal::broken_off(error)))),
            None if missing == 0 => return Ok(()),
            None => return Err(Broken::Off(Box::new(Refusal::broken_off("the body ended early")))),
        };
        let skipped = skip.min(piece.len() as u64);
        skip -= skipped;
        let piece = piece.split_off(skipped as usize);
        let more = piece.len() as u64;
        if more > missing {
            // An answer with more than was asked for: of a store that does not know ranges, the rest of the object.
            *got += missing;
            sink.push(piece.slice(..missing as usize)).await;
            return Ok(());
        }
        if more > 0 {
            missing -= more;
            *got += more;
            sink.push(piece).await;
        }
    }
}

/// How many bytes of the body come before the range: none, unless the store sent the whole object.
fn begins_at(source: &Source, range: &Range<u64>, answer: &GetObjectOutput) -> Result<u64, Broken> {
    let changed = |what: &str| Broken::For(ReadError::Changed(what.to_owned()));
    // The condition is about the ETag alone, and the same bytes put again have the same one.
    let modified = answer.last_modified().map(DateTime::secs);
    let is_another = modified.is_some_and(|modified| modified != source.version.last_modified_s);
    if answer.e_tag().map(bare) != Some(source.version.etag.as_str()) || is_another {
        return Err(Broken::For(overwritten()));
    }
    let Some(sent) = answer.content_range() else {
        // A store need not honour a range; the condition it has to.
        return match answer.content_length() {
            Some(size) if u64::try_from(size) != Ok(source.version.size) => {
                Err(changed("came with another size than it was listed with"))
            }
            _ => Ok(range.start),
        };
    };
    if total(sent) != Some(source.version.size) || start(sent) != Some(range.start) {
        return Err(changed("came in another range than was asked for"));
    }
    Ok(0)
}

fn overwritten() -> ReadError {
    ReadError::Changed("was overwritten while it was read".to_owned())
}

/// The size of the whole object, of `bytes 0-99/1234`.
pub(super) fn total(content_range: &str) -> Option<u64> {
    content_range.rsplit_once('/')?.1.parse().ok()
}

fn start(content_range: &str) -> Option<u64> {
    let range = content_range.trim_start().strip_prefix("bytes")?.trim_start();
    range.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_tell_where_and_of_how_much() {
        for (text, expected) in [
            ("bytes 0-99/1234", (Some(0), Some(1234))),
            ("bytes 4194304-8388607/9000000", (Some(4_194_304), Some(9_000_000))),
            ("bytes 0-99/*", (Some(0), None)),
            ("bytes */0", (None, Some(0))),
            ("", (None, None)),
        ] {
            assert_eq!((start(text), total(text)), expected, "{text}");
        }
    }
}
