"""Which images a format's readers take: they go by the ending of a file's name, and pass over what they do not know.

Of an image that a format's readers do not take, the format has neither the file nor anything about it: its annotations
are lost there, and counted so. An image that the dataset refers to is no file, and is in every format.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from tasks.formats.chosen import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tasks.formats.census import Census
    from tasks.formats.interface import Dataset, Format

PICTURES: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""What Pillow and OpenCV open, ``datasets`` finds in folders and ``webdataset`` decodes: all that is ever copied."""


def ending(file_name: str) -> str:
    """Return what a file's name ends with, in lower case, from its dot on."""
    return PurePosixPath(file_name).suffix.lower()


def takes(each: Format, of_image: str) -> bool:
    """Say whether a format's readers take a file with this ending; "" is that of an image that is no file."""
    return not of_image or each.readable is None or of_image in each.readable


def images_held(each: Format, counted: Census) -> dict[str, int]:
    """Return how many images of each split a format holds; nothing for a dataset without rows."""
    lost = {
        split: sum(count for of_image, count in of_split.items() if not takes(each, of_image))
        for split, of_split in counted.endings.items()
    }
    return {split: count - lost.get(split, 0) for split, count in counted.rows.items()}


def layout_of(each: Format, lost: Collection[str]) -> Callable[[str, str], str | None]:
    """Return where ``pull`` puts the images of a format, by split and file name; None: nowhere.

    ``lost`` are the endings, without their dots, that the version says the format has nothing of.
    """

    def place(split: str, file_name: str) -> str | None:
        return None if ending(file_name)[1:] in lost else each.image_path(split, file_name)

    return place


def narrowed(dataset: Dataset, each: Format) -> Dataset:
    """Leave out the rows whose images, all of them files, a format's readers do not take."""
    return chosen(dataset, lambda file_name, _: takes(each, ending(file_name)))
