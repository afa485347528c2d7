"""What the lake holds, read by two Parquet readers that share no code, and its quarantine and outcomes."""

import base64
import collections
import gzip
import json
import re

import duckdb
import pyarrow.parquet as pq

from .expect import kept_fields
from .values import stored

FILE_NAME = re.compile(r"([0-9A-Za-z]{26})-(\d{4,})\.parquet")
FILES_READ = re.compile(r"Total Files Read:\s*(\d+)")


def data_files(lake):
    """table -> partition -> its visible files, each in order."""
    tables = collections.defaultdict(lambda: collections.defaultdict(list))
    for path in sorted(lake.rglob("*")):
        parts = path.relative_to(lake).parts
        if path.is_file() and not any(part[0] in "._" for part in parts):
            tables[parts[0]]["/".join(parts[1:-1])].append(path)
    return tables


def canonical(row, table):
    values = tuple(stored(value, kind) for value, (_, kind) in zip(row, table.stored()))
    return values[:-1] + (kept_fields(values[-1]),) if table.keep_in else values


def arrow_rows(file, table):
    data = pq.ParquetFile(file).read()
    columns = [data.column(name).to_pylist() for name, _ in table.stored()]
    return [canonical(row, table) for row in zip(*columns)]


class DuckLake:
    """The tables as a user queries them: hive partitions with declared types."""

    def __init__(self, lake):
        self.lake = lake
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")

    def source(self, table):
        glob = str(self.lake / table.name / "**" / "*.parquet").replace("'", "''")
        types = ", ".join(f"'{name}': {kind}" for name, kind in table.partition_types().items())
        return f"read_parquet('{glob}', hive_partitioning = true, hive_types = {{{types}}})"

    def column_types(self, table):
        described = self.connection.execute(f"DESCRIBE SELECT * FROM {self.source(table)}").fetchall()
        # Members whose names are words of SQL come in quotes.
        kinds = {name: kind.replace('"', "") for name, kind, *_ in described}
        return {name: kind for name, kind in kinds.items() if name not in table.partition_types()}

    def rows_by_partition(self, table):
        columns = ", ".join(f'"{name}"' for name, _ in table.stored())
        partition = ", ".join(table.partition_types())
        rows = collections.defaultdict(list)
        cursor = self.connection.execute(f"SELECT {columns}, {partition} FROM {self.source(table)}")
        width = len(table.stored())
        while batch := cursor.fetchmany(10000):
            for row in batch:
                rows[partition_path(table, row[width:])].append(canonical(row[:width], table))
        return rows

    def files_opened(self, table, hour):
        """(rows, files opened) of a query for one hour."""
        where = " AND ".join("{} = '{}'".format(*part.split("=")) for part in table.partition(hour).split("/"))
        query = f'SELECT count(*), count(DISTINCT "{table.columns[0].name}") FROM {self.source(table)} WHERE {where}'
        rows = self.connection.execute(query).fetchone()[0]
        plan = "\n".join(text for _, text in self.connection.execute("EXPLAIN ANALYZE " + query).fetchall())
        found = FILES_READ.search(plan)
        return rows, int(found.group(1)) if found else f"no 'Total Files Read' in the plan:\n{plan}"


def partition_path(table, values):
    """Partition columns as DuckDB typed them -> the path they stand for."""
    texts = (
        f"{value:04}" if name == "year" else f"{value:02}" if isinstance(value, int) else str(value)
        for name, value in zip(table.partition_types(), values)
    )
    return "/".join(f"{name}={text}" for name, text in zip(table.partition_types(), texts))


def quarantine(lake):
    """(file, entry) of every quarantine line, in order."""
    found = []
    for path in sorted((lake / "_lakebed" / "quarantine").glob("**/*.ndjson.gz")):
        for line in gzip.decompress(path.read_bytes()).decode("utf-8").splitlines():
            found.append((path, json.loads(line)))
    return found


def raw_bytes(entry):
    return base64.b64decode(entry["rawData"], validate=True)


def outcomes(lake):
    """job -> its outcome"""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((lake / "_lakebed" / "jobs").glob("*.json"))
    }
