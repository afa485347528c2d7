//! The program killed while it speaks to S3: the next run finishes what it began, and every record is there once.

use std::time::{Duration, Instant};

use crate::cloud::Cloud;
use crate::sandbox::{Run as _, lines};
use crate::support::s3::{Effect, Fault};

const LINE: &str = "backfill s3://raw/p --to s3://lake/x --jobs 1";

/// Kills a run when the n-th such request has come; it does nothing, and is never answered.
pub(crate) fn kill_at(cloud: &Cloud, operation: &'static str, part: &'static str, n: u64) {
    let fault = Fault::on(operation, Effect::Hang).key(move |key| key.contains(part));
    cloud.server.inject(fault.nth(n));
    let mut child = cloud.command(LINE).begin();
    let began = Instant::now();
    let hangs = || cloud.server.log().iter().any(|entry| entry.fault.is_some());
    while !hangs() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before {operation} {part} {n}"
        );
        assert!(began.elapsed() < Duration::from_secs(60), "no {operation} {part} {n}");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    cloud.server.clear_faults();
    cloud.server.clear_log();
}

#[test]
fn a_run_that_was_killed_at_any_request_is_finished_by_the_next() {
    for (operation, part, n) in [
        ("ListObjectsV2", "", 1),
        ("PutObject", "_lakebed/lake.json", 1),
        ("GetObject", "p/1", 1),
        ("PutObject", "_lakebed/tables/", 1),
        ("PutObject", "_lakebed/open/", 1),
        ("PutObject", "_lakebed/claims/", 1),
        ("PutObject", "_lakebed/claims/", 2),
        ("PutObject", ".ndjson.gz", 1),
        ("PutObject", ".parquet", 1),
        ("PutObject", ".parquet", 4),
        ("PutObject", "_lakebed/jobs/", 1),
        ("DeleteObject", "_lakebed/open/", 1),
    ] {
        let cloud = Cloud::new();
        for n in 0..4 {
            cloud.seed(&format!("p/{n}"), lines(n * 10..n * 10 + 10) + "oops\n");
        }
        kill_at(&cloud, operation, part, n);
        cloud.run(LINE).exits(0);
        assert_eq!(
            cloud.ids("s3://lake/x"),
            (0..40).collect::<Vec<_>>(),
            "{operation} {part} {n}"
        );
        cloud.with_lake("s3://lake/x", |lake| {
            assert_eq!(lake.quarantine().len(), 4, "{operation} {part} {n}")
        });
        let ran = cloud.run(LINE).exits(0);
        assert_eq!(
            ran.stdout,
            "4 objects already loaded, 0 new (--reload loads them again)\n"
        );
    }
}
