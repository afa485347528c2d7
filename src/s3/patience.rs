//! How long S3 is waited for, and what enforces it on bodies: time counts only while bytes are waited for.
//!
//! ```text
//! answer ──body──> Coming ──> reader         no byte for 20 s; or all waits together longer than 60 s and a second for
//!                                            each 16 KiB that came
//! spool ──body──> Going ──> request          no byte taken for 20 s
//! ```
//!
//! A reader that is slow is no fault of S3: nothing runs while it does not ask for more.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// How long S3 is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// From the start of a request to the first byte of its answer.
    pub answer: Duration,
    /// The same where that time holds the sending of a large body, or work of S3 on many parts.
    pub large_answer: Duration,
    /// For the next byte of a body, in either direction.
    pub stall: Duration,
    /// For all bytes of an answer's body together, beyond what [`slowest`](Self::slowest) allows.
    pub body: Duration,
    /// For a range of an object that breaks off and is asked for again, pauses included; likewise beyond the slowest pace.
    pub range: Duration,
    /// Bytes a second that have to come at least, in the long run.
    pub slowest: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(20),
            large_answer: Duration::from_secs(600),
            stall: Duration::from_secs(20),
            body: Duration::from_secs(60),
            range: Duration::from_secs(180),
            slowest: 16 << 10,
        }
    }
}

impl Patience {
    /// The limits that are the client's own to keep.
    pub(super) fn timeouts(&self, answer: Duration) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .read_timeout(answer)
            .build()
    }

    /// Waits that are allowed for so many bytes of a range.
    pub(crate) fn for_range(&self, bytes: u64) -> Duration {
        self.range + self.at_slowest(bytes)
    }

    fn at_slowest(&self, bytes: u64) -> Duration {
        Duration::from_millis(bytes.saturating_mul(1000) / self.slowest.max(1))
    }
}

/// The body of an answer.
pub(super) struct Coming {
    inner: SdkBody,
    patience: Patience,
    got: u64,
    /// For all bytes so far.
    waited: Duration,
    /// Since when the next is waited for.
    since: Option<Instant>,
    /// Ends when it was waited for too long.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Coming {
    pub(super) fn new(inner: SdkBody, patience: Patience) -> Self {
        Self {
            inner,
            patience,
            got: 0,
            waited: Duration::ZERO,
            since: None,
            alarm: None,
        }
    }

    /// How long the next byte may be waited for.
    fn allowed(&self) -> Duration {
        let for_all = self.patience.body + self.patience.at_slowest(self.got);
        self.patience.stall.min(for_all.saturating_sub(self.waited))
    }

    /// Whether the next byte was waited for too long; wakes the task when that is so.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.since.is_none() {
            let now = Instant::now();
            let (end, since) = (now + self.allowed(), Some(now));
            self.since = since;
            match &mut self.alarm {
                Some(alarm) => alarm.as_mut().reset(end),
                None => self.alarm = Some(Box::pin(tokio::time::sleep_until(end))),
            }
        }
        match &mut self.alarm {
            Some(alarm) => alarm.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

impl Body for Coming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(frame) => {
                if let Some(since) = self.since.take() {
                    self.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame {
                    self.got += frame.data_ref().map_or(0, |data| data.len() as u64);
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                ready!(self.poll_alarm(context));
                let waited = self.waited + self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
                let got = self.got;
                Poll::Ready(Some(Err(Box::new(TooSlow { got, waited }))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body that came too slowly, or stopped.
#[derive(Debug)]
struct TooSlow {
    got: u64,
    waited: Duration,
}

impl std::error::Error for TooSlow {}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { got, waited } = self;
        write!(
            f,
            "S3 sent {got} bytes in {:.1} s, and was not waited for any longer",
            waited.as_secs_f64()
        )
    }
}

/// The body of a request on its way, counted as the connection takes it.
pub(super) struct Going {
    inner: SdkBody,
    taken: Taken,
}

/// How often the connection has taken something of a body; [`ALL`] when that was all of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken(Arc<AtomicU64>);

const ALL: u64 = u64::MAX;

impl Going {
    pub(super) fn new(inner: SdkBody) -> (Self, Taken) {
        let taken = Taken::default();
        let counted = taken.clone();
        (Self { inner, taken }, counted)
    }
}

impl Taken {
    /// Ends when nothing was taken for so long, and not all was.
    pub(super) async fn stalls(&self, patience: Duration) -> io::Error {
        loop {
            let before = self.0.load(Ordering::Relaxed);
            if before == ALL {
                return std::future::pending().await;
            }
            sleep(patience).await;
            if self.0.load(Ordering::Relaxed) == before {
                let why = format!(
                    "S3 took nothing more of the request for {:.1} s",
                    patience.as_secs_f64()
                );
                return io::Error::new(io::ErrorKind::TimedOut, why);
            }
        }
    }
}

impl Body for Going {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if frame.is_none() || self.inner.is_end_stream() {
            self.taken.0.store(ALL, Ordering::Relaxed);
        } else {
            self.taken.0.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
