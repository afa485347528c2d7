"""What is in the buckets: keys, claims, outcomes, and the rows as PyArrow reads them from S3 itself."""

import collections
import json
import os
import re

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from readback import lake as stored

ID = r"[a-z2-7]{26}"
KEYS = [
    r"_lakebed/lake\.json",
    r"_lakebed/tables/(?P<table>[a-z][a-z0-9_]*)\.json",
    rf"_lakebed/claims/{ID}\.json",
    rf"_lakebed/open/{ID}",
    rf"_lakebed/jobs/{ID}\.json",
    rf"_lakebed/quarantine/date=\d{{4}}-\d\d-\d\d/{ID}-\d{{4,}}\.ndjson\.gz",
    rf"(?P<table>[a-z][a-z0-9_]*)/year=\d{{4}}/month=\d\d/day=\d\d/hour=\d\d/{ID}-\d{{4,}}\.parquet",
    rf"(?P<table>[a-z][a-z0-9_]*)/day=\d{{4}}-\d\d-\d\d/hour=\d\d/{ID}-\d{{4,}}\.parquet",
    rf"(?P<table>[a-z][a-z0-9_]*)/datehour=\d{{4}}-\d\d-\d\d-\d\d/{ID}-\d{{4,}}\.parquet",
]


def listing(s3, bucket):
    """key -> (ETag, size, Last-Modified) of every object."""
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        found.update({o["Key"]: (o["ETag"], o["Size"], o["LastModified"]) for o in page.get("Contents", [])})
    return found


def strange_keys(keys, prefix, tables):
    """Those that no lake with these tables has."""
    strange = []
    for key in keys:
        inner = key.removeprefix(prefix) if key.startswith(prefix) else ""
        named = [match.groupdict() for match in (re.fullmatch(pattern, inner) for pattern in KEYS) if match]
        if not named or named[0].get("table", tables[0]) not in tables:
            strange.append(key)
    return strange


def documents(s3, bucket, folder):
    """id -> the JSON below a folder of the book-keeping."""
    keys = [key for key in listing(s3, bucket) if key.startswith(folder)]
    return {
        key.removeprefix(folder).removesuffix(".json"): json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        for key in keys
    }


def copy_to_disk(s3, bucket, folder, keys=None):
    """Objects byte for byte, with their times of modification in whole seconds."""
    for key, (_, _, modified) in listing(s3, bucket).items():
        if keys is None or key in keys:
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            os.utime(path, (int(modified.timestamp()),) * 2)


def row_differences(port, region, lake, expected):
    """Every value of every row, read from S3 by PyArrow, against what must be there; then the same counted by hour as a
    query over Hive partitions counts it. `lake` is bucket and prefix."""
    files = fs.S3FileSystem(
        endpoint_override=f"127.0.0.1:{port}", scheme="http", region=region, access_key="READER", secret_key="READER"
    )
    wanted = collections.Counter(
        (row.table, expected.tables[row.table].partition(row.hour), row.values) for row in expected.rows
    )
    found, counted = collections.Counter(), collections.Counter()
    for table in expected.tables.values():
        folder = f"{lake}{table.name}"
        infos = files.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
        for path in (info.path for info in infos if info.is_file):
            partition = path.removeprefix(f"{folder}/").rpartition("/")[0]
            with files.open_input_file(path) as file:
                found.update((table.name, partition, row) for row in stored.arrow_rows(file, table))
        if infos:
            counted.update(hive_counts(files, folder, table))
    differences = [f"missing: {table}/{partition}: {row}" for table, partition, row in wanted - found]
    differences += [f"too many: {table}/{partition}: {row}" for table, partition, row in found - wanted]
    hours = collections.Counter((table, partition) for table, partition, _ in wanted.elements())
    differences += [
        f"{table}/{partition}: wanted {hours[table, partition]} rows, counted {counted[table, partition]}"
        for table, partition in sorted(hours.keys() | counted.keys())
        if hours[table, partition] != counted[table, partition]
    ]
    return differences, len(list(wanted.elements())), len(hours)


def hive_counts(files, folder, table):
    """(table, partition) -> rows. Partition columns are read as text, so that zeros in front stay."""
    names = list(table.partition_types())
    partitioning = ds.partitioning(pa.schema([(name, pa.string()) for name in names]), flavor="hive")
    dataset = ds.dataset(folder, filesystem=files, format="parquet", partitioning=partitioning)
    counts = dataset.to_table(columns=names).group_by(names).aggregate([([], "count_all")]).to_pylist()
    return {(table.name, "/".join(f"{name}={row[name]}" for name in names)): row["count_all"] for row in counts}
