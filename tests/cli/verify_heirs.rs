//! `lakebed verify` of lakes whose jobs were replaced by others, and what `--reload` mends.

use std::fs;

use crate::sandbox::{EVENT_YAML, Run as _, Sandbox, events, finish, lines};
use crate::verify::{loaded, verify};

#[test]
fn a_lake_whose_jobs_are_replaced_again_and_again_is_proved_all_the_time() {
    let sandbox = Sandbox::new();
    for file in 0..12 {
        sandbox.write(
            &format!("raw/{:02}/{file:02}.json", file / 2),
            events(file * 2000..(file + 1) * 2000, 12, 2, "\n"),
        );
    }
    sandbox.write("wider/event.yaml", EVENT_YAML.to_owned() + "  more: string\n");
    sandbox.load("").exits(0);
    let mut proofs = 0;
    for schemas in ["wider", "schemas", "wider"] {
        let line = format!("backfill raw --to lake --json --reload --jobs 2 --schemas {schemas}");
        let mut loading = sandbox.command(&line).begin();
        while loading.try_wait().unwrap().is_none() {
            let quick = if proofs % 3 == 2 { "--quick" } else { "" };
            let ran = sandbox.run(&format!("verify lake --json {quick}"));
            assert_eq!(ran.exit, Some(0), "{}", ran.stdout);
            proofs += 1;
        }
        finish(loading).exits(0);
    }
    assert!(proofs > 3, "only {proofs} proofs meanwhile");
    let json = verify(&sandbox, "lake")[0].json();
    assert_eq!(
        (&json["exit"], &json["rows"], &json["unfinished"]),
        (&0.into(), &24_000.into(), &0.into())
    );
    assert_eq!((&json["outcomes"]["done"], &json["sources"]), (&6.into(), &12.into()));
}

#[test]
fn rows_that_were_copied_are_proved_as_others_are() {
    let sandbox = loaded();
    fs::remove_file(sandbox.path("raw/a/2.json.gz")).unwrap();
    sandbox.write("raw/a/1.json", lines(500..540) + "oops\n");
    sandbox.load("").exits(0);
    for ran in verify(&sandbox, "lake") {
        let json = ran.exits(0).json();
        // 40 of the new content, 40 that were copied, 80 of the other job.
        assert_eq!((&json["rows"], &json["entries"]), (&160.into(), &2.into()));
        assert_eq!(
            (&json["outcomes"]["done"], &json["outcomes"]["dead"]),
            (&2.into(), &1.into())
        );
        assert_eq!(json["rows_by_footer"], 0);
    }
}

#[test]
fn reloading_mends_files_that_were_lost_or_damaged() {
    let sandbox = loaded();
    let data: Vec<_> = sandbox.lake("lake").data().into_keys().collect();
    fs::remove_file(sandbox.path("lake").join(&data[0])).unwrap();
    fs::write(sandbox.path("lake").join(&data[1]), "x").unwrap();
    for ran in verify(&sandbox, "lake") {
        ran.exits(1);
    }
    sandbox.load("--reload").exits(0);
    for ran in verify(&sandbox, "lake") {
        assert_eq!(ran.exits(0).json()["rows"], 200);
    }
}
