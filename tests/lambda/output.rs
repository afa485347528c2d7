//! What the process writes: logs that say what happened and hold no data, and one document of metrics an event.

use std::collections::{BTreeMap, BTreeSet};

use lambda_simulator::Invocation;
use serde_json::{Value, json};

use crate::events::{message_each, messages, notification};
use crate::process::{Ended, Lambda};
use crate::support::s3::server::SECRET_KEY;
use crate::world::{World, gzip, lines};

/// In values and names of records, messages and credentials, and in no log.
const CANARY: &str = "CANARY7F3A";

/// Events of every kind through one process that logs as much as it can; each event's id, and what was written.
async fn all_kinds(level: &str) -> (Vec<String>, Ended) {
    let world = World::new();
    world.put(
        "in/good",
        format!("{{\"id\":1,\"at\":\"2024-05-01T02:00:00Z\",\"text\":\"{CANARY}\",\"{CANARY}\":1}}\n"),
    );
    let bad = [
        format!("{{\"id\":\"{CANARY}\",\"at\":\"2024-05-01T02:00:00Z\"}}"),
        format!("{{\"id\":1,\"at\":\"{CANARY}\"}}"),
        format!("{{\"id\":1,{CANARY}}}"),
        format!("{{\"id\":1,\"at\":\"2024-05-01T02:00:00Z\",\"id\":\"{CANARY}\"}}"),
        format!("[\"{CANARY}\"]"),
        CANARY.to_owned(),
    ];
    world.put("in/bad", bad.join("\n"));
    world.put("in/no json", format!("{CANARY},{CANARY}\n"));
    let packed = gzip(lines(0..1000).replace("\"t", &format!("\"{CANARY}")));
    world.put("in/damaged.gz", packed[..packed.len() / 2].to_vec());
    world.put("in/line\nbreak \u{202e}\u{1b}[31m", lines(0..1));
    let token = format!("{CANARY}-token");
    let environment = [("AWS_LAMBDA_LOG_LEVEL", level), ("AWS_SESSION_TOKEN", token.as_str())];
    let lambda = Lambda::start(&world, &environment).await;
    let mut of_text = message_each(&["in/good", "in/missing"]);
    of_text["Records"][0]["receiptHandle"] = json!(CANARY);
    let events = [
        notification(&["in/good", "in/bad"]),
        message_each(&["in/no json", "in/damaged.gz", "in/line\nbreak \u{202e}\u{1b}[31m"]),
        of_text,
        notification(&["in/missing", "other/a"]),
        messages(&[
            CANARY.to_owned(),
            format!("{{\"a\":\"{CANARY}\"}}"),
            format!("{{\"Records\":\"{CANARY}\"}}"),
        ]),
        json!({"Event": CANARY}),
        json!({"Records": [{"s3": {"bucket": {"name": "raw"}, "object": {"key": 1}}, "x": CANARY}]}),
        json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw"}),
    ];
    let mut ids = Vec::new();
    for event in events {
        ids.push(lambda.send(Invocation::new(event, 30_000)).await.0);
    }
    (ids, lambda.kill().await)
}

#[tokio::test]
async fn every_line_is_json_and_says_what_happened() {
    let (ids, ended) = all_kinds("INFO").await;
    let logs = ended.logs();
    for log in &logs {
        for (field, known) in [
            ("level", &["ERROR", "WARN", "INFO"][..]),
            ("timestamp", &[]),
            ("message", &[]),
        ] {
            let text = log[field].as_str().unwrap_or_else(|| panic!("no {field}: {log}"));
            assert!(!text.is_empty() && (known.is_empty() || known.contains(&text)), "{log}");
        }
    }
    assert_eq!(
        (&logs[0]["message"], &logs[0]["version"]),
        (&json!("started"), &json!(env!("CARGO_PKG_VERSION")))
    );
    let of = |id: &str| -> Vec<&Value> { logs.iter().filter(|log| log["function_request_id"] == id).collect() };
    // Each line after the first is of an event.
    assert_eq!(
        ids.iter().map(|id| of(id).len()).sum::<usize>(),
        logs.len() - 1,
        "{logs:#?}"
    );

    let done = |id: &str| of(id).into_iter().find(|log| log["message"] == "done").unwrap().clone();
    let counts =
        |log: &Value, names: &[&str]| -> Vec<u64> { names.iter().map(|name| log[*name].as_u64().unwrap()).collect() };
    let first = done(&ids[0]);
    assert_eq!(
        counts(&first, &["objects", "loaded", "records", "rows", "quarantined"]),
        [2, 2, 7, 1, 6]
    );
    assert_eq!(first["door"], "notification");
    let second = done(&ids[1]);
    assert_eq!(
        counts(&second, &["messages", "objects", "loaded", "damaged"]),
        [3, 3, 3, 2]
    );
    assert_eq!(second["door"], "queue");
    let failed: Vec<_> = of(&ids[2]).into_iter().filter(|log| log["level"] == "ERROR").collect();
    assert_eq!((failed.len(), &failed[0]["object"]), (1, &json!("s3://raw/in/missing")));
    assert_eq!(failed[0]["code"], "Source.Missing");
    let unknown: Vec<_> = of(&ids[5]);
    assert!(
        unknown[0]["message"]
            .as_str()
            .unwrap()
            .contains("the payload has the key \"Event\""),
        "{unknown:?}"
    );
    assert!(
        of(&ids[7])
            .iter()
            .any(|log| log["message"] == "S3 says that its notification is set up")
    );
}

#[tokio::test]
async fn nothing_of_records_messages_or_credentials_is_written() {
    for level in ["TRACE", "INFO"] {
        let (_, ended) = all_kinds(level).await;
        let text = format!("{}{}", ended.stdout, ended.stderr);
        assert!(ended.logs().len() > 10);
        for secret in [CANARY, SECRET_KEY, &SECRET_KEY[..12]] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{level}");
        }
        // What is in names stays on its line, and away from terminals.
        assert!(!text.contains('\u{1b}') && text.contains("in/missing"));
    }
}

#[tokio::test]
async fn every_event_has_one_document_of_metrics() {
    let (ids, ended) = all_kinds("INFO").await;
    let metrics = ended.metrics();
    let of: Vec<_> = metrics
        .iter()
        .map(|document| document["function_request_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(of, ids);
    for (n, document) in metrics.iter().enumerate() {
        assert_valid(document);
        assert_eq!(document["ColdStart"], u64::from(n == 0));
        assert_eq!(document["service"], "lakebed");
    }
    let of = |n: usize| -> BTreeMap<&str, u64> {
        let numbers = metrics[n].as_object().unwrap().iter();
        numbers
            .filter_map(|(name, value)| Some((name.as_str(), value.as_u64()?)))
            .collect()
    };
    let first = of(0);
    assert_eq!(
        (first["Objects"], first["Records"], first["Rows"], first["Quarantined"]),
        (2, 7, 1, 6)
    );
    assert_eq!((first["FilesWritten"], first["ObjectsFailed"]), (1, 0));
    assert_eq!((of(1)["Objects"], of(1)["ObjectsDamaged"]), (3, 2));
    assert_eq!((of(2)["ObjectsAlready"], of(2)["ObjectsFailed"]), (1, 1));
    assert_eq!((of(3)["Objects"], of(3)["ObjectsFailed"]), (2, 2));
    assert_eq!((of(5)["Objects"], of(5)["Rows"]), (0, 0));
}

/// The rules that CloudWatch reads a document by.
#[track_caller]
fn assert_valid(document: &Value) {
    assert!(document["_aws"]["Timestamp"].as_u64().unwrap() > 1_700_000_000_000);
    let [directive] = document["_aws"]["CloudWatchMetrics"].as_array().unwrap().as_slice() else {
        panic!("{document}");
    };
    assert_eq!(
        (&directive["Namespace"], &directive["Dimensions"]),
        (&json!("lakebed"), &json!([["service"]]))
    );
    let metrics = directive["Metrics"].as_array().unwrap();
    let names: BTreeSet<_> = metrics.iter().map(|metric| metric["Name"].as_str().unwrap()).collect();
    assert!(names.len() == metrics.len() && (1..=100).contains(&metrics.len()));
    for name in names {
        assert!(document[name].is_u64(), "{name}: {document}");
    }
}
