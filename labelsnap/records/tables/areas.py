"""The areas of many objects at once, from the columns of an annotations table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray


def areas_of(table: pa.Table) -> NDArray[np.float64]:
    """Return the area of each object in square pixels: what a box or a polygon encloses, and the pixels of a mask.

    Points and polylines have none. A polygon may be open or closed, and wind either way.
    """
    areas = np.zeros(len(table))
    kinds = table["kind"]
    for kind, column, measured in (
        ("bounding_box", table["bounding_box"], _of_boxes),
        ("polygon", table["vertices"], ring_areas),
        ("mask", pc.struct_field(table["mask"], "area"), _as_stated),
    ):
        is_kind = pc.equal(kinds, kind)
        found = column.filter(is_kind).combine_chunks()
        if len(found):
            areas[is_kind.to_numpy()] = measured(found)
    return areas


def _of_boxes(boxes: pa.StructArray) -> NDArray[np.float64]:
    return _numbers(boxes, "width") * _numbers(boxes, "height")


def _as_stated(areas: pa.Array) -> NDArray[np.float64]:
    found: NDArray[np.float64] = areas.to_numpy().astype(np.float64)
    return found


def ring_areas(rings: pa.ListArray) -> NDArray[np.float64]:
    """Return the area that each ring of a column of vertices encloses, open or closed, in square pixels.

    It is half of the sum of cross products, taken from the first vertex: exact far from the origin too.
    """
    vertices, sizes = rings.flatten(), rings.value_lengths().to_numpy()
    ends = np.cumsum(sizes)
    of_ring = np.repeat(np.arange(len(sizes)), sizes)
    first = (ends - sizes)[of_ring]
    x, y = (axis - axis[first] for axis in (_numbers(vertices, "x"), _numbers(vertices, "y")))
    following = np.arange(1, len(x) + 1)
    following[ends[sizes > 0] - 1] = first[ends[sizes > 0] - 1]
    doubled = np.bincount(of_ring, x * y[following] - x[following] * y, len(sizes))
    areas: NDArray[np.float64] = np.abs(doubled) / 2
    return areas


def _numbers(structs: pa.StructArray, name: str) -> NDArray[np.float64]:
    found: NDArray[np.float64] = structs.field(name).to_numpy()
    return found
