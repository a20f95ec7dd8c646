"""Which images a format's readers take: they go by the ending of a file's name, and pass over what they do not know.

Of an image that a format's readers do not take, the format has neither the file nor anything about it: its annotations
are lost there, and counted so. An image that the dataset refers to is no file, and is in every format.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from labelsnap.formats.interface import Dataset, Format, Row, Shard
    from labelsnap.records.model import Sample

PICTURES: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""What Pillow and OpenCV open, ``datasets`` finds in folders and ``webdataset`` decodes: all that is ever copied."""


def ending(file_name: str) -> str:
    """Return what a file's name ends with, in lower case, from its dot on."""
    return PurePosixPath(file_name).suffix.lower()


def takes(each: Format, of_image: str) -> bool:
    """Say whether a format's readers take a file with this ending; "" is that of an image that is no file."""
    return not of_image or each.readable is None or of_image in each.readable


def layout_of(each: Format, lost: Collection[str]) -> Callable[[str, str], str | None]:
    """Return where ``pull`` puts the images of a format, by split and file name; None: nowhere.

    ``lost`` are the endings, without their dots, that the version says the format has nothing of.
    """

    def place(split: str, file_name: str) -> str | None:
        return None if ending(file_name)[1:] in lost else each.image_path(split, file_name)

    return place


def narrowed(dataset: Dataset, each: Format) -> Dataset:
    """Leave out the rows whose images, all of them files, a format's readers do not take.

    ``counts`` and ``choices`` stay: they are of the others already.
    """

    def taken(found: Iterator[Sample]) -> Iterator[Sample]:
        return (sample for sample in found if takes(each, ending(sample.image.file_name)))

    def rows(split: str) -> Iterator[Row]:
        return (row for row in dataset.rows(split) if takes(each, ending(row.sample.image.file_name)))

    def shards(split: str, size: int) -> Iterator[Shard]:
        for shard in dataset.shards(split, size):
            yield replace(shard, samples=partial(of_shard, shard))

    def of_shard(shard: Shard) -> Iterator[Sample]:
        return taken(shard.samples())

    return replace(dataset, rows=rows, shards=shards)
