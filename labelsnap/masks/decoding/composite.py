from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from labelsnap.masks.decoding.pixels import RGB_BITS
from labelsnap.masks.decoding.png import DEFAULT_LIMITS, Limits, read_png
from labelsnap.masks.decoding.reading import read_runs
from labelsnap.masks.errors import MaskError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labelsnap.masks.decoding.png import Body
    from labelsnap.records.geometry import Runs

Colour: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Composite:
    """What a composite shows: ``runs`` in the order of the declared colours, None where no pixel has the colour.

    ``unnamed_colours`` are in the picture and declared by no instance, ascending; black and pixels of alpha 0 are
    background. ``duplicates`` are the indexes of all declared colours that occur more than once: each has the runs of
    the colour, which are those of several instances.
    """

    height: int
    width: int
    runs: tuple[Runs | None, ...]
    unnamed_colours: tuple[Colour, ...]
    duplicates: tuple[int, ...]


def decode_composite(
    png: Body,
    colours: Sequence[Colour],
    *,
    size: tuple[int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    sparse: bool = True,
) -> Composite:
    """Read a composite: an instance is the pixels equal to its declared (red, green, blue), whatever their alpha.

    ``size`` is the (height, width) in pixels that the picture must have. ``sparse`` lets the sparse way read what it
    can, with the same result as the numpy way. Raises MaskError, also where black, the background's colour, is
    declared.
    """
    packed = _pack(colours)
    picture = read_png(png, size=size, limits=limits)
    distinct, place, times = np.unique(packed, return_inverse=True, return_counts=True)
    found = read_runs(
        picture, lambda pixels: _label(pixels.rgba() & RGB_BITS, distinct), distinct.size, limits, sparse=sparse
    )
    return Composite(
        picture.height,
        picture.width,
        tuple(found.runs[index] for index in place.tolist()),
        _unnamed(found.unlabelled.rgba()),
        tuple(np.flatnonzero(times[place] > 1).tolist()),
    )


def _pack(colours: Sequence[Colour]) -> NDArray[np.uint32]:
    """Return each colour as one number, red in the lowest byte."""
    for index, colour in enumerate(colours):
        if [0 <= part <= 255 for part in colour] != [True] * 3 or not any(colour):  # noqa: PLR2004 - a byte's range
            raise MaskError(
                "bad_colour", f"expected a colour from (0, 0, 1) to (255, 255, 255), found {colour} at index {index}"
            )
    table = np.array(colours, np.uint8).reshape(-1, 3)
    return np.pad(table, ((0, 0), (0, 1))).view(np.uint32).ravel()


def _label(shown: NDArray[np.uint32], distinct: NDArray[np.uint32]) -> NDArray[np.signedinteger]:
    """Return the index of each shown colour among the distinct declared ones in ascending order, or -1."""
    number = np.min_scalar_type(-max(distinct.size, 1))
    if not distinct.size:
        return np.full(shown.size, -1, number)
    index = np.searchsorted(distinct, shown).clip(max=distinct.size - 1)
    return np.where(distinct[index] == shown, index, -1).astype(number)


def _unnamed(shown: NDArray[np.uint32]) -> tuple[Colour, ...]:
    """Return the distinct colours, ascending, that are neither black nor fully transparent."""
    visible = shown[(shown & RGB_BITS != 0) & (shown >> 24 != 0)] & RGB_BITS
    return tuple(sorted((value & 255, value >> 8 & 255, value >> 16) for value in np.unique(visible).tolist()))
