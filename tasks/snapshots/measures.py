"""What a dataset's annotations come to, by split and class: counts, areas and boxes, added up over a bucket.

``measure`` looks at the records before they are written; ``measure_tables`` and ``measure_coco`` look at files, and
share no code with what wrote them. Coordinates are those of ``tasks.records.geometry``, areas are in square pixels.
"""

from __future__ import annotations

from collections import defaultdict
from operator import add
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from tasks.formats.interface import predicted_labels
from tasks.formats.shapes import shoelace_area, tight_box
from tasks.records.counts import kind_of
from tasks.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline
from tasks.records.questions import questions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tasks.records.geometry import Geometry
    from tasks.records.model import Label, Sample

Amounts = tuple[int, float, float, float, float, float]
"""How many, and the sums of their areas, lefts, tops, widths and heights."""

_NOWHERE: Final = (0.0, 0.0, 0.0, 0.0, 0.0)
ROW: Final = "row"
LABEL: Final = "label"


class Group(Struct, frozen=True, array_like=True, order=True):
    """What is added up together. ``kind`` is an annotation's kind, ``row`` or ``label``; the last two have no class.

    ``name`` is that of the class or question; ``feature_schema_id`` is "" where there is none.
    """

    split: str
    predicted: bool
    kind: str
    name: str = ""
    feature_schema_id: str = ""

    def __str__(self) -> str:
        what = f"{'predicted ' if self.predicted else ''}{self.kind}{f' {self.name!r}' if self.name else ''}"
        return f"{what} in {self.split!r}"


class Measure(Struct, frozen=True, array_like=True):
    """What a group comes to. A point has its position and no extent, a polyline no area; answers are counted only."""

    group: Group
    amounts: Amounts


def measure(samples: Iterable[Sample]) -> tuple[Measure, ...]:
    """Add up records that are about to be written, sorted by group."""
    totals = Totals()
    for sample in samples:
        totals.add(Group(sample.split, predicted=False, kind=ROW), _NOWHERE)
        labels = (sample.record.entry.labels, predicted_labels(sample))
        for predicted, of_origin in enumerate(labels):
            for label in of_origin:
                for group, extent in _of_label(sample.split, label, predicted=bool(predicted)):
                    totals.add(group, extent)
    return totals.measures


class Totals:
    """Sums by group while they are made."""

    def __init__(self) -> None:
        self.sums: defaultdict[Group, Amounts] = defaultdict(lambda: (0, *_NOWHERE))

    def add(self, group: Group, extent: tuple[float, float, float, float, float], count: int = 1) -> None:
        """Add ``count`` more with an area and a box (left, top, width, height), or their sums."""
        count_so_far, *so_far = self.sums[group]
        area, left, top, width, height = map(add, so_far, extent)
        self.sums[group] = (count_so_far + count, area, left, top, width, height)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The sums so far, sorted by group."""
        return tuple(Measure(group, self.sums[group]) for group in sorted(self.sums))


def _of_label(
    split: str, label: Label, *, predicted: bool
) -> Iterator[tuple[Group, tuple[float, float, float, float, float]]]:
    yield Group(split, predicted, LABEL), _NOWHERE
    for each in label.annotations:
        group = Group(split, predicted, kind_of(each.geometry), each.name, each.feature_schema_id or "")
        yield group, extent_of(each.geometry)
    for tie in label.relationships:
        yield Group(split, predicted, "relationship", tie.name, tie.feature_schema_id or ""), _NOWHERE
    for *_, asked in questions_of(label):
        yield Group(split, predicted, kind_of(asked.answer), asked.name, asked.feature_schema_id or ""), _NOWHERE


def extent_of(geometry: Geometry) -> tuple[float, float, float, float, float]:
    """Return an object's area and its box: left, top, width, height."""
    match geometry:
        case BoundingBox(left, top, width, height):
            return width * height, left, top, width, height
        case Polygon(vertices):
            return shoelace_area(vertices), *tight_box(vertices)
        case Polyline(vertices):
            return 0.0, *tight_box(vertices)
        case Point(x, y):
            return 0.0, x, y, 0.0, 0.0
        case Mask(_, runs):
            return runs.area, *runs.bounding_box
        case MaskReference():
            return _NOWHERE
