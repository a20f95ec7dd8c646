"""The bucket tables of a snapshot, read back: what a refresh may reuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tasks.buckets.grouping import bucket_name
from tasks.records.schema import SCHEMAS
from tasks.records.tables import from_tables
from tasks.snapshots.bucket_tables import bucket_files, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.buckets.base import BasePart
    from tasks.records.model import Sample
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
    """The rows of one bucket as an earlier snapshot holds them: samples by data row id, images by sha256 (hex)."""

    samples: Mapping[str, Sample]
    locations: Mapping[str, ImageLocation]


def table_path(table: str, index: int, count: int) -> str:
    """The logical path of a bucket's table in a snapshot."""
    return f"tables/{table}/{bucket_name(index, count)}.parquet"


def read_earlier(store: ObjectStore, base: BasePart) -> Earlier:
    """What an earlier snapshot holds of the rows of one bucket and of those that it shares tables with."""
    packs = {pack.key: pack for pack in base.packs}
    samples: dict[str, Sample] = {}
    locations: dict[str, ImageLocation] = {}
    for found in bucket_files(base.files).values():
        tables = {name: read_table(store, found[name]) for name in found.keys() & SCHEMAS}
        samples |= {sample.record.data_row.id: sample for sample in from_tables(tables)}
        columns = (column.to_pylist() for column in read_table(store, found["images"], _LOCATION))
        locations |= {
            sha256: ImageLocation(packs[key], offset) for sha256, key, offset in zip(*columns, strict=True) if key
        }
    return Earlier(samples, locations)
