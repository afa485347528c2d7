//! Reads type strings.

use super::{ColumnType, Member, TypeError};
use crate::table::names::{column_name_for, is_column_name, nearest};

/// Types nested deeper are a mistake, and would use up the stack.
const DEPTH_MAX: usize = 32;

/// Names without parameters.
const SIMPLE: [(&str, ColumnType); 11] = [
    ("tinyint", ColumnType::TinyInt),
    ("smallint", ColumnType::SmallInt),
    ("int", ColumnType::Int),
    ("bigint", ColumnType::BigInt),
    ("float", ColumnType::Float),
    ("double", ColumnType::Double),
    ("boolean", ColumnType::Boolean),
    ("string", ColumnType::String),
    ("binary", ColumnType::Binary),
    ("date", ColumnType::Date),
    ("timestamp", ColumnType::Timestamp),
];

/// Names with parameters, for proposals.
const WITH_PARAMETERS: [&str; 4] = ["decimal", "array", "struct", "map"];

/// What other systems call our types, and types that are refused.
const OTHER_NAMES: [(&[&str], &str); 17] = [
    (
        &["char", "varchar", "character", "nchar", "nvarchar", "varchar2"],
        "string",
    ),
    (
        &["text", "str", "json", "jsonb", "uuid", "variant", "enum", "keyword"],
        "string",
    ),
    (&["interval"], "bigint (a number of seconds or milliseconds) or string"),
    (
        &["uniontype", "union"],
        "string (the JSON text is kept), or struct<..> with a member for each kind",
    ),
    (&["integer", "int32", "signed", "int4"], "int"),
    (&["long", "int64", "int8", "integer8", "uint32"], "bigint"),
    (&["short", "int16", "int2"], "smallint"),
    (&["byte"], "tinyint"),
    (&["uint64", "number"], "decimal(20,0), or bigint, or double"),
    (
        &["numeric", "dec", "bigdecimal", "money"],
        "decimal(12,2), with your digits and scale",
    ),
    (&["bool", "bit"], "boolean"),
    (&["real", "float4", "float32"], "float"),
    (&["float8", "float64"], "double"),
    (&["bytes", "blob", "varbinary", "bytea", "byte_array"], "binary"),
    (
        &[
            "datetime",
            "timestamptz",
            "timestamp_ntz",
            "timestamp_ltz",
            "timestamp_millis",
        ],
        "timestamp",
    ),
    (&["list", "set"], "array<string>, with your element type"),
    (
        &["object", "record", "row", "dict"],
        "struct<name:string>, with your members, or map<string,string>",
    ),
];

pub(super) struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    pub(super) fn whole(mut self) -> Result<ColumnType, TypeError> {
        let data_type = self.data_type()?;
        self.skip_spaces();
        match self.text.get(self.at..).unwrap_or_default() {
            "" => Ok(data_type),
            rest if rest.to_ascii_lowercase().starts_with("with time zone") => {
                let message = "timestamps are stored in UTC, `with time zone` is not needed";
                Err(self.error(self.at, message, "timestamp"))
            }
            rest if rest.to_ascii_lowercase().starts_with("precision") => {
                Err(self.error(self.at, "`double precision` is not a type here", "double"))
            }
            rest => {
                let message = format!("`{rest}` stands behind the type `{data_type}`");
                Err(self.error(self.at, message, data_type.to_string()))
            }
        }
    }

    fn data_type(&mut self) -> Result<ColumnType, TypeError> {
        self.skip_spaces();
        let start = self.at;
        let name = self.word().to_ascii_lowercase();
        if self.depth >= DEPTH_MAX {
            let message = format!("types are nested more than {DEPTH_MAX} deep");
            return Err(self.error(start, message, "string, which keeps the JSON text"));
        }
        self.depth += 1;
        let data_type = match name.as_str() {
            "" => Err(self.expected("a type", "such as string, bigint or array<string>")),
            "decimal" => self.decimal(),
            "timestamp" => self.timestamp(start),
            "array" => self.array(),
            "map" => self.map(),
            "struct" => self.structure(),
            name => match SIMPLE.iter().find(|(simple, _)| *simple == name) {
                Some((_, data_type)) => match self.parameters()? {
                    None => Ok(data_type.clone()),
                    Some(_) => Err(self.error(start, format!("`{name}` takes no parameters"), name)),
                },
                None => Err(self.unknown(name, start)),
            },
        }?;
        self.depth -= 1;
        Ok(data_type)
    }

    /// `decimal`, `decimal(p)`, `decimal(p,s)`; the defaults are Athena's.
    fn decimal(&mut self) -> Result<ColumnType, TypeError> {
        self.skip_spaces();
        let start = self.at;
        let (precision, scale) = match self.parameters()?.as_deref() {
            None => (10, 0),
            Some([precision]) => (*precision, 0),
            Some([precision, scale]) => (*precision, *scale),
            Some(_) => return Err(self.error(start, "decimal takes digits and scale", "decimal(12,2)")),
        };
        match (u8::try_from(precision), u8::try_from(scale)) {
            (Ok(p @ 1..=38), Ok(s)) if s <= p => Ok(ColumnType::Decimal { precision: p, scale: s }),
            (Ok(1..=38), _) => {
                let message = format!("decimal({precision},{scale}) has more digits behind the point than in all");
                Err(self.error(
                    start,
                    message,
                    format!("decimal({},{scale})", scale.clamp(precision, 38)),
                ))
            }
            _ => {
                let message = format!("decimal({precision},{scale}) needs 1 to 38 digits");
                Err(self.error(
                    start,
                    message,
                    format!("decimal({},{})", precision.clamp(1, 38), scale.min(38)),
                ))
            }
        }
    }

    fn timestamp(&mut self, start: usize) -> Result<ColumnType, TypeError> {
        match self.parameters()?.as_deref() {
            None => Ok(ColumnType::Timestamp),
            Some([6]) => Ok(ColumnType::TimestampMicros),
            Some([0..=3]) => Err(self.error(start, "a timestamp in milliseconds is written `timestamp`", "timestamp")),
            Some(_) => {
                let message = "timestamps are stored in milliseconds (`timestamp`) or microseconds (`timestamp(6)`)";
                Err(self.error(start, message, "timestamp(6)"))
            }
        }
    }

    fn array(&mut self) -> Result<ColumnType, TypeError> {
        self.expect('<', "array<string>")?;
        let element = self.data_type()?;
        self.expect('>', "array<string>")?;
        Ok(ColumnType::Array(Box::new(element)))
    }

    fn map(&mut self) -> Result<ColumnType, TypeError> {
        self.expect('<', "map<string,string>")?;
        self.skip_spaces();
        let start = self.at;
        let key = self.data_type()?;
        if !matches!(
            key,
            ColumnType::String
                | ColumnType::TinyInt
                | ColumnType::SmallInt
                | ColumnType::Int
                | ColumnType::BigInt
                | ColumnType::Date
        ) {
            let message = format!("a map's key is string, an integer type or date, not {key}");
            return Err(self.error(start, message, "map<string,..>"));
        }
        self.expect(',', "map<string,string>")?;
        let value = self.data_type()?;
        self.expect('>', "map<string,string>")?;
        Ok(ColumnType::Map(Box::new(key), Box::new(value)))
    }

    fn structure(&mut self) -> Result<ColumnType, TypeError> {
        const EXAMPLE: &str = "struct<city:string,lat:double>";
        self.expect('<', EXAMPLE)?;
        let mut members: Vec<Member> = Vec::new();
        loop {
            self.skip_spaces();
            let start = self.at;
            let name = self.member_name();
            if members.is_empty() && name.is_empty() && self.next_is('>') {
                return Err(self.error(start, "a struct without members", EXAMPLE));
            }
            if !is_column_name(&name) {
                let proposed = column_name_for(&name);
                let message = format!("`{name}` is not a member's name (a-z, 0-9 and _, not beginning with a digit)");
                let way_out = match name.as_str() {
                    "" => return Err(self.expected("a member's name", EXAMPLE)),
                    name => format!("`{proposed}` in the type, with `keys: {{ {proposed}: {name:?} }}`"),
                };
                return Err(self.error(start, message, way_out));
            }
            if members.iter().any(|member| member.name == name) {
                return Err(self.error(start, format!("the member `{name}` stands twice"), "one of the two"));
            }
            self.expect(':', EXAMPLE)?;
            let data_type = self.data_type()?;
            members.push(Member {
                json_key: name.clone(),
                name,
                data_type,
            });
            if !self.next_is(',') {
                break;
            }
            self.expect(',', EXAMPLE)?;
        }
        self.expect('>', EXAMPLE)?;
        Ok(ColumnType::Struct(members))
    }

    fn unknown(&self, name: &str, start: usize) -> TypeError {
        if let Some((_, ours)) = OTHER_NAMES.iter().find(|(others, _)| others.contains(&name)) {
            return self.error(start, format!("the type `{name}` is not supported"), *ours);
        }
        let known = SIMPLE.iter().map(|(name, _)| *name).chain(WITH_PARAMETERS);
        let way_out = match nearest(name, known.clone()) {
            Some(nearest) => nearest.to_owned(),
            None => format!("one of {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.error(start, format!("`{name}` is not a type"), way_out)
    }

    /// `(12,2)`, or nothing.
    fn parameters(&mut self) -> Result<Option<Vec<u32>>, TypeError> {
        if !self.next_is('(') {
            return Ok(None);
        }
        self.expect('(', "")?;
        let mut numbers = Vec::new();
        loop {
            self.skip_spaces();
            let start = self.at;
            match self.word().parse() {
                Ok(number) => numbers.push(number),
                Err(_) => {
                    self.at = start;
                    return Err(self.expected("a whole number", "decimal(12,2)"));
                }
            }
            if !self.next_is(',') {
                break;
            }
            self.expect(',', "")?;
        }
        self.expect(')', "a `)` behind the numbers")?;
        Ok(Some(numbers))
    }

    fn word(&mut self) -> &'t str {
        self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// All up to what may follow a name, so that the whole of a wrong one is shown.
    fn member_name(&mut self) -> String {
        self.take_while(|c| !":<>,()".contains(c)).trim_end().to_owned()
    }

    fn take_while(&mut self, taken: impl Fn(char) -> bool) -> &'t str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c| !taken(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_spaces(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn next_is(&mut self, c: char) -> bool {
        self.skip_spaces();
        self.text[self.at..].starts_with(c)
    }

    fn expect(&mut self, c: char, way_out: &str) -> Result<(), TypeError> {
        if self.next_is(c) {
            self.at += c.len_utf8();
            return Ok(());
        }
        Err(self.expected(&format!("`{c}`"), way_out))
    }

    fn expected(&self, expected: &str, way_out: &str) -> TypeError {
        let message = match self.text[self.at..].chars().next() {
            Some(found) => format!("expected {expected} in the type, found `{found}`"),
            None => format!("the type ends where {expected} is expected"),
        };
        self.error(self.at, message, way_out)
    }

    fn error(&self, offset: usize, message: impl Into<String>, way_out: impl Into<String>) -> TypeError {
        TypeError {
            message: message.into(),
            way_out: way_out.into(),
            offset,
        }
    }
}
