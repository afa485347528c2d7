//! One pace for all requests of a process: how many wait for S3 at once, whoever sends them.

use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use lakebed::job::claim::Sources as _;
use lakebed::s3::S3;
use lakebed::store::{LakeKey, Put, S3Store, Store as _};
use tokio::task::JoinSet;

use crate::harness::{Process, events_fit, list, name, raw_of, s3, seed, server};
use crate::sandbox::lines;
use crate::support::s3::{Effect, Fault, Server};

/// Requests at once in the beginning.
const FIRST: usize = 10;

/// Sends every request once.
fn once(server: &Server) -> S3 {
    let config = server.config().retry_config(RetryConfig::disabled());
    S3::with_client(Client::from_conf(config.build()), None)
}

/// Begins to ask for so many objects, and never hears of them.
fn ask(server: &Server, s3: &S3, objects: usize) -> JoinSet<()> {
    server.inject(Fault::on("HeadObject", Effect::Hang));
    let mut asking = JoinSet::new();
    for n in 0..objects {
        let raw = raw_of(s3.clone());
        asking.spawn(async move { drop(raw.version_now(&name(&n.to_string())).await) });
    }
    asking
}

/// Waits until as many requests have come; no more do.
async fn arrive(server: &Server, operation: &str, expected: usize) {
    while server.calls(operation) < expected {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Those that are too many would be here by now.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.calls(operation), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_begins_with_a_few_requests_at_once_and_has_half_as_many_after_a_refusal() {
    for (refusal, expected) in [
        (None, FIRST),
        (Some(Effect::SLOW_DOWN), FIRST / 2),
        (Some(Effect::Answer(429, "TooManyRequests")), FIRST / 2),
        (Some(Effect::INTERNAL_ERROR), FIRST),
        (Some(Effect::Close), FIRST),
    ] {
        let server = server();
        let s3 = once(&server);
        if let Some(effect) = refusal {
            server.inject(Fault::on("HeadObject", effect));
            // Twice: they are of one moment, and count once.
            for _ in 0..2 {
                raw_of(s3.clone()).version_now(&name("a")).await.unwrap_err();
            }
            server.clear_faults();
            server.clear_log();
        }
        let _asking = ask(&server, &s3, 40);
        arrive(&server, "HeadObject", expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_objects_and_the_lake_share_one_pace() {
    let server = server();
    let s3 = once(&server);
    let mut asking = ask(&server, &s3, FIRST);
    arrive(&server, "HeadObject", FIRST).await;
    let store = S3Store::new(s3, &"s3://lake/x".parse().unwrap());
    let writing = tokio::spawn(async move {
        let key = LakeKey::new("t/one").unwrap();
        store.put_if_absent(&key, bytes::Bytes::from_static(b"1").into()).await
    });
    arrive(&server, "PutObject", 0).await;
    // Whoever is not waited for any more makes room.
    asking.shutdown().await;
    assert_eq!(writing.await.unwrap().unwrap(), Put::Written);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_that_asks_to_be_left_alone_is() {
    for (effect, least) in [
        (Effect::Busy(1), Duration::from_secs(1)),
        (Effect::SLOW_DOWN, Duration::ZERO),
    ] {
        let server = server();
        let source = seed(&server, "a", "x");
        server.inject(Fault::on_any(effect.clone()).first(1));
        let raw = raw_of(s3(&server));
        let begun = Instant::now();
        let version = raw.version_now(&source.name).await.unwrap();
        assert_eq!((version, server.log().len()), (Some(source.version), 2));
        // Sooner by the client's own pauses; later only if the machine is busy.
        assert!(begun.elapsed() >= least, "{effect:?}");
    }
}

/// It grows while it is used up: many objects come at last, however many are asked for at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_through_an_s3_that_is_busy_half_of_the_time_loads_everything() {
    let server = server();
    for n in 0..60 {
        seed(&server, &format!("d/{n:02}"), lines(n * 10..n * 10 + 10));
    }
    let sources = list(s3(&server), "s3://raw").await.sources;
    let process = Process::local(s3(&server)).await;
    server.inject(Fault::on("GetObject", Effect::SLOW_DOWN).every(4));
    let (summary, _) = process.load(sources).await;
    assert_eq!(
        (summary.sources.done, summary.sources.failed),
        (60, 0),
        "{:?}",
        summary.failed
    );
    events_fit(&process.ids(), 0..600);
}
