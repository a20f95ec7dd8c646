"""Geometries ↔ columns: one column, or two, for each kind of place in an image, null for objects of other kinds."""

from __future__ import annotations

from itertools import chain, compress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from tasks.records.columns import divided, list_array, spread, structs, writer
from tasks.records.counts import KIND_OF
from tasks.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline, Runs
from tasks.records.schema import BOX, MASK_REFERENCE, POSITION, RUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tasks.records.geometry import Geometry, Position

_TYPES: Final[Sequence[type[Geometry]]] = (BoundingBox, Polygon, Polyline, Point, MaskReference, Mask)
_CODES: Final[Mapping[type[Geometry], int]] = {each: code for code, each in enumerate(_TYPES)}
_KINDS: Final = pa.array([KIND_OF[each] for each in _TYPES])
_boxes, _points, _references, _runs = map(writer, (BOX, POSITION, MASK_REFERENCE, RUNS))


def geometry_columns(geometries: Sequence[Geometry]) -> dict[str, pa.Array]:
    """Return ``kind`` and the geometry columns of ``ANNOTATIONS``."""
    codes = np.fromiter(map(_CODES.__getitem__, map(type, geometries)), np.int8, len(geometries))

    def of(*types: type[Geometry]) -> tuple[list[Any], NDArray[np.bool_]]:
        where = np.logical_or.reduce([codes == _CODES[each] for each in types])
        return list(compress(geometries, where.tolist())), where

    boxes, is_box = of(BoundingBox)
    chains, is_chain = of(Polygon, Polyline)
    points, is_point = of(Point)
    masks, is_mask = of(MaskReference, Mask)
    decoded, is_decoded = of(Mask)
    references = [each.reference if isinstance(each, Mask) else each for each in masks]
    return {
        "kind": _KINDS.take(codes),
        "bounding_box": spread(_boxes(boxes), is_box),
        "vertices": spread(_positions([each.vertices for each in chains]), is_chain),
        "point": spread(_points(points), is_point),
        "mask_reference": spread(_references(references), is_mask),
        "mask": spread(_runs([each.runs for each in decoded]), is_decoded),
    }


def _positions(chains: Sequence[tuple[Position, ...]]) -> pa.Array:
    numbers = np.fromiter(chain.from_iterable(chain.from_iterable(chains)), np.float64)
    items = pa.StructArray.from_arrays([pa.array(numbers[axis::2]) for axis in (0, 1)], type=POSITION)
    return list_array(chains, items, pa.list_(POSITION))


def geometries_of(columns: Callable[[str], pa.Array]) -> list[Geometry]:
    """Return the geometries that the columns of an annotations table hold."""
    flat = columns("vertices").flatten()
    vertices = divided(columns("vertices"), list(zip(*(flat.field(axis).to_pylist() for axis in (0, 1)), strict=True)))
    boxes = structs(columns("bounding_box"), BoundingBox)
    points = structs(columns("point"), Point)
    masks = zip(structs(columns("mask_reference"), MaskReference), structs(columns("mask"), Runs), strict=True)
    references = [Mask(reference, runs) if reference and runs else reference for reference, runs in masks]
    kinds = columns("kind").to_pylist()
    chains = [
        each and (Polygon(each) if kind == "polygon" else Polyline(each))
        for kind, each in zip(kinds, vertices, strict=True)
    ]
    found = zip(boxes, points, references, chains, strict=True)
    return [next(geometry for geometry in each if geometry) for each in found]
