"""Packs of images that are small, or of which a bucket uses little: what it uses is read, to be packed anew."""

from __future__ import annotations

import logging
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from labelsnap.records.image import Image
from labelsnap.snapshots.layout import DATA
from labelsnap.snapshots.manifest import digest
from labelsnap.snapshots.writing.small import SMALL_PACK, USED, worth_packing
from labelsnap.snapshots.writing.tar import END_BYTES, tar_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from labelsnap.buckets.reading import ImageLocation
    from labelsnap.buckets.receipt import BucketInput
    from labelsnap.storage import ObjectStore

_PACK: Final = re.compile(rf"{DATA}images/bucket-[0-9]{{5}}-of-(?P<count>[0-9]{{5,10}})-")
_PARALLEL: Final = 4  # each holds an image

log = logging.getLogger(__name__)


def brought(
    store: ObjectStore,
    images: Sequence[Image],
    standing: Mapping[str, ImageLocation],
    directory: Path,
    bucket: BucketInput,
) -> dict[str, Image]:
    """Read those images that lie in small and worn packs of buckets into ``directory``; return them by sha256.

    There it is their name. ``images`` are all that the bucket has. What is not as it was written stays where it is, and
    is told.
    """
    there = {image.sha256: image for image in images if image.sha256 is not None and image.sha256 in standing}
    is_fresh = any(image.sha256 is not None and image.sha256 not in standing for image in images)
    chosen = _chosen(there, standing, bucket.count, is_fresh=is_fresh)
    moving = {sha256: image for sha256, image in there.items() if standing[sha256].pack.key in chosen}
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="worn") as pool:
        read = pool.map(lambda image: _read(store, image, standing[str(image.sha256)], directory), moving.values())
        return {sha256: image for (sha256, image), is_read in zip(moving.items(), read, strict=True) if is_read}


def _chosen(
    images: Mapping[str, Image], standing: Mapping[str, ImageLocation], count: int, *, is_fresh: bool
) -> set[str]:
    """Which packs are packed anew for one of ``count`` buckets: see ``worth_packing``."""
    packs = {standing[sha256].pack for sha256 in images}
    used = Counter[str]()
    for sha256, image in images.items():
        used[standing[sha256].pack.key] += tar_size(image.size or 0)
    worn = {pack.key for pack in packs if used[pack.key] + END_BYTES < USED * pack.size * _share(pack.key, count)}
    small = {pack.key for pack in packs if pack.size < SMALL_PACK and _share(pack.key, count) == 1}
    return worth_packing(worn, small, is_fresh=is_fresh)


def _share(key: str, count: int) -> float:
    """How much of a pack is one bucket's: all, or less where there are more buckets now; 0 where nobody can tell."""
    match = _PACK.match(key)
    return min(1.0, int(match["count"]) / count) if match else 0.0


def _read(store: ObjectStore, image: Image, location: ImageLocation, directory: Path) -> bool:
    key = location.pack.key
    content = store.get(key, offset=location.offset, length=image.size) if image.size else b""
    if content is None or digest(content) != image.sha256:
        log.warning("%s/%s is lost or damaged: run `labelsnap snapshots verify`.", store.url, key)
        return False
    (directory / image.sha256).write_bytes(content)
    return True


def images_of(table: pa.Table) -> tuple[Image, ...]:
    """Return the images that rows of a table of images have, as far as packing them asks."""
    columns = (table[name].to_pylist() for name in ("file_name", "width", "height", "mime_type", "sha256", "size"))
    return tuple(Image(*row) for row in zip(*columns, strict=True))


def relocated(table: pa.Table, locations: Mapping[str, ImageLocation]) -> pa.Table:
    """Return a table of images, of which some lie elsewhere now, by sha256."""
    if not locations:
        return table
    sha256s, packs, offsets = (table[name].to_pylist() for name in ("sha256", "pack", "offset"))
    found = [locations.get(sha256) for sha256 in sha256s]
    places = [
        (each.pack.key, each.offset) if each else (pack, offset)
        for each, pack, offset in zip(found, packs, offsets, strict=True)
    ]
    for column, values in zip(("pack", "offset"), zip(*places, strict=True), strict=True):
        index = table.schema.get_field_index(column)
        table = table.set_column(index, table.schema.field(column), pa.array(values, table.schema.field(column).type))
    return table
