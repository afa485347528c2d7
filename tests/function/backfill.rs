//! Backfills through the function: all of a place, in one call or in several.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::s3::{Effect, Fault};
use crate::world::{World, answer, error, ids, lines};

fn backfill(more: Value) -> Value {
    let mut fields = more;
    fields["source"] = json!("s3://raw/in");
    json!({ "backfill": fields })
}

/// Objects of ten records each, in a folder of their own each, so in a job of their own.
fn folders(world: &World, number: u64) {
    for n in 0..number {
        world.put(&format!("in/{n:02}/a"), lines(n * 10..n * 10 + 10));
    }
}

#[tokio::test]
async fn a_place_is_loaded_once_and_told_as_on_the_command_line() {
    let world = World::new();
    folders(&world, 5);
    world.put("in/folder/", "");
    world.put("elsewhere/a", lines(90..99));
    let report = answer(&world.function(), &backfill(json!({}))).await;
    assert_eq!(
        (
            &report["verb"],
            &report["exit"],
            &report["records"]["rows"],
            &report["sources"]["found"]
        ),
        (&json!("backfill"), &json!(0), &json!(50), &json!(5)),
        "{report}"
    );
    assert_eq!(
        (&report["next"], &report["continue_from"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(world.lake().ids(), ids(0..50));
    for again in [backfill(json!({})), json!({"bucket": "raw", "prefix": "in"})] {
        let report = answer(&world.function(), &again).await;
        assert_eq!(
            (&report["sources"]["already"], &report["sources"]["done"]),
            (&json!(5), &json!(0)),
            "{report}"
        );
    }
    let report = answer(&world.function(), &backfill(json!({"reload": true}))).await;
    assert_eq!(
        (&report["sources"]["done"], &report["replaced_jobs"]),
        (&json!(5), &json!(5)),
        "{report}"
    );
    assert_eq!(world.lake().ids(), ids(0..50));
}

#[tokio::test]
async fn only_what_is_selected_is_loaded() {
    let world = World::new();
    folders(&world, 4);
    for (more, found, unselected) in [
        (json!({"glob": "00/*"}), 1, 3),
        (json!({"until": "2024-05-01T12:00:00Z"}), 0, 4),
        (json!({"since": "1h"}), 4, 0),
        (json!({"since": "2024-05-02"}), 0, 4),
    ] {
        let report = answer(&world.function(), &backfill(more.clone())).await;
        assert_eq!(
            (&report["sources"]["found"], &report["sources"]["unselected"]),
            (&json!(found), &json!(unselected)),
            "{more}: {report}"
        );
    }
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let world = World::new();
    folders(&world, 3);
    let report = answer(&world.function(), &backfill(json!({"dry_run": true}))).await;
    assert_eq!(
        (&report["dry_run"], &report["found"]),
        (&json!(true), &json!(3)),
        "{report}"
    );
    assert_eq!(report["to_do"].as_array().unwrap().len(), 3);
    assert!(world.server.model().keys("lake").is_empty());
}

#[tokio::test]
async fn what_there_is_no_time_for_is_named_and_another_call_goes_on_exactly_there() {
    let world = World::new();
    folders(&world, 6);
    // The fourth object never comes, as long as this holds.
    let hang = Fault::on("GetObject", Effect::Hang).key(|key| key == "in/03/a");
    world.server.inject(hang);
    let function = world.function_with(&[("LAKEBED_JOBS", "1")]).unwrap();
    let since = backfill(json!({"since": "240h", "glob": "**"}));
    let handled = function.handle_within(&since, "id", Some(Duration::from_secs(4))).await;
    let report = handled.answer.unwrap();
    assert_eq!(report["continue_from"], "in/02/a", "{report}");
    assert_eq!(
        report["next"],
        json!({"backfill": {"source": "s3://raw/in", "since": "2024-04-21T12:00:00Z", "glob": "**", "continue_from": "in/02/a"}})
    );
    assert_eq!(world.copied().ids(), ids(0..30));
    // Nothing comes to its end from there: the call says so, and does not go round in circles.
    let handled = function
        .handle_within(&report["next"], "id", Some(Duration::from_secs(2)))
        .await;
    let stuck = handled.answer.unwrap_err().to_string();
    assert!(
        stuck.contains("no job came to its end in the time that the function has"),
        "{stuck}"
    );
    world.server.clear_faults();
    world.server.clear_log();
    let last = answer(&function, &report["next"]).await;
    assert_eq!(
        (&last["sources"]["found"], &last["next"]),
        (&json!(3), &Value::Null),
        "{last}"
    );
    let read = world.requests();
    let read = read
        .iter()
        .filter(|entry| entry.bucket == "raw" && entry.operation == "GetObject");
    assert!(read.map(|entry| &entry.key).all(|key| key.as_str() > "in/02/a"));
    assert_eq!(world.lake().ids(), ids(0..60));
}

#[tokio::test]
async fn places_that_are_not_raw_and_objects_that_fail_are_told() {
    let world = World::new();
    folders(&world, 2);
    for source in ["s3://raw", "s3://lake/p", "s3://other/in"] {
        let error = error(&world.function(), &json!({"backfill": {"source": source}})).await;
        assert!(error.contains("is not all below one raw prefix"), "{error}");
    }
    world
        .server
        .inject(Fault::on("GetObject", Effect::ACCESS_DENIED).key(|key| key == "in/01/a"));
    let report = answer(&world.function(), &backfill(json!({}))).await;
    assert_eq!(
        (&report["exit"], &report["sources"]["failed"]),
        (&json!(1), &json!(1)),
        "{report}"
    );
    assert_eq!(world.lake().ids(), ids(0..10));
}

#[tokio::test]
async fn what_fails_and_may_pass_is_not_left_behind() {
    let world = World::new();
    folders(&world, 6);
    let fault = |effect, key: &'static str| Fault::on("GetObject", effect).key(move |of| of == key);
    world.server.inject(fault(Effect::INTERNAL_ERROR, "in/02/a"));
    world.server.inject(fault(Effect::Hang, "in/04/a"));
    let function = world.function_with(&[("LAKEBED_JOBS", "1")]).unwrap();
    let handled = function
        .handle_within(&backfill(json!({})), "id", Some(Duration::from_secs(24)))
        .await;
    let report = handled.answer.unwrap();
    assert_eq!(report["continue_from"], "in/01/a", "{report}");
    assert_eq!(report["failed"][0]["source"], "s3://raw/in/02/a", "{report}");
    assert_eq!(world.copied().ids(), [ids(0..20), ids(30..40)].concat());
    world.server.clear_faults();
    world.server.inject(fault(Effect::INTERNAL_ERROR, "in/02/a"));
    // Where all was tried, it is an error, and the same call again helps.
    let error = error(&function, &report["next"]).await;
    assert!(
        error.contains("s3://raw/in/02/a failed") && error.contains("call it again"),
        "{error}"
    );
    world.server.clear_faults();
    assert_eq!(answer(&function, &report["next"]).await["next"], Value::Null);
    assert_eq!(world.lake().ids(), ids(0..60));
}

#[tokio::test]
async fn a_place_with_nothing_in_it_is_an_error() {
    let world = World::new();
    folders(&world, 1);
    for source in ["s3://raw/in/0", "s3://raw/in/nowhere/"] {
        let error = error(&world.function(), &json!({"backfill": {"source": source}})).await;
        assert_eq!(error, format!("there is no object {source}, and none below it"));
    }
}

#[tokio::test]
async fn a_dry_run_of_named_objects_writes_nothing_however_it_is_said() {
    let world = World::new();
    folders(&world, 1);
    for event in [
        json!({"bucket": "raw", "keys": ["in/00/a"], "dry_run": true}),
        json!({"Bucket": "raw", "Key": "in/00/a", "dry_run": true}),
        json!({"Items": ["in/00/a"], "BatchInput": {"bucket": "raw", "dry_run": true}}),
    ] {
        assert_eq!(answer(&world.function(), &event).await["left_out"], 1, "{event}");
    }
    let beside = json!({"Items": ["in/00/a"], "BatchInput": {"bucket": "raw"}, "dry_run": true});
    assert!(
        error(&world.function(), &beside)
            .await
            .contains("write it into BatchInput")
    );
    assert!(world.server.model().keys("lake").is_empty());
}
