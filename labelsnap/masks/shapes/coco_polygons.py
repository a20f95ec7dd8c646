"""Whether pycocotools draws anything of a polygon: it moves vertices to fifths of a pixel, and may draw nothing.

A port of ``rleFrPoly`` of ``cocoapi/common/maskApi.c`` (Piotr Dollár and Tsung-Yi Lin, 2015; simplified BSD licence) as
far as it decides that.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from labelsnap.records.geometry import Position

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""

FIFTHS: Final = 5
MIDDLE: Final = 2  # of the five, which has a pixel's centre
SURELY: Final = 3 * FIFTHS  # a stretch down a column that no rounding leaves without a pixel
MOST_STEPS: Final = 1 << 22  # along an outline: pycocotools holds them all
FARTHEST: Final = 1 << 17  # pixels from the origin: twice round a box as wide are fewer steps


def is_drawn(ring: Sequence[Position], box: Box, height: int, width: int) -> bool:
    """Say whether pycocotools draws a pixel of a ring, which fills its box, in an image of ``height`` × ``width``.

    It is not asked to draw an outline of more than ``MOST_STEPS`` fifths of a pixel.
    """
    left, top, wide, tall = box
    if max(left + wide, top + tall, -left, -top) > FARTHEST:
        return False
    xs, ys = zip(*ring, strict=True)
    column = min(max(int(left + wide / 2), 0), width - 1)
    return _has_stretch(xs, ys, column, height) or _draws(_on_grid(xs), _on_grid(ys), height, width)


def _has_stretch(xs: Sequence[float], ys: Sequence[float], column: int, height: int) -> bool:
    """Say whether a ring holds three pixels of a column in a row: most do, and need no other look."""
    centre = FIFTHS * column + MIDDLE + 1
    before = bytes([FIFTHS * x + 0.5 < centre for x in xs])
    crossings = []
    for place in chain(_places(before[-1:] + before, b"\0\1"), _places(before[-1:] + before, b"\1\0")):
        x1, x2 = int(FIFTHS * xs[place - 1] + 0.5), int(FIFTHS * xs[place] + 0.5)
        y1, y2 = int(FIFTHS * ys[place - 1] + 0.5), int(FIFTHS * ys[place] + 0.5)
        crossings.append(y1 + (centre - 0.5 - x1) * (y2 - y1) / (x2 - x1))
    crossings.sort()
    bottom = FIFTHS * height
    return any(
        min(lower, bottom) - max(upper, 0) >= SURELY
        for upper, lower in zip(crossings[::2], crossings[1::2], strict=True)
    )


def _places(text: bytes, part: bytes) -> Iterator[int]:
    place = text.find(part)
    while place >= 0:
        yield place
        place = text.find(part, place + 1)


def _on_grid(positions: Sequence[float]) -> NDArray[np.int64]:
    return (FIFTHS * np.array(positions, np.float64) + 0.5).astype(np.int64)


def _draws(x: NDArray[np.int64], y: NDArray[np.int64], height: int, width: int) -> bool:
    """Walk along a ring of vertices in fifths, and see whether pixels begin that do not end where they begin."""
    from_ = np.stack([x, y], axis=1)
    to = np.roll(from_, -1, axis=0)
    moved = (from_ != to).any(axis=1)
    from_, to = from_[moved], to[moved]
    apart = np.abs(to - from_)
    steps = apart.max(axis=1, initial=0)
    if not steps.size or steps.sum() > MOST_STEPS:
        return False
    level = apart[:, 0] >= apart[:, 1]
    along = np.where(level, 0, 1)
    edge = np.repeat(np.arange(steps.size), steps + 1)
    nth = np.arange(edge.size) - np.repeat((steps + 1).cumsum() - (steps + 1), steps + 1)
    row = np.arange(steps.size)
    flipped = from_[row, along] > to[row, along]
    start, end = (np.where(flipped[:, np.newaxis], *pair) for pair in ((to, from_), (from_, to)))
    step = np.where(flipped[edge], steps[edge] - nth, nth)
    slope = (end - start)[row, 1 - along] / steps
    main = start[row, along][edge] + step
    other = (start[row, 1 - along][edge] + slope[edge] * step + 0.5).astype(np.int64)
    u, v = (np.where(level[edge] == is_level, main, other) for is_level in (True, False))
    left, upper = (np.minimum(each[1:], each[:-1]) for each in (u, v))
    column, rest = np.divmod(left - MIDDLE, FIFTHS)
    crossed = (u[1:] != u[:-1]) & (rest == 0) & (column >= 0) & (column < width)
    top = np.ceil(np.clip((upper[crossed] + 0.5) / FIFTHS - 0.5, 0, height)).astype(np.int64)
    positions = column[crossed] * height + top
    _, times = np.unique(positions[positions < height * width], return_counts=True)
    return bool((times % 2).any())
