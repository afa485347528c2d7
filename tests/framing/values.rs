//! A second parser agrees with what was read: the same members and values for every record that became a row.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use lakebed::record::{BlockRows, RecordPlan};
use proptest::prelude::*;
use proptest::sample::Index;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::damage::{Damage, damage};
use crate::reading::{LIMITS, plan, read};
use crate::records::{STYLES, Style, join, print, text, value};
use crate::{bytes_of, cases, stretches};

/// Names without letters, so that no damage makes another case of one.
const SCHEMA: &str = "columns:
  _1: string
  _2: bigint
  _3: double
  _4: array<string>
  _5: map<string,bigint>
  _6: { type: \"struct<_1:boolean,_2:array<double>>\" }
coercion: strict
";

#[derive(Deserialize)]
struct Second {
    _1: Option<Value>,
    _2: Option<Value>,
    _3: Option<Value>,
    _4: Option<Value>,
    _5: Option<Value>,
    _6: Option<Inner>,
}

#[derive(Deserialize)]
struct Inner {
    _1: Option<Value>,
    _2: Option<Value>,
}

impl Second {
    fn row(self) -> Vec<Value> {
        let inner = self._6.map(|inner| json!({"_1": inner._1, "_2": inner._2}));
        [self._1, self._2, self._3, self._4, self._5, inner]
            .map(Value::from)
            .into()
    }
}

fn value_of(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let all = |values: &ArrayRef| (0..values.len()).map(|row| value_of(values, row)).collect::<Vec<_>>();
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::List(_) => all(&array.as_list::<i32>().value(row)).into(),
        DataType::Struct(fields) => {
            let members = fields.iter().zip(array.as_struct().columns());
            let members = members.map(|(field, values)| (field.name().clone(), value_of(values, row)));
            Value::Object(members.collect())
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let keys = all(entries.column(0)).into_iter();
            let keys = keys.map(|key| key.as_str().unwrap().to_owned());
            Value::Object(keys.zip(all(entries.column(1))).collect())
        }
        other => panic!("{other}"),
    }
}

fn rows(plan: &RecordPlan, block: &mut BlockRows) -> Vec<Vec<Value>> {
    let schema = lakebed::table::arrow::schema(&plan.tables().as_slice()[0]);
    let len = block.tables[0].len();
    let columns = block.tables[0].columns.iter_mut().zip(schema.fields());
    let arrays: Vec<ArrayRef> = columns
        .map(|(column, field)| column.take_array(field.data_type()).unwrap())
        .collect();
    (0..len)
        .map(|row| arrays.iter().map(|array| value_of(array, row)).collect())
        .collect()
}

/// Equal, but for the last digit of a double: the second parser does not round as exactly.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let members = one.iter().zip(other);
            one.len() == other.len()
                && members
                    .into_iter()
                    .all(|(one, other)| one.0 == other.0 && same(one.1, other.1))
        }
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64(), a.as_f64(), b.as_f64()) {
            (Some(a), Some(b), ..) => a == b,
            (.., Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-15 + 1e-320,
            _ => false,
        },
        _ => one == other,
    }
}

/// Checks every row of a text against the second parser, and counts them.
fn assert_same(plan: &RecordPlan, text: &[u8]) -> Result<usize, TestCaseError> {
    let mut block = read(plan, text);
    let rows = rows(plan, &mut block);
    let refused: Vec<usize> = block
        .rejected
        .iter()
        .map(|rejected| rejected.ordinal as usize)
        .collect();
    let whole = stretches(text, LIMITS, &[]);
    let became_rows = whole.iter().enumerate().filter(|(place, _)| !refused.contains(place));
    let mut seen = 0;
    for ((_, stretch), row) in became_rows.zip(&rows) {
        let record = bytes_of(text, stretch);
        let shown = String::from_utf8_lossy(record);
        let second: Second =
            serde_json::from_slice(record).map_err(|error| TestCaseError::fail(format!("{error}: {shown}")))?;
        for (one, other) in row.iter().zip(second.row()) {
            prop_assert!(same(one, &other), "{} and {} of {}", one, other, shown);
        }
        seen += 1;
    }
    prop_assert_eq!(seen, rows.len());
    Ok(seen)
}

fn record() -> impl Strategy<Value = Map<String, Value>> {
    let option = |strategy: BoxedStrategy<Value>| prop_oneof![4 => strategy, 1 => Just(Value::Null)];
    let bigint = prop_oneof![any::<i64>(), -9..9i64];
    let double = prop_oneof![
        any::<f64>().prop_filter("JSON has finite numbers", |x| x.is_finite()),
        -9.0..9.0
    ];
    let strings = prop::collection::vec(option(text().prop_map(Value::from).boxed()), 0..4);
    let map = prop::collection::btree_map(text(), bigint.clone(), 0..4);
    let inner = (
        any::<Option<bool>>(),
        prop::collection::vec(double.clone(), 0..3),
        prop::collection::vec((text(), value()), 0..2),
    );
    let members = (
        option(text().prop_map(Value::from).boxed()),
        option(bigint.prop_map(Value::from).boxed()),
        option(double.prop_map(Value::from).boxed()),
        option(strings.prop_map(Value::from).boxed()),
        option(map.prop_map(|map| json!(map)).boxed()),
        option(
            inner
                .prop_map(|(flag, list, other)| {
                    let mut inner = Map::from_iter(other);
                    inner.insert("_1".into(), json!(flag));
                    inner.insert("_2".into(), json!(list));
                    Value::Object(inner)
                })
                .boxed(),
        ),
        prop::collection::vec((text(), value()), 0..3),
    );
    members.prop_map(|(s, n, d, l, m, o, others)| {
        let mut record = Map::from_iter(others);
        let own = [
            ("_1", s),
            ("_2", n),
            ("_3", d),
            ("_4", l),
            ("_5", m),
            ("_6", o),
            ("t", json!(0)),
        ];
        record.extend(own.map(|(name, value)| (name.to_owned(), value)));
        record
    })
}

fn printed(records: Vec<Map<String, Value>>, style: Style) -> Vec<String> {
    records
        .into_iter()
        .map(|record| print(&Value::Object(record), style))
        .collect()
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn rows_hold_what_another_parser_reads(
        records in prop::collection::vec(record(), 1..5),
        style in prop::sample::select(&STYLES[..]),
        damage in damage(),
        at in any::<Index>(),
    ) {
        let plan = plan(SCHEMA);
        let records = printed(records, style);
        let text = join(style, &records);
        prop_assert_eq!(assert_same(&plan, &text)?, records.len());
        let damaged = damage.of(&text, at.index(text.len() + 1));
        let rows = assert_same(&plan, &damaged)?;
        prop_assert!(rows + 2 >= records.len() || matches!(damage, Damage::Cut));
    }

    /// Letters written by their numbers are the same letters.
    #[test]
    fn escapes_are_read_as_another_parser_reads_them(text in "\\PC{0,6}", upper in any::<bool>()) {
        let units = text.encode_utf16();
        let escaped: String = units.map(|unit| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") }).collect();
        let record = format!("{{\"t\":0,\"_1\":\"{escaped}\",\"_5\":{{\"{escaped}\":1}}}}");
        prop_assert_eq!(assert_same(&plan(SCHEMA), record.as_bytes())?, 1);
    }
}
