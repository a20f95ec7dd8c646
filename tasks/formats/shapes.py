"""Plane geometry that formats share. Coordinates are those of ``tasks.records.geometry``: pixels, x right, y down."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.records.geometry import Position


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
    left, top = vertices[0]
    moved = [(x - left, y - top) for x, y in vertices]
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(moved))) / 2


def tight_box(vertices: Sequence[Position]) -> tuple[float, float, float, float]:
    """Give the smallest box around some vertices as (left, top, width, height) in pixels."""
    xs, ys = [x for x, _ in vertices], [y for _, y in vertices]
    left, top = min(xs), min(ys)
    return left, top, max(xs) - left, max(ys) - top
