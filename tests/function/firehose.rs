//! The function in front of Firehose: what it gives back, loaded, is what the records would have been without it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lakebed::function::Function;
use lakebed::table::Tables;
use serde_json::{Value, json};

use crate::events::notification;
use crate::world::{World, answer, error, gzip, handle, settings};

const SCHEMAS: [(&str, &str); 3] = [
    (
        "event.yaml",
        "table: event\nevent_time: { field: at, max_past: 3650d }\n\
         columns: { id: bigint, at: timestamp, text: string, state: string, amount: string }\n\
         transform: '.state = \"transformed\"'\n",
    ),
    (
        "click.yaml",
        "table: click\nroute: { kind: click }\nevent_time: { field: at }\ncolumns: { id: bigint, at: timestamp, item: string }\n\
         transform: 'if .items then .items[] as $item | del(.items) | .item = $item end'\n",
    ),
    (
        "noise.yaml",
        "table: noise\nroute: { kind: noise }\nevent_time: { field: at }\ncolumns: { at: timestamp }\ntransform: 'empty'\n",
    ),
];
/// 2024-05-01T12:00:00Z, when the objects of the test's world were written.
const ARRIVAL_MS: i64 = 1_714_564_800_123;

fn function(world: &World, schemas: &[(&str, &str)]) -> Function {
    let files = schemas
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let tables = Tables::from_sources(files.collect()).unwrap();
    Function::new(settings(&[]), tables).unwrap().with_s3(world.s3())
}

fn call(records: &[Vec<u8>]) -> Value {
    let record = |(n, data): (usize, &Vec<u8>)| {
        json!({"recordId": format!("r{n}"), "data": STANDARD.encode(data), "approximateArrivalTimestamp": ARRIVAL_MS,
            "kinesisRecordMetadata": {"shardId": "s", "partitionKey": "p", "sequenceNumber": "1", "subsequenceNumber": 0,
                "approximateArrivalTimestamp": ARRIVAL_MS}})
    };
    json!({"invocationId": "i", "deliveryStreamArn": "arn:aws:firehose:us-east-1:111122223333:deliverystream/raw",
        "sourceKinesisStreamArn": "arn:aws:kinesis:us-east-1:111122223333:stream/raw", "region": "us-east-1",
        "records": records.iter().enumerate().map(record).collect::<Vec<_>>()})
}

/// The result of each record, its data as text, and its partition keys.
fn results(answer: &Value) -> Vec<(String, String, BTreeMap<String, String>)> {
    let result = |(n, record): (usize, &Value)| {
        assert_eq!(record["recordId"], format!("r{n}"));
        let data = STANDARD.decode(record["data"].as_str().unwrap_or_default()).unwrap();
        let keys = serde_json::from_value(record["metadata"]["partitionKeys"].clone()).unwrap_or_default();
        (
            record["result"].as_str().unwrap().to_owned(),
            String::from_utf8(data).unwrap(),
            keys,
        )
    };
    answer["records"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(result)
        .collect()
}

/// The rows of each table, each as text, in no order; and how many records were rejected.
fn rows(world: &World) -> (BTreeMap<String, Vec<String>>, usize) {
    let lake = world.lake();
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in lake.tables() {
        let columns: Vec<_> = file.rows.columns().iter().collect();
        for row in 0..file.rows.num_rows() {
            let cell = |column: &&arrow::array::ArrayRef| format!("{:?}", column.slice(row, 1));
            rows.entry(file.table.clone())
                .or_default()
                .push(columns.iter().map(cell).collect());
        }
    }
    rows.values_mut().for_each(|rows| rows.sort());
    (rows, lake.quarantine().len())
}

/// Records of all tables, good and odd.
fn records() -> Vec<Vec<u8>> {
    let mut records: Vec<Vec<u8>> = (0..50)
        .map(|n| match n % 5 {
            0 => format!("{{\"id\":{n},\"at\":\"2024-05-01T0{}:30:00Z\",\"kind\":\"click\",\"items\":[\"a\",\"b\",\"c\"]}}", n % 4),
            1 => format!("{{ \"id\" : {n} , \"at\" : 17145600{n:02} , \"kind\" : \"click\" }}\n"),
            2 => format!("{{\"at\":\"2024-05-01T02:00:00Z\",\"kind\":\"noise\",\"id\":{n}}}"),
            3 => format!("{{\"id\":9007199254740993,\"at\":\"2024-04-30T23:59:59.999Z\",\"amount\":0.1000,\"text\":\"caf\u{e9} \\u00e9 \\\"{n}\\\"\"}}"),
            _ => format!("{{\"id\":{n},\"at\":\"2024-05-01T11:00:00Z\"}}{{\"id\":{},\"at\":\"2024-05-01T01:00:00Z\",\"kind\":\"click\"}}", n + 100),
        })
        .map(String::into_bytes)
        .collect();
    records.push(gzip(
        "{\"id\":777,\"at\":\"2024-05-01T03:00:00Z\"}\n{\"id\":778,\"at\":\"2024-05-01T04:00:00Z\"}",
    ));
    records
}

#[tokio::test]
async fn records_that_were_transformed_load_to_the_rows_that_they_would_have_been_anyway() {
    let (direct, through) = (World::new(), World::new());
    // gzip lies among other bytes in no object.
    direct.put("in/a", records()[..50].concat());
    direct.put("in/b", records()[50].clone());
    let called = answer(&function(&through, &SCHEMAS), &call(&records())).await;
    let results = results(&called);
    assert!(
        results.iter().all(|(result, ..)| result == "Ok" || result == "Dropped"),
        "{results:?}"
    );
    assert_eq!(results.iter().filter(|(result, ..)| result == "Dropped").count(), 10);
    let delivered: String = results.iter().map(|(_, data, _)| data.as_str()).collect();
    assert!(delivered.ends_with('\n') && delivered.contains(r#""state":"transformed""#));
    through.put("in/a", delivered);
    assert_eq!(through.requests().len(), 0, "nothing of the lake is touched");
    for world in [&direct, &through] {
        answer(&function(world, &SCHEMAS), &notification(&["in/a"])).await;
    }
    answer(&function(&direct, &SCHEMAS), &notification(&["in/b"])).await;
    let (of_direct, of_through) = (rows(&direct), rows(&through));
    assert_eq!(of_direct, of_through);
    assert_eq!(
        (of_direct.0["click"].len(), of_direct.0["event"].len(), of_direct.1),
        (50, 22, 0)
    );
}

#[tokio::test]
async fn partition_keys_are_the_table_and_the_hour_of_the_event() {
    let world = World::new();
    let called = answer(&function(&world, &SCHEMAS), &call(&records()[..5])).await;
    let keys: Vec<_> = results(&called).into_iter().map(|(_, _, keys)| keys).collect();
    let of = |table: &str, day: &str, hour: &str| {
        let month = if day == "30" { "04" } else { "05" };
        let all = [
            ("table", table),
            ("year", "2024"),
            ("month", month),
            ("day", day),
            ("hour", hour),
        ];
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    };
    let expected = [
        of("click", "01", "00"),
        of("click", "01", "10"),
        BTreeMap::new(),
        of("event", "30", "23"),
        of("event", "01", "11"),
    ];
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn what_would_be_quarantined_fails_and_takes_no_other_record_with_it() {
    let world = World::new();
    let good = br#"{"id":1,"at":"2024-05-01T02:00:00Z"}"#;
    let bad: [(&[u8], &str); 9] = [
        (b"secret", "Json.Syntax"),
        (b"[1,2]", "Json.NotAnObject"),
        (br#"{"id":1}"#, "EventTime.Missing"),
        (br#"{"id":1,"at":"2034-05-01T02:00:00Z"}"#, "EventTime.TooNew"),
        (br#"{"id":"x","at":"2024-05-01T02:00:00Z"}"#, "Type.Mismatch"),
        (br#"{"id":1,"at":"2024-05-01T02:00:00Z"}{"id":2}"#, "EventTime.Missing"),
        (
            b"{\"id\":1,\"at\":\"2024-05-01T02:00:00Z\",\"text\":\"\xff\"}",
            "Json.InvalidUtf8",
        ),
        (
            br#"{"id":1,"at":"2024-05-01T02:00:00Z","kind":"click","items":[1]}x"#,
            "Json.Syntax",
        ),
        (&gzip("{}")[..12], "Codec."),
    ];
    let records: Vec<Vec<u8>> = bad
        .iter()
        .flat_map(|(bytes, _)| [bytes.to_vec(), good.to_vec()])
        .collect();
    let handled = handle(&function(&world, &SCHEMAS), &call(&records)).await;
    let codes: BTreeSet<String> = handled.metrics.quarantined.keys().cloned().collect();
    for (n, (result, ..)) in results(&handled.answer.unwrap()).iter().enumerate() {
        let expected = if n % 2 == 0 { "ProcessingFailed" } else { "Ok" };
        assert_eq!(result, expected, "{n}: {}", String::from_utf8_lossy(&records[n]));
    }
    for (_, code) in bad {
        assert!(codes.iter().any(|known| known.starts_with(code)), "{code} {codes:?}");
    }
    assert!(
        handled.troubles.iter().all(|trouble| !trouble.contains("secret")),
        "{:?}",
        handled.troubles
    );
    assert_eq!(handled.metrics.records, 18);
}

#[tokio::test]
async fn what_the_contract_forbids_is_answered_or_refused_in_words() {
    let world = World::new();
    let function = function(&world, &SCHEMAS);
    let mut twice = call(&[
        b"{\"id\":1,\"at\":1714560000}".to_vec(),
        b"{\"id\":2,\"at\":1714560000}".to_vec(),
    ]);
    twice["records"][1]["recordId"] = json!("r0");
    assert_eq!(
        results(&answer(&function, &twice).await),
        [("ProcessingFailed".to_owned(), String::new(), BTreeMap::new())]
    );
    let mut odd = call(&[vec![], vec![], b"{\"id\":1,\"at\":1714560000}".to_vec()]);
    odd["records"][0]["data"] = json!("%%%");
    odd["records"][2]
        .as_object_mut()
        .unwrap()
        .remove("approximateArrivalTimestamp");
    let said: Vec<_> = results(&answer(&function, &odd).await)
        .into_iter()
        .map(|(result, ..)| result)
        .collect();
    assert_eq!(said, ["ProcessingFailed", "Dropped", "ProcessingFailed"]);
    let mut nameless = call(&[vec![]]);
    nameless["records"][0]["recordId"] = json!(null);
    assert!(
        error(&function, &nameless)
            .await
            .contains("record 1 of Firehose has no recordId")
    );
    assert_eq!(answer(&function, &call(&[])).await, json!({"records": []}));
    // Each of these becomes as long as it was, and together they are longer than an answer may be.
    let long = format!("{{\"id\":1,\"at\":1714560000,\"text\":\"{}\"}}", "x".repeat(900_000));
    let answer = answer(&function, &call(&vec![long.into_bytes(); 6])).await;
    assert!(answer.to_string().len() < 6 * 1024 * 1024);
    let said: Vec<_> = results(&answer).into_iter().map(|(result, ..)| result).collect();
    assert_eq!(said, ["Ok", "Ok", "Ok", "Ok", "Ok", "ProcessingFailed"]);
}

#[tokio::test]
async fn what_a_key_would_decide_is_passed_on_as_it_came() {
    let world = World::new();
    let schemas = [
        (
            "a.yaml",
            "table: a\nkeys: ['in/a/**']\nevent_time: { field: at }\ncolumns: { at: timestamp }\n",
        ),
        (
            "b.yaml",
            "table: b\nroute: { kind: b, of: c }\nevent_time: { field: at }\ncolumns: { at: timestamp }\n",
        ),
    ];
    let records = [
        r#"{"at":"2024-05-01T02:00:00Z", "n" : 1}"#,
        r#"{"kind":"b","of":"c","at":"2024-05-01T02:00:00Z"}"#,
    ];
    let records: Vec<Vec<u8>> = records.iter().map(|text| text.as_bytes().to_vec()).collect();
    let results = results(&answer(&function(&world, &schemas), &call(&records)).await);
    assert_eq!(
        (results[0].0.as_str(), results[0].1.as_str()),
        ("Ok", "{\"at\":\"2024-05-01T02:00:00Z\", \"n\" : 1}\n")
    );
    assert_eq!(
        (results[0].2["table"].as_str(), results[0].2["hour"].as_str()),
        ("_by_key", "12")
    );
    assert_eq!(
        (results[1].2["table"].as_str(), results[1].2["hour"].as_str()),
        ("b", "02")
    );
    // A table that would take the rest touches nothing of it.
    let rest = (
        "c.yaml",
        "table: c\nevent_time: { field: at }\ncolumns: { at: timestamp }\ntransform: 'empty'\n",
    );
    let results = self::results(&answer(&function(&world, &[schemas[0], rest]), &call(&records)).await);
    let is_passed =
        |(result, _, keys): &(String, String, BTreeMap<String, String>)| result == "Ok" && keys["table"] == "_by_key";
    assert!(results.iter().all(is_passed), "{results:?}");
}
