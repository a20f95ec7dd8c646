"""The bucket tables among a snapshot's files, and the two tables that are not cut into buckets."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from labelsnap.records.tables.tables import classes_of, ontology_of, write_table
from labelsnap.snapshots.manifest import damaged, digest
from labelsnap.snapshots.reading.content import read_file
from labelsnap.snapshots.tables.bucket_paths import TABLE_PATH
from labelsnap.snapshots.tables.parquet_files import read_whole
from labelsnap.snapshots.tables.table_columns import BUCKET_TABLES, MISREAD, without_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.ontology import Ontology
    from labelsnap.snapshots.manifest import File
    from labelsnap.storage import ObjectStore

CLASSES_PATH: Final = "tables/classes/classes.parquet"
ONTOLOGY_PATH: Final = "tables/ontology/ontology.parquet"

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


def bucket_count_of(files: Iterable[File]) -> int:
    """Return over how many buckets a snapshot's rows are spread; 1 where it has none."""
    matches = (TABLE_PATH.fullmatch(file.path) for file in files)
    return next((int(match["count"]) for match in matches if match), 1)


def read_table(store: ObjectStore, file: File, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table of a snapshot, or some columns.

    One that by its hash has no rows is not asked for. Raises ``StorageRefusedError`` where it is missing or damaged,
    ``ReaderTooOldError`` where it is sound and not read.
    """
    if table := _without_rows(file):
        return without_rows(table, columns)
    return read_whole(read_file(store, file), file.path, columns)


def _without_rows(file: File) -> str | None:
    """Return which table a file is that by its hash has no rows; None: it may have some."""
    match = TABLE_PATH.fullmatch(file.path)
    return match["table"] if match and file.sha256 == _sha256_without_rows(match["table"]) else None


def name_of_tables(files: Iterable[File]) -> str:
    """Name the tables that tell of a bucket's rows by what they are: sha256, hexadecimal, of their paths and sha256s.

    That of problems, which has the numbers of lines, and those without rows are left out.
    """
    matches = ((TABLE_PATH.fullmatch(file.path), file) for file in files if not _without_rows(file))
    found = sorted((file.path, file.sha256) for match, file in matches if match and match["table"] != "problems")
    return digest(msgspec.json.encode(found))


def file_of(files: BucketFiles, table: str) -> File | None:
    """Return the file of a bucket's table; None: it has no rows.

    Raises StorageRefusedError where there is none of ``data_rows``, though other tables have something of its rows.
    """
    others = files.keys() & BUCKET_TABLES - {"problems", "left"}
    if table == "data_rows" and others and table not in files:
        raise damaged(files[min(others)].path, "no table of its data rows")
    return files.get(table)


def read_of_bucket(
    store: ObjectStore, files: BucketFiles, table: str, columns: Sequence[str] | None = None
) -> pa.Table:
    """Read a table of a bucket, or some columns; one that the bucket has no file of has no rows.

    Raises like ``read_table``.
    """
    file = file_of(files, table)
    return without_rows(table, columns) if file is None else read_table(store, file, columns)


def read_classes(store: ObjectStore, file: File) -> ClassRegistry:
    """Read the table of classes. Raises like ``read_table``."""
    table = read_table(store, file)
    with decoding(file.path):
        return classes_of(table)


def read_ontology(store: ObjectStore, file: File) -> Ontology:
    """Read the table of the ontology. Raises like ``read_table``."""
    table = read_table(store, file)
    with decoding(file.path):
        return ontology_of(table)


@lru_cache
def _sha256_without_rows(table: str) -> str:
    """Return the hash that a table of this name has without rows, as it is written here; "" where there is no such."""
    return digest(write_table(without_rows(table))) if table in BUCKET_TABLES else ""


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Say of tables whose values no row can have that they are damaged: they are as their manifest says, and no more.

    Raises StorageRefusedError.
    """
    try:
        yield
    except MISREAD as error:
        raise damaged(what, f"values that no row has ({type(error).__name__})") from error
