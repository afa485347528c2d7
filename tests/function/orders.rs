//! Orders: sweep and reconcile, asked of the function.

use std::time::Duration;

use serde_json::{Value, json};

use crate::events::notification;
use crate::support::s3::{At, Effect, Fault, Headers};
use crate::world::{World, answer, error, handle, ids, lines, long_lines};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn sweep(dry_run: bool) -> Value {
    json!({"sweep": {"dry_run": dry_run}})
}

fn reconcile(more: Value) -> Value {
    let mut fields = more;
    fields["source"] = json!("s3://raw/in");
    json!({ "reconcile": fields })
}

/// A function that is killed when its intent is written and no claim is laid.
async fn killed(world: &World, event: &Value) {
    let claims = Fault::on("PutObject", Effect::Hang).key(|key| key.contains("/claims/"));
    world.server.inject(claims);
    let function = world.function();
    let hangs = async {
        while !world.requests().iter().any(|request| request.fault.is_some()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        handled = handle(&function, event) => panic!("it ended: {handled:?}"),
        () = hangs => {}
    }
    world.server.clear_faults();
}

/// Two objects of two jobs, loaded.
async fn loaded() -> World {
    let world = World::new();
    world.put("in/a", lines(0..10));
    world.put("in/b/c", lines(10..20));
    answer(&world.function(), &notification(&["in/a", "in/b/c"])).await;
    world.server.clear_log();
    world
}

#[tokio::test]
async fn a_lake_at_rest_needs_no_sweep() {
    let world = loaded().await;
    for dry_run in [true, false] {
        let report = answer(&world.function(), &sweep(dry_run)).await;
        let expected = json!({
            "version": 1, "verb": "sweep", "lake": "s3://lake/p", "exit": 0, "dry_run": dry_run,
            "jobs": {"found": 0, "settled": 0, "done": 0, "dead": 0, "dropped": 0},
            "files": 0,
            "uploads": {"found": 0, "aborted": 0, "named": 0, "young": 0, "foreign": 0, "failed": 0, "not_listed": null},
            "failed": [], "failed_more": 0,
        });
        assert_eq!(report, expected);
    }
    let operations: Vec<_> = world.requests().iter().map(|entry| entry.operation).collect();
    assert!(
        !operations
            .iter()
            .any(|name| name.contains("Put") || name.contains("Delete")),
        "{operations:?}"
    );
    assert!(world.requests().iter().all(|entry| entry.bucket == "lake"));
}

#[tokio::test]
async fn what_a_killed_function_left_is_settled_and_its_uploads_go_after_seven_days() {
    let world = World::new();
    world.put("in/a", lines(0..10));
    killed(&world, &notification(&["in/a"])).await;
    // And one that had not come so far; and one of somebody else.
    let job = "mzxw6ytboiaaaaaaaaaaaaaaaa";
    let ours = format!("p/event/year=2024/month=05/day=01/hour=01/{job}-0000.parquet");
    for key in [&ours, "p/backup.tar"] {
        world
            .server
            .model()
            .create_upload(At::new("lake", key), Headers::default(), None, None)
            .unwrap();
    }
    let before = world.server.model().keys("lake");
    let report = answer(&world.function(), &sweep(true)).await;
    assert_eq!(world.server.model().keys("lake"), before, "it wrote");
    assert_eq!(
        (&report["jobs"]["found"], &report["jobs"]["settled"]),
        (&1.into(), &1.into()),
        "{report}"
    );
    assert_eq!(
        (&report["uploads"]["young"], &report["uploads"]["foreign"]),
        (&1.into(), &1.into()),
        "{report}"
    );

    let report = answer(&world.function(), &sweep(false)).await;
    assert_eq!(
        (&report["jobs"]["settled"], &report["jobs"]["done"]),
        (&1.into(), &1.into()),
        "{report}"
    );
    assert_eq!(world.lake().ids(), ids(0..10));
    assert_eq!(report["uploads"]["aborted"], 0, "{report}");

    world.server.model().advance(7 * DAY + Duration::from_secs(60));
    let report = answer(&world.function(), &sweep(true)).await;
    assert_eq!(report["uploads"]["aborted"], 1, "{report}");
    for aborted in [1, 0] {
        let report = answer(&world.function(), &sweep(false)).await;
        let uploads = &report["uploads"];
        assert_eq!(
            (&uploads["aborted"], &uploads["foreign"]),
            (&aborted.into(), &1.into()),
            "{report}"
        );
    }
    assert_eq!(world.calls("lake", "AbortMultipartUpload"), 1);
}

#[tokio::test]
async fn a_large_file_of_an_open_job_keeps_its_upload_for_years() {
    let world = World::new();
    world.put("in/a", long_lines(0..600, 4_000));
    killed(&world, &notification(&["in/a"])).await;
    world.server.model().advance(400 * DAY);
    // The job cannot be settled now, and its upload is not touched.
    world.server.inject(Fault::on("PutObject", Effect::ACCESS_DENIED));
    let report = answer(&world.function(), &sweep(false)).await;
    assert_eq!(
        (&report["exit"], report["failed"].as_array().unwrap().len()),
        (&1.into(), 1),
        "{report}"
    );
    let message = report["failed"][0]["message"].as_str().unwrap();
    assert!(message.contains("allow s3:PutObject"), "{message}");
    let named = report["uploads"]["named"].as_u64().unwrap();
    assert!(named > 0 && report["uploads"]["aborted"] == 0, "{report}");
    world.server.clear_faults();
    let report = answer(&world.function(), &sweep(false)).await;
    assert_eq!(
        (&report["jobs"]["done"], &report["uploads"]["found"]),
        (&1.into(), &0.into()),
        "{report}"
    );
    assert_eq!(world.lake().ids(), ids(0..600));
}

#[tokio::test]
async fn a_sweep_that_may_not_list_uploads_says_so_and_does_the_rest() {
    let world = loaded().await;
    world
        .server
        .inject(Fault::on("ListMultipartUploads", Effect::ACCESS_DENIED));
    let handled = handle(&world.function(), &sweep(false)).await;
    let report = handled.answer.unwrap();
    assert_eq!(
        (&report["exit"], &report["failed"]),
        (&0.into(), &json!([])),
        "{report}"
    );
    let why = report["uploads"]["not_listed"].as_str().unwrap();
    assert!(
        why.contains("allow s3:ListBucketMultipartUploads on arn:aws:s3:::lake"),
        "{why}"
    );
    assert_eq!(handled.troubles, [why]);
    // What may pass is worth another call.
    world.server.clear_faults();
    world
        .server
        .inject(Fault::on("ListMultipartUploads", Effect::SLOW_DOWN));
    let why = error(&world.function(), &sweep(false)).await;
    assert!(
        why.starts_with("sweep is not finished, call it again: open uploads: "),
        "{why}"
    );
}

#[tokio::test]
async fn what_is_missing_is_named_and_loaded() {
    let world = loaded().await;
    world.put("in/lost", lines(20..30));
    world.put("in/", "");
    world.server.model().advance(Duration::from_secs(60));
    world.put("in/a", lines(100..110));
    world.server.model().advance(Duration::from_secs(60));
    let report = answer(&world.function(), &reconcile(json!({}))).await;
    let sources = json!({
        "found": 3, "loaded": 1, "never": 1, "overwritten": 1, "open": 0,
        "missing_bytes": lines(20..30).len() + lines(100..110).len(), "hidden": 1, "unselected": 0,
    });
    let missing = json!([
        {"source": "s3://raw/in/a", "bytes": lines(100..110).len(), "why": "overwritten"},
        {"source": "s3://raw/in/lost", "bytes": lines(20..30).len(), "why": "never"},
    ]);
    let expected = json!({
        "version": 1, "verb": "reconcile", "lake": "s3://lake/p", "exit": 1, "sources": sources,
        "missing": missing, "missing_more": 0, "unread": [], "unread_more": 0, "load": null,
    });
    assert_eq!(report, expected);
    assert_eq!(world.calls("lake", "PutObject"), 0);
    assert_eq!(world.calls("raw", "GetObject"), 0, "no raw object is read");

    let handled = handle(&world.function(), &reconcile(json!({"load": true}))).await;
    let report = handled.answer.unwrap();
    assert_eq!((&report["exit"], &report["sources"]), (&0.into(), &sources), "{report}");
    let load = &report["load"];
    assert_eq!(
        (&load["sources"]["done"], &load["records"]["rows"]),
        (&2.into(), &20.into()),
        "{load}"
    );
    assert_eq!(
        (
            handled.metrics.objects,
            handled.metrics.rows,
            handled.metrics.objects_failed
        ),
        (2, 20, 0)
    );
    let expected: Vec<u64> = (10..30).chain(100..110).collect();
    assert_eq!(world.lake().ids(), expected);
}

#[tokio::test]
async fn objects_are_selected_by_the_clock_of_their_store() {
    let world = World::new();
    world.put("in/old.json", lines(0..10));
    world.put("in/old.gz", lines(10..20));
    world.server.model().advance(Duration::from_secs(7200));
    world.put("in/new.json", lines(20..30));
    // A lake that is there.
    world.put("in/x", "");
    answer(&world.function(), &notification(&["in/x"])).await;
    for (selection, missing) in [
        (json!({}), vec!["new.json", "old.gz", "old.json"]),
        (json!({"until": "1h"}), vec!["old.gz", "old.json"]),
        (json!({"since": "1h"}), vec!["new.json"]),
        (
            json!({"since": "2024-05-01", "until": "2024-05-01T12:00:01Z"}),
            vec!["old.gz", "old.json"],
        ),
        (json!({"glob": "*.json", "until": "1h"}), vec!["old.json"]),
    ] {
        let report = answer(&world.function(), &reconcile(selection.clone())).await;
        let found = report["missing"].as_array().unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|missing| missing["source"].as_str().unwrap())
            .collect();
        let missing: Vec<_> = missing.iter().map(|name| format!("s3://raw/in/{name}")).collect();
        assert_eq!(found, missing, "{selection}");
        let sources = &report["sources"];
        let counted = sources["found"].as_u64().unwrap() + sources["unselected"].as_u64().unwrap();
        assert_eq!(counted, 4, "{selection}");
    }
}

#[tokio::test]
async fn what_cannot_be_loaded_is_an_error_only_where_another_call_may_help() {
    let world = loaded().await;
    world.put("in/lost", lines(20..30));
    world.put("in/z/other", lines(30..40));
    let fault = |effect| Fault::on("GetObject", effect).key(|key| key == "in/lost");
    world.server.inject(fault(Effect::ACCESS_DENIED));
    let handled = handle(&world.function(), &reconcile(json!({"load": true}))).await;
    let report = handled.answer.unwrap();
    assert_eq!(
        (&report["exit"], &report["load"]["sources"]["failed"]),
        (&1.into(), &1.into()),
        "{report}"
    );
    assert!(
        handled.troubles[0].contains("s3://raw/in/lost failed, Source.Unreadable"),
        "{:?}",
        handled.troubles
    );
    assert_eq!(world.lake().ids(), [ids(0..20), ids(30..40)].concat());
    world.server.clear_faults();
    world.server.inject(fault(Effect::SLOW_DOWN));
    let why = error(&world.function(), &reconcile(json!({"load": true}))).await;
    assert!(
        why.starts_with("reconcile is not finished, call it again: s3://raw/in/lost failed"),
        "{why}"
    );
    world.server.clear_faults();
    answer(&world.function(), &reconcile(json!({"load": true}))).await;
    assert_eq!(world.lake().ids(), ids(0..40));
}

#[tokio::test]
async fn orders_that_make_no_sense_cost_no_request() {
    let world = World::new();
    for (order, why) in [
        (
            json!({"sweep": {"dryrun": true}}),
            "sweep has an unknown key \"dryrun\"; it takes \"dry_run\"",
        ),
        (json!({"reconcile": {"load": true}}), "reconcile.source is missing"),
        (
            json!({"reconcile": {"source": "s3://raw"}}),
            "s3://raw is not all below one raw prefix (s3://raw/in); name a place inside of one, or add it to LAKEBED_RAW",
        ),
        (
            json!({"reconcile": {"source": "s3://lake/p"}}),
            "s3://lake/p is not all below one raw prefix",
        ),
        (
            json!({"swoop": {}}),
            "the payload has the key \"swoop\"; this function answers",
        ),
    ] {
        let said = error(&world.function(), &order).await;
        assert!(said.starts_with(why), "{order}: {said}");
    }
    let said = error(&world.function(), &json!({"swoop": {}})).await;
    assert!(
        said.contains("{\"sweep\": ") && said.contains("{\"reconcile\": "),
        "{said}"
    );
    assert!(world.requests().is_empty());
}

#[tokio::test]
async fn where_there_is_no_lake_there_is_nothing_to_sweep_and_all_to_load() {
    let world = World::new();
    world.put("in/a", lines(0..10));
    for order in [sweep(false), sweep(true), reconcile(json!({}))] {
        let why = error(&world.function(), &order).await;
        assert!(why.contains("there is no lake"), "{order}: {why}");
    }
    assert_eq!(world.server.model().keys("lake"), [""; 0]);
    let report = answer(&world.function(), &reconcile(json!({"load": true}))).await;
    assert_eq!(report["sources"]["never"], 1, "{report}");
    assert_eq!(world.lake().ids(), ids(0..10));
    let nowhere = json!({"reconcile": {"source": "s3://raw/in/nowhere"}});
    let why = error(&world.function(), &nowhere).await;
    assert!(
        why.contains("there is no object s3://raw/in/nowhere, and none below it"),
        "{why}"
    );
}
