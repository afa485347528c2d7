//! Where may be read and written: raw prefixes, never the lake; decided by names, before any request.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::events::{created, encoded, failed_messages, message_each, notification, records};
use crate::support::s3::{Effect, Fault, OWNER};
use crate::world::{World, answer, error, handle, lines, long_lines, tally};

#[tokio::test]
async fn a_lake_that_overlaps_raw_objects_stops_the_start() {
    for (raw, lake, overlap) in [
        ("s3://raw/in", "s3://raw/in/lake", true),
        ("s3://raw/in", "s3://raw/in", true),
        ("s3://raw/in/", "s3://raw/in", true),
        ("s3://raw/in", "s3://raw/in/", true),
        ("s3://raw/in/deep", "s3://raw/in", true),
        ("s3://raw", "s3://raw/lake", true),
        ("s3://raw/", "s3://raw/lake", true),
        ("s3://raw/in", "s3://raw", true),
        ("s3://raw/in", "s3://raw/", true),
        ("s3://raw", "s3://raw", true),
        ("s3://other/in,s3://raw/in", "s3://raw/in/lake", true),
        ("s3://raw/a,s3://raw/b", "s3://raw/b/lake", true),
        ("s3://raw//", "s3://raw//lake", true),
        ("s3://raw/in//", "s3://raw/in", true),
        ("s3://raw/in", "s3://raw/in2", false),
        ("s3://raw/in/a", "s3://raw/in/b", false),
        ("s3://raw/in", "s3://raw/In", false),
        ("s3://raw/in", "s3://raw//in", false),
        ("s3://raw/in", "s3://lake/in", false),
        ("s3://raw", "s3://lake", false),
    ] {
        let world = World::new();
        let function = world.function_with(&[("LAKEBED_RAW", raw), ("LAKEBED_LAKE", lake)]);
        match function {
            Ok(_) => assert!(!overlap, "{raw} {lake}"),
            Err(error) => {
                let error = error.to_string();
                assert!(
                    overlap && error.contains("overlap") && error.starts_with("LAKEBED_RAW"),
                    "{raw} {lake}: {error}"
                );
            }
        }
        assert_eq!(world.requests().len(), 0);
    }
}

#[tokio::test]
async fn what_is_in_the_lake_is_passed_over_without_a_request() {
    let world = World::new();
    let function = world.function();
    let keys = [
        "p/event/year=2024/month=05/day=01/hour=02/x-0000.parquet",
        "p/_lakebed/open/x",
        "p/raw.json",
        "p",
    ];
    for key in keys {
        let mut record = created(&encoded(key));
        record["s3"]["bucket"]["name"] = "lake".into();
        let handled = handle(&function, &records(vec![record])).await;
        assert_eq!(tally(&handled.answer.unwrap()), [1, 0, 0, 1, 0], "{key}");
        assert!(
            handled.troubles[0].contains("is inside the lake"),
            "{:?}",
            handled.troubles
        );
    }
    assert_eq!(world.requests().len(), 0);
}

#[tokio::test]
async fn what_is_below_no_raw_prefix_fails_without_a_request() {
    let world = World::new();
    world.server.model().create_bucket("foreign");
    world.server.model().seed("foreign", "in/a", lines(0..10));
    for key in ["other/a", "in2/a", "IN/a", "/in/a", "inn", "i"] {
        world.put(key, lines(0..10));
    }
    let function = world.function();
    for (bucket, key) in [
        ("foreign", "in/a"),
        ("lake", "q/a"),
        ("raw", "other/a"),
        ("raw", "in2/a"),
        ("raw", "IN/a"),
        ("raw", "/in/a"),
        ("raw", "inn"),
        ("raw", "i"),
        ("RAW", "in/a"),
        ("raw/in", "in/a"),
        ("raw\u{0}", "in/a"),
    ] {
        let mut record = created(&encoded(key));
        record["s3"]["bucket"]["name"] = bucket.into();
        let error = error(&function, &records(vec![record])).await;
        assert!(
            error.contains("Source.NotAllowed") && error.contains("s3://raw/in"),
            "{error}"
        );
    }
    assert_eq!(world.requests().len(), 0);

    // Beside it, the others are done.
    world.put("in/good", lines(20..30));
    let answer = answer(&function, &message_each(&["other/a", "in/good"])).await;
    assert_eq!(failed_messages(&answer), ["m0"]);
    assert!(
        world
            .requests()
            .iter()
            .all(|request| request.bucket != "raw" || request.key == "in/good")
    );
    assert_eq!(world.lake().ids(), (20..30).collect::<Vec<_>>());
}

/// Every key that is written is below the lake's prefix, and of a known form; nothing is written to `raw`.
#[tokio::test]
async fn records_and_keys_do_not_steer_what_is_written() {
    let world = World::new();
    let hostile = "{\"id\":1,\"at\":\"2024-05-01T02:00:00Z\",\"kind\":\"../../etc\",\"table\":\"../x\"}\n\
                   {\"id\":2,\"at\":\"../2024-05-01T02:00:00Z\"}\n{\"id\":3,\"at\":\"2024-05-01T02:00:00Z\",\"kind\":\"click\"}\n";
    let keys = [
        "in/../../p/event/x",
        "in/year=2024/month=01/day=01/hour=00/x",
        "in/_lakebed/lake.json",
    ];
    keys.iter().for_each(|key| world.put(key, hostile));
    answer(&world.function(), &notification(&keys)).await;
    let is_id = |name: &str| name.len() == 26 && name.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7'));
    for request in world
        .requests()
        .iter()
        .filter(|request| request.operation.starts_with("Put"))
    {
        assert_eq!(request.bucket, "lake");
        let (folder, name) = request.key.rsplit_once('/').unwrap();
        let known = match folder {
            "p/_lakebed" => name == "lake.json",
            "p/_lakebed/tables" => matches!(name, "event.json" | "click.json"),
            "p/_lakebed/claims" | "p/_lakebed/jobs" => name.strip_suffix(".json").is_some_and(is_id),
            "p/_lakebed/open" => is_id(name),
            "p/_lakebed/quarantine/date=2024-05-01" => name.strip_suffix("-0000.ndjson.gz").is_some_and(is_id),
            "p/event/year=2024/month=05/day=01/hour=02" | "p/click/day=2024-05-01/hour=02" => {
                name.strip_suffix("-0000.parquet").is_some_and(is_id)
            }
            _ => false,
        };
        assert!(known, "{request}");
    }
    assert_eq!(world.lake().ids(), [1, 1, 1, 3, 3, 3]);
}

/// A bucket of that name that is somebody else's is neither read nor written, by any kind of call.
#[tokio::test]
async fn every_kind_of_call_names_the_expected_owner() {
    let world = World::new();
    // All in one hour, so that there is a file of several parts.
    let large = ["T00:", "T01:", "T03:"]
        .iter()
        .fold(long_lines(1000..1600, 2_000), |text, hour| text.replace(hour, "T02:"));
    assert!(large.len() > 18 << 20);
    world.put("in/large", large);
    world.put("in/small", lines(0..10) + "oops\n");
    let function = world.function();
    let both = notification(&["in/large", "in/small"]);
    // A part that is refused: what was staged is thrown away.
    world
        .server
        .inject(Fault::on("UploadPart", Effect::ACCESS_DENIED).first(1));
    assert!(error(&function, &both).await.contains("s3:PutObject"));
    world.server.clear_faults();
    assert_eq!(tally(&answer(&function, &both).await), [2, 2, 0, 0, 0]);
    // Replaced: files of the old job are deleted.
    world.server.model().advance(Duration::from_secs(5));
    world.put("in/small", lines(10..20));
    world.server.model().advance(Duration::from_secs(5));
    assert_eq!(tally(&answer(&function, &both).await), [2, 1, 1, 0, 0]);
    assert_eq!(world.backfill().await.sources.already, 2);
    assert_eq!(
        world.lake().ids(),
        [(10..20).collect::<Vec<u64>>(), (1000..1600).collect()].concat()
    );
    let requests = world.requests();
    let operations: BTreeSet<_> = requests.iter().map(|request| request.operation).collect();
    assert_eq!(
        operations,
        BTreeSet::from([
            "AbortMultipartUpload",
            "CompleteMultipartUpload",
            "CreateMultipartUpload",
            "DeleteObject",
            "GetObject",
            "HeadObject",
            "ListObjectsV2",
            "PutObject",
            "UploadPart",
        ])
    );
    for request in requests {
        assert_eq!(request.header("x-amz-expected-bucket-owner"), Some(OWNER), "{request}");
    }
}
