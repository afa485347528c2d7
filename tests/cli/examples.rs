//! The job of the README: `lakebed backfill examples/raw --to lake`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use arrow::array::{Array as _, AsArray as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::lake::{DataFile, Lake, assert_sums, micros};
use crate::sandbox::{Ran, Run as _, Sandbox};

const OBJECTS: u64 = 18;
const ROWS: u64 = 3106;
const REJECTS: u64 = 46;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Loads the examples into a lake of a sandbox.
fn load() -> (Sandbox, Ran) {
    let sandbox = Sandbox::empty();
    let lake = sandbox.path("lake");
    let mut command = sandbox.command("backfill examples/raw --json --to");
    let ran = command.arg(&lake).current_dir(root()).run();
    (sandbox, ran)
}

#[test]
fn the_examples_are_loaded_and_every_sum_adds_up() {
    let (sandbox, ran) = load();
    let ran = ran.exits(0);
    let lake = sandbox.lake("lake");
    lake.prove();
    assert_eq!(lake.intents(), [""; 0]);
    assert_eq!(lake.claims().len() as u64, OBJECTS);
    assert!(lake.outcomes().iter().all(|outcome| outcome["state"] == "done"));

    let summary = ran.json();
    assert_eq!((&summary["version"], &summary["verb"]), (&1.into(), &"backfill".into()));
    assert_eq!(ran.sources(), [OBJECTS, OBJECTS, 0, 0, 0, 0]);
    assert_eq!(ran.failed(), []);
    let records = &summary["records"];
    assert_eq!(
        ["read", "added", "rows", "quarantined", "dropped"].map(|name| records[name].as_u64().unwrap()),
        [ROWS + REJECTS, 0, ROWS, REJECTS, 0]
    );
    let raw_bytes: u64 = raw_objects().values().map(|object| object.len() as u64).sum();
    assert_eq!(summary["sources"]["bytes"], raw_bytes);

    let mut files: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for DataFile { table, rows } in lake.tables() {
        let (files, of) = files.entry(table).or_default();
        *files += 1;
        *of += rows.num_rows() as u64;
    }
    let tables = summary["tables"].as_object().unwrap();
    let counted = tables.iter().map(|(name, table)| {
        let of = |what: &str| table[what].as_u64().unwrap();
        assert!(of("hours") <= of("files") && table["first_hour"].as_str() <= table["last_hour"].as_str());
        (name.clone(), (of("files"), of("rows")))
    });
    assert_eq!(counted.collect::<BTreeMap<_, _>>(), files);
    assert_eq!(files.values().map(|(_, rows)| rows).sum::<u64>(), ROWS);

    let codes: BTreeMap<String, usize> = serde_json::from_value(summary["quarantined"].clone()).unwrap();
    assert_eq!(codes, lake.codes());
    assert_eq!(codes.values().sum::<usize>() as u64, REJECTS);
    for outcome in lake.outcomes() {
        assert_sums(&outcome["counts"]);
    }
}

#[test]
fn every_record_of_the_examples_is_one_row_or_one_entry() {
    let (sandbox, ran) = load();
    ran.exits(0);
    let lake = sandbox.lake("lake");
    let mut left = raw_objects();
    for object in left.values_mut() {
        *object = decompressed(object);
    }
    // What is not in quarantine must be nothing but good records.
    for entry in lake.quarantine() {
        let key = entry["source"]["key"].as_str().unwrap();
        let object = left.get_mut(key).unwrap();
        let (offset, length) = (
            entry["offset"].as_u64().unwrap() as usize,
            entry["length"].as_u64().unwrap() as usize,
        );
        let place = &mut object[offset..offset + length];
        assert_eq!(
            STANDARD.decode(entry["rawData"].as_str().unwrap()).unwrap(),
            place,
            "{entry}"
        );
        assert!(!place.iter().all(u8::is_ascii_whitespace), "{entry}");
        place.fill(b' ');
        assert_eq!(
            (&entry["offsetIn"], &entry["attemptsMade"]),
            (&"decompressed".into(), &1.into())
        );
        let modified = Path::new(key).metadata().unwrap().modified().unwrap();
        let modified_s = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(entry["arrivalTimestamp"], modified_s * 1000, "{entry}");
        assert!(entry["record"].as_u64().unwrap() > 0 && !entry["errorMessage"].as_str().unwrap().is_empty());
    }
    let mut expected = Vec::new();
    for (key, object) in left {
        let object = object.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&object);
        for record in serde_json::Deserializer::from_slice(object).into_iter::<Value>() {
            expected.push(identity(&record.unwrap_or_else(|error| panic!("{key}: {error}"))));
        }
    }
    expected.sort();
    let mut rows: Vec<_> = lake.tables().iter().flat_map(identities).collect();
    rows.sort();
    assert_eq!(rows.len() as u64, ROWS);
    assert_eq!(rows, expected);
}

#[test]
fn the_summary_for_people_says_the_same() {
    let sandbox = Sandbox::empty();
    let mut command = sandbox.command("backfill examples/raw --to");
    let ran = command.arg(sandbox.path("lake")).current_dir(root()).run().exits(0);
    for expected in [
        "18 objects loaded (250.36 KiB), 0 already loaded, 0 failed, 0 damaged",
        "3,152 records: 3,106 rows, 46 quarantined",
        "account",
        "Json.NotAnObject",
        "_lakebed/quarantine/",
        "appVersion (52)",
    ] {
        assert!(ran.stdout.contains(expected), "no {expected:?} in {}", ran.stdout);
    }
    assert_eq!(ran.stderr, "");
}

#[test]
fn where_a_field_or_a_key_says_type_the_example_schemas_route_it() {
    let (sandbox, _) = load();
    let lake: Lake = sandbox.lake("lake");
    for DataFile { table, rows } in lake.tables() {
        let Some(kinds) = rows.column_by_name("type") else {
            continue;
        };
        for kind in kinds.as_string::<i32>().iter().flatten() {
            let expected = match kind {
                "sign_up" | "login" | "logout" => "account",
                other => other,
            };
            assert_eq!(table, expected);
        }
    }
}

/// The objects below `examples/raw` by their full path.
fn raw_objects() -> BTreeMap<String, Vec<u8>> {
    let mut objects = BTreeMap::new();
    let mut folders = vec![root().join("examples/raw").canonicalize().unwrap()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                objects.insert(path.to_str().unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    objects
}

fn decompressed(object: &[u8]) -> Vec<u8> {
    if !object.starts_with(&[0x1f, 0x8b]) {
        return object.to_vec();
    }
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(object)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// What a record is known by: its id, or its device and time.
fn identity(record: &Value) -> String {
    if let Some(id) = ["id", "ID", "shipment"].iter().find_map(|name| record.get(name)) {
        return id.as_str().unwrap().to_owned();
    }
    let seconds = record["time"]["$.date"].as_f64().unwrap();
    let micros = (seconds * 1e6).round() as i64;
    format!("{}@{micros}", record["device"].as_str().unwrap())
}

fn identities(DataFile { rows, .. }: &DataFile) -> Vec<String> {
    if let Some(ids) = ["id", "shipment"].iter().find_map(|name| rows.column_by_name(name)) {
        assert_eq!(ids.null_count(), 0);
        return ids.as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    }
    let devices = rows.column_by_name("device").unwrap().as_string::<i32>();
    let times = micros(rows.column_by_name("time").unwrap());
    devices
        .iter()
        .flatten()
        .zip(times)
        .map(|(device, time)| format!("{device}@{time}"))
        .collect()
}
