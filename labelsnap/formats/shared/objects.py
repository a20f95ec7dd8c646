"""An object as one flat row, for formats that hold every kind side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from msgspec import Struct

from labelsnap.records.choices.classes import Class
from labelsnap.records.counts import kind_of
from labelsnap.records.geometry import (
    BoundingBox,
    Geometry,
    Mask,
    MaskReference,
    Point,
    Polygon,
    Polyline,
    Position,
    Runs,
)
from labelsnap.records.model import Annotation, Label
from labelsnap.records.shapes import open_ring, shoelace_area, tight_box

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labelsnap.records.choices.classes import ClassRegistry

_UNDECODED: Final = "Expected a decoded mask, found a reference to one: a sample has decoded masks only."


class Place(Struct, frozen=True):
    """Where an object lies, in pixels.

    ``box`` is [left, top, width, height]; ``area`` counts pixels of a mask and is the shoelace area of a polygon;
    ``vertices`` are those of a polygon (open), a polyline, or a point; ``runs`` are a mask's.
    """

    box: tuple[float, float, float, float]
    area: float
    vertices: tuple[Position, ...] = ()
    runs: Runs | None = None


class Found(Struct, frozen=True):
    """An object of a label with its class, kind and place."""

    label: Label
    annotation: Annotation
    category: Class
    kind: str
    place: Place


def objects_of(labels: Iterable[Label], registry: ClassRegistry) -> Iterator[Found]:
    """Give every object of some labels, in the export's order."""
    for label in labels:
        for annotation in label.annotations:
            kind = kind_of(annotation.geometry)
            yield Found(label, annotation, registry.class_of(annotation), kind, place_of(annotation.geometry))


def place_of(geometry: Geometry) -> Place:
    """Give where an object lies. Raises ``TypeError`` for a mask that was not decoded, which no sample has."""
    match geometry:
        case BoundingBox(left, top, width, height):
            return Place((left, top, width, height), width * height)
        case Polygon(vertices):
            ring = tuple(open_ring(vertices))
            return Place(tight_box(ring), shoelace_area(ring), ring)
        case Polyline(vertices):
            return Place(tight_box(vertices), 0, tuple(vertices))
        case Point(x, y):
            return Place((x, y, 0, 0), 0, ((x, y),))
        case Mask(_, runs):
            return Place(runs.bounding_box, runs.area, runs=runs)
        case MaskReference():
            raise TypeError(_UNDECODED)
        case unreachable:
            assert_never(unreachable)
