//! What is missing, on its way to the loader: job by job, as they are taken.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::{LISTED_MAX, Reconciled, Report, names};
use crate::job::identity::Version;
use crate::load::{Loader, RunOptions};
use crate::report::{Failed, Summary};
use crate::sort::Sorted;
use crate::source::listing::{Source, packs};

/// What cannot be read back any more.
type Broken = Arc<Mutex<Option<io::Error>>>;

impl Reconciled {
    /// Loads what is missing. Of that no more is in memory than the jobs at work have.
    ///
    /// A run that was stopped leaves the rest to the next one.
    pub async fn load(self, loader: &Arc<Loader>, job_bytes: u64, options: RunOptions) -> Report {
        let Self { mut report, missing } = self;
        let mut summary = Summary::new("reconcile", report.lake.clone()).keeping(LISTED_MAX);
        summary.sources.found = report.sources.missing();
        let broken = Broken::default();
        let sources = Kept {
            missing,
            broken: Arc::clone(&broken),
        };
        let jobs = packs(sources, job_bytes);
        loader.run(jobs, options, &mut summary, &mut |_, _| {}).await;
        if let Some(error) = lock(&broken).take() {
            summary.add_failed(Failed {
                source: "the rest of what is missing".to_owned(),
                code: "Job".to_owned(),
                message: format!("it was kept in the spill folder, and cannot be read back: {error}"),
                transient: true,
            });
        }
        report.load = Some(summary);
        report.end();
        report
    }
}

/// The missing sources, one after another.
struct Kept {
    missing: Sorted<Version>,
    broken: Broken,
}

impl Iterator for Kept {
    type Item = Source;

    fn next(&mut self) -> Option<Source> {
        match self.missing.next() {
            Ok(next) => next.map(|(key, version)| Source {
                name: names::name(&key),
                version,
            }),
            Err(error) => {
                lock(&self.broken).replace(error);
                None
            }
        }
    }
}

fn lock(broken: &Broken) -> std::sync::MutexGuard<'_, Option<io::Error>> {
    broken.lock().unwrap_or_else(PoisonError::into_inner)
}
