//! Athena's type strings and the types they stand for, printer and parser.
//!
//! A type copied from the console reads as it is, whatever its case and spaces; what is printed can be copied back.
//! Types that Athena has and a lake of Parquet files better avoids are refused, each with the type to use instead.
//! Knows neither Arrow nor Parquet.

use std::collections::BTreeMap;
use std::fmt;

mod parse;

/// The type of a column, of a struct's member, or of what an array or a map holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// 8 bits, signed.
    TinyInt,
    /// 16 bits, signed.
    SmallInt,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    BigInt,
    /// 32 bits, binary.
    Float,
    /// 64 bits, binary.
    Double,
    /// Exact digits.
    Decimal {
        /// All digits, 1 to 38.
        precision: u8,
        /// Digits behind the point, at most `precision`.
        scale: u8,
    },
    /// `true` or `false`.
    Boolean,
    /// UTF-8 text.
    String,
    /// Bytes.
    Binary,
    /// A calendar date.
    Date,
    /// An instant in milliseconds.
    Timestamp,
    /// An instant in microseconds, written `timestamp(6)`.
    TimestampMicros,
    /// Values of one type, in order.
    Array(Box<ColumnType>),
    /// Named members, at least one, names unique.
    Struct(Vec<Member>),
    /// Keys (string, an integer type or date), and values.
    Map(Box<ColumnType>, Box<ColumnType>),
}

/// One member of a struct.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name in Athena.
    pub name: String,
    /// The key that holds it in JSON; its own name unless the column's `keys` say otherwise.
    pub json_key: String,
    /// Its type.
    pub data_type: ColumnType,
}

/// A text is no type, or none that is supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TypeError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub way_out: String,
    /// Where in the text, in bytes.
    pub offset: usize,
}

impl ColumnType {
    /// Reads an Athena type string such as `array<struct<id:bigint,price:decimal(12,2)>>`.
    ///
    /// # Errors
    /// The text is not such a type; the error says what to write instead.
    pub fn parse(text: &str) -> Result<Self, TypeError> {
        parse::Parser::new(text).whole()
    }

    /// The number of Parquet columns: one for each value that is not itself made of values; a map's key counts.
    #[must_use]
    pub fn leaves(&self) -> usize {
        match self {
            Self::Array(element) => element.leaves(),
            Self::Struct(members) => members.iter().map(|member| member.data_type.leaves()).sum(),
            Self::Map(key, value) => key.leaves() + value.leaves(),
            _ => 1,
        }
    }

    /// The type as Athena's DDL and the Glue catalog take it: as displayed, but microseconds are a `timestamp` too.
    #[must_use]
    pub fn athena(&self) -> String {
        Written {
            data_type: self,
            timestamp_micros: "timestamp",
        }
        .to_string()
    }

    /// Whether this type or one inside it fulfils a condition.
    #[must_use]
    pub fn any(&self, condition: fn(&Self) -> bool) -> bool {
        condition(self)
            || match self {
                Self::Array(element) => element.any(condition),
                Self::Struct(members) => members.iter().any(|member| member.data_type.any(condition)),
                Self::Map(key, value) => key.any(condition) || value.any(condition),
                _ => false,
            }
    }

    /// Whether it is or holds a timestamp, so that `formats` mean something.
    #[must_use]
    pub fn has_timestamp(&self) -> bool {
        self.any(|data_type| matches!(data_type, Self::Timestamp | Self::TimestampMicros))
    }

    /// Whether it is or holds bytes, so that `encoding` means something.
    #[must_use]
    pub fn has_binary(&self) -> bool {
        self.any(|data_type| matches!(data_type, Self::Binary))
    }

    /// Every struct in it, the outermost first.
    pub(super) fn structs(&self) -> Vec<&[Member]> {
        match self {
            Self::Array(element) => element.structs(),
            Self::Struct(members) => {
                let inner = members.iter().flat_map(|member| member.data_type.structs());
                std::iter::once(members.as_slice()).chain(inner).collect()
            }
            Self::Map(_, value) => value.structs(),
            _ => Vec::new(),
        }
    }

    /// The same type, its members named in `keys` read from the JSON keys given there, however deep they stand.
    #[must_use]
    pub(super) fn with_json_keys(self, keys: &BTreeMap<String, String>) -> Self {
        match self {
            Self::Array(element) => Self::Array(Box::new(element.with_json_keys(keys))),
            Self::Struct(members) => {
                let members = members.into_iter().map(
                    |Member {
                         name,
                         json_key,
                         data_type,
                     }| Member {
                        json_key: keys.get(&name).cloned().unwrap_or(json_key),
                        data_type: data_type.with_json_keys(keys),
                        name,
                    },
                );
                Self::Struct(members.collect())
            }
            Self::Map(key, value) => Self::Map(key, Box::new(value.with_json_keys(keys))),
            leaf => leaf,
        }
    }
}

/// A type and how it spells its timestamps.
struct Written<'t> {
    data_type: &'t ColumnType,
    timestamp_micros: &'static str,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = |data_type| Written { data_type, ..*self };
        let name = match self.data_type {
            ColumnType::TinyInt => "tinyint",
            ColumnType::SmallInt => "smallint",
            ColumnType::Int => "int",
            ColumnType::BigInt => "bigint",
            ColumnType::Float => "float",
            ColumnType::Double => "double",
            ColumnType::Boolean => "boolean",
            ColumnType::String => "string",
            ColumnType::Binary => "binary",
            ColumnType::Date => "date",
            ColumnType::Timestamp => "timestamp",
            ColumnType::TimestampMicros => self.timestamp_micros,
            ColumnType::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            ColumnType::Array(element) => return write!(f, "array<{}>", inner(element)),
            ColumnType::Map(key, value) => return write!(f, "map<{},{}>", inner(key), inner(value)),
            ColumnType::Struct(members) => {
                for (number, Member { name, data_type, .. }) in members.iter().enumerate() {
                    let before = if number == 0 { "struct<" } else { "," };
                    write!(f, "{before}{name}:{}", inner(data_type))?;
                }
                ">"
            }
        };
        f.write_str(name)
    }
}

/// As the schema files spell it; reads back as the same type.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Written {
            data_type: self,
            timestamp_micros: "timestamp(6)",
        }
        .fmt(f)
    }
}

#[cfg(test)]
mod tests;
