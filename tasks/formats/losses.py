"""The loss report: what of a dataset a format holds, and what it cannot hold, by kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from tasks.formats.interface import predicted_labels
from tasks.records.counts import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tasks.formats.interface import Format, Holdings
    from tasks.records.model import Classification, Label, Sample

Kind: TypeAlias = str
Part: TypeAlias = tuple[Kind, bool]
"""One thing that was annotated, by its kind, and whether it is held."""


class Tally(Struct, frozen=True):
    """Counts by kind, without zeros: for each kind, held + lost is what the samples have."""

    held: dict[Kind, int]
    lost: dict[Kind, int]


class FormatReport(Struct, frozen=True):
    """What one format holds of the labels and of a model run's predictions."""

    labels: Tally
    predictions: Tally


def report(each: Format, samples: Iterable[Sample]) -> FormatReport:
    """Count what a format holds of some samples. An answer about something that is lost is lost with it."""
    labels: Counter[Part] = Counter()
    predictions: Counter[Part] = Counter()
    for sample in samples:
        for label in sample.record.entry.labels:
            labels.update(_parts(label, each.holds))
        for label in predicted_labels(sample):
            predictions.update(_parts(label, each.holds_of_predictions))
    return FormatReport(_tally(labels), _tally(predictions))


def _tally(parts: Counter[Part]) -> Tally:
    return Tally(
        held={kind: count for (kind, is_held), count in sorted(parts.items()) if is_held},
        lost={kind: count for (kind, is_held), count in sorted(parts.items()) if not is_held},
    )


def _parts(label: Label, holds: Holdings) -> Iterator[Part]:
    for annotation in label.annotations:
        kind = kind_of(annotation.geometry)
        yield kind, holds.holds(kind, kind)
        yield from _answers(annotation.classifications, holds, kind)
    for relationship in label.relationships:
        yield "relationship", holds.relationship
        yield from _answers(relationship.classifications, holds, "relationship")
    yield from _answers(label.classifications, holds, "image")


def _answers(classifications: Iterable[Classification], holds: Holdings, about: str) -> Iterator[Part]:
    for classification in classifications:
        kind = kind_of(classification.answer)
        yield kind, holds.holds(kind, about)
        for part in classification.answer.parts:
            yield from _answers(part.classifications, holds, about)
