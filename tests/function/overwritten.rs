//! An object that is overwritten or deleted at any moment of its load: what is there in the end counts once, whatever the
//! order of events, and what is gone is never called loaded.
//!
//! ```text
//! O is announced ──> function reads 0 1 50 99 100 % ──> intent ──> files ──> outcome ──> answered
//!                          └──── somewhere here, O becomes something else ────┘
//! then: N is announced, and O once more, in either order; what failed comes again
//! ```
//!
//! In buckets without versions, with them, and where they are suspended.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

use lakebed::function::Function;
use lakebed::table::Tables;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::events::{created, failed_messages, messages, records};
use crate::raw::{CLICK_YAML, EVENT_YAML, Form, Like, content};
use crate::support::judge::{Content, Counting, May, Record, Stored, counting, judge};
use crate::support::s3::{At, Condition, Effect, Entry, Fault, Model, Server, Versioning};
use crate::world::{World, handle, settings};

const KEY: &str = "in/a";
const NAME: &str = "s3://raw/in/a";
const NEIGHBOUR: &str = "in/b";

/// As long as each other: where bytes of both were mixed, nothing but the condition would tell.
static OLD: LazyLock<Arc<Content>> = LazyLock::new(|| padded(like(1000..1200)));
static NEW: LazyLock<Arc<Content>> = LazyLock::new(|| padded(like(2000..2200)));
/// Longer than either.
const PADDED: usize = 96 << 10;
static BESIDE: LazyLock<Arc<Content>> = LazyLock::new(|| Arc::new(content(like(3000..3020))));
static EMPTY: LazyLock<Arc<Content>> = LazyLock::new(|| Arc::new(content(like(0..0))));
/// Nothing of it can be a row.
static GARBAGE: LazyLock<Arc<Content>> = LazyLock::new(|| {
    let (mut text, mut records) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let bytes = format!("{{\"id\":\"no {n}\",\"at\":1714521600000}}").into_bytes();
        records.push(Record::Reject {
            code: "Type.Mismatch",
            offset: text.len() as u64,
            bytes: bytes.clone(),
        });
        text.extend(bytes);
        text.push(b'\n');
    }
    Arc::new(Content {
        stored: text.into(),
        records,
    })
});

/// With blank lines before its records.
fn padded(like: Like) -> Arc<Content> {
    let mut content = content(like);
    let blank = PADDED - content.stored.len();
    let mut text = vec![b'\n'; blank];
    text.extend_from_slice(&content.stored);
    content.stored = text.into();
    for record in &mut content.records {
        if let Record::Reject { offset, .. } = record {
            *offset += blank as u64;
        }
    }
    Arc::new(content)
}

/// So long that a hundredth of it is several records.
fn like(ids: std::ops::Range<i64>) -> Like {
    Like {
        ids,
        form: Form::Lines,
        hours: 0..4,
        words: 20,
    }
}

/// When it happens.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// After it was announced.
    BeforeReading,
    /// When this part of it was read, in percent: there the first answer breaks off.
    At(u64),
    /// All is read, nothing is decided.
    AtIntent,
    /// It is decided, and files appear.
    AtFiles,
    AtOutcome,
    AfterAnswer,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Good,
    Garbage,
    Empty,
    Deleted,
    /// Overwritten, and later put back.
    Back,
    /// The same within one second: nobody can tell.
    BackAtOnce,
}

const MOMENTS: [Moment; 9] = [
    Moment::BeforeReading,
    Moment::At(0),
    Moment::At(1),
    Moment::At(50),
    Moment::At(99),
    Moment::AtIntent,
    Moment::AtFiles,
    Moment::AtOutcome,
    Moment::AfterAnswer,
];
const CHANGES: [Change; 6] = [
    Change::Good,
    Change::Garbage,
    Change::Empty,
    Change::Deleted,
    Change::Back,
    Change::BackAtOnce,
];
const STATES: [Versioning; 3] = [Versioning::Off, Versioning::On, Versioning::Suspended];

#[derive(Clone, Copy, Debug)]
struct Case {
    versioning: Versioning,
    moment: Moment,
    change: Change,
    /// Of the events that follow, O's comes first.
    old_first: bool,
}

/// Says how a case is run again, if it fails.
struct Again(Case);

impl Case {
    fn name(&self) -> String {
        let Self {
            versioning,
            moment,
            change,
            old_first,
        } = self;
        let order = if *old_first { "ON" } else { "NO" };
        format!("{versioning:?}/{moment:?}/{change:?}/{order}").replace(['(', ')'], "")
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let name = self.0.name();
            eprintln!("to run this case again: LAKEBED_TEST_CASE={name} cargo test --test function overwritten");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_an_object_changes_what_is_there_in_the_end_counts_once() {
    let only = env::var("LAKEBED_TEST_CASE").ok();
    let both = only.is_some() || env::var_os("LAKEBED_TEST_ROUNDS").is_some();
    let at_once = Arc::new(Semaphore::new(4));
    let mut running = JoinSet::new();
    for case in cases(both) {
        if only.as_ref().is_some_and(|only| *only != case.name()) {
            continue;
        }
        let turn = Arc::clone(&at_once);
        running.spawn(async move {
            let _turn = turn.acquire().await;
            Box::pin(run(case)).await;
        });
    }
    let mut failed = 0;
    while let Some(ended) = running.join_next().await {
        failed += u32::from(ended.is_err());
    }
    assert_eq!(failed, 0, "cases failed");
}

/// Every moment with every change and state of versions, and with both orders of events, or with one of them in turn.
fn cases(both: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (s, versioning) in STATES.into_iter().enumerate() {
        for (m, moment) in MOMENTS.into_iter().enumerate() {
            for (c, change) in CHANGES.into_iter().enumerate() {
                let in_turn = (s + m + c) % 2 == 0;
                for old_first in [true, false] {
                    if both || old_first == in_turn {
                        cases.push(Case {
                            versioning,
                            moment,
                            change,
                            old_first,
                        });
                    }
                }
            }
        }
    }
    cases
}

/// What the object was, and what it is now.
struct Told {
    versions: Vec<Counting>,
    is_there: bool,
}

async fn run(case: Case) {
    let _again = Again(case);
    let world = World::new();
    world.server.model().bucket("raw").versioning = case.versioning;
    let told = Arc::new(std::sync::Mutex::new(Told {
        versions: Vec::new(),
        is_there: true,
    }));
    let old = put(&mut world.server.model(), KEY, &OLD);
    let beside = put(&mut world.server.model(), NEIGHBOUR, &BESIDE);
    told.lock().unwrap().versions.push(old);
    if case.change != Change::BackAtOnce {
        pass(&mut world.server.model());
    }

    let happens = {
        let told = Arc::clone(&told);
        move |model: &mut Model| change(case.change, model, &mut told.lock().unwrap())
    };
    let old_event = event("0055AED6DCD90281E5");
    let new_event = event("0055AED6DCD90281E6");
    let both = messages(&[old_event.to_string(), records(vec![created(NEIGHBOUR)]).to_string()]);
    let failed = match case.moment {
        Moment::AfterAnswer => {
            let failed = deliver(&world, &both).await;
            happens(&mut world.server.model());
            failed
        }
        moment => {
            arrange(&world.server, moment, happens);
            deliver(&world, &both).await
        }
    };
    world.server.clear_faults();
    pass(&mut world.server.model());
    let (is_there, versions) = {
        let told = told.lock().unwrap();
        (told.is_there, told.versions.clone())
    };
    assert!(versions.len() > 1 || !is_there, "{case:?}: nothing happened");
    let acknowledged = !failed.contains(&"m0".to_owned());
    assert!(!failed.contains(&"m1".to_owned()), "{case:?}: the neighbour failed");
    assert!(acknowledged || !is_there, "{case:?}: it is there, and failed");

    // Whatever was loaded meanwhile is one version, whole.
    assert_sound(&world, case, &versions, &beside);

    let mut events = [old_event, new_event];
    if !case.old_first {
        events.reverse();
    }
    for event in &events {
        let failed = deliver(&world, &messages(&[event.to_string()])).await;
        let expected: &[&str] = if is_there { &[] } else { &["m0"] };
        assert_eq!(failed, expected, "{case:?}: there is {is_there}");
        assert_sound(&world, case, &versions, &beside);
        pass(&mut world.server.model());
    }

    let mut of_a = versions;
    if is_there {
        // Of what is gone the rows stay, if it had any.
        of_a.drain(..of_a.len() - 1);
    }
    let may = May {
        versions: of_a,
        absent: !acknowledged,
    };
    let of_b = May {
        versions: vec![beside],
        absent: false,
    };
    let may = BTreeMap::from([(NAME.to_owned(), may), (format!("s3://raw/{NEIGHBOUR}"), of_b)]);
    let stored = Stored::in_bucket(&world.server.model(), "lake", "p/");
    let faults = judge(&stored, &counting(&stored, &may), &BTreeSet::new());
    assert!(
        faults.is_empty(),
        "{case:?}: {}",
        faults[..faults.len().min(10)].join("\n")
    );

    world.server.clear_log();
    deliver(&world, &both).await;
    let log = world.server.log();
    let reads = ["GetObject", "HeadObject", "ListObjectsV2"];
    let writes: Vec<_> = log.iter().filter(|entry| !reads.contains(&entry.operation)).collect();
    assert!(writes.is_empty(), "{case:?}: {writes:?}");
}

/// Each record of the version that the lake says it has is there once, and none of another.
fn assert_sound(world: &World, case: Case, versions: &[Counting], beside: &Counting) {
    let stored = Stored::in_bucket(&world.server.model(), "lake", "p/");
    let mut loaded = Vec::new();
    for (_, key) in stored.named("_lakebed/jobs/") {
        let outcome: Value = serde_json::from_slice(&stored.objects[key]).unwrap();
        let sources = outcome["sources"].as_array().unwrap().iter();
        let is_it = |source: &&Value| outcome["state"] == "done" && source["key"] == KEY;
        loaded.extend(sources.filter(is_it).cloned());
    }
    let is_loaded = |counting: &&Counting| {
        let is =
            |source: &Value| source["etag"] == *counting.etag && source["last_modified_s"] == counting.last_modified_s;
        loaded.iter().any(is)
    };
    let versions: Vec<_> = versions.iter().filter(is_loaded).cloned().collect();
    assert_eq!(versions.is_empty(), loaded.is_empty(), "{case:?}: {loaded:?} never was");
    let of = |versions: Vec<Counting>| May { versions, absent: true };
    let may = BTreeMap::from([
        (NAME.to_owned(), of(versions)),
        (format!("s3://raw/{NEIGHBOUR}"), of(vec![beside.clone()])),
    ]);
    let faults = judge(&stored, &counting(&stored, &may), &BTreeSet::new());
    assert!(
        faults.is_empty(),
        "{case:?}: {}",
        faults[..faults.len().min(10)].join("\n")
    );
}

/// Sees to it that this happens at that moment.
fn arrange(server: &Arc<Server>, moment: Moment, happens: impl FnOnce(&mut Model) + Send + 'static) {
    let size = OLD.stored.len() as u64;
    if let Moment::At(percent) = moment {
        server.inject(
            Fault::on("GetObject", Effect::Cut(size * percent / 100))
                .key(|key| key == KEY)
                .first(1),
        );
    }
    let (again, mut happens, mut seen) = (Arc::downgrade(server), Some(happens), 0);
    let arrived = move |entry: &Entry| {
        let ours = |part: &str| entry.operation == "PutObject" && entry.key.contains(part);
        seen += u32::from(entry.operation == "GetObject" && entry.key == KEY);
        let is_now = match moment {
            Moment::BeforeReading => seen == 1,
            Moment::At(_) => seen == 2,
            Moment::AtIntent => ours("/open/"),
            Moment::AtFiles => ours(".parquet"),
            Moment::AtOutcome => ours("/jobs/"),
            Moment::AfterAnswer => false,
        };
        if is_now
            && let Some(happens) = happens.take()
            && let Some(server) = again.upgrade()
        {
            happens(&mut server.model());
        }
        false
    };
    server.inject(Fault::on_any(Effect::Close).request(arrived));
}

fn change(change: Change, model: &mut Model, told: &mut Told) {
    let mut becomes = |model: &mut Model, content: &Arc<Content>| told.versions.push(put(model, KEY, content));
    match change {
        Change::Good => becomes(model, &NEW),
        Change::Garbage => becomes(model, &GARBAGE),
        Change::Empty => becomes(model, &EMPTY),
        Change::Back => {
            becomes(model, &NEW);
            pass(model);
            becomes(model, &OLD);
        }
        Change::BackAtOnce => {
            becomes(model, &NEW);
            becomes(model, &OLD);
        }
        Change::Deleted => {
            model.delete(At::new("raw", KEY), None).unwrap();
            told.is_there = false;
        }
    }
}

fn put(model: &mut Model, key: &str, content: &Arc<Content>) -> Counting {
    let etag = model.seed("raw", key, content.stored.clone()).tag;
    let object = model.get(At::new("raw", key), None, &Condition::None).unwrap();
    let modified = object.last_modified.duration_since(UNIX_EPOCH).unwrap();
    Counting {
        etag,
        last_modified_s: modified.as_secs() as i64,
        content: Arc::clone(content),
    }
}

/// Lets a while pass by the clock that dates objects.
fn pass(model: &mut Model) {
    model.advance(Duration::from_secs(5));
}

/// A notification about the object; what else it says of it is not believed.
fn event(sequencer: &str) -> Value {
    let mut record = created(KEY);
    record["s3"]["object"]["sequencer"] = json!(sequencer);
    records(vec![record])
}

/// Delivers messages to a process of their own, and says which failed.
async fn deliver(world: &World, messages: &Value) -> Vec<String> {
    let files = [("event.yaml", EVENT_YAML), ("click.yaml", CLICK_YAML)];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let tables = Tables::from_sources(files.to_vec()).unwrap();
    let function = Function::new(settings(&[]), tables).unwrap().with_s3(world.s3());
    let handled = handle(&function, messages).await;
    let failed = failed_messages(&handled.answer.unwrap());
    if failed.contains(&"m0".to_owned()) {
        let is_told = |trouble: &String| trouble.contains(NAME) && trouble.contains("Source.Missing");
        assert!(handled.troubles.iter().any(is_told), "{:?}", handled.troubles);
    }
    failed
}
