"""The comparison: what must be in the lake against what is there."""

import collections
import datetime as dt
import re

import pyarrow.parquet as pq

from . import lake as stored_lake
from .frame import BETWEEN

SHOWN = 5  # differences printed for one check


class Report:
    """Counts checks, and keeps what to print: those that failed, and what is worth seeing of those that passed."""

    def __init__(self):
        self.passed, self.failures, self.notes = 0, [], []

    def check(self, title, differences):
        """Passes when there is no difference. Each difference is one line for a person."""
        differences = [differences] if isinstance(differences, str) else list(differences)
        if not differences:
            self.passed += 1
            return
        more = [f"... and {len(differences) - SHOWN} more"] if len(differences) > SHOWN else []
        self.failures.append("\n    ".join([title, *differences[:SHOWN], *more]))

    def equal(self, title, wanted, found):
        self.check(title, [] if wanted == found else [f"wanted {wanted!r}", f"found  {found!r}"])


def place(item):
    return f"{item.source} record {item.record} (bytes {item.start} to {item.end})"


def check_files(report, table, files):
    """Facts of each file that no value shows: its place, codec, encodings, columns and their types."""
    wanted = [(name, kind.arrow()) for name, kind in table.stored()]
    for partition, paths in files.items():
        report.check(
            f"{table.name}/{partition} names an hour",
            [] if table.hour(partition) is not None else "not a partition of this table's layout",
        )
        for path in paths:
            title = f"{table.name}/{partition}/{path.name}"
            named = stored_lake.FILE_NAME.fullmatch(path.name)
            report.check(f"{title}: name", [] if named else "is not <job>-<number>.parquet")
            if path.suffix == ".parquet":
                file = pq.ParquetFile(path)
                found = [(field.name, field.type) for field in file.schema_arrow]
                report.check(f"{title}: columns and types", type_differences(wanted, found))
                report.check(f"{title}: layout", layout_differences(file.metadata))


def type_differences(wanted, found):
    if [name for name, _ in wanted] != [name for name, _ in found]:
        return [f"wanted columns {', '.join(n for n, _ in wanted)}", f"found columns  {', '.join(n for n, _ in found)}"]
    return [
        f"{name}: wanted {kind}, found {other}"
        for (name, kind), (_, other) in zip(wanted, found)
        if not kind.equals(other)
    ]


def layout_differences(metadata):
    found = [] if metadata.num_rows else ["no rows"]
    if metadata.format_version != "1.0":
        found.append(f"format {metadata.format_version}")
    if b"ARROW:schema" in (metadata.metadata or {}):
        found.append("an Arrow schema in the footer")
    chunks = [
        metadata.row_group(g).column(c) for g in range(metadata.num_row_groups) for c in range(metadata.num_columns)
    ]
    for chunk in chunks:
        if chunk.compression != "SNAPPY":
            found.append(f"{chunk.path_in_schema} is {chunk.compression}")
        strange = set(chunk.encodings) - {"PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"}
        if strange:
            found.append(f"{chunk.path_in_schema} is encoded as {', '.join(sorted(strange))}")
        if not chunk.has_offset_index:
            found.append(f"{chunk.path_in_schema} has no page index")
    if not any(chunk.is_stats_set for chunk in chunks):
        found.append("no statistics")
    return found


def check_rows(report, expected, table, files, duck, replayed):
    """Every value, once for each reader; then the order of the rows."""
    wanted = {hour: rows for (name, hour), rows in expected.by_hour().items() if name == table.name}
    elsewhere = collections.defaultdict(list)
    for hour, rows in wanted.items():
        for row in rows:
            elsewhere[row.values].append((hour, row))
    by_partition = {table.partition(hour): rows for hour, rows in wanted.items()}
    by_arrow = {
        partition: [(p, stored_lake.arrow_rows(p, table)) for p in paths if p.suffix == ".parquet"]
        for partition, paths in files.items()
    }
    by_duckdb = duck.rows_by_partition(table) if files else {}
    for partition in sorted(by_partition.keys() | by_arrow.keys() | by_duckdb.keys()):
        rows = by_partition.get(partition, [])
        found = [row for _, some in by_arrow.get(partition, []) for row in some]
        title = f"{table.name}/{partition}"
        report.check(f"{title}: rows by pyarrow", row_differences(table, partition, rows, found, elsewhere))
        others = by_duckdb.get(partition, [])
        report.check(f"{title}: rows by DuckDB", row_differences(table, partition, rows, others, elsewhere))
        report.check(f"{title}: order", order_differences(rows, by_arrow.get(partition, []), replayed))


def row_differences(table, partition, wanted, found, elsewhere):
    """Rows as multisets. A missing row and a strange one that agree in most columns are shown as one changed row."""
    missing, extra = collections.Counter(row.values for row in wanted), collections.Counter(found)
    missing, extra = missing - extra, extra - missing
    strange = list(extra.elements())
    differences = []
    for row in wanted:
        if not missing[row.values]:
            continue
        missing[row.values] -= 1
        near = None
        if len(differences) < SHOWN:  # a search through all, so only for what is printed
            near = max(strange, key=lambda other: alike(row.values, other), default=None)
        if near is not None and alike(row.values, near) * 2 > len(near):
            strange.remove(near)
            differences.append(f"changed: {place(row)}: {changes(table, row.values, near)}")
        else:
            differences.append(f"missing: {place(row)}: {row.values!r}")
    for values in strange:
        homes = {table.partition(hour): row for hour, row in elsewhere.get(values, [])}
        if partition in homes:
            where = f"once more than in raw: {place(homes[partition])}"
        elif homes:
            where = "; ".join(f"belongs to {home}: {place(row)}" for home, row in homes.items())
        else:
            where = "stands in no raw object"
        differences.append(f"too many: {where}: {values!r}")
    return differences


def alike(one, other):
    return sum(a == b for a, b in zip(one, other))


def changes(table, wanted, found):
    names = [name for name, _ in table.stored()]
    return "; ".join(f"{name} wanted {a!r}, found {b!r}" for name, a, b in zip(names, wanted, found) if a != b)


def order_differences(wanted, files, replayed):
    """Within a job's files of one hour the rows of a source lie together, in the order of the source. Jobs that read a
    quarantine again have the rows that came of it in files of their own: there it holds within each file."""
    once = collections.Counter(row.values for row in wanted)
    known = {row.values: row for row in wanted if once[row.values] == 1}  # rows that stand twice could be either
    jobs = collections.defaultdict(list)
    for path, rows in files:
        job = path.name.split("-")[0]
        jobs[path.name if job in replayed else job] += rows
    differences = []
    for rows in jobs.values():
        seen, before = set(), None
        for row in (known[values] for values in rows if values in known):
            if before is not None and row.source == before.source and row.start < before.start:
                differences.append(f"{place(row)} stands after {place(before)}")
            if (before is None or row.source != before.source) and row.source in seen:
                differences.append(f"{place(row)}: rows of its source do not lie together")
            seen.add(row.source)
            before = row
    return differences


def check_duckdb(report, expected, table, files, duck):
    """Types as a user sees them, and that a query by hour opens the files of that hour and no other."""
    types = {name: kind.duckdb() for name, kind in table.stored()}
    report.equal(f"{table.name}: types in DuckDB", types, duck.column_types(table))
    hours = {hour: rows for (name, hour), rows in expected.by_hour().items() if name == table.name}
    busiest = max(sorted(hours), key=lambda hour: len(hours[hour]))
    partition = table.partition(busiest)
    wanted = (len(hours[busiest]), len(files.get(partition, [])))
    found = duck.files_opened(table, busiest)
    query = f"{table.name} WHERE {partition.replace('/', ' AND ')}"
    report.equal(f"{query}: rows, and files opened by DuckDB", wanted, found)
    report.notes.append(f"{query}: {found[0]} rows from {found[1]} of {sum(map(len, files.values()))} files")


def check_quarantine(report, expected, lake):
    """Each reject stands there once, with one of its reasons and its own bytes; then the sums of bytes."""
    by_source = collections.defaultdict(list)
    for path, entry in stored_lake.quarantine(lake):
        source = source_of(expected, entry)
        report.check(
            f"quarantine {path.name} offset {entry.get('offset')}: entry",
            entry_differences(expected, source, path, entry),
        )
        by_source[source].append(entry)
    unknown = by_source.pop(None, [])
    report.check("quarantine: sources", [f"{entry.get('source')} is no raw object" for entry in unknown])
    rejects, spans = collections.defaultdict(list), collections.defaultdict(list)
    for reject in expected.rejects:
        rejects[reject.source].append(reject)
    for row in expected.rows:
        spans[row.source].append((row.start, row.end))
    for source, data in expected.sources.items():
        entries = sorted(by_source[source], key=lambda entry: (entry["offset"], entry["length"]))
        report.check(f"quarantine of {source}", reject_differences(rejects[source], entries, data))
        spans[source] += [(entry["offset"], entry["offset"] + entry["length"]) for entry in entries]
        report.check(f"bytes of {source}", byte_differences(data, spans[source]))


def source_of(expected, entry):
    """The raw object an entry names; a local key may be written from any folder on."""
    key = "/" + str(entry.get("source", {}).get("key", ""))
    names = [name for name in expected.sources if key.endswith("/" + name) or ("/" + name).endswith(key)]
    return max(names, key=len, default=None)


def entry_differences(expected, source, path, entry):
    found = []
    if source is not None:
        if entry.get("offsetIn") != "decompressed":
            found.append(f"offsetIn is {entry.get('offsetIn')!r}")
        there = expected.sources[source][entry["offset"] : entry["offset"] + entry["length"]]
        kept = there[: 1 << 20] if entry.get("rawDataTruncated") else there
        if stored_lake.raw_bytes(entry) != kept:
            found.append(f"rawData is not the bytes of {source} from {entry['offset']} on")
            found += [f"wanted {kept[:80]!r}", f"found  {stored_lake.raw_bytes(entry)[:80]!r}"]
    if not entry.get("errorMessage"):
        found.append("no errorMessage")
    arrived = dt.datetime.fromtimestamp(entry["arrivalTimestamp"] / 1000, dt.timezone.utc).strftime("date=%Y-%m-%d")
    if arrived not in path.parts:
        found.append(f"arrived on {arrived}, filed in {path.parent.name}")
    return found


def reject_differences(wanted, entries, data):
    def span(start, end):
        piece = data[start:end]
        start += len(piece) - len(piece.lstrip(b" \t\r\n"))  # white space around a bad stretch is nobody's
        return start, start + len(piece.strip(b" \t\r\n"))

    there = collections.defaultdict(list)
    for entry in entries:
        there[span(entry["offset"], entry["offset"] + entry["length"])].append(entry)
    differences = []
    for reject in wanted:
        codes = " or ".join(sorted(reject.codes))
        found = there[reject.start, reject.end]
        if not found:
            differences.append(f"missing: {place(reject)}: {codes}: {data[reject.start : reject.end][:80]!r}")
            continue
        entry = found.pop(0)
        if entry["errorCode"] not in reject.codes:
            differences.append(f"{place(reject)}: wanted {codes}, found {entry['errorCode']}")
        elif reject.table and entry.get("table") != reject.table:
            differences.append(f"{place(reject)}: wanted table {reject.table}, found {entry.get('table')}")
        elif entry["errorCode"].startswith("Type.") and column_of(entry) not in reject.columns[entry["errorCode"]]:
            differences.append(
                f"{place(reject)}: wanted column {reject.columns[entry['errorCode']]}, found {entry.get('column')}"
            )
    for span_, left in there.items():
        differences += [
            f"too many: bytes {span_[0]} to {span_[1]}: {entry['errorCode']}: {data[span_[0] : span_[1]][:80]!r}"
            for entry in left
        ]
    return differences


def column_of(entry):
    """`geo.lat`, `items[2].price`: a column, then the way into it."""
    return re.split(r"[.\[/]", str(entry.get("column")))[0]


def byte_differences(data, spans):
    """Every byte lies between records or in exactly one span."""
    differences, at = [], 0
    for start, end in [*sorted(spans), (len(data), len(data))]:
        if start < at:
            differences.append(f"bytes {start} to {min(at, end)} stand in two entries")
        elif BETWEEN.match(data, at, start).end() != start:
            differences.append(f"bytes {at} to {start} are neither rows nor rejects: {data[at:start][:80]!r}")
        at = max(at, end)
    return differences


def check_outcomes(report, lake, tables):
    found = stored_lake.outcomes(lake)
    strange = {job: outcome.get("state") for job, outcome in found.items() if outcome.get("state") not in ("done", "dead")}
    report.check("outcomes: states", [f"{job}: {state!r}" for job, state in strange.items()])
    done = {job for job, outcome in found.items() if outcome.get("state") == "done"}
    for name, partitions in tables.items():
        names = {path.name.split("-")[0] for paths in partitions.values() for path in paths}
        report.check(f"{name}: every file's job is done", [f"{job} is not" for job in sorted(names - done)])
