//! What is in records decides neither where is written nor what is said.

use serde_json::Value;

use crate::sandbox::{Dice, Sandbox, gzip, lines, record};

const CANARY: &str = "CANARY7F3A";

/// Pieces of types and times that somebody might hope to be taken for a path.
const PIECES: [&str; 24] = [
    "..",
    "/",
    "../../etc/passwd",
    "_lakebed",
    "event",
    "click",
    "\\u0000",
    "\\n",
    "%2e%2e%2f",
    ".",
    "year=2024",
    "=",
    " ",
    "2024-05-01T02:00:00Z",
    "2024",
    "-",
    "T",
    ":",
    "9999",
    "\\ud83d\\ude00",
    "é",
    "s3://lake/",
    "-0000.parquet",
    "0",
];

#[test]
fn no_type_and_no_time_decides_more_than_a_table_and_an_hour() {
    let sandbox = Sandbox::empty();
    let schema = |name: &str, rest: &str| {
        format!(
            "table: {name}\nevent_time: {{ field: at, formats: [auto, epoch_s, \"%Y-%m-%d\"], max_past: none, max_future: none }}\ncolumns: {{ id: bigint, at: timestamp }}\n{rest}"
        )
    };
    sandbox.write(
        "schemas/click.yaml",
        schema("click", "route: { kind: click }\nlayout: day/hour\n"),
    );
    sandbox.write(
        "schemas/event.yaml",
        schema("event", "route: { kind: event }\nlayout: datehour\n"),
    );
    sandbox.write("schemas/rest.yaml", schema("rest", ""));
    let mut dice = Dice(11);
    let mut text = String::new();
    for id in 0..60_000 {
        let mut piece = || PIECES[dice.below(PIECES.len() as u64) as usize];
        let (kind, at) = match id % 4 {
            0 => (piece().to_owned(), piece().to_owned()),
            1 => ([piece(), piece(), piece()].concat(), "2024-05-01T02:00:00Z".to_owned()),
            2 => ("click".to_owned(), [piece(), piece()].concat()),
            _ => ("event".to_owned(), ["2024-05-01T0", piece(), ":00:00Z"].concat()),
        };
        text.push_str(&format!(
            "{{\"id\":{id},\"at\":\"{at}\",\"kind\":\"{kind}\",\"table\":\"{kind}\",\"year\":\"{at}\"}}\n"
        ));
    }
    sandbox.write("raw/%2e%2e%2flake/year=1999/x.json", text);
    let json = sandbox.load("").exits(0).json();
    let records = &json["records"];
    assert_eq!(
        records["rows"].as_u64().unwrap() + records["quarantined"].as_u64().unwrap(),
        60_000
    );
    assert!(records["rows"].as_u64().unwrap() > 15_000, "{records}");
    let lake = sandbox.lake("lake");
    let is_id = |name: &str| name.len() == 26 && name.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7'));
    for key in lake.snapshot().into_keys() {
        let (folder, name) = key.rsplit_once('/').unwrap();
        let id = name.split(['.', '-']).next().unwrap();
        let known = match folder {
            "_lakebed" => matches!(name, "lake.json" | "lock"),
            "_lakebed/tables" => matches!(name, "click.json" | "event.json" | "rest.json"),
            "_lakebed/claims" | "_lakebed/jobs" => name.strip_suffix(".json").is_some_and(is_id),
            "_lakebed/quarantine/date=2024-06-01" => is_id(id) && name.ends_with(".ndjson.gz"),
            _ => {
                let digits: String = folder
                    .chars()
                    .map(|c| if c.is_ascii_digit() { '0' } else { c })
                    .collect();
                let places = [
                    "click/day=0000-00-00/hour=00",
                    "event/datehour=0000-00-00-00",
                    "rest/year=0000/month=00/day=00/hour=00",
                ];
                places.contains(&&*digits) && is_id(id) && name.ends_with("-0000.parquet")
            }
        };
        assert!(known, "{key}");
    }
}

#[test]
fn nothing_that_is_said_or_recorded_holds_values_of_records() {
    let sandbox = Sandbox::new();
    let bad = [
        format!("{{\"id\":\"{CANARY}\",\"at\":\"2024-05-01T02:00:00Z\"}}"),
        format!("{{\"id\":1,\"at\":\"{CANARY}\"}}"),
        format!("{{\"id\":1,{CANARY}}}"),
        format!("{{\"id\":1,\"at\":\"2024-05-01T02:00:00Z\",\"id\":\"{CANARY}\"}}"),
        format!("{{\"id\":1,\"at\":\"2024-05-01T02:00:00Z\",\"x\":\"{CANARY}\"}}"),
        format!("{{\"id\":1,\"at\":\"2024-05-01T02:00:00Z\",\"text\":\"{CANARY}\\ud800\"}}"),
        format!("[\"{CANARY}\"]"),
        CANARY.to_owned(),
    ];
    sandbox.write("raw/bad", bad.join("\n"));
    sandbox.write(
        "raw/good",
        record(5).replace("\"text\":\"", &format!("\"text\":\"{CANARY}")),
    );
    sandbox.write("raw/no json", format!("{CANARY},{CANARY}\n"));
    let packed = gzip(lines(0..1000).replace("\"text\":\"", &format!("\"text\":\"{CANARY}")));
    sandbox.write("raw/damaged.gz", &packed[..packed.len() / 2]);
    let mut said = String::new();
    for (line, exit) in [
        ("backfill raw --to lake --dry-run", 0),
        ("backfill raw --to lake", 1),
        ("backfill raw --to lake --json --reload", 1),
        ("backfill raw --to lake --json --dry-run", 0),
        ("verify lake", 0),
        ("verify lake --json", 0),
    ] {
        let ran = sandbox.run(line).exits(exit);
        said.push_str(&(ran.stdout + &ran.stderr));
    }
    assert!(said.len() > 2000 && !said.contains(CANARY), "{said}");
    let lake = sandbox.lake("lake");
    for (key, (_, bytes)) in lake.prove().snapshot() {
        let is_record = key.starts_with("_lakebed/")
            && !key.starts_with("_lakebed/quarantine/")
            && !key.starts_with("_lakebed/open/");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!is_record || !text.contains(CANARY), "{key}: {text}");
    }
    // In quarantine values stand where they belong, and nowhere else.
    let entries = lake.quarantine();
    assert!(entries.len() >= bad.len());
    for mut entry in entries {
        entry["rawData"] = Value::Null;
        assert!(!entry.to_string().contains(CANARY), "{entry}");
    }
}
