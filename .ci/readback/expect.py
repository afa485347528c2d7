"""What the lake must hold: every raw object read record by record."""

import collections
import dataclasses
import math

from . import Rejected
from .frame import content, frame, read_value
from .schema import find, route
from .times import read_time
from .values import coerce


@dataclasses.dataclass
class Row:
    source: str
    record: int  # from 1, bad stretches included
    start: int
    end: int
    table: str
    hour: int  # whole hours since the epoch
    values: tuple


@dataclasses.dataclass
class Reject:
    source: str
    record: int
    start: int
    end: int
    codes: set
    table: str
    columns: dict  # code -> columns that may be named with it


@dataclasses.dataclass
class Expected:
    tables: dict
    sources: dict = dataclasses.field(default_factory=dict)  # name -> decompressed bytes
    rows: list = dataclasses.field(default_factory=list)
    rejects: list = dataclasses.field(default_factory=list)

    def by_hour(self):
        """(table, hour) -> rows, in source order."""
        grouped = collections.defaultdict(list)
        for row in self.rows:
            grouped[row.table, row.hour].append(row)
        return grouped


def raw_files(folder):
    """Regular files sorted by the bytes of their paths; names that begin with `.` or `_` do not count."""
    files = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if path.is_file() and not path.is_symlink() and not any(part[0] in "._" for part in name.parts):
            files.append((name.as_posix(), path))
    return sorted(files, key=lambda file: file[0].encode("utf-8", "surrogateescape"))


def read_raw(folder, tables):
    expected = Expected(tables)
    for name, path in raw_files(folder):
        data = content(path.read_bytes(), name)
        expected.sources[name] = data
        arrival = int(path.stat().st_mtime)
        for record, stretch in enumerate(frame(data), 1):
            table, faults = None, {}
            if stretch.value is None:
                expected.rejects.append(Reject(name, record, stretch.start, stretch.end, stretch.codes, None, {}))
                continue
            try:
                table = route(tables, stretch.value)
                hour, values = read_row(table, stretch.value, arrival, faults)
            except Rejected as rejected:
                note(faults, rejected)
            if faults:
                table_name = table.name if table else None
                expected.rejects.append(
                    Reject(name, record, stretch.start, stretch.end, set(faults), table_name, faults)
                )
            else:
                expected.rows.append(Row(name, record, stretch.start, stretch.end, table.name, hour, values))
    return expected


def note(faults, rejected, column=None):
    for code in rejected.codes:
        faults.setdefault(code, set()).add(column)


def read_row(table, record, arrival, faults):
    """(hour, values). Every fault is noted: a record with two may be rejected for either."""
    hour, taken = None, set(table.route)
    try:
        top, time = find(record, table.time_field, table.siblings)
        taken.add(top)
        hour = hour_of(table, time, arrival)
    except Rejected as rejected:
        note(faults, rejected)
    values = []
    for column in table.columns:
        try:
            top, value = find(record, column.source, table.siblings)
            taken.add(top)
            if column.required and (value is None or value.kind == "null"):
                raise Rejected("Type.Null")
            values.append(coerce(value, column.type, column, table.set_null))
        except Rejected as rejected:
            if hour is not None or column.source != table.time_field:  # the event time's own fault says it already
                note(faults, rejected, column.name)
    if table.keep_in:  # to be kept is what no column takes whole, though route, event time or pointers read it
        whole = {find(record, column.source, table.siblings)[0] for column in table.columns if column.is_whole}
        taken = whole
    unknown = tuple((key, value.shape()) for key, value in record.held if key not in taken)
    if unknown and table.unknown_fields == "quarantine":
        note(faults, Rejected("Field.Unknown"))
    if table.keep_in:
        values.append(unknown or None)
    return hour, tuple(values)


def hour_of(table, time, arrival):
    if time is None or time.kind == "null":
        raise Rejected("EventTime.Missing")
    instant = read_time(time, table.time_formats, table.timezone)
    if table.max_future is not None and instant > arrival + table.max_future:
        raise Rejected("EventTime.TooNew")
    if table.max_past is not None and instant < arrival - table.max_past:
        raise Rejected("EventTime.TooOld")
    return math.floor(instant / 3600)


def kept_fields(text):
    """The `keep_in` column of a row, in the form `read_row` gives it: key and value, however it is printed."""
    if text is None:
        return None
    value, end = read_value(text.encode("utf-8"), 0)
    if value.kind != "object" or end != len(text.encode("utf-8")):
        return ("not a JSON object", text)
    return value.shape()[1] or None
