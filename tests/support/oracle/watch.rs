//! What must hold after every single write.

use std::collections::BTreeMap;

use super::super::s3::Model;
use super::super::sim::Request;
use super::keys::{Place, place};
use super::{
    File, Job, LAKE, PREFIX, Upload, Version, Watch, content, file, job_of, lake_keys, lines_of, parse, source_of, sum,
};

impl Watch {
    /// A write took effect: line `at` of the log. `actor` is nobody if nobody hears of it.
    pub(crate) fn see(&mut self, model: &Model, request: &Request, actor: Option<&str>, at: usize) {
        if request.bucket != LAKE {
            if actor.is_some_and(|actor| actor.starts_with("raw")) {
                self.raw_changed(model, &request.bucket, &request.key, at);
            } else {
                self.fault(format!("I11: {actor:?} wrote to the raw object {}", request.key));
            }
            return;
        }
        let seen = self.see_lake(model, request, actor, at);
        if let Err(why) = seen {
            self.fault(why);
        }
    }

    fn see_lake(&mut self, model: &Model, request: &Request, actor: Option<&str>, at: usize) -> Result<(), String> {
        let key = request.key.strip_prefix(PREFIX);
        let key = key.ok_or_else(|| format!("I11: {} is not in the lake", request.key))?;
        let place = place(key).ok_or_else(|| format!("I11: {key} is no key of a lake"))?;
        if request.operation == "CreateMultipartUpload" {
            return self.see_upload(model, key, &place, actor);
        }
        let bytes = content(model, key);
        match (&place, bytes) {
            (Place::Mark | Place::Table, Some(_)) | (Place::Intent(_), None) => Ok(()),
            (Place::Mark | Place::Table | Place::Claim(_) | Place::Outcome(_), None) => {
                Err(format!("I11: {key} was deleted"))
            }
            (Place::Claim(name), Some(bytes)) => self.see_claim(key, name, &bytes),
            (Place::Intent(job), Some(bytes)) => self.see_intent(key, job, &bytes),
            (Place::Outcome(job), Some(bytes)) => self.see_outcome(model, key, job, &bytes, at),
            (Place::Data { job, .. } | Place::Quarantine { job }, bytes) => {
                let job = job.clone();
                match bytes {
                    Some(bytes) => self.see_file(key, &place, &job, &bytes),
                    None => self.see_no_file(key, &job),
                }
            }
        }
    }

    /// An upload is for a file, and belongs to who began it until an intent names it.
    fn see_upload(&mut self, model: &Model, key: &str, place: &Place, actor: Option<&str>) -> Result<(), String> {
        if place.job_of_file().is_none() {
            return Err(format!("I11: an upload of {key}"));
        }
        for (_, id) in super::rest::open_uploads(model) {
            self.uploads.entry(id).or_insert_with(|| Upload {
                by: actor.map(str::to_owned),
                in_an_intent: false,
            });
        }
        Ok(())
    }

    /// A claim never takes a value again.
    fn see_claim(&mut self, key: &str, name: &str, bytes: &[u8]) -> Result<(), String> {
        let job = parse(key, bytes)?["job"].as_str().unwrap_or_default().to_owned();
        self.claimed.insert((job, name.to_owned()));
        let text = String::from_utf8_lossy(bytes).into_owned();
        let had = self.claims.entry(key.to_owned()).or_default();
        if had.last() != Some(&text) {
            if had.contains(&text) {
                return Err(format!("{key} is again what it was before"));
            }
            had.push(text);
        }
        Ok(())
    }

    fn see_intent(&mut self, key: &str, job: &str, bytes: &[u8]) -> Result<(), String> {
        let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let intent = parse(key, line)?;
        let list = |field: &str| intent[field].as_array().cloned().unwrap_or_default();
        let sources = list("sources").iter().map(source_of).collect();
        self.intents.insert(job.to_owned(), sources);
        for file in list("files") {
            let id = file["content"]["upload"]["id"].as_str().unwrap_or_default();
            if let Some(upload) = self.uploads.get_mut(id) {
                upload.in_an_intent = true;
            }
        }
        Ok(())
    }

    /// Absent to done or dead, done to dead, and nothing else. Done: all its files are there (I4), with all records of the
    /// versions it names (I1). No longer done: another job's files have all of its sources.
    fn see_outcome(&mut self, model: &Model, key: &str, name: &str, bytes: &[u8], at: usize) -> Result<(), String> {
        let mut job = job_of(&parse(key, bytes)?);
        let before = self.jobs.get(name).cloned();
        match before.as_ref().map(|before| before.state.as_str()) {
            Some(before) if *before == job.state => return Ok(()),
            None | Some("done") if job.state == "dead" => {}
            None if job.state == "done" => {}
            before => return Err(format!("{key} went from {before:?} to {}", job.state)),
        }
        if let Some(before) = before {
            job.done_at = before.done_at;
            job.until = at;
            self.jobs.insert(name.to_owned(), job.clone());
            return job
                .sources
                .iter()
                .try_for_each(|(source, _)| self.has_all(model, name, source));
        }
        if job.state == "done" {
            job.done_at = at;
            self.proves_itself(model, name, &job)?;
        }
        self.jobs.insert(name.to_owned(), job);
        Ok(())
    }

    fn proves_itself(&self, model: &Model, name: &str, job: &Job) -> Result<(), String> {
        let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for File {
            key,
            size,
            sha256,
            rows,
            rows_of,
        } in &job.files
        {
            let bytes = content(model, key).ok_or_else(|| format!("I4: {name} is done, and {key} is not there"))?;
            if bytes.len() as u64 != *size || sum(&bytes) != *sha256 {
                return Err(format!("I4: {name} is done, and {key} is not as recorded"));
            }
            let lines = file::parse(&bytes).map_err(|why| format!("I2: {key} {why}"))?;
            let mut next = 0;
            for &(source, first_row, count) in rows_of {
                let range = first_row as usize..(first_row + count) as usize;
                let slice = lines.get(range).filter(|_| first_row == next);
                let slice = slice.ok_or_else(|| format!("I1: {key} has not the rows that its outcome tells of"))?;
                found.entry(source).or_default().extend_from_slice(slice);
                next += count;
            }
            if next != *rows || lines.len() as u64 != *rows {
                return Err(format!("I1: {key} has {} rows and not {rows}", lines.len()));
            }
        }
        for (place, (source, version)) in job.sources.iter().enumerate() {
            let expected = self.lines(source, version);
            let expected = expected.ok_or_else(|| format!("I1: {name} read a version of {source} that never was"))?;
            let mut found = found.remove(&place).unwrap_or_default();
            found.sort();
            if found != expected {
                return Err(format!(
                    "I1: {name} has {} of {} records of {source}",
                    found.len(),
                    expected.len()
                ));
            }
        }
        Ok(())
    }

    /// The records of a version, in order.
    pub(super) fn lines(&self, source: &str, version: &Version) -> Option<Vec<String>> {
        let objects = self.raw.get(source)?.iter().filter_map(|raw| raw.object.as_ref());
        let (_, lines) = objects.rev().find(|(is, _)| is == version)?;
        let mut lines = lines.clone();
        lines.sort();
        Some(lines)
    }

    /// Whether the files of other jobs have all records of some version of a source: readers may see both of two versions,
    /// never neither.
    fn has_all(&self, model: &Model, but: &str, source: &str) -> Result<(), String> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in lake_keys(model) {
            let Some(job) = place(&key).and_then(|place| place.job_of_file().map(str::to_owned)) else {
                continue;
            };
            if job != but {
                let bytes = content(model, &key).unwrap_or_default();
                let lines = file::parse(&bytes).unwrap_or_default();
                let of = lines.into_iter().filter(|line| file::source_of(line) == source);
                found.entry(job).or_default().extend(of);
            }
        }
        found.values_mut().for_each(|lines| lines.sort());
        let versions = self.raw.get(source).into_iter().flatten();
        let whole = versions.filter_map(|raw| raw.object.as_ref()).any(|(_, lines)| {
            let mut lines = lines.clone();
            lines.sort();
            lines.is_empty() || found.values().any(|found| *found == lines)
        });
        if whole {
            Ok(())
        } else {
            Err(format!(
                "I4: {but} gives {source} up before another job's files have it"
            ))
        }
    }

    fn see_file(&mut self, key: &str, place: &Place, job: &str, bytes: &[u8]) -> Result<(), String> {
        lines_of(key, place, bytes)?;
        let sum = sum(bytes);
        if self
            .files
            .insert(key.to_owned(), sum.clone())
            .is_some_and(|before| before != sum)
        {
            return Err(format!("I7: {key} was there with other content"));
        }
        let decided = self.intents.get(job).map(|sources| {
            let laid = self.claimed.iter().filter(|(claimed, _)| claimed == job).count();
            laid == sources.len()
        });
        match decided {
            Some(true) => Ok(()),
            Some(false) => Err(format!("{key} is visible, and its job is not decided")),
            None => Err(format!("{key} is visible, and its job has no intent")),
        }
    }

    fn see_no_file(&self, key: &str, job: &str) -> Result<(), String> {
        match self.jobs.get(job) {
            Some(job) if job.state == "done" => Err(format!("I4: {key} of a done job was deleted")),
            Some(_) => Ok(()),
            None if self.files.contains_key(key) => Err(format!("I4: {key} was deleted, and its job is not dead")),
            None => Ok(()),
        }
    }
}
