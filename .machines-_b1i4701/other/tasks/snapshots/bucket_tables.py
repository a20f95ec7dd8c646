"""The bucket tables among a snapshot's files, and the one table that is not cut into buckets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import parquet

from tasks.snapshots.content import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tasks.snapshots.manifest import File
    from tasks.storage import ObjectStore

TABLE_PATH: Final = re.compile(r"tables/(?P<table>[a-z_]+)/bucket-(?P<index>\d{5,})-of-(?P<count>\d{5,})\.parquet")
CLASSES_PATH: Final = "tables/classes/classes.parquet"

BucketFiles = dict[str, "File"]
"""The files of one bucket by table."""


def bucket_files(files: Iterable[File]) -> dict[tuple[int, int], BucketFiles]:
    """Return the bucket tables among a snapshot's files, in order: (number of buckets, bucket) → table → file."""
    buckets: dict[tuple[int, int], BucketFiles] = {}
    for file in files:
        if match := TABLE_PATH.fullmatch(file.path):
            place = int(match["count"]), int(match["index"])
            buckets.setdefault(place, {})[match["table"]] = file
    return dict(sorted(buckets.items()))


def read_table(store: ObjectStore, file: File, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table of a snapshot, or some columns. Raises ``StorageRefusedError`` where it is missing or damaged."""
    with parquet.ParquetFile(pa.BufferReader(read_file(store, file))) as opened:
        return opened.read(columns=columns and list(columns), use_threads=False)  # it is small
