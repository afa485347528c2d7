//! A lake in S3 when answers are lost, broken, late or refusals: what the store says then, and what is there.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use bytes::Bytes;
use lakebed::s3::{Patience, S3};
use lakebed::store::{Body, Checksum, Compared, Complete, Put, Replace, S3Store, Store};
use support::key;
use support::s3::{Effect, Fault};
use support::s3_lake::{S3Lake, body, spooled, store, told};

#[tokio::test]
async fn a_lost_answer_to_a_write_is_never_a_success_of_something_else() {
    let lake = S3Lake::new();
    let one = key("t/one");
    // Our own success, seen as somebody's.
    lake.inject("PutObject", Effect::CloseAfter, 1);
    assert_eq!(lake.store.put_if_absent(&one, body("1")).await.unwrap(), Put::Exists);
    assert_eq!(lake.stored("t/one").as_deref(), Some("1"));
    lake.server.clear_faults();
    // Somebody else's.
    lake.inject("PutObject", Effect::CloseAfter, 1);
    assert_eq!(lake.store.put_if_absent(&one, body("2")).await.unwrap(), Put::Exists);
    assert_eq!(lake.stored("t/one").as_deref(), Some("1"));
    lake.server.clear_faults();

    let (_, tag) = lake.store.get(&one).await.unwrap().unwrap();
    lake.inject("PutObject", Effect::CloseAfter, 1);
    let replaced = lake.store.put_if_match(&one, Bytes::from_static(b"3"), &tag).await;
    assert_eq!(replaced.unwrap(), Replace::Changed);
    assert_eq!(lake.stored("t/one").as_deref(), Some("3"));
    lake.server.clear_faults();

    // Nothing was done: then it is done now.
    lake.inject("PutObject", Effect::Close, 2);
    assert_eq!(
        lake.store.put_if_absent(&key("t/two"), body("2")).await.unwrap(),
        Put::Written
    );
    lake.server.clear_faults();

    lake.inject("DeleteObject", Effect::CloseAfter, 1);
    lake.store.delete(&one).await.unwrap();
    assert_eq!(lake.stored("t/one"), None);
}

#[tokio::test]
async fn a_lost_answer_to_a_completion_leaves_an_object_to_compare() {
    for (remembered, expected) in [(false, Complete::NoSuchUpload), (true, Complete::Written)] {
        let lake = S3Lake::new();
        lake.server.model().repeats_completions = remembered;
        let big = key("t/big");
        lake.inject("CreateMultipartUpload", Effect::CloseAfter, 1);
        lake.inject("UploadPart", Effect::CloseAfter, 1);
        let (id, parts) = lake.uploaded(&big, &["first, ", "second"]).await;
        lake.inject("CompleteMultipartUpload", Effect::CloseAfter, 1);
        let completed = lake.store.complete_upload_if_absent(&big, &id, &parts).await;
        assert_eq!(completed.unwrap(), expected);
        let whole = Checksum::of(b"first, second");
        assert_eq!(
            lake.store.compare(&big, 13, &whole, &parts).await.unwrap(),
            Compared::Same
        );
        lake.inject("AbortMultipartUpload", Effect::CloseAfter, 1);
        lake.store.abort_upload(&big, &id).await.unwrap();
        assert_eq!(lake.stored("t/big").as_deref(), Some("first, second"));
    }
}

#[tokio::test]
async fn a_conflict_over_a_new_object_is_told_and_over_an_old_one_waited_out() {
    let lake = S3Lake::new();
    let (one, big) = (key("t/one"), key("t/big"));
    lake.inject("PutObject", Effect::CONFLICT, 1);
    assert_eq!(lake.store.put_if_absent(&one, body("1")).await.unwrap(), Put::Busy);
    assert_eq!((lake.stored("t/one"), lake.server.calls("PutObject")), (None, 1));
    assert_eq!(lake.store.put_if_absent(&one, body("1")).await.unwrap(), Put::Written);
    let (_, tag) = lake.store.get(&one).await.unwrap().unwrap();
    lake.inject("PutObject", Effect::CONFLICT, 2);
    let replaced = lake.store.put_if_match(&one, Bytes::from_static(b"2"), &tag).await;
    assert_eq!(replaced.unwrap(), Replace::Written);
    let (id, parts) = lake.uploaded(&big, &["big"]).await;
    lake.inject("CompleteMultipartUpload", Effect::CONFLICT, 1);
    for expected in [Complete::Busy, Complete::Written] {
        let completed = lake.store.complete_upload_if_absent(&big, &id, &parts).await;
        assert_eq!(completed.unwrap(), expected);
    }

    let (_, tag) = lake.store.get(&one).await.unwrap().unwrap();
    lake.server.inject(Fault::on("PutObject", Effect::CONFLICT));
    lake.server.clear_log();
    let error = lake
        .store
        .put_if_match(&one, Bytes::from_static(b"3"), &tag)
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{}", told(&error));
    assert_eq!(lake.server.calls("PutObject"), 6);
}

#[tokio::test]
async fn where_no_answer_comes_the_key_is_looked_at() {
    let lake = S3Lake::new();
    let (one, big) = (key("t/one"), key("t/big"));
    lake.server.inject(Fault::on("PutObject", Effect::Close));
    assert!(
        lake.store
            .put_if_absent(&one, body("1"))
            .await
            .unwrap_err()
            .is_transient()
    );
    lake.server.clear_faults();
    lake.server.inject(Fault::on("PutObject", Effect::CloseAfter));
    assert_eq!(lake.store.put_if_absent(&one, body("1")).await.unwrap(), Put::Exists);
    lake.server.clear_faults();

    let (_, tag) = lake.store.get(&one).await.unwrap().unwrap();
    let replace = |text: &'static str| lake.store.put_if_match(&one, Bytes::from_static(text.as_bytes()), &tag);
    lake.server.inject(Fault::on("PutObject", Effect::SLOW_DOWN));
    assert!(replace("2").await.unwrap_err().is_transient(), "the old one is there");
    lake.server.clear_faults();
    lake.server.inject(Fault::on("PutObject", Effect::CloseAfter));
    assert_eq!(replace("2").await.unwrap(), Replace::Changed);
    assert_eq!(lake.stored("t/one").as_deref(), Some("2"));
    // A look that fails as well says nothing.
    lake.server.inject(Fault::on("HeadObject", Effect::SLOW_DOWN));
    assert!(
        lake.store
            .put_if_absent(&one, body("1"))
            .await
            .unwrap_err()
            .is_transient()
    );
    lake.server.clear_faults();

    let (id, parts) = lake.uploaded(&big, &["big"]).await;
    lake.server
        .inject(Fault::on("CompleteMultipartUpload", Effect::CloseAfter));
    let completed = lake.store.complete_upload_if_absent(&big, &id, &parts).await;
    assert_eq!(completed.unwrap(), Complete::Exists);
}

#[tokio::test]
async fn a_completion_is_done_only_with_a_result() {
    let lake = S3Lake::new();
    let big = key("t/big");
    let (id, parts) = lake.uploaded(&big, &["big"]).await;
    lake.inject("CompleteMultipartUpload", Effect::OK_WITH_ERROR, 5);
    let error = lake
        .store
        .complete_upload_if_absent(&big, &id, &parts)
        .await
        .unwrap_err();
    assert!(
        error.is_transient() && told(&error).contains("InternalError"),
        "{}",
        told(&error)
    );
    assert_eq!(lake.stored("t/big"), None);
    lake.server.clear_faults();
    // It took effect, and its answer never comes whole.
    lake.server
        .inject(Fault::on("CompleteMultipartUpload", Effect::Cut(60)).first(1));
    let completed = lake.store.complete_upload_if_absent(&big, &id, &parts).await;
    let ended = completed.unwrap();
    assert!(matches!(ended, Complete::Exists | Complete::NoSuchUpload), "{ended:?}");
    assert_eq!(lake.stored("t/big").as_deref(), Some("big"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_asked_for_again() {
    let lake = S3Lake::new();
    let text: String = (0..100_000).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
    let long = key("t/long");
    lake.store.put_if_absent(&long, body(&text)).await.unwrap();
    lake.inject("GetObject", Effect::Cut(70_000), 3);
    let (bytes, _) = lake.store.get(&long).await.unwrap().unwrap();
    assert!(bytes == text.as_bytes());
    lake.server.clear_faults();
    lake.inject("GetObject", Effect::Cut(70_000), 3);
    let range = lake.store.get_range(&long, 10..90_000).await.unwrap().unwrap();
    assert!(range == text.as_bytes()[10..90_000]);
    lake.server.clear_faults();

    lake.server.inject(Fault::on("GetObject", Effect::Cut(70_000)));
    lake.server.clear_log();
    let error = lake.store.get(&long).await.unwrap_err();
    assert!(error.is_transient(), "{}", told(&error));
    assert_eq!(lake.server.calls("GetObject"), 4);
}

#[tokio::test]
async fn a_body_that_stalls_is_asked_for_again() {
    let lake = S3Lake::new();
    let text = "x".repeat(100_000);
    lake.store.put_if_absent(&key("t/long"), body(&text)).await.unwrap();
    let patience = Patience {
        stall: Duration::from_millis(200),
        ..Patience::default()
    };
    let s3 = S3::with_patience(Client::from_conf(lake.server.config().build()), None, patience);
    let store = S3Store::new(s3, &"s3://lake/p".parse().unwrap());
    lake.inject("GetObject", Effect::Stall(70_000), 1);
    let (bytes, _) = store.get(&key("t/long")).await.unwrap().unwrap();
    assert!(bytes == text.as_bytes());
}

#[tokio::test]
async fn a_range_is_the_one_asked_for() {
    let lake = S3Lake::new();
    let digits = key("t/digits");
    lake.store.put_if_absent(&digits, body("0123456789")).await.unwrap();
    lake.server.inject(Fault::on("GetObject", Effect::IgnoreRange));
    for (range, expected) in [
        (0..10, "0123456789"),
        (3..5, "34"),
        (8..20, "89"),
        (10..20, ""),
        (50..60, ""),
    ] {
        let found = lake.store.get_range(&digits, range.clone()).await.unwrap().unwrap();
        assert_eq!(found, expected, "{range:?}");
    }
    lake.server.clear_faults();
    lake.inject("GetObject", Effect::Header("content-range", "bytes 5-6/10"), 1);
    let error = lake.store.get_range(&digits, 3..5).await.unwrap_err();
    assert!(told(&error).contains("another byte"), "{}", told(&error));
}

#[tokio::test]
async fn a_spooled_body_is_sent_again_from_its_start() {
    let lake = S3Lake::new();
    let long: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7) as u8).collect();
    let spool = spooled(&long);
    let whole = Body::file(spool, 0..long.len() as u64);
    lake.inject("PutObject", Effect::SLOW_DOWN, 2);
    assert_eq!(
        lake.store.put_if_absent(&key("t/a"), whole).await.unwrap(),
        Put::Written
    );
    assert!(lake.server.model().bytes("lake", "p/t/a").unwrap() == long);
}

#[tokio::test]
async fn a_body_that_is_not_what_was_hashed_is_not_stored() {
    let lake = S3Lake::new();
    let spool = spooled(&[1; 500_000]);
    let key = key("t/a");
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(500));
    let slow = store(
        Client::from_conf(lake.server.config().retry_config(retries).build()),
        None,
    );
    lake.inject("PutObject", Effect::Close, 1);
    let sent = Body::file(Arc::clone(&spool), 0..500_000);
    let sending = tokio::spawn({
        let key = key.clone();
        async move { slow.put_if_absent(&key, sent).await }
    });
    // Changed after it was hashed and sent for the first time.
    while lake.server.calls("PutObject") == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    spool.write_all_at(b"changed", 400_000).unwrap();
    let ended = sending.await.unwrap();
    // The backoff is random: the second attempt may have been quicker than we are.
    match ended {
        Ok(end) => assert_eq!((end, lake.stored("t/a")), (Put::Written, Some("\u{1}".repeat(500_000)))),
        Err(error) => {
            assert!(told(&error).contains("BadDigest"), "{}", told(&error));
            assert_eq!(lake.stored("t/a"), None);
        }
    }
}

#[tokio::test]
async fn a_busy_s3_is_told_from_a_broken_one() {
    let cases = [
        (Effect::SLOW_DOWN, true, "asks for fewer requests"),
        (Effect::INTERNAL_ERROR, true, "S3 failed: S3 answered 500 InternalError"),
        (Effect::Answer(400, "RequestTimeout"), true, "RequestTimeout"),
        (
            Effect::Answer(403, "RequestTimeTooSkewed"),
            false,
            "the clock of this machine",
        ),
        (
            Effect::Answer(400, "ExpiredToken"),
            true,
            "the AWS credentials have expired",
        ),
        (
            Effect::Answer(403, "InvalidAccessKeyId"),
            false,
            "does not know these AWS credentials",
        ),
        (Effect::Answer(301, "PermanentRedirect"), false, "another region"),
        (Effect::Answer(501, "NotImplemented"), false, "NotImplemented"),
        (
            Effect::Answer(400, "EntityTooLarge"),
            false,
            "S3 refused the request: S3 answered 400 EntityTooLarge",
        ),
        (Effect::Close, true, "no whole answer came from S3"),
    ];
    for (effect, transient, words) in cases {
        let lake = S3Lake::new();
        lake.server.inject(Fault::on_any(effect.clone()));
        let error = lake.store.put_if_absent(&key("t/a"), body("x")).await.unwrap_err();
        let told = told(&error);
        assert!(told.contains(words), "{effect:?}: {told}");
        assert_eq!(error.is_transient(), transient, "{effect:?}: {told}");
    }
}
