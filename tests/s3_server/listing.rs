//! Listings: byte order, prefixes, pages.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::EncodingType;

use super::{ending, server, server_with};
use crate::support::s3::{Server, Versioning};

fn server_with_keys(keys: &[&str]) -> Server {
    let server = server();
    for key in keys {
        server.model().seed("lake", key, "x");
    }
    server
}

/// Keys and then common prefixes.
fn names(page: &ListObjectsV2Output) -> Vec<String> {
    let keys = page.contents().iter().map(|object| object.key().unwrap());
    let prefixes = page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap());
    keys.chain(prefixes).map(str::to_owned).collect()
}

#[tokio::test]
async fn keys_come_in_the_order_of_their_bytes() {
    let server = server_with_keys(&["b", "a/x", "a", "a-b", "a0", "B", "é", "z", "😀", "\u{fb00}", "a/"]);
    let client = server.client();
    for (prefix, after, expected) in [
        (
            "",
            "",
            &["B", "a", "a-b", "a/", "a/x", "a0", "b", "z", "é", "\u{fb00}", "😀"][..],
        ),
        ("a", "", &["a", "a-b", "a/", "a/x", "a0"]),
        ("a/", "", &["a/", "a/x"]),
        ("a", "a/", &["a/x", "a0"]),
        ("a", "a/wx", &["a/x", "a0"]),
        ("a", "B", &["a", "a-b", "a/", "a/x", "a0"]),
        ("a", "b", &[]),
        ("", "z", &["é", "\u{fb00}", "😀"]),
        ("c", "", &[]),
    ] {
        let list = client
            .list_objects_v2()
            .bucket("lake")
            .prefix(prefix)
            .start_after(after);
        let page = list.send().await.unwrap();
        assert_eq!(names(&page), expected, "{prefix:?} after {after:?}");
        assert_eq!(page.key_count(), Some(expected.len() as i32));
        assert_eq!(
            (page.is_truncated(), page.next_continuation_token()),
            (Some(false), None)
        );
    }
}

#[tokio::test]
async fn pages_are_of_a_thousand_keys_at_most() {
    let server = server();
    let all: Vec<_> = (0..2005).map(|n| format!("t/{n:04}")).collect();
    for key in &all {
        server.model().seed("lake", key, "");
    }
    let client = server.client();
    for (max, sizes) in [
        (None, vec![1000, 1000, 5]),
        (Some(5000), vec![1000, 1000, 5]),
        (Some(1000), vec![1000, 1000, 5]),
        (Some(401), vec![401; 5]),
    ] {
        let mut found = Vec::new();
        let mut pages = Vec::new();
        let mut token = None;
        loop {
            let list = client.list_objects_v2().bucket("lake").prefix("t/").set_max_keys(max);
            let page = list.set_continuation_token(token).send().await.unwrap();
            pages.push(page.contents().len());
            found.extend(names(&page));
            token = page.next_continuation_token;
            assert_eq!(page.is_truncated, Some(token.is_some()));
            if token.is_none() {
                break;
            }
        }
        assert_eq!(pages, sizes);
        assert_eq!(found, all);
    }
    let none = client
        .list_objects_v2()
        .bucket("lake")
        .max_keys(0)
        .send()
        .await
        .unwrap();
    assert_eq!((none.contents().len(), none.is_truncated()), (0, Some(false)));
    let list = client.list_objects_v2().bucket("lake").continuation_token("???");
    assert_eq!(ending(&list.send().await), "400 InvalidArgument");
}

#[tokio::test]
async fn a_token_outlives_the_key_it_stopped_at() {
    let server = server_with_keys(&["a", "b", "c"]);
    let client = server.client();
    let page = client
        .list_objects_v2()
        .bucket("lake")
        .max_keys(2)
        .send()
        .await
        .unwrap();
    client.delete_object().bucket("lake").key("b").send().await.unwrap();
    server.model().seed("lake", "bb", "");
    let list = client.list_objects_v2().bucket("lake").start_after("zzz");
    let list = list.continuation_token(page.next_continuation_token.unwrap());
    assert_eq!(names(&list.send().await.unwrap()), ["bb", "c"]);
}

#[tokio::test]
async fn a_delimiter_rolls_keys_up() {
    let server = server_with_keys(&["a", "b/1", "b/2", "b/c/3", "d", "e/4"]);
    let client = server.client();
    for (prefix, expected) in [
        ("", &["a", "d", "b/", "e/"][..]),
        ("b", &["b/"]),
        ("b/", &["b/1", "b/2", "b/c/"]),
        ("x", &[]),
    ] {
        let list = client.list_objects_v2().bucket("lake").prefix(prefix).delimiter("/");
        assert_eq!(names(&list.send().await.unwrap()), expected, "{prefix:?}");
    }
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let list = client.list_objects_v2().bucket("lake").delimiter("/").max_keys(1);
        let page = list.set_continuation_token(token).send().await.unwrap();
        found.extend(names(&page));
        token = page.next_continuation_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, ["a", "b/", "d", "e/"]);
}

#[tokio::test]
async fn names_are_encoded_on_request() {
    let server = server_with_keys(&["a b/\u{1}é+"]);
    let list = server.client().list_objects_v2().bucket("lake").prefix("a b");
    let page = list.encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(names(&page), ["a+b/%01%C3%A9%2B"]);
    assert_eq!(page.prefix(), Some("a+b"));
}

#[tokio::test]
async fn deleted_and_older_versions_are_not_listed() {
    let server = server_with(|model| {
        model.bucket("lake").versioning = Versioning::On;
        for key in ["a", "a", "b"] {
            model.seed("lake", key, "x");
        }
    });
    let client = server.client();
    client.delete_object().bucket("lake").key("b").send().await.unwrap();
    let page = client.list_objects_v2().bucket("lake").send().await.unwrap();
    assert_eq!(names(&page), ["a"]);
    let found = &page.contents()[0];
    assert_eq!(
        (found.size(), found.last_modified().unwrap().secs()),
        (Some(1), 1_714_564_800)
    );
    assert_eq!(found.e_tag(), Some("\"9dd4e461268c8034f5c8564e155c67a6\""));
}
