//! Of N good records at least N-2 come out unchanged when one byte is flipped, inserted or deleted anywhere, or the text
//! is cut; and every byte is in one stretch or between records.

use std::collections::HashSet;

use lakebed::source::frame::Stretch;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::reading::LIMITS;
use crate::records::{STYLES, Style, join, print, records};
use crate::{assert_accounted, bytes_of, cases, stretches};

/// Bytes that mean something to a reader of JSON, and some that never do.
const TELLING: [u8; 25] = *b"{}[]\":,\\ \n\r\tu0-.eEtfn/\xEF\xFF\0";

#[derive(Clone, Debug)]
pub(crate) enum Damage {
    Replace(u8),
    Insert(u8),
    Delete,
    Cut,
}

impl Damage {
    pub(crate) fn of(&self, text: &[u8], at: usize) -> Vec<u8> {
        let (before, behind) = text.split_at(at);
        match (self, behind) {
            (Self::Replace(byte), [_, rest @ ..]) => [before, &[*byte], rest].concat(),
            (Self::Insert(byte), _) | (Self::Replace(byte), []) => [before, &[*byte], behind].concat(),
            (Self::Delete, [_, rest @ ..]) => [before, rest].concat(),
            (Self::Delete, []) | (Self::Cut, _) => before.to_vec(),
        }
    }
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let byte = || prop_oneof![3 => select(&TELLING[..]), 1 => any::<u8>()];
    prop_oneof![
        byte().prop_map(Damage::Replace),
        byte().prop_map(Damage::Insert),
        Just(Damage::Delete),
        Just(Damage::Cut),
    ]
}

fn unchanged(text: &[u8], stretches: &[Stretch], records: &[String]) -> usize {
    let good = stretches.iter().filter(|stretch| stretch.what.is_ok());
    let found: HashSet<&[u8]> = good.map(|stretch| bytes_of(text, stretch)).collect();
    records
        .iter()
        .filter(|record| found.contains(record.as_bytes()))
        .count()
}

/// Damages the records and looks at what is left of them. A cut takes the records behind it along.
fn check(style: Style, records: &[String], damage: &Damage, at: usize) -> Result<(), String> {
    let damaged = damage.of(&join(style, records), at);
    let whole = match damage {
        Damage::Cut => begun_before(at, style.behind, records),
        _ => records.len(),
    };
    let stretches = stretches(&damaged, LIMITS, &[]);
    assert_accounted(&damaged, &stretches);
    let unchanged = unchanged(&damaged, &stretches, &records[..whole]);
    if unchanged + 2 >= whole {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&damaged);
    Err(format!(
        "{damage:?} at {at} left {unchanged} of {whole} in {text:?}: {stretches:?}"
    ))
}

/// How many records begin before `at`.
fn begun_before(at: usize, behind: &str, records: &[String]) -> usize {
    let begins = records.iter().scan(0, |sum, record| {
        let begin = *sum;
        *sum += record.len() + behind.len();
        Some(begin)
    });
    begins.filter(|begin| *begin < at).count()
}

proptest! {
    #![proptest_config(cases(5000))]

    #[test]
    fn one_damaged_byte_costs_two_records_at_most(
        (style, records) in records(1..8),
        damage in damage(),
        at in any::<Index>(),
    ) {
        let at = at.index(join(style, &records).len() + 1);
        prop_assert_eq!(check(style, &records, &damage, at), Ok(()));
    }

    /// As they stand, records are all there is.
    #[test]
    fn good_records_are_found_as_they_are((style, records) in records(0..8)) {
        let text = join(style, &records);
        let stretches = stretches(&text, LIMITS, &[]);
        assert_accounted(&text, &stretches);
        prop_assert!(stretches.iter().all(|stretch| stretch.what.is_ok()));
        let found: Vec<&[u8]> = stretches.iter().map(|stretch| bytes_of(&text, stretch)).collect();
        prop_assert_eq!(found, records.iter().map(String::as_bytes).collect::<Vec<_>>());
    }
}

#[test]
fn no_byte_anywhere_in_a_small_text_costs_more_than_two_records() {
    let samples: [&[Value]; 3] = [
        &[
            json!({"a": 1}),
            json!({"b": [true, null]}),
            json!({"c": {"d": "x"}}),
            json!({"e": -1.5e3}),
            json!({"f": ""}),
        ],
        // Strings with the edges of records in them, wherever a string may stand.
        &[
            json!({"a": "}{", "b": "{\"c\":1}"}),
            json!({"}{": 1, "b": ["}{"]}),
            json!({"a": {"}{": "\\\"}{"}}),
            json!({"}": "{", "b": "}\n{"}),
            json!({"a": "}{}", "b": "} {"}),
            json!({"a": "京😀}{"}),
        ],
        &[
            json!({"a": [{"b": [[], {}]}], "c": "}{"}),
            json!({"a": [{"b": 1}, {"c": 2}]}),
            json!({"x": {"y": {"z": []}}}),
            json!({"a": {"b": 1}, "c": [{"d": "}{"}]}),
            json!({"last": "}{"}),
        ],
    ];
    let damages = TELLING
        .iter()
        .flat_map(|byte| [Damage::Replace(*byte), Damage::Insert(*byte)]);
    let damages: Vec<Damage> = damages.chain([Damage::Delete, Damage::Cut]).collect();
    for values in samples {
        for style in STYLES {
            let records: Vec<String> = values.iter().map(|value| print(value, style)).collect();
            for at in 0..=join(style, &records).len() {
                for damage in &damages {
                    assert_eq!(check(style, &records, damage, at), Ok(()), "{style:?}");
                }
            }
        }
    }
}
