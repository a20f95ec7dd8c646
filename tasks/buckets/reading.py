"""The bucket tables of a snapshot, read back: what a refresh may reuse."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tasks.buckets.grouping import bucket_name
from tasks.records.carry import Standing
from tasks.records.columns import plain
from tasks.records.geometry_columns import masks_of
from tasks.records.model import Image
from tasks.snapshots.bucket_tables import bucket_files, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from tasks.buckets.base import BasePart
    from tasks.records.carry import Origin
    from tasks.records.geometry import Mask
    from tasks.snapshots.bucket_tables import BucketFiles
    from tasks.snapshots.manifest import Pack
    from tasks.storage.interface import ObjectStore

_LOCATION: Final = ("sha256", "pack", "offset")
_ROW: Final = ("data_row_id", "fingerprint", "row_data", "split", *Image.__struct_fields__)
_OBJECT: Final = ("data_row_id", "origin", "label_id", "feature_id")
_MASK: Final = ("mask_reference", "mask")


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
        rows |= _rows(store, found)
        columns = (column.to_pylist() for column in read_table(store, found["images"], _LOCATION))
        locations |= {
            sha256: ImageLocation(packs[key], offset) for sha256, key, offset in zip(*columns, strict=True) if key
        }
    return Earlier(rows, locations)


def _rows(store: ObjectStore, files: BucketFiles) -> dict[str, Standing]:
    masks: defaultdict[str, dict[tuple[Origin, str, str], Mask]] = defaultdict(dict)
    for name in ("annotations", "predictions"):
        for row_id, origin, label_id, feature_id, mask in _masks(read_table(store, files[name], (*_OBJECT, *_MASK))):
            masks[row_id][origin, label_id, feature_id] = mask
    columns = (plain(column) for column in _columns(read_table(store, files["data_rows"], _ROW), _ROW))
    return {
        row_id: Standing(fingerprint, row_data, split, Image(*image), masks.get(row_id, {}))
        for row_id, fingerprint, row_data, split, *image in zip(*columns, strict=True)
    }


def _masks(objects: pa.Table) -> Iterator[tuple[str, Origin, str, str, Mask]]:
    """Give row id, origin, label id, feature id and mask of each object that is one."""
    found = objects.filter(objects["mask"].is_valid())
    keys = (plain(column) for column in _columns(found, _OBJECT))
    return zip(*keys, masks_of(lambda name: found[name].combine_chunks()), strict=True)


def _columns(table: pa.Table, names: Sequence[str]) -> Iterator[pa.Array]:
    return (table[name].combine_chunks() for name in names)
