//! The Arrow types that stand for a table's columns. Names inside lists and maps are those of the Parquet specification,
//! every value but a map's key may be NULL, and timestamps are in UTC without a zone, as Hive and Athena read them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use super::{ColumnType, Table, UnknownFields};

/// The Arrow type of a column.
pub fn data_type(of: &ColumnType) -> DataType {
    match of {
        ColumnType::TinyInt => DataType::Int8,
        ColumnType::SmallInt => DataType::Int16,
        ColumnType::Int => DataType::Int32,
        ColumnType::BigInt => DataType::Int64,
        ColumnType::Float => DataType::Float32,
        ColumnType::Double => DataType::Float64,
        ColumnType::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale as i8),
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::String => DataType::Utf8,
        ColumnType::Binary => DataType::Binary,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
        ColumnType::TimestampMicros => DataType::Timestamp(TimeUnit::Microsecond, None),
        ColumnType::Array(element) => DataType::List(Arc::new(Field::new("element", data_type(element), true))),
        ColumnType::Struct(members) => DataType::Struct(
            members
                .iter()
                .map(|m| Field::new(&m.name, data_type(&m.data_type), true))
                .collect(),
        ),
        ColumnType::Map(key, value) => {
            let entry = Fields::from(vec![
                Field::new("key", data_type(key), false),
                Field::new("value", data_type(value), true),
            ]);
            DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entry), false)), false)
        }
    }
}

/// The Arrow schema of a table's files: its columns in the order of the schema file, then the column of unknown fields.
pub fn schema(table: &Table) -> SchemaRef {
    let columns = table
        .columns
        .iter()
        .map(|c| Field::new(&c.name, data_type(&c.data_type), true));
    let rest = match &table.unknown_fields {
        UnknownFields::KeepIn(name) => Some(Field::new(name, DataType::Utf8, true)),
        UnknownFields::Drop | UnknownFields::Quarantine => None,
    };
    Arc::new(Schema::new(columns.chain(rest).collect::<Fields>()))
}
