//! The publish protocol under crashes at every request, twins, overlapping batches, lost answers and thrown-away uploads.
//!
//! Whatever happens, one more run brings the lake to rest: each row of each source exactly once, no file of a dead job.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use std::sync::Arc;

use lakebed::job::claim::{Look, look};
use lakebed::job::lake::{Admitted, Lake};
use lakebed::job::outcome::{self, Outcome, State};
use lakebed::job::settle::settle;
use lakebed::job::shape::TableShape;
use lakebed::job::stage::PreparedJob;
use lakebed::job::{Answer, LakeError, publish};
use lakebed::store::{FolderStore, LakeKey, Store};
use support::faulty::{Faulty, Kill};
use support::key;
use support::memory::Memory;
use support::world::{Worker, World, judge, keys, source};

const KILLS: [Kill; 3] = [Kill::Before, Kill::After, Kill::Late];

/// Who comes after the one that was killed.
const NEXT: [Next; 5] = [
    Next {
        batches: &[&["a", "b"]],
        plan: "p1",
        machine: "",
    },
    Next {
        batches: &[&["a", "b"]],
        plan: "p1",
        machine: "its bytes differ",
    },
    Next {
        batches: &[&["a", "b"]],
        plan: "p2",
        machine: "",
    },
    Next {
        batches: &[&["a"], &["b"]],
        plan: "p2",
        machine: "",
    },
    Next {
        batches: &[&["b"], &["a", "b"]],
        plan: "p1",
        machine: "",
    },
];

#[derive(Clone, Copy, Debug)]
struct Next {
    batches: &'static [&'static [&'static str]],
    plan: &'static str,
    machine: &'static str,
}

async fn finish(worker: &Worker, next: Next) -> Result<(), LakeError> {
    let worker = worker.clone().plan(next.plan).machine(next.machine);
    for batch in next.batches {
        worker.load(batch).await?;
    }
    Ok(())
}

/// Kills a first run at every request in every way; afterwards others bring the lake to rest.
async fn crash_at_every_request<S: Store, K>(make: impl Fn() -> (Arc<S>, K), nexts: &[Next], meanwhile: impl Fn(&S)) {
    for kill in KILLS {
        for &next in nexts {
            for n in 1.. {
                let (store, _keep) = make();
                let store: Arc<S> = store;
                let world = World::of(&["a", "b"]);
                let faulty = Faulty::killed_at(store.clone(), n, kill);
                let first = Worker::new(faulty.clone(), &world).load(&["a", "b"]).await;
                assert_eq!(first.is_err(), faulty.was_killed(), "{first:?}");
                meanwhile(&store);
                let case = format!("{kill:?} request {n}: {:?}; then {next:?}", faulty.log().last());
                let worker = Worker::new(store.clone(), &world);
                finish(&worker, next)
                    .await
                    .unwrap_or_else(|error| panic!("{case}: {error:?}"));
                judge(&*store, &["a", "b"])
                    .await
                    .unwrap_or_else(|why| panic!("{case}: {why}"));
                // A request of the dead that was still under way. It may bring a file of a dead job back, whose intent waits
                // in `open/` for that.
                faulty.land().await;
                let lake = worker.lake().await.unwrap();
                for intent in keys(&*store, "_lakebed/open").await {
                    settle(&lake, &intent.file_name().to_owned().try_into().unwrap())
                        .await
                        .unwrap();
                }
                finish(&worker, next)
                    .await
                    .unwrap_or_else(|error| panic!("{case}: {error:?}"));
                judge(&*store, &["a", "b"])
                    .await
                    .unwrap_or_else(|why| panic!("{case}, landed: {why}"));
                let second = Faulty::logging(store.clone());
                finish(&worker.clone().killable(second.clone()), next).await.unwrap();
                assert_eq!(second.writes(), [""; 0], "{case}: a second run writes nothing");
                if !faulty.was_killed() {
                    assert!(n > 18, "the first run makes only {n} requests");
                    break;
                }
            }
        }
    }
}

fn in_memory() -> (Arc<Memory>, ()) {
    (Arc::new(Memory::default()), ())
}

fn in_a_folder() -> (Arc<FolderStore>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(FolderStore::open(folder.path()).unwrap()), folder)
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_request_leaves_nothing_that_a_later_run_does_not_finish() {
    crash_at_every_request(in_memory, &NEXT, |_| ()).await;
}

#[tokio::test]
async fn a_crash_at_any_request_is_finished_in_a_folder_too() {
    crash_at_every_request(in_a_folder, &NEXT[1..4], |_| ()).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_and_the_loss_of_all_uploads_only_cost_another_job() {
    crash_at_every_request(in_memory, &NEXT, Memory::throw_uploads_away).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_of_the_one_who_finishes_a_crashed_job_is_finished_as_well() {
    for first_kill in [Kill::Before, Kill::After] {
        for first in (6..40).step_by(3) {
            for second in 1..30 {
                for (lose_uploads, plan) in [(false, "p1"), (false, "p2"), (true, "p1")] {
                    let store = Arc::new(Memory::default());
                    let world = World::of(&["a", "b"]);
                    let faulty = Faulty::killed_at(store.clone(), first, first_kill);
                    let _ = Worker::new(faulty, &world).load(&["a", "b"]).await;
                    if lose_uploads {
                        store.throw_uploads_away();
                    }
                    let faulty = Faulty::killed_at(store.clone(), second, Kill::After);
                    let _ = Worker::new(faulty, &world)
                        .plan(plan)
                        .machine("other")
                        .load(&["a"])
                        .await;
                    Worker::new(store.clone(), &world).load(&["a", "b"]).await.unwrap();
                    judge(&*store, &["a", "b"])
                        .await
                        .unwrap_or_else(|why| panic!("{first_kill:?} {first}, then {second}, {lose_uploads}: {why}"));
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ones_own_success_seen_as_a_conflict_is_success() {
    let store = Arc::new(Memory::default());
    let world = World::of(&["a", "b", "c"]);
    let repeating = Worker::new(Faulty::repeating(store.clone()), &world);
    repeating.load(&["a", "b"]).await.unwrap();
    repeating.load(&["b", "c"]).await.unwrap();
    judge(&*store, &["a", "b", "c"]).await.unwrap();
    assert_eq!(keys(&*store, "_lakebed/jobs").await.len(), 2, "no job died of it");
    assert_eq!(store.open_uploads(), 0);
    assert_eq!(keys(&*store, "_lakebed/open").await, []);
}

#[tokio::test(start_paused = true)]
async fn the_plain_way_makes_few_requests() {
    let store = Arc::new(Memory::default());
    let world = World::of(&["a"]);
    Worker::new(store.clone(), &world).lake().await.unwrap();
    let logging = Faulty::logging(store);
    let worker = Worker::new(logging.clone(), &world).small();
    worker.load(&["a"]).await.unwrap();
    let kinds: Vec<_> = logging
        .log()
        .iter()
        .map(|line| line.split('/').take(2).collect::<Vec<_>>().join("/"))
        .collect();
    assert_eq!(
        kinds,
        [
            "get _lakebed/lake.json",
            "get _lakebed/tables",
            "get _lakebed/claims",
            "put_if_absent _lakebed/open",
            "put_if_absent _lakebed/claims",
            "put_if_absent _lakebed/quarantine",
            "put_if_absent t/hour=00",
            "put_if_absent t/hour=01",
            "put_if_absent _lakebed/jobs",
            "delete _lakebed/open",
        ]
    );
}

async fn all_at_once(
    store: Arc<dyn Store>,
    world: &Arc<World>,
    batches: &[&'static [&'static str]],
    plans: &[&'static str],
) {
    let running: Vec<_> = batches
        .iter()
        .enumerate()
        .map(|(n, &batch)| {
            let machine = ["", "one", "two"][n % 3];
            let worker = Worker::new(Arc::clone(&store), world)
                .plan(plans[n % plans.len()])
                .machine(machine);
            tokio::spawn(async move { worker.load(batch).await })
        })
        .collect();
    for worker in running {
        worker.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_converge() {
    for twins in [2, 4, 16] {
        for plans in [&["p1"][..], &["p1", "p2"]] {
            for _ in 0..3 {
                let (store, _folder) = in_a_folder();
                let world = World::of(&["a", "b", "c"]);
                all_at_once(store.clone(), &world, &vec![&["a", "b", "c"][..]; twins], plans).await;
                judge(&*store, &["a", "b", "c"]).await.unwrap();
                if plans.len() == 1 {
                    assert_eq!(keys(&*store, "_lakebed/jobs").await.len(), 1, "twins are one job");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_batches_load_each_source_once() {
    for _ in 0..10 {
        let (store, _folder) = in_a_folder();
        let world = World::of(&["a", "b", "c"]);
        all_at_once(store.clone(), &world, &[&["a", "b"], &["b", "c"], &["a", "c"]], &["p1"]).await;
        judge(&*store, &["a", "b", "c"]).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn any_order_of_requests_converges() {
    const BATCHES: [&[&str]; 6] = [
        &["a", "b"],
        &["b", "c"],
        &["a", "c"],
        &["a", "b", "c"],
        &["a"],
        &["a", "b"],
    ];
    for seed in 1..400u64 {
        let store = Arc::new(Memory::shuffled(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let world = World::of(&["a", "b", "c"]);
        let running: Vec<_> = (0..2 + seed % 4)
            .map(|n| {
                let pick = (seed / 4 + n * (1 + seed % 5)) as usize;
                // One in three is killed somewhere.
                let kill_at = if (seed + n) % 3 == 0 {
                    1 + (seed * 7 + n * 11) % 30
                } else {
                    u64::MAX
                };
                let faulty = Faulty::killed_at(store.clone(), kill_at, KILLS[pick % 2]);
                let worker = Worker::new(faulty.clone(), &world)
                    .plan(["p1", "p2"][pick / 3 % 2])
                    .machine(["", "other"][pick / 2 % 2]);
                tokio::spawn(async move { (worker.load(BATCHES[pick % 6]).await, faulty.was_killed()) })
            })
            .collect();
        if seed % 5 == 0 {
            tokio::task::yield_now().await;
            store.throw_uploads_away();
        }
        for worker in running {
            let (result, killed) = worker.await.unwrap();
            // An upload thrown away under the one who stages it is a failure of that run alone.
            assert!(result.is_ok() || killed || seed % 5 == 0, "seed {seed}: {result:?}");
        }
        Worker::new(store.clone(), &world).load(&["a", "b", "c"]).await.unwrap();
        judge(&*store, &["a", "b", "c"])
            .await
            .unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_replaced_object_is_neither_loaded_twice_nor_lost() {
    let store = Arc::new(Memory::default());
    let world = World::of(&["a"]);
    let worker = Worker::new(store.clone(), &world);
    worker.load(&["a"]).await.unwrap();
    let lake = worker.lake().await.unwrap();
    world.write("a", "2");
    match look(&lake, &source("a"), &*world).await.unwrap() {
        Look::Overwritten { job } => assert_eq!(outcome::read(&lake, &job).await.unwrap().unwrap().state, State::Done),
        other => panic!("{other:?}"),
    }
    world.remove("a");
    assert!(matches!(
        look(&lake, &source("a"), &*world).await.unwrap(),
        Look::Missing { .. }
    ));
    judge(&*store, &["a"]).await.unwrap();
}

async fn stop_after_intent(store: Arc<dyn Store>, prepared: PreparedJob) {
    // Request 1 looks at the lake, 2 is the intent, 3 would be the first claim.
    let dying = Lake::inspect(Faulty::killed_at(store, 3, Kill::Before), &[])
        .await
        .unwrap();
    assert!(publish(&dying, prepared).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_twin_joins_the_intent_that_is_there_and_its_own_uploads_go() {
    let store = Arc::new(Memory::default());
    let world = World::of(&["a"]);
    let worker = Worker::new(store.clone(), &world);
    let lake = worker.lake().await.unwrap();
    let job = worker.job(&lake, &["a"]).await.unwrap().unwrap();
    let twin = worker.clone().machine("twin").stage(&lake, job.clone()).await.unwrap();
    stop_after_intent(store.clone(), worker.stage(&lake, job).await.unwrap()).await;
    let Answer::Done(outcome) = publish(&lake, twin).await.unwrap() else {
        panic!("nobody is in its way")
    };
    assert_eq!(outcome.counts["machine"], "", "the first intent counts");
    assert_eq!(store.open_uploads(), 0);
    judge(&*store, &["a"]).await.unwrap();
}

#[tokio::test]
async fn a_crash_between_link_and_unlink_of_an_upload_leaves_nothing() {
    let (store, folder) = in_a_folder();
    let world = World::of(&["a"]);
    let worker = Worker::new(store.clone(), &world);
    let lake = worker.lake().await.unwrap();
    let job = worker.job(&lake, &["a"]).await.unwrap().unwrap();
    let id = job.id().clone();
    stop_after_intent(store.clone(), worker.stage(&lake, job).await.unwrap()).await;
    let hour = folder.path().join("t/hour=01");
    let hidden = std::fs::read_dir(&hour).unwrap().next().unwrap().unwrap().path();
    std::fs::hard_link(&hidden, hour.join(format!("{id}-0000.parquet"))).unwrap();
    settle(&lake, &id).await.unwrap();
    judge(&*store, &["a"]).await.unwrap();
    assert!(!hidden.exists());
}

#[tokio::test(start_paused = true)]
async fn a_settled_job_of_another_reads_its_intent_by_ranges() {
    let store = Arc::new(Memory::default());
    let names: Vec<String> = (0..700).map(|n| format!("source-with-a-long-name/{n:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::of(&names);
    let worker = Worker::new(store.clone(), &world);
    let lake = worker.lake().await.unwrap();
    let job = worker.job(&lake, &names).await.unwrap().unwrap();
    let id = job.id().clone();
    stop_after_intent(store.clone(), worker.stage(&lake, job).await.unwrap()).await;
    let intent = key(&format!("_lakebed/open/{id}"));
    assert!(
        store.head(&intent).await.unwrap().unwrap().size > 100 << 10,
        "longer than the first read"
    );

    let logging = Faulty::logging(store.clone());
    let other = Lake::open(logging.clone(), &["t"]).await.unwrap();
    assert_eq!(settle(&other, &id).await.unwrap().sources.len(), 700);
    assert!(!logging.log().contains(&format!("get {intent}")), "never read whole");
    judge(&*store, &names).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_claim_without_trace_of_its_job_stops_everything() {
    let store = Arc::new(Memory::default());
    let world = World::of(&["a"]);
    let worker = Worker::new(store.clone(), &world);
    worker.load(&["a"]).await.unwrap();
    let outcome = keys(&*store, "_lakebed/jobs").await.remove(0);
    store.delete(&outcome).await.unwrap();
    let error = worker.load(&["a"]).await.unwrap_err();
    assert!(
        matches!(error, LakeError::Damaged { .. }) && !error.is_transient(),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_with_other_content_is_never_touched() {
    let store = Arc::new(Memory::default());
    let world = World::of(&["a"]);
    let worker = Worker::new(store.clone(), &world);
    let lake = worker.lake().await.unwrap();
    let job = worker.job(&lake, &["a"]).await.unwrap().unwrap();
    let foreign = key(&format!("t/hour=00/{}-0000.parquet", job.id()));
    store.overwrite(&foreign, b"something else");
    let prepared = worker.stage(&lake, job).await.unwrap();
    let error = publish(&lake, prepared).await.unwrap_err();
    assert!(
        matches!(&error, LakeError::Unlike { key, .. } if *key == foreign),
        "{error}"
    );
    assert_eq!(
        store.get(&foreign).await.unwrap().unwrap().0,
        b"something else".as_slice()
    );
    // It was moved away, as the error says.
    store.delete(&foreign).await.unwrap();
    worker.load(&["a"]).await.unwrap();
    judge(&*store, &["a"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_rotted_is_not_published() {
    let store = Arc::new(Memory::default());
    let world = World::of(&["a"]);
    let worker = Worker::new(store.clone(), &world);
    let lake = worker.lake().await.unwrap();
    let job = worker.job(&lake, &["a"]).await.unwrap().unwrap();
    let id = job.id().clone();
    stop_after_intent(store.clone(), worker.stage(&lake, job).await.unwrap()).await;
    let intent = key(&format!("_lakebed/open/{id}"));
    let (bytes, _) = store.get(&intent).await.unwrap().unwrap();
    let mut rotten = bytes.to_vec();
    *rotten.last_mut().unwrap() ^= 1;
    store.overwrite(&intent, rotten.leak());
    assert!(matches!(
        settle(&lake, &id).await.unwrap_err(),
        LakeError::Damaged { .. }
    ));
    assert_eq!(
        keys(&*store, "t").await,
        [],
        "quarantine comes first, and is not as it should be"
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_twin_of_a_done_job_changes_nothing() {
    let store = Arc::new(Memory::default());
    let world = World::of(&["a"]);
    let worker = Worker::new(store.clone(), &world);
    let lake = worker.lake().await.unwrap();
    let job = worker.job(&lake, &["a"]).await.unwrap().unwrap();
    let late = worker.clone().machine("late").stage(&lake, job.clone()).await.unwrap();
    let Answer::Done(first) = publish(&lake, worker.stage(&lake, job).await.unwrap()).await.unwrap() else {
        panic!("nobody is in its way")
    };
    // A file that somebody compacted into another one must not come back.
    let compacted = first.files[0].key.clone();
    store.delete(&compacted).await.unwrap();
    assert_eq!(publish(&lake, late).await.unwrap(), Answer::Done(first));
    assert_eq!(store.head(&compacted).await.unwrap(), None);
    assert_eq!(keys(&*store, "_lakebed/open").await, [] as [LakeKey; 0]);
    assert_eq!(store.open_uploads(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_outcome_that_is_there_first_counts() {
    let store = Arc::new(Memory::default());
    let world = World::of(&["a"]);
    let worker = Worker::new(store.clone(), &world);
    let lake = worker.lake().await.unwrap();
    let job = worker.job(&lake, &["a"]).await.unwrap().unwrap();
    let id = job.id().clone();
    let prepared = worker.stage(&lake, job.clone()).await.unwrap();
    let dead = Outcome {
        replaces: None,
        replaced_by: None,
        version: 1,
        job: id.clone(),
        state: State::Dead,
        plan: job.plan().id().clone(),
        encoder: job.plan().encoder().to_owned(),
        sources: vec![],
        files: vec![],
        counts: serde_json::Value::Null,
    };
    let bytes = serde_json::to_vec(&dead).unwrap().leak();
    let other = store.clone();
    // After the lake's mark, the intent, the claim and three files, just before our own outcome.
    let interrupted = Faulty::interrupted_at(store.clone(), 7, async move {
        other.overwrite(&key(&format!("_lakebed/jobs/{id}.json")), bytes);
    });
    let lake = Lake::inspect(interrupted, &[]).await.unwrap();
    assert_eq!(publish(&lake, prepared).await.unwrap(), Answer::Dead);
    judge(&*store, &[]).await.unwrap();
    worker.load(&["a"]).await.unwrap();
    judge(&*store, &["a"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_outcome_needs_nothing_else_to_be_understood() {
    let store = Arc::new(Memory::default());
    let world = World::of(&["a", "b"]);
    let worker = Worker::new(store.clone(), &world);
    worker.load(&["b", "a"]).await.unwrap();
    let lake = worker.lake().await.unwrap();
    let Look::Loaded { job } = look(&lake, &source("a"), &*world).await.unwrap() else {
        panic!("it is loaded")
    };
    let outcome = outcome::read(&lake, &job).await.unwrap().unwrap();
    let json = serde_json::to_value(&outcome).unwrap();
    let fields: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        fields,
        [
            "counts", "encoder", "files", "job", "plan", "sources", "state", "version"
        ]
    );
    assert_eq!(
        json["sources"],
        serde_json::json!([
            { "key": "/raw/a", "etag": "1", "size": 100, "last_modified_s": 1_570_845_600 },
            { "key": "/raw/b", "etag": "1", "size": 100, "last_modified_s": 1_570_845_600 },
        ])
    );
    let file = &json["files"][0];
    assert_eq!(file["kind"], "data");
    assert_eq!(
        (&file["table"], &file["hour"], &file["rows"]),
        (&"t".into(), &"2019-10-12T00".into(), &6.into())
    );
    assert_eq!(
        file["rows_of"],
        serde_json::json!([{ "source": 0, "first_row": 0, "rows": 3 }, { "source": 1, "first_row": 3, "rows": 3 }])
    );
}

#[tokio::test(start_paused = true)]
async fn a_lake_is_only_opened_where_it_may_be() {
    let marked = |version: u32| {
        format!(r#"{{"version":{version},"format":"lakebed"}}"#)
            .leak()
            .as_bytes()
    };
    let shape = |kind: &str| TableShape {
        name: "t".into(),
        layout: "day/hour".into(),
        columns: vec![("id".into(), kind.into())],
    };

    let store = Arc::new(Memory::default());
    Lake::inspect(store.clone(), &["t"]).await.unwrap();
    assert_eq!(
        store.head(&key("_lakebed/lake.json")).await.unwrap(),
        None,
        "inspecting writes nothing"
    );
    store.overwrite(&key("t/part-0.parquet"), b"from elsewhere");
    assert!(matches!(
        Lake::open(store.clone(), &["t"]).await.unwrap_err(),
        LakeError::NotALake { .. }
    ));
    Lake::open(store.clone(), &["u"]).await.unwrap();
    Lake::open(store.clone(), &["t"]).await.unwrap();
    store.overwrite(&key("_lakebed/lake.json"), marked(2));
    assert!(matches!(
        Lake::open(store.clone(), &["t"]).await.unwrap_err(),
        LakeError::Newer { found: 2, .. }
    ));
    store.overwrite(&key("_lakebed/lake.json"), marked(1));

    let lake = Lake::open(store.clone(), &["t"]).await.unwrap();
    assert_eq!(lake.check_table(&shape("int")).await.unwrap(), Admitted::New);
    assert_eq!(lake.admit_table(&shape("int")).await.unwrap(), Admitted::New);
    assert_eq!(lake.admit_table(&shape("int")).await.unwrap(), Admitted::Same);
    let widened = Admitted::Evolved(vec!["column id was int and is now bigint".into()]);
    assert_eq!(lake.check_table(&shape("bigint")).await.unwrap(), widened);
    assert_eq!(lake.admit_table(&shape("bigint")).await.unwrap(), widened);
    let error = lake.admit_table(&shape("string")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "table t: column id was bigint and is now string. Keep it as it was, or give the table a new name"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lake_that_another_process_makes_meanwhile_is_one() {
    let store = Arc::new(Memory::default());
    let world = World::of(&["a"]);
    let worker = Worker::new(store.clone(), &world);
    // Between the look for the lake's mark and the listing of the table.
    let interrupted = Faulty::interrupted_at(store.clone(), 2, async move { worker.load(&["a"]).await.unwrap() });
    Lake::open(interrupted, &["t"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_may_open_a_lake_and_record_a_table_at_once() {
    let (store, _folder) = in_a_folder();
    let shape = |columns: &[&str]| TableShape {
        name: "t".into(),
        layout: "day/hour".into(),
        columns: columns.iter().map(|name| (name.to_string(), "int".into())).collect(),
    };
    let openers: Vec<_> = (0..16)
        .map(|n| {
            let (store, shape) = (store.clone(), shape([&["a", "b"][..], &["a", "c"]][n % 2]));
            tokio::spawn(async move { Lake::open(store, &["t"]).await?.admit_table(&shape).await })
        })
        .collect();
    for opener in openers {
        opener.await.unwrap().unwrap();
    }
}
