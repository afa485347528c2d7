//! `lakebed reconcile` of a lake that others write to: what is loaded is never told as missing, whenever its job is replaced.

use std::sync::Arc;

use lakebed::job::lake::Lake;
use lakebed::place::Place;
use lakebed::reconcile::{Options, Progress, Report, Why, reconcile};
use lakebed::source::listing::Selection;

use crate::sandbox::{Run as _, Sandbox, events, finish, lines};
use crate::verify_meanwhile::{Action, Paths, Scene, meddling_often};

type Step = (&'static str, fn(&Paths));

/// Reconciles what the first job has loaded; each step is done right before what begins with its name is asked for.
#[track_caller]
fn reconciled(scene: &Scene, steps: &[Step]) -> Report {
    let paths = scene.paths();
    let then = steps.iter().map(|(before, step)| {
        let (paths, step) = (paths.clone(), *step);
        let before = before.replace("<job>", &paths.job);
        (before, Box::new(move || step(&paths)) as Action)
    });
    let store = meddling_often(&paths.lake, then.collect::<Vec<_>>());
    let options = Options {
        raw: vec![Place::Local(scene.sandbox.path("raw/a"))],
        selection: Selection::default(),
        lake: Place::Local(paths.lake.clone()),
        load: false,
        spill_dir: std::env::temp_dir(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let found = runtime.block_on(async {
        let lake = Lake::existing(Arc::clone(&store) as _).await.unwrap().unwrap();
        reconcile(&lake, None, &options, &Progress::default()).await.unwrap()
    });
    assert!(store.is_done(), "{store:?}");
    found.report
}

/// Loaded, of open jobs, and the rest.
fn counts(report: &Report) -> [u64; 3] {
    let sources = &report.sources;
    assert_eq!(sources.found, 2);
    [sources.loaded, sources.open, sources.never + sources.overwritten]
}

#[test]
fn a_job_that_is_replaced_at_any_moment_leaves_nothing_missing() {
    for before in ["_lakebed/open/", "_lakebed/jobs/", "_lakebed/jobs/<job>"] {
        let report = reconciled(&Scene::with_an_heir(), &[(before, Paths::inherit)]);
        assert_eq!(counts(&report), [2, 0, 0], "{before}: {:?}", report.missing);
        assert_eq!(report.exit, 0);
    }
}

#[test]
fn a_job_whose_heir_has_not_ended_leaves_its_sources_to_an_open_job() {
    fn half_way(paths: &Paths) {
        paths.begin();
        paths.publish();
        paths.kill();
    }
    let scene = Scene::with_an_heir();
    let report = reconciled(&scene, &[("_lakebed/jobs/<job>", half_way)]);
    assert_eq!(counts(&report), [0, 2, 0], "{:?}", report.missing);
    let heir = scene.paths().intent();
    for missing in &report.missing {
        let job = missing.job.as_ref().map(|job| job.as_str());
        assert_eq!((missing.why, job), (Why::Open, heir.file_name().unwrap().to_str()));
    }
    // It ends after its claim was read, when there was no outcome.
    for before in ["_lakebed/claims/", "_lakebed/open/"] {
        let steps: [Step; 2] = [("_lakebed/jobs/<job>", half_way), (before, Paths::outcome)];
        let report = reconciled(&Scene::with_an_heir(), &steps);
        assert_eq!(counts(&report), [2, 0, 0], "{before}: {:?}", report.missing);
    }
}

#[test]
fn what_is_overwritten_and_loaded_anew_meanwhile_is_loaded() {
    let scene = Scene::with_an_heir();
    let steps: [Step; 2] = [
        ("_lakebed/lake.json", Paths::have_read_other_versions),
        ("_lakebed/claims/", Paths::inherit),
    ];
    let report = reconciled(&scene, &steps);
    assert_eq!(counts(&report), [2, 0, 0], "{:?}", report.missing);
    // Nobody loads it anew.
    let report = reconciled(&Scene::with_an_heir(), &steps[..1]);
    assert_eq!(report.sources.overwritten, 2, "{:?}", report.missing);
}

#[test]
fn objects_that_are_loaded_again_are_never_told_as_missing_from_the_lake() {
    let sandbox = Sandbox::new();
    for file in 0..24 {
        let records = events(file * 1000..(file + 1) * 1000, 12, 2, "\n");
        sandbox.write(&format!("raw/{file:02}/x.json"), records);
    }
    sandbox.write("raw/small.json", lines(0..10));
    sandbox.load("").exits(0);
    let mut loading = sandbox
        .command("backfill raw --to lake --json --reload --jobs 2")
        .begin();
    let mut during = 0;
    while loading.try_wait().unwrap().is_none() {
        let json = sandbox.run("reconcile raw --to lake --json").json();
        let sources = &json["sources"];
        assert_eq!(
            (&sources["found"], &sources["never"], &sources["overwritten"]),
            (&25.into(), &0.into(), &0.into()),
            "{json}"
        );
        during += 1;
    }
    finish(loading).exits(0);
    assert!(during > 1, "only {during} times while it was loaded again");
    sandbox.run("reconcile raw --to lake").exits(0);
}
