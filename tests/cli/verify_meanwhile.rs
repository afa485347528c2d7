//! `lakebed verify` of a lake that others write to: what is on its way is no fault, whenever it is met.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lakebed::store::{
    Body, Checksum, Compared, Complete, FolderStore, LakeKey, ObjectMeta, Page, Part, Pending, Put, Replace, Store,
    Tag, UploadId, UploadPage, UploadsAfter,
};
use lakebed::verify::{Options, Progress, Report, verify};
use serde_json::{Value, json};

use crate::sandbox::{Dice, EVENT_YAML, Run as _, Sandbox, events, finish, lines};
use crate::verify_damaged::copy;

pub(crate) type Action = Box<dyn FnOnce() + Send>;

/// A folder in which something happens right before it is asked for something.
#[derive(Debug)]
pub(crate) struct Meddling {
    inner: FolderStore,
    /// What happens before what begins with a name is listed or read for the first time, one after another.
    then: Mutex<Then>,
    /// What was read right before it was replaced.
    stale: Mutex<HashMap<String, Bytes>>,
}

struct Then(VecDeque<(String, Action)>);

impl std::fmt::Debug for Then {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(before, _)| before)).finish()
    }
}

impl Meddling {
    fn asked_for(&self, key: &LakeKey) {
        let mut then = self.then.lock().unwrap();
        let is_next = |(before, _): &(String, Action)| format!("{key}/").starts_with(before);
        if then.0.front().is_some_and(is_next)
            && let Some((_, action)) = then.0.pop_front()
        {
            action();
        }
    }

    /// Whether all of it has happened.
    pub(crate) fn is_done(&self) -> bool {
        self.then.lock().unwrap().0.is_empty()
    }
}

impl Store for Meddling {
    fn get<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<(Bytes, Tag)>> {
        self.asked_for(key);
        match self.stale.lock().unwrap().remove(key.as_str()) {
            Some(bytes) => Box::pin(async move { Ok(Some((bytes, Tag::new("stale")))) }),
            None => self.inner.get(key),
        }
    }

    fn get_range<'a>(&'a self, key: &'a LakeKey, range: Range<u64>) -> Pending<'a, Option<Bytes>> {
        self.asked_for(key);
        self.inner.get_range(key, range)
    }

    fn list<'a>(&'a self, folder: &'a LakeKey, start_after: Option<&'a LakeKey>) -> Pending<'a, Page> {
        self.asked_for(folder);
        self.inner.list(folder, start_after)
    }

    fn head<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, Option<ObjectMeta>> {
        self.asked_for(key);
        self.inner.head(key)
    }

    fn compare<'a>(&'a self, _: &'a LakeKey, _: u64, _: &'a Checksum, _: &'a [Part]) -> Pending<'a, Compared> {
        unreachable!("nothing is published")
    }

    fn put_if_absent<'a>(&'a self, key: &'a LakeKey, _: Body) -> Pending<'a, Put> {
        panic!("{key} was to be written")
    }

    fn put_if_match<'a>(&'a self, key: &'a LakeKey, _: Bytes, _: &'a Tag) -> Pending<'a, Replace> {
        panic!("{key} was to be replaced")
    }

    fn delete<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, ()> {
        panic!("{key} was to be deleted")
    }

    fn start_upload<'a>(&'a self, key: &'a LakeKey) -> Pending<'a, UploadId> {
        panic!("{key} was to be written")
    }

    fn upload_part<'a>(&'a self, key: &'a LakeKey, _: &'a UploadId, _: u32, _: u64, _: Body) -> Pending<'a, Part> {
        panic!("{key} was to be written")
    }

    fn complete_upload_if_absent<'a>(
        &'a self,
        key: &'a LakeKey,
        _: &'a UploadId,
        _: &'a [Part],
    ) -> Pending<'a, Complete> {
        panic!("{key} was to be written")
    }

    fn abort_upload<'a>(&'a self, key: &'a LakeKey, _: &'a UploadId) -> Pending<'a, ()> {
        panic!("{key} was to be written")
    }

    fn list_uploads<'a>(&'a self, _: Option<&'a UploadsAfter>) -> Pending<'a, UploadPage> {
        unreachable!("uploads are none of its business")
    }

    fn now(&self) -> Pending<'_, SystemTime> {
        unreachable!("nothing has an age")
    }
}

/// A lake with one job, the one that comes next in a lake of its own, and all to bring it over step by step.
pub(crate) struct Scene {
    pub(crate) sandbox: Sandbox,
}

/// The parts of a lake that a job is published in.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(crate) lake: PathBuf,
    next: PathBuf,
    /// The job that is there from the beginning.
    pub(crate) job: String,
}

impl Scene {
    /// The next job has other sources.
    pub(crate) fn with_new_sources() -> Self {
        Self::of("raw/b", "schemas")
    }

    /// The next job takes the place of the first: it has the same sources.
    pub(crate) fn with_an_heir() -> Self {
        let scene = Self::of("raw/a", "wider");
        let paths = scene.paths();
        for entry in fs::read_dir(paths.next.join("_lakebed/claims")).unwrap() {
            edit(&entry.unwrap().path(), |claim| {
                claim["was"] = json!({ "job": paths.job, "version": claim["version"] });
            });
        }
        scene
    }

    fn of(next: &str, schemas: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("wider/event.yaml", EVENT_YAML.to_owned() + "  more: string\n");
        sandbox.write("raw/a/1.json", lines(0..50) + "oops\n");
        sandbox.write("raw/a/2.json", lines(50..100));
        sandbox.write("raw/b/1.json", lines(100..200) + "oops\n");
        sandbox.run("backfill raw/a --to lake").exits(0);
        sandbox
            .run(&format!("backfill {next} --to next --schemas {schemas}"))
            .exits(0);
        Self { sandbox }
    }

    pub(crate) fn paths(&self) -> Paths {
        let lake = self.sandbox.path("lake");
        Paths {
            job: Paths::job_in(&lake),
            lake,
            next: self.sandbox.path("next"),
        }
    }

    /// Verifies both ways; each time `action` is done before what begins with `before` is asked for.
    #[track_caller]
    fn proves(self, before: &'static str, action: fn(&Paths)) {
        let paths = self.paths();
        copy(&paths.lake, &self.sandbox.path("lake2"));
        for (lake, quick) in [("lake", false), ("lake2", true)] {
            let paths = Paths {
                lake: self.sandbox.path(lake),
                ..paths.clone()
            };
            let root = paths.lake.clone();
            let store = meddling(&root, before, Box::new(move || action(&paths)));
            let report = verified(Arc::clone(&store), quick);
            assert!(report.is_proved(), "{before} {quick}: {:?}", report.problems);
            assert_eq!(report.unfinished, 0, "{before} {quick}");
            assert!(store.is_done(), "{before} was never asked for");
            // And so it is when all has come to rest.
            let paths = self.sandbox.path(lake);
            let report = verified(meddling(&paths, "nothing", Box::new(|| ())), quick);
            assert!(report.is_proved(), "{before} {quick}: {:?}", report.problems);
        }
    }
}

fn meddling(lake: &Path, before: &str, then: Action) -> Arc<Meddling> {
    meddling_often(lake, [(before.to_owned(), then)])
}

pub(crate) fn meddling_often(lake: &Path, then: impl Into<VecDeque<(String, Action)>>) -> Arc<Meddling> {
    Arc::new(Meddling {
        inner: FolderStore::open(lake).unwrap(),
        then: Mutex::new(Then(then.into())),
        stale: Mutex::default(),
    })
}

fn verified(store: Arc<Meddling>, quick: bool) -> Report {
    let options = Options {
        lake: "lake".to_owned(),
        quick,
        spill_dir: std::env::temp_dir(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(verify(store, &options, &Progress::default())).unwrap()
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    // As a store replaces what is there: at once.
    fs::write(path.with_extension("new"), json.to_string()).unwrap();
    fs::rename(path.with_extension("new"), path).unwrap();
}

impl Paths {
    fn job_in(lake: &Path) -> String {
        let mut outcomes = fs::read_dir(lake.join("_lakebed/jobs")).unwrap();
        let name = outcomes.next().unwrap().unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".json").unwrap().to_owned()
    }

    fn bring(&self, folder: &str) {
        copy(&self.next.join(folder), &self.lake.join(folder));
    }

    pub(crate) fn intent(&self) -> PathBuf {
        self.lake.join("_lakebed/open").join(Self::job_in(&self.next))
    }

    /// Intent and claims.
    pub(crate) fn begin(&self) {
        fs::create_dir_all(self.lake.join("_lakebed/open")).unwrap();
        fs::write(self.intent(), "{}").unwrap();
        self.bring("_lakebed/claims");
    }

    pub(crate) fn publish(&self) {
        self.bring("_lakebed/tables");
        self.bring("_lakebed/quarantine");
        self.bring("event");
    }

    pub(crate) fn outcome(&self) {
        self.bring("_lakebed/jobs");
        fs::remove_file(self.intent()).unwrap();
    }

    /// The whole of the next job.
    fn next(&self) {
        self.begin();
        self.publish();
        self.outcome();
    }

    fn outcome_of_first(&self) -> PathBuf {
        self.lake.join(format!("_lakebed/jobs/{}.json", self.job))
    }

    /// The first job goes from done to dead.
    pub(crate) fn kill(&self) {
        edit(&self.outcome_of_first(), |outcome| outcome["state"] = json!("dead"));
    }

    /// What the first job has read was replaced since.
    pub(crate) fn have_read_other_versions(&self) {
        edit(&self.outcome_of_first(), |outcome| {
            for source in outcome["sources"].as_array_mut().unwrap() {
                source["size"] = 7.into();
            }
        });
        for entry in fs::read_dir(self.lake.join("_lakebed/claims")).unwrap() {
            edit(&entry.unwrap().path(), |claim| claim["version"]["size"] = 7.into());
        }
    }

    fn delete(&self) {
        let outcome: Value = serde_json::from_slice(&fs::read(self.outcome_of_first()).unwrap()).unwrap();
        for file in outcome["files"].as_array().unwrap() {
            fs::remove_file(self.lake.join(file["key"].as_str().unwrap())).unwrap();
        }
    }

    /// The next job takes the place of the first.
    pub(crate) fn inherit(&self) {
        self.begin();
        self.publish();
        self.kill();
        self.delete();
        self.outcome();
    }
}

/// A while later, beside what goes on.
fn later(paths: &Paths, action: impl FnOnce(&Paths) + Send + 'static) {
    let paths = paths.clone();
    drop(std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(900));
        action(&paths);
    }));
}

/// Everything that is asked for, in the order in which it is.
const MOMENTS: [&str; 8] = [
    "_lakebed/lake.json",
    "_lakebed/claims/",
    "_lakebed/tables/",
    "_lakebed/open/",
    "_lakebed/jobs/",
    "_lakebed/quarantine/",
    "event/",
    "event/year=2024/month=05/day=01/hour=0",
];

#[test]
fn a_job_that_is_done_at_any_moment_is_no_fault() {
    for before in &MOMENTS[..7] {
        Scene::with_new_sources().proves(before, Paths::next);
    }
}

#[test]
fn a_job_that_is_half_way_at_any_moment_is_waited_for() {
    for before in &MOMENTS[..7] {
        Scene::with_new_sources().proves(before, |paths| {
            paths.begin();
            paths.publish();
            later(paths, Paths::outcome);
        });
    }
}

#[test]
fn a_job_that_is_replaced_at_any_moment_is_no_fault() {
    for before in &MOMENTS[..7] {
        Scene::with_an_heir().proves(before, Paths::inherit);
    }
}

#[test]
fn an_heir_that_is_half_way_at_any_moment_is_waited_for() {
    for before in &MOMENTS[..7] {
        Scene::with_an_heir().proves(before, |paths| {
            paths.begin();
            paths.publish();
            later(paths, |paths| {
                paths.kill();
                std::thread::sleep(Duration::from_millis(900));
                paths.delete();
                paths.outcome();
            });
        });
    }
}

#[test]
fn files_that_go_while_they_are_read_are_no_fault_where_their_job_is_replaced() {
    let scene = Scene::with_an_heir();
    let paths = scene.paths();
    let lake = paths.lake.clone();
    let report = verified(meddling(&lake, MOMENTS[7], Box::new(move || paths.inherit())), false);
    assert!(report.is_proved(), "{:?}", report.problems);
    // Otherwise they are missing.
    let scene = Scene::with_new_sources();
    let paths = scene.paths();
    let lake = paths.lake.clone();
    let report = verified(meddling(&lake, MOMENTS[7], Box::new(move || paths.delete())), false);
    assert!(!report.is_proved());
    assert!(
        report
            .problems
            .iter()
            .all(|problem| problem.code.as_str() == "File.Missing"),
        "{:?}",
        report.problems
    );
}

#[test]
fn two_jobs_of_one_source_are_no_fault_where_one_has_replaced_the_other_since() {
    for quick in [false, true] {
        let scene = Scene::with_an_heir();
        let paths = scene.paths();
        let stale = fs::read(paths.outcome_of_first()).unwrap();
        paths.inherit();
        let store = meddling(&paths.lake, "nothing", Box::new(|| ()));
        store
            .stale
            .lock()
            .unwrap()
            .insert(format!("_lakebed/jobs/{}.json", paths.job), stale.into());
        let report = verified(Arc::clone(&store), quick);
        assert!(store.stale.lock().unwrap().is_empty());
        assert_eq!(
            (report.is_proved(), report.outcomes.done),
            (true, 2),
            "{:?}",
            report.problems
        );
    }
}

#[test]
fn a_lake_that_is_loaded_into_is_proved_again_and_again() {
    let sandbox = Sandbox::new();
    for file in 0..40 {
        sandbox.write(
            &format!("raw/{:02}/{file:02}.json", file / 2),
            events(file * 4000..(file + 1) * 4000, 12, 2, "\n"),
        );
    }
    sandbox.run("backfill raw/00 --to lake").exits(0);
    let mut loading = sandbox.command("backfill raw --to lake --json --jobs 2").begin();
    let (mut during, mut unlike) = (0, 0);
    let mut before = 0;
    while loading.try_wait().unwrap().is_none() {
        let quick = if during % 3 == 2 { "--quick" } else { "" };
        let ran = sandbox.run(&format!("verify lake --json {quick}"));
        assert_eq!(ran.exit, Some(0), "{}", ran.stdout);
        let rows = ran.json()["rows"].as_u64().unwrap();
        assert!(rows >= before, "{rows} rows after {before}");
        unlike += u32::from(rows != before);
        before = rows;
        during += 1;
    }
    finish(loading).exits(0);
    assert!(
        during > 2 && unlike > 1,
        "only {during} proofs while it was loaded into"
    );
    let json = sandbox.run("verify lake --json").exits(0).json();
    assert_eq!((&json["rows"], &json["unfinished"]), (&160_000.into(), &0.into()));
}

#[test]
fn a_lake_that_a_killed_run_leaves_has_files_of_unfinished_jobs_at_most() {
    let sandbox = Sandbox::new();
    for file in 0..12 {
        sandbox.write(
            &format!("raw/{file:02}/x.json"),
            events(file * 3000..(file + 1) * 3000, 12, 2, "\n"),
        );
    }
    let mut dice = Dice(5);
    for _ in 0..4 {
        let mut loading = sandbox.command("backfill raw --to lake --jobs 1").begin();
        std::thread::sleep(Duration::from_millis(100 + dice.below(900)));
        loading.kill().unwrap();
        finish(loading);
        if !sandbox.path("lake/_lakebed/lake.json").exists() {
            continue;
        }
        let ran = sandbox.run("verify lake --json");
        let json = ran.json();
        let codes: Vec<_> = json["codes"].as_object().unwrap().keys().collect();
        assert!(codes.is_empty() || codes == ["Job.Unfinished"], "{}", json["problems"]);
        assert!(codes.is_empty() || json["unfinished"].as_u64().unwrap() > 0);
    }
    sandbox.load("").exits(0);
    assert_eq!(sandbox.run("verify lake --json").exits(0).json()["rows"], 36_000);
}
