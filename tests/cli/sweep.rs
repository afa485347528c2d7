//! `lakebed sweep` of lakes in folders: what killed runs left, and what it says.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::sandbox::{Ran, Run as _, Sandbox, events, finish, lines};
use crate::verify::loaded;

const DAY: Duration = Duration::from_secs(24 * 3600);
const JOB: &str = "mzxw6ytboiaaaaaaaaaaaaaaaa";

/// A file of the lake as it was left so many days ago.
fn leave(sandbox: &Sandbox, name: &str, days: u32) {
    sandbox.write(name, "half");
    age(&sandbox.path(name), days);
}

fn age(path: &Path, days: u32) {
    #[allow(clippy::disallowed_methods, reason = "the files of a folder are dated by this clock")]
    let then = SystemTime::now() - DAY * days;
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(then)
        .unwrap();
}

#[track_caller]
fn sweep(sandbox: &Sandbox, more: &str) -> Ran {
    sandbox.run(&format!("sweep lake --json {more}"))
}

#[test]
fn a_lake_at_rest_is_left_as_it_is() {
    let sandbox = loaded();
    let before = sandbox.lake("lake").snapshot();
    for more in ["", "--dry-run"] {
        let ran = sandbox.run(&format!("sweep lake {more}")).exits(0);
        assert_eq!(ran.stdout, "nothing to sweep: no job is open, and no upload\n");
        assert_eq!(ran.stderr, "");
        let expected = json!({
            "version": 1, "verb": "sweep", "lake": "lake", "exit": 0, "dry_run": !more.is_empty(),
            "jobs": {"found": 0, "settled": 0, "done": 0, "dead": 0, "dropped": 0},
            "files": 0,
            "uploads": {"found": 0, "aborted": 0, "named": 0, "young": 0, "foreign": 0, "failed": 0, "not_listed": null},
            "failed": [], "failed_more": 0,
        });
        assert_eq!(sweep(&sandbox, more).exits(0).json(), expected);
    }
    assert!(sandbox.lake("lake").snapshot() == before, "something was written");
}

#[test]
fn hidden_files_of_killed_processes_go_after_seven_days() {
    let sandbox = loaded();
    let hour = "lake/event/year=2024/month=05/day=01/hour=01";
    let old = [
        format!("{hour}/.{JOB}-0000.parquet.0123456789abcdef.upload"),
        format!("{hour}/.{JOB}-0001.parquet.77.0.tmp"),
        format!("lake/_lakebed/claims/.{JOB}.json.77.1.tmp"),
        format!("lake/_lakebed/open/.{JOB}.77.2.tmp"),
        format!("lake/_lakebed/quarantine/date=2024-05-01/.{JOB}-0000.ndjson.gz.77.3.tmp"),
    ];
    let young = [
        format!("{hour}/.{JOB}-0002.parquet.0123456789abcdef.upload"),
        format!("lake/_lakebed/jobs/.{JOB}.json.78.1.tmp"),
    ];
    let others = [
        "lake/.gitignore",
        "lake/event/.DS_Store",
        "lake/notes/.draft.txt.1.2.tmp",
    ];
    old.iter().for_each(|name| leave(&sandbox, name, 8));
    young.iter().for_each(|name| leave(&sandbox, name, 6));
    others.iter().for_each(|name| leave(&sandbox, name, 400));
    let before = sandbox.lake("lake").snapshot();
    let text = sandbox.run("sweep lake --dry-run").exits(0).stdout;
    assert!(
        text.starts_with("nothing was written; a sweep does this:\n0 jobs in _lakebed/open/: 0 to settle; "),
        "{text}"
    );
    assert!(
        text.contains("8 open uploads: 5 to abort, 0 of open jobs, 2 younger than seven days, 1 of others"),
        "{text}"
    );
    assert!(sandbox.lake("lake").snapshot() == before, "something was written");
    let json = sweep(&sandbox, "").exits(0).json();
    let expected = json!({
        "found": 8, "aborted": 5, "named": 0, "young": 2, "foreign": 1, "failed": 0, "not_listed": null,
    });
    assert_eq!(json["uploads"], expected);
    assert!(old.iter().all(|name| !sandbox.path(name).exists()));
    assert!(young.iter().all(|name| sandbox.path(name).exists()));
    assert!(others.iter().all(|name| sandbox.path(name).exists()));
    sandbox.lake("lake").prove();
}

/// Runs that are killed between their first intent and their end, again and again, until one is killed there.
fn killed() -> Sandbox {
    let sandbox = Sandbox::new();
    for file in 0..12 {
        sandbox.write(
            &format!("raw/{file:02}/x.json"),
            events(file * 800..(file + 1) * 800, 4, 4, "\n") + "oops\n",
        );
    }
    sandbox.write("raw/large/x.json", events(9_600..21_600, 1, 50, "\n"));
    for _ in 0..40 {
        let mut child = sandbox.command("backfill raw --to lake --json").begin();
        while child.try_wait().unwrap().is_none() && sandbox.lake("lake").intents().is_empty() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        finish(child);
        let lake = sandbox.lake("lake");
        let ended: Vec<_> = lake.outcomes().iter().map(|outcome| outcome["job"].clone()).collect();
        let is_open = |intent: &String| !ended.iter().any(|job| intent.ends_with(job.as_str().unwrap()));
        if lake.intents().iter().any(is_open) {
            return sandbox;
        }
        fs::remove_dir_all(sandbox.path("lake")).unwrap();
    }
    panic!("no run was killed while a job was open");
}

#[test]
fn what_a_killed_run_decided_is_finished_without_its_raw_objects() {
    let sandbox = killed();
    fs::rename(sandbox.path("raw"), sandbox.path("away")).unwrap();
    fs::rename(sandbox.path("schemas"), sandbox.path("nowhere")).unwrap();
    let before = sandbox.lake("lake").snapshot();
    let dry = sweep(&sandbox, "--dry-run").exits(0).json();
    assert!(sandbox.lake("lake").snapshot() == before, "something was written");
    let found = dry["jobs"]["settled"].as_u64().unwrap();
    assert!(found > 0, "{dry}");
    let json = sweep(&sandbox, "").exits(0).json();
    assert_eq!(
        (&json["jobs"]["settled"], &json["failed"]),
        (&found.into(), &json!([])),
        "{json}"
    );
    let lake = sandbox.lake("lake");
    lake.prove();
    // Those of jobs that had ended when the run was killed stay for a day.
    for intent in lake.intents() {
        age(&sandbox.path("lake").join(&intent), 2);
        let job = intent.rsplit('/').next().unwrap();
        age(&sandbox.path(&format!("lake/_lakebed/jobs/{job}.json")), 2);
    }
    let left = lake.intents().len() as u64;
    let json = sweep(&sandbox, "").exits(0).json();
    assert_eq!(json["jobs"]["dropped"], left, "{json}");
    assert_eq!(lake.intents(), [""; 0]);
    // What was not decided is loaded by the next run.
    fs::rename(sandbox.path("away"), sandbox.path("raw")).unwrap();
    fs::rename(sandbox.path("nowhere"), sandbox.path("schemas")).unwrap();
    sandbox.load("").exits(0);
    assert!(
        lake.prove().ids() == (0..21_600).collect::<Vec<_>>(),
        "rows are missing or doubled"
    );
    assert_eq!(lake.quarantine().len(), 12);
}

#[test]
fn sweeps_at_once_and_beside_loads_leave_a_sound_lake() {
    let sandbox = killed();
    let loading: Vec<_> = (0..2)
        .map(|_| sandbox.command("backfill raw --to lake --json").begin())
        .collect();
    let sweeping: Vec<_> = (0..3).map(|_| sandbox.command("sweep lake --json").begin()).collect();
    for child in sweeping.into_iter().chain(loading) {
        finish(child).exits(0);
    }
    for more in ["", "--reload"] {
        let loading = sandbox
            .command(&format!("backfill raw --to lake --json {more}"))
            .begin();
        let sweeping = sandbox.command("sweep lake --json").begin();
        finish(sweeping).exits(0);
        finish(loading).exits(0);
    }
    sweep(&sandbox, "").exits(0);
    assert!(
        sandbox.lake("lake").prove().ids() == (0..21_600).collect::<Vec<_>>(),
        "rows are missing or doubled"
    );
    sandbox.run("verify lake").exits(0);
}

#[test]
fn intents_of_replaced_jobs_are_dropped_after_a_day_and_their_files_deleted_again() {
    let sandbox = loaded();
    sandbox.load("--reload").exits(0);
    let lake = sandbox.lake("lake");
    assert_eq!(lake.intents().len(), 2);
    // A late request brings a file back.
    let dead = lake
        .outcomes()
        .into_iter()
        .find(|outcome| outcome["state"] == "dead")
        .unwrap();
    let back = format!("lake/{}", dead["files"][0]["key"].as_str().unwrap());
    sandbox.write(&back, "x");
    sandbox.run("verify lake").exits(1);
    let text = sandbox.run("sweep lake").exits(0).stdout;
    assert!(
        text.starts_with("2 jobs in _lakebed/open/: 0 settled now; 2 done, 0 dead\n12 files of dead jobs deleted"),
        "{text}"
    );
    assert!(!sandbox.path(&back).exists());
    sandbox.run("verify lake").exits(0);
    for intent in lake.intents() {
        age(&sandbox.path("lake").join(&intent), 2);
    }
    // Its outcome is of today: requests may be under way still.
    assert_eq!(sweep(&sandbox, "").exits(0).json()["jobs"]["dropped"], 0);
    for outcome in fs::read_dir(sandbox.path("lake/_lakebed/jobs")).unwrap() {
        age(&outcome.unwrap().path(), 2);
    }
    assert_eq!(sweep(&sandbox, "--dry-run").exits(0).json()["jobs"]["dropped"], 2);
    assert_eq!(lake.intents().len(), 2);
    assert_eq!(sweep(&sandbox, "").exits(0).json()["jobs"]["dropped"], 2);
    assert_eq!(lake.intents(), [""; 0]);
    sandbox.run("verify lake").exits(0);
}

#[test]
fn what_is_wrong_with_one_job_does_not_keep_the_others() {
    let sandbox = killed();
    sandbox.write(&format!("lake/_lakebed/open/{JOB}"), "{}\n");
    sandbox.write("lake/_lakebed/open/README.txt", "hello");
    let ran = sandbox.run("sweep lake").exits(1);
    assert!(ran.stdout.contains("\n2 could not be settled:\n"), "{}", ran.stdout);
    let json = sweep(&sandbox, "").exits(1).json();
    let failed: Vec<_> = json["failed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failed| &failed["key"])
        .collect();
    assert_eq!(failed, ["_lakebed/open/README.txt", &format!("_lakebed/open/{JOB}")]);
    let message = json["failed"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("is named after no job") && message.contains("move it away"),
        "{message}"
    );
    assert_eq!(
        (&json["exit"], &json["failed"][1]["transient"]),
        (&1.into(), &false.into())
    );
    sandbox.lake("lake").prove_published();
}

#[test]
fn what_is_no_lake_is_not_swept() {
    let sandbox = loaded();
    sandbox.write("newer/_lakebed/lake.json", r#"{"version":2,"format":"lakebed"}"#);
    for (lake, expected) in [
        ("raw", "there is no lake: _lakebed/lake.json is missing"),
        ("nowhere", "there is no lake"),
        ("newer", "use a newer release"),
        ("s3a://bucket/lake", "s3://bucket"),
    ] {
        for more in ["", "--json", "--dry-run"] {
            let ran = sandbox.run(&format!("sweep {lake} {more}")).exits(2);
            assert!(ran.stderr.contains(expected) && ran.stdout.is_empty(), "{ran:?}");
        }
    }
    assert!(sandbox.run("sweep").exits(2).stderr.contains("say which lake"));
    let ran = sandbox.command("sweep").env("LAKEBED_LAKE", "lake").run().exits(0);
    assert!(ran.stdout.starts_with("nothing to sweep"), "{ran:?}");
}

#[test]
fn ctrl_c_ends_a_sweep_and_the_next_one_goes_on() {
    let sandbox = killed();
    // Many to go through.
    for n in 0..3_000 {
        sandbox.write(&format!("lake/_lakebed/open/note-{n}"), lines(0..1));
    }
    let child = sandbox.command("sweep lake --json").begin();
    std::thread::sleep(Duration::from_millis(30));
    let kill = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("kill -INT {}", child.id()))
        .status();
    assert!(kill.unwrap().success());
    let ran = finish(child);
    // Ended before the signal, or by it.
    assert!(matches!(ran.exit, Some(130 | 1)) || ran.exit.is_none(), "{ran:?}");
    if ran.exit == Some(130) {
        assert!(
            ran.stdout.is_empty() && ran.stderr.contains("sweep again for the rest"),
            "{ran:?}"
        );
    }
    let json = sweep(&sandbox, "").exits(1).json();
    assert_eq!(
        (json["failed"].as_array().unwrap().len(), &json["failed_more"]),
        (1_000, &2_000.into())
    );
    sandbox.lake("lake").prove_published();
}
