//! The bytes of objects through a job's reader: whole, in their order, in no more requests than it takes.

use std::io::Read as _;
use std::time::{Duration, Instant};

use lakebed::source::listing::Source;
use tokio::runtime::Handle;

use crate::harness::{
    MIB, PATIENCE, blocking, gets, impatient, list, noise, raw_log, raw_of, read_all, s3, seed, server,
};
use crate::sandbox::gzip;
use crate::support::s3::{At, Effect, Entry, Fault, Headers, Payload, Server, Versioning};

const RANGE: u64 = 4 * MIB;

/// Objects of these sizes, and what is in them.
fn seeded(server: &Server, sizes: &[u64]) -> (Vec<Source>, Vec<Vec<u8>>) {
    let contents: Vec<_> = (0..).zip(sizes).map(|(n, size)| noise(n, *size as usize)).collect();
    let sources = (0..)
        .zip(&contents)
        .map(|(n, bytes): (u64, _)| seed(server, &format!("{n:03}"), bytes.clone()));
    (sources.collect(), contents)
}

#[track_caller]
fn same(found: &[Vec<u8>], expected: &[Vec<u8>], case: &str) {
    // Not assert_eq: megabytes would be printed.
    let sizes = |all: &[Vec<u8>]| all.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(found), sizes(expected), "{case}");
    assert!(found == expected, "the sizes are right and the bytes are not: {case}");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_every_size_come_out_byte_for_byte() {
    let sizes = [0, 1, RANGE - 1, RANGE, RANGE + 1, 13 * MIB, 0, 0, 1, 2 * RANGE];
    let ranges: u64 = sizes.iter().map(|size: &u64| size.div_ceil(RANGE).max(1)).sum();
    let server = server();
    let (sources, contents) = seeded(&server, &sizes);
    for memory in [0, 1, RANGE, 13 * MIB, 1 << 40] {
        server.clear_log();
        let found = read_all(&raw_of(s3(&server)), &sources, memory).await.unwrap();
        same(&found, &contents, &format!("memory {memory}"));
        let log = server.log();
        let heads = log.iter().filter(|entry| entry.operation == "HeadObject").count();
        assert_eq!(heads, 3, "one for the checksum of each object of several ranges");
        assert_eq!((log.len() - heads) as u64, ranges, "one request a range");
        assert!(log.iter().all(|entry| entry.header("if-match").is_some()));
    }
    // Announced ones: a small one that the first look brought is not asked for again. The first look at a large one tells what it
    // is, and no more.
    let raw = raw_of(s3(&server));
    server.clear_log();
    for source in &sources {
        raw.s3().unwrap().first_look(&source.name).await.unwrap();
    }
    let found = read_all(&raw, &sources, 8 * MIB).await.unwrap();
    same(&found, &contents, "announced");
    assert_eq!(server.calls("HeadObject"), 3);
    assert_eq!(server.calls("GetObject") as u64, ranges + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_look_that_waits_longer_than_a_stall_is_no_stall() {
    let server = server();
    let (sources, contents) = seeded(&server, &[3 * MIB, 9 * MIB]);
    let raw = raw_of(impatient(&server));
    for source in &sources {
        raw.s3().unwrap().first_look(&source.name).await.unwrap();
    }
    tokio::time::sleep(2 * PATIENCE).await;
    same(&read_all(&raw, &sources, 8 * MIB).await.unwrap(), &contents, "");
    // Two would come again. On a busy machine one may be late for other reasons.
    assert!((5..7).contains(&server.calls("GetObject")));
}

#[tokio::test(flavor = "multi_thread")]
async fn first_looks_beyond_what_is_kept_cost_a_request_more_and_nothing_else() {
    let server = server();
    let (sources, contents) = seeded(&server, &[1000; 40]);
    let raw = raw_of(s3(&server));
    for source in &sources {
        assert_eq!(
            raw.s3().unwrap().first_look(&source.name).await.unwrap().as_ref(),
            Some(&source.version)
        );
    }
    same(&read_all(&raw, &sources, 8 * MIB).await.unwrap(), &contents, "");
    assert_eq!((server.calls("GetObject"), server.calls("HeadObject")), (40, 24));
    // Forgotten ones are asked for anew.
    raw.s3().unwrap().first_look(&sources[0].name).await.unwrap();
    raw.s3().unwrap().forget();
    same(
        &read_all(&raw, &sources[..1], 8 * MIB).await.unwrap(),
        &contents[..1],
        "",
    );
    assert_eq!(server.calls("GetObject"), 42);
}

#[tokio::test(flavor = "multi_thread")]
async fn some_requests_are_under_way_at_once_and_no_more_than_the_memory_holds() {
    // The first is never answered; what is asked for meanwhile is what is read ahead.
    for (objects, size, memory, expected) in [
        (20, 1000, 8 * MIB, 16),
        (20, 1000, 4500, 4),
        (20, 1000, 0, 1),
        (5, 3 * MIB, 8 * MIB, 2),
        // Ranges that are not the first of their object wait until that has told its version.
        (5, 13 * MIB, 8 * MIB, 1),
        (5, 13 * MIB, 1 << 40, 16 - 3),
    ] {
        let server = server();
        let (sources, _) = seeded(&server, &vec![size; objects]);
        server.inject(Fault::on("GetObject", Effect::Hang).key(|key| key == "000").nth(1));
        let reader = raw_of(s3(&server)).read(&Handle::current(), &sources, memory);
        let began = Instant::now();
        while server.calls("GetObject") < expected && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // For those that should not come.
        tokio::time::sleep(Duration::from_millis(150)).await;
        drop(reader);
        let asked = server.calls("GetObject");
        assert_eq!(asked, expected, "{objects} of {size} bytes, memory {memory}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_come_in_fewer_ranges_as_quickly_as_they_are_read() {
    let size = 160 * MIB;
    let content: Vec<u8> = (0..size / 8).flat_map(u64::to_le_bytes).collect();
    let server = server();
    let sources = [seed(&server, "large", content.clone()), seed(&server, "small", "x")];
    server.inject(Fault::on("GetObject", Effect::Cut(3_000_000)).every(7));
    // The reader rests once for longer than a body may stall.
    let raw = raw_of(impatient(&server));
    blocking(move |runtime| {
        let mut reader = raw.read(runtime, &sources, 13 * MIB);
        let mut stored = reader.open(&sources[0]).unwrap().stored;
        let mut piece = vec![0; 1 << 20];
        for (n, expected) in content.chunks(piece.len()).enumerate() {
            if n == 6 {
                std::thread::sleep(2 * PATIENCE);
            }
            stored.read_exact(&mut piece).unwrap();
            assert!(piece == expected, "MiB {n}");
        }
        assert_eq!(stored.read(&mut piece).unwrap(), 0);
        let mut small = String::new();
        reader
            .open(&sources[1])
            .unwrap()
            .stored
            .read_to_string(&mut small)
            .unwrap();
        assert_eq!(small, "x");
    })
    .await;
    let log = raw_log(&server);
    let struck = log.iter().filter(|entry| entry.fault.is_some()).count();
    // The first has 4 MiB, each other a thirty-second of the object. A struck one may have had no more left than it brought.
    assert!(
        (32..=35).contains(&(log.len() - struck)),
        "{} requests, {struck} struck",
        log.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_read_of_an_object_does_not_touch_the_next() {
    let server = server();
    let (sources, contents) = seeded(&server, &[40 * MIB, 13 * MIB, 0, 9 * MIB, 3]);
    for (memory, taken) in [(0, 0), (0, 10), (8 * MIB, 10), (8 * MIB, 5_000_000), (1 << 40, 10)] {
        server.clear_log();
        let (raw, all) = (raw_of(s3(&server)), sources.clone());
        let found = blocking(move |runtime| {
            let mut reader = raw.read(runtime, &all, memory);
            let mut begun = vec![0; taken];
            let mut found = Vec::new();
            for (n, source) in all.iter().enumerate() {
                let mut opened = reader.open(source).unwrap();
                if n % 3 == 0 {
                    opened.stored.read_exact(&mut begun).unwrap();
                    found.push(begun.clone());
                } else {
                    let mut bytes = Vec::new();
                    opened.stored.read_to_end(&mut bytes).unwrap();
                    found.push(bytes);
                }
            }
            found
        });
        let mut expected = contents.clone();
        expected[0].truncate(taken);
        expected[3].truncate(taken);
        same(
            &found.await,
            &expected,
            &format!("memory {memory}, {taken} bytes taken"),
        );
        if memory <= 8 * MIB {
            assert!(
                gets(&server, "000") < 6,
                "{} of 10 ranges were asked for",
                gets(&server, "000")
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_in_an_object_that_nobody_reads_on_is_no_fault_of_the_next() {
    for n in 2..=4 {
        let server = server();
        let (sources, contents) = seeded(&server, &[16 * MIB, 1000, 9 * MIB]);
        server.inject(
            Fault::on("GetObject", Effect::ACCESS_DENIED)
                .key(|key| key == "000")
                .nth(n),
        );
        let raw = raw_of(s3(&server));
        let found = blocking(move |runtime| {
            let mut reader = raw.read(runtime, &sources, 64 * MIB);
            let mut first = vec![0; 10];
            reader.open(&sources[0]).unwrap().stored.read_exact(&mut first).unwrap();
            // Until the failure waits to be told.
            std::thread::sleep(Duration::from_millis(300));
            let mut found = vec![first];
            for source in &sources[1..] {
                let mut bytes = Vec::new();
                let opened = reader.open(source).map_err(|error| format!("{}: {error}", source.name));
                opened.unwrap().stored.read_to_end(&mut bytes).unwrap();
                found.push(bytes);
            }
            found
        });
        let mut expected = contents;
        expected[0].truncate(10);
        same(&found.await, &expected, &format!("range {n} denied"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_dropped_asks_for_nothing_more() {
    let server = server();
    let (sources, _) = seeded(&server, &[1000; 300]);
    let raw = raw_of(s3(&server));
    blocking(move |runtime| {
        let mut reader = raw.read(runtime, &sources, 8 * MIB);
        reader
            .open(&sources[0])
            .unwrap()
            .stored
            .read_exact(&mut [0; 10])
            .unwrap();
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = server.log().len();
    assert!(asked < 60, "{asked} requests for one object");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.log().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_object_says_of_itself_is_told_with_its_bytes() {
    let server = server();
    let body = gzip("{}\n");
    server.model().bucket("raw").versioning = Versioning::On;
    let headers = Headers {
        content_encoding: Some("gzip".to_owned()),
        ..Headers::default()
    };
    let put = server.model().put(
        At::new("raw", "a+b.json"),
        Payload::new(body.clone()),
        headers,
        &Default::default(),
    );
    let version_id = put.unwrap().version;
    let sources = list(s3(&server), "s3://raw").await.sources;
    for announced in [false, true] {
        let raw = raw_of(s3(&server));
        if announced {
            raw.s3().unwrap().first_look(&sources[0].name).await.unwrap();
        }
        let sources = sources.clone();
        let (hint, version, bytes) = blocking(move |runtime| {
            let mut opened = raw.read(runtime, &sources, 8 * MIB).open(&sources[0]).unwrap();
            let mut bytes = Vec::new();
            opened.stored.read_to_end(&mut bytes).unwrap();
            (opened.hint, opened.version_id, bytes)
        })
        .await;
        assert_eq!(
            (hint.content_encoding.as_deref(), hint.name.as_str()),
            (Some("gzip"), "a+b.json")
        );
        assert_eq!(version, version_id);
        assert_eq!(bytes, body, "as stored: nobody on the way has decompressed it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_after_the_first_are_pinned_to_its_version() {
    let server = server();
    server.model().bucket("raw").versioning = Versioning::On;
    let (sources, contents) = seeded(&server, &[13 * MIB]);
    let found = read_all(&raw_of(s3(&server)), &sources, 64 * MIB).await.unwrap();
    same(&found, &contents, "");
    let mut lines: Vec<String> = raw_log(&server).iter().map(Entry::to_string).collect();
    lines.sort();
    let tag = &sources[0].version.etag;
    let id = server
        .model()
        .get(At::new("raw", "000"), None, &Default::default())
        .unwrap()
        .version
        .unwrap();
    let pinned = |range| format!("GetObject raw/000 versionId={id} range=bytes={range} if-match=\"{tag}\" -> 206");
    let mut expected = vec![
        format!("GetObject raw/000 range=bytes=0-4194303 if-match=\"{tag}\" -> 206"),
        pinned("12582912-13631487"),
        pinned("4194304-8388607"),
        pinned("8388608-12582911"),
        format!("HeadObject raw/000 if-match=\"{tag}\" -> 200"),
    ];
    expected.sort();
    assert_eq!(lines, expected);
}
