//! Files with names and contents that people do not expect, and that happen.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::sandbox::{Sandbox, events, lines, record};

#[test]
fn files_without_a_record_are_loaded_with_none() {
    let sandbox = Sandbox::new();
    for (name, bytes) in [
        ("empty.json", "".into()),
        ("newline.json", "\n".into()),
        ("space.json", " \t\r\n\n   \n".repeat(1000)),
        ("bom.json", "\u{FEFF}".to_owned()),
        ("bom_and_space.json", "\u{FEFF}\r\n".to_owned()),
        ("long_space.json", " ".repeat(3 << 20)),
    ] {
        sandbox.write(&format!("raw/{name}"), bytes);
    }
    let ran = sandbox.load("").exits(0);
    assert_eq!(ran.sources(), [6, 6, 0, 0, 0, 0]);
    assert_eq!(ran.json()["records"]["read"], 0);
    let lake = sandbox.lake("lake");
    assert_eq!((lake.prove().data().len(), lake.quarantine().len()), (0, 0));
    assert_eq!(sandbox.load("").exits(0).sources(), [6, 0, 6, 0, 0, 0]);
}

#[test]
fn records_are_found_however_they_are_laid_out() {
    let pretty = |id: u64| {
        let value: serde_json::Value = serde_json::from_str(&record(id)).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    };
    let sandbox = Sandbox::new();
    sandbox.write("raw/together", events(0..100, 6, 2, ""));
    sandbox.write("raw/lines", lines(100..200));
    sandbox.write("raw/crlf", events(200..300, 6, 2, "\r\n"));
    sandbox.write("raw/bom", "\u{FEFF}".to_owned() + &lines(300..400));
    sandbox.write("raw/no_newline_at_the_end", lines(400..500).trim_end());
    sandbox.write("raw/blank_lines", events(500..600, 6, 2, "\n\n \n\t\n"));
    sandbox.write("raw/pretty", (600..700).map(pretty).collect::<String>());
    sandbox.write(
        "raw/pretty_lines",
        (700..800).map(|id| pretty(id) + "\n").collect::<String>(),
    );
    sandbox.write(
        "raw/two_boms",
        "\u{FEFF}".to_owned() + &lines(800..850) + "\u{FEFF}" + &lines(850..900),
    );
    sandbox.write("raw/zstd", zstd::encode_all(lines(900..1000).as_bytes(), 3).unwrap());
    let ran = sandbox.load("").exits(0);
    assert_eq!(ran.json()["records"]["quarantined"], 0, "{ran:?}");
    assert_eq!(sandbox.lake("lake").prove().ids(), (0..1000).collect::<Vec<_>>());
}

#[test]
fn records_behind_something_else_are_rows() {
    for (what, head, codes) in [
        ("a log line", "WARN 2024-05-01 {starting}\n", vec![("Json.Syntax", 1)]),
        (
            "a record without its first byte",
            &record(9)[1..],
            vec![("Json.Syntax", 1)],
        ),
        (
            "a record that breaks off",
            "{\"id\":9,\"at\n",
            vec![("Json.Truncated", 1)],
        ),
        ("white space", " \r\n\t\n", vec![]),
        ("a number", "17\n", vec![("Json.NotAnObject", 1)]),
    ] {
        for records in [lines(0..3), record(0), lines(0..5000)] {
            let sandbox = Sandbox::new();
            sandbox.write("raw/a.json", head.to_owned() + &records);
            sandbox.load("").exits(0);
            let lake = sandbox.lake("lake");
            assert_eq!(lake.prove().ids().len(), records.lines().count(), "{what}");
            let codes: Vec<_> = codes.iter().map(|(code, count)| ((*code).to_owned(), *count)).collect();
            assert_eq!(lake.codes().into_iter().collect::<Vec<_>>(), codes, "{what}");
        }
    }
}

#[test]
fn names_of_any_bytes_are_sources() {
    let sandbox = Sandbox::new();
    let names: [&[u8]; 6] = [
        b"a b.json",
        b"100%.json",
        b"%41.json",
        b"\xff\xfe.json",
        "Köln.json".as_bytes(),
        b"new\nline\t'\"$(x).json",
    ];
    for (id, name) in names.iter().enumerate() {
        fs::create_dir_all(sandbox.path("raw")).unwrap();
        fs::write(sandbox.path("raw").join(OsStr::from_bytes(name)), record(id as u64)).unwrap();
    }
    assert_eq!(sandbox.load("").exits(0).sources(), [6, 6, 0, 0, 0, 0]);
    assert_eq!(sandbox.lake("lake").prove().ids(), (0..6).collect::<Vec<_>>());
    assert_eq!(sandbox.load("").exits(0).sources(), [6, 0, 6, 0, 0, 0]);
}

#[test]
fn what_is_no_regular_file_is_passed_over_in_a_folder_and_refused_by_name() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", record(0));
    assert!(
        std::process::Command::new("mkfifo")
            .arg(sandbox.path("raw/pipe"))
            .status()
            .unwrap()
            .success()
    );
    sandbox.link("raw/circle", "raw");
    assert_eq!(sandbox.load("").exits(0).sources()[..2], [1, 1]);
    for name in ["raw/pipe", "/dev/null"] {
        let ran = sandbox.run(&format!("backfill {name} --to lake")).exits(2);
        assert!(
            ran.stderr.contains(name) && ran.stderr.contains("neither a file nor a folder"),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(sandbox.lake("lake").prove().ids(), [0]);
}

#[test]
fn a_link_to_a_file_is_that_file_and_is_selected_by_the_name_it_has_here() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", record(0));
    sandbox.write("elsewhere/data.txt", record(1));
    sandbox.link("raw/b.json", "elsewhere/data.txt");
    sandbox.link("raw/_c.json", "elsewhere/data.txt");
    assert_eq!(sandbox.load("--glob *.json").exits(0).sources(), [2, 2, 0, 0, 0, 1]);
    assert_eq!(sandbox.lake("lake").prove().ids(), [0, 1]);
    let ran = sandbox.run("backfill elsewhere raw --to lake --json").exits(0);
    assert_eq!(ran.sources(), [2, 0, 2, 0, 0, 1]);
    // One that leads nowhere is a mistake that somebody should hear of.
    sandbox.link("raw/d.json", "gone");
    let ran = sandbox.load("").exits(2);
    assert!(
        ran.stderr.contains("raw/d.json") && ran.stderr.contains("No such file"),
        "{}",
        ran.stderr
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_source_that_cannot_be_read_fails_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", lines(0..100));
    sandbox.write("raw/c.json", lines(100..200));
    // Its first page is never mapped, so reading it fails for everybody, root too.
    std::os::unix::fs::symlink("/proc/self/mem", sandbox.path("raw/b.json")).unwrap();
    for already in [0, 2] {
        let ran = sandbox.load("").exits(1);
        assert_eq!(ran.sources(), [3, 2 - already, already, 1, 0, 0]);
        assert_eq!(ran.failed(), [("mem".into(), "Source.Unreadable".into())]);
        assert_eq!(sandbox.lake("lake").prove().ids(), (0..200).collect::<Vec<_>>());
    }
    fs::remove_file(sandbox.path("raw/b.json")).unwrap();
    assert_eq!(sandbox.load("").exits(0).sources(), [2, 0, 2, 0, 0, 0]);
}

#[test]
fn a_file_without_the_right_to_read_it_fails_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::new();
    sandbox.write("raw/a.json", record(0));
    sandbox.write("raw/b.json", record(1));
    let secret = sandbox.path("raw/b.json");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&secret).is_ok() {
        return; // root reads everything
    }
    let ran = sandbox.load("").exits(1);
    assert_eq!(ran.failed(), [("b.json".into(), "Source.Unreadable".into())]);
    assert_eq!(ran.json()["failed"][0]["transient"], false);
    assert_eq!(sandbox.lake("lake").prove().ids(), [0]);
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.load("").exits(0);
    assert_eq!(sandbox.lake("lake").prove().ids(), [0, 1]);
}
