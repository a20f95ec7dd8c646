"""Masks as polygons along the edges of their pixels: COCO's convention, in which they have exactly the mask's area."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.masks.borders import trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.records.geometry import Runs


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
    corner = borders.y != borders.next_y
    from_, to = (np.stack([borders.x, y], axis=1)[corner] for y in (borders.y, borders.next_y))
    vertices = np.stack([from_, to], axis=1).reshape(-1, 2)
    corners_before = np.concatenate([[0], corner.cumsum()])[borders.starts]
    rings = [np.roll(ring, 1, axis=0) for ring in np.split(vertices, 2 * corners_before)[1:]]
    parts: dict[int, tuple[NDArray[np.int64], list[NDArray[np.int64]]]] = {}
    for ring, hole, part in zip(rings, borders.hole.tolist(), borders.part.tolist(), strict=True):
        if not hole:
            parts[part] = ring, []
    for ring, hole, part in zip(rings, borders.hole.tolist(), borders.part.tolist(), strict=True):
        if hole:
            parts[part][1].append(ring)
    return tuple(Region(exterior, tuple(holes)) for exterior, holes in parts.values())
