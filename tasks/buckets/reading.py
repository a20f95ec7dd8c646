"""The bucket tables of a snapshot, read back: what a refresh may reuse, and what formats are written from."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from pyarrow import parquet

from tasks.buckets.grouping import bucket_name
from tasks.records.tables import from_tables
from tasks.snapshots.bucket_tables import bucket_files
from tasks.snapshots.content import download_file, read_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyarrow import Table

    from tasks.buckets.base import BasePart
    from tasks.records.model import Sample
    from tasks.snapshots.manifest import File, Pack
    from tasks.storage.interface import ObjectStore


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


def read_table(store: ObjectStore, file: File) -> Table:
    """A table of a snapshot. Raises ``StorageRefusedError`` for an object that is missing or damaged."""
    return parquet.read_table(BytesIO(read_file(store, file)))


def read_earlier(store: ObjectStore, base: BasePart) -> Earlier:
    """What an earlier snapshot holds of the rows of one bucket and of those that it shares tables with."""
    packs = {pack.key: pack for pack in base.packs}
    samples: dict[str, Sample] = {}
    locations: dict[str, ImageLocation] = {}
    for found in bucket_files(base.files).values():
        tables = {table: read_table(store, file) for table, file in found.items()}
        samples |= {sample.record.data_row.id: sample for sample in from_tables(tables)}
        columns = (tables["images"][name].to_pylist() for name in ("sha256", "pack", "offset"))
        locations |= {
            sha256: ImageLocation(packs[key], offset) for sha256, key, offset in zip(*columns, strict=True) if key
        }
    return Earlier(samples, locations)


def cached_table(store: ObjectStore, file: File, cache: Path, columns: list[str] | None = None) -> Table:
    """A table of a snapshot, or some columns, from the folder where it lies already or from the store."""
    path = cache / f"{file.sha256}.parquet"
    if not path.exists():
        download_file(store, file, path)
    return parquet.read_table(path, columns=columns)
