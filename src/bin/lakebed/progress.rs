//! How far a run is: a bar on a terminal, a line every ten seconds elsewhere. Always on stderr.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use lakebed::pipeline::Progress;
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

/// Begins to show `progress` towards so many sources and stored bytes.
pub(crate) fn show(progress: Arc<Progress>, sources: u64, bytes: u64) -> Shown {
    let (end, mut ended) = oneshot::channel();
    let terminal = std::io::stderr().is_terminal();
    let task = tokio::spawn(async move {
        let start = Instant::now();
        let bar = terminal.then(|| bar(bytes));
        let mut every = tokio::time::interval(if terminal { BAR_EVERY } else { LINE_EVERY });
        every.tick().await;
        loop {
            tokio::select! {
                _ = &mut ended => break,
                _ = every.tick() => {}
            }
            // A job in the place of another reads objects that were not asked for.
            let (done, read) = (
                progress.sources.load(Ordering::Relaxed).min(sources),
                progress.bytes.load(Ordering::Relaxed),
            );
            let records = progress.records.load(Ordering::Relaxed);
            match &bar {
                Some(bar) => {
                    bar.set_position(read.min(bytes));
                    bar.set_message(format!("{done}/{sources} objects, {} records", HumanCount(records)));
                }
                None => line(start.elapsed(), (done, sources), (read, bytes), records),
            }
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    });
    Shown { end, task }
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
