"""What a dataset's annotations come to, by split and class: counts, areas and boxes, added up over a bucket.

``measure`` looks at the records before they are written; ``measure_tables`` and ``measure_coco`` look at files, and
share no code with what wrote them. Coordinates are those of ``labelsnap.records.geometry``, areas are in square pixels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
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

_NOWHERE: Final = (0.0, 0.0, 0.0, 0.0, 0.0)
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
    counts: Counter[_Fields] = Counter()
    objects: defaultdict[_Fields, list[Extent]] = defaultdict(list)
    for sample in samples:
        split, width, height = sample.split, sample.image.width, sample.image.height
        counts[split, False, ROW, "", "", False] += 1
        for predicted, labels in ((False, sample.record.entry.labels), (True, predicted_labels(sample))):
            for label in labels:
                counts[split, predicted, LABEL, "", "", False] += 1
                for each in label.annotations:
                    geometry, extent = each.geometry, extent_of(each.geometry)
                    kind, flat = KIND_OF[type(geometry)], has_area(geometry, width, height, extent) is False
                    objects[split, predicted, kind, each.name, each.feature_schema_id or "", flat].append(extent)
                for tie in label.relationships:
                    counts[split, predicted, "relationship", tie.name, tie.feature_schema_id or "", False] += 1
                for asked in asked_in(label):
                    kind = KIND_OF[type(asked.answer)]
                    counts[split, predicted, kind, asked.name, asked.feature_schema_id or "", False] += 1
    sums: dict[_Fields, Amounts] = {group: (count, *_NOWHERE) for group, count in counts.items()}
    sums |= {group: _amounts(found) for group, found in objects.items()}
    return tuple(Measure(Group(*group), amounts) for group, amounts in sorted(sums.items()))


def add(measures: Iterable[Measure]) -> tuple[Measure, ...]:
    """Add up measures of disjoint rows, sorted by group."""
    totals = Totals()
    for each in measures:
        totals.add_amounts(each.group, each.amounts)
    return totals.measures


def _amounts(extents: Sequence[Extent]) -> Amounts:
    area, left, top, width, height = (sum(axis, 0.0) for axis in zip(*extents, strict=True))
    return len(extents), area, left, top, width, height


class Totals:
    """Sums by group while they are made."""

    def __init__(self) -> None:
        self._sums: defaultdict[Group, list[float]] = defaultdict(lambda: [0, *_NOWHERE])

    def add(self, group: Group, extent: Extent, count: int = 1) -> None:
        """Add ``count`` more with an area and a box (left, top, width, height), or their sums."""
        sums = self._sums[group]
        area, left, top, width, height = extent
        sums[0] += count
        sums[1] += area
        sums[2] += left
        sums[3] += top
        sums[4] += width
        sums[5] += height

    def add_amounts(self, group: Group, amounts: Amounts) -> None:
        """Add what another sum comes to."""
        count, *extent = amounts
        area, left, top, width, height = extent
        self.add(group, (area, left, top, width, height), count)

    @property
    def sums(self) -> dict[Group, Amounts]:
        """The sums so far, by group."""
        return {
            group: (int(count), area, left, top, width, height)
            for group, (count, area, left, top, width, height) in self._sums.items()
        }

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
            return _NOWHERE
