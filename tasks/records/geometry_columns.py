"""Geometries ↔ columns: one column, or two, for each kind of place in an image, null for objects of other kinds."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from msgspec.structs import astuple

from tasks.records.columns import list_array, structs
from tasks.records.counts import KIND_OF
from tasks.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline, Runs, Vertices
from tasks.records.schema import POSITION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.records.geometry import Geometry, Position


_CHAINS: Final = (Polygon, Polyline)


def geometry_columns(geometries: Sequence[Geometry]) -> dict[str, Sequence[Any] | pa.Array]:
    """Return ``kind`` and the geometry columns of ``ANNOTATIONS``."""
    references = [each.reference if type(each) is Mask else each for each in geometries]
    return {
        "kind": [KIND_OF[type(each)] for each in geometries],
        "bounding_box": [astuple(each) if type(each) is BoundingBox else None for each in geometries],
        "vertices": _vertices(geometries),
        "point": [astuple(each) if type(each) is Point else None for each in geometries],
        "mask_reference": [astuple(each) if type(each) is MaskReference else None for each in references],
        "mask": [astuple(each.runs) if type(each) is Mask else None for each in geometries],
    }


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
    boxes = structs(columns("bounding_box"), BoundingBox)
    points = structs(columns("point"), Point)
    masks = zip(structs(columns("mask_reference"), MaskReference), structs(columns("mask"), Runs), strict=True)
    references = [Mask(reference, runs) if reference and runs else reference for reference, runs in masks]
    kinds = columns("kind").to_pylist()
    chains = [
        None if each is None else Polygon(each) if kind == "polygon" else Polyline(each)
        for kind, each in zip(kinds, _chains(columns("vertices")), strict=True)
    ]
    found = zip(boxes, points, references, chains, strict=True)
    return [next(geometry for geometry in each if geometry) for each in found]


def masks_of(columns: Callable[[str], pa.Array]) -> list[Mask]:
    """Return the masks that these columns of an annotations table hold, where each row is one."""
    references, runs = structs(columns("mask_reference"), MaskReference), structs(columns("mask"), Runs)
    pairs = zip(references, runs, strict=True)
    return [Mask(reference, found) for reference, found in pairs if reference and found]


def _chains(column: pa.ListArray) -> list[Vertices | None]:
    flat = column.flatten()
    xs, ys = (flat.field(axis).to_numpy() for axis in (0, 1))
    ends = accumulate([length or 0 for length in column.value_lengths().to_pylist()], initial=0)
    return [
        Vertices(xs[start:end].tobytes(), ys[start:end].tobytes()) if end > start else None
        for start, end in pairwise(ends)
    ]
