//! Which objects a place names, page by page, and what is said where it cannot be listed.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use globset::GlobBuilder;
use lakebed::load::chain;
use lakebed::s3::S3;
use lakebed::source::listing::{Listing, Selection};
use lakebed::source::s3::S3Objects;
use lakebed::store::StoreError;

use crate::harness::{NOON_S, config, list, s3, seed, server};
use crate::support::s3::model::OWNER;
use crate::support::s3::{Effect, Fault, Server};

fn keys(listing: &Listing) -> Vec<&str> {
    listing.sources.iter().map(|source| source.name.key.as_str()).collect()
}

async fn list_with(s3: S3, place: &str, selection: &Selection) -> Result<Listing, StoreError> {
    S3Objects::new(s3).list(&place.parse().unwrap(), selection).await
}

#[tokio::test]
async fn a_place_is_the_key_itself_and_what_is_below_it() {
    let server = server();
    let all = [
        "P/x", "o", "p", "p ", "p-1", "p.json", "p/", "p//x", "p/a", "p/b/c", "p0", "p2/a", "q",
    ];
    for key in all {
        seed(&server, key, if key == "p/" { "" } else { "x" });
    }
    let whole: Vec<&str> = all.into_iter().filter(|key| *key != "p/").collect();
    for (place, expected, hidden) in [
        ("s3://raw", whole.as_slice(), 1),
        ("s3://raw/", &whole, 1),
        ("s3://raw/p", &["p", "p//x", "p/a", "p/b/c"], 1),
        ("s3://raw/p/", &["p//x", "p/a", "p/b/c"], 1),
        ("s3://raw/p//", &["p//x"], 0),
        ("s3://raw/p/b", &["p/b/c"], 0),
        ("s3://raw/p/b/c", &["p/b/c"], 0),
        ("s3://raw/p-1", &["p-1"], 0),
        ("s3://raw/p.json", &["p.json"], 0),
        ("s3://raw/p2", &["p2/a"], 0),
        ("s3://raw/P", &["P/x"], 0),
        ("s3://raw/p ", &["p "], 0),
        ("s3://raw//p", &[], 0),
        ("s3://raw/nothing", &[], 0),
        ("s3://raw/p/a/", &[], 0),
    ] {
        let listing = list(s3(&server), place).await;
        assert_eq!(keys(&listing), expected, "{place}");
        assert_eq!((listing.hidden, listing.unselected), (hidden, 0), "{place}");
        assert_eq!(listing.is_empty(), expected.is_empty(), "{place}");
    }
}

#[tokio::test]
async fn all_pages_are_listed_in_the_order_of_bytes() {
    let server = server();
    let mut all: Vec<String> = (0..2500)
        .map(|n| format!("p/{:04}/\u{e9} {n}", n * 7919 % 2500))
        .collect();
    for key in &all {
        seed(&server, key, "x");
    }
    seed(&server, "p", "x");
    seed(&server, "q", "x");
    all.sort();
    all.insert(0, "p".to_owned());
    let listing = list(s3(&server), "s3://raw/p").await;
    assert_eq!(keys(&listing), all);
    assert_eq!(server.calls("ListObjectsV2"), 4, "the key itself, and three pages");
    server.clear_log();
    assert_eq!(list(s3(&server), "s3://raw/").await.sources.len(), 2502);
    assert_eq!(server.log().len(), 3);
}

#[tokio::test]
async fn folder_markers_are_passed_over_and_objects_that_look_alike_are_not() {
    let server = server();
    for (key, bytes) in [
        ("p/", ""),
        ("p/sub/", ""),
        ("p/full/", "x"),
        ("p/empty.json", ""),
        ("p/_SUCCESS", "x"),
        ("p/.a", "x"),
        ("p/_temporary/a", "x"),
    ] {
        seed(&server, key, bytes);
    }
    let listing = list(s3(&server), "s3://raw/p/").await;
    let expected = ["p/.a", "p/_SUCCESS", "p/_temporary/a", "p/empty.json", "p/full/"];
    assert_eq!((keys(&listing).as_slice(), listing.hidden), (&expected[..], 2));
    // Nothing but a marker is a place that is there.
    let listing = list(s3(&server), "s3://raw/p/sub").await;
    assert!(listing.sources.is_empty() && !listing.is_empty());
}

#[tokio::test]
async fn times_and_patterns_select_and_the_rest_is_counted() {
    let server = server();
    for (key, seconds) in [
        ("p", 0),
        ("p/a.json", 10),
        ("p/b.json.gz", 10),
        ("p/sub/c.gz", 10),
        ("p/sub/d", 10),
    ] {
        server.model().advance(Duration::from_secs(seconds));
        seed(&server, key, "x");
    }
    let at = |seconds: i64| Some(NOON_S + seconds);
    for (since_s, until_s, glob, expected) in [
        (
            None,
            None,
            None,
            &["p", "p/a.json", "p/b.json.gz", "p/sub/c.gz", "p/sub/d"][..],
        ),
        (
            at(10),
            None,
            None,
            &["p/a.json", "p/b.json.gz", "p/sub/c.gz", "p/sub/d"],
        ),
        (at(11), None, None, &["p/b.json.gz", "p/sub/c.gz", "p/sub/d"]),
        (None, at(20), None, &["p", "p/a.json"]),
        (at(10), at(11), None, &["p/a.json"]),
        (at(20), at(20), None, &[]),
        (None, None, Some("*"), &["p", "p/a.json", "p/b.json.gz"]),
        (None, None, Some("p"), &["p"]),
        (None, None, Some("**/*.gz"), &["p/b.json.gz", "p/sub/c.gz"]),
        (None, None, Some("*.gz"), &["p/b.json.gz"]),
        (None, None, Some("sub/**"), &["p/sub/c.gz", "p/sub/d"]),
        (None, None, Some("p/**"), &[]),
        (at(30), None, Some("**/*.gz"), &["p/sub/c.gz"]),
    ] {
        let matcher = |glob| {
            GlobBuilder::new(glob)
                .literal_separator(true)
                .build()
                .unwrap()
                .compile_matcher()
        };
        let selection = Selection {
            since_s,
            until_s,
            glob: glob.map(matcher),
        };
        let listing = list_with(s3(&server), "s3://raw/p", &selection).await.unwrap();
        assert_eq!(keys(&listing), expected, "{since_s:?} {until_s:?} {glob:?}");
        assert_eq!(listing.unselected, 5 - expected.len() as u64);
    }
}

/// How a listing fails, told as a person reads it.
async fn refused(s3: S3, place: &str) -> (String, bool) {
    let error = list_with(s3, place, &Selection::default()).await.unwrap_err();
    (chain(&error), error.is_transient())
}

#[track_caller]
fn tells((told, is_transient): (String, bool), expected: &[&str], transient: bool) {
    for expected in expected {
        assert!(told.contains(expected), "no {expected:?} in: {told}");
    }
    assert_eq!(is_transient, transient, "{told}");
}

#[tokio::test]
async fn a_place_that_cannot_be_listed_says_what_to_do() {
    let server = server();
    seed(&server, "p/a", "x");
    let place = "s3://raw/p";
    tells(
        refused(s3(&server), "s3://nowhere/p").await,
        &["s3://nowhere/p", "bucket nowhere does not exist", "look at its name"],
        false,
    );
    let stranger = S3::with_client(s3(&server).client().clone(), Some("999999999999".to_owned()));
    tells(
        refused(stranger, place).await,
        &[
            "access denied: allow s3:ListBucket on arn:aws:s3:::raw",
            "account 999999999999",
            "LAKEBED_EXPECTED_OWNER",
        ],
        false,
    );
    for (effect, expected, transient) in [
        (
            Effect::ACCESS_DENIED,
            &["access denied: allow s3:ListBucket on arn:aws:s3:::raw"][..],
            false,
        ),
        (
            Effect::Answer(400, "ExpiredToken"),
            &["credentials have expired", "log in again"],
            true,
        ),
        (
            Effect::Answer(403, "InvalidAccessKeyId"),
            &["does not know these AWS credentials"],
            false,
        ),
        (Effect::Answer(403, "SignatureDoesNotMatch"), &["its secret"], false),
        (
            Effect::Answer(403, "RequestTimeTooSkewed"),
            &["clock of this machine"],
            false,
        ),
        (
            Effect::Answer(301, "PermanentRedirect"),
            &["bucket raw is in another region", "AWS_REGION"],
            false,
        ),
        (Effect::SLOW_DOWN, &["fewer requests", "try again later"], true),
        (Effect::INTERNAL_ERROR, &["S3", "InternalError"], true),
        (Effect::Close, &["no whole answer came"], true),
        (Effect::Cut(100), &["no whole answer came"], true),
    ] {
        server.clear_faults();
        server.inject(Fault::on("ListObjectsV2", effect));
        tells(refused(s3(&server), place).await, expected, transient);
    }
    drop_server_then_list(server).await;
}

async fn drop_server_then_list(server: std::sync::Arc<Server>) {
    let (s3, address) = (s3(&server), server.endpoint().replace("http://", ""));
    drop(server);
    // The listener goes a moment later.
    while TcpStream::connect(&address).is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tells(refused(s3, "s3://raw/p").await, &["cannot reach", "network"], true);
}

#[tokio::test]
async fn a_listing_is_whole_or_an_error() {
    let server = server();
    for n in 0..2500 {
        seed(&server, &format!("p/{n:04}"), "x");
    }
    for effect in [
        Effect::SLOW_DOWN,
        Effect::INTERNAL_ERROR,
        Effect::Close,
        Effect::CloseAfter,
        Effect::Cut(50_000),
    ] {
        for page in 1..=4 {
            server.clear_faults();
            server.inject(Fault::on("ListObjectsV2", effect.clone()).nth(page));
            assert_eq!(
                list(s3(&server), "s3://raw/p").await.sources.len(),
                2500,
                "{effect:?} of page {page}"
            );
        }
    }
    for page in 1..=3 {
        server.clear_faults();
        // The pages before it are answered; its own is asked for five times, and then nothing is known of what is left.
        server.inject(Fault::on("ListObjectsV2", Effect::SLOW_DOWN).request({
            let mut seen = 0;
            move |_| {
                seen += 1;
                seen >= page
            }
        }));
        refused(s3(&server), "s3://raw/p/").await;
    }
}

#[tokio::test]
async fn every_page_names_the_expected_owner() {
    let server = server();
    for n in 0..1001 {
        seed(&server, &format!("p/{n:04}"), "x");
    }
    let client = aws_sdk_s3::Client::from_conf(config(&server).build());
    list(S3::with_client(client, Some(OWNER.to_owned())), "s3://raw/p").await;
    let log = server.log();
    assert_eq!(log.len(), 3);
    assert!(
        log.iter()
            .all(|entry| entry.header("x-amz-expected-bucket-owner") == Some(OWNER))
    );
}

/// A store that answers every request with this; its address.
fn store_that_says(listing: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            let length = listing.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{listing}"
            )
            .unwrap();
        }
    });
    endpoint
}

#[tokio::test]
async fn a_page_that_is_not_the_last_and_leads_nowhere_is_an_error() {
    let server = server();
    for (listing, expected) in [
        ("<IsTruncated>true</IsTruncated>", "there are more objects"),
        ("<Contents><Key>a</Key><Size>1</Size></Contents>", "S3 gave no ETag"),
        ("<Contents><Key>a</Key><ETag>x</ETag></Contents>", "S3 gave no size"),
        (
            "<Contents><Key>a</Key><ETag>x</ETag><Size>1</Size></Contents>",
            "S3 gave no Last-Modified",
        ),
    ] {
        let listing = format!("<ListBucketResult>{listing}</ListBucketResult>");
        let client = config(&server).endpoint_url(store_that_says(listing.leak())).build();
        let s3 = S3::with_client(aws_sdk_s3::Client::from_conf(client), None);
        let (told, _) = refused(s3, "s3://raw/").await;
        assert!(told.contains(expected), "{told}");
    }
}
