"""What a dataset holds, counted: the source of the loss report, the dataset card and the report's plots.

Each bucket of rows is counted once, where it is built; counts add up, so nothing is read again to know them.
"""

from __future__ import annotations

from collections import Counter
from math import isqrt
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from msgspec import Struct

from tasks.formats.attributes import image_choices, questions
from tasks.formats.interface import predicted_labels
from tasks.formats.objects import place_of
from tasks.records.counts import kind_of
from tasks.records.model import RadioAnswer

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from tasks.records.model import Annotation, Label, Sample

Key = TypeVar("Key", bound="Hashable")


class Part(Struct, frozen=True, order=True):
    """A kind of annotation in a split. ``about`` is what a question is about: a kind, or "image"; else the own kind.

    ``question`` is the name of a radio question about the image that has one answer in all labels of its row.
    """

    split: str
    predicted: bool
    about: str
    kind: str
    question: str = ""


class Member(Struct, frozen=True, order=True):
    """A class as the objects of a split name it; "" stands for a feature schema that has no id."""

    split: str
    predicted: bool
    feature_schema_id: str
    name: str
    kind: str


Bins: TypeAlias = dict[int, int]
"""Counts by the least value of a bin: 0, 1, 2, 4, 8, … up to the next one."""


class Census(Struct, frozen=True):
    """Counts over rows; sums of counts over disjoint rows are counts over all of them.

    ``rows`` are by split. ``objects`` is how many objects a row's labels have; ``sides`` are the square roots of the
    objects' areas, in pixels, by kind. ``latest`` is the latest time at which Labelbox saw a row or a label change.
    """

    rows: dict[str, int] = {}
    parts: tuple[tuple[Part, int], ...] = ()
    members: tuple[tuple[Member, int], ...] = ()
    objects: Bins = {}
    sides: dict[str, Bins] = {}
    latest: str = ""

    def kinds(self, *, predicted: bool = False) -> dict[str, int]:
        """How many annotations there are by kind, labels' or predictions'."""
        return _sum({part.kind: count} for part, count in self.parts if part.predicted is predicted)


def census(samples: Iterable[Sample]) -> Census:
    """Count some samples."""
    rows: Counter[str] = Counter()
    parts: Counter[Part] = Counter()
    members: Counter[Member] = Counter()
    objects: Counter[int] = Counter()
    sides: dict[str, Counter[int]] = {}
    latest = ""
    for sample in samples:
        split, labels = sample.split, sample.record.entry.labels
        rows[split] += 1
        for predicted, found in ((False, labels), (True, predicted_labels(sample))):
            parts.update(_parts(split, found, predicted=predicted))
            members.update(_member(split, each, predicted=predicted) for label in found for each in label.annotations)
        annotations = [annotation for label in labels for annotation in label.annotations]
        objects[bin_of(len(annotations))] += 1
        for annotation in annotations:
            side = bin_of(isqrt(int(place_of(annotation.geometry).area)))
            sides.setdefault(kind_of(annotation.geometry), Counter())[side] += 1
        latest = max([latest, *_times(sample)])
    return Census(
        rows=_sum([rows]),
        parts=tuple(sorted(parts.items())),
        members=tuple(sorted(members.items())),
        objects=_sum([objects]),
        sides={kind: _sum([bins]) for kind, bins in sorted(sides.items())},
        latest=latest,
    )


def add(censuses: Iterable[Census]) -> Census:
    """Add counts over disjoint rows."""
    each = list(censuses)
    kinds = sorted({kind for one in each for kind in one.sides})
    return Census(
        rows=_sum(one.rows for one in each),
        parts=tuple(_sum(dict(one.parts) for one in each).items()),
        members=tuple(_sum(dict(one.members) for one in each).items()),
        objects=_sum(one.objects for one in each),
        sides={kind: _sum(one.sides.get(kind, {}) for one in each) for kind in kinds},
        latest=max((one.latest for one in each), default=""),
    )


def bin_of(value: int) -> int:
    """Give the least value of the bin that a value lies in: 0, or the greatest power of two that is not greater."""
    return 1 << value.bit_length() - 1 if value else 0


def _parts(split: str, labels: Sequence[Label], *, predicted: bool) -> Iterator[Part]:
    """Give everything of a row's labels: objects, relationships, and answers at any depth."""
    for label in labels:
        for annotation in label.annotations:
            kind = kind_of(annotation.geometry)
            yield Part(split, predicted, kind, kind)
            for _, asked in questions(annotation.classifications):
                yield Part(split, predicted, kind, kind_of(asked.answer))
        for relationship in label.relationships:
            yield Part(split, predicted, "relationship", "relationship")
            for _, asked in questions(relationship.classifications):
                yield Part(split, predicted, "relationship", kind_of(asked.answer))
    choices = image_choices(labels)
    for label in labels:
        for name, asked in questions(label.classifications):
            is_choice = isinstance(asked.answer, RadioAnswer) and choices[name] is not None
            yield Part(split, predicted, "image", kind_of(asked.answer), name if is_choice else "")


def _member(split: str, annotation: Annotation, *, predicted: bool) -> Member:
    schema_id, kind = annotation.feature_schema_id or "", kind_of(annotation.geometry)
    return Member(split, predicted, schema_id, annotation.name, kind)


def _times(sample: Sample) -> Iterator[str]:
    """Give the times of a row and its labels, all in one form: RFC 3339 in UTC to the second."""
    details = sample.record.data_row.details
    labels = (label.details for label in sample.record.entry.labels)
    for time in (
        details and details.last_activity_at,
        *(each and (each.content_last_updated_at or each.updated_at or each.created_at) for each in labels),
    ):
        if time:
            yield f"{time[:19]}Z"


def _sum(counts: Iterable[dict[Key, int]]) -> dict[Key, int]:
    total: Counter[Key] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted((key, count) for key, count in total.items() if count))
