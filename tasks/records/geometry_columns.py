"""Geometries ↔ columns: one column, or two, for each kind of place in an image, null for objects of other kinds."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tasks.records.columns import array, divided, list_array, structs
from tasks.records.counts import kind_of
from tasks.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline, Runs
from tasks.records.schema import ANNOTATIONS, POSITION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.records.geometry import Geometry, Position

_CHAINS = (Polygon, Polyline)


def geometry_columns(geometries: Sequence[Geometry]) -> dict[str, pa.Array]:
    """Return ``kind`` and the geometry columns of ``ANNOTATIONS``."""
    vertices = [each.vertices if isinstance(each, _CHAINS) else None for each in geometries]
    references = [each.reference if isinstance(each, Mask) else each for each in geometries]
    columns: dict[str, Sequence[Any]] = {
        "kind": [kind_of(each) for each in geometries],
        "bounding_box": [each if isinstance(each, BoundingBox) else None for each in geometries],
        "point": [each if isinstance(each, Point) else None for each in geometries],
        "mask_reference": [each if isinstance(each, MaskReference) else None for each in references],
        "mask": [each.runs if isinstance(each, Mask) else None for each in geometries],
    }
    arrays = {name: array(values, ANNOTATIONS.field(name).type) for name, values in columns.items()}
    return arrays | {"vertices": _positions(vertices)}


def _positions(chains: Sequence[tuple[Position, ...] | None]) -> pa.Array:
    flat = list(chain.from_iterable(each for each in chains if each))
    axes = [pa.array([position[axis] for position in flat], pa.float64()) for axis in (0, 1)]
    items = pa.StructArray.from_arrays(axes, fields=list(POSITION))
    return list_array(chains, items, ANNOTATIONS.field("vertices").type)


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
