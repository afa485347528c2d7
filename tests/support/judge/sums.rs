//! What an outcome says in figures.

use serde_json::Value;

use super::{Record, Sources, array, number};

/// What is wrong with the figures of a done job. `names`: its sources.
pub(super) fn faults(outcome: &Value, names: &[String], sources: &Sources) -> Vec<String> {
    let mut faults = Vec::new();
    let counts = &outcome["counts"];
    let per_source = array(&counts["sources"]);
    if per_source.len() != names.len() {
        faults.push(format!(
            "counts of {} sources, and there are {}",
            per_source.len(),
            names.len()
        ));
    }
    let sum = |of: &Value, names: &[&str]| names.iter().map(|name| number(&of[*name])).sum::<usize>();
    for of in per_source.iter().chain([counts]) {
        let (records, bytes) = (&of["records"], &of["bytes"]);
        let ended = sum(records, &["rows", "quarantined", "dropped"]);
        if sum(records, &["read", "added"]) != ended
            || number(&bytes["decompressed"]) != sum(bytes, &["records", "bad", "between"])
        {
            faults.push(format!("sums that do not hold: {records} {bytes}"));
        }
    }
    for part in ["records", "bytes"] {
        for (name, total) in counts[part].as_object().into_iter().flatten() {
            let parts: usize = per_source.iter().map(|of| number(&of[part][name])).sum();
            if number(total) != parts {
                faults.push(format!("{total} {part}.{name} in all, and {parts} by source"));
            }
        }
    }
    for (name, of) in names.iter().zip(per_source) {
        let Some(counting) = sources.get(name) else { continue };
        let records = &counting.content.records;
        let rows = records
            .iter()
            .filter(|record| matches!(record, Record::Row { .. }))
            .count();
        let counted = ["read", "rows", "quarantined"].map(|name| number(&of["records"][name]));
        if counted != [records.len(), rows, records.len() - rows] {
            faults.push(format!(
                "{name} has {} records, {rows} of them rows; counted: {counted:?}",
                records.len()
            ));
        }
    }
    for (kind, count, total) in [("data", "rows", "rows"), ("quarantine", "entries", "quarantined")] {
        let files = array(&outcome["files"]).iter().filter(|file| file["kind"] == kind);
        let in_files: usize = files.map(|file| number(&file[count])).sum();
        if number(&counts["records"][total]) != in_files {
            faults.push(format!(
                "{in_files} {count} in files, and {} counted",
                counts["records"][total]
            ));
        }
    }
    faults
}
