//! What the program says of itself, and where: help, version, stdout and stderr.

use crate::sandbox::{Run as _, Sandbox, finish, lines};

/// Verbs and flags that are spoken of elsewhere and that this release does not have.
const ABSENT: [&str; 7] = [
    "doctor",
    "completions",
    "infer",
    "import",
    "ddl",
    "cloudformation",
    "--html",
];

#[test]
fn help_names_exit_codes_and_nothing_that_does_not_exist() {
    let sandbox = Sandbox::new();
    for line in [
        "--help",
        "-h",
        "help",
        "backfill --help",
        "help backfill",
        "schema --help",
        "schema check --help",
        "verify --help",
        "sweep --help",
        "reconcile --help",
        "replay --help",
    ] {
        let ran = sandbox.run(line).exits(0);
        assert_eq!(ran.stderr, "", "{line}");
        for absent in ABSENT {
            let mut words = ran.stdout.split(|c: char| !c.is_alphanumeric() && c != '-');
            assert!(
                !words.any(|word| word == absent),
                "{line} names {absent}: {}",
                ran.stdout
            );
        }
        // Lines are wrapped to the terminal.
        let words: Vec<_> = ran.stdout.split_whitespace().collect();
        let codes = ["0", "1", "2", "130"];
        if !line.contains("schema") {
            assert!(ran.stdout.contains("Exit code: "), "{line}: {}", ran.stdout);
            assert!(codes.iter().all(|code| words.contains(code)), "{line}: {}", ran.stdout);
        }
    }
    // Every verb that is listed can be asked about.
    let help = sandbox.run("--help").stdout;
    let verbs = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let verbs: Vec<_> = verbs.map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(
        verbs,
        [
            "backfill",
            "invoke",
            "reconcile",
            "replay",
            "schema",
            "sweep",
            "verify",
            "help"
        ]
    );
}

#[test]
fn the_version_is_that_of_the_package() {
    let sandbox = Sandbox::new();
    for line in ["--version", "-V"] {
        let ran = sandbox.run(line).exits(0);
        assert_eq!(ran.stdout, format!("lakebed {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn without_a_verb_the_help_goes_to_stderr() {
    let ran = Sandbox::new().run("").exits(2);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("Usage: lakebed"), "{}", ran.stderr);
}

#[test]
fn with_json_stdout_is_one_document_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", lines(0..1000) + "oops\n");
    sandbox.write("raw/b.csv", "a,b\n1,2\n");
    for (line, exit) in [
        ("schema check --json", 0),
        ("schema check --json --sample raw", 0),
        ("backfill raw --to lake --json --dry-run", 0),
        ("backfill raw --to lake --json --max-rejected 0", 1),
        ("backfill raw --to lake --json --dry-run", 0),
        ("backfill raw --to lake --json", 0),
        ("backfill raw --to lake --json --glob nothing", 0),
        ("verify lake --json", 0),
        ("verify lake --json --quick", 0),
        ("sweep lake --json", 0),
        ("reconcile raw --to lake --json", 0),
        ("reconcile raw --to lake --json --load", 0),
    ] {
        let ran = sandbox.run(line).exits(exit);
        assert_eq!(ran.json()["version"], 1, "{line}");
        assert!(ran.stdout.ends_with("}\n"), "{line}");
        assert_eq!(ran.stderr.is_empty(), exit == 0, "{line}: {}", ran.stderr);
    }
}

#[test]
fn a_reader_of_stdout_that_leaves_early_does_not_change_what_was_loaded() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", lines(0..1000));
    let mut child = sandbox.command("backfill raw --to lake --json").begin();
    drop(child.stdout.take());
    let ran = finish(child);
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    assert_eq!(sandbox.lake("lake").prove().ids().len(), 1000);
}
