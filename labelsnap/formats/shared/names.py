"""Names of files that formats write beside an image, whose own name and stem are unique in a dataset; of classes."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from labelsnap.records.image import Image

_NAMELESS: Final = "_"


def stem(image: Image) -> str:
    """Return an image's name without its extension."""
    return PurePosixPath(image.file_name).stem


def png_name(image: Image) -> str:
    """Return the name of a PNG that belongs to an image."""
    return f"{stem(image)}.png"


def one_line(name: str) -> str:
    """Spell a class's name for readers that take a line, without the blanks around it: never empty."""
    return " ".join(name.splitlines()).strip() or _NAMELESS
