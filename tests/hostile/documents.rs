//! `docs/security.md` names tests, and each of them is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every `file` followed by names of tests in a cell: `` `tests/a/b.rs`: `one`, `two` ``.
fn named(text: &str) -> Vec<(String, String)> {
    let mut file = String::new();
    let mut all = Vec::new();
    for row in text.lines().filter(|line| line.starts_with("| S")) {
        for quoted in row.split('`').skip(1).step_by(2) {
            let is_file = [".rs", ".py"].iter().any(|ending| quoted.ends_with(ending)) || quoted.starts_with(".ci/");
            if is_file {
                file = quoted.to_owned();
                all.push((file.clone(), String::new()));
            } else if quoted.contains('_')
                && quoted.len() > 20
                && quoted.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            {
                all.push((file.clone(), quoted.to_owned()));
            }
        }
    }
    all
}

#[test]
fn every_test_that_the_security_table_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let rows: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next())
        .filter(|name| name.starts_with('S'))
        .collect();
    let expected: BTreeSet<String> = (1..=21).map(|number| format!("S{number}")).collect();
    assert!(
        rows.iter().map(|row| (*row).to_owned()).collect::<BTreeSet<_>>() == expected,
        "{rows:?}"
    );
    let named = named(&text);
    assert!(
        named.iter().filter(|(_, test)| !test.is_empty()).count() >= 21,
        "{named:?}"
    );
    for (file, test) in named {
        let source = fs::read_to_string(root.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        // A test of the table in `fuzzed.rs` is made by a macro from its name.
        let is_there =
            test.is_empty() || source.contains(&format!("fn {test}(")) || source.contains(&format!("    {test}: \""));
        assert!(is_there, "there is no test {test} in {file}");
    }
}
