//! How the process starts: at once, or not at all and saying why.

use std::time::Duration;

use serde_json::json;

use crate::events::notification;
use crate::process::Lambda;
use crate::world::{World, lines, tally};

#[tokio::test]
async fn it_asks_for_an_event_and_s3_for_nothing() {
    let world = World::new();
    let mut lambda = Lambda::start(&world, &[]).await;
    let asked = || async { lambda.runtime.is_initialized().await };
    lambda.runtime.wait_for(asked, Duration::from_secs(30)).await.unwrap();
    lambda.assert_runs();
    let ended = lambda.kill().await;
    assert_eq!((world.requests().len(), ended.exit, ended.logs().len()), (0, None, 1));
}

/// Nothing in an event can choose where requests go; who sets the environment can, and that is told.
#[tokio::test]
async fn an_endpoint_other_than_s3_is_of_the_environment_alone_and_is_told() {
    let (world, elsewhere) = (World::new(), World::new());
    world.put("in/a", lines(0..10));
    let lambda = Lambda::start(&world, &[]).await;
    let mut event = notification(&["in/a"]);
    let endpoint = elsewhere.server.endpoint();
    for name in [
        "endpoint",
        "endpointUrl",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "responseElements",
    ] {
        event[name] = json!(endpoint);
        event["Records"][0][name] = json!({"x-amz-endpoint": endpoint});
        event["Records"][0]["s3"][name] = json!(endpoint);
        event["Records"][0]["s3"]["bucket"][name] = json!(endpoint);
    }
    assert_eq!(tally(&lambda.answer(&event).await.response()), [1, 1, 0, 0, 0]);
    assert_eq!(elsewhere.requests().len(), 0);
    assert_eq!(
        lambda.kill().await.logs()[0]["endpoint"],
        json!(world.server.endpoint())
    );
}

#[tokio::test]
async fn a_wrong_setting_stops_the_start_with_one_line_that_names_it() {
    for (name, value, words) in [
        ("LAKEBED_LAKE", "", &["LAKEBED_LAKE", "s3://bucket/prefix"][..]),
        ("LAKEBED_LAKE", "s3://", &["LAKEBED_LAKE", "names no bucket"]),
        ("LAKEBED_RAW", "", &["LAKEBED_RAW", "s3://bucket/prefix"]),
        ("LAKEBED_RAW", "raw/in", &["LAKEBED_RAW", "does not begin with s3://"]),
        ("LAKEBED_RAW", "s3://raw/in,,s3://other", &["LAKEBED_RAW", "number 2"]),
        ("LAKEBED_RAW", "s3://lake", &["LAKEBED_RAW", "overlap", "s3://lake/p"]),
        (
            "LAKEBED_RAW",
            "s3://raw/in,s3://lake/p/raw",
            &["LAKEBED_RAW", "overlap", "s3://lake/p/raw"],
        ),
        (
            "LAKEBED_RAWS",
            "s3://raw/in",
            &["LAKEBED_RAWS", "did you mean LAKEBED_RAW?"],
        ),
        (
            "LAKEBED_NOTHING_LIKE_IT",
            "1",
            &["LAKEBED_NOTHING_LIKE_IT", "there are LAKEBED_LAKE"],
        ),
        ("LAKEBED_MEMORY", "lots", &["LAKEBED_MEMORY", "lots"]),
        ("LAKEBED_PARTIAL_BATCH", "maybe", &["LAKEBED_PARTIAL_BATCH", "maybe"]),
        ("LAKEBED_EXPECTED_OWNER", "me", &["LAKEBED_EXPECTED_OWNER", "12 digits"]),
        (
            "LAKEBED_SCHEMAS",
            "/nonexistent/schemas",
            &["/nonexistent/schemas", "cannot be read", "LAKEBED_SCHEMAS"],
        ),
        ("LAKEBED_SCHEMAS", "/dev", &["/dev", "no schema files"]),
        // Without one, where layers are unpacked; there is none here.
        ("LAKEBED_SCHEMAS", "", &["/opt/schemas", "LAKEBED_SCHEMAS"]),
    ] {
        let world = World::new();
        let ended = Lambda::start(&world, &[(name, value)]).await.ends().await;
        assert!(ended.exit.is_some_and(|code| code != 0), "{name}={value}: {ended:?}");
        assert!(!ended.asked, "{name}={value}: {ended:?}");
        let logs = ended.documents();
        let [log] = logs.as_slice() else {
            panic!("{name}={value}: {ended:?}")
        };
        assert_eq!(log["level"], "ERROR", "{log}");
        let message = log["message"].as_str().unwrap();
        for word in words {
            assert!(message.contains(word), "{name}={value}: {message}");
        }
        assert_eq!(world.requests().len(), 0, "{name}={value}");
    }
}

#[tokio::test]
async fn a_wrong_schema_stops_the_start() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("table: event\n", &["event.yaml", "event_time"][..]),
        (
            "table: event\nevent_time: { field: at }\ncolumns: { id: varchar }\n",
            &["event.yaml", "varchar"],
        ),
        ("\t", &["event.yaml"]),
    ] {
        std::fs::write(folder.path().join("event.yaml"), text).unwrap();
        let settings = [("LAKEBED_SCHEMAS", folder.path().to_str().unwrap())];
        let ended = Lambda::start(&world, &settings).await.ends().await;
        let logs = ended.documents();
        let [log] = logs.as_slice() else {
            panic!("{text}: {ended:?}")
        };
        assert!(ended.exit.is_some_and(|code| code != 0) && !ended.asked);
        for word in words {
            assert!(log["message"].as_str().unwrap().contains(word), "{text}: {log}");
        }
    }
    assert_eq!(world.requests().len(), 0);
}

#[tokio::test]
async fn settings_are_what_the_environment_says() {
    let world = World::new();
    // The least memory Lambda gives; a service of another name; a level in either case.
    for more in [
        &[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")][..],
        &[("POWERTOOLS_SERVICE_NAME", "orders"), ("AWS_LAMBDA_LOG_LEVEL", "warn")],
        &[("AWS_LAMBDA_LOG_LEVEL", "nonsense=,"), ("LAKEBED_MEMORY", "64MiB")],
    ] {
        let lambda = Lambda::start(&world, more).await;
        lambda
            .answer(&crate::events::notification(&["in/missing"]))
            .await
            .error();
        let ended = lambda.kill().await;
        let service = more
            .iter()
            .find(|(name, _)| *name == "POWERTOOLS_SERVICE_NAME")
            .map_or("lakebed", |(_, name)| name);
        assert_eq!(ended.metrics()[0]["service"], service);
        let quiet = more.contains(&("AWS_LAMBDA_LOG_LEVEL", "warn"));
        assert_eq!(
            ended.logs().iter().any(|log| log["level"] == "INFO"),
            !quiet,
            "{ended:?}"
        );
    }
}
