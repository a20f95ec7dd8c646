"""How many annotations some labels hold, by the kinds of the project's contract."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from labelsnap.records.geometry import BoundingBox, Geometry, Mask, MaskReference, Point, Polygon, Polyline
from labelsnap.records.model import Answer, ChecklistAnswer, RadioAnswer, TextAnswer
from labelsnap.records.questions import asked_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labelsnap.records.model import Label

KINDS: Final = ("bounding_box", "polygon", "polyline", "point", "mask", "relationship", "radio", "checklist", "text")
"""Every kind of annotation: objects, relationships, and answered questions."""

KIND_OF: Final[dict[type[Geometry | Answer], str]] = {
    BoundingBox: "bounding_box",
    Polygon: "polygon",
    Polyline: "polyline",
    Point: "point",
    Mask: "mask",
    MaskReference: "mask",
    RadioAnswer: "radio",
    ChecklistAnswer: "checklist",
    TextAnswer: "text",
}
"""The kind of an object by the type of its geometry, of an answered question by the type of its answer."""


def kind_of(value: Geometry | Answer) -> str:
    """Return the kind of an object by its geometry, or of an answered question by its answer."""
    return KIND_OF[type(value)]


def count(labels: Iterable[Label]) -> Counter[str]:
    """Count annotations by kind: each object and relationship, and each answered question at any depth, once."""
    counts: Counter[str] = Counter()
    for label in labels:
        counts.update([kind_of(annotation.geometry) for annotation in label.annotations])
        counts.update([kind_of(question.answer) for question in asked_in(label)])
        if label.relationships:
            counts["relationship"] += len(label.relationships)
    return counts
