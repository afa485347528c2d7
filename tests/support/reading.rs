//! Records through the public reader, and what became of them as text that a table of cases can hold.

#![allow(dead_code, reason = "each test file uses a part of it")]

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::util::display::array_value_to_string;
use lakebed::record::{BlockRows, Reader, RecordPlan, Rejected, SourceContext, TableRows, TableTally};
use lakebed::source::frame::FrameLimits;
use lakebed::table::Tables;
use proptest::prelude::ProptestConfig;

pub(crate) const MISMATCH: &str = "Type.Mismatch";
pub(crate) const RANGE: &str = "Type.Range";
pub(crate) const DUPLICATE: &str = "Json.DuplicateKey";
pub(crate) const SURROGATE: &str = "Json.LoneSurrogate";

pub(crate) const LIMITS: FrameLimits = FrameLimits {
    record_bytes_max: 16 << 20,
    depth_max: 128,
};

/// The plan of some schemas, each given as its table's name and the text of its file.
pub(crate) fn plan_of(schemas: &[(&str, String)], limits: FrameLimits) -> RecordPlan {
    let files = schemas
        .iter()
        .map(|(name, text)| (format!("{name}.yaml"), text.clone()));
    let tables = Tables::from_sources(files.collect()).unwrap_or_else(|errors| panic!("{schemas:?}\n{errors}"));
    RecordPlan::new(tables, limits)
}

/// A table `t` whose event time is `t`, seconds in a number, without limits; `rest` are the other lines of its file.
pub(crate) fn plan(rest: &str) -> RecordPlan {
    let head = "table: t\nevent_time: { field: t, max_future: none, max_past: none }\n";
    plan_of(&[("t", format!("{head}{rest}"))], LIMITS)
}

/// All rows of a block.
pub(crate) fn read(plan: &RecordPlan, block: &[u8]) -> BlockRows {
    read_from(plan, "k", 0, block)
}

/// All rows of a block of the source `key`, which arrived at `last_modified_s`.
pub(crate) fn read_from(plan: &RecordPlan, key: &str, last_modified_s: i64, block: &[u8]) -> BlockRows {
    let mut out = BlockRows::new(plan);
    Reader::default().read(plan, &SourceContext::new(plan, key, last_modified_s), block, &mut out);
    assert_eq!(
        out.bytes.records + out.bytes.bad + out.bytes.between,
        block.len() as u64,
        "{:?} of {}",
        out.bytes,
        String::from_utf8_lossy(block)
    );
    let rows: usize = out.tables.iter().map(TableRows::len).sum();
    assert_eq!(
        out.read + out.added,
        (rows + out.rejected.len()) as u64 + out.dropped,
        "{} added, {} dropped",
        out.added,
        out.dropped
    );
    out
}

/// What became of each record of a block, in order: its row, a text a column, or why there is none.
pub(crate) fn outcomes(plan: &RecordPlan, block: &[u8]) -> Vec<Result<Vec<String>, Rejected>> {
    outcomes_of(plan, read(plan, block), 0)
}

/// What became of each record that was read for the table at place `table`.
pub(crate) fn outcomes_of(plan: &RecordPlan, mut block: BlockRows, table: usize) -> Vec<Result<Vec<String>, Rejected>> {
    let mut rows = rows(plan, &mut block, table).into_iter();
    let mut rejected = block.rejected.into_iter().peekable();
    let mut all = Vec::new();
    for ordinal in 0..block.read {
        match rejected.next_if(|rejected| rejected.ordinal == ordinal) {
            Some(rejected) => all.push(Err(rejected)),
            None => all.extend(rows.next().map(Ok)),
        }
    }
    all
}

/// The rows of the table at place `table`, a text a column.
pub(crate) fn rows(plan: &RecordPlan, block: &mut BlockRows, table: usize) -> Vec<Vec<String>> {
    let schema = lakebed::table::arrow::schema(&plan.tables().as_slice()[table]);
    let columns = &mut block.tables[table].columns;
    let len = columns.first().map_or(0, lakebed::record::column::Column::len);
    let arrays: Vec<ArrayRef> = columns
        .iter_mut()
        .zip(schema.fields())
        .map(|(column, field)| column.take_array(field.data_type()).unwrap())
        .collect();
    let row = |row| arrays.iter().map(|array| shown(array, row)).collect();
    (0..len).map(row).collect()
}

/// A value: strings in quotes, bytes in hex, floats as Rust writes them, the rest as Arrow shows it.
pub(crate) fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".into();
    }
    let all = |values: &ArrayRef| (0..values.len()).map(|row| shown(values, row)).collect::<Vec<_>>();
    match array.data_type() {
        DataType::Utf8 => format!("{:?}", array.as_string::<i32>().value(row)),
        DataType::Binary => {
            let bytes = array.as_binary::<i32>().value(row);
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{digits}'")
        }
        DataType::Float32 => format!("{:?}", array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        DataType::List(_) => format!("[{}]", all(&array.as_list::<i32>().value(row)).join(", ")),
        DataType::Struct(fields) => {
            let members = fields.iter().zip(array.as_struct().columns());
            let members = members.map(|(field, values)| format!("{}: {}", field.name(), shown(values, row)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (all(entries.column(0)), all(entries.column(1)));
            let entries = keys.iter().zip(values).map(|(key, value)| format!("{key} => {value}"));
            format!("<{}>", entries.collect::<Vec<_>>().join(", "))
        }
        _ => array_value_to_string(array, row).unwrap(),
    }
}

/// What a value becomes in the only column of a table: a text or a code. `column` is its type and options, inside `{ }`;
/// `table` are more lines of the schema.
pub(crate) fn values(column: &str, table: &str, values: &[&str]) -> (Vec<String>, TableTally) {
    let plan = plan(&format!("columns: {{ v: {{ {column} }} }}\n{table}"));
    let block: String = values
        .iter()
        .map(|value| format!("{{\"t\":0,\"v\":{value}}}\n"))
        .collect();
    let read = read(&plan, block.as_bytes());
    let tally = read.tables[0].tally.clone();
    let outcomes = outcomes_of(&plan, read, 0);
    assert_eq!(outcomes.len(), values.len(), "{values:?}");
    let text = outcomes.into_iter().map(|outcome| match outcome {
        Ok(row) => row[0].clone(),
        Err(rejected) => code(&rejected),
    });
    (text.collect(), tally)
}

pub(crate) fn code(rejected: &Rejected) -> String {
    rejected.code.as_str().to_owned()
}

/// Checks (JSON value, under `strict`, under `lossless`) in a column.
pub(crate) fn check_modes(column: &str, cases: &[(&str, &str, &str)]) {
    let inputs: Vec<&str> = cases.iter().map(|case| case.0).collect();
    let (strict, _) = values(column, "coercion: strict", &inputs);
    let (lossless, _) = values(column, "coercion: lossless", &inputs);
    for (case, (strict, lossless)) in cases.iter().zip(strict.into_iter().zip(lossless)) {
        assert_eq!(
            (case.0, strict.as_str(), lossless.as_str()),
            *case,
            "JSON value, strict, lossless; column {column}"
        );
    }
}

/// Checks (JSON value, what it becomes) in a column, the same in both modes.
pub(crate) fn check(column: &str, cases: &[(&str, &str)]) {
    let both: Vec<_> = cases.iter().map(|(input, value)| (*input, *value, *value)).collect();
    check_modes(column, &both);
}

/// Checks (record, its row or the code of its refusal), the columns of a row parted by ` | `; `schema` as in [`plan`].
pub(crate) fn check_records(schema: &str, cases: &[(&str, &str)]) {
    let plan = plan(schema);
    let block: String = cases.iter().map(|(record, _)| format!("{record}\n")).collect();
    let outcomes = outcomes(&plan, block.as_bytes());
    assert_eq!(outcomes.len(), cases.len(), "{cases:?}");
    for ((record, expected), outcome) in cases.iter().zip(outcomes) {
        let found = outcome.map_or_else(|rejected| code(&rejected), |row| row.join(" | "));
        assert_eq!(found, *expected, "{record}\n{schema}");
    }
}

/// What is counted while records are read; `schema` as in [`plan`].
pub(crate) fn tally(schema: &str, records: &[&str]) -> TableTally {
    read(&plan(schema), records.join("\n").as_bytes())
        .tables
        .remove(0)
        .tally
}

/// Counts by name, as the tallies hold them.
pub(crate) fn counts(all: &[(&str, u64)]) -> std::collections::BTreeMap<String, u64> {
    all.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

/// As many cases, or more if PROPTEST_CASES says so. A failure prints its smallest case, and no file is written.
pub(crate) fn cases(at_least: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let asked = std::env::var_os("PROPTEST_CASES").map_or(0, |_| default.cases);
    ProptestConfig {
        cases: asked.max(at_least),
        failure_persistence: None,
        ..default
    }
}
