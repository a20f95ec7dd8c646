"""The bucket tables of a snapshot, read back: what a refresh may reuse."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa

from labelsnap.buckets.base import BasePart, rows_path
from labelsnap.buckets.grouping import bucket_name
from labelsnap.buckets.rows.told import composite_due, read_told
from labelsnap.records.lines.fingerprint import same_content
from labelsnap.records.tables.schema import OF_SOURCES, SCHEMAS
from labelsnap.records.tables.tables import OF_MASKS, STANDING, rows_of, standing_of
from labelsnap.snapshots.manifest import digest
from labelsnap.snapshots.tables.bucket_tables import bucket_files, decoding, file_of, name_of_tables, read_table
from labelsnap.snapshots.tables.table_columns import without_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from labelsnap.buckets.rows.told import Told
    from labelsnap.records.model import Record
    from labelsnap.records.tables.carry import Standing
    from labelsnap.snapshots.manifest import File, Pack
    from labelsnap.snapshots.tables.bucket_tables import BucketFiles
    from labelsnap.storage import ObjectStore

_ROWS: Final = (*SCHEMAS, *OF_SOURCES, "images")
"""The tables that hold rows."""
_LOCATION: Final = ("sha256", "pack", "offset")
_PARALLEL: Final = 12
_Columns: TypeAlias = tuple[str, ...] | None
"""Some columns of a table, all where None."""
_REUSED: Final = STANDING | {"images": (*STANDING["images"], *_LOCATION)}


@dataclass(frozen=True, slots=True)
class ImageLocation:
    """Where an image's bytes lie: a pack, and the offset of the payload within it."""

    pack: Pack
    offset: int


class Earlier:
    """One bucket as an earlier snapshot holds it, read as far as it is asked for.

    Of a row whose image lies in a pack of other buckets (it was found there when there were fewer, as that of another
    row) nothing is reused: its image is packed anew, with its own bucket's.

    ``told`` is what the snapshot tells of the bucket's rows: with it no table is read to see whether they stand.
    """

    def __init__(self, base: BasePart, read: Callable[[str, _Columns], pa.Table], told: Told | None = None) -> None:
        self._read = read
        self._named = {name for files in bucket_files(base.files).values() for name in files}
        self._is_there = bool(self._named)
        self._alike = base.alike
        self.told = told
        self.packs = {pack.key: pack for pack in base.packs}
        """Packs by key."""
        self.files = {file.path: file for file in base.files}
        """Files by path."""

    @property
    def whole(self) -> bool:
        """Whether rows may be taken over as they stand: then ``tables`` have all columns, else what a row reuses."""
        return self._alike and self._is_there

    @cached_property
    def tables(self) -> Mapping[str, pa.Table]:
        """The tables by name. Raises StorageRefusedError where one is missing or damaged."""
        columns: Mapping[str, _Columns] = dict.fromkeys(_ROWS) if self._alike else _REUSED
        if not self._is_there:
            return {}
        absent = (columns.keys() & OF_SOURCES.keys()) - self._named
        columns = {name: wanted for name, wanted in columns.items() if name not in absent}
        with (
            decoding("the tables of the earlier version"),
            ThreadPoolExecutor(_PARALLEL, thread_name_prefix="earlier") as pool,
        ):
            read = dict(zip(columns, pool.map(self._read, columns.keys(), columns.values()), strict=True))
        return read | {name: without_rows(name) for name in absent}

    def let_go(self) -> None:
        """Hold no table any more; one that is asked for is read again."""
        self.__dict__.pop("tables", None)

    @cached_property
    def fingerprints(self) -> Mapping[str, str]:
        """Fingerprints by data row id; "": nothing of the row may be reused."""
        if self.told:
            return self.told.rows
        with decoding("the rows of the earlier version"):
            elsewhere = {row_id for row_id, _, key, _ in self._images if key and key not in self.packs}
            rows = zip(*_values(self.tables, "data_rows", "data_row_id", "fingerprint"), strict=True)
            return {row_id: "" if row_id in elsewhere else found for row_id, found in rows}

    @cached_property
    def file_names(self) -> Mapping[str, str]:
        """The names of the rows' files, by data row id."""
        with decoding("the rows of the earlier version"):
            return dict(zip(*_values(self.tables, "data_rows", "data_row_id", "file_name"), strict=True))

    @cached_property
    def locations(self) -> Mapping[str, ImageLocation]:
        """Where images lie, by sha256 (hexadecimal)."""
        with decoding("the images of the earlier version"):
            there = [each for each in self._images if each[2] in self.packs]
            return {sha256: ImageLocation(self.packs[key], offset) for _, sha256, key, offset in there}

    @cached_property
    def places(self) -> Mapping[str, tuple[str, int]]:
        """Key and offset of images, by sha256 (hexadecimal), also of those in packs of other buckets."""
        with decoding("the images of the earlier version"):
            return {sha256: (key, offset) for _, sha256, key, offset in self._images if key}

    @property
    def composite_due(self) -> frozenset[str]:
        """The rows that have masks which came whole for want of their composite."""
        return frozenset(self.told.due) if self.told else composite_due(self.tables)

    @property
    def _images(self) -> list[tuple[Any, ...]]:
        return list(zip(*_values(self.tables, "images", "data_row_id", *_LOCATION), strict=True))

    def file(self, path: str, name: str, table: pa.Table) -> File | None:
        """Return the file that stands under a path, where it holds just this table: the same would be written."""
        standing = self.files.get(path) if self.whole and name in _ROWS else None
        return standing if standing and table.equals(self.tables[name]) else None

    def has(self, path: str, body: bytes) -> bool:
        """Say whether these bytes stand under a path."""
        standing = self.files.get(path)
        return standing is not None and standing.sha256 == digest(body)

    def standing(self, records: Iterable[Record]) -> dict[str, Standing]:
        """Return what stands of the rows of records, by data row id; masks of those alone whose content is the same."""
        there = [each for each in records if self.fingerprints.get(each.data_row.id)]
        known = self.fingerprints
        same = [each.data_row.id for each in there if same_content(known[each.data_row.id], each.fingerprint)]
        return self.rows([each.data_row.id for each in there], same)

    def rows(self, row_ids: Collection[str], with_masks: Collection[str]) -> dict[str, Standing]:
        """Return what stands of these rows, by data row id; masks of some of them alone."""
        if not row_ids or not self._is_there:
            return {}
        with decoding("the rows of the earlier version"):
            tables = {name: self.tables[name] for name in STANDING}
            masks = {name: tables[name] for name in OF_MASKS}
            return standing_of(rows_of(tables, row_ids) | rows_of(masks, with_masks))


NOTHING: Final = Earlier(BasePart(), without_rows)


def table_path(table: str, index: int, count: int) -> str:
    """The logical path of a bucket's table in a snapshot."""
    return f"tables/{table}/{bucket_name(index, count)}.parquet"


def read_earlier(store: ObjectStore, base: BasePart, place: tuple[int, int] | None = None) -> Earlier:
    """What an earlier snapshot holds of the rows of one bucket and of those that it shares tables with.

    ``place`` is the bucket, and of how many it is: what the snapshot tells of its rows is read for it, if that is of
    the tables that it has, and of no other buckets. Raises StorageRefusedError where that is damaged.
    """
    files = {file.path: file for file in base.files}
    told = None
    if base.alike and place and (file := files.get(rows_path(*place))):
        found = read_told(store, file)
        packs = {pack.key for pack in base.packs}
        told = found if found and found.tables == name_of_tables(base.files) and packs.issuperset(found.packs) else None
    return Earlier(base, partial(_rows, store, bucket_files(base.files).values()), told)


def _rows(store: ObjectStore, buckets: Collection[BucketFiles], name: str, columns: _Columns) -> pa.Table:
    """The rows that buckets have in a table, which some have no file of."""
    there = (file_of(files, name) for files in buckets)
    read = [read_table(store, file, columns) for file in there if file is not None]
    filled = [table for table in read if len(table)]
    return pa.concat_tables(filled) if filled else without_rows(name, columns)


def _values(tables: Mapping[str, pa.Table], name: str, *columns: str) -> list[list[Any]]:
    return [tables[name][column].to_pylist() if tables else [] for column in columns]
