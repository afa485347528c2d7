//! What goes wrong, and with which requests.
//!
//! ```ignore
//! server.inject(Fault::on("GetObject", Effect::Cut(1000)).nth(2).key(|key| key.ends_with(".gz")));
//! server.inject(Fault::on_any(Effect::SLOW_DOWN).at_rate(0.1, seed));
//! ```
//!
//! Of several faults that would strike a request, the one injected first does; all of them count it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::log::Entry;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is answered with this status and error code, and does nothing.
    Answer(u16, &'static str),
    /// The same with 503, and the wish to be left alone for so many seconds.
    Busy(u64),
    /// The connection is closed; it does nothing.
    Close,
    /// It does what it should, and the connection is closed instead of an answer.
    CloseAfter,
    /// It does nothing, and there is never an answer.
    Hang,
    /// It does what it should, and there is never an answer.
    HangAfter,
    /// It does nothing, and is answered with status 200 and this body.
    Body(&'static str),
    /// It does what it should, and is answered with status 200 and this body.
    BodyAfter(&'static str),
    /// The answer's body breaks off after so many bytes, although its headers promise all of it.
    Cut(u64),
    /// The same so many bytes before its end.
    CutBack(u64),
    /// The same in the middle.
    CutHalf,
    /// The answer's body stops after so many bytes, and the connection stays open.
    Stall(u64),
    /// The answer's body comes byte by byte, with so many milliseconds between them.
    Trickle(u64),
    /// The answer's body is this much shorter, and its headers know nothing else.
    Shorter(u64),
    /// The answer's body has this many bytes behind it that are not the object's, and its headers count them.
    Longer(u64),
    /// After so many bytes of the request were read, the connection is closed; it does nothing.
    CutRequest(u64),
    /// The same in the middle of the request.
    CutRequestHalf,
    /// After so many bytes of the request were read, no more are, and there is never an answer; it does nothing.
    StallRequest(u64),
    /// The request is read in small pieces, with so many milliseconds between them; it does nothing before it is complete.
    TrickleRequest(u64),
    /// The request never gets here: there is no server where it is sent.
    Unreachable,
    /// The request never gets here: the name of its host stands for nothing.
    Nameless,
    /// One bit of the answer's body is another, this many bytes from its beginning.
    Flip(u64),
    /// A range is not heeded: 200 and the whole object.
    IgnoreRange,
    /// The answer has another value in a header.
    Header(&'static str, &'static str),
}

impl Effect {
    pub(crate) const SLOW_DOWN: Self = Self::Answer(503, "SlowDown");
    pub(crate) const INTERNAL_ERROR: Self = Self::Answer(500, "InternalError");
    pub(crate) const ACCESS_DENIED: Self = Self::Answer(403, "AccessDenied");
    pub(crate) const CONFLICT: Self = Self::Answer(409, "ConditionalRequestConflict");
    /// What a completion of an upload can be answered when S3 fails after it began to answer.
    pub(crate) const OK_WITH_ERROR: Self = Self::Answer(200, "InternalError");
    pub(crate) const OTHER_TAG: Self = Self::Header("etag", "\"00000000000000000000000000000000\"");
}

impl Effect {
    /// Whether it strikes on the client's side.
    pub(super) fn is_on_the_way(&self) -> bool {
        matches!(self, Self::Unreachable | Self::Nameless)
    }
}

/// Which requests an effect strikes: all that match, until `nth`, `first`, `every` or `at_rate` say otherwise.
pub(crate) struct Fault {
    operation: Option<&'static str>,
    matches: Box<dyn FnMut(&Entry) -> bool + Send>,
    when: When,
    effect: Effect,
    seen: u64,
}

enum When {
    Always,
    Nth(u64),
    First(u64),
    Every(u64),
    Rate { below: u64, state: u64 },
}

impl Fault {
    /// Strikes requests of one operation.
    pub(crate) fn on(operation: &'static str, effect: Effect) -> Self {
        Self {
            operation: Some(operation),
            ..Self::on_any(effect)
        }
    }

    pub(crate) fn on_any(effect: Effect) -> Self {
        Self {
            operation: None,
            matches: Box::new(|_| true),
            when: When::Always,
            effect,
            seen: 0,
        }
    }

    /// Only requests for such keys; others are not counted either.
    #[must_use]
    pub(crate) fn key(self, matches: impl Fn(&str) -> bool + Send + 'static) -> Self {
        self.request(move |entry| matches(&entry.key))
    }

    /// Only such requests; others are not counted either. Asked when a request has arrived and nothing was done yet, so a
    /// test may also change here what is stored.
    #[must_use]
    pub(crate) fn request(self, matches: impl FnMut(&Entry) -> bool + Send + 'static) -> Self {
        Self {
            matches: Box::new(matches),
            ..self
        }
    }

    /// Only one request, counted from 1.
    #[must_use]
    pub(crate) fn nth(self, n: u64) -> Self {
        self.when(When::Nth(n))
    }

    /// Only so many requests.
    #[must_use]
    pub(crate) fn first(self, n: u64) -> Self {
        self.when(When::First(n))
    }

    /// The n-th request, and the n-th after it, and so on.
    #[must_use]
    pub(crate) fn every(self, n: u64) -> Self {
        self.when(When::Every(n))
    }

    /// This part of the requests, 0 to 1, by a seed.
    #[must_use]
    pub(crate) fn at_rate(self, rate: f64, seed: u64) -> Self {
        let below = (rate * u64::MAX as f64) as u64;
        self.when(When::Rate { below, state: seed })
    }

    fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    /// Counts a request; whether it is struck.
    fn strikes(&mut self, entry: &Entry) -> bool {
        if self.operation.is_some_and(|operation| operation != entry.operation) || !(self.matches)(entry) {
            return false;
        }
        self.seen += 1;
        match &mut self.when {
            When::Always => true,
            When::Nth(n) => self.seen == *n,
            When::First(n) => self.seen <= *n,
            When::Every(n) => self.seen.is_multiple_of(*n),
            When::Rate { below, state } => splitmix(state) < *below,
        }
    }
}

/// The effect that strikes this request, if any does: of those on the client's side, or of the others.
pub(super) fn struck(faults: &mut [Fault], entry: &Entry, on_the_way: bool) -> Option<Effect> {
    let mut effect = None;
    for fault in faults
        .iter_mut()
        .filter(|fault| fault.effect.is_on_the_way() == on_the_way)
    {
        if fault.strikes(entry) {
            effect.get_or_insert_with(|| fault.effect.clone());
        }
    }
    effect
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A body that ends too early.
pub(super) struct Broken {
    inner: s3s::Body,
    left: u64,
    end: End,
}

enum End {
    /// Nothing more comes.
    Stall,
    /// The connection breaks.
    Cut,
    Cutting(Pin<Box<tokio::time::Sleep>>),
    /// All is well.
    Whole,
}

impl Broken {
    pub(super) fn cut(inner: s3s::Body, left: u64) -> Self {
        let end = End::Cut;
        Self { inner, left, end }
    }

    pub(super) fn stalled(inner: s3s::Body, left: u64) -> Self {
        let end = End::Stall;
        Self { inner, left, end }
    }

    /// Ends as if it were all.
    pub(super) fn short(inner: s3s::Body, left: u64) -> Self {
        let end = End::Whole;
        Self { inner, left, end }
    }
}

impl Body for Broken {
    type Data = Bytes;
    type Error = s3s::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left > 0 {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(context)?);
            let cut = frame.map(|frame| {
                frame.map_data(|mut data| {
                    data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                    self.left -= data.len() as u64;
                    data
                })
            });
            return Poll::Ready(cut.map(Ok));
        }
        if let End::Cut = self.end {
            // What was sent must have left before the connection breaks, or less than planned would arrive.
            self.end = End::Cutting(Box::pin(tokio::time::sleep(Duration::from_millis(20))));
        }
        match &mut self.end {
            End::Cutting(pause) => {
                ready!(pause.as_mut().poll(context));
                let error = io::Error::from(io::ErrorKind::ConnectionReset);
                Poll::Ready(Some(Err(error.into())))
            }
            End::Stall | End::Cut => Poll::Pending,
            End::Whole => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.end {
            End::Whole => SizeHint::with_exact(self.left),
            _ => self.inner.size_hint(),
        }
    }
}

/// A body that comes byte by byte.
pub(super) struct Trickling {
    inner: s3s::Body,
    waiting: Bytes,
    period: Duration,
    pause: Pin<Box<tokio::time::Sleep>>,
}

impl Trickling {
    pub(super) fn new(inner: s3s::Body, period: Duration) -> Self {
        Self {
            inner,
            waiting: Bytes::new(),
            period,
            pause: Box::pin(tokio::time::sleep(period)),
        }
    }
}

impl Body for Trickling {
    type Data = Bytes;
    type Error = s3s::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        while self.waiting.is_empty() {
            let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(context)?) else {
                return Poll::Ready(None);
            };
            self.waiting = frame.into_data().unwrap_or_default();
        }
        ready!(self.pause.as_mut().poll(context));
        let next = tokio::time::Instant::now() + self.period;
        self.pause.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(self.waiting.split_to(1)))))
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body with bytes behind it that are not its own.
pub(super) struct Padded {
    pub(super) inner: s3s::Body,
    pub(super) more: Bytes,
}

impl Body for Padded {
    type Data = Bytes;
    type Error = s3s::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(context)?) {
            return Poll::Ready(Some(Ok(frame)));
        }
        let more = std::mem::take(&mut self.more);
        Poll::Ready((!more.is_empty()).then_some(Ok(Frame::data(more))))
    }
}

/// A body of which one bit is another.
pub(super) struct Flipped {
    pub(super) inner: s3s::Body,
    /// Bytes before the one that it is in.
    pub(super) left: u64,
}

impl Body for Flipped {
    type Data = Bytes;
    type Error = s3s::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(frame) = ready!(Pin::new(&mut self.inner).poll_frame(context)?) else {
            return Poll::Ready(None);
        };
        let left = self.left;
        self.left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        let flip = |data: Bytes| {
            let mut data = data.to_vec();
            if let Some(byte) = usize::try_from(left).ok().and_then(|left| data.get_mut(left)) {
                *byte ^= 1;
                // No other.
                self.left = u64::MAX;
            }
            Bytes::from(data)
        };
        Poll::Ready(Some(Ok(frame.map_data(flip))))
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
