//! What is asked again: as often as the process has tokens for, and with new credentials where the old ones have expired.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::provider::future;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, ProvideCredentials};
use lakebed::job::claim::Sources as _;
use lakebed::s3::S3;
use lakebed::store::{LakeKey, Put, S3Store, Store as _};
use tokio::task::JoinSet;

use crate::harness::{Process, config, events_fit, list, raw_log, raw_of, read_all, s3, seed, server};
use crate::sandbox::lines;
use crate::support::s3::server::{ACCESS_KEY, SECRET_KEY};
use crate::support::s3::{Effect, Fault, Server};
use crate::support::s3_lake::told;

const OBJECTS: u64 = 40;
/// Tokens of a process.
const TOKENS: usize = 500;

/// Without a common store, each reader alone would ask thirty times.
#[tokio::test(flavor = "multi_thread")]
async fn an_s3_that_is_down_is_not_asked_thirty_times_by_each_reader() {
    let server = server();
    let sources: Vec<_> = (0..OBJECTS)
        .map(|n| seed(&server, &format!("d/{n:02}"), lines(n * 10..n * 10 + 10)))
        .collect();
    let s3 = s3(&server);
    let down = || server.inject(Fault::on("GetObject", Effect::Close));
    down();
    let mut reading = JoinSet::new();
    for source in sources {
        let raw = raw_of(s3.clone());
        reading.spawn(async move { read_all(&raw, &[source], 0).await });
    }
    for ended in reading.join_all().await {
        let error = ended.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        let words = "too many requests have failed for it to be asked again now";
        assert!(error.to_string().contains(words), "{error}");
    }
    // Each token is one more request, or one more round of them.
    let asked = raw_log(&server).len();
    assert!((TOKENS * 3 / 4..TOKENS * 5 / 4).contains(&asked), "{asked} requests");

    // Nothing is lost, and a process whose tokens are spent loads what it is given as soon as S3 is up again.
    let listed = list(s3.clone(), "s3://raw").await.sources;
    let process = Process::local(s3).await;
    server.clear_log();
    let (summary, _) = process.load(listed.clone()).await;
    assert_eq!((summary.sources.done, summary.sources.failed), (0, OBJECTS));
    assert!(
        summary.failed.iter().all(|failed| failed.transient),
        "{:?}",
        summary.failed
    );
    server.clear_faults();
    let (summary, _) = process.load(listed).await;
    assert_eq!((summary.sources.done, summary.sources.failed), (OBJECTS, 0));
    events_fit(&process.ids(), 0..OBJECTS * 10);
}

/// A store for requests of every kind: with bodies, with larger limits, of clones.
#[tokio::test(flavor = "multi_thread")]
async fn raw_objects_and_the_lake_share_one_store_of_tokens() {
    let server = server();
    let s3 = s3(&server);
    let raw = raw_of(s3.clone());
    let store = S3Store::new(s3, &"s3://lake/x".parse().unwrap());
    let source = seed(&server, "a", "x");
    server.inject(Fault::on("HeadObject", Effect::Close));
    while server.calls("HeadObject") < TOKENS {
        raw.version_now(&source.name).await.unwrap_err();
    }
    server.inject(Fault::on_any(Effect::Close));
    let key = LakeKey::new("t/a").unwrap();
    for size in [10, 2 << 20] {
        server.clear_log();
        let error = store
            .put_if_absent(&key, bytes::Bytes::from(vec![7; size]).into())
            .await
            .unwrap_err();
        assert!(
            told(&error).contains("too many requests have failed"),
            "{}",
            told(&error)
        );
        assert_eq!(server.calls("PutObject"), 1, "{size} bytes");
    }
    // Answers bring tokens back.
    server.clear_faults();
    for _ in 0..4 {
        raw.version_now(&source.name).await.unwrap();
    }
    server.inject(Fault::on("PutObject", Effect::Close).first(1));
    let written = store.put_if_absent(&key, bytes::Bytes::from_static(b"1").into()).await;
    assert_eq!(written.unwrap(), Put::Written);
}

/// Gives credentials that end some day, and counts how often it was asked.
#[derive(Clone, Debug, Default)]
struct Role(Arc<AtomicUsize>);

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.0.fetch_add(1, Ordering::SeqCst);
        let end = UNIX_EPOCH + Duration::from_secs(1 << 33);
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, Some(end), "role");
        future::ProvideCredentials::ready(Ok(credentials))
    }
}

fn in_role(server: &Server) -> (S3, Role) {
    let role = Role::default();
    let config = config(server).credentials_provider(role.clone());
    (S3::with_client(Client::from_conf(config.build()), None), role)
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_a_role_that_have_expired_are_had_anew_once_for_all() {
    for operation in ["GetObject", "HeadObject"] {
        let server = server();
        let sources: Vec<_> = (0..8).map(|n| seed(&server, &n.to_string(), format!("{n}"))).collect();
        let (s3, role) = in_role(&server);
        server.inject(Fault::on(operation, Effect::Answer(400, "ExpiredToken")).first(8));
        let mut asking = JoinSet::new();
        for source in sources {
            let raw = raw_of(s3.clone());
            asking.spawn(async move {
                if operation == "HeadObject" {
                    return raw.version_now(&source.name).await.unwrap() == Some(source.version);
                }
                let key = source.name.key.clone();
                read_all(&raw, &[source], 0).await.unwrap() == [key.as_bytes()]
            });
        }
        assert!(
            asking.join_all().await.into_iter().all(|is_right| is_right),
            "{operation}"
        );
        assert_eq!(role.0.load(Ordering::SeqCst), 2, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_were_set_by_hand_stay_expired() {
    let server = server();
    let source = seed(&server, "a", "x");
    server.inject(Fault::on("HeadObject", Effect::Answer(400, "ExpiredToken")));
    raw_of(s3(&server)).version_now(&source.name).await.unwrap_err();
    assert_eq!(server.log().len(), 1);
    server.clear_faults();
    server.clear_log();
    server.inject(Fault::on("ListObjectsV2", Effect::Answer(400, "ExpiredToken")));
    let raw = raw_of(s3(&server));
    let place = "s3://raw".parse().unwrap();
    let listing = raw.s3().unwrap().list(&place, &Default::default()).await;
    let error = listing.err().unwrap();
    assert!(
        told(&error).contains("the AWS credentials have expired"),
        "{}",
        told(&error)
    );
    assert_eq!(server.log().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_on_its_way_or_is_too_much_is_sent_again() {
    for effect in [
        Effect::Answer(400, "BadDigest"),
        Effect::Answer(400, "IncompleteBody"),
        Effect::Answer(400, "XAmzContentSHA256Mismatch"),
        Effect::Answer(429, "TooManyRequests"),
        Effect::Answer(503, "ServiceUnavailable"),
    ] {
        let server = server();
        let store = S3Store::new(s3(&server), &"s3://lake/x".parse().unwrap());
        let key = LakeKey::new("t/a").unwrap();
        server.inject(Fault::on("PutObject", effect.clone()).first(2));
        let written = store.put_if_absent(&key, bytes::Bytes::from_static(b"1").into()).await;
        assert_eq!(written.unwrap(), Put::Written, "{effect:?}");
        assert_eq!(server.calls("PutObject"), 3, "{effect:?}");
    }
}

/// Status 200 is no success of a put without an ETag: what is there is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_put_is_done_only_with_an_etag() {
    for (effect, is_there) in [
        (Effect::OK_WITH_ERROR, false),
        (Effect::Body(""), false),
        (Effect::Header("etag", ""), true),
    ] {
        let server = server();
        let store = S3Store::new(s3(&server), &"s3://lake/x".parse().unwrap());
        let key = LakeKey::new("t/a").unwrap();
        server.inject(Fault::on("PutObject", effect.clone()));
        match store.put_if_absent(&key, bytes::Bytes::from_static(b"1").into()).await {
            Ok(put) => assert!(is_there && put == Put::Exists, "{effect:?}: {put:?}"),
            Err(error) => assert!(!is_there && error.is_transient(), "{effect:?}: {}", told(&error)),
        }
        assert_eq!(server.model().bytes("lake", "x/t/a").is_some(), is_there, "{effect:?}");
    }
}
