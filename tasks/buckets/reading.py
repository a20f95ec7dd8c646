"""The bucket tables of a snapshot, read back: what a refresh may reuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tasks.buckets.grouping import bucket_name
from tasks.records.tables import STANDING, standing_of
from tasks.snapshots.bucket_tables import bucket_files, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.buckets.base import BasePart
    from tasks.records.carry import Standing
    from tasks.snapshots.manifest import Pack
    from tasks.storage.interface import ObjectStore

_LOCATION: Final = ("sha256", "pack", "offset")


@dataclass(frozen=True, slots=True)
class ImageLocation:
    """Where an image's bytes lie: a pack, and the offset of the payload within it."""

    pack: Pack
    offset: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """One bucket as an earlier snapshot holds it: rows by data row id, where images lie by sha256 (hex)."""

    rows: Mapping[str, Standing]
    locations: Mapping[str, ImageLocation]


def table_path(table: str, index: int, count: int) -> str:
    """The logical path of a bucket's table in a snapshot."""
    return f"tables/{table}/{bucket_name(index, count)}.parquet"


def read_earlier(store: ObjectStore, base: BasePart) -> Earlier:
    """What an earlier snapshot holds of the rows of one bucket and of those that it shares tables with."""
    packs = {pack.key: pack for pack in base.packs}
    rows: dict[str, Standing] = {}
    locations: dict[str, ImageLocation] = {}
    for found in bucket_files(base.files).values():
        rows |= standing_of({name: read_table(store, found[name], columns) for name, columns in STANDING.items()})
        places = (column.to_pylist() for column in read_table(store, found["images"], _LOCATION))
        locations |= {
            sha256: ImageLocation(packs[key], offset) for sha256, key, offset in zip(*places, strict=True) if key
        }
    return Earlier(rows, locations)
