//! Events that never come: what of the prefix they would have told of is found in the listing and loaded, each record once.
//!
//! ```text
//! LAKEBED_TEST_SEED=17 LAKEBED_TEST_ROUNDS=1 cargo test --test function lost    that round alone
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::events::message_each;
use crate::support::judge::{Content, Counting, Record, Sources, Stored, judge};
use crate::support::s3::{At, Condition};
use crate::world::{World, answer, gzip};

const ROUNDS: u64 = 20;
/// Shares of events that are lost, in thousandths.
const LOST: [u64; 10] = [1, 10, 30, 100, 200, 400, 600, 800, 950, 1000];
/// 2024-05-01T00:00:00Z
const MIDNIGHT_MS: i64 = 1_714_521_600_000;

/// Numbers from a seed: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % n
    }
}

/// An object of a few records, some of which are to be rejected; ids are those of no other object or version.
fn content(dice: &mut Dice, next_id: &mut i64) -> Content {
    let (mut text, mut records) = (String::new(), Vec::new());
    for _ in 0..1 + dice.below(12) {
        let id = *next_id;
        *next_id += 1;
        if dice.below(10) == 0 {
            let (offset, bytes) = (text.len() as u64, format!("oops {id}"));
            text += &format!("{bytes}\n");
            records.push(Record::Reject {
                code: "Json.Syntax",
                offset,
                bytes: bytes.into_bytes(),
            });
        }
        let hour = dice.below(5) as i64;
        let at_ms = MIDNIGHT_MS + hour * 3_600_000 + dice.below(3_600_000) as i64;
        text += &format!("{{\"id\":{id},\"at\":{at_ms},\"text\":\"t{id}\"}}\n");
        records.push(Record::Row {
            id,
            folder: format!("event/year=2024/month=05/day=01/hour={hour:02}"),
            at_ms,
            text: format!("t{id}"),
        });
    }
    let stored = match dice.below(2) {
        0 => gzip(&text),
        _ => text.into_bytes(),
    };
    Content {
        stored: stored.into(),
        records,
    }
}

/// Puts an object; what is there now is what counts.
fn put(world: &World, key: &str, content: Content, sources: &mut Sources) {
    let mut model = world.server.model();
    let etag = model.seed("raw", key, content.stored.clone()).tag;
    let last_modified_s = model.now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let content = Arc::new(content);
    let counting = Counting {
        etag,
        last_modified_s,
        content,
    };
    sources.insert(format!("s3://raw/{key}"), counting);
}

/// An object of no bytes, as it was put now.
fn empty(world: &World) -> Counting {
    let at = At::new("raw", "other");
    let object = world.server.model().get(at, None, &Condition::None).unwrap();
    Counting {
        etag: object.tag,
        last_modified_s: object.last_modified.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64,
        content: Arc::new(Content {
            stored: Default::default(),
            records: Vec::new(),
        }),
    }
}

/// Tells the function of some objects, in batches, twice now and then, and loses the rest.
async fn tell(world: &World, keys: &[String], lost: u64, dice: &mut Dice) -> usize {
    let mut told: Vec<String> = Vec::new();
    for key in keys {
        if dice.below(1000) >= lost {
            told.extend(vec![key.clone(); 1 + usize::from(dice.below(8) == 0)]);
        }
    }
    // In another order than they were put.
    for place in (1..told.len()).rev() {
        told.swap(place, dice.below(place as u64 + 1) as usize);
    }
    let mut function = world.function();
    for batch in told.chunks(7) {
        assert_eq!(
            answer(&function, &message_each(batch)).await,
            json!({"batchItemFailures": []})
        );
        if dice.below(3) == 0 {
            function = world.function();
        }
    }
    told.iter().collect::<BTreeSet<_>>().len()
}

async fn reconcile(world: &World, load: bool) -> Value {
    let order = json!({"reconcile": {"source": "s3://raw/in", "load": load}});
    answer(&world.function(), &order).await
}

async fn round(seed: u64) -> [u64; 3] {
    let mut dice = Dice(seed);
    let lost = LOST[(seed % LOST.len() as u64) as usize];
    let world = World::new();
    let (mut sources, mut next_id) = (Sources::new(), 0);
    let keys: Vec<String> = (0..20 + dice.below(25))
        .map(|n| format!("in/{}/{n:02}", ["a", "b", "b/c", "d e+é"][dice.below(4) as usize]))
        .collect();
    for key in &keys {
        put(&world, key, content(&mut dice, &mut next_id), &mut sources);
    }
    tell(&world, &keys, lost, &mut dice).await;
    // Some are overwritten, told of or not.
    world.server.model().advance(Duration::from_secs(60));
    let changed: Vec<String> = keys.iter().filter(|_| dice.below(3) == 0).cloned().collect();
    for key in &changed {
        put(&world, key, content(&mut dice, &mut next_id), &mut sources);
    }
    world.server.model().advance(Duration::from_secs(60));
    tell(&world, &changed, lost, &mut dice).await;

    if world.server.model().keys("lake").is_empty() {
        // Nothing was heard of: not even the lake is there.
        world.put("other", "");
        answer(
            &world.function_with(&[("LAKEBED_RAW", "s3://raw")]).unwrap(),
            &message_each(&["other"]),
        )
        .await;
        sources.insert("s3://raw/other".to_owned(), empty(&world));
    }
    let found = reconcile(&world, false).await;
    let count = |report: &Value, name: &str| report["sources"][name].as_u64().unwrap();
    let missing = count(&found, "never") + count(&found, "overwritten");
    assert_eq!(count(&found, "found"), keys.len() as u64, "{found}");
    assert_eq!(count(&found, "loaded") + missing, keys.len() as u64, "{found}");
    assert_eq!(found["exit"], u64::from(missing > 0), "{found}");
    let loaded = reconcile(&world, true).await;
    assert_eq!(
        (&loaded["exit"], &loaded["sources"]),
        (&0.into(), &found["sources"]),
        "{loaded}"
    );
    assert_eq!(loaded["load"]["sources"]["found"], missing, "{loaded}");

    world.server.clear_log();
    let again = reconcile(&world, true).await;
    assert_eq!(
        (&again["exit"], count(&again, "loaded")),
        (&0.into(), keys.len() as u64),
        "{again}"
    );
    assert_eq!(again["missing"], json!([]), "{again}");
    let writes = [
        "PutObject",
        "DeleteObject",
        "CreateMultipartUpload",
        "CompleteMultipartUpload",
    ];
    assert!(
        writes.iter().all(|operation| world.calls("lake", operation) == 0),
        "a second one wrote"
    );
    let lake = Stored::in_bucket(&world.server.model(), "lake", "p/");
    let faults = judge(&lake, &sources, &BTreeSet::new());
    assert!(faults.is_empty(), "{faults:#?}");
    [keys.len() as u64, count(&found, "never"), count(&found, "overwritten")]
}

/// Says how a round is run again, if it fails.
struct Round(u64);

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "LAKEBED_TEST_SEED={} LAKEBED_TEST_ROUNDS=1 cargo test --test function lost",
                self.0
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_whose_events_were_lost_are_found_and_loaded_once() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("LAKEBED_TEST_SEED").unwrap_or(0);
    let rounds = number("LAKEBED_TEST_ROUNDS").unwrap_or(ROUNDS);
    let mut sums = [0; 3];
    for seed in first..first + rounds {
        let _round = Round(seed);
        for (sum, of_round) in sums.iter_mut().zip(round(seed).await) {
            *sum += of_round;
        }
    }
    let [objects, never, overwritten] = sums;
    eprintln!("{rounds} rounds, {objects} objects: {never} never told of, {overwritten} overwritten unheard");
    if rounds >= ROUNDS {
        assert!(never > objects / 10 && overwritten > 10, "{sums:?}");
    }
}
