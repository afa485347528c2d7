//! `lakebed verify` of lakes that are as they should be, of what is no lake, and what it says.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::sandbox::{EVENT_YAML, Ran, Run as _, Sandbox, events, finish, gzip, lines};

/// Two jobs, one of them with rejects, in five hours; 200 rows and 2 entries of 3 sources.
pub(crate) fn loaded() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a/1.json", events(0..80, 5, 2, "\n") + "oops\n");
    sandbox.write("raw/a/2.json.gz", gzip(events(80..120, 5, 2, "\n")));
    sandbox.write("raw/b/1.json", events(120..200, 5, 2, "\n") + "{\"id\":1}\n");
    sandbox.load("").exits(0);
    sandbox
}

/// Both ways to verify; the lake is left as it was.
#[track_caller]
pub(crate) fn verify(sandbox: &Sandbox, lake: &str) -> [Ran; 2] {
    let before = sandbox.lake(lake).snapshot();
    let ran = ["", "--quick"].map(|more| sandbox.run(&format!("verify {lake} --json {more}")));
    assert!(sandbox.lake(lake).snapshot() == before, "something was written");
    ran
}

#[test]
fn a_sound_lake_is_proved() {
    let sandbox = loaded();
    let ran = sandbox.run("verify lake").exits(0);
    let text = &ran.stdout;
    assert!(text.starts_with("proved: 12 files of 2 jobs ("), "{text}");
    assert!(
        text.contains("\n200 rows and 2 quarantine entries of 3 sources, each in one job"),
        "{text}"
    );
    assert_eq!((text.lines().count(), ran.stderr.as_str()), (2, ""), "{text}");
    let quick = sandbox.run("verify --quick lake").exits(0).stdout;
    assert!(quick.starts_with("as recorded: 12 files of 2 jobs ("), "{quick}");
    assert!(quick.contains("no file was opened"), "{quick}");
    for (ran, quick) in verify(&sandbox, "lake").into_iter().zip([false, true]) {
        let mut json = ran.exits(0).json();
        let bytes = json.as_object_mut().unwrap().remove("bytes").unwrap();
        assert!(bytes.as_u64().unwrap() > 5_000);
        let expected = json!({
            "version": 1, "verb": "verify", "lake": "lake", "exit": 0, "quick": quick,
            "outcomes": { "done": 2, "dead": 0 }, "unfinished": 0, "sources": 3,
            "files": 12, "rows": 200, "rows_by_footer": 0, "entries": 2,
            "problems": [], "problems_more": 0, "codes": {},
        });
        assert_eq!(json, expected);
    }
}

#[test]
fn the_lake_may_come_from_the_environment() {
    let sandbox = loaded();
    let ran = sandbox.command("verify").env("LAKEBED_LAKE", "lake").run().exits(0);
    assert!(ran.stdout.starts_with("proved: "), "{ran:?}");
    let ran = sandbox.run("verify").exits(2);
    assert!(ran.stderr.contains("say which lake"), "{ran:?}");
}

#[test]
fn every_layout_and_every_way_to_hold_the_event_time_is_proved() {
    let time = "event_time: { field: at, max_past: none }";
    for (more, by_footer) in [
        (
            format!("{time}\nlayout: day/hour\ncolumns: {{ id: bigint, at: timestamp }}"),
            0,
        ),
        (
            format!("{time}\nlayout: datehour\ncolumns: {{ id: bigint, at: timestamp(6) }}"),
            0,
        ),
        (
            format!("{time}\ncolumns: {{ id: bigint, when: {{ from: at, type: timestamp }} }}"),
            0,
        ),
        (format!("{time}\ncolumns: {{ id: bigint, at: string }}"), 200),
        // Read by itself, so it is not what was read as the event time.
        (
            format!("{time}\ncolumns: {{ id: bigint, at: {{ type: timestamp, formats: [rfc3339] }} }}"),
            200,
        ),
    ] {
        let sandbox = Sandbox::empty();
        sandbox.write("schemas/event.yaml", format!("table: event\n{more}\n"));
        sandbox.write("raw/a.json", lines(0..200));
        sandbox.load("").exits(0);
        let json = verify(&sandbox, "lake")[0].json();
        assert_eq!((&json["exit"], &json["rows"]), (&0.into(), &200.into()), "{more}");
        assert_eq!(json["rows_by_footer"], by_footer, "{more}");
        let columns = sandbox.lake("lake").footer("lakebed.event_time.column");
        let column = if more.contains("when") { "when" } else { "at" };
        assert!(columns.len() > 1, "{columns:?}");
        let expected = (by_footer == 0).then(|| column.to_owned());
        assert!(columns.iter().all(|found| *found == expected), "{more}: {columns:?}");
    }
}

#[test]
fn rows_proved_by_the_footer_are_told() {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "schemas/event.yaml",
        "table: event\nevent_time: { field: at, max_past: none }\ncolumns: { id: bigint }\n",
    );
    sandbox.write("raw/a.json", lines(0..200));
    sandbox.load("").exits(0);
    let text = sandbox.run("verify lake").exits(0).stdout;
    assert!(
        text.contains("200 rows in files without a column of event times"),
        "{text}"
    );
}

#[test]
fn two_years_of_hours_are_proved() {
    let sandbox = Sandbox::new();
    let mut text = String::new();
    // Every twelfth hour: more than a page of files in one table.
    for n in 0..2 * 365 * 2 {
        let at = 1_600_000_000 + n * 12 * 3600;
        text += &format!("{{\"id\":{n},\"at\":{at}}}\n");
    }
    sandbox.write("raw/a.json", text);
    sandbox.load("").exits(0);
    for ran in verify(&sandbox, "lake") {
        let json = ran.exits(0).json();
        assert_eq!((&json["files"], &json["rows"]), (&1460.into(), &1460.into()));
    }
}

#[test]
fn an_empty_lake_is_proved() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/empty.json", "");
    sandbox.load("").exits(0);
    sandbox.write(
        "bare/_lakebed/lake.json",
        fs::read(sandbox.path("lake/_lakebed/lake.json")).unwrap(),
    );
    for (lake, sources) in [("lake", 1), ("bare", 0)] {
        for ran in verify(&sandbox, lake) {
            let json = ran.exits(0).json();
            assert_eq!(
                (&json["files"], &json["sources"]),
                (&0.into(), &sources.into()),
                "{lake}"
            );
        }
    }
}

#[test]
fn what_is_no_lake_is_refused() {
    let sandbox = loaded();
    sandbox.write("newer/_lakebed/lake.json", r#"{"version":2,"format":"lakebed"}"#);
    sandbox.write("torn/_lakebed/lake.json", r#"{"version":1"#);
    for (lake, expected) in [
        ("raw", "there is no lake: _lakebed/lake.json is missing"),
        ("nowhere", "there is no lake"),
        ("lake/_lakebed", "there is no lake"),
        ("raw/b/1.json", "open folder"),
        ("newer", "use a newer release"),
        ("torn", "_lakebed/lake.json as JSON"),
        ("s3a://bucket/lake", "s3://bucket"),
    ] {
        for more in ["", "--json", "--quick"] {
            let ran = sandbox.run(&format!("verify {lake} {more}")).exits(2);
            assert!(ran.stderr.contains(expected) && ran.stdout.is_empty(), "{ran:?}");
        }
    }
}

#[test]
fn lakes_that_were_loaded_in_many_ways_are_proved() {
    let sandbox = loaded();
    sandbox.write("wider/event.yaml", EVENT_YAML.to_owned() + "  more: string\n");
    sandbox.write("raw/c/damaged.gz", &gzip(lines(200..300))[..900]);
    sandbox.write("raw/c/nothing.csv", "a,b\n1,2\n");
    sandbox.write("raw/c/large.json", events(300..12_300, 1, 50, "\n"));
    sandbox.load("--schemas wider").exits(1);
    sandbox.write("other/shop.yaml", EVENT_YAML.replace("table: event", "table: shop"));
    sandbox.write("raw/d/e.json", lines(300..310));
    sandbox.load("--schemas other --arrival 2024-06-02").exits(0);
    let lake = sandbox.lake("lake");
    for ran in verify(&sandbox, "lake") {
        let json = ran.exits(0).json();
        let rows: usize = lake.tables().iter().map(|file| file.rows.num_rows()).sum();
        assert_eq!(
            (&json["rows"], &json["entries"]),
            (&rows.into(), &lake.quarantine().len().into())
        );
        assert_eq!((&json["sources"], &json["outcomes"]["done"]), (&7.into(), &4.into()));
    }
}

#[test]
fn ctrl_c_ends_it() {
    let sandbox = loaded();
    // A file of a job that is not finished is waited for.
    sandbox.write("lake/_lakebed/open/mzxw6ytboiaaaaaaaaaaaaaaaa", "{}");
    sandbox.write("lake/event/mzxw6ytboiaaaaaaaaaaaaaaaa-0000.parquet", "x");
    let child = sandbox.command("verify lake --json").begin();
    let begun = Instant::now();
    std::thread::sleep(Duration::from_secs(2));
    let kill = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -INT {}", child.id()))
        .status();
    assert!(kill.unwrap().success());
    let ran = finish(child).exits(130);
    assert!(begun.elapsed() < Duration::from_secs(8), "it was waited for");
    assert!(
        ran.stdout.is_empty() && ran.stderr.contains("nothing is proved"),
        "{ran:?}"
    );
}
