//! Records as rows: each record that became one is what a second parser reads, column by column; none is lost.

use std::sync::LazyLock;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use lakebed::record::{BlockRows, Reader, RecordPlan, SourceContext};
use lakebed::source::frame::{FrameLimits, Framer, Stretch};
use lakebed::table::Tables;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const LIMITS: FrameLimits = FrameLimits {
    record_bytes_max: 1 << 20,
    depth_max: 100, // the second parser goes as deep as 128
};

/// Names without letters: there is no other case of them.
const SCHEMA: &str = "table: t
event_time: { field: _0, max_future: none, max_past: none }
columns:
  _1: string
  _2: bigint
  _3: double
  _4: array<string>
  _5: map<string,bigint>
  _6: { type: \"struct<_1:boolean,_2:array<double>>\" }
  _7: int
coercion: strict
on_mismatch: ";

static PLANS: LazyLock<[RecordPlan; 2]> = LazyLock::new(|| ["quarantine", "set_null"].map(plan));

/// The first of values that stand twice is refused by both.
#[derive(Deserialize)]
struct Second {
    _1: Option<Value>,
    _2: Option<Value>,
    _3: Option<Value>,
    _4: Option<Value>,
    _5: Option<Value>,
    _6: Option<Inner>,
    _7: Option<Value>,
}

#[derive(Deserialize)]
struct Inner {
    _1: Option<Value>,
    _2: Option<Value>,
}

/// Bytes as a block of records.
pub(crate) fn check(block: &[u8]) {
    let [plan, lenient] = &*PLANS;
    let out = read(plan, block);
    let refused: Vec<usize> = out.rejected.iter().map(|rejected| rejected.ordinal as usize).collect();
    let (whole, rows) = (stretches(block), values(plan, out));
    assert_eq!(whole.len(), refused.len() + rows.len());
    let became_rows = whole.iter().enumerate().filter(|(place, _)| !refused.contains(place));
    for ((_, stretch), row) in became_rows.zip(rows) {
        let record = &block[stretch.range.start as usize..stretch.range.end as usize];
        let shown = String::from_utf8_lossy(record);
        let second: Second = match serde_json::from_slice(record) {
            Ok(second) => second,
            // Half a pair of surrogates hurts only where a column takes it.
            Err(_) if has_escaped_surrogate(record) => continue,
            Err(error) => panic!("{error}: {shown}"),
        };
        let Second {
            _1,
            _2,
            _3,
            _4,
            _5,
            _6,
            _7,
        } = second;
        let inner = _6.map(|inner| json!({"_1": inner._1, "_2": inner._2}));
        let second = [_1, _2, _3, _4, _5, inner, _7].map(Value::from);
        for (found, expected) in row.iter().zip(&second) {
            assert!(is_same(found, expected), "{found} and {expected}: {shown}");
        }
    }
    // Where values that do not fit are set to NULL no fewer records are rows.
    let lenient = read(lenient, block);
    assert_eq!(lenient.read, whole.len() as u64);
    assert!(lenient.rejected.len() <= refused.len());
}

fn has_escaped_surrogate(record: &[u8]) -> bool {
    record
        .windows(4)
        .any(|some| some[..2] == *b"\\u" && matches!(some[2..], [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F']))
}

fn plan(on_mismatch: &str) -> RecordPlan {
    let file = ("t.yaml".to_owned(), format!("{SCHEMA}{on_mismatch}\n"));
    RecordPlan::new(Tables::from_sources(vec![file]).expect("it is sound"), LIMITS)
}

fn read(plan: &RecordPlan, block: &[u8]) -> BlockRows {
    let mut out = BlockRows::new(plan);
    Reader::default().read(plan, &SourceContext::new(plan, "k", 0), block, &mut out);
    let bytes = &out.bytes;
    assert_eq!(bytes.records + bytes.bad + bytes.between, block.len() as u64);
    assert_eq!(out.read, (out.tables[0].len() + out.rejected.len()) as u64);
    out
}

fn stretches(block: &[u8]) -> Vec<Stretch> {
    let mut framer = Framer::new(LIMITS, 0);
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(stretch) = framer.next(block, &mut at) {
        all.push(stretch);
    }
    all.extend(framer.finish());
    all
}

fn values(plan: &RecordPlan, mut block: BlockRows) -> Vec<Vec<Value>> {
    let schema = lakebed::table::arrow::schema(&plan.tables().as_slice()[0]);
    let len = block.tables[0].len();
    let columns = block.tables[0].columns.iter_mut().zip(schema.fields());
    let arrays: Vec<ArrayRef> = columns
        .map(|(column, field)| column.take_array(field.data_type()).expect("it is small"))
        .collect();
    (0..len)
        .map(|row| arrays.iter().map(|array| value(array, row)).collect())
        .collect()
}

fn value(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let all = |values: &ArrayRef| (0..values.len()).map(|row| value(values, row)).collect::<Vec<_>>();
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<arrow::datatypes::Int32Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::List(_) => all(&array.as_list::<i32>().value(row)).into(),
        DataType::Struct(fields) => {
            let members = fields.iter().zip(array.as_struct().columns());
            Value::Object(
                members
                    .map(|(field, values)| (field.name().clone(), value(values, row)))
                    .collect(),
            )
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let keys = all(entries.column(0)).into_iter();
            let keys = keys.map(|key| key.as_str().expect("keys are text").to_owned());
            Value::Object(keys.zip(all(entries.column(1))).collect::<Map<_, _>>())
        }
        other => panic!("no column of {other}"),
    }
}

/// Equal, but for the last digit of a double: the second parser does not round as exactly.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let members = || one.iter().zip(other);
            one.len() == other.len() && members().all(|(one, other)| one.0 == other.0 && is_same(one.1, other.1))
        }
        (Value::Number(one), Value::Number(other)) => {
            match (one.as_i64(), other.as_i64(), one.as_f64(), other.as_f64()) {
                (Some(one), Some(other), ..) => one == other,
                (.., Some(one), Some(other)) => (one - other).abs() <= one.abs() * 1e-15 + 1e-320,
                _ => false,
            }
        }
        _ => one == other,
    }
}
