//! `lakebed reconcile` over folders: what no job has loaded is named, and loaded.

use std::fs;

use serde_json::{Value, json};

use crate::sandbox::{Ran, Run as _, Sandbox, finish, lines};

/// Three of five files loaded; one of these overwritten since.
fn partly() -> Sandbox {
    let sandbox = Sandbox::new();
    for n in 0..3 {
        sandbox.write(&format!("raw/{n}/x.json"), lines(n * 10..n * 10 + 10));
    }
    sandbox.load("").exits(0);
    sandbox.write("raw/0/lost.json", lines(30..40));
    sandbox.write("raw/3/lost.json", lines(40..50) + "oops\n");
    sandbox.write_at("raw/1/x.json", lines(100..120), 1_714_600_000);
    sandbox.write("raw/_hidden.json", lines(900..910));
    sandbox
}

fn reconcile(sandbox: &Sandbox, more: &str) -> Ran {
    sandbox.run(&format!("reconcile raw --to lake --json {more}"))
}

fn names(sandbox: &Sandbox, json: &Value) -> Vec<(String, String)> {
    let raw = sandbox.path("raw/").to_str().unwrap().to_owned();
    let of = |missing: &Value| {
        let name = missing["source"].as_str().unwrap().strip_prefix(&raw).unwrap();
        (name.to_owned(), missing["why"].as_str().unwrap().to_owned())
    };
    json["missing"].as_array().unwrap().iter().map(of).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, why)| ((*name).to_owned(), (*why).to_owned()))
        .collect()
}

const ALL: [(&str, &str); 3] = [
    ("0/lost.json", "never"),
    ("1/x.json", "overwritten"),
    ("3/lost.json", "never"),
];

#[test]
fn what_is_missing_is_told_and_nothing_is_written() {
    let sandbox = partly();
    // It needs none.
    fs::rename(sandbox.path("schemas"), sandbox.path("nowhere")).unwrap();
    let before = sandbox.lake("lake").snapshot();
    let json = reconcile(&sandbox, "").exits(1).json();
    assert_eq!(names(&sandbox, &json), pairs(&ALL));
    let sources = &json["sources"];
    let expected = json!({
        "found": 5, "loaded": 2, "never": 2, "overwritten": 1, "open": 0,
        "missing_bytes": lines(30..40).len() + lines(40..50).len() + 5 + lines(100..120).len(),
        "hidden": 1, "unselected": 0,
    });
    assert_eq!(
        (sources, &json["load"], &json["missing_more"]),
        (&expected, &Value::Null, &0.into())
    );
    let text = sandbox.run("reconcile raw --to lake").exits(1).stdout;
    assert!(text.starts_with("5 objects found, 2 loaded, 3 missing ("), "{text}");
    assert!(
        text.contains("): 2 never loaded, 1 overwritten since, 0 of jobs that have not ended\n"),
        "{text}"
    );
    assert!(
        text.contains("raw/1/x.json (") && text.contains("): overwritten since it was loaded\n"),
        "{text}"
    );
    assert!(
        text.ends_with("load them with --load; --until 1h leaves out what may still be on its way\n"),
        "{text}"
    );
    assert!(sandbox.lake("lake").snapshot() == before, "something was written");
}

#[test]
fn what_is_missing_is_loaded_once_and_a_second_time_finds_nothing() {
    let sandbox = partly();
    let json = reconcile(&sandbox, "--load").exits(0).json();
    assert_eq!(names(&sandbox, &json), pairs(&ALL));
    let load = &json["load"];
    assert_eq!(
        (&load["sources"]["found"], &load["sources"]["done"]),
        (&3.into(), &3.into()),
        "{load}"
    );
    assert_eq!(
        (&load["records"]["rows"], &load["records"]["quarantined"]),
        (&40.into(), &1.into()),
        "{load}"
    );
    assert_eq!(load["replaced_jobs"], 1, "{load}");
    let expected: Vec<u64> = (0..10).chain(20..50).chain(100..120).collect();
    assert_eq!(sandbox.lake("lake").prove().ids(), expected);
    let before = sandbox.lake("lake").snapshot();
    for more in ["", "--load"] {
        let json = reconcile(&sandbox, more).exits(0).json();
        assert_eq!(
            (&json["sources"]["loaded"], &json["missing"]),
            (&5.into(), &json!([])),
            "{json}"
        );
    }
    assert_eq!(
        sandbox.run("reconcile raw --to lake").exits(0).stdout,
        "5 objects found, 5 loaded, 0 missing\n1 passed over: names beginning with `.` or `_`, and empty objects that stand for \
         folders\n"
    );
    assert!(sandbox.lake("lake").snapshot() == before, "something was written");
    let ran = sandbox.load("").exits(0);
    assert_eq!(ran.sources()[..3], [5, 0, 5]);
}

#[test]
fn loading_says_what_a_backfill_says() {
    let sandbox = partly();
    let text = sandbox.run("reconcile raw --to lake --load").exits(0).stdout;
    assert!(text.starts_with("5 objects found, 2 loaded, 3 missing ("), "{text}");
    assert!(
        text.contains("\n3 objects loaded (") && text.contains("41 records: 40 rows, 1 quarantined"),
        "{text}"
    );
}

#[test]
fn a_lake_that_is_not_there_is_made_only_to_be_loaded_into() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", lines(0..10));
    let ran = sandbox.run("reconcile raw --to lake").exits(2);
    assert!(ran.stderr.contains("lake lake: there is no lake"), "{ran:?}");
    assert!(!sandbox.path("lake").exists());
    sandbox.run("reconcile raw --to lake --load").exits(0);
    assert_eq!(sandbox.lake("lake").prove().ids(), (0..10).collect::<Vec<_>>());
}

#[test]
fn objects_are_selected_and_places_may_overlap() {
    let sandbox = partly();
    sandbox.write_at("raw/3/new.gz", lines(0..1), 1_717_300_000);
    for (more, expected) in [
        ("--glob */lost.json", vec![ALL[0], ALL[2]]),
        ("--since 2024-06-02", vec![("3/new.gz", "never")]),
        ("--until 2024-06-02", ALL.to_vec()),
        ("--until 2024-05-15", vec![ALL[1]]),
        (
            "--since 2024-05-15 --until 2024-06-02T00:00:00Z --glob 3/*",
            vec![ALL[2]],
        ),
        ("--glob none", vec![]),
    ] {
        let json = reconcile(&sandbox, more);
        let json = json.exits(i32::from(!expected.is_empty())).json();
        assert_eq!(names(&sandbox, &json), pairs(&expected), "{more}");
        let sources = &json["sources"];
        let counted = sources["found"].as_u64().unwrap() + sources["unselected"].as_u64().unwrap();
        assert_eq!(counted, 6, "{more}: {sources}");
    }
    let json = sandbox
        .run("reconcile raw/3 raw raw/3/lost.json --to lake --json")
        .exits(1)
        .json();
    assert_eq!(json["sources"]["found"], 6, "each once");
}

#[test]
fn what_cannot_be_loaded_is_told_as_a_backfill_tells_it() {
    let sandbox = partly();
    sandbox.write("raw/4/nothing.csv", "a,b\n1,2\n");
    let json = reconcile(&sandbox, "--load").exits(1).json();
    let failed = &json["load"]["failed"];
    assert_eq!(
        (&failed[0]["code"], failed.as_array().unwrap().len()),
        (&"Object.NotJson".into(), 1),
        "{failed}"
    );
    assert_eq!(
        (&json["load"]["sources"]["done"], &json["load"]["exit"]),
        (&4.into(), &1.into())
    );
    // Loaded, as far as it can be read.
    reconcile(&sandbox, "").exits(0);
}

#[test]
fn objects_of_a_job_that_was_killed_are_of_an_open_job_until_it_is_finished() {
    let sandbox = Sandbox::new();
    for file in 0..10 {
        sandbox.write(&format!("raw/{file}/x.json"), lines(file * 400..(file + 1) * 400));
    }
    let mut was_open = false;
    for round in 0..40 {
        let lake = format!("lake{round}");
        let mut child = sandbox.command(&format!("backfill raw --to {lake} --json")).begin();
        while child.try_wait().unwrap().is_none() && sandbox.lake(&lake).intents().is_empty() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        finish(child);
        let line = format!("reconcile raw --to {lake} --json");
        let json = sandbox.run(&line).json();
        let sources = &json["sources"];
        let open = sources["open"].as_u64().unwrap();
        if open == 0 {
            continue;
        }
        was_open = true;
        let missing = json["missing"].as_array().unwrap();
        let of_job = missing
            .iter()
            .filter(|missing| missing["why"] == "open" && missing["job"].is_string());
        assert_eq!(of_job.count() as u64, open, "{json}");
        let text = sandbox.run(&format!("reconcile raw --to {lake}")).exits(1).stdout;
        assert!(
            text.contains("which has not ended: sweep, or --load, finishes it"),
            "{text}"
        );
        if round % 2 == 0 {
            sandbox.run(&format!("sweep {lake}")).exits(0);
            assert_eq!(sandbox.run(&line).json()["sources"]["open"], 0);
        }
        sandbox.run(&format!("{line} --load")).exits(0);
        assert!(sandbox.lake(&lake).prove_published().ids() == (0..4_000).collect::<Vec<_>>());
        sandbox.run(&line).exits(0);
        if round >= 1 {
            break;
        }
    }
    assert!(was_open, "no run was killed while a job was open");
}

#[test]
fn an_outcome_that_cannot_be_read_is_told_and_loads_nothing_twice() {
    let sandbox = partly();
    let outcome = sandbox
        .path("lake/_lakebed/jobs")
        .read_dir()
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(&outcome, "{").unwrap();
    let json = reconcile(&sandbox, "").exits(1).json();
    let name = outcome.file_name().unwrap().to_str().unwrap();
    assert_eq!(json["unread"][0]["key"], format!("_lakebed/jobs/{name}"), "{json}");
    // The claim of its source still names it, so it is not taken for new.
    let json = reconcile(&sandbox, "--load").exits(1).json();
    assert_eq!(json["load"]["sources"]["failed"], 1, "{json}");
    let message = json["load"]["failed"][0]["message"].as_str().unwrap();
    assert!(message.contains(name), "{message}");
}

#[test]
fn what_overlaps_or_is_not_there_is_refused() {
    let sandbox = partly();
    sandbox.write("inside/lake/_lakebed/lake.json", r#"{"version":1,"format":"lakebed"}"#);
    sandbox.write("inside/lake/raw/a.json", lines(0..1));
    fs::create_dir(sandbox.path("linked")).unwrap();
    sandbox.link("linked/a.json", "inside/lake/raw/a.json");
    for (line, expected) in [
        ("reconcile inside --to inside/lake", "overlap"),
        ("reconcile inside/lake/raw --to inside/lake --load", "overlap"),
        ("reconcile linked --to inside/lake", "which a link leads to, overlap"),
        ("reconcile nowhere --to lake", "list nowhere"),
        ("reconcile raw", "say where the lake is"),
        ("reconcile --to lake", "required arguments were not provided"),
        ("reconcile raw --to lake --glob [", "--glob"),
        ("reconcile raw --to lake --since yesterday", "write a time such as"),
        ("reconcile raw --to lake --load --schemas nowhere", "nowhere"),
    ] {
        let ran = sandbox.run(line).exits(2);
        assert!(
            ran.stderr.contains(expected) && ran.stdout.is_empty(),
            "{line}: {ran:?}"
        );
    }
}

#[test]
fn ctrl_c_while_loading_leaves_the_rest_for_the_next_run() {
    let sandbox = Sandbox::new();
    for file in 0..40 {
        sandbox.write(&format!("raw/{file:02}/x.json"), lines(file * 500..(file + 1) * 500));
    }
    let child = sandbox
        .command("reconcile raw --to lake --load --json --jobs 1")
        .begin();
    while sandbox.lake("lake").outcomes().is_empty() {
        std::thread::yield_now();
    }
    let kill = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("kill -INT {}", child.id()))
        .status();
    assert!(kill.unwrap().success());
    let ran = finish(child).exits(130);
    assert_eq!(ran.json()["load"]["exit"], 130, "{ran:?}");
    let done = sandbox.lake("lake").prove().ids().len();
    assert!(done > 0 && done < 20_000, "{done}");
    reconcile(&sandbox, "--load").exits(0);
    assert!(sandbox.lake("lake").prove().ids() == (0..20_000).collect::<Vec<_>>());
}
