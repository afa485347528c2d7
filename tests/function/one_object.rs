//! One object, one notification: its rows, its rejects, the answer, the counts, and the requests it takes.

use std::collections::BTreeMap;

use lakebed::emf::TableMetrics;
use serde_json::json;

use crate::events::notification;
use crate::world::{World, answer, handle, ids, lines};

/// Nine records: late, early and in another zone, of two tables, three of them not usable.
const RECORDS: &str = "\
{\"id\":1,\"at\":\"2024-05-01T02:59:59.999Z\",\"text\":\"a\"}\n\
{\"id\":2,\"at\":\"2024-05-01T03:00:00Z\"}{\"id\":3,\"at\":\"2024-05-01T05:30:00+02:00\"}\n\
{\"id\":\"many\",\"at\":\"2024-05-01T03:00:00Z\"}\n\
{\"id\":4,\"at\":1714532400000,\"kind\":\"click\"}\n\
{\"id\":5,\"at\":\"1969-12-31T23:59:59Z\"}\n\
{\"id\":6,\"at\":\"yesterday\"}\n\
{\"id\":7,\"at\":\"2024-05-01T02:00:00Z\",}\n\
{\"id\":8,\"at\":\"2024-05-01T02:00:00Z\",\"kind\":\"click\"}\n";

#[tokio::test]
async fn rows_lie_under_their_own_hours_and_rejects_in_quarantine() {
    let world = World::new();
    world.put("in/2024/05/01/12/one", RECORDS);
    let function = world.function();
    let handled = handle(&function, &notification(&["in/2024/05/01/12/one"])).await;
    assert_eq!(
        handled.answer.unwrap(),
        json!({"objects": 1, "loaded": 1, "already": 0, "skipped": 0, "failed": 0, "unreadable": 0, "test_events": 0,
            "ignored": {}})
    );
    assert_eq!(handled.troubles, [""; 0]);
    let lake = world.lake();
    let expected = [
        ("click/day=2024-05-01/hour=02", vec![8]),
        ("click/day=2024-05-01/hour=03", vec![4]),
        ("event/year=1969/month=12/day=31/hour=23", vec![5]),
        ("event/year=2024/month=05/day=01/hour=02", vec![1]),
        ("event/year=2024/month=05/day=01/hour=03", vec![2, 3]),
    ];
    assert_eq!(
        lake.ids_by_folder(),
        expected.map(|(folder, ids)| (folder.to_owned(), ids)).into()
    );
    let mut rejects = Vec::new();
    for entry in lake.quarantine() {
        let source = &entry["source"];
        assert_eq!(
            (&source["bucket"], &source["key"]),
            (&json!("raw"), &json!("in/2024/05/01/12/one"))
        );
        rejects.push((
            entry["record"].as_u64().unwrap(),
            entry["errorCode"].as_str().unwrap().to_owned(),
        ));
    }
    let expected = [(4, "Type.Mismatch"), (7, "EventTime.Unreadable"), (8, "Json.Syntax")];
    assert_eq!(rejects, expected.map(|(record, code)| (record, code.to_owned())));

    let metrics = handled.metrics;
    let bytes_of = |table: &str| {
        let files = lake.data().into_iter().filter(|(key, _)| key.starts_with(table));
        files.map(|(_, bytes)| bytes.len() as u64).sum()
    };
    let tables = [("click", 2, 2), ("event", 4, 3)].map(|(name, rows, files)| {
        let bytes = bytes_of(name);
        (name.to_owned(), TableMetrics { rows, files, bytes })
    });
    assert_eq!(metrics.tables, BTreeMap::from(tables));
    assert_eq!(
        (metrics.objects, metrics.objects_already, metrics.objects_failed),
        (1, 0, 0)
    );
    assert_eq!(
        (metrics.records, metrics.rows, metrics.quarantined.values().sum()),
        (9, 6, 3_u64)
    );
    assert_eq!(metrics.quarantined["Json.Syntax"], 1);
    assert_eq!(metrics.bytes_read, RECORDS.len() as u64);
    assert_eq!(metrics.bytes_written, bytes_of(""));
    assert!(metrics.cold_start && metrics.objects_damaged == 0);
}

#[tokio::test]
async fn an_object_takes_seven_requests_and_one_for_each_further_file() {
    let world = World::new();
    let function = world.function();
    let record = |id: u64, hour: u64| format!("{{\"id\":{id},\"at\":\"2024-05-01T{hour:02}:00:00Z\"}}\n");
    world.put("in/warm", record(0, 1));
    answer(&function, &notification(&["in/warm"])).await;
    for (n, files) in [(1, 1), (2, 3)] {
        let key = format!("in/object {n}");
        world.put(&key, (0..files).map(|hour| record(n, hour)).collect::<String>());
        world.server.clear_log();
        answer(&function, &notification(&[&key])).await;
        let requests = world.requests();
        let mut told: Vec<_> = requests
            .iter()
            .map(|request| {
                let folder = request.key.trim_start_matches("p/").rsplit_once('/').unwrap().0;
                format!(
                    "{} {} {}",
                    request.operation,
                    request.bucket,
                    folder.split("/year=").next().unwrap()
                )
            })
            .collect();
        told[..2].sort_unstable();
        let mut expected = vec![
            "GetObject lake _lakebed/claims",
            "GetObject raw in",
            "PutObject lake _lakebed/open",
        ];
        expected.push("PutObject lake _lakebed/claims");
        expected.extend(vec!["PutObject lake event"; files as usize]);
        expected.extend(["PutObject lake _lakebed/jobs", "DeleteObject lake _lakebed/open"]);
        assert_eq!(told, expected);
        // A bucket of the same name that is somebody else's is never read or written.
        assert!(
            requests
                .iter()
                .all(|request| request.header("x-amz-expected-bucket-owner").is_some())
        );
    }
    assert_eq!(world.lake().ids(), [0, 1, 2, 2, 2]);
}

#[tokio::test]
async fn objects_without_records_are_loaded_and_leave_no_files() {
    let world = World::new();
    let function = world.function();
    for (key, bytes) in [("in/empty", ""), ("in/blank", " \r\n\n\t"), ("in/blank/", "\n")] {
        world.put(key, bytes);
        for expected in ["loaded", "already"] {
            assert_eq!(answer(&function, &notification(&[key])).await[expected], 1, "{key}");
        }
    }
    // What consoles make for a folder is no object to load.
    world.put("in/folder/", "");
    assert_eq!(answer(&function, &notification(&["in/folder/"])).await["skipped"], 1);
    world.put("in/csv", "id,at\n1,2024-05-01\n");
    let handled = handle(&function, &notification(&["in/csv"])).await;
    assert_eq!(
        (
            handled.answer.unwrap()["loaded"].as_u64(),
            handled.metrics.objects_damaged
        ),
        (Some(1), 1)
    );
    let lake = world.lake();
    assert_eq!((lake.data().len(), lake.outcomes().len()), (0, 4));
    assert_eq!(lake.codes(), [("Object.NotJson".to_owned(), 1)].into());
}

#[tokio::test]
async fn one_function_answers_one_event_after_another() {
    let world = World::new();
    let function = world.function();
    for n in 0..5 {
        let key = format!("in/{n}");
        world.put(&key, lines(n * 10..n * 10 + 10));
        let handled = handle(&function, &notification(&[&key])).await;
        assert_eq!(handled.answer.unwrap()["loaded"], 1);
        // Counts are of one event, not of all so far.
        assert_eq!((handled.metrics.rows, handled.metrics.objects), (10, 1));
        assert_eq!(handled.metrics.cold_start, n == 0);
    }
    assert_eq!(world.lake().ids(), ids(0..50));
}
