//! The checks of the fuzz targets, from their seeds with some changes: as much of it as fits into every change of the code.
//! `cargo fuzz` goes on from there for as long as somebody likes, see `fuzz/README.md`.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::{fs, panic};

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::bodies::{CHECKS, Check, records::JOB};
use crate::{packed, reading, rounds};

/// What means something to one of the readers, or often is too much for one.
const PIECES: [&[u8]; 48] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"\\",
    b"\n",
    b"\n{",
    b"\r\n",
    b" ",
    b"}{",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"true",
    b"-",
    b"0",
    b"1e999",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"1.5",
    b"\xf0\x9f\x98\x80",
    b"%",
    b"%2F",
    b"+",
    b"..",
    b"/",
    b".",
    b"_lakebed",
    b"2024-02-30T24:60:60.1Z",
    b"+23:59",
    b"Z",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"PK\x03\x04",
    b"\x82SNAPPY\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"s3://",
    b"Records",
    b"\"version\":2",
    b"- &a [*a,*a]\n",
    b"array<struct<",
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// The files that a fuzz target begins with, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder("seeds").join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[derive(Clone, Debug)]
enum Change {
    Replace(u8),
    Insert(Vec<u8>),
    Delete(usize),
    Repeat(usize),
    Cut,
    /// The rest is that of another seed.
    Other(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => any::<u8>().prop_map(Change::Replace),
        4 => select(&PIECES[..]).prop_map(|piece| Change::Insert(piece.to_vec())),
        2 => (1..20usize).prop_map(Change::Delete),
        2 => (1..40usize).prop_map(Change::Repeat),
        1 => Just(Change::Cut),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(seed, at)| Change::Other(seed, at)),
    ]
}

fn changed(seeds: &[Vec<u8>], seed: Index, changes: Vec<(Change, Index)>) -> Vec<u8> {
    let mut bytes = seed.get(seeds).clone();
    for (change, at) in changes {
        let at = at.index(bytes.len() + 1);
        let behind = bytes.split_off(at);
        match change {
            Change::Replace(byte) => bytes.extend([&[byte], behind.get(1..).unwrap_or_default()].concat()),
            Change::Insert(piece) => bytes.extend([piece, behind].concat()),
            Change::Delete(count) => bytes.extend(&behind[count.min(behind.len())..]),
            Change::Repeat(count) => bytes.extend([&behind[..count.min(behind.len())], &behind].concat()),
            Change::Cut => {}
            Change::Other(seed, from) => {
                let other = seed.get(seeds);
                bytes.extend(&other[from.index(other.len() + 1)..]);
            }
        }
    }
    bytes
}

/// Runs a check over its seeds as they are, then over changed ones.
fn fuzz(target: &str, cases: u32) {
    let (_, check): &Check = CHECKS.iter().find(|(name, _)| *name == target).unwrap();
    let seeds = seeds(target);
    seeds.iter().for_each(|seed| check(seed));
    let some = (any::<Index>(), prop::collection::vec((change(), any::<Index>()), 1..6));
    let mut runner = proptest::test_runner::TestRunner::new(reading::cases(cases * rounds()));
    let tried = runner.run(&some, |(seed, changes)| {
        let bytes = changed(&seeds, seed, changes);
        panic::catch_unwind(AssertUnwindSafe(|| check(&bytes)))
            .map_err(|_| TestCaseError::fail(format!("{:?}, as a text {:?}", bytes, String::from_utf8_lossy(&bytes))))
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

macro_rules! fuzzed {
    ($($name:ident: $target:literal, $cases:literal;)+) => { $(
        #[test]
        fn $name() {
            fuzz($target, $cases);
        }
    )+ };
}

fuzzed! {
    any_payload_is_answered_or_refused: "doors", 3_000;
    any_stream_is_cut_into_the_same_records: "frame", 5_000;
    any_packed_stream_is_read_in_bounded_pieces: "inflate", 2_000;
    any_key_is_decoded_and_none_of_ours_leaves_the_lake: "keys", 5_000;
    any_record_of_a_lake_is_understood_or_refused: "records", 2_000;
    any_row_is_what_a_second_parser_reads: "rows", 3_000;
    any_schema_is_a_table_or_an_error_that_says_where: "schemas", 1_000;
    any_time_is_read_as_others_read_it: "time", 3_000;
}

#[test]
fn every_check_has_a_target_and_seeds() {
    let names: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    for (place, ending) in [("fuzz_targets", ".rs"), ("seeds", "")] {
        let mut found: Vec<String> = fs::read_dir(folder(place))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        assert_eq!(
            found,
            names.iter().map(|name| format!("{name}{ending}")).collect::<Vec<_>>()
        );
    }
    for name in &names {
        assert!(seeds(name).len() >= 3, "{name}");
        let target = fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(target.contains(&format!("bodies::{name}::check")), "{name}");
    }
    let readme = fs::read_to_string(folder("README.md")).unwrap();
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in names {
        assert!(
            readme.contains(&format!("`{name}`")) && manifest.contains(&format!("name = \"{name}\"")),
            "{name}"
        );
    }
}

/// Seeds that are packed are made here: `UPDATE_SEEDS=1 cargo test --test hostile seeds`.
#[test]
fn packed_seeds_are_those_that_are_made_here() {
    let text = crate::object::lines(0..4).into_bytes();
    for (place, packing) in packed::PACKINGS.iter().enumerate() {
        // The first byte is the choice of what is said beside.
        let choice = if packing.key == "a" { 0 } else { 5 };
        let seed = [&[choice][..], &(packing.pack)(&text)].concat();
        let path = folder("seeds/inflate").join(format!("{place}-{}", packing.name.replace(' ', "-")));
        if std::env::var_os("UPDATE_SEEDS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &seed).unwrap();
        }
        assert!(fs::read(&path).unwrap() == seed, "{}", path.display());
    }
    assert!(
        seeds("records")
            .iter()
            .any(|seed| String::from_utf8_lossy(seed).contains(JOB))
    );
}
