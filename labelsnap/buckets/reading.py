"""The bucket tables of a snapshot, read back: what a refresh may reuse."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from labelsnap.buckets.grouping import bucket_name
from labelsnap.records.tables.schema import SCHEMAS
from labelsnap.records.tables.tables import OF_MASKS, STANDING, rows_of, standing_of
from labelsnap.snapshots.manifest import digest
from labelsnap.snapshots.tables.bucket_tables import bucket_files, decoding, file_of, read_table
from labelsnap.snapshots.tables.table_columns import without_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from labelsnap.buckets.base import BasePart
    from labelsnap.records.model import Record
    from labelsnap.records.tables.carry import Standing
    from labelsnap.snapshots.manifest import File, Pack
    from labelsnap.snapshots.tables.bucket_tables import BucketFiles
    from labelsnap.storage import ObjectStore

_ROWS: Final = (*SCHEMAS, "images")
"""The tables that hold rows."""
_LOCATION: Final = ("sha256", "pack", "offset")
_PARALLEL: Final = 8
_REUSED: Final = STANDING | {"images": (*STANDING["images"], *_LOCATION)}


@dataclass(frozen=True, slots=True)
class ImageLocation:
    """Where an image's bytes lie: a pack, and the offset of the payload within it."""

    pack: Pack
    offset: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """One bucket as an earlier snapshot holds it.

    ``fingerprints`` are by data row id ("": nothing of the row may be reused), ``locations`` of images by sha256 (hex),
    ``packs`` by key, ``files`` by path. Where rows may be taken over as they stand, ``tables`` are ``whole``; else they
    have what a row made anew reuses.
    """

    fingerprints: Mapping[str, str]
    locations: Mapping[str, ImageLocation]
    packs: Mapping[str, Pack]
    files: Mapping[str, File]
    tables: Mapping[str, pa.Table]
    whole: bool

    def file(self, path: str, name: str, table: pa.Table) -> File | None:
        """Return the file that stands under a path, where it holds just this table: the same would be written."""
        standing = self.files.get(path) if self.whole and name in self.tables else None
        return standing if standing and table.equals(self.tables[name]) else None

    def has(self, path: str, body: bytes) -> bool:
        """Say whether these bytes stand under a path."""
        standing = self.files.get(path)
        return standing is not None and standing.sha256 == digest(body)

    def standing(self, records: Iterable[Record]) -> dict[str, Standing]:
        """Return what stands of the rows of records, by data row id; masks of those alone whose content is the same."""
        there = [each for each in records if self.fingerprints.get(each.data_row.id)]
        if not there:
            return {}
        same = [each.data_row.id for each in there if self.fingerprints[each.data_row.id] == each.fingerprint]
        with decoding("the rows of the earlier version"):
            tables = {name: self.tables[name] for name in STANDING}
            rows = rows_of(tables, [each.data_row.id for each in there])
            return standing_of(rows | rows_of({name: tables[name] for name in OF_MASKS}, same))


NOTHING: Final = Earlier({}, {}, {}, {}, {}, whole=False)


def table_path(table: str, index: int, count: int) -> str:
    """The logical path of a bucket's table in a snapshot."""
    return f"tables/{table}/{bucket_name(index, count)}.parquet"


def read_earlier(store: ObjectStore, base: BasePart) -> Earlier:
    """What an earlier snapshot holds of the rows of one bucket and of those that it shares tables with.

    Of a row whose image lies in a pack of other buckets (it was found there when there were fewer, as that of another
    row) nothing is reused: its image is packed anew, with its own bucket's.
    """
    found = bucket_files(base.files).values()
    columns: Mapping[str, tuple[str, ...] | None] = dict.fromkeys(_ROWS) if base.alike else _REUSED
    with decoding("the tables of the earlier version"):
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="earlier") as pool:
            read = pool.map(lambda each: _rows(store, found, *each), columns.items() if found else ())
            tables = dict(zip(columns, read, strict=False))
        images = list(zip(*_values(tables, "images", "data_row_id", *_LOCATION), strict=True))
        fingerprints = list(zip(*_values(tables, "data_rows", "data_row_id", "fingerprint"), strict=True))
    packs = {pack.key: pack for pack in base.packs}
    elsewhere = {row_id for row_id, _, key, _ in images if key and key not in packs}
    return Earlier(
        fingerprints={row_id: "" if row_id in elsewhere else found for row_id, found in fingerprints},
        locations={sha256: ImageLocation(packs[key], offset) for _, sha256, key, offset in images if key in packs},
        packs=packs,
        files={file.path: file for file in base.files},
        tables=tables,
        whole=base.alike and bool(found),
    )


def _rows(store: ObjectStore, buckets: Collection[BucketFiles], name: str, columns: tuple[str, ...] | None) -> pa.Table:
    """The rows that buckets have in a table, which some have no file of."""
    there = (file_of(files, name) for files in buckets)
    read = [read_table(store, file, columns) for file in there if file is not None]
    filled = [table for table in read if len(table)]
    return pa.concat_tables(filled) if filled else without_rows(name, columns)


def _values(tables: Mapping[str, pa.Table], name: str, *columns: str) -> list[list[Any]]:
    return [tables[name][column].to_pylist() if tables else [] for column in columns]
