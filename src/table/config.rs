//! The shape of a schema file: which keys there are, what stands behind them, and what an editor says about them.
//!
//! The doc comments here are the descriptions in `schemas/table.schema.json`. Whether values make sense together is for
//! [`super::check`]; the defaults named here are those it applies, which a test holds together.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::error::{Problem, Report};
use super::names::{COLUMN_NAME, TABLE_NAME};
use super::number::ExactNumber;
use super::read::{FromNode, Named, OneOrMany, PlacedText, choice, mapping, mismatch};
use super::route::RouteValue;
use super::yaml::{Node, Value};
use super::{Coercion, Encoding, OnMismatch};
use crate::partition::hour::Layout;

/// In the order they are offered.
const LAYOUTS: [Layout; 3] = [Layout::YearMonthDayHour, Layout::DayHour, Layout::DateHour];

mapping! {
    /// A table of the lake: which records belong to it, where their own time is, and what becomes of their fields.
    /// One file per table, `schemas/<table>.yaml`.
    #[schemars(title = "lakebed table")]
    TableConfig {
        /// Name of the table: its folder in the lake, its name in Athena, and the name of this file.
        #[schemars(regex(pattern = TABLE_NAME), extend("examples" = ["page_view"]))]
        table: String,
        /// What the table holds, for people and for the catalog.
        #[schemars(default)]
        description: String,
        /// Records that belong here: field and value, or a list of values. All entries must match; types count (`2` is
        /// not `"2"`), `1.0` equals `1`. Without `route` and `keys` this is the default table.
        #[schemars(default, extend("minProperties" = 1, "examples" = [{ "type": "page_view" }]))]
        route: Named<OneOrMany<RouteValue>>,
        /// Only records from source keys that match one of these patterns, for records that carry no type. `*` and `?`
        /// stay within a part of the key, `**` spans parts. Counts as one entry of `route`.
        #[schemars(default, extend("examples" = [["clicks/**"]]))]
        keys: OneOrMany<String>,
        /// Where a record's own time is, and how it is written.
        event_time: EventTimeConfig,
        /// The table's columns, in order: a type, or a type with more to say.
        #[schemars(extend("minProperties" = 1, "propertyNames" = { "pattern": COLUMN_NAME }))]
        columns: Named<ColumnConfig>,
        /// What becomes of fields that no column reads.
        #[schemars(default, extend("default" = "drop"))]
        unknown_fields: UnknownFieldsConfig,
        /// What becomes of a value that does not fit its column.
        #[schemars(default, extend("default" = "quarantine"))]
        on_mismatch: OnMismatch,
        /// How far a value may differ in kind from its column.
        #[schemars(default, extend("default" = "lossless"))]
        coercion: Coercion,
        /// A jq filter for this table's records, applied after routing: each object that it gives takes the record's place,
        /// and where it gives none the record is dropped. Applied to what it gave, it must change nothing.
        #[schemars(default, extend("examples" = [".state = \"transformed\""]))]
        transform: PlacedText,
        /// The folders below the table, one for each hour (UTC).
        #[schemars(default, extend("default" = "year/month/day/hour"))]
        layout: Layout,
        /// The dates that Athena looks at. Rows outside are written and counted all the same.
        #[schemars(default)]
        projection: ProjectionConfig,
        /// How the Parquet files are written.
        #[schemars(default)]
        parquet: ParquetConfig,
    }
}

mapping! {
    /// Where a record's own time is, and how it is written.
    EventTimeConfig {
        /// A top-level key taken literally, or a JSON Pointer such as `/meta/time`.
        #[schemars(length(min = 1), extend("examples" = ["time"]))]
        field: String,
        /// How the time is written, tried in order: auto, rfc3339, epoch_s, epoch_ms, epoch_us, epoch_ns, or a strftime
        /// pattern such as `%d/%b/%Y:%H:%M:%S %z`.
        #[schemars(default, extend("default" = ["auto"]))]
        formats: OneOrMany<String>,
        /// IANA name of the zone of times that are written without one.
        #[schemars(default, extend("examples" = ["Europe/Berlin"], "default" = "UTC"))]
        timezone: String,
        /// How far behind the source object's Last-Modified a time may lie: a whole number and s, m, h or d; or none.
        #[schemars(default, regex(pattern = "^(none|[0-9]+[smhd])$"), extend("default" = "1d"))]
        max_future: Literal,
        /// How far before the source object's Last-Modified a time may lie: a whole number and s, m, h or d; or none.
        #[schemars(default, regex(pattern = "^(none|[0-9]+[smhd])$"), extend("default" = "3650d"))]
        max_past: Literal,
    }
}

mapping! {
    /// A column with more to say than its type.
    ColumnDetails {
        /// Athena type. One with a comma is put in quotes.
        #[schemars(extend("examples" = ["bigint", "decimal(12,2)", "struct<city:string,lat:double>"]))]
        r#type: PlacedText,
        /// Where the value is, by default under the column's own name: a top-level key taken literally, or a JSON
        /// Pointer such as `/user/id`.
        #[schemars(default, length(min = 1))]
        from: String,
        /// What the column holds, for the catalog.
        #[schemars(default)]
        comment: String,
        /// Records whose value is missing or null go to quarantine.
        #[schemars(default, extend("default" = false))]
        required: bool,
        /// How timestamps in this column are written, as in `event_time`. A column that reads the event time's field
        /// takes those by default, any other `auto` (`rfc3339` under `coercion: strict`).
        #[schemars(default)]
        formats: OneOrMany<String>,
        /// IANA name of the zone of times that are written without one; by default UTC, or that of `event_time` for a
        /// column that reads its field.
        #[schemars(default)]
        timezone: String,
        /// How bytes are written in a JSON string.
        #[schemars(default, extend("default" = "base64"))]
        encoding: Encoding,
        /// The JSON keys of struct members anywhere inside the column, where they differ from the member's name.
        #[schemars(default, extend("examples" = [{ "city_name": "City Name" }]))]
        keys: Named<String>,
    }
}

mapping! {
    /// Fields that no column reads, together as one JSON text.
    KeepInConfig {
        /// Name of the string column that takes them, behind all others.
        #[schemars(regex(pattern = COLUMN_NAME), extend("examples" = ["rest"]))]
        keep_in: String,
    }
}

mapping! {
    /// The dates that Athena looks at.
    ProjectionConfig {
        /// First date.
        #[schemars(default, regex(pattern = DATE), extend("default" = "2015-01-01"))]
        from: Literal,
        /// Last date.
        #[schemars(default, regex(pattern = DATE), extend("default" = "2040-12-31"))]
        to: Literal,
    }
}

mapping! {
    /// How the Parquet files are written.
    ParquetConfig {
        /// Codec of the pages. There is one.
        #[schemars(default, extend("default" = "snappy", "enum" = ["snappy"]))]
        compression: String,
        /// A row group is closed after this many rows.
        #[schemars(default, range(min = 1, max = 100_000_000), extend("default" = 1_000_000))]
        row_group_rows: u64,
        /// A row group is closed when it holds this many bytes.
        #[schemars(default, extend("default" = "64MiB"))]
        row_group_bytes: SizeText,
        /// A file is closed when it holds this many bytes.
        #[schemars(default, extend("default" = "256MiB"))]
        file_bytes: SizeText,
    }
}

const DATE: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";

/// A column: its type alone, or a mapping.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum ColumnConfig {
    /// Athena type such as `bigint`, `array<string>` or `struct<city:string,lat:double>`.
    Type(PlacedText),
    Details(Box<ColumnDetails>),
}

impl FromNode for ColumnConfig {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match &node.value {
            Value::Text { .. } => PlacedText::from_node(node, report).map(Self::Type),
            Value::Mapping(_) => ColumnDetails::from_node(node, report).map(|details| Self::Details(Box::new(details))),
            Value::Unreadable => None,
            _ => {
                report.add(
                    node.at,
                    mismatch(node, "the column's type").way_out("a type such as `string`"),
                );
                None
            }
        }
    }
}

/// What becomes of fields that no column reads.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum UnknownFieldsConfig {
    Word(UnknownFieldsWord),
    KeepIn(KeepInConfig),
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UnknownFieldsWord {
    /// They are left out and counted by name.
    Drop,
    /// The record goes to quarantine.
    Quarantine,
}

impl FromNode for UnknownFieldsConfig {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match &node.value {
            Value::Mapping(_) => KeepInConfig::from_node(node, report).map(Self::KeepIn),
            _ => choice(node, report).map(Self::Word),
        }
    }
}

impl FromNode for Coercion {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        if matches!(&node.value, Value::Text { text, .. } if text == "openx") {
            let problem = Problem::new("`coercion: openx` is not supported yet; remove it or use `lossless`");
            report.add(node.at, problem.way_out("coercion: lossless"));
            return None;
        }
        choice(node, report)
    }
}

/// A closed list of words is read as the enum's own `Deserialize` says.
macro_rules! choices {
    ($($name:ty),+) => {
        $(impl FromNode for $name {
            fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
                choice(node, report)
            }
        })+
    };
}
choices!(OnMismatch, Encoding);

impl FromNode for Layout {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let text = String::from_node(node, report)?;
        let layout = Self::parse(&text);
        if layout.is_none() {
            let names = LAYOUTS.map(Self::name).join("`, `");
            report.add(
                node.at,
                Problem::new(format!("{text:?} is not a layout")).way_out(format!("one of `{names}`")),
            );
        }
        layout
    }
}

impl JsonSchema for Layout {
    fn schema_name() -> Cow<'static, str> {
        "Layout".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": LAYOUTS.map(Self::name) })
    }
}

impl FromNode for RouteValue {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let value = match &node.value {
            Value::Unreadable => return None,
            Value::Text { text, .. } => Ok(Self::Text(text.clone())),
            Value::Bare(token) if token.eq_ignore_ascii_case("true") => Ok(Self::Bool(true)),
            Value::Bare(token) if token.eq_ignore_ascii_case("false") => Ok(Self::Bool(false)),
            Value::Bare(token) => ExactNumber::parse(token).map(Self::Number).ok_or_else(|| {
                Problem::new(format!("{token} is a number to YAML, but not to JSON")).way_out(format!(
                    "a JSON number such as 12 or -1.5e3; in quotes for the text: {token:?}"
                ))
            }),
            Value::Null => Err(Problem::new("a missing or null field matches no route")
                .way_out("a text, a number, `true` or `false`; `\"null\"` in quotes for the text")),
            Value::List(_) | Value::Mapping(_) => Err(mismatch(node, "a text, a number, `true` or `false`")
                .way_out("a field inside another is named by a JSON Pointer: `/user/kind: admin`")),
        };
        report.take(node.at, value)
    }
}

impl JsonSchema for RouteValue {
    fn schema_name() -> Cow<'static, str> {
        "RouteValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A scalar whose text is what counts, whether YAML takes it for a number or not.
#[derive(Clone, Debug)]
pub(super) struct Literal(pub(super) String);

impl FromNode for Literal {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match &node.value {
            Value::Bare(token) => Some(Self(token.clone())),
            _ => String::from_node(node, report).map(Self),
        }
    }
}

impl JsonSchema for Literal {
    fn schema_name() -> Cow<'static, str> {
        "Literal".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// `64MiB`, or a number of bytes.
#[derive(Clone, Debug)]
pub(super) struct SizeText(pub(super) String);

impl FromNode for SizeText {
    fn from_node(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        Literal::from_node(node, report).map(|Literal(text)| Self(text))
    }
}

impl JsonSchema for SizeText {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "pattern": "^[0-9]+ *(B|KiB|MiB|GiB)?$", "minimum": 0 })
    }
}
