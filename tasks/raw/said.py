"""What a run finds out about the lines of an export, all together, before they are in buckets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from config.split_files import listed_splits
from labelsnap.buckets.base import part_base
from labelsnap.buckets.claims import Claims
from labelsnap.buckets.spool import Said, without_claims
from labelsnap.memory import held_at_once
from labelsnap.records.choices.names import known_by
from labelsnap.records.parsing.identity import row_keys
from labelsnap.snapshots.tables.bucket_tables import bucket_files, decoding, file_of, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from config.dataset import Dataset
    from labelsnap.buckets.spool import SpooledBucket
    from labelsnap.records.choices.split_files import SplitTable
    from labelsnap.snapshots.manifest import Manifest
    from labelsnap.storage.interface import ObjectStore

    NamesOf: TypeAlias = Callable[[Sequence[int]], Iterator[Mapping[str, str]]]

_COLUMNS: Final = ("data_row_id", "file_name")
SIDE_BY_SIDE: Final = 8
"""Buckets whose names are read at a time,"""
HELD_BYTES: Final = 8 << 20
"""… if their tables have no more than so many bytes together. One bucket may have more."""


class Saying(NamedTuple):
    """What is looked up of each line: its split in a list, and its claim to a name, where the dataset has such."""

    listed: SplitTable | None
    claims: Claims | None

    def say(self, number: int, row: str | None, line: bytes) -> Said:
        """Look up a line: its number, the id of its row, and its bytes."""
        split = self.listed.of_line(line) if self.listed else ""
        return Said(split, self.claims.of(number, row, known_by(*row_keys(line))) if self.claims else "")

    def take_back(
        self, store: ObjectStore, base: Manifest | None, buckets: Mapping[int, SpooledBucket], count: int
    ) -> None:
        """Leave of each name that rows of the buckets (of ``count``) claim the claims of one row.

        ``base`` is the version before, where it is asked what files are called. Raises like ``names_before``.
        """
        if self.claims:
            for index, numbers in self.claims.lost(count, names_before(store, base, count)):
                without_claims(buckets[index], numbers)


def saying_of(dataset: Dataset, directory: Path, at_most: int) -> Saying:
    """What is to be found out for a dataset about lines, ``at_most`` so many. Raises like ``listed_splits``."""
    claims = Claims(directory, at_most) if dataset.file_names == "key" else None
    return Saying(listed_splits(dataset), claims)


def names_before(store: ObjectStore, base: Manifest | None, count: int) -> NamesOf:
    """Return how the file names that the base has are read for some buckets (of ``count``), by data row id, in order.

    A few are read at a time. Reading raises as ``read_table`` does.
    """
    parts = part_base(base, range(count), count)
    tables = {
        index: [file for files in bucket_files(part.files).values() if (file := file_of(files, "data_rows"))]
        for index, part in parts.items()
    }

    def read(index: int) -> dict[str, str]:
        names: dict[str, str] = {}
        with decoding("the names of files"):
            for file in tables[index]:
                table = read_table(store, file, _COLUMNS)
                names |= zip(*(table[column].to_pylist() for column in _COLUMNS), strict=True)
        return names

    def size(index: int) -> int:
        return sum(file.size for file in tables[index])

    def of(buckets: Sequence[int]) -> Iterator[Mapping[str, str]]:
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="names") as pool:
            for some in held_at_once(buckets, size, HELD_BYTES, SIDE_BY_SIDE):
                yield from pool.map(read, some)

    return of
