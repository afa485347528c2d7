//! A lake in S3, a job that is about to be published, and somebody who changes things when a request arrives.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use bytes::Bytes;
use lakebed::job::identity::JobId;
use lakebed::job::lake::Lake;
use lakebed::job::outcome::{Outcome, OutcomeSource, State};
use lakebed::job::stage::{Content, Job, PreparedJob};
use lakebed::job::sweep::{Options, Progress, sweep};
use lakebed::job::{Answer, LakeError, publish};
use lakebed::store::LakeKey;

use crate::support::faulty::{Faulty, Kill};
use crate::support::s3::{At, Effect, Entry, Fault, Model, Server, UploadQuery};
use crate::support::s3_lake::{S3Lake, store};
use crate::support::world::{Worker, World, judge_versions, keys};

/// Attempts of the SDK.
pub(crate) const TRIES: usize = 5;
/// Attempts where others are in the way.
pub(crate) const BUSY: usize = 6;
/// Bytes that no job made.
pub(crate) const FOREIGN: &[u8] = b"something else";

/// 412, 409, 500, 503, 403.
pub(crate) const FAILED: Effect = Effect::Answer(412, "PreconditionFailed");
pub(crate) const CONFLICT: Effect = Effect::CONFLICT;
pub(crate) const ERROR: Effect = Effect::INTERNAL_ERROR;
pub(crate) const SLOW: Effect = Effect::SLOW_DOWN;
pub(crate) const REFUSED: Effect = Effect::ACCESS_DENIED;
/// No answer in time, nothing done or all of it; the connection closed, likewise.
pub(crate) const SILENCE: Effect = Effect::Hang;
pub(crate) const UNHEARD: Effect = Effect::HangAfter;
pub(crate) const RESET: Effect = Effect::Close;
pub(crate) const LOST: Effect = Effect::CloseAfter;

/// What happens to the request that a case is about.
pub(crate) enum Strike {
    Never,
    Once(Effect),
    Always(Effect),
    /// The first time, and ever after.
    Then(Effect, Effect),
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ends {
    Done,
    Dead,
    /// With an error that a later run may not meet.
    Waits,
    /// With an error that somebody has to do something about, in these words.
    Stops(&'static str),
}

/// What a twin, or somebody else, does when the request arrives.
pub(crate) type Change = Box<dyn FnOnce(&mut Model) + Send>;

pub(crate) struct Scene {
    pub(crate) s3: Arc<S3Lake>,
    pub(crate) world: Arc<World>,
    pub(crate) worker: Worker,
    pub(crate) lake: Lake,
}

/// A job that is ready to be published.
pub(crate) struct Staged {
    pub(crate) job: Job,
    pub(crate) prepared: PreparedJob,
    /// The same with all bytes at hand.
    pub(crate) whole: PreparedJob,
}

impl Scene {
    /// One raw object, nothing loaded.
    pub(crate) async fn new(strike: &Strike) -> Self {
        let mut model = Model::default();
        model.create_bucket("lake").conditional_only = true;
        model.min_part_bytes = 1;
        let server = Server::start(model);
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES as u32)
            .with_initial_backoff(Duration::from_millis(1));
        let mut config = server.config().retry_config(retries);
        if let Strike::Once(effect) | Strike::Always(effect) = strike
            && matches!(effect, Effect::Hang | Effect::HangAfter)
        {
            let soon = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(700));
            config = config.timeout_config(soon.build());
        }
        let store = store(Client::from_conf(config.build()), None);
        let s3 = Arc::new(S3Lake { server, store });
        let world = World::of(&["a"]);
        let worker = Worker::new(Arc::new(s3.store.clone()), &world);
        let lake = worker.lake().await.unwrap();
        Self {
            s3,
            world,
            worker,
            lake,
        }
    }

    /// What `look` finds, staged: one small file of rows, one upload, one of rejects.
    pub(crate) async fn staged(&self) -> Staged {
        let job = self.worker.job(&self.lake, &["a"]).await.unwrap().unwrap();
        self.stage(job).await
    }

    pub(crate) async fn stage(&self, job: Job) -> Staged {
        let whole = self
            .worker
            .clone()
            .small()
            .stage(&self.lake, job.clone())
            .await
            .unwrap();
        let prepared = self.worker.stage(&self.lake, job.clone()).await.unwrap();
        Staged { job, prepared, whole }
    }

    /// A job of another plan over the same source, which wrote its intent and was killed.
    pub(crate) async fn rival(&self) -> JobId {
        let rival = self.worker.clone().plan("rival");
        let job = rival.job(&self.lake, &["a"]).await.unwrap().unwrap();
        let id = job.id().clone();
        self.stop_after_intent(rival.stage(&self.lake, job).await.unwrap())
            .await;
        id
    }

    pub(crate) async fn stop_after_intent(&self, prepared: PreparedJob) {
        // Request 1 looks at the lake, 2 is the intent, 3 would be the first claim.
        let dying = Faulty::killed_at(Arc::new(self.s3.store.clone()), 3, Kill::Before);
        let dying = Lake::inspect(dying, &[]).await.unwrap();
        assert!(publish(&dying, prepared).await.is_err());
    }

    /// From now on: what happens to these requests, and what was done when the first of them arrives.
    pub(crate) fn set(&self, operation: &'static str, key: &str, strike: Strike, change: Option<Change>) {
        let key = format!("p/{key}");
        if let Some(change) = change {
            let (again, key, mut change) = (Arc::downgrade(&self.s3), key.clone(), Some(change));
            let arrived = move |entry: &Entry| {
                if entry.key.starts_with(&key)
                    && let (Some(change), Some(s3)) = (change.take(), again.upgrade())
                {
                    change(&mut s3.server.model());
                }
                false
            };
            self.s3
                .server
                .inject(Fault::on(operation, Effect::Close).request(arrived));
        }
        let on = |effect| {
            let key = key.clone();
            Fault::on(operation, effect).key(move |of| of.starts_with(&key))
        };
        match strike {
            Strike::Never => {}
            Strike::Once(effect) => self.s3.server.inject(on(effect).first(1)),
            Strike::Always(effect) => self.s3.server.inject(on(effect)),
            Strike::Then(first, after) => {
                self.s3.server.inject(on(first).first(1));
                self.s3.server.inject(on(after));
            }
        }
        self.s3.server.clear_log();
    }

    /// Publishes, and says whether it ended as it should.
    pub(crate) async fn publish(&self, prepared: PreparedJob, expected: Ends) {
        self.ended(publish(&self.lake, prepared).await, expected);
    }

    pub(crate) fn ended(&self, ended: Result<Answer, LakeError>, expected: Ends) {
        let as_expected = match (&ended, expected) {
            (Ok(Answer::Done(_)), Ends::Done) | (Ok(Answer::Dead), Ends::Dead) => true,
            (Err(error), Ends::Waits) => error.is_transient(),
            (Err(error), Ends::Stops(words)) => !error.is_transient() && told(error).contains(words),
            _ => false,
        };
        let ended = ended.map_err(|error| told(&error));
        assert!(as_expected, "{ended:?} is not {expected:?}\n{}", self.log());
    }

    /// Requests of an operation for keys that begin so.
    pub(crate) fn sent(&self, operation: &str, key: &str) -> usize {
        let key = format!("p/{key}");
        let log = self.s3.server.log();
        let those = log
            .iter()
            .filter(|entry| entry.operation == operation && entry.key.starts_with(&key));
        those.count()
    }

    #[track_caller]
    pub(crate) fn assert_sent(&self, operation: &str, key: &str, times: usize) {
        assert_eq!(self.sent(operation, key), times, "{operation} {key}\n{}", self.log());
    }

    /// What is deleted is dead before.
    #[track_caller]
    pub(crate) fn assert_deletes_come_last(&self) {
        let log = self.s3.server.log();
        let put = log
            .iter()
            .rposition(|entry| entry.operation == "PutObject" && entry.key.contains("/jobs/"));
        let deleted = log.iter().position(|entry| entry.operation == "DeleteObject");
        assert!(deleted.is_none() || deleted > put, "{}", self.log());
    }

    /// Nothing that anybody may need was thrown away.
    #[track_caller]
    pub(crate) fn assert_nothing_is_cleaned_up(&self) {
        self.assert_sent("DeleteObject", "", 0);
        self.assert_sent("AbortMultipartUpload", "", 0);
    }

    pub(crate) fn log(&self) -> String {
        let log = self.s3.server.log();
        log.iter().map(|entry| format!("{entry}\n")).collect()
    }

    pub(crate) fn model<T>(&self, act: impl FnOnce(&mut Model) -> T) -> T {
        act(&mut self.s3.server.model())
    }

    pub(crate) fn bytes(&self, key: &LakeKey) -> Option<Bytes> {
        self.model(|model| model.bytes("lake", &format!("p/{key}")))
    }

    pub(crate) fn open_uploads(&self) -> usize {
        let query = UploadQuery {
            prefix: "",
            after: ("", ""),
            max: 1000,
        };
        self.model(|model| model.list_uploads(At::new("lake", ""), &query).unwrap().0.len())
    }

    /// Nothing fails any more: another process loads what is not loaded, a sweep tidies up, and all is as if nothing
    /// had been.
    pub(crate) async fn comes_to_rest(&self, etag: &str) {
        let server = &self.s3.server;
        server.clear_faults();
        let fresh = Arc::new(store(server.client(), None));
        let next = self.worker.clone().killable(fresh.clone());
        if etag == "1" {
            next.load(&["a"]).await.unwrap();
        }
        let lake = next.lake().await.unwrap();
        // All of them are old enough.
        let late = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        let options = Options::at(late, "lake".to_owned());
        let swept = sweep(&lake, &options, &Progress::default()).await.unwrap();
        assert!(swept.failed.is_empty(), "{swept:?}");
        judge_versions(&*fresh, &["a"], etag)
            .await
            .unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(keys(&*fresh, "_lakebed/open").await, []);
        server.clear_log();
        let options = Options::at(SystemTime::UNIX_EPOCH, "lake".to_owned());
        let again = sweep(&lake, &options, &Progress::default()).await.unwrap();
        assert_eq!((again.jobs.found, again.uploads.found), (0, 0));
        if etag == "1" {
            next.load(&["a"]).await.unwrap();
        }
        for operation in ["PutObject", "DeleteObject", "CreateMultipartUpload"] {
            self.assert_sent(operation, "", 0);
        }
    }
}

impl Staged {
    /// The key of its quarantine file, of the small file of rows, of the upload.
    pub(crate) fn keys(&self) -> [LakeKey; 3] {
        let key = |place: &str| {
            let files = self.whole.files().iter().map(|prepared| &prepared.file.key);
            files
                .clone()
                .find(|key| key.as_str().starts_with(place))
                .unwrap()
                .clone()
        };
        [key("_lakebed/quarantine"), key("t/hour=00"), key("t/hour=01")]
    }

    pub(crate) fn bytes(&self, key: &LakeKey) -> Bytes {
        let all = files(&self.whole);
        all.into_iter().find(|(there, _)| there == key).unwrap().1
    }
}

/// All files of a job that has their bytes at hand.
pub(crate) fn files(whole: &PreparedJob) -> Vec<(LakeKey, Bytes)> {
    let files = whole.files().iter().map(|prepared| {
        let Content::Small(body) = &prepared.content else {
            panic!("an upload")
        };
        let mut bytes = Vec::new();
        body.write_to(&mut bytes).unwrap();
        (prepared.file.key.clone(), bytes.into())
    });
    files.collect()
}

/// The outcome of a job as somebody else writes it.
pub(crate) fn outcome(job: &PreparedJob, state: State) -> (LakeKey, Vec<u8>) {
    let sources = job.job().sources().iter().map(|source| OutcomeSource {
        name: source.name.clone(),
        version: source.version.clone(),
    });
    let outcome = Outcome {
        version: 1,
        job: job.job().id().clone(),
        state,
        plan: job.job().plan().id().clone(),
        encoder: job.job().plan().encoder().to_owned(),
        replaces: job.job().replaces().cloned(),
        replaced_by: None,
        sources: sources.collect(),
        files: job.files().iter().map(|prepared| prepared.file.clone()).collect(),
        counts: job.counts().clone(),
    };
    (outcome_key(&outcome.job), serde_json::to_vec(&outcome).unwrap())
}

pub(crate) fn outcome_key(job: &JobId) -> LakeKey {
    crate::support::key(&format!("_lakebed/jobs/{job}.json"))
}

/// Puts objects there when the request arrives.
pub(crate) fn seeds(objects: Vec<(LakeKey, Bytes)>) -> Change {
    Box::new(move |model| {
        for (key, bytes) in objects {
            model.seed("lake", &format!("p/{key}"), bytes);
        }
    })
}

pub(crate) fn removes(key: LakeKey) -> Change {
    Box::new(move |model| {
        model.delete(At::new("lake", &format!("p/{key}")), None).unwrap();
    })
}

pub(crate) fn all(changes: Vec<Change>) -> Change {
    Box::new(move |model| changes.into_iter().for_each(|change| change(model)))
}

/// An error as a person reads it: all of its chain.
fn told(error: &LakeError) -> String {
    let causes = std::iter::successors(Some(error as &dyn Error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
