//! Conditional requests: what has to be there for a write or a read to be done.

use std::sync::Arc;

use super::{body, ending, server, server_with, text};

/// The tag of an object that holds this.
async fn tag_of(client: &aws_sdk_s3::Client, text: &str) -> String {
    let put = client.put_object().bucket("raw").key("scratch").body(body(text));
    put.send().await.unwrap().e_tag.unwrap()
}

type Write = (
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
);

/// What stands under the key, if-none-match, if-match (`one` for the tag of an object that holds it), the answer.
const WRITES: &[Write] = &[
    (None, None, None, "ok"),
    (Some("one"), None, None, "ok"),
    (None, Some("*"), None, "ok"),
    (Some("one"), Some("*"), None, "412 PreconditionFailed"),
    (Some("new"), Some("*"), None, "412 PreconditionFailed"),
    (Some("one"), None, Some("one"), "ok"),
    (Some("two"), None, Some("one"), "412 PreconditionFailed"),
    (None, None, Some("one"), "404 NoSuchKey"),
    (Some("one"), None, Some("*"), "ok"),
    (None, None, Some("*"), "404 NoSuchKey"),
    (Some("one"), Some("one"), None, "501 NotImplemented"),
    (Some("one"), Some("*"), Some("one"), "501 NotImplemented"),
];

#[tokio::test]
async fn a_put_is_done_if_its_condition_holds() {
    let server = server();
    let client = server.client();
    for (number, &(before, absent, present, expected)) in WRITES.iter().enumerate() {
        let key = format!("key {number}");
        if let Some(text) = before {
            server.model().seed("lake", &key, text);
        }
        let (absent, present) = (tag(&client, absent).await, tag(&client, present).await);
        let put = client.put_object().bucket("lake").key(&key).body(body("new"));
        let put = put.set_if_none_match(absent).set_if_match(present).send().await;
        assert_eq!(ending(&put), expected, "row {number}");
        let after = server.model().bytes("lake", &key);
        let expected = if expected == "ok" { Some("new") } else { before };
        assert_eq!(after.as_deref(), expected.map(str::as_bytes), "row {number}");
    }
}

#[tokio::test]
async fn a_completion_is_done_if_its_condition_holds() {
    let server = server();
    let client = server.client();
    for (number, &(before, absent, present, expected)) in WRITES.iter().enumerate() {
        let key = format!("key {number}");
        let (upload, parts) = super::uploads::uploaded(&client, &key, &["new"]).await;
        if let Some(text) = before {
            server.model().seed("lake", &key, text);
        }
        let (absent, present) = (tag(&client, absent).await, tag(&client, present).await);
        let complete = client
            .complete_multipart_upload()
            .bucket("lake")
            .key(&key)
            .upload_id(&upload);
        let complete = complete
            .multipart_upload(parts)
            .set_if_none_match(absent)
            .set_if_match(present);
        assert_eq!(ending(&complete.send().await), expected, "row {number}");
        let after = server.model().bytes("lake", &key);
        let content = if expected == "ok" { Some("new") } else { before };
        assert_eq!(after.as_deref(), content.map(str::as_bytes), "row {number}");
        // An upload that was refused may be completed later.
        let abort = client
            .abort_multipart_upload()
            .bucket("lake")
            .key(&key)
            .upload_id(upload);
        let gone = if expected == "ok" { "404 NoSuchUpload" } else { "ok" };
        assert_eq!(ending(&abort.send().await), gone, "row {number}");
    }
}

async fn tag(client: &aws_sdk_s3::Client, condition: Option<&str>) -> Option<String> {
    match condition {
        Some("*") | None => condition.map(str::to_owned),
        Some(text) => Some(tag_of(client, text).await),
    }
}

#[tokio::test]
async fn reads_heed_if_match() {
    let server = server();
    let client = server.client();
    server.model().seed("lake", "key", "one");
    let (one, two) = (tag_of(&client, "one").await, tag_of(&client, "two").await);
    for (key, tag, expected, head) in [
        ("key", one.as_str(), "ok", "ok"),
        ("key", "*", "ok", "ok"),
        ("key", two.as_str(), "412 PreconditionFailed", "412"),
        ("none", one.as_str(), "404 NoSuchKey", "404 NotFound"),
    ] {
        for range in [None, Some("bytes=1-".to_owned())] {
            let get = client
                .get_object()
                .bucket("lake")
                .key(key)
                .if_match(tag)
                .set_range(range);
            assert_eq!(ending(&get.send().await), expected, "{key} {tag}");
        }
        let get = client.head_object().bucket("lake").key(key).if_match(tag);
        assert_eq!(ending(&get.send().await), head, "{key} {tag}");
    }
}

#[tokio::test]
async fn a_condition_that_is_not_modelled_is_refused() {
    let server = server();
    server.model().seed("lake", "key", "one");
    let client = server.client();
    let get = client.get_object().bucket("lake").key("key").if_none_match("\"x\"");
    assert_eq!(ending(&get.send().await), "501 NotImplemented");
    let get = client.get_object().bucket("lake").key("key").part_number(1);
    assert_eq!(ending(&get.send().await), "501 NotImplemented");
    let delete = client.delete_object().bucket("lake").key("key").if_match("*");
    assert_eq!(ending(&delete.send().await), "501 NotImplemented");
    let copy = client.copy_object().bucket("lake").key("copy").copy_source("lake/key");
    assert_eq!(ending(&copy.send().await), "501 NotImplemented");
    assert_eq!(server.model().keys("lake"), ["key"]);
}

#[tokio::test]
async fn an_enforcing_bucket_takes_no_unconditional_write() {
    let server = server_with(|model| model.bucket("lake").conditional_only = true);
    let client = server.client();
    let put = || client.put_object().bucket("lake").key("key").body(body("x"));
    assert_eq!(ending(&put().send().await), "403 AccessDenied");
    assert_eq!(server.model().keys("lake"), [""; 0]);
    assert_eq!(ending(&put().if_none_match("*").send().await), "ok");
    assert_eq!(ending(&put().send().await), "403 AccessDenied");

    // Parts are exempt, completions are not.
    let (upload, parts) = super::uploads::uploaded(&client, "big", &["one", "two"]).await;
    let complete = || {
        let complete = client.complete_multipart_upload().bucket("lake").key("big");
        complete.upload_id(&upload).multipart_upload(parts.clone())
    };
    assert_eq!(ending(&complete().send().await), "403 AccessDenied");
    assert_eq!(ending(&complete().if_none_match("*").send().await), "ok");
    assert_eq!(server.model().keys("lake"), ["big", "key"]);
}

#[tokio::test]
async fn of_writers_that_race_one_wins() {
    let server = Arc::new(server());
    let client = server.client();
    for round in 0..8 {
        let key = format!("round {round}");
        let racers: Vec<_> = (0..16)
            .map(|n| {
                let put = client.put_object().bucket("lake").key(&key).if_none_match("*");
                let put = put.body(body(&format!("writer {n}")));
                tokio::spawn(async move { (n, ending(&put.send().await)) })
            })
            .collect();
        let mut winners = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                (n, won) if won == "ok" => winners.push(format!("writer {n}")),
                (_, lost) => assert_eq!(lost, "412 PreconditionFailed"),
            }
        }
        assert_eq!(winners.len(), 1);
        let get = client.get_object().bucket("lake").key(key).send().await.unwrap();
        assert_eq!(text(get).await, winners[0]);
    }
}

#[tokio::test]
async fn no_replacement_is_lost() {
    let server = server();
    server.model().seed("lake", "counter", "0");
    let adders: Vec<_> = (0..8)
        .map(|_| {
            let client = server.client();
            tokio::spawn(async move {
                let mut added = 0;
                while added < 5 {
                    let get = client.get_object().bucket("lake").key("counter").send().await.unwrap();
                    let tag = get.e_tag().unwrap().to_owned();
                    let next = text(get).await.parse::<u32>().unwrap() + 1;
                    let put = client.put_object().bucket("lake").key("counter").if_match(tag);
                    added += u32::from(put.body(body(&next.to_string())).send().await.is_ok());
                }
            })
        })
        .collect();
    for adder in adders {
        adder.await.unwrap();
    }
    assert_eq!(server.model().bytes("lake", "counter").unwrap(), "40");
}
