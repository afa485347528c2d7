//! A lake as its storage has it, without a word of what it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bytes::Bytes;

use crate::support::s3::{At, Model, UploadQuery};

/// All that is there at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    /// By key, as a reader of the lake sees them.
    pub(crate) objects: BTreeMap<String, Bytes>,
    /// Hidden files, and uploads that are open.
    pub(crate) leftovers: BTreeSet<String>,
}

impl Stored {
    /// Of a lake in a folder. What is deleted while it is read is not there.
    pub(crate) fn in_folder(root: &Path) -> Self {
        let mut stored = Self::default();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let key = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                if key.split('/').any(|part| part.starts_with('.')) {
                    stored.leftovers.insert(key);
                } else if key != "_lakebed/lock"
                    && let Ok(bytes) = fs::read(&path)
                {
                    stored.objects.insert(key, bytes.into());
                }
            }
        }
        stored
    }

    /// Of a lake below a prefix, which ends with a slash.
    pub(crate) fn in_bucket(model: &Model, bucket: &str, prefix: &str) -> Self {
        let keys = model.keys(bucket).into_iter();
        let objects = keys.filter_map(|key| {
            let bytes = model.bytes(bucket, &key)?;
            Some((key.strip_prefix(prefix)?.to_owned(), bytes))
        });
        let all = UploadQuery {
            prefix,
            after: ("", ""),
            max: usize::MAX,
        };
        let (uploads, _) = model.list_uploads(At::new(bucket, ""), &all).unwrap();
        let uploads = uploads
            .iter()
            .map(|upload| format!("upload {} of {}", upload.id, &upload.key[prefix.len()..]));
        Self {
            objects: objects.collect(),
            leftovers: uploads.collect(),
        }
    }

    /// The keys of a folder of records, each with its name there.
    pub(crate) fn named<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let keys = self
            .objects
            .keys()
            .filter_map(move |key| Some((key.strip_prefix(folder)?, key.as_str())));
        keys.filter(|(name, _)| !name.contains('/'))
    }

    /// Data and quarantine.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        let is_file = |key: &str| !key.starts_with("_lakebed/") || key.starts_with("_lakebed/quarantine/");
        self.objects
            .iter()
            .map(|(key, bytes)| (key.as_str(), bytes))
            .filter(move |(key, _)| is_file(key))
    }
}

/// Whether a lake has keys of this form.
pub(super) fn may_be(key: &str) -> bool {
    let is_id = |text: &str| text.len() == 26 && text.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7'));
    let is_table = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let digits = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text
                .bytes()
                .zip(shape.bytes())
                .all(|(c, s)| if s == b'0' { c.is_ascii_digit() } else { c == s })
    };
    let file = |name: &str, ending: &str| {
        let parts = name.strip_suffix(ending).and_then(|name| name.split_once('-'));
        parts.is_some_and(|(job, n)| is_id(job) && n.len() >= 4 && n.bytes().all(|c| c.is_ascii_digit()))
    };
    let parts: Vec<&str> = key.split('/').collect();
    match parts.as_slice() {
        ["_lakebed", "lake.json"] => true,
        ["_lakebed", "tables", name] => name.strip_suffix(".json").is_some_and(is_table),
        ["_lakebed", "claims" | "jobs", name] => name.strip_suffix(".json").is_some_and(is_id),
        ["_lakebed", "open", name] => is_id(name),
        ["_lakebed", "quarantine", date, name] => digits(date, "date=0000-00-00") && file(name, ".ndjson.gz"),
        [table, year, month, day, hour, name] => {
            let shapes = [
                (year, "year=0000"),
                (month, "month=00"),
                (day, "day=00"),
                (hour, "hour=00"),
            ];
            is_table(table) && shapes.iter().all(|(text, shape)| digits(text, shape)) && file(name, ".parquet")
        }
        [table, day, hour, name] => {
            is_table(table) && digits(day, "day=0000-00-00") && digits(hour, "hour=00") && file(name, ".parquet")
        }
        _ => false,
    }
}

/// The job that a file is named after.
pub(super) fn job_of(key: &str) -> &str {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.split('-').next().unwrap_or(name)
}

/// Bytes as outcomes write checksums.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
