//! Usage and configuration: what is refused with exit code 2 before anything is read or written, and what is said.

use crate::sandbox::{EVENT_YAML, Ran, Run as _, Sandbox, lines, record};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", lines(0..10));
    sandbox.write("data/raw/a.json", lines(0..10));
    sandbox.write("file", "");
    sandbox
}

/// Exit code 2, these words on stderr and nothing on stdout; no lake was made.
#[track_caller]
fn refuses(sandbox: &Sandbox, ran: Ran, expected: &[&str]) {
    let ran = ran.exits(2);
    for expected in expected {
        assert!(ran.stderr.contains(expected), "no {expected:?} in {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "");
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(!sandbox.lake("lake").exists() && !sandbox.path("raw/lake").exists());
}

#[test]
fn wrong_command_lines_are_refused_with_the_way_out() {
    let sandbox = sandbox();
    for (line, expected) in [
        ("backfill raw", ["--to DIR", "LAKEBED_LAKE"]),
        ("backfill --to lake", ["<FILE|DIR|s3://BUCKET/PREFIX>", "required"]),
        ("backfill raw --to lake --frobnicate", ["--frobnicate", "unexpected"]),
        ("backfil raw --to lake", ["backfil", "backfill"]),
        (
            "backfill raw --to lake --jobs 0",
            ["LAKEBED_JOBS is \"0\" (--jobs)", "from 1 to 256"],
        ),
        (
            "backfill raw --to lake --memory lots",
            ["LAKEBED_MEMORY is \"lots\" (--memory)", "size"],
        ),
        (
            "backfill raw --to lake --memory 1MiB",
            ["LAKEBED_MEMORY is \"1MiB\" (--memory)", "at least 64MiB"],
        ),
        ("backfill raw --to lake --since yesterday", ["--since", "36h"]),
        ("backfill raw --to lake --until 2024-13-01", ["--until", "2024-13-01"]),
        ("backfill raw --to lake --glob [", ["--glob", "["]),
        ("backfill raw --to lake --max-rejected many", ["--max-rejected", "0.5%"]),
        ("backfill raw --to lake --max-rejected 101%", ["--max-rejected", "0.5%"]),
        ("backfill raw --to lake --schemas nowhere", ["nowhere", "--schemas"]),
        ("backfill nowhere --to lake", ["nowhere", "No such file"]),
        ("backfill raw nowhere --to lake", ["nowhere", "No such file"]),
        ("backfill raw --to file", ["file", "not a directory"]),
        (
            "backfill s3:///prefix --to lake",
            ["names no bucket", "write s3://bucket"],
        ),
        (
            "backfill raw --to s3a://bucket/lake",
            ["--to", "does not begin with s3://"],
        ),
    ] {
        refuses(&sandbox, sandbox.run(line), &expected);
        if !line.contains("--memory") {
            refuses(&sandbox, sandbox.run(&format!("{line} --json")), &expected);
        }
    }
}

#[test]
fn a_lake_that_overlaps_the_raw_objects_is_refused_either_way_round() {
    let sandbox = sandbox();
    sandbox.link("link", "raw");
    let absolute = sandbox.path("raw/sub/lake");
    for line in [
        "backfill raw --to raw".to_owned(),
        "backfill raw --to raw/lake".to_owned(),
        "backfill raw --to raw/new/deep/lake".to_owned(),
        "backfill raw/a.json --to raw".to_owned(),
        "backfill data/raw --to data".to_owned(),
        "backfill data/raw/a.json --to .".to_owned(),
        "backfill link --to raw/lake".to_owned(),
        "backfill raw --to link/lake".to_owned(),
        "backfill raw --to data/../raw/lake".to_owned(),
        "backfill data raw --to raw/lake".to_owned(),
        format!("backfill raw --to {}", absolute.display()),
    ] {
        refuses(&sandbox, sandbox.run(&line), &["overlap", "keep them apart"]);
        refuses(&sandbox, sandbox.run(&format!("{line} --dry-run")), &["overlap"]);
    }
    // By a link among the raw objects, once the lake is there.
    sandbox.run("backfill data --to other").exits(0);
    sandbox.link("raw/link.json", "other/_lakebed/lake.json");
    let ran = sandbox.run("backfill raw --to other").exits(2);
    assert!(
        ran.stderr.contains("overlap") && ran.stderr.contains("lake.json"),
        "{}",
        ran.stderr
    );
    std::fs::remove_file(sandbox.path("raw/link.json")).unwrap();
    // Names that only begin alike do not overlap.
    sandbox.run("backfill raw --to raw2").exits(0);
}

#[test]
fn settings_come_from_flag_environment_and_file_and_wrong_ones_are_named() {
    let sandbox = sandbox();
    for (variable, file, expected) in [
        ("LAKEBED_MEMROY=1GiB", "", "did you mean LAKEBED_MEMORY?"),
        ("LAKEBED_JOBS=two", "", "LAKEBED_JOBS is \"two\" (from the environment)"),
        ("LAKEBED_DEPTH_MAX=0", "", "LAKEBED_DEPTH_MAX"),
        ("LAKEBED_RECORD_BYTES_MAX=2GiB", "", "LAKEBED_RECORD_BYTES_MAX"),
        ("X=", "memroy: 1GiB", "lakebed.yaml"),
        ("X=", "memory: lots", "LAKEBED_MEMORY is \"lots\" (from lakebed.yaml)"),
        ("X=", "memory: [1GiB]", "lakebed.yaml"),
        ("X=", "- memory", "lakebed.yaml"),
        ("X=", "memory: 1GiB: 2", "lakebed.yaml"),
        ("X=", "schemas: nowhere", "nowhere"),
    ] {
        sandbox.write("lakebed.yaml", file);
        let (name, value) = variable.split_once('=').unwrap();
        let ran = sandbox.command("backfill raw --to lake").env(name, value).run();
        refuses(&sandbox, ran, &[expected]);
    }

    // All of it from elsewhere, and a flag on top.
    std::fs::rename(sandbox.path("schemas"), sandbox.path("tables")).unwrap();
    sandbox.write("lakebed.yaml", "lake: from-file\nschemas: tables\njobs: 1\n");
    sandbox.run("backfill raw").exits(0);
    assert_eq!(sandbox.lake("from-file").prove().ids().len(), 10);
    let run = |line: &str| sandbox.command(line).env("LAKEBED_LAKE", "from-environment").run();
    run("backfill raw").exits(0);
    assert_eq!(sandbox.lake("from-environment").prove().ids().len(), 10);
    run("backfill raw --to from-flag").exits(0);
    assert_eq!(sandbox.lake("from-flag").prove().ids().len(), 10);
}

#[test]
#[cfg(unix)]
fn a_setting_that_is_no_text_is_not_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = sandbox();
    let value = std::ffi::OsStr::from_bytes(b"\xff");
    let ran = sandbox
        .command("backfill raw --to lake")
        .env("LAKEBED_MEMORY", value)
        .run();
    refuses(&sandbox, ran, &["LAKEBED_MEMORY", "UTF-8"]);
}

#[test]
fn wrong_schemas_are_told_by_file_line_and_column() {
    for (yaml, expected) in [
        (
            EVENT_YAML.replace("columns:", "colums:"),
            ["schemas/event.yaml:3:1: unknown key `colums`", "try: `columns`"],
        ),
        (
            EVENT_YAML.replace("id: bigint", "id: bigit"),
            ["schemas/event.yaml:4:7: ", "bigint"],
        ),
        (
            EVENT_YAML.replace("table: event", "table: other"),
            ["schemas/event.yaml:1:8: ", "event"],
        ),
        (EVENT_YAML.replace("columns:", "columns"), ["schemas/event.yaml:", ""]),
        ("".into(), ["schemas/event.yaml:1:1: ", ""]),
    ] {
        let sandbox = sandbox();
        sandbox.write("schemas/event.yaml", &yaml);
        refuses(&sandbox, sandbox.run("backfill raw --to lake"), &expected);
        refuses(&sandbox, sandbox.run("schema check"), &expected);
        refuses(&sandbox, sandbox.run("schema check --json"), &expected);
    }
    let sandbox = sandbox();
    sandbox.write(
        "schemas/second.yaml",
        EVENT_YAML.replace("table: event", "table: second"),
    );
    refuses(&sandbox, sandbox.run("backfill raw --to lake"), &["schemas/", "route"]);
    std::fs::remove_dir_all(sandbox.path("schemas")).unwrap();
    std::fs::create_dir(sandbox.path("schemas")).unwrap();
    refuses(&sandbox, sandbox.run("backfill raw --to lake"), &["schemas"]);
}

#[test]
fn folders_that_are_no_lake_or_a_newer_one_are_left_alone() {
    let sandbox = sandbox();
    sandbox.write("foreign/event/part-0.parquet", "not ours");
    let ran = sandbox.run("backfill raw --to foreign").exits(2);
    assert!(ran.stderr.contains("not written by lakebed"), "{}", ran.stderr);
    assert!(!sandbox.path("foreign/_lakebed").exists());

    sandbox.write("newer/_lakebed/lake.json", "{\"version\":2,\"format\":\"lakebed\"}");
    let before = sandbox.lake("newer").snapshot();
    let ran = sandbox.run("backfill raw --to newer").exits(2);
    assert!(ran.stderr.contains("use a newer release"), "{}", ran.stderr);
    assert!(sandbox.lake("newer").snapshot() == before);

    sandbox.write("broken/_lakebed/lake.json", "");
    let ran = sandbox.run("backfill raw --to broken").exits(2);
    assert!(
        ran.stderr.contains("broken") && ran.stderr.contains("_lakebed/lake.json"),
        "{}",
        ran.stderr
    );

    // Where no folder can be made, the message says which lake was meant.
    let ran = sandbox.run("backfill raw --to file/lake").exits(2);
    assert!(ran.stderr.contains("file/lake"), "{}", ran.stderr);
}

#[test]
fn more_rejects_than_allowed_are_a_failure_of_the_run_and_not_of_the_load() {
    let records: String = (0..95).map(record).collect();
    for (allowed, exit) in [
        ("", 0),
        ("--max-rejected 5", 0),
        ("--max-rejected 4", 1),
        ("--max-rejected 0", 1),
        ("--max-rejected 5%", 0),
        ("--max-rejected 4.9%", 1),
        ("--max-rejected 0%", 1),
        ("--max-rejected 100%", 0),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("raw/a.json", records.clone() + &"oops\n".repeat(5));
        let ran = sandbox.load(allowed).exits(exit);
        assert_eq!(ran.json()["records"]["quarantined"], 5, "{allowed}");
        assert_eq!(
            ran.stderr.contains("more than --max-rejected allows"),
            exit == 1,
            "{allowed}: {}",
            ran.stderr
        );
        assert_eq!(sandbox.lake("lake").prove().ids().len(), 95, "{allowed}");
        // Loaded is loaded: the next run rejects nothing.
        assert_eq!(
            sandbox.load(allowed).exits(0).sources(),
            [1, 0, 1, 0, 0, 0],
            "{allowed}"
        );
    }
}
