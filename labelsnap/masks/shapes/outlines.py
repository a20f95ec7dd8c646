"""Masks as polygons through the centres of their border pixels: the convention of OpenCV's ``fillPoly``, and of YOLO.

``fillPoly`` paints what lies inside a polygon by the even-odd rule, and every pixel on its outline. So one closed
outline can hold a hole: a keyhole leads to it and back on the same way, which encloses nothing. Keyholes run down a
column inside the mask, so an outline with holes is exact. Ways that join parts cross what lies between them, which is
painted: parts are joined where that is little beside what they are themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from labelsnap.masks.shapes.borders import circles, trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from labelsnap.masks.shapes.borders import Borders
    from labelsnap.records.geometry import Runs

JOINED: Final = 1024
"""Parts of a mask of which the nearest are looked for: each is held against all."""
TRIED: Final = 128  # pixels of each of two parts, evenly spread, of which all pairs are tried


class Part(NamedTuple):
    """What of a mask hangs together: its outline, and how many pixels it has.

    An outline is an array (vertices, 2) of the columns and rows of pixels, open, with keyholes to the holes.
    """

    outline: NDArray[np.int64]
    area: int


class _Way(NamedTuple):
    """A way from a pixel of one ring to one of another; ``painted`` counts the pixels between the two."""

    painted: int
    one: int
    here: int
    other: int
    there: int


def parts_of(runs: Runs) -> tuple[Part, ...]:
    """Return the parts of a mask, by their first pixel down the columns. Pixels that touch at a corner are of one."""
    borders = trace(runs, diagonal=True)
    threads = _Threads(*_border_pixels(borders))
    for at_hole, above in zip(borders.bridge.tolist(), borders.opposite.tolist(), strict=True):
        threads.bridge(3 * above, 3 * at_hole)
    areas = np.bincount(borders.part, borders.enclosed).astype(int).tolist()
    starts = borders.starts.tolist()
    return tuple(
        Part(corners(threads.follow(3 * starts[ring])), areas[ring]) for ring in np.flatnonzero(~borders.hole).tolist()
    )


def join(parts: Sequence[Part], most: float) -> Iterator[NDArray[np.int64]]:
    """Give outlines for some parts, as few as ways of ``most`` pixels for each pixel of the parts allow.

    The first outline starts from the largest part, the next from the largest that is left. The nearest part that the
    outline's pixels allow is joined to it, again and again, by a way there and back: first diagonal, then straight,
    which is through the centres of pixels. Of more than ``JOINED`` parts the largest are joined, the others stay alone.
    """
    ordered = sorted(parts, key=lambda part: -part.area)
    apart = _Apart(ordered[:JOINED])
    for first, part in enumerate(apart.parts):
        if apart.left[first]:
            allows_a_way = 2 * most * part.area >= 1  # none is larger of what is left, and a way has a pixel
            ways = apart.joined(first, most) if allows_a_way else []
            yield apart.tied(first, ways) if ways else part.outline
    yield from (part.outline for part in ordered[JOINED:])


class _Apart:
    """Parts, the largest first, of which some are ``left`` to be joined."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.left = np.ones(len(parts), bool)
        self._areas = np.array([part.area for part in parts])
        self._low, self._high = (np.array([of(part.outline, axis=0) for part in parts]) for of in (np.min, np.max))
        self._rings: dict[int, NDArray[np.int64]] = {}

    def joined(self, first: int, most: float) -> list[_Way]:
        """Return the ways by which parts join the first one; they are no longer left.

        How far away a part is, is measured between boxes, and between pixels once it is the nearest.
        """
        found: dict[int, _Way] = {}
        taken: list[_Way] = []
        nearest, away = np.full(len(self.parts), first), self._between(first)
        self.left[first] = False
        area, spent = int(self._areas[first]), 0
        while (allowed := np.flatnonzero(self.left & (spent + away <= most * (area + self._areas)))).size:
            at = int(allowed[away[allowed].argmin()])
            if at not in found or away[at] < found[at].painted:
                way = self._way(int(nearest[at]), at)
                found[at] = min(way, found.get(at, way))
                away[at] = found[at].painted
                continue
            taken.append(found[at])
            self.left[at] = False
            area, spent = area + int(self._areas[at]), spent + found[at].painted
            between = self._between(at)
            nearest[between < away] = at
            away = np.minimum(away, between)
        return taken

    def tied(self, first: int, ways: Sequence[_Way]) -> NDArray[np.int64]:
        """Return one outline for a part and those that join it; where a way turns there is one pixel more."""
        rings = {at: self._ring(at) for at in (first, *(way.other for way in ways))}
        begins = dict(zip(rings, np.cumsum([0, *map(len, rings.values())]).tolist(), strict=False))
        turns = [_turn(rings[way.one][way.here], rings[way.other][way.there]) for way in ways]
        pixels = np.concatenate([*rings.values(), np.array(turns)])
        first_turn = len(pixels) - len(turns)
        threads = _Threads(pixels, np.array([*begins.values(), *range(first_turn, len(pixels))]))
        for turn, way in enumerate(ways, start=first_turn):
            threads.bridge(begins[way.one] + way.here, turn)
            threads.bridge(turn, begins[way.other] + way.there)
        return corners(threads.follow(0))

    def _between(self, at: int) -> NDArray[np.int64]:
        """Return how many pixels lie between the box of one part and those of all: no way paints fewer."""
        between: NDArray[np.int64] = np.maximum(self._low - self._high[at], self._low[at] - self._high).max(axis=1) - 1
        return between

    def _way(self, one: int, other: int) -> _Way:
        """Return a short way from one part to another.

        The nearest two of a sample; then, of all pixels, the nearest to the first, and to that in turn.
        """
        ring, other_ring = self._ring(one), self._ring(other)
        ones, others = (each[:: -(-len(each) // TRIED)] for each in (ring, other_ring))
        from_ = ones[int(_steps(ones[:, np.newaxis], others).argmin()) // len(others)]
        there = int(_steps(other_ring, from_).argmin())
        steps = _steps(ring, other_ring[there])
        here = int(steps.argmin())
        return _Way(int(steps[here]) - 1, one, here, other, there)

    def _ring(self, at: int) -> NDArray[np.int64]:
        """Return all pixels on a part's outline."""
        if at not in self._rings:
            self._rings[at] = _every_pixel(self.parts[at].outline)
        return self._rings[at]


def _steps(ones: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many steps there are from pixel to pixel, level, upright or diagonal."""
    steps: NDArray[np.int64] = np.abs(ones - others).max(axis=-1)
    return steps


def _turn(here: NDArray[np.int64], there: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pixel up to which a way is diagonal."""
    apart = there - here
    turn: NDArray[np.int64] = here + np.sign(apart) * np.abs(apart).min()
    return turn


class _Threads:
    """Closed sequences of pixels, which bridges tie together."""

    def __init__(self, pixels: NDArray[np.int64], starts: NDArray[np.int64]) -> None:
        """``starts`` is where each sequence begins in ``pixels``."""
        self._pixels = pixels
        self._after, self._before = circles(starts, len(pixels))
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
