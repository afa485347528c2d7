//! Uploads that nobody will complete.
//!
//! ```text
//! open upload ──> of others: left alone
//!             ──> young: a worker may still be at it
//!             ──> its job has an intent and no outcome, and the intent names it: whoever settles the job completes it
//!             ──> else aborted
//! ```
//!
//! A worker that is slower than seven days finds its upload gone, and loads its sources again.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering::Relaxed;

use super::{Options, Progress, Report};
use crate::at_once::AtOnce;
use crate::job::identity::JobId;
use crate::job::lake::Lake;
use crate::job::{LakeError, intent, outcome};
use crate::store::{LakeKey, OpenUpload, StoreError, UploadId, UploadPage};

/// Aborted at once.
const ABORTS_MAX: usize = 16;
/// Jobs whose open uploads are remembered.
const JOBS_MAX: usize = 256;

/// Uploads that the intents of open jobs name.
#[derive(Default)]
struct Named {
    jobs: HashMap<JobId, HashSet<String>>,
}

pub(super) async fn sweep(
    lake: &Lake,
    options: &Options,
    progress: &Progress,
    report: &mut Report,
) -> Result<(), LakeError> {
    let mut named = Named::default();
    let mut page = listed(lake.store().list_uploads(None).await, report);
    while let Some(UploadPage { uploads, next }) = page {
        // Before any upload goes: the place to go on from is then still there.
        page = match next {
            Some(after) => listed(lake.store().list_uploads(Some(&after)).await, report),
            None => None,
        };
        let mut aborting: AtOnce<(LakeKey, Result<(), StoreError>), LakeError> = AtOnce::new(ABORTS_MAX);
        for upload in uploads {
            progress.uploads.fetch_add(1, Relaxed);
            report.uploads.found += 1;
            if !is_ours(&upload.key) {
                report.uploads.foreign += 1;
            } else if upload.last_modified >= options.uploads_before {
                report.uploads.young += 1;
            } else {
                match named.has(lake, &upload).await {
                    Ok(true) => report.uploads.named += 1,
                    Ok(false) if options.dry_run => report.uploads.aborted += 1,
                    Ok(false) => {
                        let lake = lake.clone();
                        let OpenUpload { key, id, .. } = upload;
                        let one = aborting.add(async move {
                            let aborted = lake.store().abort_upload(&key, &id).await;
                            Ok((key, aborted))
                        });
                        if let Some(aborted) = one.await? {
                            report.add_aborted(aborted);
                        }
                    }
                    Err(error) => {
                        report.uploads.failed += 1;
                        report.add_failed(&upload.key, &error, error.is_transient());
                    }
                }
            }
        }
        while let Some(aborted) = aborting.next().await? {
            report.add_aborted(aborted);
        }
    }
    Ok(())
}

/// A page, or a word on why there is none: it may not be allowed, or not be known to a store. All else is done without it.
fn listed(page: Result<UploadPage, StoreError>, report: &mut Report) -> Option<UploadPage> {
    match page {
        Ok(page) => Some(page),
        Err(error) => {
            if error.is_transient() {
                report.add_failed(&"open uploads", &error, true);
            }
            report.uploads.not_listed = Some(crate::load::chain(&error));
            None
        }
    }
}

impl Report {
    fn add_aborted(&mut self, (key, aborted): (LakeKey, Result<(), StoreError>)) {
        match aborted {
            Ok(()) => self.uploads.aborted += 1,
            Err(error) => {
                self.uploads.failed += 1;
                self.add_failed(&key, &error, error.is_transient());
            }
        }
    }
}

impl Named {
    /// Whether the intent of a job that is open names the upload.
    async fn has(&mut self, lake: &Lake, upload: &OpenUpload) -> Result<bool, LakeError> {
        let Some(job) = JobId::of_file(upload.key.file_name()) else {
            return Ok(false);
        };
        if let Some(named) = self.jobs.get(&job) {
            return Ok(named.contains(upload.id.as_str()));
        }
        let mut named = HashSet::new();
        if let Some(stored) = intent::read(lake, &job).await?
            && outcome::read(lake, &job).await?.is_none()
        {
            let ids = stored
                .intent
                .uploads()
                .map(|(_, id): (_, UploadId)| id.as_str().to_owned());
            named.extend(ids);
        }
        if self.jobs.len() >= JOBS_MAX {
            self.jobs.clear();
        }
        let has = named.contains(upload.id.as_str());
        self.jobs.insert(job, named);
        Ok(has)
    }
}

/// Whether lakebed writes such keys: others may have things of their own below the prefix of a lake.
fn is_ours(key: &LakeKey) -> bool {
    match key.as_str().split_once('/') {
        Some(("_lakebed", _)) => true,
        Some(_) => JobId::of_file(key.file_name()).is_some(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_of_others_are_told_apart_by_their_keys() {
        for (key, expected) in [
            (
                "t/year=2024/month=05/day=01/hour=01/mzxw6ytboiaaaaaaaaaaaaaaaa-0000.parquet",
                true,
            ),
            (
                "_lakebed/quarantine/date=2024-05-01/mzxw6ytboiaaaaaaaaaaaaaaaa-0000.ndjson.gz",
                true,
            ),
            ("_lakebed/claims/mzxw6ytboiaaaaaaaaaaaaaaaa.json", true),
            ("mzxw6ytboiaaaaaaaaaaaaaaaa-0000.parquet", false),
            ("backups/dump-2024.sql", false),
            ("t/mzxw6ytboiaaaaaaaaaaaaaaaa.parquet", false),
        ] {
            assert_eq!(is_ours(&LakeKey::new(key).unwrap()), expected, "{key}");
        }
    }
}
