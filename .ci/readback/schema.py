"""Table files: their settings, column types, and which table a record belongs to."""

import dataclasses
import datetime as dt
import re
from decimal import Decimal

import pyarrow as pa
import yaml

from . import Rejected, Unsupported

INTEGERS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
PLAIN = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "binary": pa.binary(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "timestamp": pa.timestamp("ms"),
}
DUCKDB = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "binary": "BLOB",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "timestamp": "TIMESTAMP",
}
DURATION = {"s": 1, "m": 60, "h": 3600, "d": 86400}
KNOWN = {
    "table",
    "description",
    "route",
    "event_time",
    "columns",
    "unknown_fields",
    "on_mismatch",
    "coercion",
    "layout",
    "projection",
    "parquet",
}


@dataclasses.dataclass(frozen=True)
class Type:
    """An Athena type: its name, the numbers in its parentheses, the types and names within it."""

    name: str
    numbers: tuple = ()
    inner: tuple = ()
    names: tuple = ()

    def arrow(self):
        if self.name == "array":
            return pa.list_(pa.field("element", self.inner[0].arrow()))
        if self.name == "map":
            return pa.map_(self.inner[0].arrow(), self.inner[1].arrow())
        if self.name == "struct":
            return pa.struct([pa.field(name, inner.arrow()) for name, inner in zip(self.names, self.inner)])
        if self.name == "decimal":
            return pa.decimal128(*self.numbers)
        return pa.timestamp("us") if self == Type("timestamp", (6,)) else PLAIN[self.name]

    def duckdb(self):
        if self.name == "array":
            return self.inner[0].duckdb() + "[]"
        if self.name == "map":
            return f"MAP({self.inner[0].duckdb()}, {self.inner[1].duckdb()})"
        if self.name == "struct":
            return (
                "STRUCT(" + ", ".join(f"{name} {inner.duckdb()}" for name, inner in zip(self.names, self.inner)) + ")"
            )
        return "DECIMAL(%d,%d)" % self.numbers if self.name == "decimal" else DUCKDB[self.name]


def read_type(text):
    kind, rest = read_type_at(re.sub(r"\s+", "", text).lower())
    if rest:
        raise Unsupported(f"type {text!r}")
    return kind


def read_type_at(text):
    """(type, the text after it)"""
    name = re.match(r"[a-z]+", text).group()
    rest = text[len(name) :]
    numbers = re.match(r"\((\d+(?:,\d+)*)\)", rest)
    if numbers:
        return Type(name, tuple(int(n) for n in numbers.group(1).split(","))), rest[numbers.end() :]
    if not rest.startswith("<"):
        return Type("int" if name == "integer" else name), rest
    inner, names = [], []
    while rest[0] != ">":
        rest = rest[1:]  # `<` or `,`
        if name == "struct":
            member, rest = rest.split(":", 1)
            names.append(member)
        kind, rest = read_type_at(rest)
        inner.append(kind)
    return Type(name, (), tuple(inner), tuple(names)), rest[1:]


@dataclasses.dataclass(frozen=True)
class Column:
    name: str
    type: Type
    source: str
    required: bool
    encoding: str
    member_keys: dict
    formats: list
    timezone: str

    @property
    def is_whole(self):
        """Whether it takes all of a top-level value, and not what a pointer leads to within one."""
        return len(path_of(self.source)) == 1


def lower(text):
    """Without ASCII case; other letters keep theirs."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def member(value, name, siblings=()):
    """The member of an object that a declared name takes: (key, value), or None where there is none."""
    exact = [pair for pair in value.held if pair[0] == name]
    if not exact and sum(lower(sibling) == lower(name) for sibling in siblings) <= 1:
        exact = [pair for pair in value.held if lower(pair[0]) == lower(name)]
    if len(exact) > 1:
        raise Rejected("Json.DuplicateKey")
    return exact[0] if exact else None


def path_of(source):
    if not source.startswith("/"):
        return [source]
    return [part.replace("~1", "/").replace("~0", "~") for part in source[1:].split("/")]


def find(record, source, siblings=()):
    """What `source` (a top-level key, or a JSON Pointer) names: (top-level key taken or None, value or None)."""
    top, value = None, record
    for depth, part in enumerate(path_of(source)):
        if value.kind == "object":
            pair = member(value, part, siblings if depth == 0 else ())
            if pair is None:
                return top, None
            top, value = (pair[0] if depth == 0 else top), pair[1]
        elif value.kind == "array" and part.isdigit() and int(part) < len(value.held):
            value = value.held[int(part)]
        else:
            return top, None
    return top, value


class Table:
    def __init__(self, file):
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
        unknown = settings.keys() - KNOWN
        if unknown:
            raise Unsupported(f"{file.name}: {', '.join(sorted(unknown))}")
        if settings.get("coercion", "lossless") != "lossless":
            raise Unsupported(f"{file.name}: coercion {settings['coercion']}")
        self.name = settings["table"]
        if self.name != file.stem:
            raise Unsupported(f"{file.name} describes table {self.name}")
        self.route = {
            field: values if isinstance(values, list) else [values]
            for field, values in settings.get("route", {}).items()
        }
        time = settings["event_time"]
        self.time_field = time["field"]
        self.time_formats, self.timezone = formats_of(time), time.get("timezone", "UTC")
        self.max_future, self.max_past = (
            seconds(time.get(name, default)) for name, default in (("max_future", "1d"), ("max_past", "3650d"))
        )
        self.columns = [self.column(name, given) for name, given in settings["columns"].items()]
        self.siblings = [path_of(c.source)[0] for c in self.columns]
        self.unknown_fields = settings.get("unknown_fields", "drop")
        self.keep_in = self.unknown_fields["keep_in"] if isinstance(self.unknown_fields, dict) else None
        self.set_null = settings.get("on_mismatch", "quarantine") == "set_null"
        self.layout = settings.get("layout", "year/month/day/hour")

    def column(self, name, given):
        given = given if isinstance(given, dict) else {"type": given}
        source = given.get("from", name)
        inherits = source == self.time_field
        return Column(
            name,
            read_type(given["type"]),
            source,
            given.get("required", False),
            given.get("encoding", "base64"),
            given.get("keys", {}),
            formats_of(given) if "formats" in given or not inherits else self.time_formats,
            given.get("timezone", self.timezone if inherits else "UTC"),
        )

    def stored(self):
        """(name, type) of every column of its files, in order."""
        return [(c.name, c.type) for c in self.columns] + ([(self.keep_in, Type("string"))] if self.keep_in else [])

    def partition_types(self):
        """Partition columns of the layout, as DuckDB's hive_types."""
        return {
            "year/month/day/hour": {"year": "INT", "month": "INT", "day": "INT", "hour": "INT"},
            "day/hour": {"day": "DATE", "hour": "INT"},
            "datehour": {"datehour": "VARCHAR"},
        }[self.layout]

    def partition(self, hour):
        """`year=2019/month=10/day=12/hour=02` for whole hours since the epoch."""
        at = dt.datetime(1970, 1, 1) + dt.timedelta(hours=hour)
        day = f"{at.year:04}-{at.month:02}-{at.day:02}"
        if self.layout == "datehour":
            return f"datehour={day}-{at.hour:02}"
        if self.layout == "day/hour":
            return f"day={day}/hour={at.hour:02}"
        return f"year={at.year:04}/month={at.month:02}/day={at.day:02}/hour={at.hour:02}"

    def hour(self, partition):
        """The reverse; None for a path of any other form."""
        numbers = [int(n) for n in re.findall(r"\d+", partition)]
        try:
            hour = (dt.datetime(*numbers[:4]) - dt.datetime(1970, 1, 1)) // dt.timedelta(hours=1)
        except (ValueError, TypeError):
            return None
        return hour if self.partition(hour) == partition else None

    def takes(self, record):
        for field, values in self.route.items():
            _, found = find(record, field)
            if found is None or not any(same(found, value) for value in values):
                return False
        return True


def same(found, value):
    """JSON values by type and exact value: 2 is not "2", 1.0 is 1."""
    if isinstance(value, bool):
        return found.kind == str(value).lower()
    if isinstance(value, (int, float)):
        return found.kind == "number" and Decimal(found.text.decode()) == Decimal(repr(value))
    return found.kind == "string" and found.string() == value


def formats_of(given):
    formats = given.get("formats", ["auto"])
    return formats if isinstance(formats, list) else [formats]


def seconds(duration):
    return None if duration == "none" else int(duration[:-1]) * DURATION[duration[-1]]


def read_tables(folder):
    return {table.name: table for table in (Table(file) for file in sorted(folder.glob("*.yaml")))}


def route(tables, record):
    """The table with the most matching entries."""
    matching = [table for table in tables.values() if table.takes(record)]
    if not matching:
        raise Rejected("Route.NoTable")
    return max(matching, key=lambda table: len(table.route))
