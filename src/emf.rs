//! Metrics of one invocation, as one line of CloudWatch's embedded metric format.
//!
//! ```text
//! {"_aws": {"Timestamp", "CloudWatchMetrics": [{"Namespace": "lakebed", "Dimensions": [["service"]], "Metrics": [...]}]},
//!  "service", "Objects": 2, ... "function_request_id", "tables": {...}, "quarantined_by_code": {...}}
//! ```
//!
//! Written to the function's log, CloudWatch makes metrics of it: no request, no permission. The service is the only
//! dimension, since each further value of one is a metric to pay for; the rest is there to be searched. Reads no clock.

use std::collections::BTreeMap;

use serde::Serialize;

/// The service, where no other name is given.
pub const DEFAULT_SERVICE: &str = "lakebed";
const NAMESPACE: &str = "lakebed";
const DIMENSIONS: &[&[&str]] = &[&["service"]];
/// Longer ones are not read. The rest is left for what the log adds.
const LINE_BYTES_MAX: usize = 250 << 10;

/// What one invocation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// The request id of the invocation.
    pub request_id: String,
    /// Objects that were wanted.
    pub objects: u64,
    /// Of these, loaded before.
    pub objects_already: u64,
    /// Of these, not loaded.
    pub objects_failed: u64,
    /// Of these, loaded as far as they could be read.
    pub objects_damaged: u64,
    /// Records and bad stretches found.
    pub records: u64,
    /// Rows written.
    pub rows: u64,
    /// Quarantine entries, by code.
    pub quarantined: BTreeMap<String, u64>,
    /// What was written, by table.
    pub tables: BTreeMap<String, TableMetrics>,
    /// Bytes of raw objects, as stored.
    pub bytes_read: u64,
    /// Bytes of data files.
    pub bytes_written: u64,
    /// From the payload to the answer, in milliseconds.
    pub duration_ms: u64,
    /// It is the first of its process.
    pub cold_start: bool,
}

/// What was written to one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableMetrics {
    /// Rows.
    pub rows: u64,
    /// Files.
    pub files: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
enum Unit {
    Count,
    Bytes,
    Milliseconds,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "_aws")]
    aws: Metadata,
    service: &'a str,
    #[serde(flatten)]
    values: BTreeMap<&'static str, u64>,
    function_request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tables: Option<&'a BTreeMap<String, TableMetrics>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined_by_code: Option<&'a BTreeMap<String, u64>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    timestamp: i64,
    cloud_watch_metrics: [Directive; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: &'static [&'static [&'static str]],
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: Unit,
}

impl Invocation {
    /// One line of JSON, without its end. `timestamp_ms`: milliseconds since 1970-01-01. An empty `service` is
    /// [`DEFAULT_SERVICE`].
    pub fn line(&self, service: &str, timestamp_ms: i64) -> String {
        let line = self.document(service, timestamp_ms, true);
        if line.len() <= LINE_BYTES_MAX {
            return line;
        }
        // With a thousand tables and more: the metrics matter most.
        self.document(service, timestamp_ms, false)
    }

    fn document(&self, service: &str, timestamp_ms: i64, with_details: bool) -> String {
        let metrics = self.metrics();
        let document = Document {
            aws: Metadata {
                timestamp: timestamp_ms,
                cloud_watch_metrics: [Directive {
                    namespace: NAMESPACE,
                    dimensions: DIMENSIONS,
                    metrics: metrics
                        .iter()
                        .map(|(name, unit, _)| Metric { name, unit: *unit })
                        .collect(),
                }],
            },
            // A dimension without a value makes the whole line invalid.
            service: if service.trim().is_empty() {
                DEFAULT_SERVICE
            } else {
                service
            },
            values: metrics.iter().map(|(name, _, value)| (*name, *value)).collect(),
            function_request_id: &self.request_id,
            tables: with_details.then_some(&self.tables),
            quarantined_by_code: with_details.then_some(&self.quarantined),
        };
        serde_json::to_string(&document).expect("numbers by name are JSON")
    }

    /// Zeros are metrics, too: an alarm cannot tell silence from health.
    fn metrics(&self) -> [(&'static str, Unit, u64); 12] {
        let Self {
            request_id: _,
            objects,
            objects_already,
            objects_failed,
            objects_damaged,
            records,
            rows,
            quarantined,
            tables,
            bytes_read,
            bytes_written,
            duration_ms,
            cold_start,
        } = self;
        [
            ("Objects", Unit::Count, *objects),
            ("ObjectsAlready", Unit::Count, *objects_already),
            ("ObjectsFailed", Unit::Count, *objects_failed),
            ("ObjectsDamaged", Unit::Count, *objects_damaged),
            ("Records", Unit::Count, *records),
            ("Rows", Unit::Count, *rows),
            ("Quarantined", Unit::Count, quarantined.values().sum()),
            (
                "FilesWritten",
                Unit::Count,
                tables.values().map(|table| table.files).sum(),
            ),
            ("BytesRead", Unit::Bytes, *bytes_read),
            ("BytesWritten", Unit::Bytes, *bytes_written),
            ("DurationMs", Unit::Milliseconds, *duration_ms),
            ("ColdStart", Unit::Count, u64::from(*cold_start)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn invocation() -> Invocation {
        let table = |rows, files| TableMetrics {
            rows,
            files,
            bytes: 10 * rows,
        };
        Invocation {
            request_id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd".into(),
            objects: 3,
            objects_already: 1,
            records: 12,
            rows: 9,
            quarantined: [("Json.Syntax".to_owned(), 2), ("Type.Null".to_owned(), 1)].into(),
            tables: [
                ("click".to_owned(), table(4, 1)),
                ("page\n_view".to_owned(), table(5, 2)),
            ]
            .into(),
            bytes_read: 1000,
            bytes_written: 90,
            duration_ms: 217,
            cold_start: true,
            ..Invocation::default()
        }
    }

    /// The rules that CloudWatch reads a line by.
    fn check(line: &str) -> Value {
        assert!(!line.contains('\n') && line.len() <= 256 << 10);
        let document: Value = serde_json::from_str(line).unwrap();
        let aws = document["_aws"].as_object().unwrap();
        assert!(aws.keys().eq(["CloudWatchMetrics", "Timestamp"]));
        assert!(aws["Timestamp"].is_i64());
        for directive in aws["CloudWatchMetrics"].as_array().unwrap() {
            assert!(
                directive
                    .as_object()
                    .unwrap()
                    .keys()
                    .eq(["Dimensions", "Metrics", "Namespace"])
            );
            assert!((1..=256).contains(&directive["Namespace"].as_str().unwrap().len()));
            for set in directive["Dimensions"].as_array().unwrap() {
                let set = set.as_array().unwrap();
                assert!(set.len() <= 30);
                for key in set {
                    let value = document[key.as_str().unwrap()].as_str().unwrap();
                    assert!(!value.trim().is_empty() && value.len() <= 1024);
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            let mut names = std::collections::BTreeSet::new();
            for metric in metrics {
                assert!(metric.as_object().unwrap().keys().eq(["Name", "Unit"]));
                let name = metric["Name"].as_str().unwrap();
                assert!(names.insert(name) && (1..=1024).contains(&name.len()));
                assert!(["Count", "Bytes", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()));
                assert!(document[name].is_number(), "{name}");
            }
        }
        document
    }

    #[test]
    fn a_line_keeps_the_rules_of_the_format_and_holds_all_there_is() {
        let mut document = check(&invocation().line("orders", 1_570_849_200_123));
        let metrics = document["_aws"]["CloudWatchMetrics"][0]["Metrics"].take();
        assert_eq!(metrics.as_array().unwrap().len(), 12);
        assert_eq!(metrics[10], json!({"Name": "DurationMs", "Unit": "Milliseconds"}));
        assert_eq!(
            document,
            json!({
                "_aws": {
                    "Timestamp": 1_570_849_200_123_i64,
                    "CloudWatchMetrics": [{"Namespace": "lakebed", "Dimensions": [["service"]], "Metrics": null}],
                },
                "service": "orders",
                "Objects": 3, "ObjectsAlready": 1, "ObjectsFailed": 0, "ObjectsDamaged": 0,
                "Records": 12, "Rows": 9, "Quarantined": 3, "FilesWritten": 3,
                "BytesRead": 1000, "BytesWritten": 90, "DurationMs": 217, "ColdStart": 1,
                "function_request_id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                "tables": {
                    "click": {"rows": 4, "files": 1, "bytes": 40},
                    "page\n_view": {"rows": 5, "files": 2, "bytes": 50},
                },
                "quarantined_by_code": {"Json.Syntax": 2, "Type.Null": 1},
            })
        );
    }

    #[test]
    fn nothing_done_and_no_service_are_valid_lines() {
        for service in ["", " ", DEFAULT_SERVICE] {
            let document = check(&Invocation::default().line(service, 0));
            assert_eq!(document["service"], "lakebed");
            assert_eq!(document["ColdStart"], 0);
        }
    }

    #[test]
    fn a_line_too_long_to_be_read_keeps_its_metrics() {
        let tables = (0..5_000).map(|n| {
            (
                format!("{n:060}"),
                TableMetrics {
                    files: 1,
                    ..TableMetrics::default()
                },
            )
        });
        let many = Invocation {
            tables: tables.collect(),
            ..invocation()
        };
        let document = check(&many.line("orders", 0));
        assert_eq!(document["FilesWritten"], 5_000);
        assert!(document.get("tables").is_none());
    }
}
