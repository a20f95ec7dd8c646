"""Masks as polygons through the centres of their border pixels: the convention of OpenCV's ``fillPoly``, and of YOLO.

``fillPoly`` paints what lies inside a polygon by the even-odd rule, and every pixel on its outline. So one closed
outline can hold a hole: a keyhole leads to it and back on the same way, which encloses nothing. Keyholes run down a
column inside the mask, so an outline with holes is exact. Ways that join parts cross what lies between them, which is
painted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tasks.masks.borders import trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tasks.masks.borders import Borders
    from tasks.records.geometry import Runs

NEAR: Final = 1 << 14  # pixels of the parts before that the next part may be joined to
TRIED: Final = 128  # pixels on each side, evenly spread, of which all pairs are tried


def centre_outlines(runs: Runs) -> tuple[NDArray[np.int64], ...]:
    """Return one outline for each part of a mask, with its holes, ordered by their first pixel down the columns.

    An outline is an array (vertices, 2) of the columns and rows of pixels, open. Pixels that touch at a corner are of
    one part.
    """
    borders = trace(runs, diagonal=True)
    threads = _Threads(*_border_pixels(borders))
    for at_hole, above in zip(borders.bridge.tolist(), borders.opposite.tolist(), strict=True):
        threads.bridge(3 * above, 3 * at_hole)
    return tuple(corners(threads.follow(3 * start)) for start in borders.starts[~borders.hole].tolist())


def join(outlines: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return one outline for several: each is joined to those before it by a short way there and back.

    Raises ValueError where there is none.
    """
    rings = [_every_pixel(outline) for outline in outlines]
    if not rings:
        raise ValueError("expected at least one outline, found none")
    starts = np.cumsum([0, *(len(ring) for ring in rings)])
    pixels = np.concatenate(rings)
    threads = _Threads(pixels, starts[:-1])
    for begin, end in zip(starts[1:-1].tolist(), starts[2:].tolist(), strict=True):
        threads.bridge(*_short_way(pixels, range(max(0, begin - NEAR), begin), range(begin, end)))
    return corners(threads.follow(0))


def _short_way(pixels: NDArray[np.int64], one: range, other: range) -> tuple[int, int]:
    """Return two pixels near each other, the first in one range of the pixels and the second in another.

    The nearest two of a sample; then, of all pixels, the nearest to the first, and to that in turn.
    """
    ones, others = (each[:: -(-len(each) // TRIED)] for each in (one, other))
    apart = pixels[ones.start : ones.stop : ones.step, np.newaxis] - pixels[others.start : others.stop : others.step]
    here = ones[int(np.square(apart).sum(axis=-1).argmin()) // len(others)]
    there = other[int(np.square(pixels[other.start : other.stop] - pixels[here]).sum(axis=-1).argmin())]
    return one[int(np.square(pixels[one.start : one.stop] - pixels[there]).sum(axis=-1).argmin())], there


class _Threads:
    """Closed sequences of pixels, which bridges tie together."""

    def __init__(self, pixels: NDArray[np.int64], starts: NDArray[np.int64]) -> None:
        """``starts`` is where each sequence begins in ``pixels``."""
        last = np.append(starts[1:], len(pixels))[: starts.size] - 1
        after, before = np.arange(1, len(pixels) + 1), np.arange(-1, len(pixels) - 1)
        after[last], before[starts] = starts, last
        self._pixels, self._after, self._before = pixels, after.tolist(), before.tolist()
        self._place = list(range(len(pixels)))

    def bridge(self, here: int, there: int) -> None:
        """Lead from one pixel to one of another sequence, round that, and back on the same way."""
        back_there, back_here = len(self._place), len(self._place) + 1
        self._place += [self._place[there], self._place[here]]
        last, next_ = self._before[there], self._after[here]
        self._after += [back_here, next_]
        self._before += [last, back_there]
        self._after[here], self._before[there] = there, here
        self._after[last], self._before[next_] = back_there, back_here

    def follow(self, start: int) -> NDArray[np.int64]:
        """Return the pixels of the sequence that begins here."""
        places, at = [self._place[start]], self._after[start]
        while at != start:
            places.append(self._place[at])
            at = self._after[at]
        return self._pixels[places]


def corners(ring: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop the pixels on which a ring goes straight on; where it turns back a pixel stays."""
    moved = (ring != np.roll(ring, 1, axis=0)).any(axis=1)
    if not moved.any():
        return ring[:1]
    ring = ring[moved]
    come, go = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    across = come[:, 0] * go[:, 1] - come[:, 1] * go[:, 0]
    turns: NDArray[np.bool_] = (across != 0) | ((come * go).sum(axis=1) < 0)
    return ring[turns]


def _border_pixels(borders: Borders) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return three pixels (x, y) for each edge, and where each ring begins: its own, and the ends of its wall.

    The pixels along a wall are those of the mask: left of it where it leads down, right of it where it leads up. Where
    there is no wall, the edge's own pixel stands three times.
    """
    own = borders.y - borders.lower
    down, up = borders.next_y > borders.y, borders.next_y < borders.y
    beside = np.where(down, borders.x - 1, np.where(up, borders.x, borders.column))
    from_ = np.where(down, borders.y, np.where(up, borders.y - 1, own))
    to = np.where(down, borders.next_y - 1, np.where(up, borders.next_y, own))
    x = np.stack([borders.column, beside, beside], axis=1)
    return np.stack([x, np.stack([own, from_, to], axis=1)], axis=2).reshape(-1, 2), 3 * borders.starts


def _every_pixel(outline: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all pixels on an outline whose sides are level, upright or diagonal."""
    way = np.roll(outline, -1, axis=0) - outline
    steps = np.maximum(np.abs(way).max(axis=1), 1)
    nth = np.arange(steps.sum()) - np.repeat(steps.cumsum() - steps, steps)
    moved: NDArray[np.int64] = nth[:, np.newaxis] * np.repeat(np.sign(way), steps, axis=0)
    return np.repeat(outline, steps, axis=0) + moved
