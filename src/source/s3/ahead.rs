//! Reads the objects of a job ahead: some ranges at once, handed over in their order.
//!
//! ```text
//! object 1   object 2   object 3 ...        as many ranges under way as memory and requests allow
//! [r0][r1]   [r0]       [r0][r1][r2]  ──> Begin r0 r1 End, Begin r0 End, ...  ──> the reader thread
//! ```
//!
//! Of an object of several ranges the whole is compared with the checksum that S3 keeps of it, see [`super::whole`].

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, Bytes};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedSemaphorePermit, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::range::{FromRange, Head, Sink};
use super::whole::{self, Summing};
use super::{Kept, RANGE_BYTES_MAX, RANGE_BYTES_MIN, RANGES, S3Objects};
use crate::source::listing::Source;
use crate::source::raw::ReadError;

/// Requests of one job under way at once.
const REQUESTS_MAX: usize = 16;
/// Waiting for the reader besides those under way.
const WAITING_MAX: usize = 1;

enum Message {
    /// The object at this place begins.
    Begin(usize, Head),
    Bytes(Vec<Bytes>, Option<OwnedSemaphorePermit>),
    End,
    /// The rest of the object at this place does not come.
    Failed(usize, ReadError),
}

type Messages = Arc<Mutex<mpsc::Receiver<Message>>>;

/// The objects of a job, being read.
pub struct ReadAhead {
    messages: Messages,
    next: usize,
    /// Objects before this one are wanted no more.
    first_wanted: Arc<AtomicUsize>,
    task: AbortHandle,
}

/// The stored bytes of one object.
pub struct Stored {
    messages: Messages,
    pieces: VecDeque<Bytes>,
    /// The room that the pieces take.
    room: Option<OwnedSemaphorePermit>,
    ended: bool,
    /// Why no more comes; told to whoever asks again, too.
    failed: Option<ReadError>,
}

impl S3Objects {
    /// Begins to read objects ahead, with about `memory` bytes under way. Ends when the reader is dropped.
    pub(crate) fn read_ahead(self: &Arc<Self>, runtime: &Handle, sources: Vec<Source>, memory: u64) -> ReadAhead {
        let (to_reader, messages) = mpsc::channel(WAITING_MAX);
        let first_wanted = Arc::new(AtomicUsize::new(0));
        let fetch = Fetch {
            objects: Arc::clone(self),
            memory,
            first_wanted: Arc::clone(&first_wanted),
            after_failed: 0,
            under_way: VecDeque::new(),
            bytes: 0,
            summing: None,
        };
        let task = runtime.spawn(async move {
            let closed = to_reader.clone();
            tokio::select! {
                () = fetch.run(sources, to_reader) => {}
                () = closed.closed() => {}
            }
        });
        ReadAhead {
            messages: Arc::new(Mutex::new(messages)),
            next: 0,
            first_wanted,
            task: task.abort_handle(),
        }
    }
}

impl ReadAhead {
    /// What ends it from elsewhere, also while somebody waits for bytes.
    pub(crate) fn stopper(&self) -> AbortHandle {
        self.task.clone()
    }

    /// The next object: what its first answer told, and its bytes. What was not read of the one before is passed over. Blocks.
    pub(crate) fn open(&mut self) -> Result<(Head, Stored), ReadError> {
        self.first_wanted.store(self.next, Ordering::Relaxed);
        let mut messages = self.messages.blocking_lock();
        loop {
            match messages.blocking_recv() {
                Some(Message::Begin(place, head)) if place == self.next => {
                    self.next += 1;
                    let stored = Stored {
                        messages: Arc::clone(&self.messages),
                        pieces: VecDeque::new(),
                        room: None,
                        ended: false,
                        failed: None,
                    };
                    return Ok((head, stored));
                }
                Some(Message::Failed(place, error)) if place == self.next => {
                    self.next += 1;
                    return Err(error);
                }
                // Of the one before, as is a failure that nobody waited for.
                Some(_) => {}
                None => return Err(ReadError::Io(gone())),
            }
        }
    }
}

impl Read for Stored {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            while let Some(piece) = self.pieces.front_mut() {
                if piece.has_remaining() {
                    let n = piece.len().min(out.len());
                    piece.copy_to_slice(&mut out[..n]);
                    return Ok(n);
                }
                self.pieces.pop_front();
            }
            if let Some(failed) = &self.failed {
                return Err(io::Error::other(failed.again()));
            }
            if self.ended {
                return Ok(0);
            }
            self.room = None;
            match self.messages.blocking_lock().blocking_recv() {
                Some(Message::Bytes(pieces, room)) => (self.pieces, self.room) = (pieces.into(), room),
                Some(Message::End) => self.ended = true,
                Some(Message::Failed(_, error)) => {
                    self.failed = Some(error.again());
                    return Err(io::Error::other(error));
                }
                Some(Message::Begin(..)) | None => return Err(gone()),
            }
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the reader of S3 objects has ended; this is a fault in lakebed, please report it")
}

/// A range under way.
struct UnderWay {
    place: usize,
    /// Its object begins with it.
    begins: bool,
    is_last: bool,
    /// Most bytes of it that wait.
    bytes: u64,
    read: mpsc::UnboundedReceiver<FromRange>,
    /// Aborted where nobody waits for it any more.
    task: Task<Result<(), ReadError>>,
    /// The checksum of its object, where it begins one of several ranges.
    whole: Option<Task<Option<whole::Kept>>>,
}

struct Task<T>(JoinHandle<T>);

impl<T> Task<T> {
    async fn ended(&mut self) -> T {
        match (&mut self.0).await {
            Ok(ended) => ended,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => unreachable!("only what was dropped is cancelled: {cancelled}"),
            },
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Fetch {
    objects: Arc<S3Objects>,
    memory: u64,
    first_wanted: Arc<AtomicUsize>,
    /// The object after the last that failed.
    after_failed: usize,
    under_way: VecDeque<UnderWay>,
    bytes: u64,
    /// Of the object that is being handed over.
    summing: Option<Summing>,
}

impl Fetch {
    async fn run(mut self, sources: Vec<Source>, to: mpsc::Sender<Message>) {
        let sizes = sources.iter().map(|source| source.version.size).collect();
        let mut ranges = Ranges { sizes, place: 0, at: 0 }.peekable();
        let mut pin = watch::Sender::default();
        loop {
            while let Some((place, range)) = ranges.peek().cloned() {
                if !self.wants(place) {
                    ranges.next();
                    continue;
                }
                let bytes = (range.end - range.start).min(RANGE_BYTES_MIN);
                let fits = self.bytes + bytes <= self.memory && self.under_way.len() < REQUESTS_MAX;
                if !fits && !self.under_way.is_empty() {
                    break;
                }
                ranges.next();
                if range.start == 0 {
                    pin = watch::Sender::default();
                }
                self.begin(place, &sources[place], range, &pin);
            }
            let Some(next) = self.under_way.pop_front() else { return };
            let bytes = next.bytes;
            if !self.hand_over(next, &to).await {
                return;
            }
            self.bytes -= bytes;
        }
    }

    /// Whether anybody may still read the object at this place.
    fn wants(&self, place: usize) -> bool {
        place >= self.first_wanted.load(Ordering::Relaxed).max(self.after_failed)
    }

    /// Hands a range over as it comes. False where nobody listens any more.
    async fn hand_over(&mut self, mut range: UnderWay, to: &mpsc::Sender<Message>) -> bool {
        if range.begins {
            self.summing = None;
        }
        while self.wants(range.place)
            && let Some(next) = range.read.recv().await
        {
            let message = match next {
                FromRange::Head(head) if range.begins => Message::Begin(range.place, head),
                FromRange::Head(_) => continue,
                FromRange::Pieces(pieces, room) => {
                    if let Some(mut whole) = range.whole.take() {
                        self.summing = whole.ended().await.map(Summing::new);
                    }
                    if let Some(summing) = &mut self.summing {
                        summing.add(&pieces);
                    }
                    Message::Bytes(pieces, room)
                }
            };
            if to.send(message).await.is_err() {
                return false;
            }
        }
        if !self.wants(range.place) {
            return true;
        }
        let mut ended = range.task.ended().await;
        if ended.is_ok() && range.is_last && self.summing.take().is_some_and(|summing| !summing.agrees()) {
            let what = "came with other bytes than those of the checksum that S3 keeps of it";
            ended = Err(ReadError::Changed(what.to_owned()));
        }
        match ended {
            Ok(()) if range.is_last => to.send(Message::End).await.is_ok(),
            Ok(()) => true,
            Err(error) => {
                // Perhaps of an object that is read no further: then the ones after it are still to come.
                self.after_failed = range.place + 1;
                to.send(Message::Failed(range.place, error)).await.is_ok()
            }
        }
    }

    fn begin(&mut self, place: usize, source: &Source, range: Range<u64>, pin: &watch::Sender<Option<Head>>) {
        let size = range.end - range.start;
        let (begins, is_last) = (range.start == 0, range.end == source.version.size);
        let (objects, source, pin) = (Arc::clone(&self.objects), source.clone(), pin.clone());
        let whole = (begins && !is_last).then(|| {
            let (objects, source) = (Arc::clone(&objects), source.clone());
            Task(tokio::spawn(async move { objects.whole_checksum(&source).await }))
        });
        let (to, read) = mpsc::unbounded_channel();
        let mut sink = Sink::new(to, (size > RANGE_BYTES_MIN).then_some(RANGE_BYTES_MIN as usize));
        let task = tokio::spawn(async move {
            if begins {
                let begun = objects.take_kept(&source);
                let told = move |head: &Head| {
                    pin.send_replace(Some(head.clone()));
                };
                return objects.range(&source, range, None, begun, (&mut sink, told)).await;
            }
            let mut told = pin.subscribe();
            // It holds a sender itself, so this never ends without a head; a first range that failed takes the others with it.
            let head = match told.wait_for(Option::is_some).await {
                Ok(head) => head.clone().unwrap_or_default(),
                Err(_) => Head::default(),
            };
            let version_id = head.version_id;
            objects
                .range(&source, range, version_id, None, (&mut sink, |_| {}))
                .await
        });
        let bytes = size.min(RANGE_BYTES_MIN);
        self.bytes += bytes;
        self.under_way.push_back(UnderWay {
            place,
            begins,
            is_last,
            bytes,
            read,
            task: Task(task),
            whole,
        });
    }
}

/// The ranges of objects, one after another: one for an object without bytes, too, because its condition has to be asked. The
/// first is always a short one: it may have been asked for before the size was known.
struct Ranges {
    sizes: Vec<u64>,
    place: usize,
    at: u64,
}

impl Iterator for Ranges {
    type Item = (usize, Range<u64>);

    fn next(&mut self) -> Option<Self::Item> {
        let size = *self.sizes.get(self.place)?;
        let long = match self.at {
            0 => RANGE_BYTES_MIN,
            _ => (size / RANGES).clamp(RANGE_BYTES_MIN, RANGE_BYTES_MAX),
        };
        let next = (self.place, self.at..(self.at + long).min(size));
        if next.1.end == size {
            (self.place, self.at) = (self.place + 1, 0);
        } else {
            self.at = next.1.end;
        }
        Some(next)
    }
}

impl S3Objects {
    /// The answer to the first look at this very version, if it was kept.
    fn take_kept(&self, source: &Source) -> Option<aws_sdk_s3::operation::get_object::GetObjectOutput> {
        let Kept { version, answer } = self.kept().remove(&source.name)?;
        (version == source.version).then_some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_object_without_gap() {
        const MIN: u64 = RANGE_BYTES_MIN;
        for (size, count) in [
            (0, 1),
            (1, 1),
            (MIN, 1),
            (MIN + 1, 2),
            (3 * MIN - 1, 3),
            (32 * MIN, 32),
            (64 * MIN, 33),
            (100 << 30, 1601),
        ] {
            let sizes = vec![7, size, 0];
            let all: Vec<_> = Ranges { sizes, place: 0, at: 0 }.collect();
            let (first, last) = (&all[0], &all[all.len() - 1]);
            assert_eq!((first, last), (&(0, 0..7), &(2, 0..0)));
            let ranges = &all[1..all.len() - 1];
            assert_eq!(ranges.len(), count, "{size}");
            assert_eq!((ranges[0].1.start, ranges[count - 1].1.end), (0, size));
            assert!(ranges.windows(2).all(|two| two[0].1.end == two[1].1.start));
        }
    }
}
