//! Bodies that come too slowly: given up, asked for again from there, and an error where that does not help. A reader that is
//! slow is no fault of S3.

use std::io::Read as _;
use std::time::Duration;

use aws_sdk_s3::Client;
use lakebed::s3::{Patience, S3};
use lakebed::source::raw::ReadError;
use lakebed::store::{Body, LakeKey, Put, S3Store, Store as _};

use crate::harness::{MIB, blocking, config, noise, raw_log, raw_of, read_all, seed, server};
use crate::support::s3::{Effect, Entry, Fault, Server};
use crate::support::s3_lake::{spooled, told};

const SHORT: Duration = Duration::from_millis(400);

fn with(server: &Server, patience: Patience) -> S3 {
    S3::with_patience(Client::from_conf(config(server).build()), None, patience)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_given_up_and_asked_for_again_from_there() {
    let server = server();
    let body = noise(1, 100_000);
    let sources = [seed(&server, "a", body.clone())];
    // A byte is never far off; it would take hours.
    server.inject(Fault::on("GetObject", Effect::Trickle(50)).first(1));
    let patience = Patience {
        body: SHORT,
        ..Patience::default()
    };
    assert!(read_all(&raw_of(with(&server, patience)), &sources, 0).await.unwrap() == [body]);
    let log = raw_log(&server);
    // And one for the checksum of what came in two pieces.
    assert_eq!((log.len(), server.calls("GetObject")), (3, 2));
    let range = log[1].header("range").unwrap();
    let from: u64 = range["bytes=".len()..].split('-').next().unwrap().parse().unwrap();
    assert!((1..100).contains(&from), "{range}");
    assert_eq!(log[1].header("if-match"), log[0].header("if-match"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_for_ever_is_an_error_that_a_later_run_need_not_meet() {
    let server = server();
    let sources = [seed(&server, "a", noise(1, 100_000))];
    server.inject(Fault::on("GetObject", Effect::Trickle(20)));
    let patience = Patience {
        body: SHORT,
        ..Patience::default()
    };
    let error = read_all(&raw_of(with(&server, patience)), &sources, 0)
        .await
        .unwrap_err();
    assert!(matches!(&error, ReadError::S3(_)) && error.is_transient(), "{error:?}");
    assert_eq!(raw_log(&server).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_gets_on_and_never_ends_is_an_error_in_the_end() {
    let server = server();
    let sources = [seed(&server, "a", noise(1, 4_000_000))];
    // Each answer brings enough to be called progress.
    server.inject(Fault::on("GetObject", Effect::Stall(70_000)));
    let patience = Patience {
        stall: Duration::from_millis(300),
        range: Duration::from_millis(1200),
        slowest: 1 << 30,
        ..Patience::default()
    };
    let error = read_all(&raw_of(with(&server, patience)), &sources, 0)
        .await
        .unwrap_err();
    let ReadError::S3(refusal) = &error else {
        panic!("{error:?}")
    };
    let why = refusal.source.to_string();
    assert!(error.is_transient() && why.contains("was not asked any more"), "{why}");
    assert!(raw_log(&server).len() < 10);
}

/// Neither a rest between two pieces nor the sum of many is time in which S3 is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_waited_for() {
    let server = server();
    let size = 40 * MIB;
    let content = noise(7, size as usize);
    let sources = [seed(&server, "a", content.clone())];
    let patience = Patience {
        stall: SHORT,
        body: SHORT,
        range: SHORT,
        slowest: 1 << 40,
        ..Patience::default()
    };
    let raw = raw_of(with(&server, patience));
    blocking(move |runtime| {
        // One range at a time: the next one waits half way while the reader rests.
        let mut stored = raw.read(runtime, &sources, 0).open(&sources[0]).unwrap().stored;
        let mut piece = vec![0; 1 << 20];
        for (n, expected) in content.chunks(piece.len()).enumerate() {
            std::thread::sleep(if n == 6 { 3 * SHORT } else { SHORT / 10 });
            stored.read_exact(&mut piece).unwrap();
            assert!(piece == expected, "MiB {n}");
        }
    })
    .await;
    // A busy machine may be slow as well, and then a body is asked for again; never each.
    let again = raw_log(&server).len() - 10;
    assert!(again <= 3, "{again} bodies were given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_gets_stuck_on_its_way_is_sent_again() {
    // More than the connection's own buffers take.
    let long = vec![7; 24 << 20];
    let spool = spooled(&long);
    for (first, expected) in [(Some(2), true), (None, false)] {
        let server = server();
        let patience = Patience {
            stall: SHORT,
            ..Patience::default()
        };
        let store = S3Store::new(with(&server, patience), &"s3://lake/x".parse().unwrap());
        let stuck = Fault::on("PutObject", Effect::StallRequest(1));
        server.inject(match first {
            Some(first) => stuck.first(first),
            None => stuck,
        });
        let key = LakeKey::new("t/a").unwrap();
        let body = Body::file(spool.clone(), 0..long.len() as u64);
        match store.put_if_absent(&key, body).await {
            Ok(put) => assert!(expected && put == Put::Written, "{put:?}"),
            Err(error) => {
                assert!(!expected && error.is_transient(), "{}", told(&error));
                assert!(
                    told(&error).contains("took nothing more of the request"),
                    "{}",
                    told(&error)
                );
            }
        }
        let sent = server
            .log()
            .iter()
            .filter(|entry: &&Entry| entry.operation == "PutObject")
            .count();
        assert_eq!(sent, if expected { 3 } else { 5 });
        let stored = server.model().bytes("lake", "x/t/a");
        assert!(stored.is_some_and(|stored| stored == long) == expected);
    }
}
