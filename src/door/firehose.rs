//! Records that Firehose wants to have transformed before it delivers them.
//!
//! ```text
//! { invocationId, deliveryStreamArn, region, records: [{ recordId, data: base64, approximateArrivalTimestamp }] }
//!   ──> { records: [{ recordId, result: "Ok" | "Dropped" | "ProcessingFailed", data: base64, metadata: { partitionKeys } }] }
//! ```
//!
//! Each record is answered once, whatever is in it: one that is missing, or there twice, fails all of them. What has failed
//! is delivered by Firehose to its error prefix, as it came; `lakebed replay` reads it from there. An answer larger than a
//! function may give would be lost with all that is in it, so records that do not fit have failed.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::OrderError;
use super::seen::kind;

/// The payload in words, for the error about one that nobody knows.
pub(super) const SHAPE: &str = "records of Firehose (\"deliveryStreamArn\" with \"records\")";

/// What a function may answer, less what is counted here by estimate only.
const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024 - 64 * 1024;
/// What the answer to a record takes besides its id: names, signs, the longest result.
const RESULT_BYTES: usize = 46;
/// And what data and metadata take more, besides themselves.
const OK_BYTES: usize = 28;

/// A call of Firehose.
#[derive(Debug)]
pub struct FirehoseCall {
    ids: Vec<String>,
    records: Vec<FirehoseRecord>,
}

/// One record, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirehoseRecord {
    /// Its bytes, or why there are none.
    pub data: Result<Vec<u8>, String>,
    /// When it arrived, in seconds since 1970, if that is said.
    pub arrival_s: Option<i64>,
}

/// What becomes of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transformed {
    /// It is delivered like this.
    Ok {
        /// Its bytes.
        data: Vec<u8>,
        /// Values for the prefix that it is delivered under.
        keys: BTreeMap<&'static str, String>,
    },
    /// It is not delivered, on purpose.
    Dropped,
    /// It goes to the error prefix.
    Failed,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    record_id: &'a str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    partition_keys: &'a BTreeMap<&'static str, String>,
}

impl FirehoseCall {
    /// Nothing where the payload is none of Firehose. A record that cannot even be named in an answer fails all.
    pub fn read(payload: &Value) -> Option<Result<Self, OrderError>> {
        payload.get("deliveryStreamArn")?;
        let records = payload.get("records")?;
        Some(read_records(records).map_err(OrderError::new))
    }

    /// The records, each once.
    pub fn records(&self) -> &[FirehoseRecord] {
        &self.records
    }

    /// The answer, in the order of the records, and how many of those that are well do not fit it.
    pub fn answer(&self, transformed: Vec<Transformed>) -> (Value, u64) {
        let mut room = ANSWER_BYTES_MAX;
        for id in &self.ids {
            room = room.saturating_sub(Value::from(id.as_str()).to_string().len() + RESULT_BYTES);
        }
        let mut left_out = 0;
        let answers: Vec<Value> = self
            .ids
            .iter()
            .zip(&transformed)
            .map(|(id, transformed)| {
                let fits = room.checked_sub(transformed.bytes());
                let answer = match (transformed, fits) {
                    (Transformed::Ok { data, keys }, Some(rest)) => {
                        room = rest;
                        Answer {
                            record_id: id,
                            result: "Ok",
                            data: Some(STANDARD.encode(data)),
                            metadata: Some(Metadata { partition_keys: keys }),
                        }
                    }
                    (Transformed::Dropped, _) => Answer::bare(id, "Dropped"),
                    (Transformed::Failed, _) => Answer::bare(id, "ProcessingFailed"),
                    (Transformed::Ok { .. }, None) => {
                        left_out += 1;
                        Answer::bare(id, "ProcessingFailed")
                    }
                };
                serde_json::to_value(answer).expect("texts are JSON")
            })
            .collect();
        (
            Value::Object(Map::from_iter([("records".to_owned(), answers.into())])),
            left_out,
        )
    }
}

impl<'a> Answer<'a> {
    fn bare(record_id: &'a str, result: &'static str) -> Self {
        Self {
            record_id,
            result,
            data: None,
            metadata: None,
        }
    }
}

impl Transformed {
    /// What it takes in an answer, besides its id.
    fn bytes(&self) -> usize {
        let Self::Ok { data, keys } = self else { return 0 };
        // Names and values, in quotes, with signs between; none of them is escaped.
        let keys: usize = keys.iter().map(|(name, value)| name.len() + value.len() + 6).sum();
        data.len().div_ceil(3) * 4 + keys + OK_BYTES
    }
}

fn read_records(records: &Value) -> Result<FirehoseCall, String> {
    let Value::Array(records) = records else {
        return Err(format!("\"records\" is {}, not a list", kind(records)));
    };
    let mut call = FirehoseCall {
        ids: Vec::new(),
        records: Vec::new(),
    };
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (record, number) in records.iter().zip(1..) {
        let id = record
            .get("recordId")
            .and_then(Value::as_str)
            .filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| format!("record {number} of Firehose has no recordId to answer it by"))?;
        let read = read_record(record);
        match places.get(id) {
            None => {
                places.insert(id, call.ids.len());
                call.ids.push(id.to_owned());
                call.records.push(read);
            }
            // One answer cannot be both; as a failure none of them is lost.
            Some(place) if call.records[*place] != read => {
                call.records[*place].data = Err("its recordId stands at another record too".to_owned());
            }
            Some(_) => {}
        }
    }
    Ok(call)
}

fn read_record(record: &Value) -> FirehoseRecord {
    let data = match record.get("data") {
        Some(Value::String(text)) => STANDARD.decode(text).map_err(|_| "its data is not base64".to_owned()),
        None | Some(Value::Null) => Err("its data is missing".to_owned()),
        Some(other) => Err(format!("its data is {}, not text", kind(other))),
    };
    let arrival_ms = record.get("approximateArrivalTimestamp").and_then(Value::as_f64);
    FirehoseRecord {
        data,
        arrival_s: arrival_ms.map(|ms| (ms / 1000.0).floor() as i64),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(records: &Value) -> Result<FirehoseCall, String> {
        let payload =
            json!({"invocationId": "i", "deliveryStreamArn": "arn", "region": "us-east-1", "records": records});
        FirehoseCall::read(&payload).unwrap().map_err(|error| error.to_string())
    }

    fn ok(bytes: usize) -> Transformed {
        Transformed::Ok {
            data: vec![b'x'; bytes],
            keys: BTreeMap::from([("table", "t".to_owned()), ("year", "2019".to_owned())]),
        }
    }

    #[test]
    fn each_record_is_answered_in_its_words() {
        let data = STANDARD.encode("{}");
        let call = call(&json!([
            {"recordId": "1", "data": data, "approximateArrivalTimestamp": 1_507_217_624_302_i64},
            {"recordId": "2", "data": data},
            {"recordId": "3", "data": data},
        ]));
        let call = call.unwrap();
        assert_eq!(call.records()[0].arrival_s, Some(1_507_217_624));
        let (answer, left_out) = call.answer(vec![ok(3), Transformed::Dropped, Transformed::Failed]);
        let expected = json!({"records": [
            {"recordId": "1", "result": "Ok", "data": "eHh4", "metadata": {"partitionKeys": {"table": "t", "year": "2019"}}},
            {"recordId": "2", "result": "Dropped"},
            {"recordId": "3", "result": "ProcessingFailed"},
        ]});
        assert_eq!((answer, left_out), (expected, 0));
    }

    #[test]
    fn what_the_contract_forbids_fails_what_it_is_about_and_no_more() {
        let (a, b) = (STANDARD.encode("a"), STANDARD.encode("b"));
        for (records, expected) in [
            (json!([]), vec![]),
            (json!([{"recordId": "1"}]), vec![Err("its data is missing")]),
            (
                json!([{"recordId": "1", "data": 3}]),
                vec![Err("its data is a number, not text")],
            ),
            (
                json!([{"recordId": "1", "data": "%"}, {"recordId": "2", "data": a}]),
                vec![Err("its data is not base64"), Ok("a")],
            ),
            (json!([{"recordId": "1", "data": ""}]), vec![Ok("")]),
            (
                json!([{"recordId": "1", "data": a}, {"recordId": "1", "data": a}]),
                vec![Ok("a")],
            ),
            (
                json!([{"recordId": "1", "data": a}, {"recordId": "2", "data": b}, {"recordId": "1", "data": b}]),
                vec![Err("its recordId stands at another record too"), Ok("b")],
            ),
        ] {
            let call = call(&records).unwrap();
            let read: Vec<_> = call.records().iter().map(|record| record.data.clone()).collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|one| one.map(|text| text.as_bytes().to_vec()).map_err(str::to_owned))
                .collect();
            assert_eq!(read, expected, "{records}");
        }
        for (records, why) in [
            (json!(null), "\"records\" is null, not a list"),
            (json!({}), "\"records\" is an object, not a list"),
            (json!([3]), "record 1 of Firehose has no recordId"),
            (
                json!([{"recordId": "1", "data": a}, {"data": a}]),
                "record 2 of Firehose has no recordId",
            ),
            (
                json!([{"recordId": "", "data": a}]),
                "record 1 of Firehose has no recordId",
            ),
        ] {
            let error = call(&records).unwrap_err();
            assert!(error.contains(why), "{records}: {error}");
        }
        assert!(FirehoseCall::read(&json!({"records": []})).is_none());
    }

    #[test]
    fn an_answer_is_never_larger_than_a_function_may_give() {
        const MOST: usize = 6 * 1024 * 1024;
        for (records, bytes) in [
            (3, 2 << 20),
            (500, 10_000),
            (500, 9_000),
            (6000, 700),
            (1, 5 << 20),
            (1, 4 << 20),
            (50_000, 10),
        ] {
            let ids = (0..records).map(|n| json!({"recordId": format!("49546986683135544286507457936321625675700192471156785154{n}"), "data": ""}));
            let call = call(&ids.collect()).unwrap();
            let (answer, left_out) = call.answer(vec![ok(bytes); records]);
            let size = answer.to_string().len();
            let answers = answer["records"].as_array().unwrap();
            assert!(size <= MOST && answers.len() == records, "{records} {bytes}: {size}");
            let failed = answers
                .iter()
                .filter(|answer| answer["result"] == "ProcessingFailed")
                .count();
            assert_eq!(failed as u64, left_out);
            // As many as there is room for.
            let all = records * (bytes * 4 / 3 + 250);
            assert_eq!(left_out == 0, all < MOST, "{records} {bytes}: {left_out} {all}");
            if left_out > 0 && bytes < 20_000 {
                assert!(size > MOST - MOST / 8, "{records} {bytes}: {size}");
            }
        }
    }
}
