#!/usr/bin/env python3
"""Proves a lake against the raw objects it was made of, with nothing of lakebed's: an own reading of the raw bytes
in plain Python, and two Parquet readers, pyarrow and DuckDB.

    readback.py <raw dir> <schemas dir> <lake dir>

Compared are every value of every row, the hour it is filed under, the order of a source's rows, the column types, codec
and encodings of each file, every quarantine entry with its bytes, and that each byte of each decompressed object is a
row's, a reject's or stands between records; DuckDB must open no file beyond the hour it is asked for. Needs
.ci/requirements.txt. Exit code 1: something differs, and is printed; 2: an input it cannot judge.

It knows `coercion: lossless` without `transform` or `keys`, and raw objects that are plain or gzip. See readback/:
frame.py (bytes to records), schema.py (tables), times.py and values.py (JSON to column values), expect.py (what must
be), lake.py (what is), check.py (the comparison).
"""

import pathlib
import sys

from readback import Unsupported, check
from readback import lake as stored_lake
from readback.expect import read_raw
from readback.schema import read_tables


def run(raw, schemas, lake):
    report = check.Report()
    expected = read_raw(raw, read_tables(schemas))
    files = stored_lake.data_files(lake)
    duck = stored_lake.DuckLake(lake)
    replayed = {job for job, outcome in stored_lake.outcomes(lake).items() if "replayed" in outcome["counts"]}
    report.check("raw: objects", [] if expected.sources else f"{raw} holds none")
    report.check("lake: tables", [f"{name} is in no schema" for name in sorted(files.keys() - expected.tables.keys())])
    for table in expected.tables.values():
        there = files.get(table.name, {})
        attempt(report, table.name, check.check_files, table, there)
        attempt(report, table.name, check.check_rows, expected, table, there, duck, replayed)
        if there and any(row.table == table.name for row in expected.rows):
            attempt(report, table.name, check.check_duckdb, expected, table, there, duck)
    attempt(report, "quarantine", check.check_quarantine, expected, lake)
    attempt(report, "outcomes", check.check_outcomes, lake, files)
    return report, expected


def attempt(report, title, comparison, *arguments):
    """A lake that cannot even be read fails its check; the others still run and say what they found."""
    try:
        comparison(report, *arguments)
    except Unsupported:
        raise
    except Exception as error:  # whatever a reader may throw at a broken file
        report.check(f"{title}: {comparison.__name__}", f"cannot be read: {type(error).__name__}: {error}")


def main(arguments):
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    raw, schemas, lake = map(pathlib.Path, arguments)
    for folder in (raw, schemas, lake):
        if not folder.is_dir():
            print(f"{folder} is not a folder", file=sys.stderr)
            return 2
    try:
        report, expected = run(raw, schemas, lake)
    except Unsupported as unsupported:
        print(f"the readback cannot judge this: {unsupported}", file=sys.stderr)
        return 2
    for failure in report.failures:
        print(f"FAILED {failure}")
    for note in report.notes:
        print(note)
    hours, size = len(expected.by_hour()), sum(map(len, expected.sources.values()))
    tables = len({row.table for row in expected.rows})
    print(
        f"read back {len(expected.rows)} rows of {tables} tables in {hours} partitions "
        f"and {len(expected.rejects)} rejects, from {len(expected.sources)} objects of {size} bytes"
    )
    print(f"{report.passed} passed, {len(report.failures)} failed")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
