//! Raw objects, those who change them, messages that tell of them, and how all of it comes to rest.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use lakebed::job::seed_pauses;
use lakebed::job::sweep::{Options, Progress, sweep};
use tokio::sync::oneshot;

use crate::support::oracle::{LAKE, PREFIX, file};
use crate::support::s3::{Model, Versioning};
use crate::support::sim::{Entry, Handle, Request, Sim};
use crate::writer::{Writer, lake};

/// The moment at which every simulation begins.
const BEGIN: Duration = Duration::from_secs(1_570_845_600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Deliveries after which a message without an answer is left to the end.
const DELIVERIES_MAX: u32 = 4;

/// A simulation with raw objects, and what was answered of them.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) sim: Sim,
    /// When the message was delivered, in lines of the log, that was last answered with success.
    answered: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Messages so far.
    messages: Arc<Mutex<u32>>,
}

/// What is put into a raw object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw {
    /// Equal names are equal bytes.
    pub(crate) content: &'static str,
    pub(crate) hours: u64,
    pub(crate) rows: u64,
    pub(crate) rejects: u64,
}

impl Raw {
    pub(crate) fn new(content: &'static str) -> Self {
        Self {
            content,
            hours: 2,
            rows: 2,
            rejects: 1,
        }
    }

    pub(crate) fn hours(self, hours: u64) -> Self {
        Self { hours, ..self }
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut model = Model::at(UNIX_EPOCH + BEGIN);
        model.create_bucket(LAKE).conditional_only = true;
        model.min_part_bytes = 1;
        for bucket in ["raw", "raw2"] {
            model.create_bucket(bucket);
        }
        Self {
            sim: Sim::new(model, seed),
            answered: Arc::default(),
            messages: Arc::default(),
        }
    }

    pub(crate) fn versioning(&self, versioning: Versioning) {
        self.sim.with_model(|model| {
            for bucket in ["raw", "raw2"] {
                model.bucket(bucket).versioning = versioning;
            }
        });
    }

    /// A raw object that is there, or is something else, from one moment to the next.
    pub(crate) fn write(&self, name: &str, raw: Raw) {
        let (bucket, key) = name.split_once('/').unwrap();
        let text = file::raw(name, raw.content, raw.hours, raw.rows, raw.rejects);
        self.sim.with_model(|model| drop(model.seed(bucket, key, text)));
        let at = self.sim.calls();
        self.sim
            .with_watch(|watch, model| watch.raw_changed(model, bucket, key, at));
    }

    pub(crate) fn remove(&self, name: &str) {
        let (bucket, key) = name.split_once('/').unwrap();
        self.sim.with_model(|model| {
            let at = crate::support::s3::At::new(bucket, key);
            model.delete(at, None).unwrap();
        });
        let at = self.sim.calls();
        self.sim
            .with_watch(|watch, model| watch.raw_changed(model, bucket, key, at));
    }

    /// Somebody overwrites a raw object, or deletes it, some time.
    pub(crate) async fn change(&self, handle: &Handle, name: &str, raw: Option<Raw>) {
        let (bucket, key) = name.split_once('/').unwrap();
        let request = Request {
            operation: if raw.is_some() { "PutObject" } else { "DeleteObject" },
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            note: raw.map_or(String::new(), |raw| raw.content.to_owned()),
        };
        let text = raw.map(|raw| file::raw(name, raw.content, raw.hours, raw.rows, raw.rejects));
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let work = move |model: &mut Model| match text {
            Some(text) => model.seed(&bucket, &key, text).tag,
            None => {
                let at = crate::support::s3::At::new(&bucket, &key);
                drop(model.delete(at, None));
                "gone".to_owned()
            }
        };
        handle.act(request, work).await;
    }

    /// A rule of the bucket throws an upload away, some time.
    pub(crate) async fn expire_an_upload(&self, handle: &Handle) {
        let request = |operation, key: String| Request {
            operation,
            bucket: LAKE.to_owned(),
            key,
            note: "by a rule".to_owned(),
        };
        for _ in 0..12 {
            // What is open when the call begins; it may be completed before it takes effect.
            let open = self.sim.with_model(|model| open_uploads(model));
            if open.is_empty() {
                let none = |_: &mut Model| "none".to_owned();
                handle
                    .act(request("ListMultipartUploads", PREFIX.to_owned()), none)
                    .await;
                continue;
            }
            let (key, id) = open[self.sim.draw(open.len() as u64) as usize].clone();
            let at_key = key.clone();
            let work = move |model: &mut Model| {
                let at = crate::support::s3::At::new(LAKE, &at_key);
                model
                    .abort_upload(at, &id)
                    .map_or_else(|refusal| refusal.code(), |()| "aborted")
                    .to_owned()
            };
            handle.act(request("AbortMultipartUpload", key), work).await;
            return;
        }
    }

    /// The rule does it with all that are open, at once.
    pub(crate) fn expire_all_uploads(&self) {
        self.sim.with_model(|model| {
            for (key, id) in open_uploads(model) {
                let at = crate::support::s3::At::new(LAKE, &key);
                model.abort_upload(at, &id).unwrap();
            }
        });
    }

    /// A message that names sources: delivered to one worker after another, until one answers.
    pub(crate) fn send(&self, batch: &[String], writer: Writer) {
        let number = {
            let mut messages = self.messages.lock().unwrap();
            *messages += 1;
            *messages
        };
        let (world, batch) = (self.clone(), batch.to_vec());
        self.sim.spawn(format!("queue{number}"), move |_| async move {
            for delivery in 1..=DELIVERIES_MAX {
                let ended = world.deliver(format!("m{number}.{delivery}"), &batch, writer);
                if let Ok(Ok(())) = ended.await {
                    return;
                }
                // Then it is visible again.
                let wait = Duration::from_millis(world.sim.draw(8_000));
                tokio::time::sleep(wait).await;
            }
        });
    }

    /// One delivery by one worker. What it ended with; nothing if it was killed.
    pub(crate) fn deliver(
        &self,
        name: String,
        batch: &[String],
        writer: Writer,
    ) -> oneshot::Receiver<Result<(), String>> {
        let (ended, receiver) = oneshot::channel();
        let (world, batch) = (self.clone(), batch.to_vec());
        let delivered = self.sim.calls();
        let actor = name.clone();
        // Until it has thrown its uploads away or handed them over.
        self.sim.with_watch(|watch, _| watch.excuse(&name));
        self.sim.spawn(name, move |handle| async move {
            let loaded = writer.load(&handle, &batch).await;
            if let Ok(loaded) = &loaded {
                world.sim.with_watch(|watch, _| watch.pardon_no_more(&actor));
                for source in loaded {
                    world.sim.with_watch(|watch, _| watch.acknowledged(source, delivered));
                    let mut answered = world.answered.lock().unwrap();
                    let last = answered.entry(source.clone()).or_default();
                    *last = delivered.max(*last);
                }
            }
            let _ = ended.send(loaded.map(drop).map_err(|error| format!("{error:?}")));
        });
        receiver
    }

    pub(crate) fn spawn_sweeper(&self, name: &'static str) -> oneshot::Receiver<Result<(), String>> {
        let (ended, receiver) = oneshot::channel();
        let options = Options::at(self.sim.now(), "lake".to_owned());
        self.sim.spawn(name, move |handle| async move {
            let swept = async {
                let lake = lake(&handle).await?;
                sweep(&lake, &options, &Progress::default()).await
            };
            let swept =
                swept
                    .await
                    .map_err(|error| format!("{error:?}"))
                    .and_then(|swept| match swept.failed.first() {
                        Some(failed) => Err(format!("{}: {}", failed.key, failed.message)),
                        None => Ok(()),
                    });
            let _ = ended.send(swept);
        });
        receiver
    }

    /// Lets everything run, and tells the first fault that was seen.
    pub(crate) async fn run(&self) -> Result<(), String> {
        self.sim.run().await;
        self.sim.with_watch(|watch, _| match watch.faults().first() {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        })
    }

    /// Sources that changed after the last message about them that was answered.
    pub(crate) fn unanswered(&self) -> Vec<String> {
        let answered = self.answered.lock().unwrap();
        let open = |source: &String| {
            let changed = self.sim.with_watch(|watch, _| watch.changed_at(source));
            answered.get(source).is_none_or(|&delivered| delivered < changed)
        };
        let sources = self.sim.with_watch(|watch, _| watch.sources());
        sources.into_iter().filter(open).collect()
    }

    /// As if no message had been answered.
    pub(crate) fn forget_answers(&self) {
        self.answered.lock().unwrap().clear();
    }

    /// One delivery, while nobody else works.
    pub(crate) async fn deliver_now(&self, name: String, batch: &[String], writer: Writer) -> Result<(), String> {
        let mut ended = self.deliver(name.clone(), batch, writer);
        self.run().await?;
        match ended.try_recv() {
            Ok(ended) => ended,
            Err(_) => Err(format!("{name} did not end")),
        }
    }

    /// Nothing goes wrong any more: what is not answered is delivered again, alone, twice at most (I9); then it is swept, and
    /// the lake is judged. A message that comes once more changes nothing (I6).
    pub(crate) async fn bring_to_rest(&self, writer: Writer) -> Result<(), String> {
        self.sim.stop_faults();
        if self.sim.draw(2) == 0 {
            self.sim.land_all();
        }
        for source in self.unanswered() {
            let batch = [source.clone()];
            let first = self.deliver_now(format!("rest1.{source}"), &batch, writer).await;
            if first.is_err() {
                self.run().await?;
                self.deliver_now(format!("rest2.{source}"), &batch, writer)
                    .await
                    .map_err(|why| format!("I9: {source} is not loaded in two deliveries: {why}"))?;
            }
        }
        self.sim.land_all();
        self.sweep_now("sweep1").await?;
        tokio::time::advance(DAY + Duration::from_secs(3600)).await;
        self.sweep_now("sweep2").await?;
        self.sim.with_watch(|watch, model| watch.at_rest(model))?;
        // What killed workers left open, and no rule threw away.
        tokio::time::advance(7 * DAY).await;
        self.sweep_now("sweep3").await?;
        self.sim.with_watch(|watch, model| watch.at_rest(model))?;
        if let Some((key, _)) = self.sim.with_model(|model| open_uploads(model)).first() {
            return Err(format!("I10: an upload of {key} is open after seven days and a sweep"));
        }

        let before = self.sim.calls();
        let all = self.sim.with_watch(|watch, _| watch.sources());
        for (n, batch) in [all.clone(), all[..all.len().min(1)].to_vec()].iter().enumerate() {
            self.deliver_now(
                format!("again{n}"),
                batch,
                Writer {
                    reload: false,
                    ..writer
                },
            )
            .await?;
        }
        self.nothing_written_since(before)
    }

    /// I6: a duplicate writes nothing.
    pub(crate) fn nothing_written_since(&self, line: usize) -> Result<(), String> {
        let log = self.sim.log();
        let writes =
            |entry: &&Entry| entry.request.writes() && !self.sim.with_watch(|watch, _| watch.is_idle(&entry.request));
        match log[line..].iter().find(writes) {
            Some(entry) => Err(format!("I6: a duplicate wrote: {entry}")),
            None => Ok(()),
        }
    }

    pub(crate) async fn sweep_now(&self, name: &'static str) -> Result<(), String> {
        let mut ended = self.spawn_sweeper(name);
        self.run().await?;
        ended.try_recv().map_err(|_| format!("{name} did not end"))?
    }
}

fn open_uploads(model: &Model) -> Vec<(String, String)> {
    let query = crate::support::s3::UploadQuery {
        prefix: "",
        after: ("", ""),
        max: 10_000,
    };
    let (open, _) = model
        .list_uploads(crate::support::s3::At::new(LAKE, ""), &query)
        .unwrap();
    open.into_iter().map(|upload| (upload.key, upload.id)).collect()
}

pub(crate) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("raw/{name}")).collect()
}

/// Seeds to run: the one that is asked for, or as many as are asked for, or `rounds`.
pub(crate) fn seeds(rounds: u64) -> Vec<u64> {
    let asked = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    match asked("LAKEBED_TEST_SEED") {
        Some(seed) => vec![seed],
        None => (0..asked("LAKEBED_TEST_ROUNDS").unwrap_or(rounds)).collect(),
    }
}

/// One simulation in a runtime of its own.
pub(crate) fn simulate<F>(seed: u64, body: impl FnOnce(World) -> F) -> (World, Result<(), String>)
where
    F: Future<Output = Result<(), String>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        // The scheduler goes on when nobody else can.
        .event_interval(u32::MAX)
        .build()
        .unwrap();
    runtime.block_on(async {
        seed_pauses(seed);
        let world = World::new(seed);
        let result = body(world.clone()).await;
        (world, result)
    })
}

/// The same for a test: a failure is told with the command that repeats it and the end of the log.
pub(crate) fn proves<F>(test: &str, case: &str, seed: u64, body: impl FnOnce(World) -> F)
where
    F: Future<Output = Result<(), String>>,
{
    let seen = Mutex::new(None);
    let run = AssertUnwindSafe(|| {
        simulate(seed, |world| {
            *seen.lock().unwrap() = Some(world.clone());
            body(world)
        })
    });
    let told = |why: &str| {
        let tail = seen
            .lock()
            .unwrap()
            .as_ref()
            .map(|world| world.sim.tail(tail_lines()))
            .unwrap_or_default();
        format!("{tail}\n\n{case}\n{why}\n\nLAKEBED_TEST_SEED={seed} cargo test --test simulation {test}\n")
    };
    match catch_unwind(run) {
        Ok((_, Ok(()))) => {}
        Ok((_, Err(why))) => panic!("{}", told(&why)),
        Err(panicked) => {
            eprintln!("{}", told("it panicked"));
            resume_unwind(panicked);
        }
    }
}

/// Lines of the log that are shown when a simulation fails: more where one seed is asked for.
fn tail_lines() -> usize {
    if std::env::var_os("LAKEBED_TEST_SEED").is_some() {
        2_000
    } else {
        40
    }
}
