//! What an object is: its ETag, size and Last-Modified, the same from listings, HEAD and the first GET.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use lakebed::job::claim::Sources;
use lakebed::job::identity::{SourceName, Version};
use lakebed::source::listing::Source;
use lakebed::source::raw::RawObjects;
use lakebed::source::s3::S3Objects;

use crate::harness::{MIB, NOON_S, list, name, noise, raw_of, read_all, s3, seed, server};
use crate::support::s3::{At, Model, Server, Versioning};

/// Keys that S3 allows and somebody's tool once got wrong.
fn keys() -> Vec<String> {
    let plain = [
        "plain.json",
        "a b/c  d.json",
        "a+b",
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{1f30a}/\u{202e}x",
        "dt=2024-05-01/hour=02/a.json",
        "100%",
        "%",
        "%2B",
        "%252B",
        "%zz",
        "%FF",
        "a&b=c;d",
        "what?#is:this@[1]!$'()*,",
        "a//b",
        "a//",
        "/lead",
        "//",
        "..",
        ".",
        "../up",
        "a/../b",
        "a/./b",
        "line\nbreak",
        "carriage\rreturn",
        "tab\there",
        "bell\u{7}",
        "<&amp;\"'>",
        "back\\slash",
        "{brace}|~^`",
        "_hidden",
        ".hidden",
        "ends in a slash/",
    ];
    let mut keys: Vec<String> = plain.map(str::to_owned).to_vec();
    keys.push("k".repeat(1024));
    keys.push("\u{e9}".repeat(512));
    keys
}

/// What the three ways tell of an object, each asked anew.
async fn told(server: &Server, place: &str, name: &SourceName) -> [Option<Version>; 3] {
    let objects = S3Objects::new(s3(server));
    let listing = list(s3(server), place).await;
    let listed = listing.sources.into_iter().find(|source| source.name == *name);
    [
        listed.map(|source| source.version),
        objects.version_now(name).await.unwrap(),
        objects.first_look(name).await.unwrap(),
    ]
}

async fn content(raw: &RawObjects, name: &SourceName, version: &Version) -> Vec<u8> {
    let source = Source {
        name: name.clone(),
        version: version.clone(),
    };
    read_all(raw, &[source], 8 * MIB).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_the_same_by_listing_head_and_get_whatever_its_key() {
    let server = server();
    let mut expected = BTreeMap::new();
    for key in keys() {
        // Different sizes, so that one taken for another would show.
        let body = format!("{{\"key\":{key:?}}}");
        expected.insert(key.clone(), (seed(&server, &key, body.as_bytes()), body));
    }
    let listing = list(s3(&server), "s3://raw").await;
    let sources: Vec<_> = expected.values().map(|(source, _)| source.clone()).collect();
    assert_eq!(listing.sources, sources, "all of them, in the order of their bytes");
    assert_eq!(listing.hidden, 0);

    let raw = raw_of(s3(&server));
    let objects = raw.s3().unwrap();
    for (source, body) in expected.values() {
        let (name, version) = (&source.name, &source.version);
        assert_eq!(
            objects.version_now(name).await.unwrap().as_ref(),
            Some(version),
            "{name}"
        );
        assert_eq!(content(&raw, name, version).await, body.as_bytes(), "{name} as listed");
        assert_eq!(
            objects.first_look(name).await.unwrap().as_ref(),
            Some(version),
            "{name}"
        );
        assert_eq!(
            content(&raw, name, version).await,
            body.as_bytes(),
            "{name} as announced"
        );
    }
    let asked: Vec<String> = server.log().into_iter().map(|entry| entry.key).collect();
    for key in expected.keys() {
        assert_eq!(
            asked.iter().filter(|asked| *asked == key).count(),
            3,
            "{key:?}: HEAD, GET, GET"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_is_a_place_of_its_own() {
    let server = server();
    for key in keys() {
        seed(&server, &key, "x");
    }
    for key in keys() {
        let found = list(s3(&server), &format!("s3://raw/{key}")).await.sources;
        assert!(
            found.iter().any(|source| source.name == name(&key)),
            "{key:?} in {found:?}"
        );
        let below =
            |key_found: &str| key_found == key || key_found.starts_with(&format!("{}/", key.trim_end_matches('/')));
        assert!(found.iter().all(|source| below(&source.name.key)), "{key:?}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_the_same_however_it_was_written() {
    let server = server();
    let client = server.client();
    for key in ["put", "encoded", "empty"] {
        let body = if key == "empty" { Vec::new() } else { b"{}\n".to_vec() };
        let put = client.put_object().bucket("raw").key(key).body(body.into());
        let put = if key == "encoded" {
            put.content_encoding("gzip")
        } else {
            put
        };
        put.send().await.unwrap();
    }
    let large = noise(1, 5_000_000);
    uploaded(&client, "parts", &[&large, b"{}\n"]).await;
    for (key, etag, size) in [
        ("put", "8a80554c91d9fca8acb82f023de02f11", 3),
        ("encoded", "8a80554c91d9fca8acb82f023de02f11", 3),
        ("empty", "d41d8cd98f00b204e9800998ecf8427e", 0),
        ("parts", "-2", 5_000_003),
    ] {
        let [listed, head, get] = told(&server, "s3://raw", &name(key)).await;
        let version = listed.unwrap();
        assert_eq!((Some(&version), Some(&version)), (head.as_ref(), get.as_ref()), "{key}");
        assert!(version.etag.ends_with(etag), "{key}: {version:?}");
        assert_eq!((version.size, version.last_modified_s), (size, NOON_S), "{key}");
        let raw = raw_of(s3(&server));
        let bytes = content(&raw, &name(key), &version).await;
        assert_eq!(bytes.len() as u64, size, "{key}");
        assert!(key != "parts" || (bytes.starts_with(&large) && bytes.ends_with(b"{}\n")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_a_bucket_do_not_change_what_an_object_is() {
    for (name_of_case, versioning) in [
        ("never", vec![Versioning::Off]),
        ("on", vec![Versioning::On]),
        ("switched on later", vec![Versioning::Off, Versioning::On]),
        ("suspended", vec![Versioning::On, Versioning::Suspended]),
        (
            "suspended, on",
            vec![Versioning::On, Versioning::Suspended, Versioning::On],
        ),
    ] {
        let server = server();
        let mut last = String::new();
        for (n, state) in (0..).zip(versioning) {
            server.model().bucket("raw").versioning = state;
            last = format!("{{\"version\":{n}}}");
            seed(&server, "a", last.as_bytes());
        }
        let [listed, head, get] = told(&server, "s3://raw", &name("a")).await;
        assert_eq!((&listed, &listed), (&head, &get), "{name_of_case}");
        let raw = raw_of(s3(&server));
        assert_eq!(
            content(&raw, &name("a"), &listed.unwrap()).await,
            last.as_bytes(),
            "{name_of_case}"
        );

        // Removed, or hidden by a marker: nothing is there.
        let delete = |model: &mut Model| model.delete(At::new("raw", "a"), None).unwrap();
        delete(&mut server.model());
        assert_eq!(
            told(&server, "s3://raw", &name("a")).await,
            [None, None, None],
            "{name_of_case}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn last_modified_is_told_in_whole_seconds_and_never_by_this_machine() {
    let server = server();
    seed(&server, "early", "x");
    server.model().advance(std::time::Duration::from_millis(61_900));
    seed(&server, "late", "x");
    for (key, modified) in [("early", NOON_S), ("late", NOON_S + 61)] {
        for version in told(&server, "s3://raw", &name(key)).await {
            assert_eq!(version.unwrap().last_modified_s, modified, "{key}");
        }
    }
}

async fn uploaded(client: &Client, key: &str, parts: &[&[u8]]) {
    let create = client.create_multipart_upload().bucket("raw").key(key);
    let create = create.checksum_algorithm(ChecksumAlgorithm::Crc32);
    let upload = create.send().await.unwrap().upload_id.unwrap();
    let mut completed = CompletedMultipartUpload::builder();
    for (number, bytes) in (1..).zip(parts) {
        let part = client.upload_part().bucket("raw").key(key).upload_id(&upload);
        let part = part
            .part_number(number)
            .body(bytes.to_vec().into())
            .send()
            .await
            .unwrap();
        let done = CompletedPart::builder().part_number(number);
        completed = completed.parts(
            done.set_e_tag(part.e_tag)
                .set_checksum_crc32(part.checksum_crc32)
                .build(),
        );
    }
    let complete = client.complete_multipart_upload().bucket("raw").key(key);
    let complete = complete.upload_id(upload).multipart_upload(completed.build());
    complete.send().await.unwrap();
}
