//! The suite of JSON texts in `fixtures/json_suite.jsonl`, each as the value of a key: what must be a record is a row,
//! what must not be is refused, and neither takes a neighbour along.

use std::path::{Path, PathBuf};
use std::{env, fs};

use lakebed::record::RecordPlan;
use serde::Deserialize;

use crate::reading::{code, outcomes, plan};

#[derive(Deserialize)]
struct Case {
    name: String,
    class: String,
    hex: String,
    why: String,
}

impl Case {
    /// A record with the text as the value of `k`.
    fn record(&self) -> Vec<u8> {
        let pairs = self.hex.as_bytes().chunks(2);
        let value = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        [b"{\"t\":0,\"k\":".as_slice(), &value.collect::<Vec<_>>(), b"}"].concat()
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn cases(class: &str) -> Vec<Case> {
    let text = fs::read_to_string(file("fixtures/json_suite.jsonl")).unwrap();
    let all = text.lines().map(|line| serde_json::from_str::<Case>(line).unwrap());
    let some: Vec<Case> = all.filter(|case| case.class == class).collect();
    assert!(!some.is_empty());
    some
}

fn plan_of(data_type: &str) -> RecordPlan {
    plan(&format!("columns: {{ k: {data_type} }}"))
}

/// `row`, or the codes of what there is instead.
fn outcome(plan: &RecordPlan, text: &[u8]) -> String {
    let all = outcomes(plan, text);
    let all = all.iter().map(|one| one.as_ref().map_or_else(code, |_| "row".into()));
    all.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_rfc_8259_takes_becomes_a_row() {
    let plan = plan_of("string");
    for case in cases("y") {
        assert_eq!(outcome(&plan, &case.record()), "row", "{}: {}", case.name, case.why);
    }
}

/// A record, and a brace too many behind it: the one text that is not one object and yet holds a record.
const RECORD_AND_MORE: &str = "n_objects_057";

#[test]
fn what_rfc_8259_refuses_becomes_no_row() {
    let plan = plan_of("string");
    for case in cases("n") {
        let outcome = outcome(&plan, &case.record());
        let refusal = match outcome.strip_prefix("row ") {
            Some(rest) if case.name == RECORD_AND_MORE => rest,
            _ => &outcome,
        };
        let mut codes = refusal.split(' ');
        let first = codes.next().unwrap_or_default();
        let is_syntax = ["Json.Syntax", "Json.Truncated", "Json.TooDeep", "Json.InvalidUtf8"].contains(&first);
        assert!(
            is_syntax && codes.all(|code| code != "row"),
            "{}: {}: {outcome}",
            case.name,
            case.why
        );
    }
}

#[test]
fn what_rfc_8259_leaves_open_stays_as_it_was_decided() {
    let (as_string, as_double) = (plan_of("string"), plan_of("double"));
    let line = |case: Case| {
        let record = case.record();
        let (string, double) = (outcome(&as_string, &record), outcome(&as_double, &record));
        format!("{} string: {string}, double: {double} ({})\n", case.name, case.why)
    };
    let found: String = cases("i").into_iter().map(line).collect();
    let golden = file("golden/json_suite_i.txt");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &found).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(found, expected, "UPDATE_GOLDEN=1 cargo test writes it anew");
}

#[test]
fn no_case_takes_a_neighbour_along() {
    let plan = plan_of("string");
    let neighbours = [b"{\"t\":0,\"k\":\"one\"}", b"{\"t\":0,\"k\":\"two\"}"].map(<[u8; 17]>::as_slice);
    for case in ["y", "n", "i"].into_iter().flat_map(cases) {
        let record = case.record();
        for place in 0..3 {
            let mut lines = neighbours.to_vec();
            lines.insert(place, &record);
            let rows: Vec<_> = outcomes(&plan, &lines.join(&b'\n')).into_iter().flatten().collect();
            let kept = |text: &str| rows.iter().filter(|row| row[0] == format!("{text:?}")).count();
            assert_eq!(
                (kept("one"), kept("two")),
                (1, 1),
                "{} at {place}: {}",
                case.name,
                case.why
            );
            assert_eq!(
                rows.len() > 2,
                outcome(&plan, &record).starts_with("row"),
                "{} at {place}",
                case.name
            );
        }
    }
}
