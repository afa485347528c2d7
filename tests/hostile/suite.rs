//! The suite of JSON texts as the first, a middle and the last line of an object, packed in every way: what becomes of each
//! depends on nothing but the text.

use std::collections::BTreeMap;

use lakebed::record::RecordPlan;
use serde::Deserialize;

use crate::object::{Object, object_as};
use crate::packed::PACKINGS;
use crate::reading::{outcomes, plan};

#[derive(Deserialize)]
struct Case {
    name: String,
    class: String,
    hex: String,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/json_suite.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A record with the text as the value of `k`.
fn record(case: &Case) -> Vec<u8> {
    let pairs = case.hex.as_bytes().chunks(2);
    let value = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    [b"{\"t\":0,\"k\":".as_slice(), &value.collect::<Vec<_>>(), b"}"].concat()
}

const NEIGHBOURS: [&[u8]; 2] = [b"{\"t\":0,\"k\":\"one\"}", b"{\"t\":0,\"k\":\"two\"}"];

/// What becomes of a text that stands alone.
fn alone(plan: &RecordPlan, record: &[u8]) -> Vec<Result<Vec<String>, String>> {
    let all = outcomes(plan, record).into_iter();
    all.map(|outcome| outcome.map_err(|rejected| rejected.code.as_str().to_owned()))
        .collect()
}

#[test]
fn what_becomes_of_a_text_depends_on_neither_its_line_nor_its_packing() {
    let plan = plan("columns: { k: string }");
    let mut counts = BTreeMap::new();
    for case in cases() {
        let record = record(&case);
        let expected = alone(&plan, &record);
        for place in 0..=NEIGHBOURS.len() {
            let mut lines = NEIGHBOURS.to_vec();
            lines.insert(place, &record);
            let text = lines.join(&b'\n');
            let mut outcomes: Vec<_> = NEIGHBOURS
                .iter()
                .flat_map(|neighbour| alone(&plan, neighbour))
                .collect();
            outcomes.splice(place..place, expected.clone());
            for packing in &PACKINGS[..5] {
                let found = object_as(&plan, (packing.pack)(&text), "", packing.key);
                let whole = Object {
                    outcomes: outcomes.clone(),
                    damage: None,
                    bytes: text.len() as u64,
                    is_json: true,
                };
                assert_eq!(found, whole, "{} as line {place} of {}", case.name, packing.name);
                *counts.entry(case.class.clone()).or_insert(0) += 1;
            }
        }
    }
    // Three lines in five packings of each of them.
    let expected = ["i", "n", "y"].map(|class| {
        (
            class.to_owned(),
            cases().iter().filter(|case| case.class == class).count() * 15,
        )
    });
    assert_eq!(counts, BTreeMap::from(expected));
    assert!(counts.values().sum::<usize>() >= 5_100, "{counts:?}");
}
