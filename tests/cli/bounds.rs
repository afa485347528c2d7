//! Memory stays bounded where somebody means it to grow: cardinality, width, depth, size, and packed objects that are a
//! thousand or a million times larger than they look.
//!
//! `LAKEBED_TEST_ROUNDS` multiplies the sizes.

#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write as _};

use crate::limits::peak;
use crate::sandbox::{Dice, Ran, Run as _, Sandbox, gzip, record};

/// What the smallest setting may cost, with what stands outside of it. Most runs here take a third.
const PEAK_KIB_MAX: u64 = 256 << 10;
const MIB: u64 = 1 << 20;

fn rounds() -> u64 {
    let asked = std::env::var("LAKEBED_TEST_ROUNDS").map(|text| text.parse().expect("LAKEBED_TEST_ROUNDS is a number"));
    asked.unwrap_or(1)
}

/// Loads all of `raw` in the smallest memory there is.
#[track_caller]
fn load(name: &str, sandbox: &Sandbox, settings: &[(&str, &str)]) -> Ran {
    let mut command = sandbox.command("backfill raw --to lake --json --memory 64MiB");
    let (peak_kib, ran) = peak(command.envs(settings.iter().copied()).begin());
    eprintln!("{name}: {} MiB", peak_kib >> 10);
    assert!(peak_kib > 0 && peak_kib <= PEAK_KIB_MAX, "{name}: {peak_kib} KiB");
    ran
}

#[test]
fn memory_does_not_grow_with_tables_and_hours_in_any_order() {
    for (tables, hours) in [(1, 1), (4, 25), (4, 2500)] {
        let sandbox = Sandbox::empty();
        for table in 0..tables {
            let schema = format!(
                "table: t{table}\nroute: {{ kind: {table} }}\nevent_time: {{ field: at, max_past: none }}\n\
                 columns: {{ id: bigint, at: timestamp, text: string }}\n"
            );
            sandbox.write(&format!("schemas/t{table}.yaml"), schema);
        }
        let mut text = String::new();
        let mut dice = Dice(7);
        let rows = 3 * tables * hours;
        for id in 0..rows {
            // Each pair three times, in an order that no table or hour keeps.
            let pair = id * 7919 % (tables * hours);
            let (table, hour) = (pair % tables, pair / tables);
            let at = 1_577_836_800 + hour * 3600 + dice.below(3600);
            writeln!(
                text,
                "{{\"id\":{id},\"at\":{at},\"kind\":{table},\"text\":\"{:0>300}\"}}",
                dice.next()
            )
            .unwrap();
        }
        sandbox.write("raw/pairs.json", text);
        let json = load(&format!("{tables} tables, {hours} hours"), &sandbox, &[])
            .exits(0)
            .json();
        assert_eq!(
            (&json["records"]["rows"], &json["records"]["quarantined"]),
            (&rows.into(), &0.into())
        );
        let found: u64 = (0..tables)
            .map(|table| json["tables"][format!("t{table}")]["hours"].as_u64().unwrap())
            .sum();
        assert_eq!(found, tables * hours);
    }
}

#[test]
fn memory_does_not_grow_with_columns_and_keys() {
    for columns in [1_u64, 100, 1000] {
        let sandbox = Sandbox::empty();
        let names: String = (0..columns - 1).map(|n| format!("  c{n}: string\n")).collect();
        sandbox.write(
            "schemas/wide.yaml",
            format!("table: wide\nevent_time: {{ field: at }}\ncolumns:\n  at: timestamp\n{names}"),
        );
        let rows = 4000 / columns.isqrt();
        let mut text = String::new();
        let mut dice = Dice(columns);
        for _ in 0..rows {
            text.push_str("{\"at\":\"2024-05-01T02:00:00Z\"");
            (0..columns - 1).for_each(|n| write!(text, ",\"c{n}\":\"{:x}\"", dice.next()).unwrap());
            // Keys that no column takes, another set in each record.
            (0..100).for_each(|_| write!(text, ",\"{:x}\":1", dice.next()).unwrap());
            text.push_str("}\n");
        }
        sandbox.write("raw/wide.json", text);
        let json = load(&format!("{columns} columns"), &sandbox, &[]).exits(0).json();
        assert_eq!(
            (&json["records"]["rows"], &json["records"]["quarantined"]),
            (&rows.into(), &0.into())
        );
    }
    // As many different keys as a record can hold.
    let sandbox = Sandbox::new();
    let mut keys = String::new();
    let mut dice = Dice(3);
    while keys.len() < 14 << 20 {
        write!(keys, ",\"{:x}\":0", dice.next()).unwrap();
    }
    sandbox.write(
        "raw/keys.json",
        record(1).replace('}', &format!("{keys}}}")) + &record(2),
    );
    let json = load("a record of keys", &sandbox, &[]).exits(0).json();
    assert_eq!(json["records"]["rows"], 2);
    let unknown = &json["tables"]["event"]["unknown"];
    assert!(
        unknown.as_object().is_none_or(|names| names.len() <= 1100),
        "{} names",
        unknown.as_object().unwrap().len()
    );
}

/// `{}` is three bytes with its comma, and a value of each member in columns.
#[test]
fn memory_does_not_grow_with_what_is_small_as_text_and_large_as_columns() {
    let sandbox = Sandbox::empty();
    let members: Vec<String> = (0..20).map(|n| format!("m{n}:string")).collect();
    sandbox.write(
        "schemas/event.yaml",
        format!(
            "table: event\nevent_time: {{ field: at, max_past: none }}\ncolumns:\n  id: bigint\n  at: timestamp\n  \
             a: \"array<struct<{}>>\"\n  b: \"map<string,struct<{}>>\"\n",
            members.join(","),
            members.join(",")
        ),
    );
    let line = |id: u64, elements: usize| {
        let all = vec!["{}"; elements].join(",");
        format!(
            "{{\"id\":{id},\"at\":\"2024-05-01T{:02}:00:00Z\",\"a\":[{all}]}}\n",
            id % 24
        )
    };
    let keys: String = (0..300_000).map(|n| format!(",\"{n}\":{{}}")).collect();
    let map = format!("{{\"id\":7,\"at\":\"2024-05-01T02:00:00Z\",\"b\":{{\"\":{{}}{keys}}}}}\n");
    let lines: String = (0..1000 * rounds()).map(|id| line(id, 700)).collect();
    for (name, text, rows, refused) in [
        ("many lists", lines, 1000 * rounds(), 0),
        ("a map", map, 1, 0),
        ("a list beyond the limit", line(1, 5 << 20) + &line(2, 3), 1, 1),
    ] {
        sandbox.write("raw/a.json", text);
        std::fs::remove_dir_all(sandbox.path("lake")).unwrap_or_default();
        let json = load(name, &sandbox, &[]).exits(0).json();
        assert_eq!(json["records"]["rows"], rows, "{name}");
        let entries = sandbox.lake("lake").prove().quarantine();
        let told: Vec<_> = entries
            .iter()
            .map(|entry| (&entry["errorCode"], &entry["column"]))
            .collect();
        assert_eq!(told, vec![(&"Record.TooLarge".into(), &"a".into()); refused], "{name}");
    }
}

#[test]
fn neither_memory_nor_the_stack_grows_with_depth() {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "schemas/event.yaml",
        "table: event\nevent_time: { field: at, max_past: none }\ncolumns: { id: bigint, at: timestamp, text: string }\n\
         unknown_fields: { keep_in: rest }\n",
    );
    let mut text = String::new();
    let depths = [1, 2, 10, 100, 127, 128, 129, 998, 999, 1000, 10_000, 100_000, 1_000_000];
    for (id, depth) in depths.iter().enumerate() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let inside = [open.repeat(*depth), "0".to_owned(), close.repeat(*depth)].concat();
            for field in ["text", "unknown"] {
                writeln!(
                    text,
                    "{{\"id\":{id},\"at\":\"2024-05-01T02:00:00Z\",\"{field}\":{inside}}}"
                )
                .unwrap();
            }
        }
    }
    sandbox.write("raw/deep.json", text);
    for (depth_max, deepest) in [(128, 127), (1000, 999)] {
        let fit = depths.iter().filter(|depth| **depth <= deepest).count() * 4;
        std::fs::remove_dir_all(sandbox.path("lake")).unwrap_or_default();
        let settings = [("LAKEBED_DEPTH_MAX", &*depth_max.to_string())];
        let json = load(&format!("depth to {depth_max}"), &sandbox, &settings)
            .exits(0)
            .json();
        assert_eq!(json["records"]["rows"], fit, "{depth_max}");
        assert_eq!(
            sandbox.lake("lake").prove().codes(),
            [("Json.TooDeep".to_owned(), depths.len() * 4 - fit)].into()
        );
    }
}

/// `text` over and over, packed as it comes.
fn bomb(text: &[u8], bytes: u64) -> Vec<u8> {
    let once = text.repeat((64 << 10) / text.len());
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    (0..bytes / once.len() as u64).for_each(|_| out.write_all(&once).unwrap());
    out.finish().unwrap()
}

#[test]
fn a_bomb_costs_time_and_no_memory() {
    let size = 48 * MIB * rounds();
    let zeros = || io::repeat(0).take(size);
    let cases: Vec<(&str, Vec<u8>, i32, Option<&str>)> = vec![
        ("spaces", bomb(b" ", size), 0, None),
        ("newlines", bomb(b"\n", size), 0, None),
        ("spaces, packed twice", gzip(bomb(b" ", size)), 0, None),
        ("spaces, packed three times", gzip(gzip(bomb(b" ", size))), 0, None),
        (
            "packed four times",
            gzip(gzip(gzip(bomb(b" ", MIB)))),
            1,
            Some("Codec.Limit"),
        ),
        (
            "zeros",
            zstd::encode_all(zeros(), 19).unwrap(),
            1,
            Some("Object.NotJson"),
        ),
        ("brackets", bomb(b"[", size), 1, Some("Object.NotJson")),
        ("braces", bomb(b"{\"a\":", size), 0, Some("Json.TooDeep")),
        (
            "a string without an end",
            [gzip("{\"a\":\""), bomb(b"x", size)].concat(),
            0,
            Some("Record.TooLarge"),
        ),
        (
            "a number without an end",
            [gzip("{\"a\":"), bomb(b"1", size)].concat(),
            0,
            Some("Record.TooLarge"),
        ),
        (
            "a string of escapes",
            [gzip("{\"a\":\""), bomb(b"\\u0000", size)].concat(),
            0,
            Some("Record.TooLarge"),
        ),
        (
            "a key over and over",
            [gzip("{\"a\":1"), bomb(b",\"a\":1", size)].concat(),
            0,
            Some("Record.TooLarge"),
        ),
        (
            "noise on one line",
            [gzip("{}"), bomb(b"x", size)].concat(),
            0,
            Some("Json.Syntax"),
        ),
    ];
    for (name, stored, exit, code) in cases {
        let ratio = size / stored.len() as u64;
        let sandbox = Sandbox::new();
        sandbox.write("raw/bomb", stored);
        load(&format!("{name}, {ratio}:1"), &sandbox, &[]).exits(exit);
        let lake = sandbox.lake("lake");
        let codes = lake.prove().codes();
        assert!(
            codes.keys().map(String::as_str).any(|found| Some(found) == code) || code.is_none() && codes.is_empty(),
            "{name}: {codes:?}"
        );
        assert!(codes.values().sum::<usize>() <= 2, "{name}: {codes:?}");
    }
}

/// What is refused takes more room than it had: a line of quarantine for each two bytes.
#[test]
fn a_bomb_of_records_that_are_refused_costs_no_memory() {
    let sandbox = Sandbox::new();
    let records = MIB * rounds() / 8;
    sandbox.write("raw/bomb.gz", bomb(b"{}", 2 * records));
    let json = load("refused records", &sandbox, &[]).exits(0).json();
    assert_eq!(json["records"]["quarantined"], records);
    sandbox.lake("lake").prove();
}

#[test]
fn memory_does_not_grow_with_the_size_of_an_object() {
    let mut peaks = Vec::new();
    for bytes in [0, 1, MIB, 16 * MIB, 64 * MIB * rounds()] {
        let sandbox = Sandbox::new();
        let text = record(7);
        let count = bytes / text.len() as u64;
        sandbox.write(
            "raw/lines.gz",
            if bytes < MIB {
                " ".repeat(bytes as usize).into_bytes()
            } else {
                bomb_of_lines(&text, count)
            },
        );
        let mut command = sandbox.command("backfill raw --to lake --json --memory 64MiB");
        let (peak_kib, ran) = peak(command.begin());
        eprintln!("{bytes} bytes: {} MiB", peak_kib >> 10);
        assert_eq!(
            ran.exits(0).json()["records"]["rows"],
            if bytes < MIB { 0 } else { count }
        );
        peaks.push(peak_kib);
    }
    assert!(
        *peaks.last().unwrap() <= PEAK_KIB_MAX && peaks[4] <= peaks[3] + (64 << 10),
        "{peaks:?} KiB"
    );
    // A file that is all holes.
    let sandbox = Sandbox::new();
    sandbox.write("raw/holes", "");
    File::options()
        .write(true)
        .open(sandbox.path("raw/holes"))
        .unwrap()
        .set_len((1 << 30) * rounds())
        .unwrap();
    let ran = load("a GiB of nothing", &sandbox, &[]).exits(1);
    assert_eq!(ran.failed(), [("holes".into(), "Object.NotJson".into())]);
}

fn bomb_of_lines(line: &str, count: u64) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..count).for_each(|_| out.write_all(line.as_bytes()).unwrap());
    out.finish().unwrap()
}
