//! Faults: what is planned happens, to the requests it was planned for, and the log tells of it.

use std::time::Duration;

use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{StalledStreamProtectionConfig, retry::RetryConfig};
use aws_sdk_s3::primitives::ByteStream;

use super::{body, ending, server, text};
use crate::support::s3::{Effect, Fault, Server};

async fn put(client: &aws_sdk_s3::Client, key: &str) -> String {
    let put = client
        .put_object()
        .bucket("lake")
        .key(key)
        .if_none_match("*")
        .body(body("new"));
    ending(&put.send().await)
}

/// What arrived before the end, and whether the end was clean.
async fn received(mut stream: ByteStream) -> (usize, bool) {
    let mut bytes = 0;
    loop {
        match stream.try_next().await {
            Ok(Some(piece)) => bytes += piece.len(),
            Ok(None) => return (bytes, true),
            Err(_) => return (bytes, false),
        }
    }
}

#[tokio::test]
async fn a_write_is_struck_as_planned() {
    for (effect, expected, applied) in [
        (Effect::SLOW_DOWN, "503 SlowDown", false),
        (Effect::INTERNAL_ERROR, "500 InternalError", false),
        (Effect::ACCESS_DENIED, "403 AccessDenied", false),
        (Effect::CONFLICT, "409 ConditionalRequestConflict", false),
        (Effect::Answer(400, "ExpiredToken"), "400 ExpiredToken", false),
        (Effect::Close, "no answer", false),
        (Effect::CloseAfter, "no answer", true),
    ] {
        let server = server();
        server.inject(Fault::on("PutObject", effect.clone()).first(1));
        let client = server.client();
        assert_eq!(put(&client, "key").await, expected);
        assert_eq!(server.model().bytes("lake", "key").is_some(), applied, "{effect:?}");
        let again = if applied { "412 PreconditionFailed" } else { "ok" };
        assert_eq!(put(&client, "key").await, again, "{effect:?} strikes once");
    }
}

#[tokio::test]
async fn large_bodies_are_heard_out_before_an_error() {
    let server = server();
    server.inject(Fault::on("PutObject", Effect::SLOW_DOWN));
    let put = server
        .client()
        .put_object()
        .bucket("lake")
        .key("key")
        .body(vec![0; 8 << 20].into());
    assert_eq!(ending(&put.send().await), "503 SlowDown");
}

#[tokio::test]
async fn a_client_that_sends_again_meets_its_own_success() {
    for (effect, expected) in [
        (Effect::Close, "ok"),
        (Effect::SLOW_DOWN, "ok"),
        (Effect::CloseAfter, "412 PreconditionFailed"),
    ] {
        let server = server();
        server.inject(Fault::on("PutObject", effect).first(2));
        let quick = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let client = aws_sdk_s3::Client::from_conf(server.config().retry_config(quick).build());
        assert_eq!(put(&client, "key").await, expected);
        assert_eq!(server.calls("PutObject"), 3);
    }
}

#[tokio::test]
async fn a_schedule_says_which_requests_are_struck() {
    let fault = || Fault::on("PutObject", Effect::SLOW_DOWN);
    for (name, fault, expected) in [
        ("always", fault(), "xxxxxxxx"),
        ("nth", fault().nth(3), "--x-----"),
        ("first", fault().first(3), "xxx-----"),
        ("every", fault().every(3), "--x--x--"),
        ("key", fault().key(|key| key > "key 4"), "-----xxx"),
        ("nth of those keys", fault().key(|key| key > "key 4").nth(2), "------x-"),
        ("any operation", Fault::on_any(Effect::SLOW_DOWN).nth(1), "x-------"),
        (
            "another operation",
            Fault::on("GetObject", Effect::SLOW_DOWN),
            "--------",
        ),
        ("never", fault().at_rate(0.0, 1), "--------"),
        ("surely", fault().at_rate(1.0, 1), "xxxxxxxx"),
    ] {
        let server = server();
        server.inject(fault);
        assert_eq!(struck(&server, 8).await, expected, "{name}");
    }
}

#[tokio::test]
async fn chance_is_seeded() {
    let mut seen = Vec::new();
    for seed in [1, 1, 2] {
        let server = server();
        server.inject(Fault::on_any(Effect::SLOW_DOWN).at_rate(0.25, seed));
        seen.push(struck(&server, 200).await);
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
    for line in seen {
        let struck = line.matches('x').count();
        assert!((25..75).contains(&struck), "{struck}");
    }
}

#[tokio::test]
async fn the_first_of_several_faults_strikes_and_all_count() {
    let server = server();
    server.inject(Fault::on_any(Effect::SLOW_DOWN).first(2));
    server.inject(Fault::on_any(Effect::CONFLICT).first(3));
    let client = server.client();
    let mut found = Vec::new();
    for n in 0..4 {
        found.push(put(&client, &format!("key {n}")).await);
    }
    assert_eq!(
        found,
        ["503 SlowDown", "503 SlowDown", "409 ConditionalRequestConflict", "ok"]
    );
    server.inject(Fault::on_any(Effect::CONFLICT));
    server.clear_faults();
    assert_eq!(put(&client, "key").await, "ok");
}

/// `x` for every put that failed.
async fn struck(server: &Server, requests: usize) -> String {
    let client = server.client();
    let mut line = String::new();
    for n in 0..requests {
        let ok = put(&client, &format!("key {n}")).await == "ok";
        line.push(if ok { '-' } else { 'x' });
    }
    line
}

#[tokio::test]
async fn a_body_breaks_off_where_it_was_planned() {
    let server = server();
    server.model().seed("raw", "key", vec![7; 300_000]);
    let client = server.client();
    for after in [0, 1, 1000, 65_536, 150_000, 299_999] {
        server.clear_faults();
        server.inject(Fault::on("GetObject", Effect::Cut(after)));
        let get = client.get_object().bucket("raw").key("key").send().await.unwrap();
        assert_eq!(get.content_length(), Some(300_000));
        assert_eq!(received(get.body).await, (after as usize, false));
    }
    let get = client
        .get_object()
        .bucket("raw")
        .key("key")
        .range("bytes=0-99")
        .send()
        .await
        .unwrap();
    assert_eq!(
        received(get.body).await,
        (100, true),
        "an end that is not reached is none"
    );
}

#[tokio::test]
async fn an_answer_that_stalls_never_ends() {
    let server = server();
    server.model().seed("raw", "key", vec![7; 300_000]);
    let config = server.config().retry_config(RetryConfig::disabled());
    let config = config.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    let client = aws_sdk_s3::Client::from_conf(config.build());
    for after in [0, 1000] {
        server.clear_faults();
        server.inject(Fault::on("GetObject", Effect::Stall(after)));
        let get = client.get_object().bucket("raw").key("key").send().await.unwrap();
        let (mut stream, mut bytes) = (get.body, 0);
        let patience = Duration::from_millis(200);
        while let Ok(piece) = tokio::time::timeout(patience, stream.try_next()).await {
            bytes += piece.unwrap().unwrap().len() as u64;
        }
        assert_eq!(bytes, after);
    }
    server.inject(Fault::on("PutObject", Effect::Hang));
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(Duration::from_millis(200))
        .build();
    let config = server.config().timeout_config(timeouts);
    assert_eq!(
        put(&aws_sdk_s3::Client::from_conf(config.build()), "key").await,
        "no answer"
    );
    assert_eq!(server.model().keys("lake"), [""; 0]);
    assert_eq!(server.log().last().unwrap().status, None);
}

#[tokio::test]
async fn a_read_may_be_answered_with_something_else() {
    let server = server();
    server.model().seed("raw", "key", "0123456789");
    let client = server.client();
    let read = async || {
        let get = client
            .get_object()
            .bucket("raw")
            .key("key")
            .range("bytes=5-")
            .send()
            .await
            .unwrap();
        let (range, tag) = (get.content_range().map(str::to_owned), get.e_tag().unwrap().to_owned());
        (range, tag, text(get).await)
    };
    let (range, tag, found) = read().await;
    assert_eq!((range.as_deref(), found.as_str()), (Some("bytes 5-9/10"), "56789"));
    server.inject(Fault::on("GetObject", Effect::IgnoreRange).first(1));
    assert_eq!(read().await, (None, tag.clone(), "0123456789".to_owned()));
    server.inject(Fault::on("GetObject", Effect::OTHER_TAG).first(1));
    let (range, other, found) = read().await;
    assert_eq!((range.as_deref(), found.as_str()), (Some("bytes 5-9/10"), "56789"));
    assert_ne!(other, tag);
    server.inject(Fault::on("GetObject", Effect::Header("content-range", "bytes 4-8/10")).first(1));
    assert_eq!(read().await.0.as_deref(), Some("bytes 4-8/10"));
    let statuses: Vec<_> = server.log().iter().map(|entry| entry.status.unwrap()).collect();
    assert_eq!(statuses, [206, 200, 206, 206]);
}

#[tokio::test]
async fn a_completion_may_fail_behind_a_good_status() {
    let server = server();
    let client = server.client();
    server.inject(Fault::on("CompleteMultipartUpload", Effect::OK_WITH_ERROR).first(1));
    let (upload, parts) = super::uploads::uploaded(&client, "big", &["one"]).await;
    let complete = || {
        let complete = client.complete_multipart_upload().bucket("lake").key("big");
        complete.upload_id(&upload).multipart_upload(parts.clone())
    };
    assert_eq!(ending(&complete().send().await), "200 InternalError");
    assert_eq!(server.model().keys("lake"), [""; 0]);
    assert_eq!(ending(&complete().send().await), "ok");
}

#[tokio::test]
async fn the_log_tells_every_request() {
    let server = server();
    let client = server.client();
    put(&client, "a b").await;
    put(&client, "a b").await;
    server.inject(Fault::on("GetObject", Effect::CloseAfter));
    let get = client
        .get_object()
        .bucket("lake")
        .key("a b")
        .range("bytes=1-")
        .if_match("\"x\"");
    get.send().await.unwrap_err();
    let list = client
        .list_objects_v2()
        .bucket("lake")
        .prefix("t/")
        .expected_bucket_owner("111122223333");
    list.send().await.unwrap();
    let lines: Vec<_> = server.log().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "PutObject lake/a b if-none-match=* -> 200",
            "PutObject lake/a b if-none-match=* -> 412",
            "GetObject lake/a b range=bytes=1- if-match=\"x\" -> 412 (CloseAfter)",
            "ListObjectsV2 lake/ prefix=t/ -> 200",
        ]
    );
    assert_eq!((server.calls("PutObject"), server.calls("HeadObject")), (2, 0));
    let log = server.log();
    assert_eq!(log[3].header("x-amz-expected-bucket-owner"), Some("111122223333"));
    assert!(log.iter().all(|entry| entry.header("authorization").is_none()));
    server.clear_log();
    assert_eq!(server.calls("PutObject"), 0);
}

#[tokio::test]
async fn a_server_ends_when_it_is_dropped() {
    let server = server();
    let client = server.client();
    assert_eq!(put(&client, "key").await, "ok");
    let address = server.endpoint().replace("http://", "");
    drop(server);
    for _ in 0..100 {
        if std::net::TcpStream::connect(&address).is_err() {
            assert_eq!(put(&client, "other").await, "no answer");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it still listens");
}
