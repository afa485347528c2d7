//! What a job is, and the files prepared for it. Nothing here is visible in the lake yet.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claim::{Claim, Owner};
use super::identity::{JobId, Naming, Plan, SourceName, Version};
use super::lake::Lake;
use super::{LakeError, some_at_a_time};
use crate::source::listing::Source;
use crate::store::{Body, Checksum, LakeKey, Part, UploadId};

/// From this size a file is an upload; smaller ones travel in the intent.
pub const UPLOAD_BYTES_MIN: u64 = 8 << 20;

/// A source of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSource {
    /// Where it is.
    #[serde(flatten)]
    pub name: SourceName,
    /// What was read of it.
    #[serde(flatten)]
    pub version: Version,
    /// The claim this job's own is laid over: what [`look`](super::claim::look) found, or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Claim>,
    /// The done job that owned the source then, which this one replaces. Nothing for a free source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Owner>,
}

impl JobSource {
    /// What is to be read.
    pub fn source(&self) -> Source {
        Source {
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }
}

/// Source versions that are read together, with one plan, over what was claimed before.
#[derive(Clone, Debug)]
pub struct Job {
    id: JobId,
    plan: Plan,
    sources: Vec<JobSource>,
}

impl Job {
    /// Names the job. Sources are put in order, so that every job lays its claims in the same one; a source that is given
    /// twice is an error of the caller and makes the job unsound when it is prepared.
    ///
    /// A job that died is never tried again under its name: by then its claims lie there, and what is laid over them has
    /// another.
    pub fn new(plan: &Plan, sources: Vec<JobSource>) -> Self {
        Self::keeping(plan, sources, &BTreeSet::new())
    }

    /// The same of a job that reads only some of its sources: rows of the others are kept as they are in the job it replaces.
    /// Which ones is part of the name, so that nobody who has read a source joins one who has not.
    pub fn keeping(plan: &Plan, sources: Vec<JobSource>, kept: &BTreeSet<SourceName>) -> Self {
        Self::named("job", plan, sources, |name| kept.contains(name))
    }

    /// The same of a job that reads nothing but the quarantine of the job it replaces.
    pub fn replaying(plan: &Plan, sources: Vec<JobSource>) -> Self {
        Self::named("replay", plan, sources, |_| true)
    }

    fn named(kind: &str, plan: &Plan, mut sources: Vec<JobSource>, is_kept: impl Fn(&SourceName) -> bool) -> Self {
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        let mut hash = Naming::of(kind);
        hash.text(plan.id().as_str());
        hash.number(sources.len() as i128);
        for source in &sources {
            hash.source(&source.name, &source.version);
            hash.optional(source.over.as_ref().map(|claim| claim.job.as_str()));
            if let Some(claim) = &source.over {
                hash.version(&claim.version);
            }
            for owner in [
                source.over.as_ref().and_then(|claim| claim.was.as_ref()),
                source.was.as_ref(),
            ] {
                hash.optional(owner.map(|owner| owner.job.as_str()));
                if let Some(owner) = owner {
                    hash.version(&owner.version);
                }
            }
            if is_kept(&source.name) {
                hash.text("kept");
            }
        }
        Self {
            id: hash.job(),
            plan: plan.clone(),
            sources,
        }
    }

    /// The name; the names of the job's files begin with it.
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// What it is read with.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The sources, in the order that [`RowsOf::source`] counts in.
    pub fn sources(&self) -> &[JobSource] {
        &self.sources
    }

    /// The job whose place it takes, if it does.
    pub fn replaces(&self) -> Option<&JobId> {
        replaced(&self.sources)
    }
}

/// What the lake records of a file for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LakeFile {
    /// Where it is.
    pub key: LakeKey,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its content.
    pub sha256: Checksum,
    /// What it holds.
    #[serde(flatten)]
    pub kind: FileKind,
    /// Whose rows (or quarantine entries) lie where, without a gap.
    pub rows_of: Vec<RowsOf>,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FileKind {
    /// Rows of one table and hour.
    Data {
        /// The table.
        table: String,
        /// The hour in UTC, `2019-10-12T02`.
        hour: String,
        /// Rows in the file.
        rows: u64,
    },
    /// Rejected records.
    Quarantine {
        /// Entries in the file.
        entries: u64,
    },
}

impl FileKind {
    /// Rows, or entries.
    pub fn rows(&self) -> u64 {
        match self {
            Self::Data { rows, .. } => *rows,
            Self::Quarantine { entries } => *entries,
        }
    }
}

/// The rows of one source in one file: they lie together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsOf {
    /// Which of the job's sources, from 0.
    pub source: usize,
    /// The first of its rows, from 0.
    pub first_row: u64,
    /// How many.
    pub rows: u64,
}

/// A finished file that waits for the decision.
#[derive(Clone, Debug)]
pub struct PreparedFile {
    /// What will be recorded of it.
    pub file: LakeFile,
    /// Where its bytes are.
    pub content: Content,
}

/// Where the bytes of a prepared file are.
#[derive(Clone, Debug)]
pub enum Content {
    /// Here, in memory or in a spool file.
    Small(Body),
    /// In the store, as an upload left open.
    Upload {
        /// The upload.
        id: UploadId,
        /// All its parts, in order.
        parts: Vec<Part>,
    },
}

/// A job with all its files, checked.
#[derive(Debug)]
pub struct PreparedJob {
    job: Job,
    files: Vec<PreparedFile>,
    counts: Value,
}

impl PreparedJob {
    /// Checks that keys, sizes and rows fit together. `counts` is the caller's report on the job; it is kept in the outcome
    /// as it is.
    ///
    /// On an error nothing was written, and the uploads are still open.
    pub fn new(job: Job, files: Vec<PreparedFile>, counts: Value) -> Result<Self, LakeError> {
        let prepared = Self { job, files, counts };
        match prepared.fault() {
            None => Ok(prepared),
            Some(why) => Err(LakeError::Unsound {
                job: prepared.job.id,
                why,
            }),
        }
    }

    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Its files.
    pub fn files(&self) -> &[PreparedFile] {
        &self.files
    }

    /// The caller's report.
    pub fn counts(&self) -> &Value {
        &self.counts
    }

    /// Throws the open uploads away: a job that is not published, or that a twin publishes.
    pub async fn discard(self, lake: &Lake) -> Result<(), LakeError> {
        let uploads = self.files.into_iter().filter_map(|prepared| match prepared.content {
            Content::Upload { id, .. } => Some((prepared.file.key, id)),
            Content::Small(_) => None,
        });
        abort_uploads(lake, uploads).await
    }

    fn fault(&self) -> Option<String> {
        if self.job.sources.is_empty() {
            return Some("it has no source".into());
        }
        if let Some(pair) = self.job.sources.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Some(format!("{} stands in it twice", pair[0].name));
        }
        if let Some(why) = fault_of_owners(&self.job.sources) {
            return Some(why);
        }
        let mut keys = BTreeSet::new();
        for PreparedFile { file, content } in &self.files {
            let key = &file.key;
            if !keys.insert(key) {
                return Some(format!("{key} stands in it twice"));
            }
            if let Some(why) = fault_of(&self.job.id, self.job.sources.len(), file) {
                return Some(why);
            }
            let bytes = match content {
                Content::Small(body) if body.size() >= UPLOAD_BYTES_MIN => {
                    return Some(format!("{key} has {} bytes and is no upload", body.size()));
                }
                Content::Small(body) => body.size(),
                Content::Upload { parts, .. } => parts.iter().map(|part| part.size).sum(),
            };
            if bytes != file.size {
                return Some(format!(
                    "{key} should have {} bytes, and {bytes} were prepared",
                    file.size
                ));
            }
        }
        None
    }
}

/// The job that is replaced by one with these sources, if one is.
pub(super) fn replaced(sources: &[JobSource]) -> Option<&JobId> {
    sources.first()?.was.as_ref().map(|owner| &owner.job)
}

/// What is wrong with the owners of a job's sources, if anything: those of a job that replaces none were free, and those of
/// one that replaces another are all of that one.
pub(super) fn fault_of_owners(sources: &[JobSource]) -> Option<String> {
    let first = replaced(sources);
    let mut owners = sources.iter().map(|source| source.was.as_ref().map(|was| &was.job));
    (!owners.all(|owner| owner == first)).then(|| "its sources belong to several jobs".into())
}

/// What is wrong with a file of a job, if anything. Asked of every file that comes out of a record of the lake too: a job
/// writes and deletes under its own name alone.
pub(super) fn fault_of(job: &JobId, sources: usize, file: &LakeFile) -> Option<String> {
    let LakeFile { key, kind, rows_of, .. } = file;
    if !key
        .file_name()
        .strip_prefix(job.as_str())
        .is_some_and(|rest| rest.starts_with('-'))
    {
        return Some(format!("{key} is not named after it"));
    }
    let place = match kind {
        FileKind::Data { table, .. } if table.starts_with('_') || table.contains('/') => {
            return Some(format!("{key} is of no table"));
        }
        FileKind::Data { table, .. } => format!("{table}/"),
        FileKind::Quarantine { .. } => "_lakebed/quarantine/".to_owned(),
    };
    if !key.as_str().starts_with(&place) {
        return Some(format!("{key} does not lie in {place}"));
    }
    let mut next = (0, 0);
    for rows in rows_of {
        if rows.source < next.0 || rows.source >= sources || rows.first_row != next.1 {
            return Some(format!("the rows of {key} are not laid out source by source"));
        }
        next = (rows.source + 1, rows.first_row.saturating_add(rows.rows));
    }
    (next.1 != kind.rows()).then(|| format!("{key} has {} rows, and its sources {}", kind.rows(), next.1))
}

/// Throws uploads away, some at a time. Those completed or aborted before are passed over.
pub(super) async fn abort_uploads(
    lake: &Lake,
    uploads: impl Iterator<Item = (LakeKey, UploadId)>,
) -> Result<(), LakeError> {
    let aborts = uploads.map(|(key, id)| {
        let lake = lake.clone();
        async move { Ok(lake.store().abort_upload(&key, &id).await?) }
    });
    some_at_a_time(aborts, |()| true).await.map(drop)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn version(etag: &str) -> Version {
        Version {
            etag: etag.into(),
            size: 1,
            last_modified_s: 0,
        }
    }

    fn source(key: &str, over: Option<Claim>) -> JobSource {
        JobSource {
            name: SourceName::in_bucket("raw", key),
            version: version("1"),
            over,
            was: None,
        }
    }

    #[test]
    fn a_job_is_named_by_all_that_decides_it() {
        let (p1, p2) = (Plan::new("1", "", ""), Plan::new("2", "", ""));
        let dead = |job: &Job| {
            Some(Claim {
                job: job.id().clone(),
                version: version("1"),
                was: None,
            })
        };
        let first = Job::new(&p1, vec![source("a", None), source("b", None)]);
        assert_eq!(
            first.id(),
            Job::new(&p1, vec![source("b", None), source("a", None)]).id(),
            "in whatever order"
        );
        let second = Job::new(&p1, vec![source("a", dead(&first)), source("b", None)]);
        let newer = JobSource {
            version: version("2"),
            ..source("a", None)
        };
        let mut names: Vec<_> = [
            Job::new(&p2, vec![source("a", None), source("b", None)]),
            Job::new(&p1, vec![source("a", None)]),
            Job::new(&p1, vec![newer, source("b", None)]),
            Job::new(&p1, vec![source("a", dead(&second)), source("b", None)]),
            Job::new(&p1, vec![source("a", None), source("b", dead(&first))]),
            first,
            second,
        ]
        .map(|job| job.id().clone())
        .into();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 7);
        let kept = BTreeSet::from([source("a", None).name]);
        let sources = || vec![source("a", None), source("b", None)];
        assert_ne!(Job::new(&p1, sources()).id(), Job::keeping(&p1, sources(), &kept).id());
        let all = sources().into_iter().map(|source| source.name).collect();
        assert_ne!(
            Job::keeping(&p1, sources(), &all).id(),
            Job::replaying(&p1, sources()).id()
        );
    }

    #[test]
    fn what_does_not_fit_together_is_never_published() {
        type Change = fn(&mut PreparedFile);
        let job = || Job::new(&Plan::new("1", "", ""), vec![source("a", None), source("b", None)]);
        let good = || {
            let rows_of = [(0, 0, 2), (1, 2, 1)]
                .map(|(source, first_row, rows)| RowsOf {
                    source,
                    first_row,
                    rows,
                })
                .into();
            let kind = FileKind::Data {
                table: "t".into(),
                hour: "2019-10-12T02".into(),
                rows: 3,
            };
            let key = LakeKey::new(format!("t/hour=02/{}-0000.parquet", job().id())).unwrap();
            let file = LakeFile {
                key,
                size: 4,
                sha256: Checksum::of(b"rows"),
                kind,
                rows_of,
            };
            PreparedFile {
                file,
                content: Content::Small(Bytes::from_static(b"rows").into()),
            }
        };
        assert!(PreparedJob::new(job(), vec![good()], Value::Null).is_ok());
        let changes: [(Change, &str); 9] = [
            (
                |f| f.file.key = LakeKey::new("t/x-0000.parquet").unwrap(),
                "t/x-0000.parquet is not named after it",
            ),
            (
                |f| f.file.kind = FileKind::Quarantine { entries: 3 },
                "does not lie in _lakebed/quarantine/",
            ),
            (|f| f.file.size = 5, "should have 5 bytes, and 4 were prepared"),
            (|f| f.file.rows_of[1].rows = 2, "has 3 rows, and its sources 4"),
            (|f| f.file.rows_of[1].first_row = 1, "are not laid out source by source"),
            (|f| f.file.rows_of[1].source = 2, "are not laid out source by source"),
            (|f| f.file.rows_of[1].source = 0, "are not laid out source by source"),
            (
                |f| {
                    f.content = Content::Upload {
                        id: UploadId::new("x"),
                        parts: vec![],
                    }
                },
                "and 0 were prepared",
            ),
            (
                |f| f.content = Content::Small(Bytes::from(vec![0; UPLOAD_BYTES_MIN as usize]).into()),
                "has 8388608 bytes and is no upload",
            ),
        ];
        for (change, message) in changes {
            let mut file = good();
            change(&mut file);
            let error = PreparedJob::new(job(), vec![file], Value::Null)
                .unwrap_err()
                .to_string();
            assert!(error.contains(message), "{error}");
        }
        let error = PreparedJob::new(job(), vec![good(), good()], Value::Null).unwrap_err();
        assert!(error.to_string().ends_with("stands in it twice"), "{error}");
        let twice = Job::new(&Plan::new("1", "", ""), vec![source("a", None), source("a", None)]);
        let error = PreparedJob::new(twice, vec![], Value::Null).unwrap_err();
        assert!(error.to_string().ends_with("s3://raw/a stands in it twice"), "{error}");
    }

    #[test]
    fn a_job_replaces_one_job_or_none() {
        let plan = Plan::new("1", "", "");
        let was = |key: &str| {
            let job = Job::new(&plan, vec![source(key, None)]).id().clone();
            let version = version("0");
            Some(Owner { job, version })
        };
        let heir = |a: Option<Owner>, b: Option<Owner>| {
            let a = JobSource {
                was: a,
                ..source("a", None)
            };
            let b = JobSource {
                was: b,
                ..source("b", None)
            };
            Job::new(&plan, vec![a, b])
        };
        let prepared = |job: Job| PreparedJob::new(job, vec![], Value::Null);
        assert_eq!(heir(None, None).replaces(), None);
        let one = heir(was("a"), was("a"));
        assert_eq!(one.replaces(), was("a").map(|owner| owner.job).as_ref());
        assert!(prepared(one).is_ok());
        for several in [heir(was("a"), was("b")), heir(was("a"), None), heir(None, was("b"))] {
            let error = prepared(several).unwrap_err().to_string();
            assert!(error.ends_with("its sources belong to several jobs"), "{error}");
        }
    }
}
