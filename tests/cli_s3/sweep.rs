//! `lakebed sweep` of a lake in S3: after runs that were killed at any request, alone and beside others.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::crashes::kill_at;
use crate::sandbox::{Run as _, events, finish, lines};
use crate::support::s3::{At, Effect, Fault, Headers, UploadQuery};

const LINE: &str = "sweep s3://lake/x --json";
const DAY: Duration = Duration::from_secs(24 * 3600);
const FILE: &str = "event/year=2024/month=05/day=01/hour=01/mzxw6ytboiaaaaaaaaaaaaaaaa-0000.parquet";

fn open_uploads(cloud: &Cloud) -> Vec<String> {
    let query = UploadQuery {
        prefix: "",
        after: ("", ""),
        max: 10_000,
    };
    let (open, _) = cloud.server.model().list_uploads(At::new("lake", ""), &query).unwrap();
    open.into_iter().map(|open| open.key).collect()
}

fn sweep(cloud: &Cloud) -> Value {
    cloud.run(LINE).exits(0).json()
}

#[test]
fn what_a_run_left_that_was_killed_at_any_request_is_settled() {
    for (operation, part, n, settled) in [
        ("PutObject", "_lakebed/claims/", 1, 1),
        ("PutObject", "_lakebed/claims/", 2, 1),
        ("PutObject", ".ndjson.gz", 1, 1),
        ("PutObject", ".parquet", 3, 1),
        ("PutObject", "_lakebed/jobs/", 1, 1),
        ("DeleteObject", "_lakebed/open/", 1, 0),
    ] {
        let case = format!("{operation} {part} {n}");
        let cloud = Cloud::new();
        for n in 0..4 {
            cloud.seed(&format!("p/{n}"), lines(n * 10..n * 10 + 10) + "oops\n");
        }
        kill_at(&cloud, operation, part, n);
        let dry = cloud.run(&format!("{LINE} --dry-run")).exits(0).json();
        assert_eq!(
            (&dry["jobs"]["found"], &dry["jobs"]["settled"]),
            (&1.into(), &settled.into()),
            "{case}"
        );
        assert_eq!(cloud.writes(), [""; 0], "{case}");
        let report = sweep(&cloud);
        assert_eq!(
            (&report["jobs"]["settled"], &report["jobs"]["done"]),
            (&settled.into(), &1.into()),
            "{case}"
        );
        assert_eq!(cloud.ids("s3://lake/x"), (0..40).collect::<Vec<_>>(), "{case}");
        cloud.server.model().advance(2 * DAY);
        sweep(&cloud);
        let left = cloud
            .server
            .model()
            .keys("lake")
            .into_iter()
            .filter(|key| key.contains("/open/"))
            .count();
        assert_eq!(left, 0, "{case}");
        let log = cloud.server.log();
        assert!(
            log.iter().all(|entry| entry.bucket == "lake"),
            "raw objects were asked for"
        );
    }
}

#[test]
fn uploads_that_no_intent_names_go_when_seven_days_old() {
    let cloud = Cloud::new();
    cloud.seed("p/large", events(0..12_000, 1, 50, "\n"));
    cloud.seed("p/small", lines(12_000..12_010));
    // Killed before its intent, with a large file staged.
    kill_at(&cloud, "PutObject", "_lakebed/open/", 1);
    let staged = open_uploads(&cloud);
    assert!(!staged.is_empty());
    for key in ["x/dump.sql", "y/other", "x2/other"] {
        cloud
            .server
            .model()
            .create_upload(At::new("lake", key), Headers::default(), None, None)
            .unwrap();
    }
    let all = staged.len() as u64;
    cloud.server.model().advance(7 * DAY - Duration::from_secs(60));
    let report = sweep(&cloud);
    let expected = json!({
        "found": all + 1, "aborted": 0, "named": 0, "young": all, "foreign": 1, "failed": 0, "not_listed": null,
    });
    assert_eq!(report["uploads"], expected);
    cloud.server.model().advance(Duration::from_secs(120));
    cloud.server.clear_log();
    let text = cloud.run("sweep s3://lake/x --dry-run").exits(0).stdout;
    assert!(
        text.contains(&format!("{} open uploads: {all} to abort, 0 of open jobs", all + 1)),
        "{text}"
    );
    assert_eq!(cloud.writes(), [""; 0]);
    let report = sweep(&cloud);
    assert_eq!(report["uploads"]["aborted"], all, "{report}");
    let mut left = open_uploads(&cloud);
    left.sort();
    assert_eq!(left, ["x/dump.sql", "x2/other", "y/other"]);
    cloud.run("backfill s3://raw/p --to s3://lake/x").exits(0);
    assert!(cloud.ids("s3://lake/x") == (0..12_010).collect::<Vec<_>>());
}

#[test]
fn thousands_of_uploads_are_gone_through_page_by_page() {
    let cloud = Cloud::new();
    cloud.seed("p/a", lines(0..10));
    cloud.run("backfill s3://raw/p --to s3://lake/x").exits(0);
    for n in 0..2_100 {
        let key = match n % 3 {
            0 => format!("x/{FILE}"),
            1 => format!("x/event/hour={n:05}/mzxw6ytboiaaaaaaaaaaaaaaaa-0000.parquet"),
            _ => format!("x/others/{n}"),
        };
        cloud
            .server
            .model()
            .create_upload(At::new("lake", &key), Headers::default(), None, None)
            .unwrap();
    }
    cloud.server.model().advance(8 * DAY);
    cloud.server.clear_log();
    let report = sweep(&cloud);
    assert_eq!(cloud.server.calls("ListMultipartUploads"), 3);
    let uploads = &report["uploads"];
    assert_eq!(
        (&uploads["aborted"], &uploads["foreign"]),
        (&1_400.into(), &700.into()),
        "{uploads}"
    );
    assert_eq!(open_uploads(&cloud).len(), 700);
}

#[test]
fn sweeps_at_once_and_beside_a_load_leave_a_sound_lake() {
    let cloud = Cloud::new();
    for n in 0..8 {
        cloud.seed(&format!("p/{n}/x"), lines(n * 50..n * 50 + 50) + "oops\n");
    }
    kill_at(&cloud, "PutObject", ".parquet", 2);
    cloud
        .server
        .model()
        .create_upload(At::new("lake", &format!("x/{FILE}")), Headers::default(), None, None)
        .unwrap();
    cloud.server.model().advance(8 * DAY);
    let mut children: Vec<_> = (0..3).map(|_| cloud.command(LINE).begin()).collect();
    children.push(cloud.command("backfill s3://raw/p --to s3://lake/x --json").begin());
    for child in children {
        finish(child).exits(0);
    }
    sweep(&cloud);
    assert_eq!(cloud.ids("s3://lake/x"), (0..400).collect::<Vec<_>>());
    assert_eq!(open_uploads(&cloud), [""; 0]);
    cloud.run("verify s3://lake/x").exits(0);
}

#[test]
fn what_may_not_be_done_is_told_with_what_to_allow() {
    let cloud = Cloud::new();
    cloud.seed("p/a", lines(0..10));
    kill_at(&cloud, "PutObject", ".parquet", 1);
    for (operation, exit, expected) in [
        ("ListObjectsV2", 2, "s3:ListBucket"),
        ("PutObject", 1, "s3:PutObject"),
        ("AbortMultipartUpload", 1, "s3:AbortMultipartUpload"),
        // The rest is done.
        (
            "ListMultipartUploads",
            0,
            "open uploads were not looked at: list the open uploads of s3://lake/x/: access denied: allow \
          s3:ListBucketMultipartUploads on arn:aws:s3:::lake",
        ),
    ] {
        cloud
            .server
            .model()
            .create_upload(At::new("lake", &format!("x/{FILE}")), Headers::default(), None, None)
            .unwrap();
        cloud.server.model().advance(8 * DAY);
        cloud.server.inject(Fault::on(operation, Effect::ACCESS_DENIED));
        let ran = cloud.run("sweep s3://lake/x").exits(exit);
        assert!(
            ran.stdout.contains(expected) || ran.stderr.contains(expected),
            "{operation}: {ran:?}"
        );
        cloud.server.clear_faults();
    }
    assert_eq!(cloud.ids("s3://lake/x"), (0..10).collect::<Vec<_>>());
    let ran = cloud.run("sweep s3://lake/nowhere").exits(2);
    assert!(
        ran.stderr.contains("lake s3://lake/nowhere: there is no lake"),
        "{ran:?}"
    );
}
