//! A JSON value becomes a value of a column, by the table's `coercion`, or says why it cannot.
//!
//! | | `strict` | `lossless` |
//! | --- | --- | --- |
//! | takes | the JSON type that the column has | also what loses nothing: `1.0` as bigint, `"12"` as int, `7` as string |
//!
//! Numbers go from their token's text to the column without a float between. What does not fit leaves the column as it was.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::column::{Column, Values, extend_from_range};
use super::names::{Names, Slot};
use super::number::{self, NumberError};
use super::plan::{Each, TimePlan, ValuePlan};
use super::tape::{Kind, Node, Tape};
use super::text;
use super::time::{self, Instant, TimeError, TimeValue};
use crate::quarantine::Code;
use crate::table::Encoding;

const BASE64: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, BASE64);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, BASE64);

/// A value does not become one of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    pub code: Code,
    /// What was there, in words without the value.
    pub found: &'static str,
}

impl Reject {
    fn mismatch(found: &'static str) -> Self {
        Self {
            code: Code::TypeMismatch,
            found,
        }
    }

    fn range(found: &'static str) -> Self {
        Self {
            code: Code::TypeRange,
            found,
        }
    }

    /// It stands open which of two values was meant.
    pub(super) const DUPLICATE: Self = Self {
        code: Code::JsonDuplicateKey,
        found: "a key that is read standing twice",
    };
    const TOO_WIDE: Self = Self {
        code: Code::RecordTooLarge,
        found: "more elements of lists and maps than a record may have: as columns they take over four times \
                LAKEBED_RECORD_BYTES_MAX",
    };
    const SURROGATE: Self = Self {
        code: Code::JsonLoneSurrogate,
        found: "a string with half a surrogate pair",
    };
}

/// What is counted while a record's values are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Times cut to their column's unit.
    pub cut_time: u64,
    /// Values set to NULL.
    pub set_null: u64,
    /// Local times that occur twice.
    pub ambiguous: u64,
    /// Members of structs that no table member takes.
    pub unknown: bool,
    /// Bytes of elements of lists and maps in columns. A text of `{},{}` may be a thousand members for each `{}`.
    pub elements: u64,
}

/// Reads values of one record into columns.
pub(crate) struct Coercer<'a> {
    pub bytes: &'a [u8],
    pub tape: &'a Tape,
    pub strict: bool,
    pub set_null: bool,
    /// Slots of the structs under way.
    pub slots: &'a mut Vec<Slot>,
    pub buffer: &'a mut Vec<u8>,
    pub tally: Tally,
    /// Most that [`Tally::elements`] may be.
    pub elements_max: u64,
}

impl<'a> Coercer<'a> {
    /// Adds the value at `node` to `column`. With `set_null` a value of the wrong type or range is NULL instead: the
    /// innermost one that can be.
    #[inline(always)]
    pub(super) fn add(&mut self, plan: &ValuePlan, node: u32, column: &mut Column) -> Result<(), Reject> {
        // Most of what there is.
        if let (ValuePlan::String, Values::Bytes { ends, bytes }) = (plan, &mut column.values)
            && let Node {
                kind: Kind::Text,
                special: false,
                start,
                end,
                ..
            } = self.tape.node(node)
        {
            extend_from_range(bytes, self.bytes, start as usize..end as usize);
            ends.push(bytes.len() as i32);
            column.push_valid();
            return Ok(());
        }
        self.add_other(plan, node, column)
    }

    fn add_other(&mut self, plan: &ValuePlan, node: u32, column: &mut Column) -> Result<(), Reject> {
        if self.tape.node(node).kind == Kind::Null {
            column.push_null();
            return Ok(());
        }
        let rows = column.len();
        let before = self.tally;
        let result = self.value(plan, node, column);
        if let Err(reject) = result {
            column.truncate(rows);
            if !self.set_null || !matches!(reject.code, Code::TypeMismatch | Code::TypeRange) {
                return Err(reject);
            }
            // What was counted within the value went with it; a struct's unknown members are there all the same.
            self.tally = Tally {
                set_null: before.set_null + 1,
                unknown: self.tally.unknown,
                ..before
            };
            column.push_null();
        }
        Ok(())
    }

    /// Like [`Coercer::add`], but the value itself is never set to NULL; values within it may be.
    pub(super) fn add_required(&mut self, plan: &ValuePlan, node: u32, column: &mut Column) -> Result<(), Reject> {
        self.value(plan, node, column)
    }

    fn raw(&self, node: Node) -> &'a [u8] {
        &self.bytes[node.start as usize..node.end as usize]
    }

    /// The contents of a string, its escapes resolved in `self.buffer` where it has any.
    fn text(&mut self, node: Node) -> Result<&[u8], Reject> {
        let raw = self.raw(node);
        if !node.special {
            return Ok(raw);
        }
        self.buffer.clear();
        text::unescape(raw, self.buffer).map_err(|_| Reject::SURROGATE)?;
        Ok(self.buffer)
    }

    fn value(&mut self, plan: &ValuePlan, index: u32, column: &mut Column) -> Result<(), Reject> {
        let node = self.tape.node(index);
        match (plan, &mut column.values) {
            (ValuePlan::String, Values::Bytes { ends, bytes }) => {
                let raw = self.raw(node);
                match node.kind {
                    Kind::Text if node.special => text::unescape(raw, bytes).map_err(|_| Reject::SURROGATE)?,
                    Kind::Text => bytes.extend_from_slice(raw),
                    _ if self.strict => return Err(Reject::mismatch(kind_name(node))),
                    _ => bytes.extend_from_slice(raw),
                }
                ends.push(bytes.len() as i32);
            }
            (ValuePlan::BigInt, Values::Int64(values)) => values.push(self.integer(node)?),
            (ValuePlan::Int, Values::Int32(values)) => values.push(self.integer(node)?),
            (ValuePlan::SmallInt, Values::Int16(values)) => values.push(self.integer(node)?),
            (ValuePlan::TinyInt, Values::Int8(values)) => values.push(self.integer(node)?),
            (ValuePlan::Double, Values::Float64(values)) => {
                let value = self.float(node, number::nearest_f64)?;
                values.push(value);
            }
            (ValuePlan::Float, Values::Float32(values)) => {
                let value = self.float(node, number::nearest_f32)?;
                values.push(value);
            }
            (ValuePlan::Decimal { precision, scale }, Values::Decimal(values)) => {
                let value = self.decimal(node, *precision, *scale)?;
                values.push(value);
            }
            (ValuePlan::Boolean, Values::Boolean(values)) => values.push(u8::from(self.boolean(node)?)),
            (ValuePlan::Date, Values::Int32(values)) => {
                let strict = self.strict;
                let Kind::Text = node.kind else {
                    return Err(Reject::mismatch(kind_name(node)));
                };
                let text = as_str(self.text(node)?)?;
                values.push(time::read_date(text, !strict).ok_or(Reject::mismatch("a string that is no date"))?);
            }
            (ValuePlan::Timestamp(plan), Values::Int64(values)) => {
                let instant = self.time(plan, index)?;
                self.tally.cut_time += u64::from(instant.finer_than_millis());
                values.push(instant.millis_floor());
            }
            (ValuePlan::TimestampMicros(plan), Values::Int64(values)) => {
                let instant = self.time(plan, index)?;
                self.tally.cut_time += u64::from(instant.finer_than_micros());
                values.push(instant.micros_floor());
            }
            (ValuePlan::Binary(encoding), Values::Bytes { ends, bytes }) => {
                let Kind::Text = node.kind else {
                    return Err(Reject::mismatch(kind_name(node)));
                };
                decode(*encoding, self.text(node)?, bytes)?;
                ends.push(bytes.len() as i32);
            }
            (ValuePlan::Array(each), Values::List { ends, element }) => {
                let Kind::Array = node.kind else {
                    return Err(Reject::mismatch(kind_name(node)));
                };
                let tape = self.tape;
                for item in tape.elements(index) {
                    self.count(each.bytes)?;
                    self.add(&each.plan, item, element)?;
                }
                ends.push(element.len() as i32);
            }
            (ValuePlan::Struct { names, members }, Values::Struct(columns)) => {
                let Kind::Object = node.kind else {
                    return Err(Reject::mismatch(kind_name(node)));
                };
                self.members(names, members, index, columns)?;
            }
            (
                ValuePlan::Map(each),
                Values::Map {
                    ends,
                    key: keys,
                    value: values,
                },
            ) => {
                let Kind::Object = node.kind else {
                    return Err(Reject::mismatch(kind_name(node)));
                };
                self.entries(each, index, (keys, values))?;
                ends.push(keys.len() as i32);
            }
            _ => unreachable!("plan and column are made from one type"),
        }
        column.push_valid();
        Ok(())
    }

    /// Counts an element before it is added.
    fn count(&mut self, bytes: u32) -> Result<(), Reject> {
        self.tally.elements += u64::from(bytes);
        if self.tally.elements > self.elements_max {
            return Err(Reject::TOO_WIDE);
        }
        Ok(())
    }

    fn members(
        &mut self,
        names: &Names,
        plans: &[ValuePlan],
        object: u32,
        columns: &mut [Column],
    ) -> Result<(), Reject> {
        let first = self.slots.len();
        self.slots.resize(first + names.slots(), Slot::Missing);
        self.tally.unknown |= names.fill(self.bytes, self.tape, object, &mut self.slots[first..]);
        let mut result = Ok(());
        for (place, (plan, column)) in plans.iter().zip(columns).enumerate() {
            result = match self.slots[first + place].value() {
                Ok(Some(node)) => self.add(plan, node, column),
                Ok(None) => {
                    column.push_null();
                    Ok(())
                }
                Err(_) => Err(Reject::DUPLICATE),
            };
            if result.is_err() {
                break;
            }
        }
        self.slots.truncate(first);
        result
    }

    fn entries(
        &mut self,
        Each { plan, bytes }: &Each<(ValuePlan, ValuePlan)>,
        object: u32,
        (keys, values): (&mut Column, &mut Column),
    ) -> Result<(), Reject> {
        let tape = self.tape;
        let first = keys.len();
        for (key, value) in tape.members(object) {
            self.count(*bytes)?;
            self.map_key(&plan.0, key, keys)?;
            self.add(&plan.1, value, values)?;
        }
        if has_repeats(keys, first) {
            Err(Reject::DUPLICATE)
        } else {
            Ok(())
        }
    }

    /// A key is a string of JSON; it is read by the rules for strings, whatever the mode.
    fn map_key(&mut self, plan: &ValuePlan, key: Node, column: &mut Column) -> Result<(), Reject> {
        let strict = std::mem::replace(&mut self.strict, false);
        let result = match (plan, &mut column.values) {
            (ValuePlan::String, Values::Bytes { ends, bytes }) => text::unescape(self.raw(key), bytes)
                .map(|()| ends.push(bytes.len() as i32))
                .map_err(|_| Reject::SURROGATE),
            (ValuePlan::BigInt, Values::Int64(values)) => self.integer(key).map(|v| values.push(v)),
            (ValuePlan::Int, Values::Int32(values)) => self.integer(key).map(|v| values.push(v)),
            (ValuePlan::SmallInt, Values::Int16(values)) => self.integer(key).map(|v| values.push(v)),
            (ValuePlan::TinyInt, Values::Int8(values)) => self.integer(key).map(|v| values.push(v)),
            (ValuePlan::Date, Values::Int32(values)) => self.text(key).and_then(as_str).and_then(|text| {
                let days = time::read_date(text, !strict).ok_or(Reject::mismatch("a key that is no date"))?;
                values.push(days);
                Ok(())
            }),
            _ => unreachable!("map keys are strings, integers or dates"),
        };
        self.strict = strict;
        result?;
        column.push_valid();
        Ok(())
    }

    fn integer<T: TryFrom<i128>>(&mut self, node: Node) -> Result<T, Reject> {
        let raw = self.raw(node);
        let out_of_range = || Reject::range("a number out of range");
        match node.kind {
            Kind::Number if self.strict && node.special => Err(Reject::mismatch("a number with a point or exponent")),
            Kind::Number => match number::scaled(raw, 0) {
                Ok(value) => T::try_from(value).map_err(|_| out_of_range()),
                Err(NumberError::Inexact) => Err(Reject::mismatch("a number that is not whole")),
                Err(NumberError::Range) => Err(out_of_range()),
            },
            Kind::Text if !self.strict => {
                let text = self.text(node)?;
                if !number::is_json_integer(text) {
                    return Err(Reject::mismatch("a string that is no whole number"));
                }
                let value = number::scaled(text, 0).map_err(|_| out_of_range())?;
                T::try_from(value).map_err(|_| out_of_range())
            }
            _ => Err(Reject::mismatch(kind_name(node))),
        }
    }

    fn float<T: From<f32> + std::ops::Neg<Output = T>>(
        &mut self,
        node: Node,
        nearest: fn(&[u8]) -> Result<T, NumberError>,
    ) -> Result<T, Reject> {
        let raw = self.raw(node);
        let unheld = |_| Reject::range("a number that the type cannot hold");
        match node.kind {
            Kind::Number => nearest(raw).map_err(unheld),
            Kind::Text if !self.strict => match self.text(node)? {
                b"NaN" => Ok(T::from(f32::NAN)),
                b"Infinity" => Ok(T::from(f32::INFINITY)),
                b"-Infinity" => Ok(-T::from(f32::INFINITY)),
                text if number::is_json_number(text) => nearest(text).map_err(unheld),
                _ => Err(Reject::mismatch("a string that is no number")),
            },
            _ => Err(Reject::mismatch(kind_name(node))),
        }
    }

    fn decimal(&mut self, node: Node, precision: u32, scale: i64) -> Result<i128, Reject> {
        let raw = self.raw(node);
        let token = match node.kind {
            Kind::Number => raw,
            Kind::Text if !self.strict => {
                let text = self.text(node)?;
                if !number::is_json_number(text) {
                    return Err(Reject::mismatch("a string that is no number"));
                }
                text
            }
            _ => return Err(Reject::mismatch(kind_name(node))),
        };
        match number::scaled(token, scale) {
            Ok(value) if value.unsigned_abs() < 10_u128.pow(precision) => Ok(value),
            Ok(_) | Err(NumberError::Range) => Err(Reject::range("a number with too many digits")),
            Err(NumberError::Inexact) => Err(Reject::range("a number with too many digits behind the point")),
        }
    }

    fn boolean(&mut self, node: Node) -> Result<bool, Reject> {
        match node.kind {
            Kind::True => Ok(true),
            Kind::False => Ok(false),
            Kind::Text if !self.strict => match self.text(node)? {
                b"true" => Ok(true),
                b"false" => Ok(false),
                _ => Err(Reject::mismatch("a string that is neither `true` nor `false`")),
            },
            _ => Err(Reject::mismatch(kind_name(node))),
        }
    }

    fn time(&mut self, plan: &TimePlan, index: u32) -> Result<Instant, Reject> {
        let node = self.tape.node(index);
        match node.kind {
            Kind::Number if !plan.numbers => return Err(Reject::mismatch(kind_name(node))),
            Kind::Object if !plan.dollar_dates => return Err(Reject::mismatch(kind_name(node))),
            _ => {}
        }
        let value = time_value(self.bytes, self.tape, index, self.buffer)
            .map_err(|reject| reject.unwrap_or(Reject::mismatch(kind_name(node))))?;
        match plan.formats.read(&value) {
            Ok(reading) => {
                self.tally.ambiguous += u64::from(reading.ambiguous);
                Ok(reading.instant)
            }
            Err(TimeError::OutOfRange) => Err(Reject::range("a time out of range")),
            Err(TimeError::Nonexistent) => Err(Reject::mismatch("a local time that does not occur")),
            Err(TimeError::Unreadable) => Err(Reject::mismatch("a value that is no time of the column's `formats`")),
        }
    }
}

/// The value at `index` as a time; `Err(None)` where it cannot be one.
pub(crate) fn time_value<'a>(
    bytes: &'a [u8],
    tape: &Tape,
    index: u32,
    buffer: &'a mut Vec<u8>,
) -> Result<TimeValue<'a>, Option<Reject>> {
    let node = tape.node(index);
    let (dotted, node) = match node.kind {
        Kind::Object => {
            let mut members = tape.members(index);
            let (Some((key, value)), None) = (members.next(), members.next()) else {
                return Err(None);
            };
            match &bytes[key.start as usize..key.end as usize] {
                b"$date" if tape.node(value).kind == Kind::Object => {
                    let mut members = tape.members(value);
                    let (Some((key, long)), None) = (members.next(), members.next()) else {
                        return Err(None);
                    };
                    let long = tape.node(long);
                    if &bytes[key.start as usize..key.end as usize] != b"$numberLong" || long.kind != Kind::Text {
                        return Err(None);
                    }
                    let text = &bytes[long.start as usize..long.end as usize];
                    return if number::is_json_integer(text) {
                        Ok(TimeValue::DateMillis(as_str(text).map_err(Some)?))
                    } else {
                        Err(None)
                    };
                }
                b"$date" => (Some(false), tape.node(value)),
                b"$.date" => (Some(true), tape.node(value)),
                _ => return Err(None),
            }
        }
        _ => (None, node),
    };
    let raw = &bytes[node.start as usize..node.end as usize];
    let text = if node.kind == Kind::Text && node.special {
        buffer.clear();
        text::unescape(raw, buffer).map_err(|_| Some(Reject::SURROGATE))?;
        as_str(buffer).map_err(Some)?
    } else {
        as_str(raw).map_err(Some)?
    };
    match (node.kind, dotted) {
        (Kind::Text, None) => Ok(TimeValue::Text(text)),
        (Kind::Number, None) => Ok(TimeValue::Number(text)),
        (Kind::Text, Some(false)) => Ok(TimeValue::DateText(text)),
        (Kind::Text, Some(true)) => Ok(TimeValue::DotDateText(text)),
        (Kind::Number, Some(false)) => Ok(TimeValue::DateMillis(text)),
        (Kind::Number, Some(true)) => Ok(TimeValue::DotDateSeconds(text)),
        _ => Err(None),
    }
}

fn as_str(text: &[u8]) -> Result<&str, Reject> {
    std::str::from_utf8(text).map_err(|_| Reject {
        code: Code::JsonInvalidUtf8,
        found: "text that is not UTF-8",
    })
}

fn kind_name(node: Node) -> &'static str {
    match node.kind {
        Kind::Object => "an object",
        Kind::Array => "an array",
        Kind::Text => "a string",
        Kind::Number => "a number",
        Kind::True | Kind::False => "a boolean",
        Kind::Null => "null",
    }
}

fn decode(encoding: Encoding, text: &[u8], out: &mut Vec<u8>) -> Result<(), Reject> {
    match encoding {
        Encoding::Base64 => {
            let wrong = Reject::mismatch("a string that is not base64");
            // The engines take part of the padding as well.
            if text.contains(&b'=') && !text.len().is_multiple_of(4) {
                return Err(wrong);
            }
            let engine = if text.iter().any(|b| matches!(b, b'-' | b'_')) {
                &URL_SAFE
            } else {
                &STANDARD
            };
            engine.decode_vec(text, out).map_err(|_| wrong)
        }
        Encoding::Hex => {
            let wrong = Reject::mismatch("a string that is not hex");
            let (pairs, []) = text.as_chunks::<2>() else {
                return Err(wrong);
            };
            for pair in pairs {
                let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(wrong);
                };
                out.push((high << 4 | low) as u8);
            }
            Ok(())
        }
        Encoding::Utf8 => {
            out.extend_from_slice(text);
            Ok(())
        }
    }
}

/// Do two of the entries from `first` on have the same key?
fn has_repeats(keys: &Column, first: usize) -> bool {
    fn any<T: Ord>(mut keys: Vec<T>) -> bool {
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    }
    match &keys.values {
        Values::Bytes { ends, bytes } => {
            let begin = |row: usize| if row == 0 { 0 } else { ends[row - 1] as usize };
            any((first..ends.len())
                .map(|row| &bytes[begin(row)..ends[row] as usize])
                .collect())
        }
        Values::Int64(keys) => any(keys[first..].to_vec()),
        Values::Int32(keys) => any(keys[first..].to_vec()),
        Values::Int16(keys) => any(keys[first..].to_vec()),
        Values::Int8(keys) => any(keys[first..].to_vec()),
        _ => unreachable!("map keys are strings, integers or dates"),
    }
}
