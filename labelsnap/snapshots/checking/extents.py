"""Areas and boxes of many outlines at once, by code that shares nothing with what draws and writes them.

An extent is area, left, top, width and height, all in pixels. Compressed runs are COCO's: lengths down the columns, the
first one of zeros; from the fourth on as the difference to the one two before; each as little-endian groups of five
bits in two's complement, bit 5 set where more follow, written as the character of that value plus 48.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

EXTENT: Final = ("area", "left", "top", "width", "height")
_BITS, _GROUP, _MORE, _SIGN, _FIRST = 5, np.uint8(0x1F), np.uint8(0x20), np.uint8(0x10), np.uint8(48)
_MOST_GROUPS: Final = 8  # 40 bits; a run of 200 million pixels takes 6
_CHARACTERS: Final = 1 << 16  # looked at together, so that the arrays stay in a core's cache


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
    extents = np.zeros((len(counts), len(EXTENT)), np.int64)
    for part in _parts(counts):
        differences, uses = _numbers(counts[part])
        extents[part] = _extents(_lengths(differences, uses), uses, heights[part], widths[part])
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
    heights, widths = heights.astype(np.int64), widths.astype(np.int64)
    ends = _sums(lengths, uses)
    filled = np.zeros(uses.size, np.int64)
    filled[uses > 0] = ends[uses[uses > 0].cumsum() - 1]
    for index in np.flatnonzero(filled != heights * widths)[:1].tolist():
        raise OutlineError(f"a mask whose runs do not fill {heights[index]}×{widths[index]} pixels")
    extents = np.zeros((uses.size, len(EXTENT)), np.int64)
    ones = np.flatnonzero(_places(uses) % 2 & (lengths > 0))
    if not ones.size:
        return extents
    mask = np.repeat(np.arange(uses.size), uses)[ones]
    height, last = heights[mask], ends[ones] - 1
    begin = ends[ones] - lengths[ones]
    left, right = begin // height, last // height
    across = left != right
    top, bottom = np.where(across, 0, begin - left * height), np.where(across, height, last - right * height + 1)
    first = np.flatnonzero(np.diff(mask, prepend=-1))
    low = np.column_stack([np.minimum.reduceat(each, first) for each in (left, top)])
    high = np.column_stack([np.maximum.reduceat(each, first) for each in (right + 1, bottom)])
    extents[mask[first]] = np.column_stack([np.add.reduceat(lengths[ones], first), low, high - low])
    return extents


def _numbers(counts: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of all masks, and how many each has."""
    groups = np.frombuffer(b"".join(counts), np.uint8) - _FIRST
    stops = np.cumsum([len(each) for each in counts])
    ends = np.flatnonzero(groups < _MORE)
    begins = np.append(0, ends + 1)
    sizes, unfinished = np.diff(begins), groups[stops[np.diff(stops, prepend=0) > 0] - 1] >= _MORE
    if unfinished.any() or (groups > (_MORE | _GROUP)).any() or (sizes > _MOST_GROUPS).any():
        raise OutlineError("a mask whose runs cannot be read: expected numbers of up to eight characters from 0 to o")
    numbers = (groups[ends] & _GROUP).astype(np.int64) - 2 * (groups[ends] & _SIGN)
    longer, place = np.flatnonzero(sizes > 1), 2
    while longer.size:  # from the last character of a number to the one before
        numbers[longer] = (numbers[longer] << _BITS) | (groups[ends[longer] - place + 1] & _GROUP)
        longer, place = longer[sizes[longer] > place], place + 1
    return numbers, np.diff(np.searchsorted(ends, stops), prepend=0)


def _lengths(differences: NDArray[np.int64], uses: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the run lengths: from the fourth number of a mask on, each is a difference to the one two before."""
    place = _places(uses)
    odd, plain = place % 2 == 1, place == 0
    zeros = _sums(np.where(odd | plain, 0, differences), uses)
    lengths = np.where(plain, differences, np.where(odd, _sums(differences * odd, uses), zeros))
    if lengths.size and lengths.min() < 0:
        raise OutlineError(f"a mask with a run of {lengths.min()} pixels")
    return lengths


def _places(uses: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each number's place within its mask, from 0."""
    return np.arange(uses.sum()) - np.repeat(uses.cumsum() - uses, uses)


def _sums(values: NDArray[np.int64], uses: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sums so far within each mask."""
    sums = np.append(0, values.cumsum())
    found: NDArray[np.int64] = sums[1:] - np.repeat(sums[uses.cumsum() - uses], uses)
    return found
