//! Runs that are stopped, killed, or meet each other: the next run brings everything to rest, every record exactly once.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::sandbox::{Dice, EVENT_YAML, Run as _, Sandbox, events, finish, gzip, lines};

const FILES: u64 = 30;
const RECORDS: u64 = 5000;

/// Thirty files of 5,000 records, a third of them compressed, and one hour that is large enough to be an upload.
fn raw() -> (Sandbox, u64) {
    let sandbox = Sandbox::new();
    for file in 0..FILES {
        let text = events(file * RECORDS..(file + 1) * RECORDS, 4, 1, "\n");
        match file % 3 {
            0 => sandbox.write(&format!("raw/{:02}/{file:02}.gz", file / 10), gzip(text)),
            _ => sandbox.write(&format!("raw/{:02}/{file:02}.json", file / 10), text),
        }
    }
    let large = FILES * RECORDS..FILES * RECORDS + 12_000;
    sandbox.write("raw/large.json", events(large.clone(), 1, 50, "\n"));
    (sandbox, large.end)
}

/// A run with several jobs, as small as they can be.
fn command(sandbox: &Sandbox, lake: &str) -> Command {
    let mut command = sandbox.command(&format!("backfill raw --to {lake} --json"));
    command.env("LAKEBED_JOB_BYTES", "1MiB");
    command
}

#[track_caller]
fn holds_all(sandbox: &Sandbox, lake: &str, records: u64) {
    let lake = sandbox.lake(lake);
    assert!(
        lake.prove().ids() == (0..records).collect::<Vec<_>>(),
        "rows are missing or doubled"
    );
}

fn interrupt(child: &Child) {
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -INT {}", child.id()))
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn ctrl_c_leaves_a_sound_lake_and_the_next_run_goes_on() {
    let (sandbox, records) = raw();
    for (lake, presses) in [("once", 1), ("twice", 2)] {
        let child = command(&sandbox, lake).begin();
        let begun = Instant::now();
        while sandbox.lake(lake).outcomes().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "no job came to its end");
            std::thread::sleep(Duration::from_millis(1));
        }
        for _ in 0..presses {
            interrupt(&child);
            std::thread::sleep(Duration::from_millis(5));
        }
        let ran = finish(child).exits(130);
        assert!(ran.stderr.contains("stopping") || presses == 2, "{}", ran.stderr);
        if presses == 1 {
            // What was being published is published; nothing is left open.
            let lake = sandbox.lake(lake);
            let rows = lake.prove().ids();
            assert_eq!(lake.intents(), [""; 0]);
            assert_eq!(ran.json()["records"]["rows"], rows.len());
            assert!(!rows.is_empty() && (rows.len() as u64) < records, "{} rows", rows.len());
        }
        assert_eq!(
            finish(command(&sandbox, lake).begin()).exits(0).sources()[3..],
            [0, 0, 0]
        );
        holds_all(&sandbox, lake, records);
    }
}

#[test]
fn a_run_killed_at_any_moment_is_finished_by_the_next_one() {
    let (sandbox, records) = raw();
    let begun = Instant::now();
    finish(command(&sandbox, "unharmed").begin()).exits(0);
    let whole = begun.elapsed();
    holds_all(&sandbox, "unharmed", records);
    let mut dice = Dice(20_241_122);
    let mut hit = 0;
    for lake in 0..6 {
        let lake = format!("killed{lake}");
        // Each kill may meet what the one before left behind.
        for _ in 0..3 {
            let mut child = command(&sandbox, &lake).begin();
            std::thread::sleep(whole.mul_f64(dice.below(1000) as f64 / 1500.0));
            hit += u32::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            finish(child);
        }
        let ran = finish(command(&sandbox, &lake).begin()).exits(0);
        let [found, done, already, ..] = ran.sources();
        assert_eq!((found, done + already), (FILES + 1, FILES + 1));
        holds_all(&sandbox, &lake, records);
        // The same jobs in the end, so the same files.
        assert!(sandbox.lake(&lake).data() == sandbox.lake("unharmed").data());
    }
    assert!(hit > 3, "only {hit} runs were still running when they were killed");
}

#[test]
fn a_killed_run_is_finished_by_one_that_packs_and_reads_differently() {
    let (sandbox, records) = raw();
    sandbox.write("wider/event.yaml", EVENT_YAML.to_owned() + "  more: string\n");
    let mut dice = Dice(7);
    for (lake, job_bytes, schemas) in [
        ("a", "3MiB", "schemas"),
        ("b", "256MiB", "wider"),
        ("c", "1MiB", "wider"),
    ] {
        let mut child = command(&sandbox, lake).begin();
        let begun = Instant::now();
        while sandbox.lake(lake).claims().is_empty() && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(dice.below(100)));
        child.kill().unwrap();
        finish(child);
        let mut next = command(&sandbox, lake);
        finish(
            next.env("LAKEBED_JOB_BYTES", job_bytes)
                .env("LAKEBED_SCHEMAS", schemas)
                .begin(),
        )
        .exits(0);
        // An intent that nobody's claim names was of no consequence, and stays for a sweep.
        assert!(sandbox.lake(lake).prove_published().ids() == (0..records).collect::<Vec<_>>());
    }
}

#[test]
fn runs_at_once_load_every_record_once() {
    let (sandbox, records) = raw();
    for (lake, runs) in [("two", 2), ("four", 4)] {
        let children: Vec<_> = (0..runs).map(|_| command(&sandbox, lake).begin()).collect();
        for child in children {
            let ran = finish(child).exits(0);
            let [found, done, already, failed, ..] = ran.sources();
            assert_eq!((found, done + already, failed), (FILES + 1, FILES + 1, 0));
        }
        holds_all(&sandbox, lake, records);
        assert_eq!(sandbox.lake(lake).claims().len() as u64, FILES + 1);
    }
}

#[test]
fn runs_at_once_that_pack_and_read_differently_load_every_record_once() {
    let sandbox = Sandbox::new();
    for file in 0..24 {
        sandbox.write(
            &format!("raw/{file:02}.json"),
            events(file * 2000..(file + 1) * 2000, 4, 4, "\n"),
        );
    }
    sandbox.write("wider/event.yaml", EVENT_YAML.to_owned() + "  more: string\n");
    let children = [
        ("raw", "1MiB", "schemas"),
        ("raw", "2MiB", "wider"),
        ("raw/05.json raw/06.json raw/07.json", "3MiB", "schemas"),
        ("raw", "256MiB", "schemas"),
    ]
    .map(|(raw, job_bytes, schemas)| {
        let mut command = sandbox.command(&format!("backfill {raw} --to lake --json --schemas {schemas}"));
        command.env("LAKEBED_JOB_BYTES", job_bytes);
        command.begin()
    });
    for child in children {
        finish(child).exits(0);
    }
    let lake = sandbox.lake("lake");
    assert!(
        lake.prove().ids() == (0..48_000).collect::<Vec<_>>(),
        "rows are missing or doubled"
    );
    assert_eq!(lake.claims().len(), 24);
}

#[test]
fn a_file_that_grows_while_it_is_read_is_not_loaded_half() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/still.json", lines(0..1000));
    let growing = sandbox.path("raw/growing.json");
    sandbox.write("raw/growing.json", lines(1000..2000));
    let writer = std::thread::spawn({
        let growing = growing.clone();
        move || {
            use std::io::Write as _;
            let mut file = std::fs::OpenOptions::new().append(true).open(growing).unwrap();
            for id in 2000..6000 {
                file.write_all(lines(id..id + 1).as_bytes()).unwrap();
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    });
    let ran = sandbox.load("");
    writer.join().unwrap();
    let ids = sandbox.lake("lake").prove().ids();
    if ran.exit == Some(1) {
        assert_eq!(ran.failed(), [("growing.json".into(), "Source.Changed".into())]);
        assert_eq!(ran.json()["failed"][0]["transient"], true);
        assert_eq!(ids, (0..1000).collect::<Vec<_>>());
        sandbox.load("").exits(0);
        assert_eq!(sandbox.lake("lake").prove().ids(), (0..6000).collect::<Vec<_>>());
    } else {
        // Read between two writes: as it was then, and whole.
        assert!(ids.len() >= 2000);
    }
}
