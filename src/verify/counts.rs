//! The sums of one outcome: what its counts say, and what the rows of its files say, per source and in all.
//!
//! Knows no store. Numbers come from the lake and may be anything: sums are taken where none overflows.

use std::collections::HashSet;

use crate::job::outcome::Outcome;
use crate::job::stage::{FileKind, LakeFile};
use crate::partition::hour::{Layout, PartitionHour};
use crate::report::{ByteCounts, JobReport, RecordCounts};

/// What does not add up in the outcome of a done job, if anything does not.
pub(super) fn fault_of(outcome: &Outcome) -> Option<String> {
    let report: JobReport = match serde_json::from_value(outcome.counts.clone()) {
        Ok(report) => report,
        Err(error) => return Some(format!("its counts cannot be read: {error}")),
    };
    if report.sources.len() != outcome.sources.len() {
        let (counted, read) = (report.sources.len(), outcome.sources.len());
        return Some(format!("it has {read} sources, and counts of {counted}"));
    }
    let mut written = vec![[0u128; 2]; outcome.sources.len()];
    for file in &outcome.files {
        let kind = usize::from(matches!(file.kind, FileKind::Quarantine { .. }));
        for rows in &file.rows_of {
            written[rows.source][kind] += u128::from(rows.rows);
        }
    }
    let mut sums = [0u128; 10];
    for ((source, counts), written) in outcome.sources.iter().zip(&report.sources).zip(written) {
        let (records, bytes) = (numbers(&counts.records), byte_numbers(&counts.bytes));
        if let Some(why) = unsound(records, bytes) {
            return Some(format!("of {}: {why}", source.name));
        }
        let [_, _, rows, quarantined, _] = records;
        if written != [rows, quarantined] {
            let [in_files, entries] = written;
            return Some(format!(
                "of {}: {rows} rows and {quarantined} quarantined are counted, its files hold {in_files} rows and {entries} entries",
                source.name
            ));
        }
        let all = records.into_iter().chain(bytes);
        sums.iter_mut().zip(all).for_each(|(sum, number)| *sum += number);
    }
    let (records, bytes) = (numbers(&report.records), byte_numbers(&report.bytes));
    if !records.into_iter().chain(bytes).eq(sums) {
        return Some("the sums over its sources are not those of the job".to_owned());
    }
    let by_code: u128 = report.quarantined.values().map(|count| u128::from(*count)).sum();
    let quarantined = records[3];
    (by_code != quarantined).then(|| format!("{quarantined} records are quarantined, and {by_code} by code"))
}

fn numbers(counts: &RecordCounts) -> [u128; 5] {
    let RecordCounts {
        read,
        added,
        rows,
        quarantined,
        dropped,
    } = *counts;
    [read, added, rows, quarantined, dropped].map(u128::from)
}

fn byte_numbers(counts: &ByteCounts) -> [u128; 5] {
    let ByteCounts {
        stored,
        decompressed,
        records,
        bad,
        between,
    } = *counts;
    [stored, decompressed, records, bad, between].map(u128::from)
}

fn unsound(
    [read, added, rows, quarantined, dropped]: [u128; 5],
    [_, decompressed, records, bad, between]: [u128; 5],
) -> Option<String> {
    if read + added != rows + quarantined + dropped {
        return Some(format!(
            "read {read} + added {added} is not rows {rows} + quarantined {quarantined} + dropped {dropped}"
        ));
    }
    (decompressed != records + bad + between).then(|| {
        format!("{decompressed} bytes decompressed are not {records} in records + {bad} bad + {between} between them")
    })
}

/// The key of a file that two files of one outcome have, if there is one.
pub(super) fn key_twice(outcome: &Outcome) -> Option<&str> {
    let mut keys = HashSet::with_capacity(outcome.files.len());
    let mut files = outcome.files.iter().map(|file| file.key.as_str());
    files.find(|key| !keys.insert(*key))
}

/// What is wrong with where a file lies, if anything: the folder of a data file is that of its recorded hour. `layout` is
/// that of its table, if it is known.
pub(super) fn place_fault(file: &LakeFile, layout: Option<Layout>) -> Option<String> {
    let folder = file.key.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
    match &file.kind {
        FileKind::Quarantine { .. } => {
            let date = folder.strip_prefix("_lakebed/quarantine/date=");
            // The date of its first hour reads where the date does.
            let is_date = date.is_some_and(|date| Layout::DayHour.hour_of(&format!("day={date}/hour=00")).is_some());
            (!is_date).then(|| "its folder names no date".to_owned())
        }
        FileKind::Data { table, hour, .. } => {
            let Ok(recorded) = hour.parse::<PartitionHour>() else {
                return Some("its outcome gives it no hour of the form 2019-10-12T02".to_owned());
            };
            let below = folder.strip_prefix(table.as_str());
            let prefix = below.and_then(|below| below.strip_prefix('/')).unwrap_or("");
            let layouts = Layout::ALL
                .into_iter()
                .filter(|known| layout.is_none_or(|layout| layout == *known));
            let of_folder = layouts.filter_map(|layout| layout.hour_of(prefix)).next();
            match of_folder {
                None => Some(match layout {
                    Some(layout) => format!("its folder names no hour as the table's layout {} does", layout.name()),
                    None => "its folder names no hour".to_owned(),
                }),
                Some(of_folder) if of_folder != recorded => Some(format!(
                    "its folder is that of {of_folder}, and its outcome says {recorded}"
                )),
                Some(_) => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const JOB: &str = "mzxw6ytboiaaaaaaaaaaaaaaaa";

    /// Two sources, a data file of three rows and a quarantine file of one entry.
    fn good() -> Value {
        let counts = |read: u64, rows: u64, quarantined: u64| {
            json!({
                "records": { "read": read, "added": 0, "rows": rows, "quarantined": quarantined, "dropped": 0 },
                "bytes": { "stored": 10, "decompressed": 10, "records": 7, "bad": 1, "between": 2 },
            })
        };
        let mut total = counts(4, 3, 1);
        total["bytes"] = json!({ "stored": 20, "decompressed": 20, "records": 14, "bad": 2, "between": 4 });
        total["sources"] = json!([counts(3, 2, 1), counts(1, 1, 0)]);
        total["tables"] = json!({});
        total["quarantined"] = json!({ "Json.Syntax": 1 });
        let file = |key: String, more: Value| {
            let mut file = json!({ "key": key, "size": 1, "sha256": "0".repeat(64) });
            file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            file
        };
        let source = |key| json!({ "bucket": "raw", "key": key, "etag": "1", "size": 10, "last_modified_s": 0 });
        json!({
            "version": 1, "job": JOB, "state": "done", "plan": JOB, "encoder": "2",
            "sources": [source("a"), source("b")],
            "files": [
                file(format!("t/year=2019/month=10/day=12/hour=02/{JOB}-0000.parquet"), json!({
                    "kind": "data", "table": "t", "hour": "2019-10-12T02", "rows": 3,
                    "rows_of": [{ "source": 0, "first_row": 0, "rows": 2 }, { "source": 1, "first_row": 2, "rows": 1 }],
                })),
                file(format!("_lakebed/quarantine/date=2019-10-12/{JOB}-0000.ndjson.gz"), json!({
                    "kind": "quarantine", "entries": 1, "rows_of": [{ "source": 0, "first_row": 0, "rows": 1 }],
                })),
            ],
            "counts": total,
        })
    }

    #[test]
    fn an_outcome_that_was_edited_does_not_add_up() {
        let read = |outcome: Value| -> Outcome { serde_json::from_value(outcome).unwrap() };
        assert_eq!(fault_of(&read(good())), None);
        let most = json!(u64::MAX);
        for (path, value, expected) in [
            ("/counts/records/read", json!(5), "the sums over its sources"),
            ("/counts/bytes/stored", json!(5), "the sums over its sources"),
            (
                "/counts/sources/0/records/read",
                json!(4),
                "of s3://raw/a: read 4 + added 0 is not",
            ),
            (
                "/counts/sources/1/records/added",
                most.clone(),
                "of s3://raw/b: read 1 + added 18446744073709551615",
            ),
            (
                "/counts/sources/0/bytes/between",
                most.clone(),
                "of s3://raw/a: 10 bytes decompressed are not",
            ),
            ("/counts/sources/0/bytes/stored", json!(11), "the sums over its sources"),
            (
                "/counts/quarantined/Json.Syntax",
                json!(2),
                "1 records are quarantined, and 2 by code",
            ),
            ("/counts/sources", json!([]), "it has 2 sources, and counts of 0"),
            ("/counts/records", json!(1), "its counts cannot be read"),
            ("/counts", Value::Null, "its counts cannot be read"),
            (
                "/files/0/rows_of/0/rows",
                json!(1),
                "its files hold 1 rows and 1 entries",
            ),
            ("/files/1/rows_of/0/rows", most, "and 18446744073709551615 entries"),
            ("/files", json!([]), "its files hold 0 rows and 0 entries"),
        ] {
            let mut outcome = good();
            *outcome.pointer_mut(path).unwrap() = value;
            let fault = fault_of(&read(outcome)).unwrap_or_default();
            assert!(fault.contains(expected), "{path}: {fault}");
        }
    }

    #[test]
    fn no_two_files_have_one_key() {
        let mut outcome = good();
        assert_eq!(key_twice(&serde_json::from_value(outcome.clone()).unwrap()), None);
        let first = outcome["files"][0].clone();
        outcome["files"].as_array_mut().unwrap().push(first.clone());
        let outcome: Outcome = serde_json::from_value(outcome).unwrap();
        assert_eq!(key_twice(&outcome), first["key"].as_str());
    }

    #[test]
    fn the_folder_of_a_file_is_that_of_its_hour() {
        let ymdh = Some(Layout::YearMonthDayHour);
        for (folder, layout, expected) in [
            ("t/year=2019/month=10/day=12/hour=02", ymdh, ""),
            ("t/year=2019/month=10/day=12/hour=02", None, ""),
            ("t/day=2019-10-12/hour=02", None, ""),
            ("t/datehour=2019-10-12-02", Some(Layout::DateHour), ""),
            (
                "t/year=2019/month=10/day=12/hour=03",
                ymdh,
                "its folder is that of 2019-10-12T03, and its outcome says 2019-10-12T02",
            ),
            (
                "t/day=2019-10-12/hour=02",
                ymdh,
                "as the table's layout year/month/day/hour does",
            ),
            ("t/day=2019-10-12/hour=2", None, "its folder names no hour"),
            ("t/x/day=2019-10-12/hour=02", None, "its folder names no hour"),
            ("t", None, "its folder names no hour"),
        ] {
            let mut file = good()["files"][0].clone();
            file["key"] = json!(format!("{folder}/{JOB}-0000.parquet"));
            let fault = place_fault(&serde_json::from_value(file).unwrap(), layout).unwrap_or_default();
            assert!(
                fault.contains(expected) && fault.is_empty() == expected.is_empty(),
                "{folder}: {fault}"
            );
        }
        for (date, good_date) in [
            ("2019-10-12", true),
            ("2019-02-29", false),
            ("2019-10", false),
            ("", false),
        ] {
            let mut file = good()["files"][1].clone();
            file["key"] = json!(format!("_lakebed/quarantine/date={date}/{JOB}-0000.ndjson.gz"));
            let fault = place_fault(&serde_json::from_value(file).unwrap(), None);
            assert_eq!(fault.is_none(), good_date, "{date}");
        }
        let mut file = good()["files"][0].clone();
        file["hour"] = json!("2019-10-12 02");
        assert!(
            place_fault(&serde_json::from_value(file).unwrap(), None)
                .unwrap()
                .contains("no hour of the form")
        );
    }
}
