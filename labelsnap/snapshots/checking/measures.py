"""What a dataset's annotations come to, by split and class: counts, areas and boxes, added up over a bucket.

``measure`` looks at the records before they are written; ``of_tables`` and ``of_coco`` look at files, and share no code
with what wrote them, nor with ``measure`` but for the sums. Coordinates are those of ``labelsnap.records.geometry``,
areas are in square pixels.
"""

from __future__ import annotations

from collections import defaultdict
from operator import add as plus
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

from labelsnap.formats.interface import predicted_labels
from labelsnap.records.counts import KIND_OF
from labelsnap.records.extent import has_area
from labelsnap.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline
from labelsnap.records.questions import asked_in
from labelsnap.records.shapes import shoelace_area, tight_box

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labelsnap.records.extent import Extent
    from labelsnap.records.geometry import Geometry
    from labelsnap.records.model import Sample

Amounts = tuple[int, float, float, float, float, float]
"""How many, and the sums of their areas, lefts, tops, widths and heights."""

_Fields: TypeAlias = tuple[str, bool, str, str, str, bool]
"""The fields of a ``Group``."""

NOWHERE: Final = (0.0, 0.0, 0.0, 0.0, 0.0)
"""The extent of what has none."""

ROW: Final = "row"
LABEL: Final = "label"


class Group(Struct, frozen=True, array_like=True, order=True):
    """What is added up together. ``kind`` is an annotation's kind, ``row`` or ``label``; the last two have no class.

    ``name`` is that of the class or question; ``feature_schema_id`` is "" where there is none. ``flat`` is true of
    objects without an area (see ``labelsnap.records.extent``).
    """

    split: str
    predicted: bool
    kind: str
    name: str = ""
    feature_schema_id: str = ""
    flat: bool = False

    def __str__(self) -> str:
        what = f"{'predicted ' if self.predicted else ''}{self.kind}{f' {self.name!r}' if self.name else ''}"
        return f"{what}{' without an area' if self.flat else ''} in {self.split!r}"


class Measure(Struct, frozen=True, array_like=True):
    """What a group comes to. A point has its position and no extent, a polyline no area; answers are counted only."""

    group: Group
    amounts: Amounts


def measure(samples: Iterable[Sample]) -> tuple[Measure, ...]:
    """Add up records that are about to be written, sorted by group."""
    extents: defaultdict[_Fields, list[Extent]] = defaultdict(list)
    for sample in samples:
        split, width, height = sample.split, sample.image.width, sample.image.height
        extents[split, False, ROW, "", "", False].append(NOWHERE)
        for predicted, labels in ((False, sample.record.entry.labels), (True, predicted_labels(sample))):
            for label in labels:
                extents[split, predicted, LABEL, "", "", False].append(NOWHERE)
                for each in label.annotations:
                    geometry, extent = each.geometry, extent_of(each.geometry)
                    kind, flat = KIND_OF[type(geometry)], has_area(geometry, width, height, extent) is False
                    extents[split, predicted, kind, each.name, each.feature_schema_id or "", flat].append(extent)
                for tie in label.relationships:
                    of_tie = (split, predicted, "relationship", tie.name, tie.feature_schema_id or "", False)
                    extents[of_tie].append(NOWHERE)
                for asked in asked_in(label):
                    kind = KIND_OF[type(asked.answer)]
                    extents[split, predicted, kind, asked.name, asked.feature_schema_id or "", False].append(NOWHERE)
    return tuple(Measure(Group(*fields), _sum(found)) for fields, found in sorted(extents.items()))


def _sum(extents: Sequence[Extent]) -> Amounts:
    area, left, top, width, height = (sum(axis, 0.0) for axis in zip(*extents, strict=True))
    return len(extents), area, left, top, width, height


def add(measures: Iterable[Measure]) -> tuple[Measure, ...]:
    """Add up measures of disjoint rows, sorted by group."""
    totals = Totals()
    for each in measures:
        totals.add(each.group, each.amounts)
    return totals.measures


class Totals:
    """Sums by group while they are made."""

    def __init__(self) -> None:
        self.sums: dict[Group, Amounts] = {}

    def add(self, group: Group, amounts: Amounts) -> None:
        """Add what some of a group come to."""
        count, area, left, top, width, height = map(plus, self.sums.get(group, (0, *NOWHERE)), amounts)
        self.sums[group] = (count, area, left, top, width, height)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The sums so far, sorted by group."""
        return tuple(Measure(group, amounts) for group, amounts in sorted(self.sums.items()))


def extent_of(geometry: Geometry) -> Extent:
    """Return an object's area and its box: left, top, width, height."""
    match geometry:
        case Point():
            return 0.0, geometry.x, geometry.y, 0.0, 0.0
        case Mask():
            return geometry.runs.area, *geometry.runs.bounding_box
        case BoundingBox(left, top, width, height):
            return width * height, left, top, width, height
        case Polygon(vertices):
            return shoelace_area(vertices), *tight_box(vertices)
        case Polyline(vertices):
            return 0.0, *tight_box(vertices)
        case MaskReference():
            return NOWHERE
