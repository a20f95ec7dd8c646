"""Which way up an image is published, and how it is made so without encoding its pixels anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from labelsnap.images.exif import TURNING
from labelsnap.images.files import ImageDamagedError, edit

if TYPE_CHECKING:
    from typing import IO

    from labelsnap.images.containers import Container

Rule = Literal["declared", "stored", "upright"]
Size = tuple[int, int]
"""(width, height) in pixels."""
Declared = tuple[int | None, int | None]
"""The sides of a size (width, height) that an export declares; None for one that it does not."""
_ON_ITS_SIDE: Final = range(5, 9)


def turned_size(size: Size, orientation: int) -> Size:
    """Return the size that pixels of ``size`` have when they are turned, or have when that is undone."""
    return size[::-1] if orientation in _ON_ITS_SIDE else size


def fits(size: Size, declared: Declared) -> bool:
    """Tell whether a size has each side that is declared."""
    return all(told in {None, side} for side, told in zip(size, declared, strict=True))


def placed(rule: Rule, orientation: int, stored: Size, declared: Declared) -> Literal["stored", "turned", "mismatch"]:
    """Decide which way up an image is published, by its orientation (1 to 8) and what the export declares of its size.

    ``declared``: the stored pixels where their size fits what is declared, or nothing is; turned where that alone fits.
    ``stored`` and ``upright``: always the stored pixels, or always turned; the declared size must fit.
    """
    turned = turned_size(stored, orientation)
    stored_fits, turned_fits = (fits(size, declared) for size in (stored, turned))
    turns = orientation in TURNING
    if rule == "upright" and turns:
        return "turned" if turned_fits else "mismatch"
    if stored_fits:
        return "stored"
    return "turned" if rule == "declared" and turns and turned_fits else "mismatch"


def take_out(file: IO[bytes], container: Container) -> int:
    """Write an image file so that no reader turns it; return the orientation (1 to 8) that was seen in it.

    Compressed pixels keep their bytes; a file in which there is nothing to change keeps all of them. Raises
    ``ImageDamagedError`` where an orientation would still be seen.
    """
    found = container.orientation(file)
    if found.edits:
        edit(file, found.edits)
        left = container.orientation(file)
        if left.edits or left.orientation not in {None, 1}:
            raise ImageDamagedError("its orientation cannot be taken out")
    return found.orientation or 1
