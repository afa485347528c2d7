//! Objects: what is written, read, versioned and deleted, and by whom.

use std::io::{Read, Write};
use std::time::Duration;

use aws_sdk_s3::config::{Credentials, retry::RetryConfig};
use aws_sdk_s3::primitives::ByteStream;

use super::{body, ending, noon, server, server_with, text};
use crate::support::s3::Versioning;

#[tokio::test]
async fn an_object_is_read_as_it_was_written() {
    let server = server();
    let client = server.client();
    let put = client.put_object().bucket("raw").key("a.json.gz").body(body("hello"));
    let put = put.content_encoding("gzip").content_type("application/json");
    let put = put.metadata("origin", "test").send().await.unwrap();
    // The MD5 of `hello`.
    let tag = Some("\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(put.e_tag(), tag);
    server.model().advance(Duration::from_millis(90_900));

    let head = client
        .head_object()
        .bucket("raw")
        .key("a.json.gz")
        .send()
        .await
        .unwrap();
    assert_eq!((head.e_tag(), head.content_length()), (tag, Some(5)));
    assert_eq!(head.content_encoding(), Some("gzip"));
    assert_eq!(head.content_type(), Some("application/json"));
    assert_eq!(head.metadata().unwrap()["origin"], "test");
    assert_eq!(head.last_modified().unwrap().secs(), 1_714_564_800);

    let get = client.get_object().bucket("raw").key("a.json.gz").send().await.unwrap();
    assert_eq!((get.e_tag(), get.content_length()), (tag, Some(5)));
    assert_eq!((get.content_encoding(), get.content_range()), (Some("gzip"), None));
    assert_eq!(get.last_modified(), head.last_modified());
    assert_eq!(text(get).await, "hello");

    client.put_object().bucket("raw").key("late").send().await.unwrap();
    let late = client.get_object().bucket("raw").key("late").send().await.unwrap();
    assert_eq!(late.last_modified().unwrap().secs(), 1_714_564_890, "whole seconds");
    assert_eq!(text(late).await, "");
}

#[tokio::test]
async fn large_objects_pass_in_pieces() {
    let server = server();
    let long: Vec<u8> = (0..24_000_000_u32).map(|n| (n / 7) as u8).collect();
    let client = server.client();
    let put = client.put_object().bucket("raw").key("long").body(long.clone().into());
    put.send().await.unwrap();
    let mut get = client.get_object().bucket("raw").key("long").send().await.unwrap();
    let (mut found, mut pieces) = (Vec::new(), 0);
    while let Some(piece) = get.body.try_next().await.unwrap() {
        found.extend_from_slice(&piece);
        pieces += 1;
    }
    assert!(found == long && pieces > 10, "{pieces} pieces");
}

#[tokio::test]
async fn ranges_are_cut_at_the_end_and_refused_past_it() {
    let server = server();
    server.model().seed("raw", "digits", "0123456789");
    server.model().seed("raw", "empty", "");
    for (key, range, expected) in [
        ("digits", "bytes=0-9", "bytes 0-9/10 0123456789"),
        ("digits", "bytes=3-4", "bytes 3-4/10 34"),
        ("digits", "bytes=3-3", "bytes 3-3/10 3"),
        ("digits", "bytes=8-", "bytes 8-9/10 89"),
        ("digits", "bytes=8-100", "bytes 8-9/10 89"),
        ("digits", "bytes=-3", "bytes 7-9/10 789"),
        ("digits", "bytes=-30", "bytes 0-9/10 0123456789"),
        ("digits", "bytes=10-", "416 InvalidRange"),
        ("digits", "bytes=10-20", "416 InvalidRange"),
        ("digits", "bytes=-0", "416 InvalidRange"),
        ("empty", "bytes=0-", "416 InvalidRange"),
        ("none", "bytes=0-", "404 NoSuchKey"),
    ] {
        let get = server
            .client()
            .get_object()
            .bucket("raw")
            .key(key)
            .range(range)
            .send()
            .await;
        let found = match get {
            Ok(get) => format!("{} {}", get.content_range().unwrap().to_owned(), text(get).await),
            error => ending(&error),
        };
        assert_eq!(found, expected, "{range} of {key}");
    }
    // Objects in several pieces are cut across them.
    assert_eq!(server.log().iter().filter(|entry| entry.status == Some(206)).count(), 7);
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let server = server();
    server.model().seed("raw", "key", "");
    let client = server.client();
    for (bucket, key, version, expected, head) in [
        ("elsewhere", "key", None, "404 NoSuchBucket", "404 NotFound"),
        ("raw", "other", None, "404 NoSuchKey", "404 NotFound"),
        ("raw", "key", Some("abc"), "404 NoSuchVersion", "404 NotFound"),
        ("raw", "key", Some("null"), "ok", "ok"),
    ] {
        let get = client
            .get_object()
            .bucket(bucket)
            .key(key)
            .set_version_id(version.map(str::to_owned));
        assert_eq!(ending(&get.send().await), expected);
        let get = client
            .head_object()
            .bucket(bucket)
            .key(key)
            .set_version_id(version.map(str::to_owned));
        assert_eq!(ending(&get.send().await), head);
    }
    let put = client.put_object().bucket("elsewhere").key("key").send().await;
    assert_eq!(ending(&put), "404 NoSuchBucket");
    let list = client.list_objects_v2().bucket("elsewhere").send().await;
    assert_eq!(ending(&list), "404 NoSuchBucket");
}

#[tokio::test]
async fn deleting_is_repeatable() {
    let server = server();
    let client = server.client();
    server.model().seed("lake", "key", "1");
    for _ in 0..2 {
        let deleted = client.delete_object().bucket("lake").key("key").send().await.unwrap();
        assert_eq!((deleted.delete_marker(), deleted.version_id()), (None, None));
        assert_eq!(server.model().keys("lake"), [""; 0]);
    }
}

#[tokio::test]
async fn versions_are_kept_as_the_bucket_says() {
    let server = server_with(|model| {
        model.seed("raw", "key", "before");
        model.bucket("raw").versioning = Versioning::On;
    });
    let client = server.client();
    let put = async |text: &str| {
        let put = client.put_object().bucket("raw").key("key").body(body(text));
        put.send().await.unwrap().version_id.unwrap()
    };
    let get = async |version: Option<&str>| {
        let get = client.get_object().bucket("raw").key("key");
        match get.set_version_id(version.map(str::to_owned)).send().await {
            Ok(get) => format!("{} {}", get.version_id().unwrap().to_owned(), text(get).await),
            error => ending(&error),
        }
    };
    let one = put("one").await;
    let two = put("two").await;
    assert_ne!(one, two);
    assert_eq!(get(None).await, format!("{two} two"));
    assert_eq!(get(Some(&one)).await, format!("{one} one"));
    assert_eq!(get(Some("null")).await, "null before");

    let deleted = client.delete_object().bucket("raw").key("key").send().await.unwrap();
    let marker = deleted.version_id().unwrap();
    assert_eq!(deleted.delete_marker(), Some(true));
    assert_eq!(get(None).await, "404 NoSuchKey");
    assert_eq!(get(Some(marker)).await, "405 MethodNotAllowed");
    assert_eq!(get(Some(&two)).await, format!("{two} two"));
    assert_eq!(server.model().keys("raw"), [""; 0]);

    let delete = client.delete_object().bucket("raw").key("key").version_id(marker);
    assert_eq!(delete.send().await.unwrap().delete_marker(), Some(true));
    assert_eq!(get(None).await, format!("{two} two"));
    let delete = client.delete_object().bucket("raw").key("key").version_id(&two);
    delete.send().await.unwrap();
    assert_eq!(get(None).await, format!("{one} one"));

    server.model().bucket("raw").versioning = Versioning::Suspended;
    assert_eq!(put("three").await, "null");
    assert_eq!(put("four").await, "null");
    assert_eq!(get(None).await, "null four");
    assert_eq!(get(Some(&one)).await, format!("{one} one"), "versions stay");
}

#[tokio::test]
async fn the_owner_of_the_bucket_is_who_is_expected() {
    let server = server_with(|model| model.bucket("lake").owner = "444455556666".to_owned());
    server.model().seed("lake", "key", "1");
    for (owner, expected) in [
        (
            "444455556666",
            [
                "ok",
                "ok",
                "ok",
                "ok",
                "ok",
                "ok",
                "404 NoSuchUpload",
                "404 NoSuchUpload",
            ],
        ),
        (
            "111122223333",
            [
                "403 AccessDenied",
                "403",
                "403 AccessDenied",
                "403 AccessDenied",
                "403 AccessDenied",
                "403 AccessDenied",
                "403 AccessDenied",
                "403 AccessDenied",
            ],
        ),
    ] {
        let client = server.client();
        let get = client
            .get_object()
            .bucket("lake")
            .key("key")
            .expected_bucket_owner(owner);
        let head = client
            .head_object()
            .bucket("lake")
            .key("key")
            .expected_bucket_owner(owner);
        let put = client
            .put_object()
            .bucket("lake")
            .key("new")
            .expected_bucket_owner(owner);
        let delete = client
            .delete_object()
            .bucket("lake")
            .key("new")
            .expected_bucket_owner(owner);
        let list = client.list_objects_v2().bucket("lake").expected_bucket_owner(owner);
        let uploads = client
            .list_multipart_uploads()
            .bucket("lake")
            .expected_bucket_owner(owner);
        let part = client
            .upload_part()
            .bucket("lake")
            .key("key")
            .part_number(1)
            .upload_id("x");
        let abort = client.abort_multipart_upload().bucket("lake").key("key").upload_id("x");
        let found = [
            ending(&get.send().await),
            ending(&head.send().await),
            ending(&put.send().await),
            ending(&delete.send().await),
            ending(&list.send().await),
            ending(&uploads.send().await),
            ending(&part.expected_bucket_owner(owner).send().await),
            ending(&abort.expected_bucket_owner(owner).send().await),
        ];
        assert_eq!(found, expected, "expecting {owner}");
    }
    assert_eq!(server.model().keys("lake"), ["key"]);
}

#[tokio::test]
async fn keys_travel_as_they_are() {
    let server = server();
    let client = server.client();
    let long = "k".repeat(1024);
    let keys = [
        "a b+c",
        "a%20b",
        "a%2Fb",
        "a/b/",
        "/a",
        "a//b",
        "../a",
        "./a",
        "?a=b&c#d",
        "é/日本/😀",
        "e\u{301}",
        "a\tb",
        "a\\b",
        "\"<&>'",
        "\u{202e}a",
        &long,
    ];
    for key in keys {
        let put = client.put_object().bucket("raw").key(key).body(body(key)).send().await;
        assert_eq!(ending(&put), "ok", "{key:?}");
        let get = client.get_object().bucket("raw").key(key).send().await.unwrap();
        assert_eq!(text(get).await, key);
        assert_eq!(server.log().last().unwrap().key, key);
    }
    let list = client.list_objects_v2().bucket("raw").send().await.unwrap();
    let mut expected = keys.to_vec();
    expected.sort_unstable();
    let found: Vec<_> = list.contents().iter().map(|object| object.key().unwrap()).collect();
    assert_eq!(found, expected);
    assert_eq!(server.model().keys("raw"), expected);
}

#[tokio::test]
async fn requests_are_signed_with_the_right_key() {
    let server = server();
    let other = Credentials::new(crate::support::s3::server::ACCESS_KEY, "another", None, None, "test");
    let config = server.config().retry_config(RetryConfig::disabled());
    let client = aws_sdk_s3::Client::from_conf(config.credentials_provider(other).build());
    // However much it says: it is heard out.
    let put = client
        .put_object()
        .bucket("raw")
        .key("key")
        .body(vec![0; 8 << 20].into());
    assert_eq!(ending(&put.send().await), "403 SignatureDoesNotMatch");
    assert_eq!(server.log()[0].to_string(), "PutObject raw/key -> 403");
    assert_eq!(server.model().keys("raw"), [""; 0]);

    let address = server.endpoint().replace("http://", "");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /raw/key HTTP/1.0\r\nhost: s3\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("403 Forbidden") && answer.contains("<Code>AccessDenied</Code>"),
        "{answer}"
    );
    assert!(answer.contains("date: Wed, 01 May 2024 12:00:00 GMT"), "{answer}");
}

#[tokio::test]
async fn time_is_real_unless_it_is_set() {
    let mut model = crate::support::s3::Model::default();
    assert!(model.now() > noon());
    let before = model.now();
    model.advance(Duration::from_secs(3600));
    let later = model.now().duration_since(before).unwrap().as_secs();
    assert!((3600..3660).contains(&later), "{later}");
}

#[tokio::test]
async fn files_are_sent_as_well() {
    let server = server();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&[7; 3_000_000]).unwrap();
    let stream = ByteStream::from_path(file.path()).await.unwrap();
    let put = server.client().put_object().bucket("raw").key("file").body(stream);
    put.send().await.unwrap();
    assert!(server.model().bytes("raw", "file").unwrap() == vec![7; 3_000_000]);
}
