"""Polygons as pixels, by one rule: a pixel belongs to a polygon when its centre lies inside.

One that holds no centre, because it is thin or its parts cancel each other, has the pixels that it touches instead.
pycocotools' ``frPyObjects`` approximates this rule on a grid of fifths of a pixel: both agree but for pixels whose
centre lies within two fifths of a pixel of the outline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from labelsnap.masks.toggles import runs_of, without_pairs
from labelsnap.records.shapes import clip_ring

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from labelsnap.records.geometry import Position, Runs

    Steps = tuple[NDArray[np.int64], NDArray[np.int64]]
    """Positions, and by how much a count changes at each."""

REACH: Final = 2.0**40
"""What has a vertex farther away than this, in pixels, is cut off at the image before anything is calculated."""
_AT_ONCE: Final = 1 << 18
"""Crossings of edges with columns that are calculated at once; more are those of one column, one for each edge."""


def columns_crossed(ring: Sequence[Position], width: int) -> int:
    """Return how often a ring crosses the lines through the centres of an image's columns: what filling it takes."""
    xs = np.asarray(ring, np.float64).reshape(-1, 2)[:, 0]
    columns = np.ceil(np.clip(xs, 0, width) - 0.5)
    return int(np.abs(np.diff(columns, append=columns[:1])).sum())


def region_of(ring: Sequence[Position], height: int, width: int) -> Runs:
    """Return the pixels of a polygon that ``fill_rings`` gives, or where these are none, those that it touches."""
    filled = fill_rings([ring], height, width)
    return filled if filled.area else touched(ring, height, width)


def fill_rings(rings: Iterable[Sequence[Position]], height: int, width: int) -> Runs:
    """Return the pixels of an image of ``height`` × ``width`` whose centres lie inside an odd number of the rings.

    Coordinates are pixels, x right, y down, the origin at the upper left corner of the upper left pixel. Rings are open
    or closed, of either winding; a ring inside another is a hole, rings apart are parts, a ring that crosses itself is
    filled by the even-odd rule. A centre exactly on an outline belongs to what lies right of it or below it, so that
    polygons that share a border share no pixel and leave none out. What lies outside the image is cut off.
    """
    toggles = [
        without_pairs(positions)
        for ring in rings
        for positions, _ in _crossings(_vertices(ring, height, width), height, width)
    ]
    found = toggles[0] if len(toggles) == 1 else without_pairs(np.concatenate([np.empty(0, np.int64), *toggles]))
    return runs_of(found, height, width)


def touched(ring: Sequence[Position], height: int, width: int) -> Runs:
    """Return the pixels that a ring goes round, in either direction and however often, and those that it crosses."""
    vertices = _vertices(ring, height, width)
    inside = _changes(*_total(_sums(*band) for band in _crossings(vertices, height, width)))
    alternating = np.resize([1, -1], inside.size)
    crossed = (_sums(*band) for band in _crossed(vertices, height, width))
    return runs_of(_changes(*_total([(inside, alternating), *crossed])), height, width)


def _vertices(ring: Sequence[Position], height: int, width: int) -> NDArray[np.float64]:
    vertices = np.asarray(ring, np.float64).reshape(-1, 2)
    if np.abs(vertices).max(initial=0) > REACH:
        vertices = np.asarray(clip_ring(ring, width, height), np.float64)
    return vertices


def _sums(positions: NDArray[np.int64], steps: NDArray[np.int64]) -> Steps:
    """Return the positions, ascending, whose steps do not sum up to zero, and these sums."""
    distinct, place = np.unique(positions, return_inverse=True)
    sums = np.bincount(place, steps, distinct.size).astype(np.int64)
    return distinct[sums != 0], sums[sums != 0]


def _total(parts: Iterable[Steps]) -> Steps:
    """Return the steps of all parts as one."""
    none = np.empty(0, np.int64)
    positions, steps = zip((none, none), *parts, strict=True)
    return np.concatenate(positions), np.concatenate(steps)


def _changes(positions: NDArray[np.int64], steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the sum of the steps up to a position becomes other than zero, and zero again, in turn."""
    distinct, sums = _sums(positions, steps)
    inside = np.cumsum(sums) != 0
    changes: NDArray[np.int64] = distinct[np.diff(inside, prepend=False)]
    return changes


def _crossed(ring: NDArray[np.float64], height: int, width: int) -> Iterator[Steps]:
    """Yield where the stretches of pixels begin (1) and end (-1) that edges pass through, columns after columns."""
    (left, top), (right, bottom) = _from_the_left(ring)
    seen = (right >= 0) & (left <= width)
    left, top, right, bottom = (each[seen] for each in (left, top, right, bottom))
    first, last = (np.floor(np.clip(x, 0, width - 1)).astype(np.int64) for x in (left, right))
    for edge, columns in _columns(first, last + 1):
        run, rise = (right - left)[edge], (bottom - top)[edge]
        enter, leave = np.maximum(columns - left[edge], 0), np.minimum(columns + 1 - left[edge], run)
        share_before = np.divide(enter, run, out=np.zeros_like(run), where=run > 0)
        share_behind = np.divide(leave, run, out=np.ones_like(run), where=run > 0)  # an upright edge is in one column
        ways = top[edge] + np.stack([share_before, share_behind]) * rise
        highest, lowest = ways.min(axis=0), ways.max(axis=0)
        seen = (lowest >= 0) & (highest <= height)
        starts, ends = (np.floor(np.clip(y[seen], 0, height - 1)).astype(np.int64) for y in (highest, lowest))
        before = columns[seen] * height
        yield np.concatenate([before + starts, before + ends + 1]), np.repeat([1, -1], before.size)


def _from_the_left(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of a ring as (left end, right end) × (x, y) × edges."""
    ends = np.stack([ring, np.roll(ring, -1, axis=0)])
    right_first = ends[0, :, 0] > ends[1, :, 0]
    return np.where(right_first[:, np.newaxis], ends[::-1], ends).transpose(0, 2, 1)


def _columns(
    first: NDArray[np.int64], stop: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield each edge, again for each column that it has, and these columns: from the first to before ``stop``.

    They come by bands of columns, so that memory holds the edges of a few columns, however many edges there are.
    """
    if not first.size:
        return
    left, right = int(first.min()), int(stop.max())
    fits = (stop - first).sum() <= _AT_ONCE
    size = max(1, right - left if fits else _AT_ONCE // first.size)
    for begin in range(left, right, size):
        starts, stops = (np.clip(each, begin, begin + size) for each in (first, stop))
        columns_of_edge = stops - starts
        edge = np.repeat(np.arange(first.size), columns_of_edge)
        nth = np.arange(edge.size) - np.repeat(columns_of_edge.cumsum() - columns_of_edge, columns_of_edge)
        yield edge, starts[edge] + nth


def _crossings(ring: NDArray[np.float64], height: int, width: int) -> Iterator[Steps]:
    """Yield the positions of the first pixels below a ring's crossings with the lines through the columns' centres.

    With each comes whether it is crossed to the right (1) or to the left (-1). An edge is calculated from its left
    end, so that the same edge of two rings crosses at the same place.
    """
    (left, top), (right, bottom) = _from_the_left(ring)
    directions = np.where(ring[:, 0] <= np.roll(ring[:, 0], -1), 1, -1)
    for edge, columns in _columns(*(np.ceil(np.clip(x, 0, width) - 0.5).astype(np.int64) for x in (left, right))):
        run, rise = (right - left)[edge], (bottom - top)[edge]
        crossing = top[edge] + (columns + 0.5 - left[edge]) * rise / run
        rows = np.ceil(np.clip(crossing, 0, height) - 0.5).astype(np.int64)
        yield columns * height + rows, directions[edge]
