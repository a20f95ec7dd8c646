"""Whether an object covers anything of its image: one rule for all formats.

What has no area is lost in a format that needs one. The rule looks at the part of an object that lies in the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from labelsnap.records.geometry import BoundingBox, Mask, Polygon
from labelsnap.records.shapes import clip_box, clip_ring, shoelace_area, tight_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labelsnap.records.geometry import Geometry, Position

LEAST_SIDE: Final = 1e-6
"""A box's side, in pixels, that is none."""

LEAST_AREA: Final = 1e-6
"""A polygon's area, in square pixels, that is none."""

_UNEVEN: Final = (0.41, 0.57)
"""Where between two vertices a ring is cut, as parts of the way: edges that cross do so at one height, if at any."""

_LOOKED_AT: Final = 1 << 18
"""Edges that are looked at in the stretches between the heights of a ring's vertices, one again for each stretch."""
_LEAST_BANDS: Final = 16
"""So many of these stretches are looked at, however many edges there are."""

Extent = tuple[float, float, float, float, float]
"""Area, and left, top, width and height of the box around."""


def has_area(geometry: Geometry, width: int, height: int, extent: Extent | None = None) -> bool | None:
    """Say whether what of an object lies in an image of ``width`` × ``height`` has an area; None for other kinds.

    A box has one where both sides are longer than ``LEAST_SIDE``; a polygon where the shoelace formula or the even-odd
    rule gives more than ``LEAST_AREA``, so that a ring that crosses itself, or goes round twice, has one; a mask where
    it has a pixel. Points, polylines, and masks that are not decoded are of other kinds. ``extent`` is a polygon's,
    where it is known.
    """
    if isinstance(geometry, BoundingBox):
        box = (geometry.left, geometry.top, geometry.width, geometry.height)
        _, _, wide, tall = box if is_inside(box, width, height) else clip_box(box, width, height)
        return wide > LEAST_SIDE and tall > LEAST_SIDE
    if isinstance(geometry, Mask):
        return geometry.runs.area > 0
    if isinstance(geometry, Polygon):
        vertices = geometry.vertices
        area, *around = extent or (shoelace_area(vertices), *tight_box(vertices))
        return (area > LEAST_AREA and is_inside(around, width, height)) or _covers(vertices, width, height)
    return None


def is_inside(box: Sequence[float], width: int, height: int) -> bool:
    """Say whether a box (left, top, width, height) lies in an image whole, its border included."""
    left, top, wide, tall = box
    return left >= 0 and top >= 0 and left + wide <= width and top + tall <= height


def _covers(vertices: Sequence[Position], width: int, height: int) -> bool:
    ring = clip_ring(vertices, width, height)
    if not np.isfinite(ring).all():
        return False
    return shoelace_area(ring) > LEAST_AREA or _even_odd(ring) > LEAST_AREA


def _even_odd(ring: Sequence[Position]) -> float:
    """Return about the area that a ring holds by the even-odd rule; 0 where each edge lies on another.

    Edges of the same ends cancel each other. Between the heights of two vertices each of the others is one straight
    line: edges that meet at two uneven heights are one. Of very many heights the farthest apart are looked at.
    """
    left, top, right, bottom = _uncancelled(np.array(ring))
    heights = np.unique(np.concatenate([top, bottom]))
    bands = max(_LEAST_BANDS, _LOOKED_AT // max(1, left.size))
    area = 0.0
    for band in np.argsort(heights[:-1] - heights[1:], kind="stable")[:bands]:
        above, below = heights[band : band + 2]
        crosses = np.flatnonzero((top <= above) & (bottom >= below))
        from_, across, down = left[crosses], (right - left)[crosses], (bottom - top)[crosses]
        depths = above - top[crosses]
        lines = (np.sort(from_ + (depths + part * (below - above)) / down * across) for part in _UNEVEN)
        area += max(float((xs[1::2] - xs[::2]).sum()) for xs in lines) * float(below - above)
        if area > LEAST_AREA:
            break
    return area


def _uncancelled(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of a ring of (vertices, 2) that no other of the same ends cancels, without level ones.

    They are (4, edges): x and y of the upper end, x and y of the lower.
    """
    ends = np.stack([ring, np.roll(ring, -1, axis=0)])
    upwards = ends[0, :, 1] > ends[1, :, 1]
    edges = np.where(upwards[:, np.newaxis], ends[::-1], ends).transpose(0, 2, 1).reshape(4, -1)
    edges = edges[:, edges[1] < edges[3]]
    edges = edges[:, np.lexsort(edges)]
    begins = np.flatnonzero(np.diff(edges, axis=1, prepend=np.nan).any(axis=0))
    times = np.diff(begins, append=edges.shape[1])
    odd: NDArray[np.float64] = edges[:, begins[times % 2 == 1]]
    return odd
