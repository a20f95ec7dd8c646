"""Names of files that formats write beside an image; ``file_name`` and its stem are unique in a dataset."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.records.model import Image


def stem(image: Image) -> str:
    """Return an image's name without its extension."""
    return PurePosixPath(image.file_name).stem


def png_name(image: Image) -> str:
    """Return the name of a PNG that belongs to an image."""
    return f"{stem(image)}.png"
