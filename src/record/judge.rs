//! What becomes of one record, without a lake: for whoever has records before they are objects.
//!
//! ```text
//! {"type":"sign_up",...} ──> table, outputs of its transform, the hour of each; or the code and words of its rejection
//! ```
//!
//! The record is read by [`Reader`] as a load would read it, so there is one opinion: a record that is judged well in one place
//! is a row in the other, under the same schemas, limits, key and time of arrival.

use std::borrow::Cow;

use super::reader::skip_between;
use super::{BlockRows, Reader, RecordPlan, SourceContext};
use crate::partition::hour::PartitionHour;
use crate::quarantine::Code;

/// Judges records one by one; buffers are reused.
pub struct Judge<'p> {
    plan: &'p RecordPlan,
    reader: Reader,
    rows: BlockRows,
}

/// What becomes of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'p> {
    /// It belongs to a table.
    Taken {
        /// The table's name.
        table: &'p str,
        /// What becomes rows, in order: the record as it came, or what the table's transform gave for it. None: it is dropped.
        outputs: Vec<Output>,
    },
    /// It would be quarantined, as a whole.
    Rejected {
        /// Why.
        code: Code,
        /// Why, in words; holds no value of the record.
        message: Cow<'static, str>,
        /// The table, where that was known.
        table: Option<&'p str>,
    },
}

/// What becomes a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// One JSON object. Of a transform: without white space.
    pub json: Vec<u8>,
    /// The hour of its event time.
    pub hour: PartitionHour,
}

impl<'p> Judge<'p> {
    /// Judges by this plan, which reads records as they are and not those within error records.
    pub fn new(plan: &'p RecordPlan) -> Self {
        debug_assert!(!plan.unwraps, "an error record may hold several");
        let mut reader = Reader::default();
        reader.keeps_outputs = true;
        let rows = BlockRows::new(plan);
        Self { plan, reader, rows }
    }

    /// Judges `record`: one JSON object, white space around it included. `source` says under which key it would lie and when
    /// it arrived.
    pub fn judge(&mut self, source: &SourceContext, record: &[u8]) -> Verdict<'p> {
        let plan: &'p RecordPlan = self.plan;
        let Self { reader, rows, .. } = self;
        let tables = plan.tables.as_slice();
        reader.read(plan, source, record, rows);
        match (rows.read, rows.rejected.pop()) {
            (1, Some(rejected)) => {
                return Verdict::Rejected {
                    code: rejected.code,
                    message: rejected.message,
                    table: rejected.table.map(|table| tables[table].name.as_str()),
                };
            }
            (1, None) => {}
            (read, _) => {
                return Verdict::Rejected {
                    code: Code::JsonSyntax,
                    message: format!("{read} records, not one").into(),
                    table: None,
                };
            }
        }
        let with_rows = rows.tables.iter().position(|table| !table.is_empty());
        let place = with_rows.unwrap_or(reader.outputs_of);
        let hours = rows.tables[place].hours.iter();
        let outputs = match plan.plans[place].transform {
            Some(_) => std::mem::take(&mut reader.outputs),
            None => {
                let begin = skip_between(record, 0);
                vec![record[begin..begin + rows.bytes.records as usize].to_vec()]
            }
        };
        let outputs = outputs
            .into_iter()
            .zip(hours)
            .map(|(json, hour)| Output { json, hour: *hour });
        Verdict::Taken {
            table: &tables[place].name,
            outputs: outputs.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::frame::FrameLimits;
    use crate::table::Tables;

    fn plan() -> RecordPlan {
        let schema = |name: &str, more: &str| {
            let text = format!(
                "table: {name}\nevent_time: {{ field: at, max_future: 1d }}\ncolumns: {{ id: int }}\nroute: {{ type: {name} }}\n{more}"
            );
            (format!("{name}.yaml"), text)
        };
        let split = "transform: 'if .items then .items[] as $id | del(.items) | .id = $id end'\n";
        let tables = [
            schema("plain", ""),
            schema("split", split),
            schema("keyed", "keys: ['in/**']\n"),
        ];
        let limits = FrameLimits {
            record_bytes_max: 1000,
            depth_max: 9,
        };
        RecordPlan::new(Tables::from_sources(tables.to_vec()).unwrap(), limits)
    }

    fn judged(key: &str, record: &str) -> String {
        let plan = plan();
        let source = SourceContext::new(&plan, key, 1_600_000_000);
        let mut judge = Judge::new(&plan);
        let verdict = judge.judge(&source, record.as_bytes());
        assert_eq!(judge.judge(&source, record.as_bytes()), verdict, "twice");
        match verdict {
            Verdict::Taken { table, outputs } => {
                let shown = |output: &Output| format!(" {} {}", output.hour, String::from_utf8_lossy(&output.json));
                table.to_owned() + &outputs.iter().map(shown).collect::<String>()
            }
            Verdict::Rejected { code, table, .. } => format!("{} {}", code.as_str(), table.unwrap_or("-")),
        }
    }

    #[test]
    fn a_record_is_judged_as_a_load_would() {
        let at = r#""at":1500000000"#;
        for (record, expected) in [
            (
                r#"{"type":"plain","at":1500000000}"#,
                r#"plain 2017-07-14T02 {"type":"plain","at":1500000000}"#,
            ),
            (
                "\u{feff} { \"type\": \"plain\", \"at\": 1500000000 }\r\n",
                "plain 2017-07-14T02 { \"type\": \"plain\", \"at\": 1500000000 }",
            ),
            (
                r#"{"type":"split","at": 1500000000}"#,
                r#"split 2017-07-14T02 {"type":"split","at":1500000000}"#,
            ),
            (
                r#"{"type":"split","items":[1,2],"at":1500000000}"#,
                r#"split 2017-07-14T02 {"type":"split","at":1500000000,"id":1} 2017-07-14T02 {"type":"split","at":1500000000,"id":2}"#,
            ),
            (r#"{"type":"split","items":[],"at":1500000000}"#, "split"),
            (
                r#"{"type":"split","items":[1,"x"],"at":1500000000}"#,
                "Type.Mismatch split",
            ),
            (
                r#"{"type":"split","items":7,"at":1500000000}"#,
                "Transform.Failed split",
            ),
            (
                r#"{"type":"split","a":1,"a":2,"at":1500000000}"#,
                "Json.DuplicateKey split",
            ),
            (r#"{"type":"plain"}"#, "EventTime.Missing plain"),
            (r#"{"type":"plain","at":1700000000}"#, "EventTime.TooNew plain"),
            (r#"{"type":"other","at":1500000000}"#, "Route.NoTable -"),
            (r#"{"type":"keyed","at":1500000000}"#, "Route.NoTable -"),
            (r#"{"type":"plain""#, "Json.Truncated -"),
            ("[1]", "Json.NotAnObject -"),
            ("", "Json.Syntax -"),
            ("{}{}", "Json.Syntax -"),
        ] {
            assert_eq!(judged("out/a", record), expected, "{record}");
        }
        assert_eq!(
            judged("in/a", &format!("{{\"type\":\"keyed\",{at}}}")),
            format!("keyed 2017-07-14T02 {{\"type\":\"keyed\",{at}}}")
        );
    }
}
