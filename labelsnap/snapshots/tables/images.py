"""The ``images`` table: in which pack each copied image lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from xxhash import xxh3_128_intdigest

from labelsnap.decoders import converted
from labelsnap.snapshots.layout import OBJECT
from labelsnap.snapshots.manifest import File, damaged
from labelsnap.snapshots.tables.parquet_files import batches
from labelsnap.snapshots.values import Sha256, Size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IMAGES: Final = "tables/images/"
MOST_IMAGES: Final = 1 << 20
"""Images of one bucket: no setting gives a bucket more than a million rows."""
AT_ONCE: Final = 4096
"""Images of a table that are held at a time where many tables are gone through."""


class CopiedImage(msgspec.Struct, frozen=True):
    """Where an image lies, and its size in pixels, as the table has it."""

    file_name: str
    sha256: Sha256
    size: Size
    pack: str
    offset: Size
    width: int | None
    height: int | None


def packed_images(table: Path, layout: Callable[[str, str], str | None]) -> Iterator[File]:
    """Read one file of the table: the images that were copied, each under ``layout(split, file_name)`` if any.

    Raises StorageRefusedError where the table says what no image can have.
    """
    for split, image in copied_images(table, IMAGES):
        path = layout(split, image.file_name)
        if path is not None:
            yield File(path, image.pack, image.size, image.sha256, image.offset)


def copied_images(table: Path, name: str) -> Iterator[tuple[str, CopiedImage]]:
    """Read one file of the table, known by its logical path: split and place of each image that was copied.

    Raises StorageRefusedError where the table says what no image can have, two have one name, or there are more than
    ``MOST_IMAGES``: rows that are alike take next to nothing in a table, and what they take when they are read has no
    end. Of a name that was read a digest of 128 bits is kept.
    """
    count, names = 0, set[int]()
    for batch in batches(table, name, ["split", *CopiedImage.__struct_fields__]):
        for row in batch.to_pylist():
            if row["pack"] is None:
                continue
            try:
                image = converted(row, CopiedImage)
                split = msgspec.convert(row["split"], str)
            except msgspec.ValidationError as error:
                raise damaged(f"the table {name!r}", f"an image that cannot be: {error}") from error
            if OBJECT.match(image.pack) is None:
                raise damaged(f"the table {name!r}", f"an image in {image.pack!r}, which is no object's key")
            names.add(xxh3_128_intdigest(f"{split}\0{image.file_name}".encode(errors="surrogatepass")))
            count += 1
            if count > MOST_IMAGES:
                raise damaged(f"the table {name!r}", f"more than {MOST_IMAGES} images")
            if len(names) != count:
                raise damaged(f"the table {name!r}", f"two images of the name {image.file_name!r} in one split")
            yield split, image
