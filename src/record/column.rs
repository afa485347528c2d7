//! The values of many rows in columns: what records are parsed into, partitions are gathered in and Parquet is made from.
//!
//! A column can be cut back to an earlier length, so a record that turns out not to fit leaves no trace. Rows are copied
//! from column to column by ranges. Knows nothing of JSON; the Arrow side of it is [`Column::take_array`].

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, ListArray, MapArray, PrimitiveArray, StringArray, StructArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow::error::ArrowError;

use crate::table::ColumnType;

mod stored;

/// Which rows have a value. Costs nothing until the first NULL.
#[derive(Clone, Debug, Default)]
pub struct Validity {
    len: usize,
    /// One byte a row, 1 where there is a value; empty while there is no NULL.
    flags: Vec<u8>,
}

impl Validity {
    #[inline(always)]
    fn push(&mut self, valid: bool) {
        if valid && self.flags.is_empty() {
            self.len += 1;
        } else {
            self.push_flag(valid);
        }
    }

    fn push_flag(&mut self, valid: bool) {
        if !valid && self.flags.is_empty() {
            self.flags.resize(self.len, 1);
            self.flags.push(0);
        } else if !valid || !self.flags.is_empty() {
            self.flags.push(u8::from(valid));
        }
        self.len += 1;
    }

    fn append(&mut self, other: &Self, runs: &[Range<usize>]) {
        let rows: usize = runs.iter().map(Range::len).sum();
        if !other.flags.is_empty() {
            self.flags.resize(self.len, 1);
            runs.iter()
                .for_each(|run| self.flags.extend_from_slice(&other.flags[run.clone()]));
        } else if !self.flags.is_empty() {
            self.flags.resize(self.len + rows, 1);
        }
        self.len += rows;
    }

    fn truncate(&mut self, len: usize) {
        self.len = len;
        self.flags.truncate(len);
    }

    fn take(&mut self) -> Option<NullBuffer> {
        let flags = std::mem::take(&mut self.flags);
        self.len = 0;
        flags
            .contains(&0)
            .then(|| NullBuffer::new(BooleanBuffer::collect_bool(flags.len(), |row| flags[row] != 0)))
    }
}

/// The values of a column, one an entry (rows without a value have a zero or nothing).
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields of a variant are named for what its comment says")]
pub enum Values {
    /// boolean, one byte a row
    Boolean(Vec<u8>),
    /// tinyint
    Int8(Vec<i8>),
    /// smallint
    Int16(Vec<i16>),
    /// int; date as days since 1970-01-01
    Int32(Vec<i32>),
    /// bigint; timestamp in milli- or microseconds since 1970-01-01
    Int64(Vec<i64>),
    /// float
    Float32(Vec<f32>),
    /// double
    Float64(Vec<f64>),
    /// decimal, unscaled
    Decimal(Vec<i128>),
    /// string, binary: all bytes, and where each row ends
    Bytes { ends: Vec<i32>, bytes: Vec<u8> },
    /// array: all elements, and where each row ends
    List { ends: Vec<i32>, element: Box<Column> },
    /// struct: a column a member
    Struct(Vec<Column>),
    /// map: all entries, and where each row ends
    Map {
        ends: Vec<i32>,
        key: Box<Column>,
        value: Box<Column>,
    },
}

/// A column of any type that a table may have.
#[derive(Clone, Debug)]
pub struct Column {
    validity: Validity,
    /// The values; entries are added through the methods of [`Column`] alone.
    pub(crate) values: Values,
}

macro_rules! each_plain {
    ($values:expr, $v:ident => $do:expr, else $rest:tt) => {
        match $values {
            Values::Boolean($v) => $do,
            Values::Int8($v) => $do,
            Values::Int16($v) => $do,
            Values::Int32($v) => $do,
            Values::Int64($v) => $do,
            Values::Float32($v) => $do,
            Values::Float64($v) => $do,
            Values::Decimal($v) => $do,
            _ => each_plain!(@rest $values, $rest),
        }
    };
    (@rest $values:expr, { $($arm:tt)* }) => {
        match $values { $($arm)* _ => unreachable!("plain values are matched above") }
    };
}

fn end(ends: &[i32], rows: usize) -> usize {
    if rows == 0 { 0 } else { ends[rows - 1] as usize }
}

/// Adds the rows of these runs to a plain vector.
fn append_plain<T: Copy>(to: &mut Vec<T>, from: &[T], runs: &[Range<usize>]) {
    runs.iter().for_each(|run| to.extend_from_slice(&from[run.clone()]));
}

/// Adds the ends of the rows of these runs, moved to where `before` says they begin now; hands over what the rows hold.
fn append_ends(
    ends: &mut Vec<i32>,
    other: &[i32],
    runs: &[Range<usize>],
    mut before: usize,
    mut each: impl FnMut(Range<usize>),
) {
    for run in runs {
        let range = end(other, run.start)..end(other, run.end);
        let shift = before as i32 - range.start as i32;
        ends.extend(other[run.clone()].iter().map(|end| end + shift));
        before += range.len();
        each(range);
    }
}

/// Adds `from[range]`. What is short is copied in one piece of a fixed size, where so much is there to be copied.
#[inline(always)]
pub(crate) fn extend_from_range(to: &mut Vec<u8>, from: &[u8], range: Range<usize>) {
    const SHORT: usize = 16;
    const LONGER: usize = 64;
    let len = range.len();
    let rest = &from[range.start..];
    if len <= SHORT
        && let Some(piece) = rest.first_chunk::<SHORT>()
    {
        to.extend_from_slice(piece);
        to.truncate(to.len() - (SHORT - len));
    } else if len <= LONGER
        && let Some(piece) = rest.first_chunk::<LONGER>()
    {
        to.extend_from_slice(piece);
        to.truncate(to.len() - (LONGER - len));
    } else {
        to.extend_from_slice(&rest[..len]);
    }
}

impl Column {
    /// An empty column for values of `data_type`.
    pub fn new(data_type: &ColumnType) -> Self {
        let values = match data_type {
            ColumnType::Boolean => Values::Boolean(Vec::new()),
            ColumnType::TinyInt => Values::Int8(Vec::new()),
            ColumnType::SmallInt => Values::Int16(Vec::new()),
            ColumnType::Int | ColumnType::Date => Values::Int32(Vec::new()),
            ColumnType::BigInt | ColumnType::Timestamp | ColumnType::TimestampMicros => Values::Int64(Vec::new()),
            ColumnType::Float => Values::Float32(Vec::new()),
            ColumnType::Double => Values::Float64(Vec::new()),
            ColumnType::Decimal { .. } => Values::Decimal(Vec::new()),
            ColumnType::String | ColumnType::Binary => Values::Bytes {
                ends: Vec::new(),
                bytes: Vec::new(),
            },
            ColumnType::Array(element) => Values::List {
                ends: Vec::new(),
                element: Box::new(Self::new(element)),
            },
            ColumnType::Struct(members) => Values::Struct(members.iter().map(|m| Self::new(&m.data_type)).collect()),
            ColumnType::Map(key, value) => Values::Map {
                ends: Vec::new(),
                key: Box::new(Self::new(key)),
                value: Box::new(Self::new(value)),
            },
        };
        Self {
            validity: Validity::default(),
            values,
        }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.validity.len
    }

    /// No rows yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a NULL.
    pub fn push_null(&mut self) {
        each_plain!(&mut self.values, v => v.push(Default::default()), else {
            Values::Bytes { ends, bytes } => ends.push(bytes.len() as i32),
            Values::List { ends, element } => ends.push(element.len() as i32),
            Values::Map { ends, key, .. } => ends.push(key.len() as i32),
            Values::Struct(members) => members.iter_mut().for_each(Self::push_null),
        });
        self.validity.push(false);
    }

    /// The value has been added to `values`; the row has one.
    #[inline(always)]
    pub(crate) fn push_valid(&mut self) {
        self.validity.push(true);
    }

    /// Adds a string or binary value.
    pub fn push_bytes(&mut self, value: &[u8]) {
        let Values::Bytes { ends, bytes } = &mut self.values else {
            unreachable!("not a column of bytes")
        };
        bytes.extend_from_slice(value);
        ends.push(bytes.len() as i32);
        self.validity.push(true);
    }

    /// Cuts the column back to its first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        each_plain!(&mut self.values, v => v.truncate(rows), else {
            Values::Bytes { ends, bytes } => {
                ends.truncate(rows);
                bytes.truncate(end(ends, rows.min(ends.len())));
            }
            Values::List { ends, element } => {
                ends.truncate(rows);
                element.truncate(end(ends, rows.min(ends.len())));
            }
            Values::Map { ends, key, value } => {
                ends.truncate(rows);
                let entries = end(ends, rows.min(ends.len()));
                key.truncate(entries);
                value.truncate(entries);
            }
            Values::Struct(members) => members.iter_mut().for_each(|m| m.truncate(rows)),
        });
        self.validity.truncate(rows.min(self.validity.len));
    }

    /// Copies runs of rows of `other`, a column of the same type, behind the rows of this one.
    pub fn append(&mut self, other: &Self, runs: &[Range<usize>]) {
        self.validity.append(&other.validity, runs);
        match (&mut self.values, &other.values) {
            (Values::Boolean(a), Values::Boolean(b)) => append_plain(a, b, runs),
            (Values::Int8(a), Values::Int8(b)) => append_plain(a, b, runs),
            (Values::Int16(a), Values::Int16(b)) => append_plain(a, b, runs),
            (Values::Int32(a), Values::Int32(b)) => append_plain(a, b, runs),
            (Values::Int64(a), Values::Int64(b)) => append_plain(a, b, runs),
            (Values::Float32(a), Values::Float32(b)) => append_plain(a, b, runs),
            (Values::Float64(a), Values::Float64(b)) => append_plain(a, b, runs),
            (Values::Decimal(a), Values::Decimal(b)) => append_plain(a, b, runs),
            (
                Values::Bytes { ends, bytes },
                Values::Bytes {
                    ends: other_ends,
                    bytes: other_bytes,
                },
            ) => {
                let before = bytes.len();
                append_ends(ends, other_ends, runs, before, |range| {
                    extend_from_range(bytes, other_bytes, range)
                });
            }
            (
                Values::List { ends, element },
                Values::List {
                    ends: other_ends,
                    element: other_element,
                },
            ) => {
                let mut elements = Vec::with_capacity(runs.len());
                append_ends(ends, other_ends, runs, element.len(), |range| elements.push(range));
                element.append(other_element, &elements);
            }
            (
                Values::Map { ends, key, value },
                Values::Map {
                    ends: other_ends,
                    key: other_key,
                    value: other_value,
                },
            ) => {
                let mut entries = Vec::with_capacity(runs.len());
                append_ends(ends, other_ends, runs, key.len(), |range| entries.push(range));
                key.append(other_key, &entries);
                value.append(other_value, &entries);
            }
            (Values::Struct(members), Values::Struct(others)) => {
                for (member, other) in members.iter_mut().zip(others) {
                    member.append(other, runs);
                }
            }
            _ => unreachable!("columns of one table have one type"),
        }
    }

    /// Moves all rows into an Arrow array of `data_type` (as [`crate::table::arrow`] gives it), leaving the column empty.
    pub fn take_array(&mut self, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let rows = self.len();
        let nulls = self.validity.take();
        Ok(match &mut self.values {
            Values::Boolean(v) => {
                let v = std::mem::take(v);
                Arc::new(BooleanArray::new(
                    BooleanBuffer::collect_bool(v.len(), |row| v[row] != 0),
                    nulls,
                ))
            }
            Values::Int8(v) => primitive::<Int8Type>(v, nulls)?,
            Values::Int16(v) => primitive::<Int16Type>(v, nulls)?,
            Values::Int32(v) if *data_type == DataType::Date32 => primitive::<Date32Type>(v, nulls)?,
            Values::Int32(v) => primitive::<Int32Type>(v, nulls)?,
            Values::Int64(v) => match data_type {
                DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, _) => {
                    primitive::<TimestampMillisecondType>(v, nulls)?
                }
                DataType::Timestamp(..) => primitive::<TimestampMicrosecondType>(v, nulls)?,
                _ => primitive::<Int64Type>(v, nulls)?,
            },
            Values::Float32(v) => primitive::<Float32Type>(v, nulls)?,
            Values::Float64(v) => primitive::<Float64Type>(v, nulls)?,
            Values::Decimal(v) => {
                let values = ScalarBuffer::from(std::mem::take(v));
                Arc::new(Decimal128Array::try_new(values, nulls)?.with_data_type(data_type.clone()))
            }
            Values::Bytes { ends, bytes } => {
                let (offsets, bytes) = (offsets(ends), std::mem::take(bytes).into());
                match data_type {
                    DataType::Utf8 => Arc::new(StringArray::try_new(offsets, bytes, nulls)?),
                    _ => Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?),
                }
            }
            Values::List { ends, element } => {
                let DataType::List(field) = data_type else {
                    return Err(unlike(data_type));
                };
                let values = element.take_array(field.data_type())?;
                Arc::new(ListArray::try_new(Arc::clone(field), offsets(ends), values, nulls)?)
            }
            Values::Struct(members) => {
                let DataType::Struct(fields) = data_type else {
                    return Err(unlike(data_type));
                };
                let arrays = members.iter_mut().zip(fields).map(|(m, f)| m.take_array(f.data_type()));
                let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
                Arc::new(StructArray::try_new_with_length(fields.clone(), arrays, nulls, rows)?)
            }
            Values::Map { ends, key, value } => {
                let DataType::Map(entries, sorted) = data_type else {
                    return Err(unlike(data_type));
                };
                let DataType::Struct(fields) = entries.data_type() else {
                    return Err(unlike(data_type));
                };
                let [key_field, value_field] = [&fields[0], &fields[1]].map(|f: &Arc<Field>| f.data_type());
                let arrays = vec![key.take_array(key_field)?, value.take_array(value_field)?];
                let entry_rows = StructArray::try_new(fields.clone(), arrays, None)?;
                Arc::new(MapArray::try_new(
                    Arc::clone(entries),
                    offsets(ends),
                    entry_rows,
                    nulls,
                    *sorted,
                )?)
            }
        })
    }
}

fn unlike(data_type: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("a column's values are not of its Arrow type {data_type}"))
}

fn primitive<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(PrimitiveArray::<T>::try_new(
        ScalarBuffer::from(std::mem::take(values)),
        nulls,
    )?))
}

fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.append(ends);
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested() -> (ColumnType, Column) {
        let data_type = ColumnType::parse("array<struct<a:int,b:map<string,string>>>").unwrap();
        let mut column = Column::new(&data_type);
        for row in 0..5 {
            if row == 2 {
                column.push_null();
                continue;
            }
            let Values::List { ends, element } = &mut column.values else {
                panic!()
            };
            for _ in 0..row {
                let Values::Struct(members) = &mut element.values else {
                    panic!()
                };
                let Values::Int32(a) = &mut members[0].values else {
                    panic!()
                };
                a.push(row);
                members[0].push_valid();
                let Values::Map { ends, key, value } = &mut members[1].values else {
                    panic!()
                };
                key.push_bytes(b"key");
                if row == 3 {
                    value.push_null()
                } else {
                    value.push_bytes(b"value")
                }
                ends.push(key.len() as i32);
                members[1].push_valid();
                element.push_valid();
            }
            ends.push(element.len() as i32);
            column.push_valid();
        }
        (data_type, column)
    }

    fn shown(data_type: &ColumnType, column: &Column) -> String {
        let arrow = crate::table::arrow::data_type(data_type);
        format!("{:?}", column.clone().take_array(&arrow).unwrap())
    }

    #[test]
    fn a_column_cut_back_is_as_if_the_rest_had_never_been() {
        let (data_type, column) = nested();
        let mut once = Column::new(&data_type);
        once.append(&column, &[0..1, 1..3]);
        let mut cut = column.clone();
        cut.truncate(3);
        assert_eq!(shown(&data_type, &cut), shown(&data_type, &once));
        cut.append(&column, &[3..4, 4..4, 4..5]);
        assert_eq!(shown(&data_type, &cut), shown(&data_type, &column));
    }

    #[test]
    fn what_was_spilled_reads_back_equal() {
        let (data_type, column) = nested();
        let mut bytes = Vec::new();
        column.write_to(&mut bytes).unwrap();
        let mut back = Column::new(&data_type);
        back.push_null();
        back.read_from(&mut bytes.as_slice()).unwrap();
        assert_eq!(shown(&data_type, &back), shown(&data_type, &column));
    }
}
