"""Names of files that formats write beside an image; ``file_name`` and its stem are unique in a dataset."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Protocol


class Named(Protocol):
    """An image, or the row that has it."""

    @property
    def file_name(self) -> str:
        """The image's file name."""


def stem(image: Named) -> str:
    """Return an image's name without its extension."""
    return PurePosixPath(image.file_name).stem


def png_name(image: Named) -> str:
    """Return the name of a PNG that belongs to an image."""
    return f"{stem(image)}.png"
