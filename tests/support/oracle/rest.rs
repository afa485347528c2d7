//! What must hold when nobody works any more and all is swept.

use std::collections::{BTreeMap, BTreeSet};

use super::super::s3::{At, Model, UploadQuery};
use super::keys::{Place, place};
use super::{LAKE, PREFIX, Watch, content, file, job_of, lake_keys, lines_of, parse, sum};

/// Keys and ids of the uploads that are open in the lake's bucket.
pub(super) fn open_uploads(model: &Model) -> Vec<(String, String)> {
    let query = UploadQuery {
        prefix: "",
        after: ("", ""),
        max: usize::MAX - 1,
    };
    let (open, _) = model.list_uploads(At::new(LAKE, ""), &query).unwrap_or_default();
    open.into_iter().map(|upload| (upload.key, upload.id)).collect()
}

impl Watch {
    /// Judges a lake at rest, when it is swept. The first fault, in words.
    pub(crate) fn at_rest(&self, model: &Model) -> Result<(), String> {
        if let Some(key) = lake_keys(model)
            .iter()
            .find(|key| matches!(place(key), Some(Place::Intent(_))))
        {
            return Err(format!("I10: {key} is left"));
        }
        self.at_rest_unswept(model)
    }

    /// The same before it is swept: intents may be left. So it has to be where nothing went wrong.
    pub(crate) fn at_rest_unswept(&self, model: &Model) -> Result<(), String> {
        let mut recorded: BTreeMap<String, (String, u64)> = BTreeMap::new();
        let keys = lake_keys(model);
        let mut files = Vec::new();
        for key in &keys {
            let place = place(key).ok_or_else(|| format!("I11: {key} is no key of a lake"))?;
            let bytes = content(model, key).expect("it was listed");
            match &place {
                Place::Outcome(_) => {
                    let job = job_of(&parse(key, &bytes)?);
                    if job.state == "done" {
                        recorded.extend(job.files.into_iter().map(|file| (file.key, (file.sha256, file.size))));
                    }
                }
                Place::Data { .. } | Place::Quarantine { .. } => files.push((key, place, bytes)),
                Place::Mark | Place::Table | Place::Claim(_) | Place::Intent(_) => {}
            }
        }
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, place, bytes) in files {
            let (sha256, size) = recorded
                .remove(key)
                .ok_or_else(|| format!("I10: {key} belongs to no done job"))?;
            if size != bytes.len() as u64 || sha256 != sum(&bytes) {
                return Err(format!("I4: {key} is not as recorded"));
            }
            for line in lines_of(key, &place, &bytes)? {
                found.entry(file::source_of(&line).to_owned()).or_default().push(line);
            }
        }
        if let Some((key, _)) = recorded.first_key_value() {
            return Err(format!("I4: {key} of a done job is not there"));
        }
        self.each_record_once(found)?;
        self.no_uploads(model)
    }

    /// I1: the records of the version that is there now, or of the one that was loaded last where none is.
    fn each_record_once(&self, mut found: BTreeMap<String, Vec<String>>) -> Result<(), String> {
        for (source, was) in &self.raw {
            let current = was.last().and_then(|raw| raw.object.as_ref());
            let version = match current {
                Some((version, _)) => Some(version),
                None => self.loaded_last(source),
            };
            let expected = match version {
                Some(version) => self.lines(source, version).unwrap_or_default(),
                None => Vec::new(),
            };
            let mut found = found.remove(source).unwrap_or_default();
            found.sort();
            if found != expected {
                return Err(difference(source, &expected, &found));
            }
        }
        match found.first_key_value() {
            Some((source, _)) => Err(format!("I1: there are rows of {source}, which never was")),
            None => Ok(()),
        }
    }

    fn loaded_last(&self, source: &str) -> Option<&super::Version> {
        let jobs = self.jobs.values().filter(|job| job.done_at != usize::MAX);
        let with = jobs.filter_map(|job| {
            let (_, version) = job.sources.iter().find(|(name, _)| name == source)?;
            Some((job.done_at, version))
        });
        with.max_by_key(|(at, _)| *at).map(|(_, version)| version)
    }

    /// I10: none that the intent of a dead job named, and others only of those who could not throw them away. The intent of a
    /// late twin of a done job may go with that of the others, and its uploads stay if the twin was killed.
    fn no_uploads(&self, model: &Model) -> Result<(), String> {
        for (key, id) in open_uploads(model) {
            let upload = self
                .uploads
                .get(&id)
                .ok_or_else(|| format!("I10: nobody began the upload {id}"))?;
            let key = key.strip_prefix(PREFIX).unwrap_or(&key);
            let job = place(key).and_then(|place| self.jobs.get(place.job_of_file()?));
            if upload.in_an_intent && job.is_none_or(|job| job.done_at == usize::MAX) {
                return Err(format!("I10: an upload of {key} is open, which an intent named"));
            }
            if let Some(by) = upload.by.as_ref().filter(|by| !self.excused.contains(*by)) {
                return Err(format!("I10: {by} left an upload of {key}"));
            }
        }
        Ok(())
    }
}

fn difference(source: &str, expected: &[String], found: &[String]) -> String {
    let distinct: BTreeSet<&String> = found.iter().collect();
    let missing = expected.iter().filter(|line| !distinct.contains(line)).count();
    let foreign = distinct.iter().filter(|line| !expected.contains(line)).count();
    format!(
        "I1: {source} has {} records in the lake and should have {}: {missing} missing, {} twice, {foreign} of another version",
        found.len(),
        expected.len(),
        found.len() - distinct.len()
    )
}
