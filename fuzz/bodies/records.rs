//! The records of a lake: whatever stands in one of them, it is refused or understood, and nothing is written outside of the
//! folders that are known.

use std::sync::Arc;
use std::sync::LazyLock;

use bytes::Bytes;
use lakebed::job::claim::{self, Claim, Look};
use lakebed::job::identity::{JobId, SourceName};
use lakebed::job::intent::Intent;
use lakebed::job::lake::Lake;
use lakebed::job::outcome::{self, Outcome};
use lakebed::job::settle::settle;
use lakebed::job::shape::TableShape;
use lakebed::source::raw::RawObjects;
use lakebed::store::{Body, LakeKey, Put, Store};
use serde::de::IgnoredAny;

use super::chosen;
use memory::Memory;

#[path = "../../tests/support/memory.rs"]
mod memory;

/// The job that every record here is of.
pub(crate) const JOB: &str = "abcdefghijklmnopqrstuvwxyz";

/// Time passes when nothing else is left to do.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime
        .enable_time()
        .start_paused(true)
        .build()
        .expect("threads can be had")
});

/// The first byte chooses the record, the rest is what stands in it.
pub(crate) fn check(bytes: &[u8]) {
    let (choice, text) = chosen(bytes);
    RUNTIME.block_on(async {
        let memory = Arc::new(Memory::default());
        let lake = Lake::open(memory.clone(), &["t"])
            .await
            .expect("an empty store becomes a lake");
        match choice % 5 {
            0 => look_at_outcome(&lake, text).await,
            1 => look_at_intent(&lake, text).await,
            2 => look_at_claim(&lake, text).await,
            3 => look_at_table(&lake, text).await,
            _ => look_at_mark(text).await,
        }
        assert_known_keys(&*memory).await;
    });
}

async fn put(lake: &Lake, key: &str, text: &[u8]) {
    put_into(&**lake.store(), key, text).await;
}

async fn put_into(store: &dyn Store, key: &str, text: &[u8]) {
    let key = LakeKey::new(key).expect("it is known");
    let written = store
        .put_if_absent(&key, Body::from(Bytes::copy_from_slice(text)))
        .await;
    assert_eq!(written.expect("memory takes all"), Put::Written);
}

fn job() -> JobId {
    JobId::try_from(JOB.to_owned()).expect("it is 26 letters")
}

/// What no field takes is passed over without a look at its letters.
fn is_object(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

async fn look_at_outcome(lake: &Lake, text: &[u8]) {
    put(lake, &format!("_lakebed/jobs/{JOB}.json"), text).await;
    match outcome::read(lake, &job()).await {
        Ok(found) => {
            let found: Outcome = found.expect("it was put there");
            assert!(is_object(text) && found.job == job());
            for file in &found.files {
                assert!(file.key.as_str().contains(JOB), "{} is of another job", file.key);
            }
        }
        Err(error) => assert!(!error.is_transient(), "{error}"),
    }
}

/// Another process settles the job of an intent: it writes what stands there, or nothing.
async fn look_at_intent(lake: &Lake, text: &[u8]) {
    put(lake, &format!("_lakebed/open/{JOB}"), text).await;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_one = line.len() < text.len() && serde_json::from_slice::<Intent>(line).is_ok();
    match settle(lake, &job()).await {
        Ok(outcome) => assert!(is_one && outcome.job == job()),
        Err(error) => assert!(is_one || !error.is_transient(), "{error}"),
    }
}

async fn look_at_claim(lake: &Lake, text: &[u8]) {
    let name = SourceName::in_bucket("raw", "a");
    put(lake, &format!("_lakebed/claims/{}.json", name.id()), text).await;
    let look = claim::look(lake, &name, &RawObjects::default()).await;
    // Its job has left nothing, so no claim of it can be understood as the end of one.
    let is_one = serde_json::from_slice::<Claim>(text).is_ok();
    match look {
        Ok(Look::Free { over: None }) => panic!("a claim is there"),
        Ok(_) => panic!("its job has no outcome"),
        Err(error) => assert!(is_one || !error.is_transient(), "{error}"),
    }
}

async fn look_at_table(lake: &Lake, text: &[u8]) {
    put(lake, "_lakebed/tables/t.json", text).await;
    let shape = TableShape {
        name: "t".to_owned(),
        layout: "day/hour".to_owned(),
        columns: vec![("id".to_owned(), "bigint".to_owned())],
    };
    if lake.check_table(&shape).await.is_ok() {
        assert!(is_object(text));
        // What was checked can be recorded, and is then the same.
        lake.admit_table(&shape).await.expect("it was checked");
        lake.check_table(&shape).await.expect("it was recorded");
    }
}

async fn look_at_mark(text: &[u8]) {
    let memory = Arc::new(Memory::default());
    put_into(&*memory, "_lakebed/lake.json", text).await;
    match Lake::existing(memory).await {
        Ok(found) => assert!(found.is_some() && is_object(text)),
        Err(error) => assert!(!error.is_transient(), "{error}"),
    }
}

/// Every key that is there is one that this job may have.
async fn assert_known_keys(store: &dyn Store) {
    let is_id = |name: &str| name.len() == 26 && name.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7'));
    for folder in ["_lakebed", "t"] {
        let folder = LakeKey::new(folder).expect("it is known");
        for listed in store.list(&folder, None).await.expect("memory lists").objects {
            let key = listed.key.as_str();
            let (place, name) = key.rsplit_once('/').expect("it is below a folder");
            let stem = name.strip_suffix(".json").unwrap_or(name);
            let is_own = name.strip_prefix(JOB).is_some_and(|rest| rest.starts_with('-'));
            let known = match place {
                "_lakebed" => name == "lake.json",
                "_lakebed/tables" => name == "t.json",
                "_lakebed/open" | "_lakebed/claims" | "_lakebed/jobs" => is_id(stem),
                _ => is_own && (place.starts_with("_lakebed/quarantine") || !place.starts_with("_lakebed")),
            };
            assert!(known, "{key}");
        }
    }
}
