//! Records of Firehose: judged as a load would judge them, transformed, and given back with the table and hour they belong to.
//!
//! ```text
//! data ──inflate──> documents ──judge──> table, hour, outputs ──> "Ok": each output on a line of its own
//!                       └ one that would be quarantined: the whole record is "ProcessingFailed"
//! ```
//!
//! Nothing of the lake is touched. The key of the object to come is not known here: what a table with `keys` could take is
//! passed on as it came.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use chrono::{DateTime, Datelike as _, Timelike as _};
use serde_json::Value;
use tracing::{error, info, warn};

use super::Function;
use super::deadline::Deadline;
use crate::door::{FirehoseCall, FirehoseRecord, Transformed};
use crate::emf::Invocation;
use crate::record::judge::{Judge, Verdict};
use crate::record::{RecordPlan, SourceContext};
use crate::source::frame::Framer;
use crate::source::inflate::Inflate;

/// What stands for a table where the object's key decides.
const BY_KEY: &str = "_by_key";
/// A record that becomes longer fits no answer.
const RECORD_BYTES_MAX: usize = 6 << 20;
const CHUNK_BYTES: usize = 64 << 10;

/// Why a record has failed: the code that its quarantine entry would have, and in words.
type Refused = (String, String);

impl Function {
    /// Answers a call of Firehose.
    pub(super) fn transform(
        &self,
        call: &FirehoseCall,
        deadline: &Deadline,
        metrics: &mut Invocation,
        troubles: &mut Vec<String>,
    ) -> Value {
        let id = metrics.request_id.clone();
        let plan = self
            .record_plan
            .get_or_init(|| RecordPlan::new(self.tables.clone(), self.settings.limits));
        let mut judging = Judging {
            plan,
            judge: Judge::new(plan),
            source: None,
            by_key: self
                .tables
                .iter()
                .filter(|table| table.keys.is_some())
                .map(|table| table.name.as_str())
                .collect(),
        };
        let mut all = Vec::with_capacity(call.records().len());
        let (mut ok, mut dropped) = (0_u64, 0_u64);
        for (record, number) in call.records().iter().zip(1_u64..) {
            let transformed = match deadline.is_near() {
                true => Err((
                    "Firehose.OutOfTime".to_owned(),
                    "the time of the function is up".to_owned(),
                )),
                false => judging.transform(record),
            };
            all.push(match transformed {
                Ok((data, _)) if data.is_empty() => {
                    dropped += 1;
                    Transformed::Dropped
                }
                Ok((data, keys)) => {
                    ok += 1;
                    Transformed::Ok { data, keys }
                }
                Err((code, message)) => {
                    warn!(function_request_id = id, record = number, code, "failed: {message}");
                    troubles.push(format!("record {number} failed, {code}: {message}"));
                    *metrics.quarantined.entry(code).or_default() += 1;
                    Transformed::Failed
                }
            });
        }
        let (answer, too_many) = call.answer(all);
        if too_many > 0 {
            let code = "Firehose.AnswerTooLarge".to_owned();
            error!(
                function_request_id = id,
                code,
                too_many,
                "records did not fit the answer: give the delivery stream a smaller buffer for its function"
            );
            troubles.push(format!("{too_many} records did not fit the answer"));
            *metrics.quarantined.entry(code).or_default() += too_many;
        }
        metrics.records = call.records().len() as u64;
        info!(
            function_request_id = id,
            records = metrics.records,
            ok = ok - too_many,
            dropped,
            failed = metrics.quarantined.values().sum::<u64>(),
            "transformed"
        );
        answer
    }
}

struct Judging<'p> {
    plan: &'p RecordPlan,
    judge: Judge<'p>,
    /// Where records of this time of arrival go.
    source: Option<(i64, SourceContext)>,
    /// Tables that take records by the key of their object, too.
    by_key: BTreeSet<&'p str>,
}

type Taken = (Vec<u8>, BTreeMap<&'static str, String>);

impl Judging<'_> {
    /// What is delivered for a record, and under which keys: those of the first document of it.
    fn transform(&mut self, record: &FirehoseRecord) -> Result<Taken, Refused> {
        let refused = |code: &str, message: &str| (code.to_owned(), message.to_owned());
        let data = record.data.as_ref().map_err(|why| refused("Firehose.Record", why))?;
        let arrival_s = record
            .arrival_s
            .ok_or_else(|| refused("Firehose.Record", "its approximateArrivalTimestamp is missing"))?;
        let text = inflated(data)?;
        let (mut given, mut keys) = (Vec::new(), None);
        let mut framer = Framer::new(self.plan.limits(), 0);
        let mut at = 0;
        let mut stretches = Vec::new();
        while let Some(stretch) = framer.next(&text, &mut at) {
            stretches.push(stretch);
        }
        stretches.extend(framer.finish());
        for stretch in stretches {
            let document = &text[stretch.range.start as usize..stretch.range.end as usize];
            self.judge(document, arrival_s, &mut given, &mut keys)?;
            if given.len() > RECORD_BYTES_MAX {
                return Err(refused(
                    "Firehose.AnswerTooLarge",
                    "it becomes longer than an answer may be",
                ));
            }
        }
        Ok((given, keys.unwrap_or_default()))
    }

    fn judge(
        &mut self,
        document: &[u8],
        arrival_s: i64,
        given: &mut Vec<u8>,
        keys: &mut Option<BTreeMap<&'static str, String>>,
    ) -> Result<(), Refused> {
        if self.source.as_ref().is_none_or(|(of, _)| *of != arrival_s) {
            self.source = Some((arrival_s, SourceContext::of_any_key(self.plan, arrival_s)));
        }
        let (_, source) = self.source.as_ref().expect("it was set just now");
        let mut give = |json: &[u8], table: &str, hour_s: i64| {
            given.extend_from_slice(json);
            given.push(b'\n');
            keys.get_or_insert_with(|| partition_keys(table, hour_s));
        };
        match self.judge.judge(source, document) {
            Verdict::Taken { table, .. } | Verdict::Rejected { table: Some(table), .. }
                if self.by_key.contains(table) =>
            {
                give(document, BY_KEY, arrival_s);
                Ok(())
            }
            Verdict::Taken { table, outputs } => {
                for output in &outputs {
                    give(&output.json, table, output.hour.first_second());
                }
                Ok(())
            }
            Verdict::Rejected { code, message, .. } => Err((code.as_str().to_owned(), message.into_owned())),
        }
    }
}

/// What producers have compressed is delivered as text: lines could not be told apart otherwise.
fn inflated(data: &[u8]) -> Result<Vec<u8>, Refused> {
    let damaged = |why: &dyn std::fmt::Display| ("Codec.Corrupt".to_owned(), why.to_string());
    let mut inflate = Inflate::new(Cursor::new(data.to_vec())).map_err(|error| damaged(&error))?;
    let mut text = Vec::new();
    while inflate.read(&mut text, CHUNK_BYTES).map_err(|error| damaged(&error))? > 0 {
        if text.len() > RECORD_BYTES_MAX {
            return Err((
                "Firehose.AnswerTooLarge".to_owned(),
                "it is longer than an answer may be".to_owned(),
            ));
        }
    }
    Ok(text)
}

/// As the parts of a prefix are written: two digits each, the year four.
fn partition_keys(table: &str, hour_s: i64) -> BTreeMap<&'static str, String> {
    let time = DateTime::from_timestamp(hour_s, 0).unwrap_or_default();
    BTreeMap::from([
        ("table", table.to_owned()),
        ("year", format!("{:04}", time.year())),
        ("month", format!("{:02}", time.month())),
        ("day", format!("{:02}", time.day())),
        ("hour", format!("{:02}", time.hour())),
    ])
}
