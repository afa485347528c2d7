//! Quarantine files: every entry is one record's, or one bad stretch's, with its place and its bytes.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{File, Judge, Record, brief, number, source_name};

/// All entries of a file in order.
fn entries(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    if !text.ends_with('\n') {
        return Err("ends within a line".to_owned());
    }
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

impl Judge<'_> {
    pub(super) fn quarantine(&mut self, file: &File<'_>) {
        let key = file.key;
        let entries = match entries(file.bytes) {
            Ok(entries) => entries,
            Err(error) => return self.fault(format!("{key}: {error}")),
        };
        let listed = file.parts.last().map_or(0, |(_, range)| range.end);
        if entries.len() != listed {
            self.fault(format!(
                "{key} has {} entries, and its outcome says {listed}",
                entries.len()
            ));
        }
        for (source, range) in &file.parts {
            for entry in entries.iter().take(range.end).skip(range.start) {
                self.entry(key, source, entry);
            }
        }
    }

    fn entry(&mut self, key: &str, source: &str, entry: &Value) {
        let name = source_name(&entry["source"]);
        let Some(counting) = self.sources.get(source).filter(|_| name == source) else {
            return self.fault(format!("{key}: an entry of {name} stands where one of {source} should"));
        };
        let place = number(&entry["record"]);
        let expected = place
            .checked_sub(1)
            .and_then(|n| Some((n, counting.content.records.get(n)?)));
        let Some((ordinal, record @ Record::Reject { code, offset, bytes })) = expected else {
            return self.fault(format!("{key}: record {place} of {source} is none to be rejected"));
        };
        let raw = STANDARD
            .decode(entry["rawData"].as_str().unwrap_or_default())
            .unwrap_or_default();
        let same = entry["errorCode"] == *code
            && entry["offset"] == *offset
            && entry["length"] == bytes.len()
            && entry["offsetIn"] == "decompressed"
            && entry["source"]["etag"] == *counting.etag
            && entry["arrivalTimestamp"] == counting.last_modified_s * 1000
            && raw == *bytes;
        if !same {
            self.fault(format!(
                "{key}: record {place} of {source} is not as it was rejected: {}",
                brief(record)
            ));
        }
        self.found(source, ordinal, key);
    }
}
