"""Geometries ↔ columns: one column, or two, for each kind of place in an image, null for objects of other kinds."""

from __future__ import annotations

from itertools import chain, compress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from msgspec.structs import astuple

from tasks.records.columns import divided, list_array, spread, structs, writer
from tasks.records.counts import KIND_OF
from tasks.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline, Runs
from tasks.records.schema import BOX, MASK_REFERENCE, POSITION, RUNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tasks.records.geometry import Geometry, Position

_TYPES: Final[Sequence[type[Geometry]]] = (BoundingBox, Polygon, Polyline, Point, MaskReference, Mask)
_CODES: Final[Mapping[type[Geometry], int]] = {each: code for code, each in enumerate(_TYPES)}
_KINDS: Final = pa.array([KIND_OF[each] for each in _TYPES])
_BOXES, _CHAINS, _POINTS, _MASKS, _DECODED = (
    np.array([each in wanted for each in _TYPES])
    for wanted in ((BoundingBox,), (Polygon, Polyline), (Point,), (MaskReference, Mask), (Mask,))
)
_references, _runs = map(writer, (MASK_REFERENCE, RUNS))


def geometry_columns(geometries: Sequence[Geometry]) -> dict[str, pa.Array]:
    """Return ``kind`` and the geometry columns of ``ANNOTATIONS``."""
    codes = np.fromiter(map(_CODES.__getitem__, map(type, geometries)), np.int8, len(geometries))

    def of(wanted: NDArray[np.bool_]) -> tuple[list[Any], NDArray[np.bool_]]:
        where = wanted[codes]
        return list(compress(geometries, where.tolist())), where

    boxes, is_box = of(_BOXES)
    chains, is_chain = of(_CHAINS)
    points, is_point = of(_POINTS)
    masks, is_mask = of(_MASKS)
    decoded, is_decoded = of(_DECODED)
    references = [each.reference if type(each) is Mask else each for each in masks]
    return {
        "kind": _KINDS.take(pa.array(codes)),
        "bounding_box": _numbers(map(astuple, boxes), BOX, is_box),
        "vertices": _vertices([each.vertices for each in chains], is_chain),
        "point": _numbers(map(astuple, points), POSITION, is_point),
        "mask_reference": spread(_references(references), is_mask),
        "mask": spread(_runs([each.runs for each in decoded]), is_decoded),
    }


def _numbers(values: Iterable[tuple[float, ...]], kind: pa.StructType, where: NDArray[np.bool_]) -> pa.Array:
    """Return an array of structs of floats: the values in turn where ``where`` is true, and nulls elsewhere."""
    numbers = np.zeros((len(where), kind.num_fields))
    numbers[where] = np.fromiter(chain.from_iterable(values), np.float64).reshape(-1, kind.num_fields)
    return pa.StructArray.from_arrays([pa.array(column) for column in numbers.T], type=kind, mask=pa.array(~where))


def _vertices(chains: Sequence[tuple[Position, ...]], where: NDArray[np.bool_]) -> pa.Array:
    numbers = np.fromiter(chain.from_iterable(chain.from_iterable(chains)), np.float64)
    positions = pa.StructArray.from_arrays([pa.array(numbers[axis::2]) for axis in (0, 1)], type=POSITION)
    lengths = np.zeros(len(where), np.int32)
    lengths[where] = list(map(len, chains))
    return list_array(lengths, positions, ~where)


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
