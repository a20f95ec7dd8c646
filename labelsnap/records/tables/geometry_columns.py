"""Geometries ↔ columns: one column, or two, for each kind of place in an image, null for objects of other kinds."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from msgspec.structs import astuple

from labelsnap.records.counts import KIND_OF
from labelsnap.records.extent import LEAST_AREA, LEAST_SIDE, has_area
from labelsnap.records.geometry import (
    DOUBLE,
    BoundingBox,
    Mask,
    MaskReference,
    Overlap,
    Point,
    Polygon,
    Polyline,
    Runs,
    Vertices,
)
from labelsnap.records.tables.areas import ring_areas
from labelsnap.records.tables.columns import list_array, present, structs
from labelsnap.records.tables.schema import POSITION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from labelsnap.records.geometry import Geometry, Position


_CHAINS: Final = (Polygon, Polyline)


def geometry_columns(geometries: Sequence[Geometry], sizes: NDArray[np.int64]) -> dict[str, Sequence[Any] | pa.Array]:
    """Return ``kind`` and the geometry columns of ``ANNOTATIONS``; ``sizes`` (n × 2): the images' (width, height)."""
    vertices = _vertices(geometries)
    references = [each.reference if type(each) is Mask else each for each in geometries]
    return {
        "kind": [KIND_OF[type(each)] for each in geometries],
        "bounding_box": [astuple(each) if type(each) is BoundingBox else None for each in geometries],
        "vertices": vertices,
        "point": [astuple(each) if type(each) is Point else None for each in geometries],
        "mask_reference": [astuple(each) if type(each) is MaskReference else None for each in references],
        "mask": [astuple(each.runs) if type(each) is Mask else None for each in geometries],
        "has_area": _have_area(geometries, vertices, sizes),
        "mask_overlap": [each.overlap and astuple(each.overlap) if type(each) is Mask else None for each in geometries],
    }


def _have_area(geometries: Sequence[Geometry], vertices: pa.ListArray, sizes: NDArray[np.int64]) -> pa.Array:
    """Apply ``has_area``; boxes, and polygons that lie within their images, are looked at together."""
    of_box, of_polygon, of_mask = (
        np.array([type(each) is kind for each in geometries]) for kind in (BoundingBox, Polygon, Mask)
    )
    found = _enclose(vertices, sizes) & of_polygon
    found[of_box] = _have_sides([each for each in geometries if type(each) is BoundingBox], sizes[of_box])
    found[of_mask] = [each.runs.area > 0 for each in geometries if type(each) is Mask]
    for place in np.flatnonzero(of_polygon & ~found).tolist():
        width, height = sizes[place].tolist()
        found[place] = has_area(geometries[place], width, height)
    return pa.array(found, mask=~(of_box | of_polygon | of_mask))


def _have_sides(boxes: Sequence[BoundingBox], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return of which boxes both sides within their images are longer than none."""
    corners = np.array([(each.left, each.top, each.width, each.height) for each in boxes]).reshape(-1, 2, 2)
    with np.errstate(over="ignore"):
        ends = np.stack([corners[:, 0], corners[:, 0] + corners[:, 1]])
    start, end = ends.clip(0, sizes)
    long: NDArray[np.bool_] = (end - start > LEAST_SIDE).all(axis=1)
    return long


def _enclose(column: pa.ListArray, sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which chains of vertices lie in their image whole and enclose an area that is no matter of rounding."""
    clear = np.zeros(len(column), bool)
    chains = column.drop_null()
    if len(chains):
        with np.errstate(over="ignore", invalid="ignore"):
            areas = ring_areas(chains)
        first = np.cumsum(lengths := chains.value_lengths().to_numpy()) - lengths
        x, y = (chains.flatten().field(axis).to_numpy() for axis in (0, 1))
        present = column.is_valid().to_numpy(zero_copy_only=False)
        width, height = sizes[present].T
        least = np.minimum(*(np.minimum.reduceat(axis, first) for axis in (x, y)))
        most_x, most_y = (np.maximum.reduceat(axis, first) for axis in (x, y))
        clear[present] = (areas > 2 * LEAST_AREA) & (least >= 0) & (most_x <= width) & (most_y <= height)
    return clear


def _vertices(geometries: Sequence[Geometry]) -> pa.Array:
    is_chain = np.array([type(each) in _CHAINS for each in geometries])
    chains = [_packed(each.vertices) for each in geometries if type(each) is Polygon or type(each) is Polyline]
    lengths = np.zeros(len(geometries), np.int32)
    lengths[is_chain] = list(map(len, chains))
    axes = (b"".join([each.xs for each in chains]), b"".join([each.ys for each in chains]))
    positions = pa.StructArray.from_arrays([pa.array(np.frombuffer(axis)) for axis in axes], type=POSITION)
    return list_array(lengths, positions, ~is_chain)


def _packed(vertices: Sequence[Position]) -> Vertices:
    if isinstance(vertices, Vertices):
        return vertices
    return Vertices.packed([x for x, _ in vertices], [y for _, y in vertices])


def geometries_of(columns: Callable[[str], pa.Array]) -> list[Geometry]:
    """Return the geometries that the columns of an annotations table hold."""
    references = columns("mask_reference")
    runs = structs(columns("mask").filter(references.is_valid()), Runs)
    overlaps = structs(columns("mask_overlap").filter(references.is_valid()), Overlap)
    masks = zip(present(references, MaskReference), runs, overlaps, strict=True)
    chains = iter(_chains(columns("vertices").drop_null()))
    of_kind: dict[str, Iterator[Geometry]] = {
        "bounding_box": iter(present(columns("bounding_box"), BoundingBox)),
        "polygon": map(Polygon, chains),
        "polyline": map(Polyline, chains),
        "point": iter(present(columns("point"), Point)),
        "mask": (Mask(reference, decoded, lies) if decoded else reference for reference, decoded, lies in masks),
    }
    return [next(of_kind[kind]) for kind in columns("kind").to_pylist()]


def masks_of(columns: Callable[[str], pa.Array]) -> list[Mask]:
    """Return the masks that these columns of an annotations table hold, where each row is one."""
    references = present(columns("mask_reference"), MaskReference)
    runs = present(columns("mask"), Runs)
    overlaps = structs(columns("mask_overlap"), Overlap)
    return list(map(Mask, references, runs, overlaps))


def _chains(column: pa.ListArray) -> list[Vertices]:
    flat = column.flatten()
    xs, ys = (flat.field(axis).to_numpy().tobytes() for axis in (0, 1))
    ends = accumulate(column.value_lengths().to_pylist(), lambda end, length: end + length * DOUBLE, initial=0)
    return [Vertices(xs[start:end], ys[start:end]) for start, end in pairwise(ends)]
