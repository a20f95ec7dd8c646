"""What a dataset holds, counted: the source of the loss report, the dataset card and the report's plots.

Each bucket of rows is counted once, where it is built; counts add up, so nothing is read again to know them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from math import isqrt
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from msgspec import Struct

from tasks.formats.attributes import image_choices, questions
from tasks.formats.interface import predicted_labels
from tasks.formats.objects import area_of
from tasks.records.counts import KIND_OF
from tasks.records.model import RadioAnswer
from tasks.records.questions import at_any_depth

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from tasks.records.model import Label, Sample

Key = TypeVar("Key", bound="Hashable")
_Part: TypeAlias = tuple[str, bool, str, str, str]
"""The fields of a ``Part``."""
_Member: TypeAlias = tuple[str, bool, str, str, str]
"""The fields of a ``Member``."""


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
    parts: Counter[_Part] = Counter()
    members: Counter[_Member] = Counter()
    objects: Counter[int] = Counter()
    sides: defaultdict[str, Counter[int]] = defaultdict(Counter)
    latest = ""
    for sample in samples:
        split, labels = sample.split, sample.record.entry.labels
        rows[split] += 1
        for predicted, found in ((False, labels), (True, predicted_labels(sample))):
            parts.update(_answers(split, found, predicted=predicted))
            for label in found:
                parts[split, predicted, "relationship", "relationship", ""] += len(label.relationships)
                for each in label.annotations:
                    kind = KIND_OF[type(each.geometry)]
                    members[split, predicted, each.feature_schema_id or "", each.name, kind] += 1
                    if not predicted:
                        sides[kind][bin_of(isqrt(int(area_of(each.geometry))))] += 1
        objects[bin_of(sum([len(label.annotations) for label in labels]))] += 1
        latest = max([latest, *_times(sample)])
    for (split, predicted, _, _, kind), count in members.items():
        parts[split, predicted, kind, kind, ""] += count
    return Census(
        rows=_sum([rows]),
        parts=tuple((Part(*fields), count) for fields, count in sorted(parts.items()) if count),
        members=tuple((Member(*fields), count) for fields, count in sorted(members.items())),
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


def _answers(split: str, labels: Sequence[Label], *, predicted: bool) -> Iterator[_Part]:
    """Give the fields of a ``Part`` for each answer of a row's labels, at any depth."""
    for label in labels:
        for each in label.annotations:
            if each.classifications:
                about = KIND_OF[type(each.geometry)]
                for asked in at_any_depth(each.classifications):
                    yield split, predicted, about, KIND_OF[type(asked.answer)], ""
        for tie in label.relationships:
            for asked in at_any_depth(tie.classifications):
                yield split, predicted, "relationship", KIND_OF[type(asked.answer)], ""
    choices = image_choices(labels)
    for label in labels:
        for name, asked in questions(label.classifications):
            is_choice = isinstance(asked.answer, RadioAnswer) and choices[name] is not None
            yield split, predicted, "image", KIND_OF[type(asked.answer)], name if is_choice else ""


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
