"""Masks as polygons along the edges of their pixels: COCO's convention, in which they have exactly the mask's area.

A ring can hold holes: a keyhole leads to each, up the side of a column inside the mask, and back on the same way, which
encloses nothing. So such rings have the mask's area too, and pycocotools draws exactly the mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from labelsnap.masks.shapes.borders import circles, trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelsnap.masks.shapes.borders import Borders
    from labelsnap.records.geometry import Runs


class Region(NamedTuple):
    """A connected part of a mask: the ring around it and the rings around its holes.

    A ring is an array (vertices, 2) of x and y in pixels, open, each vertex a corner. Outer rings run clockwise as seen
    on a screen, holes the other way.
    """

    exterior: NDArray[np.int64]
    holes: tuple[NDArray[np.int64], ...]


def corner_polygons(runs: Runs) -> tuple[Region, ...]:
    """Return the parts of a mask, ordered by their first pixel down the columns; holes in the same order.

    Pixels that touch at a corner only are parts of their own. Filled by the even-odd rule the rings give the mask back,
    and the areas that they enclose add up to its pixels.
    """
    borders = trace(runs, diagonal=False)
    rings = _rings(borders, np.arange(borders.y.size), borders.starts, borders.next_y)
    parts: dict[int, tuple[NDArray[np.int64], list[NDArray[np.int64]]]] = {}
    for ring, hole, part in zip(rings, borders.hole.tolist(), borders.part.tolist(), strict=True):
        if not hole:
            parts[part] = ring, []
    for ring, hole, part in zip(rings, borders.hole.tolist(), borders.part.tolist(), strict=True):
        if hole:
            parts[part][1].append(ring)
    return tuple(Region(exterior, tuple(holes)) for exterior, holes in parts.values())


def keyholed_rings(runs: Runs) -> tuple[NDArray[np.int64], ...]:
    """Return one ring for each part of a mask, with keyholes to its holes; parts are those of ``corner_polygons``.

    The areas that the rings enclose, by the shoelace formula and by any rule of filling, add up to the mask's pixels.
    """
    borders = trace(runs, diagonal=False)
    if not borders.hole.any():
        return tuple(_rings(borders, np.arange(borders.y.size), borders.starts, borders.next_y))
    after, before = circles(borders.starts, borders.y.size)
    for at_hole, above in zip(borders.bridge.tolist(), borders.opposite.tolist(), strict=True):
        last, next_ = before[above], after[at_hole]
        after[last], before[next_] = next_, last
        after[at_hole], before[above] = above, at_hole
    order: list[int] = []
    starts: list[int] = []
    for first in borders.starts[~borders.hole].tolist():
        starts.append(len(order))
        order.append(first)
        while (edge := after[order[-1]]) != first:
            order.append(edge)
    next_y = borders.y[np.array(after, np.int64)]
    return tuple(_rings(borders, np.array(order, np.int64), np.array(starts, np.int64), next_y))


def _rings(
    borders: Borders, order: NDArray[np.int64], starts: NDArray[np.int64], next_y: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """Return the corners of rings: edges in this order, of which rings begin at ``starts``, and where each leads to."""
    x, y, next_y = borders.x[order], borders.y[order], next_y[order]
    corner = y != next_y
    from_, to = (np.stack([x, each], axis=1)[corner] for each in (y, next_y))
    vertices = np.stack([from_, to], axis=1).reshape(-1, 2)
    corners_before = np.concatenate([[0], corner.cumsum()])[starts]
    return [np.roll(ring, 1, axis=0) for ring in np.split(vertices, 2 * corners_before)[1:]]
