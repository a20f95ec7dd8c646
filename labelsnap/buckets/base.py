"""The part of an earlier snapshot that concerns one bucket: whoever builds the bucket needs no more of it.

A manifest lists every bucket; read once a bucket, that would be quadratic. It is parted once a run instead, and each
part travels with its bucket's input.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from labelsnap.buckets.grouping import bucket_name
from labelsnap.buckets.parts.index import PARTS
from labelsnap.snapshots.manifest import File, Pack
from labelsnap.snapshots.tables.bucket_paths import COUNT, NUMBER, TABLE_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labelsnap.snapshots.manifest import Contents

ROWS: Final = f"{PARTS}rows/"
"""Where a snapshot tells of the rows of each bucket."""
_ROWS_PATH: Final = re.compile(rf"{ROWS}bucket-(?P<index>{NUMBER})-of-(?P<count>{COUNT})\.ndjson\.zst")
_PACK: Final = re.compile(rf"data/images/bucket-(?P<index>{NUMBER})-of-(?P<count>{COUNT})-[^/]*\.tar")


class BasePart(Struct, frozen=True):
    """The bucket tables that may hold rows of one bucket, what is told of them, and the packs of their images.

    ``alike``: of an unchanged row this run would write what they hold.
    """

    files: tuple[File, ...] = ()
    packs: tuple[Pack, ...] = ()
    alike: bool = False


def rows_path(index: int, count: int) -> str:
    """Return the logical path of what a snapshot tells of the rows of a bucket."""
    return f"{ROWS}{bucket_name(index, count)}.ndjson.zst"


def part_base(
    earlier: Contents | None, indices: Iterable[int], count: int, *, alike: bool = False
) -> dict[int, BasePart]:
    """The part for each of these buckets (of ``count``), in one pass over it; empty ones where there is none.

    Numbers of buckets are powers of two, so a bucket of one snapshot shares rows with those of another whose index is
    the same modulo the smaller number. A pack of more buckets than the snapshot has goes with the tables that point
    into it.
    """
    files: dict[int, list[File]] = {index: [] for index in indices}
    packs: dict[int, list[Pack]] = {index: [] for index in files}
    if earlier is not None:
        sharing = _Sharing(files, count)
        fewest = count
        for file in earlier.files:
            if match := TABLE_PATH.fullmatch(file.path) or _ROWS_PATH.fullmatch(file.path):
                fewest = int(match["count"])
                for index in sharing.to(int(match["index"]), fewest):
                    files[index].append(file)
        for pack in earlier.packs:
            if match := _PACK.fullmatch(pack.key):
                of_tables = min(int(match["count"]), fewest)
                for index in sharing.to(int(match["index"]) % of_tables, of_tables):
                    packs[index].append(pack)
    return {index: BasePart(tuple(files[index]), tuple(packs[index]), alike) for index in files}


class _Sharing:
    """Which of some buckets (of ``count``) share rows with a given bucket of another number of buckets."""

    def __init__(self, indices: Iterable[int], count: int) -> None:
        self._indices = tuple(indices)
        self._count = count
        self._by_residue: dict[int, defaultdict[int, list[int]]] = {}

    def to(self, index: int, count: int) -> list[int]:
        modulus = min(count, self._count)
        if modulus not in self._by_residue:
            residues: defaultdict[int, list[int]] = defaultdict(list)
            for each in self._indices:
                residues[each % modulus].append(each)
            self._by_residue[modulus] = residues
        return self._by_residue[modulus][index % modulus]
