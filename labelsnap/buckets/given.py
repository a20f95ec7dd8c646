"""Which splits the rows of a bucket were given before: those that are published, and those that are not any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from labelsnap.buckets.grouping import bucket_of
from labelsnap.records.choices.splits import SPLITS
from labelsnap.records.tables.schema import LEFT as SCHEMA
from labelsnap.snapshots.keeping.behind import LEFT, SPLITS_IN, read_behind
from labelsnap.snapshots.tables.bucket_paths import TABLE_PATH
from labelsnap.snapshots.tables.bucket_tables import decoding, read_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from labelsnap.buckets.base import BasePart
    from labelsnap.buckets.reading import Earlier
    from labelsnap.buckets.receipt import BucketInput
    from labelsnap.snapshots.manifest import File
    from labelsnap.storage import ObjectStore

Given = dict[str, str]
"""Splits by data row id."""


def behind_part(parts: Iterable[BasePart]) -> tuple[File, ...]:
    """Return the tables of a bucket's parts of several snapshots that tell splits, each once, the newest first."""
    files = (file for part in parts for name in SPLITS_IN for file in part.files if _is_of(file, name))
    return tuple({file.key: file for file in files}.values())


def read_given(store: ObjectStore, bucket: BucketInput, earlier: Earlier) -> Given:
    """Return which split each row of a bucket was given last under the settings that hold now.

    That is where the earlier snapshot has it, if it was made under them, else where those behind it have it.
    """
    tables: list[pa.Table] = []
    if bucket.splits_stand:
        tables += [earlier.tables["data_rows"]] if earlier.tables else []
        tables += [read_table(store, file) for file in bucket.base.files if _is_of(file, LEFT)]
        standing = {file.key for file in bucket.base.files}
    else:
        standing = set()
    tables += [
        found
        for file in bucket.behind
        if file.key not in standing and (found := read_behind(store, file, SCHEMA.names)) is not None
    ]
    given: Given = {}
    with decoding("the splits of earlier versions"):
        for table in tables:
            rows = zip(*(table[name].to_pylist() for name in SCHEMA.names), strict=True)
            for row_id, split in rows:
                if split in SPLITS and bucket_of(row_id.encode(), bucket.count) == bucket.index:
                    given.setdefault(row_id, split)
    return given


def left_table(given: Mapping[str, str], published: Collection[str]) -> pa.Table:
    """Return the rows that were given a split and are not published, as the table ``left``."""
    rows = sorted(given.keys() - set(published))
    return pa.table({"data_row_id": rows, "split": [given[row_id] for row_id in rows]}, schema=SCHEMA)


def _is_of(file: File, table: str) -> bool:
    match = TABLE_PATH.fullmatch(file.path)
    return match is not None and match["table"] == table
