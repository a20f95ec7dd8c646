"""Geometries ↔ columns: one column, or two, for each kind of place in an image, null for objects of other kinds."""

from __future__ import annotations

from itertools import chain, compress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from tasks.records.columns import array, divided, list_array, spread, structs
from tasks.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline, Runs
from tasks.records.schema import BOX, MASK_REFERENCE, POSITION, RUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tasks.records.geometry import Geometry, Position

_CHAINS = (Polygon, Polyline)


_TYPES: Final = (BoundingBox, Polygon, Polyline, Point, MaskReference, Mask)
_CODES: Final[Mapping[type[Geometry], int]] = {each: code for code, each in enumerate(_TYPES)}
_KINDS: Final = pa.array(["bounding_box", "polygon", "polyline", "point", "mask", "mask"])


def geometry_columns(geometries: Sequence[Geometry]) -> dict[str, pa.Array]:
    """Return ``kind`` and the geometry columns of ``ANNOTATIONS``."""
    codes = np.fromiter(map(_CODES.__getitem__, map(type, geometries)), np.int8, len(geometries))

    def of(*types: type[Geometry]) -> tuple[list[Any], NDArray[np.bool_]]:
        where = np.isin(codes, [_CODES[each] for each in types])
        return list(compress(geometries, where.tolist())), where

    boxes, is_box = of(BoundingBox)
    chains, is_chain = of(Polygon, Polyline)
    points, is_point = of(Point)
    masks, is_mask = of(MaskReference, Mask)
    decoded, is_decoded = of(Mask)
    references = [each.reference if isinstance(each, Mask) else each for each in masks]
    return {
        "kind": _KINDS.take(codes),
        "bounding_box": spread(array(boxes, BOX), is_box),
        "vertices": spread(_positions([each.vertices for each in chains]), is_chain),
        "point": spread(array(points, POSITION), is_point),
        "mask_reference": spread(array(references, MASK_REFERENCE), is_mask),
        "mask": spread(array([each.runs for each in decoded], RUNS), is_decoded),
    }


def _positions(chains: Sequence[tuple[Position, ...]]) -> pa.Array:
    flat = list(chain.from_iterable(chains))
    axes = np.fromiter(chain.from_iterable(flat), np.float64, 2 * len(flat)).reshape(-1, 2).T
    items = pa.StructArray.from_arrays([pa.array(axis) for axis in axes], fields=list(POSITION))
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
