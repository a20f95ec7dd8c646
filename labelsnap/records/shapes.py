"""Plane geometry: rings, boxes, and what of them lies in an image. Pixels, x right, y down, as in ``geometry``."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Final

from labelsnap.records.geometry import Vertices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelsnap.records.geometry import Position


_VERTICES_OF_A_RING: Final = 3


def open_ring(vertices: Sequence[Position]) -> Sequence[Position]:
    """Drop the closing vertex: the last one where it repeats the first."""
    return vertices[:-1] if len(vertices) > 1 and vertices[0] == vertices[-1] else vertices


def drawable_ring(vertices: Sequence[Position]) -> Sequence[Position]:
    """Open a ring, and repeat its last vertex until there are three: readers refuse a ring of fewer."""
    ring = list(open_ring(vertices))
    return ring + ring[-1:] * (_VERTICES_OF_A_RING - len(ring))


def shoelace_area(vertices: Sequence[Position]) -> float:
    """Give the area in square pixels that a ring encloses, whatever its winding; open and closed rings are equal.

    The ring is moved to its first vertex before the products are summed, which keeps small areas far from the origin
    exact.
    """
    xs, ys = _axes(vertices)
    left, top = xs[0], ys[0]
    twice = x1 = y1 = 0.0
    for x, y in zip(xs, ys, strict=True):
        x2, y2 = x - left, y - top
        twice += x1 * y2 - x2 * y1
        x1, y1 = x2, y2
    return abs(twice) / 2


def tight_box(vertices: Sequence[Position]) -> tuple[float, float, float, float]:
    """Give the smallest box around some vertices as (left, top, width, height) in pixels."""
    xs, ys = _axes(vertices)
    left, top = min(xs), min(ys)
    return left, top, max(xs) - left, max(ys) - top


def _axes(vertices: Sequence[Position]) -> tuple[Sequence[float], Sequence[float]]:
    if isinstance(vertices, Vertices):
        return vertices.axes
    xs, ys = zip(*vertices, strict=True)
    return xs, ys


def pixel_of(position: float, pixels: int) -> int:
    """Give the pixel that a position lies in; one on or beyond the image's border is given the outermost pixel."""
    return min(max(floor(position), 0), pixels - 1)


def clip_box(box: tuple[float, float, float, float], width: int, height: int) -> tuple[float, float, float, float]:
    """Cut off what of a box (left, top, width, height) lies outside the image; outside it is a box of no size."""
    left, right = (min(max(x, 0), width) for x in (box[0], box[0] + box[2]))
    top, bottom = (min(max(y, 0), height) for y in (box[1], box[1] + box[3]))
    return left, top, right - left, bottom - top


def clip_ring(vertices: Sequence[Position], width: int, height: int) -> Sequence[Position]:
    """Cut off what of a ring lies outside the image; what lies inside keeps its vertices.

    A ring that is cut in several parts stays one, joined along the border. Of one that lies outside whole there is left
    a single vertex on the border, near its first. Method: Sutherland and Hodgman, Reentrant polygon clipping, 1974.
    """
    ring = list(open_ring(vertices))
    inside = ring
    for axis, limit, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        inside = _cut(inside, axis, limit, sign)
    x, y = ring[0]
    return inside or [(min(max(x, 0), width), min(max(y, 0), height))]


def _cut(ring: Sequence[Position], axis: int, limit: float, sign: int) -> list[Position]:
    """Keep what of a ring lies on one side of an upright (axis 0) or level line."""
    kept: list[Position] = []
    for before, vertex in zip([*ring[-1:], *ring[:-1]], ring, strict=True):
        is_inside = (vertex[axis] - limit) * sign >= 0
        if is_inside != ((before[axis] - limit) * sign >= 0):
            part = (limit - before[axis]) / (vertex[axis] - before[axis])
            across = before[1 - axis] + part * (vertex[1 - axis] - before[1 - axis])
            kept.append((across, limit) if axis else (limit, across))
        if is_inside:
            kept.append(vertex)
    return kept
