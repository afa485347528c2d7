//! How far a run is: a bar on a terminal, a line every ten seconds elsewhere. Always on stderr.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use lakebed::job::sweep;
use lakebed::pipeline::Progress;
use lakebed::{reconcile, verify};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows progress until it is ended.
pub(crate) struct Shown {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Shown {
    /// Takes the bar away.
    pub(crate) async fn end(self) {
        // The task ends by itself only where it was told to.
        let _ = self.end.send(());
        drop(self.task.await);
    }
}

/// Shows what `tell` says, until it is ended: on the bar that `bar` makes, or as a line of its own.
fn watch(bar: impl FnOnce() -> ProgressBar, tell: impl Fn(Option<&ProgressBar>, Duration) + Send + 'static) -> Shown {
    let (end, mut ended) = oneshot::channel();
    let bar = std::io::stderr().is_terminal().then(bar);
    let task = tokio::spawn(async move {
        let start = Instant::now();
        let mut every = tokio::time::interval(if bar.is_some() { BAR_EVERY } else { LINE_EVERY });
        every.tick().await;
        loop {
            tokio::select! {
                _ = &mut ended => break,
                _ = every.tick() => {}
            }
            tell(bar.as_ref(), start.elapsed());
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    });
    Shown { end, task }
}

/// Begins to show `progress` towards so many sources and stored bytes.
pub(crate) fn show(progress: Arc<Progress>, sources: u64, bytes: u64) -> Shown {
    let tell = move |shown: Option<&ProgressBar>, elapsed| {
        // A job in the place of another reads objects that were not asked for.
        let (done, read) = (
            progress.sources.load(Ordering::Relaxed).min(sources),
            progress.bytes.load(Ordering::Relaxed),
        );
        let records = progress.records.load(Ordering::Relaxed);
        match shown {
            Some(bar) => {
                bar.set_position(read.min(bytes));
                bar.set_message(format!("{done}/{sources} objects, {} records", HumanCount(records)));
            }
            None => line(elapsed, (done, sources), (read, bytes), records),
        }
    };
    watch(move || bar(bytes), tell)
}

/// Begins to show how far a lake is verified: its outcomes, then sources and files of how many.
pub(crate) fn verifying(progress: Arc<verify::Progress>) -> Shown {
    let tell = move |shown: Option<&ProgressBar>, _| {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let (bytes, bytes_all) = (of(&progress.bytes), of(&progress.bytes_all));
        let counted = format!(
            "{} outcomes, {}/{} sources, {}/{} files",
            HumanCount(of(&progress.outcomes)),
            HumanCount(of(&progress.sources)),
            HumanCount(of(&progress.sources_all)),
            HumanCount(of(&progress.files)),
            HumanCount(of(&progress.files_all)),
        );
        match shown {
            Some(bar) => {
                bar.set_length(bytes_all);
                bar.set_position(bytes);
                bar.set_message(counted);
            }
            // Where stderr is closed nobody wants to know.
            None => drop(writeln!(
                std::io::stderr(),
                "{counted}, {}/{}",
                HumanBytes(bytes),
                HumanBytes(bytes_all)
            )),
        }
    };
    watch(|| bar(0), tell)
}

/// Begins to show how many entries of a quarantine were read again; how many there are is not known before.
pub(crate) fn replaying(progress: Arc<Progress>) -> Shown {
    counting(move || {
        let of = |number: &AtomicU64| HumanCount(number.load(Ordering::Relaxed));
        format!("{} jobs, {} entries", of(&progress.sources), of(&progress.records))
    })
}

/// Begins to show how far a lake is swept. How much there is nobody knows before the end.
pub(crate) fn sweeping(progress: Arc<sweep::Progress>) -> Shown {
    counting(move || {
        let of = |number: &AtomicU64| HumanCount(number.load(Ordering::Relaxed));
        format!("{} jobs, {} open uploads", of(&progress.jobs), of(&progress.uploads))
    })
}

/// Begins to show how far raw objects and a lake are compared.
pub(crate) fn reconciling(progress: Arc<reconcile::Progress>) -> Shown {
    counting(move || {
        let of = |number: &AtomicU64| HumanCount(number.load(Ordering::Relaxed));
        format!("{} objects, {} outcomes", of(&progress.found), of(&progress.outcomes))
    })
}

/// Shows numbers that grow towards nothing that is known.
fn counting(count: impl Fn() -> String + Send + 'static) -> Shown {
    let tell = move |shown: Option<&ProgressBar>, elapsed| match shown {
        Some(bar) => bar.set_message(count()),
        // Where stderr is closed nobody wants to know.
        None => drop(writeln!(std::io::stderr(), "{} in {}", count(), HumanDuration(elapsed))),
    };
    let spinner = || {
        let style = ProgressStyle::with_template("{spinner} {msg}, {elapsed}").expect("the template is sound");
        ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
    };
    watch(spinner, tell)
}

fn bar(bytes: u64) -> ProgressBar {
    let style = "{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec}, {eta} left, {msg}";
    let style = ProgressStyle::with_template(style).expect("the template is sound");
    ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr()).with_style(style)
}

fn line(elapsed: Duration, (done, sources): (u64, u64), (read, bytes): (u64, u64), records: u64) {
    let seconds = elapsed.as_secs_f64();
    let rate = read as f64 / seconds;
    let left = if rate > 0.0 {
        bytes.saturating_sub(read) as f64 / rate
    } else {
        0.0
    };
    // Where stderr is closed nobody wants to know.
    drop(writeln!(
        std::io::stderr(),
        "{done}/{sources} objects, {}/{}, {} records, {}/s, {} left",
        HumanBytes(read),
        HumanBytes(bytes),
        HumanCount(records),
        HumanBytes(rate as u64),
        HumanDuration(Duration::from_secs_f64(left)),
    ));
}
