"""Areas and boxes of many outlines at once, by code that shares nothing with what draws and writes them.

An extent is area, left, top, width and height, all in pixels. Compressed runs are COCO's: lengths down the columns, the
first one of zeros; from the fourth on as the difference to the one two before; each as little-endian groups of five
bits in two's complement, bit 5 set where more follow, written as the character of that value plus 48.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

EXTENT: Final = ("area", "left", "top", "width", "height")
_CHARACTERS: Final = 1 << 16  # looked at together, so that their runs stay in a core's cache


class OutlineError(ValueError):
    """An outline that is none; the text says why."""


def ring_extents(vertices: NDArray[np.float64], sizes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the extents (n × 5) of rings, given by all their vertices (m × 2) and how many each has.

    The area is the sum over edges, the last one back to the first vertex. The formula stands here once more on purpose:
    that of ``records`` is what is looked at. Raises OutlineError.
    """
    if not sizes.size:
        return np.zeros((0, len(EXTENT)))
    if sizes.min() == 0:
        raise OutlineError("a ring without vertices")
    ends = sizes.cumsum()
    first = ends - sizes
    low, high = np.minimum.reduceat(vertices, first), np.maximum.reduceat(vertices, first)
    following = np.arange(1, len(vertices) + 1)
    following[ends - 1] = first
    x, y = (vertices - np.repeat(low, sizes, axis=0)).T
    area = np.abs(np.add.reduceat(x * y[following] - x[following] * y, first)) / 2
    return np.column_stack([area, low, high - low])


def mask_extents(
    counts: Sequence[bytes], heights: NDArray[np.integer], widths: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return the extents (n × 5) of masks, given by their compressed runs; five zeros for one without pixels.

    Raises OutlineError for runs that cannot be read, or do not fill height × width pixels.
    """
    loops = _loops()
    extents = np.zeros((len(counts), len(EXTENT)), np.int64)
    for part in _parts(counts):
        inside = counts[part]
        characters = np.frombuffer(b"".join(inside), np.uint8)
        ends = np.cumsum([len(each) for each in inside], dtype=np.int64)
        lengths, uses = np.empty(characters.size, np.int64), np.empty(ends.size, np.int64)
        fault, found = loops.read_lengths(characters, ends, lengths, uses)
        if fault == loops.UNREADABLE:
            expected = "expected numbers of up to twelve characters from 0 to o"
            raise OutlineError(f"a mask whose runs cannot be read: {expected}")
        if fault == loops.NEGATIVE:
            raise OutlineError(f"a mask with a run of {found} pixels")
        extents[part] = _extents(lengths[:found], uses, heights[part], widths[part])
    return extents


def run_extents(
    counts: Sequence[Sequence[int]], heights: NDArray[np.integer], widths: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return the extents (n × 5) of masks, given by their run lengths, zeros first, as ``mask_extents`` does."""
    uses = np.array([len(each) for each in counts], np.int64)
    return _extents(np.fromiter(chain.from_iterable(counts), np.int64, uses.sum()), uses, heights, widths)


def _parts(counts: Sequence[bytes]) -> Iterator[slice]:
    begin = size = 0
    for index, each in enumerate(counts):
        if size and size + len(each) > _CHARACTERS:
            yield slice(begin, index)
            begin, size = index, 0
        size += len(each)
    if counts:
        yield slice(begin, len(counts))


def _extents(
    lengths: NDArray[np.int64], uses: NDArray[np.int64], heights: NDArray[np.integer], widths: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return the extents of masks that have their run lengths one after another: ``uses`` is how many each has."""
    loops = _loops()
    heights, widths = heights.astype(np.int64), widths.astype(np.int64)
    extents = np.zeros((uses.size, len(EXTENT)), np.int64)
    fault, index = loops.measure_lengths(lengths, uses, heights, widths, extents)
    if fault == loops.UNFILLED:
        raise OutlineError(f"a mask whose runs do not fill {heights[index]}×{widths[index]} pixels")
    return extents


@cache
def _loops() -> ModuleType:
    """Load the compiled loops for the first masks that come: many a process checks none."""
    from labelsnap.snapshots.checking import run_lengths  # noqa: PLC0415 - numba takes half a second to load

    return run_lengths
