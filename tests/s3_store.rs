//! What the store contract cannot see: what goes over the wire to S3, what is read back, and how refusals are told.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use lakebed::s3::S3;
use lakebed::store::{Body, Checksum, Compared, Part, S3Store, Store, Tag, UploadId};
use support::key;
use support::s3::model::OWNER;
use support::s3::{Effect, Fault, Model};
use support::s3_lake::{S3Lake, body, spooled, store, told};

#[tokio::test]
async fn with_and_without_a_slash_is_the_same_lake() {
    for (place, expected) in [
        ("s3://lake/p", "p/t/a"),
        ("s3://lake/p/", "p/t/a"),
        ("s3://lake", "t/a"),
        ("s3://lake/a b/é+%41", "a b/é+%41/t/a"),
    ] {
        let lake = S3Lake::new();
        let location = place.parse().unwrap();
        let store = S3Store::new(S3::with_client(lake.server.client(), None), &location);
        store.put_if_absent(&key("t/a"), body("x")).await.unwrap();
        assert_eq!(lake.server.model().keys("lake"), [expected]);
        let listed = store.list(&key("t"), None).await.unwrap().objects;
        assert_eq!(listed[0].key, key("t/a"), "in {place}");
    }
}

#[tokio::test]
async fn every_request_names_the_owner_and_every_body_its_hash() {
    let lake = S3Lake::new();
    let store = store(lake.server.client(), Some(OWNER));
    let (small, large, big) = (key("t/small"), key("t/large"), key("t/big"));
    let spool = spooled(&[7; 2_000_000]);
    store.put_if_absent(&small, body("x")).await.unwrap();
    store
        .put_if_absent(&large, Body::file(Arc::clone(&spool), 0..2_000_000))
        .await
        .unwrap();
    let (_, tag) = store.get(&small).await.unwrap().unwrap();
    store
        .put_if_match(&small, Bytes::from_static(b"y"), &tag)
        .await
        .unwrap();
    let id = store.start_upload(&big).await.unwrap();
    let part = store
        .upload_part(&big, &id, 1, 0, Body::file(spool, 5..1000))
        .await
        .unwrap();
    store.complete_upload_if_absent(&big, &id, &[part]).await.unwrap();
    store.abort_upload(&big, &id).await.unwrap();
    store.get_range(&small, 0..1).await.unwrap();
    store.head(&small).await.unwrap();
    store.compare(&small, 1, &Checksum::of(b"y"), &[]).await.unwrap();
    store.list(&key("t"), None).await.unwrap();
    store.delete(&small).await.unwrap();

    let log = lake.server.log();
    assert_eq!(log.len(), 13, "no request twice");
    for entry in &log {
        assert_eq!(entry.header("x-amz-expected-bucket-owner"), Some(OWNER), "{entry}");
        assert!(entry.header("x-amz-trailer").is_none(), "{entry}");
        assert!(
            entry.header("x-amz-sdk-checksum-algorithm").is_none(),
            "a second checksum: {entry}"
        );
        let has_body = ["PutObject", "UploadPart"].contains(&entry.operation);
        assert_eq!(entry.header("x-amz-checksum-sha256").is_some(), has_body, "{entry}");
        if has_body {
            assert_eq!(
                entry.header("x-amz-content-sha256"),
                Some("UNSIGNED-PAYLOAD"),
                "{entry}"
            );
            assert!(entry.header("content-length").is_some(), "{entry}");
        }
        let condition = entry.header("if-none-match").or(entry.header("if-match"));
        let makes_an_object = ["PutObject", "CompleteMultipartUpload"].contains(&entry.operation);
        assert_eq!(condition.is_some(), makes_an_object, "{entry}");
    }
}

#[tokio::test]
async fn content_is_compared_without_reading_it_where_s3_kept_a_hash() {
    let lake = S3Lake::new();
    let (small, big, foreign) = (key("t/small"), key("t/big"), key("t/foreign"));
    lake.store.put_if_absent(&small, body("small")).await.unwrap();
    let (id, parts) = lake.uploaded(&big, &["first, ", "second"]).await;
    lake.store.complete_upload_if_absent(&big, &id, &parts).await.unwrap();
    // Put by somebody who sent no hash.
    lake.server.model().seed("lake", "p/t/foreign", "foreign");
    let (_, other_parts) = lake.uploaded(&key("t/x"), &["FIRST, ", "second"]).await;
    let none: &[Part] = &[];
    for (key, text, parts, expected, reads) in [
        (&small, "small", none, Compared::Same, 0),
        (&small, "SMALL", none, Compared::Different, 0),
        (&small, "smaller", none, Compared::Different, 0),
        (&big, "first, second", &parts, Compared::Same, 0),
        (&big, "first, secon", &parts, Compared::Different, 0),
        // Cut otherwise, and the same bytes or not.
        (&big, "first, second", none, Compared::Same, 1),
        (&big, "FIRST, second", &other_parts, Compared::Different, 1),
        (&foreign, "foreign", none, Compared::Same, 1),
        (&foreign, "FOREIGN", none, Compared::Different, 1),
    ] {
        lake.server.clear_log();
        let checksum = Checksum::of(text.as_bytes());
        let found = lake
            .store
            .compare(key, text.len() as u64, &checksum, parts)
            .await
            .unwrap();
        assert_eq!(
            (found, lake.server.calls("GetObject")),
            (expected, reads),
            "{key} with {text:?}"
        );
    }
    lake.inject("GetObject", Effect::Cut(3), 2);
    let checksum = Checksum::of(b"foreign");
    assert_eq!(
        lake.store.compare(&foreign, 7, &checksum, &[]).await.unwrap(),
        Compared::Same
    );
}

#[tokio::test]
async fn what_may_not_be_seen_is_not_absent() {
    let lake = S3Lake::new();
    let some = key("t/some");
    lake.server.inject(Fault::on_any(Effect::ACCESS_DENIED));
    let checksum = Checksum::of(b"x");
    let parts = [Part {
        number: 1,
        size: 1,
        sha256: Some(checksum),
        tag: Tag::new("x"),
    }];
    let id = UploadId::new("x");
    let errors = [
        lake.store.get(&some).await.unwrap_err(),
        lake.store.get_range(&some, 0..1).await.unwrap_err(),
        lake.store.head(&some).await.unwrap_err(),
        lake.store.compare(&some, 1, &checksum, &[]).await.unwrap_err(),
        lake.store.put_if_absent(&some, body("x")).await.unwrap_err(),
        lake.store
            .put_if_match(&some, Bytes::new(), &Tag::new("x"))
            .await
            .unwrap_err(),
        lake.store.delete(&some).await.unwrap_err(),
        lake.store.list(&some, None).await.unwrap_err(),
        lake.store.start_upload(&some).await.unwrap_err(),
        lake.store.upload_part(&some, &id, 1, 0, body("x")).await.unwrap_err(),
        lake.store
            .complete_upload_if_absent(&some, &id, &parts)
            .await
            .unwrap_err(),
        lake.store.abort_upload(&some, &id).await.unwrap_err(),
    ];
    let actions = [
        "s3:GetObject on arn:aws:s3:::lake/p/t/some",
        "s3:GetObject",
        "s3:GetObject",
        "s3:GetObject",
        "s3:PutObject on arn:aws:s3:::lake/p/t/some",
        "s3:PutObject",
        "s3:DeleteObject on arn:aws:s3:::lake/p/t/some",
        "s3:ListBucket on arn:aws:s3:::lake",
        "s3:PutObject",
        "s3:PutObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload on arn:aws:s3:::lake/p/t/some",
    ];
    for (error, action) in errors.iter().zip(actions) {
        let told = told(error);
        assert!(told.contains(&format!("access denied: allow {action}")), "{told}");
        assert!(!error.is_transient(), "{told}");
    }
    assert_eq!(
        lake.server.log().len(),
        actions.len(),
        "refusals are not asked for again"
    );
}

#[tokio::test]
async fn a_bucket_of_another_account_is_refused() {
    let lake = S3Lake::new();
    let store = store(lake.server.client(), Some("999999999999"));
    let error = store.put_if_absent(&key("t/a"), body("x")).await.unwrap_err();
    let told = told(&error);
    assert!(told.contains("does not belong to account 999999999999"), "{told}");
    assert!(told.contains("LAKEBED_EXPECTED_OWNER"), "{told}");
    assert!(lake.server.model().keys("lake").is_empty());
}

#[tokio::test]
async fn a_missing_bucket_is_no_missing_object() {
    let lake = S3Lake::over(Model::default());
    let some = key("t/some");
    for error in [
        lake.store.get(&some).await.unwrap_err(),
        lake.store.put_if_absent(&some, body("x")).await.unwrap_err(),
        lake.store
            .put_if_match(&some, Bytes::new(), &Tag::new("x"))
            .await
            .unwrap_err(),
        lake.store.delete(&some).await.unwrap_err(),
        lake.store.list(&some, None).await.unwrap_err(),
        lake.store.abort_upload(&some, &UploadId::new("x")).await.unwrap_err(),
    ] {
        assert!(told(&error).contains("bucket lake does not exist"), "{}", told(&error));
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_spool_file_that_is_too_short_is_not_sent() {
    let lake = S3Lake::new();
    let short = Body::file(spooled(&[1; 100_000]), 0..100_001);
    assert!(lake.store.put_if_absent(&key("t/a"), short.clone()).await.is_err());
    let id = lake.store.start_upload(&key("t/b")).await.unwrap();
    assert!(lake.store.upload_part(&key("t/b"), &id, 1, 0, short).await.is_err());
    assert_eq!(
        (lake.server.calls("PutObject"), lake.server.calls("UploadPart")),
        (0, 0)
    );
}

#[tokio::test]
async fn foreign_keys_do_not_stop_a_listing() {
    let lake = S3Lake::new();
    {
        let mut model = lake.server.model();
        for n in 0..2100 {
            model.seed("lake", &format!("p/t/.hidden-{n:04}"), "");
        }
        for name in ["t/", "t/a", "t//x", "t/b", "t/folder/", "t/z/../x"] {
            model.seed("lake", &format!("p/{name}"), "");
        }
    }
    let page = lake.store.list(&key("t"), None).await.unwrap();
    let names: Vec<_> = page.objects.iter().map(|found| found.key.as_str()).collect();
    assert_eq!((names, page.more), (vec!["t/a", "t/b"], false));
    let page = lake.store.list(&key("t"), Some(&key("t/a"))).await.unwrap();
    assert_eq!(page.objects.len(), 1);
}

#[tokio::test]
async fn a_listing_of_open_uploads_is_whole_or_an_error() {
    let operation = "ListMultipartUploads";
    let lake = S3Lake::new();
    for name in ["t/a", "t/b", "t/c"] {
        lake.store.start_upload(&key(name)).await.unwrap();
    }
    // The connection is in order and the answer too short: behind the last upload, in the middle of one, before the first.
    for bytes in [1, 29, 30, 200, 600] {
        lake.server.clear_faults();
        lake.inject(operation, Effect::Shorter(bytes), 1);
        let page = lake.store.list_uploads(None).await.unwrap();
        assert_eq!(page.uploads.len(), 3, "{bytes} bytes less, once");
    }
    // Again and again, and with nothing left of it in the end.
    for bytes in [1, 200, 600, 1 << 20] {
        lake.server.clear_faults();
        lake.inject(operation, Effect::Shorter(bytes), u64::MAX);
        let error = lake.store.list_uploads(None).await.unwrap_err();
        assert!(error.is_transient(), "{bytes} bytes less: {}", told(&error));
    }
}
