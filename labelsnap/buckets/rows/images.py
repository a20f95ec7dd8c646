"""The images of a bucket: new ones packed into one tar, known ones where an earlier snapshot has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from msgspec.structs import asdict

from labelsnap.buckets.grouping import bucket_name
from labelsnap.buckets.reading import ImageLocation
from labelsnap.snapshots.tables.table_columns import IMAGES_SCHEMA
from labelsnap.snapshots.writing.tar import write_tar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Executor, Future
    from pathlib import Path

    from labelsnap.buckets.receipt import BucketInput
    from labelsnap.records.image import Image
    from labelsnap.records.model import Sample
    from labelsnap.snapshots.manifest import Pack
    from labelsnap.snapshots.writing.draft import Draft


class RowImage(NamedTuple):
    """The image of a row, and the split that the row is in."""

    row_id: str
    split: str
    image: Image


@dataclass(frozen=True, slots=True)
class StoredImages:
    """Where each copied image of a bucket lies, by sha256 (hex), and the pack that is being sent, if there is one."""

    locations: Mapping[str, ImageLocation]
    sending: Future[None] | None = None

    @property
    def packs(self) -> tuple[Pack, ...]:
        """The packs that hold the images, each once, by key."""
        packs = {location.pack.key: location.pack for location in self.locations.values()}
        return tuple(packs[key] for key in sorted(packs))

    def wait(self) -> None:
        """Return when everything is in the store. Raises StorageError."""
        if self.sending:
            self.sending.result()


def store_images(
    draft: Draft,
    images: Iterable[Image],
    standing: Mapping[str, ImageLocation],
    directory: Path,
    bucket: BucketInput,
    *,
    sender: Executor | None = None,
) -> StoredImages:
    """Pack the images that no earlier pack holds; their bytes lie in ``directory`` under their sha256.

    With a ``sender`` that sends the pack, which lies in the directory until then.

    The pack holds each image once, in the order of the hashes, so that the same images give the same bytes.
    """
    copied = {image.sha256: image for image in images if image.sha256 is not None}
    locations = {sha256: standing[sha256] for sha256 in copied if sha256 in standing}
    sending = None
    missing = sorted(copied.keys() - locations.keys())
    if missing:
        tar = directory / "pack.tar"
        members = write_tar(tar, _members((copied[sha256] for sha256 in missing), directory))
        pack = draft.place(f"images/{bucket_name(bucket.index, bucket.count)}.tar", tar)
        if sender is None:
            draft.send(pack, tar)
        else:
            sending = sender.submit(draft.send, pack, tar)
        offsets = (member.offset for member in members)
        locations |= {sha256: ImageLocation(pack, offset) for sha256, offset in zip(missing, offsets, strict=True)}
    return StoredImages(locations, sending)


def _members(images: Iterable[Image], directory: Path) -> Iterator[tuple[str, bytes]]:
    for image in images:
        yield image.file_name, (directory / str(image.sha256)).read_bytes()


def row_image(sample: Sample) -> RowImage:
    """Return the image of a sample's row."""
    return RowImage(sample.record.data_row.id, sample.split, sample.image)


def images_table(images: Iterable[RowImage], stored: StoredImages) -> pa.Table:
    """Where ``pull`` finds the image of each row: ``size`` bytes of the object ``pack`` from ``offset``."""
    rows = []
    for row_id, split, image in images:
        location = stored.locations.get(image.sha256) if image.sha256 else None
        rows.append(
            {
                "data_row_id": row_id,
                "split": split,
                **asdict(image),
                **asdict(image.validators),
                "pack": location.pack.key if location else None,
                "offset": location.offset if location else None,
            }
        )
    return pa.Table.from_pylist(rows, schema=IMAGES_SCHEMA)
