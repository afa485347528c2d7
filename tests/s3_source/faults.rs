//! The bytes of objects where answers break off, stall, are refused or are not what was asked for: nothing is lost, nothing
//! comes twice, and what cannot be read is an error in a bounded number of requests.

use lakebed::s3::S3;
use lakebed::source::listing::Source;
use lakebed::source::raw::ReadError;

use crate::harness::{MIB, at_once, impatient, noise, raw_log, raw_of, read_all, s3, seed, server};
use crate::sandbox::Dice;
use crate::support::s3::{Effect, Entry, Fault, Server};

/// Four objects, of seven ranges together.
fn seeded(server: &Server) -> (Vec<Source>, Vec<Vec<u8>>) {
    let contents = [9 * MIB, 0, 300_000, 5 * MIB]
        .map(|size| noise(size, size as usize))
        .to_vec();
    let sources = (0..)
        .zip(&contents)
        .map(|(n, bytes)| seed(server, &n.to_string(), bytes.clone()));
    (sources.collect(), contents)
}

const RANGES: usize = 7;

/// Reads the objects of [`seeded`] under these faults; how many requests it took, and how many of them were struck.
async fn read_under(case: &str, faults: Vec<Fault>) -> (usize, usize) {
    read_with(s3, case, faults).await
}

async fn read_with(client: fn(&Server) -> S3, case: &str, faults: Vec<Fault>) -> (usize, usize) {
    let server = server();
    let (sources, contents) = seeded(&server);
    faults.into_iter().for_each(|fault| server.inject(fault));
    let found = read_all(&raw_of(client(&server)), &sources, 13 * MIB).await;
    let found = found.unwrap_or_else(|error| panic!("{case}: {error}"));
    assert!(found == contents, "{case}: other bytes");
    // Besides them, of each object of several ranges its checksum is asked for.
    let gets = server.log().into_iter().filter(|entry| entry.operation == "GetObject");
    let log: Vec<_> = gets.collect();
    let struck = log.iter().filter(|entry| entry.fault.is_some()).count();
    (log.len(), struck)
}

fn get(effect: Effect) -> Fault {
    Fault::on("GetObject", effect)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_read_on_from_there() {
    let places = [0, 1, 1000, 65_536, 65_537, 299_999, 1_000_000, 4_194_303];
    let cases = places.into_iter().flat_map(|after| [(after, 2), (after, 3)]);
    at_once(cases.map(|(after, every)| async move {
        let case = format!("each {every}. body ends after {after}");
        let (requests, struck) = read_under(&case, vec![get(Effect::Cut(after)).every(every)]).await;
        assert!(
            struck > 0 && requests <= RANGES + struck,
            "{case}: {requests}, {struck} struck"
        );
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_all_break_off_are_read_as_long_as_they_bring_something() {
    at_once([300_001, 1_000_000, 3_000_000].map(|after| async move {
        let case = format!("every body ends after {after}");
        let (requests, struck) = read_under(&case, vec![get(Effect::Cut(after))]).await;
        let needed = [4 * MIB, 4 * MIB, MIB, 1, 300_000, 4 * MIB, MIB].map(|range| range.div_ceil(after));
        assert_eq!(requests as u64, needed.iter().sum::<u64>(), "{case}, {struck} struck");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_with_some_requests_the_bytes_are_right() {
    at_once((1..=12).map(|seed| async move {
        let mut dice = Dice(seed);
        let mut faults: Vec<_> = (0..4)
            .map(|n| get(Effect::Cut(dice.below(4_300_000))).at_rate(0.12, seed * 100 + n))
            .collect();
        for (n, effect) in (10..).zip([
            Effect::Cut(dice.below(70_000)),
            Effect::SLOW_DOWN,
            Effect::INTERNAL_ERROR,
            Effect::Close,
            Effect::CloseAfter,
            Effect::IgnoreRange,
        ]) {
            faults.push(get(effect).at_rate(0.05, seed * 100 + n));
        }
        let case = format!("seed {seed}");
        let (requests, struck) = read_under(&case, faults).await;
        assert!(
            requests <= RANGES + struck,
            "{case}: {requests} requests, {struck} struck"
        );
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_missing_is_asked_for_again_and_on_the_same_condition() {
    let server = server();
    let body = noise(1, 1_000_000);
    let sources = [seed(&server, "a", body.clone())];
    server.inject(get(Effect::Cut(1000)).nth(1));
    server.inject(get(Effect::Cut(500_000)).nth(2));
    server.inject(get(Effect::Cut(0)).nth(3));
    assert!(read_all(&raw_of(s3(&server)), &sources, 0).await.unwrap() == [body]);
    let tag = &sources[0].version.etag;
    let lines: Vec<_> = server.log().iter().map(Entry::to_string).collect();
    assert_eq!(
        lines,
        [
            format!("GetObject raw/a if-match=\"{tag}\" -> 200 (Cut(1000))"),
            format!("GetObject raw/a range=bytes=1000-999999 if-match=\"{tag}\" -> 206 (Cut(500000))"),
            format!("GetObject raw/a range=bytes=501000-999999 if-match=\"{tag}\" -> 206 (Cut(0))"),
            format!("GetObject raw/a range=bytes=501000-999999 if-match=\"{tag}\" -> 206"),
            // Answers to a part of it came without its checksum.
            format!("HeadObject raw/a if-match=\"{tag}\" -> 200"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_resumed_and_changed_on_its_way_is_read_again() {
    let server = server();
    let body = noise(1, 1_000_000);
    let sources = [seed(&server, "a", body.clone())];
    server.inject(get(Effect::Cut(1000)).nth(1));
    server.inject(get(Effect::Flip(7)).nth(2));
    assert!(read_all(&raw_of(s3(&server)), &sources, 0).await.unwrap() == [body]);
    assert_eq!((server.calls("GetObject"), server.calls("HeadObject")), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_stall_or_never_come_are_given_up_and_asked_for_again() {
    at_once(
        [
            Effect::Stall(0),
            Effect::Stall(1000),
            Effect::Stall(200_000),
            Effect::Hang,
        ]
        .map(|effect| async move {
            let case = format!("{effect:?}");
            // Not the empty object, whose body cannot stall.
            let fault = get(effect).key(|key| key != "1").first(2);
            let (requests, struck) = read_with(impatient, &case, vec![fault]).await;
            assert_eq!(struck, 2, "{case}");
            // On a busy machine a sound answer may be late as well.
            assert!((RANGES + 2..RANGES + 6).contains(&requests), "{case}: {requests}");
        }),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_or_failing_s3_is_asked_again() {
    for effect in [
        Effect::SLOW_DOWN,
        Effect::INTERNAL_ERROR,
        Effect::Answer(503, "ServiceUnavailable"),
        Effect::Answer(500, "OperationAborted"),
        Effect::Answer(400, "RequestTimeout"),
        Effect::Close,
        Effect::CloseAfter,
    ] {
        let case = format!("{effect:?}");
        for first in [1, 4] {
            let (requests, struck) = read_under(&case, vec![get(effect.clone()).first(first)]).await;
            assert_eq!(
                (requests as u64, struck as u64),
                (RANGES as u64 + first, first),
                "{case}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_know_ranges_is_read_all_the_same() {
    for fault in [get(Effect::IgnoreRange), get(Effect::IgnoreRange).every(2)] {
        let (requests, _) = read_under("ranges not heeded", vec![fault]).await;
        assert_eq!(requests, RANGES);
    }
    // And where its bodies break off as well.
    let ignore = get(Effect::IgnoreRange).every(2);
    let (requests, struck) = read_under("and cut", vec![get(Effect::Cut(400_000)).nth(3), ignore]).await;
    assert!(requests <= RANGES + 1, "{requests}, {struck} struck");
    // The first look at an announced object, too.
    let server = server();
    let (sources, contents) = seeded(&server);
    server.inject(get(Effect::IgnoreRange));
    let raw = raw_of(s3(&server));
    for source in &sources {
        assert_eq!(
            raw.s3().unwrap().first_look(&source.name).await.unwrap().as_ref(),
            Some(&source.version)
        );
    }
    assert!(read_all(&raw, &sources, 13 * MIB).await.unwrap() == contents);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_what_s3_summed_up_are_not_taken() {
    let wrong = || get(Effect::Header("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="));
    for first in [1, 3] {
        // Only an answer with the whole object has a sum of it.
        let fault = wrong().key(|key| key == "2").first(first);
        let (requests, struck) = read_under("wrong sum", vec![fault]).await;
        assert_eq!((requests, struck as u64), (RANGES + struck, first));
    }
    let server = server();
    let sources = [seed(&server, "a", noise(1, 100_000))];
    server.inject(wrong());
    let error = read_all(&raw_of(s3(&server)), &sources, 0).await.unwrap_err();
    assert!(matches!(&error, ReadError::S3(_)) && error.is_transient(), "{error:?}");
    assert_eq!(server.log().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_something_else_is_no_answer() {
    // Each in the second range: the first was right.
    for (effect, expected) in [
        (Effect::OTHER_TAG, "it was overwritten while it was read"),
        (
            Effect::Header("content-range", "bytes 0-4194303/13631488"),
            "another range",
        ),
        (
            Effect::Header("content-range", "bytes 4194305-8388607/13631488"),
            "another range",
        ),
        (
            Effect::Header("content-range", "bytes 4194304-8388607/13631489"),
            "another range",
        ),
        (
            Effect::Header("content-range", "bytes 4194304-8388607/*"),
            "another range",
        ),
        (Effect::Header("content-range", "lines 1-2/3"), "another range"),
        (Effect::Answer(412, "PreconditionFailed"), "overwritten"),
        (Effect::Answer(416, "InvalidRange"), "overwritten"),
    ] {
        for memory in [0, 64 * MIB] {
            let server = server();
            let sources = [seed(&server, "a", noise(1, 13 << 20))];
            server.inject(get(effect.clone()).request(|entry: &Entry| {
                entry
                    .header("range")
                    .is_some_and(|range| range.starts_with("bytes=4194304-"))
            }));
            let error = read_all(&raw_of(s3(&server)), &sources, memory).await.unwrap_err();
            assert!(matches!(error, ReadError::Changed(_)), "{effect:?}: {error:?}");
            assert!(error.to_string().contains(expected), "{effect:?}: {error}");
            assert!(error.is_transient() && server.calls("GetObject") <= 4);
        }
    }
    let server = server();
    let sources = [seed(&server, "a", "x")];
    server.inject(get(Effect::OTHER_TAG));
    let error = read_all(&raw_of(s3(&server)), &sources, 0).await.unwrap_err();
    assert!(matches!(error, ReadError::Changed(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_comes_is_an_error_after_a_bounded_number_of_requests() {
    let cases = [
        (Effect::Cut(0), "Source.Unreadable", true, 6, "no whole answer came"),
        (Effect::Cut(1000), "Source.Unreadable", true, 6, "no whole answer came"),
        (Effect::Close, "Source.Unreadable", true, 30, "no whole answer came"),
        (
            Effect::SLOW_DOWN,
            "Source.Unreadable",
            true,
            30,
            "asks for fewer requests",
        ),
        (Effect::INTERNAL_ERROR, "Source.Unreadable", true, 30, "S3 failed"),
        (
            Effect::ACCESS_DENIED,
            "Source.Unreadable",
            false,
            1,
            "access denied: allow s3:GetObject on arn:aws:s3:::raw/a, and s3:ListBucket on arn:aws:s3:::raw",
        ),
        (
            Effect::Answer(403, "InvalidObjectState"),
            "Source.Unreadable",
            false,
            1,
            "it is archived (Glacier): restore it",
        ),
        (
            Effect::Answer(404, "NoSuchKey"),
            "Source.Missing",
            false,
            1,
            "is not there",
        ),
        (
            Effect::Answer(404, "NoSuchBucket"),
            "Source.Unreadable",
            false,
            1,
            "bucket raw does not exist",
        ),
        (
            Effect::Answer(412, "PreconditionFailed"),
            "Source.Changed",
            true,
            1,
            "overwritten",
        ),
    ];
    at_once(cases.map(|(effect, code, transient, at_most, expected)| async move {
        let server = server();
        let sources = [seed(&server, "a", noise(1, 100_000))];
        server.inject(get(effect.clone()));
        let error = read_all(&raw_of(s3(&server)), &sources, 0).await.unwrap_err();
        let requests = raw_log(&server).len();
        assert_eq!(
            (error.code(), error.is_transient()),
            (code, transient),
            "{effect:?}: {error}"
        );
        assert!(error.to_string().contains(expected), "{effect:?}: {error}");
        assert!(requests <= at_most, "{effect:?}: {requests} requests");
    }))
    .await;
}
