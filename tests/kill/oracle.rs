//! The judge itself: it finds nothing in a sound lake, and finds every fault that is planted.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::moment::{changed, torn};
use crate::sandbox::Run as _;
use crate::scene::{Place, Scene, ends_well};
use crate::shapes::SMALL;
use crate::support::judge::{Sources, Stored, hex, judge};

const NOBODY: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
const LATER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A sound lake, and what was loaded into it.
fn sound() -> (Stored, Sources) {
    let mut scene = Scene::new(Place::Folder, &SMALL);
    ends_well(scene.backfill(&[]).run());
    scene.prove();
    let stored = scene.stored();
    let sources = scene.counting(&stored);
    (stored, sources)
}

/// The key with these two parts that has the most behind it.
fn key(lake: &Stored, parts: [&str; 2]) -> String {
    let keys = lake
        .objects
        .iter()
        .filter(|(key, _)| parts.iter().all(|part| key.contains(part)));
    keys.max_by_key(|(_, bytes)| bytes.len()).unwrap().0.clone()
}

/// The outcome of a job that has files.
fn an_outcome(lake: &Stored) -> String {
    format!("_lakebed/jobs/{}.json", job_of(&key(lake, ["event/", "hour=01/"])))
}

fn edit(lake: &mut Stored, key: &str, change: impl FnOnce(&mut Value)) {
    let mut json = serde_json::from_slice(&lake.objects[key]).unwrap();
    change(&mut json);
    lake.objects.insert(key.to_owned(), json.to_string().into());
}

fn job_of(key: &str) -> &str {
    key.rsplit('/').next().unwrap().split(['-', '.']).next().unwrap()
}

/// Puts other bytes in the place of a file, and its outcome says so.
fn forge(lake: &mut Stored, key: &str, bytes: Bytes) {
    let outcome = format!("_lakebed/jobs/{}.json", job_of(key));
    let (size, sha256) = (bytes.len(), hex(&Sha256::digest(&bytes)));
    lake.objects.insert(key.to_owned(), bytes);
    edit(lake, &outcome, |outcome| {
        let files = outcome["files"].as_array_mut().unwrap();
        let file = files.iter_mut().find(|file| file["key"] == key).unwrap();
        (file["size"], file["sha256"]) = (size.into(), sha256.into());
    });
}

/// Forges a data file of several rows.
fn forge_rows(lake: &mut Stored, change: impl FnOnce(RecordBatch) -> RecordBatch) {
    let key = key(lake, ["event/", "hour=01/"]);
    let reader = ParquetRecordBatchReaderBuilder::try_new(lake.objects[&key].clone()).unwrap();
    let schema = Arc::clone(reader.schema());
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    let rows = change(concat_batches(&schema, &batches).unwrap());
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    forge(lake, &key, bytes.into());
}

/// The rows at these places.
fn taken(rows: &RecordBatch, places: impl Iterator<Item = u32>) -> RecordBatch {
    take_record_batch(rows, &UInt32Array::from_iter_values(places)).unwrap()
}

/// Forges a quarantine file.
fn forge_lines(lake: &mut Stored, change: impl FnOnce(&mut Vec<Value>)) {
    let key = key(lake, ["_lakebed/quarantine/", ".ndjson.gz"]);
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&*lake.objects[&key])
        .read_to_string(&mut text)
        .unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    change(&mut lines);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    lines.iter().for_each(|line| writeln!(encoder, "{line}").unwrap());
    forge(lake, &key, encoder.finish().unwrap().into());
}

/// Renames a file, and its outcome says so.
fn forge_key(lake: &mut Stored, from: &str, to: &str) {
    let bytes = lake.objects.remove(from).unwrap();
    lake.objects.insert(to.to_owned(), bytes);
    edit(lake, &format!("_lakebed/jobs/{}.json", job_of(from)), |outcome| {
        let files = outcome["files"].as_array_mut().unwrap();
        files.iter_mut().find(|file| file["key"] == from).unwrap()["key"] = to.into();
    });
}

/// An outcome of another job with the files of this one, which are there.
fn brought_back(lake: &mut Stored, state: Option<&str>) {
    let file = key(lake, ["event/", "hour=01/"]);
    let outcome = format!("_lakebed/jobs/{}.json", job_of(&file));
    let copy = file.replace(job_of(&file), NOBODY);
    lake.objects.insert(copy.clone(), lake.objects[&file].clone());
    if let Some(state) = state {
        let other = format!("_lakebed/jobs/{NOBODY}.json");
        lake.objects.insert(other.clone(), lake.objects[&outcome].clone());
        edit(lake, &other, |outcome| {
            (outcome["job"], outcome["state"]) = (NOBODY.into(), state.into());
            outcome["files"]
                .as_array_mut()
                .unwrap()
                .retain(|entry| entry["key"] == file);
            outcome["files"][0]["key"] = copy.into();
        });
    }
}

type Plant = fn(&mut Stored, &mut Sources);

/// Faults, and what the judge says of each.
const FAULTS: &[(&str, Plant, &str)] = &[
    (
        "a row is gone",
        |l, _| forge_rows(l, |rows| rows.slice(1, rows.num_rows() - 1)),
        "are missing; the first: id",
    ),
    (
        "a row is there twice",
        |l, _| {
            forge_rows(l, |rows| {
                taken(&rows, {
                    let last = rows.num_rows() as u32 - 1;
                    (0..=last).map(move |n| n.min(last - 1))
                })
            })
        },
        "is there more than once",
    ),
    (
        "a row more than was counted",
        |l, _| forge_rows(l, |rows| taken(&rows, (0..rows.num_rows() as u32).chain([0]))),
        "rows, and its outcome says",
    ),
    (
        "rows in another order",
        |l, _| {
            forge_rows(l, |rows| {
                taken(&rows, {
                    let last = rows.num_rows() as u32 - 1;
                    (0..=last).map(move |n| if n + 1 < last { n } else { 2 * last - 1 - n })
                })
            })
        },
        "are not in its order",
    ),
    (
        "other values",
        |l, _| {
            forge_rows(l, |rows| {
                let mut columns = rows.columns().to_vec();
                *columns.last_mut().unwrap() = Arc::new(StringArray::from(vec!["x"; rows.num_rows()]));
                RecordBatch::try_new(rows.schema(), columns).unwrap()
            })
        },
        "has other values than its record",
    ),
    (
        "another hour",
        |l, _| {
            let from = key(l, ["event/", "hour=01/"]);
            forge_key(l, &from, &from.replace("hour=01", "hour=07"));
        },
        "belongs to event/year=2024/month=05/day=01/hour=01",
    ),
    (
        "another table",
        |l, _| {
            let from = key(l, ["event/", "hour=01/"]);
            forge_key(l, &from, &from.replace("event/", "other/"));
        },
        "belongs to event/",
    ),
    (
        "a byte is another",
        |l, _| {
            let key = key(l, ["click/", "hour=01/"]);
            let mut bytes = l.objects[&key].to_vec();
            bytes[10] ^= 1;
            l.objects.insert(key, bytes.into());
        },
        "has not the size and checksum of its outcome",
    ),
    (
        "a checksum is another",
        |l, _| {
            let job = an_outcome(l);
            edit(l, &job, |outcome| {
                outcome["files"][0]["sha256"] = "00".repeat(32).into()
            });
        },
        "has not the size and checksum of its outcome",
    ),
    (
        "half a file",
        |l, _| {
            let key = key(l, ["click/", "hour=01/"]);
            let half = l.objects[&key].slice(..100);
            forge(l, &key, half);
        },
        "Corrupt footer",
    ),
    (
        "a file is gone",
        |l, _| {
            let key = key(l, ["click/", "hour=02/"]);
            l.objects.remove(&key);
        },
        "is not there",
    ),
    (
        "a file of a dead job",
        |l, _| brought_back(l, Some("dead")),
        "is there, and of a dead job",
    ),
    (
        "a file of no job",
        |l, _| brought_back(l, None),
        "is there, and of a job without outcome",
    ),
    (
        "a source counts twice",
        |l, _| brought_back(l, Some("done")),
        "counts in job",
    ),
    (
        "an entry is gone",
        |l, _| forge_lines(l, |lines| drop(lines.pop())),
        "entries, and its outcome says",
    ),
    (
        "an entry for another",
        |l, _| {
            forge_lines(l, |lines| {
                let last = lines.len() - 1;
                lines[last] = lines[last - 1].clone();
            })
        },
        "is there more than once",
    ),
    (
        "an entry of another source",
        |l, _| forge_lines(l, |lines| lines[0]["source"]["key"] = "/raw/x".into()),
        "an entry of /raw/x stands where",
    ),
    (
        "another position",
        |l, _| forge_lines(l, |lines| lines[0]["offset"] = json!(7)),
        "is not as it was rejected",
    ),
    (
        "other bytes",
        |l, _| forge_lines(l, |lines| lines[0]["rawData"] = "b29wcw==".into()),
        "is not as it was rejected",
    ),
    (
        "another reason",
        |l, _| forge_lines(l, |lines| lines[0]["errorCode"] = "Json.Syntax?".into()),
        "is not as it was rejected",
    ),
    (
        "an entry for a row",
        |l, _| {
            forge_lines(l, |lines| {
                lines[0]["record"] = json!(lines[0]["record"].as_u64().unwrap() + 1)
            })
        },
        "is none to be rejected",
    ),
    (
        "a figure",
        |l, _| {
            let job = an_outcome(l);
            edit(l, &job, |outcome| outcome["counts"]["records"]["rows"] = json!(1));
        },
        "records.rows in all",
    ),
    (
        "a figure of a source",
        |l, _| {
            let job = an_outcome(l);
            edit(l, &job, |outcome| {
                outcome["counts"]["sources"][0]["records"]["read"] = json!(1)
            });
        },
        "counted: [1, ",
    ),
    (
        "an older version",
        |_, s| {
            let counting = s.values_mut().next().unwrap();
            counting.last_modified_s += 1;
        },
        "and should as",
    ),
    (
        "a source that was not loaded",
        |_, s| {
            let (name, counting) = s
                .iter()
                .next()
                .map(|(name, counting)| (name.clone(), counting.clone()))
                .unwrap();
            s.insert(name + "x", counting);
        },
        "was not loaded",
    ),
    (
        "a source from nowhere",
        |_, s| drop(s.pop_first()),
        "which was never there",
    ),
    (
        "a claim is gone",
        |l, _| {
            let claim = key(l, ["_lakebed/claims/", ""]);
            l.objects.remove(&claim);
        },
        "claims own what",
    ),
    (
        "a claim of nobody's",
        |l, _| {
            let claim = key(l, ["_lakebed/claims/", ""]);
            edit(l, &claim, |claim| claim["job"] = NOBODY.into());
        },
        "which has no outcome",
    ),
    (
        "a claim of a job that died, over nothing",
        |l, _| {
            let job = format!("_lakebed/jobs/{NOBODY}.json");
            l.objects
                .insert(job, json!({"job": NOBODY, "state": "dead"}).to_string().into());
            let claim = key(l, ["_lakebed/claims/", ""]);
            edit(l, &claim, |claim| claim["job"] = NOBODY.into());
        },
        "claims own what",
    ),
    (
        "an intent that was claimed",
        |l, _| {
            l.objects.insert(format!("_lakebed/open/{NOBODY}"), "{}\n".into());
            let claim = key(l, ["_lakebed/claims/", ""]);
            edit(l, &claim, |claim| claim["job"] = NOBODY.into());
        },
        "is claimed and was not settled",
    ),
    (
        "an outcome is gone",
        |l, _| {
            let job = key(l, ["_lakebed/jobs/", ""]);
            l.objects.remove(&job);
        },
        "which has no outcome",
    ),
    (
        "a key that a record may have chosen",
        |l, _| {
            l.objects.insert(
                format!("event/year=2024/month=05/day=01/hour=01/../{NOBODY}-0000.parquet"),
                "x".into(),
            );
        },
        "no key of a lake",
    ),
    (
        "a stray file",
        |l, _| drop(l.objects.insert("event/notes.txt".into(), "x".into())),
        "no key of a lake",
    ),
    (
        "a hidden file",
        |l, _| assert!(l.leftovers.insert("event/.x.1.tmp".into())),
        "left over, and of no killed process",
    ),
    (
        "the mark is gone",
        |l, _| drop(l.objects.remove("_lakebed/lake.json")),
        "does not say version 1",
    ),
    (
        "an outcome that is cut",
        |l, _| {
            let job = key(l, ["_lakebed/jobs/", ""]);
            let cut = l.objects[&job].slice(..20);
            l.objects.insert(job, cut);
        },
        "EOF while parsing",
    ),
];

#[test]
fn the_judge_finds_every_planted_fault_and_no_other() {
    let (lake, sources) = sound();
    assert_eq!(judge(&lake, &sources, &BTreeSet::new()), [""; 0]);
    for (what, plant, expected) in FAULTS {
        let (mut lake, mut sources) = (lake.clone(), sources.clone());
        plant(&mut lake, &mut sources);
        let faults = judge(&lake, &sources, &BTreeSet::new());
        assert!(
            faults.iter().any(|fault| fault.contains(expected)),
            "{what}: {faults:#?}"
        );
    }
}

#[test]
fn what_may_be_left_is_no_fault() {
    let (mut lake, sources) = sound();
    lake.leftovers.insert("upload 1 of event/x".into());
    let left = lake.leftovers.clone();
    // Of a process that was killed before its first claim, and behind its outcome.
    let ended = key(&lake, ["_lakebed/jobs/", ""]);
    for job in [NOBODY, job_of(&ended)] {
        lake.objects.insert(format!("_lakebed/open/{job}"), "{}\n".into());
    }
    // A source that a dead job tried to take from its owner.
    lake.objects.insert(
        format!("_lakebed/jobs/{LATER}.json"),
        json!({"job": LATER, "state": "dead"}).to_string().into(),
    );
    let claim = key(&lake, ["_lakebed/claims/", ""]);
    edit(&mut lake, &claim, |claim| {
        let was = claim.clone();
        *claim = json!({"job": LATER, "version": {}, "was": was});
    });
    assert_eq!(judge(&lake, &sources, &left), [""; 0]);
}

#[test]
fn at_any_moment_torn_and_changed_files_are_noticed() {
    let (lake, _) = sound();
    assert_eq!((torn(&lake), changed(&lake, &lake)), (vec![], vec![]));
    let file = key(&lake, ["event/", "hour=01/"]);
    let mut cut = lake.clone();
    cut.objects.insert(file.clone(), lake.objects[&file].slice(..100));
    assert_eq!(torn(&cut).len(), 1);
    assert_eq!(changed(&lake, &cut).len(), 1);
    let mut unknown = lake.clone();
    brought_back(&mut unknown, None);
    assert_eq!(torn(&unknown).len(), 1);
    let mut dead = lake.clone();
    edit(&mut dead, &format!("_lakebed/jobs/{}.json", job_of(&file)), |outcome| {
        outcome["state"] = "dead".into()
    });
    assert_eq!(changed(&lake, &dead), [""; 0], "for an heir");
    assert_eq!(changed(&dead, &lake).len(), 1);
}
