"""The loss report: what of a dataset a format holds, and what it cannot hold, by kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from tasks.formats.census import Census
    from tasks.formats.interface import Format

Kind: TypeAlias = str


class Tally(Struct, frozen=True):
    """Counts by kind, without zeros: for each kind, held + lost is what the samples have."""

    held: dict[Kind, int]
    lost: dict[Kind, int]


class FormatReport(Struct, frozen=True):
    """What one format holds of the labels and of a model run's predictions."""

    labels: Tally
    predictions: Tally


def report(each: Format, counted: Census) -> FormatReport:
    """Divide what was counted into what a format holds and what it loses.

    An answer about something that is lost is lost with it.
    """
    return FormatReport(_tally(each, counted, predicted=False), _tally(each, counted, predicted=True))


def _tally(each: Format, counted: Census, *, predicted: bool) -> Tally:
    holdings = each.holds_of_predictions if predicted else each.holds
    held: Counter[Kind] = Counter()
    lost: Counter[Kind] = Counter()
    for part, count in counted.parts:
        if part.predicted is predicted:
            is_held = holdings.holds(part.kind, part.about, part.question, flat=part.flat)
            (held if is_held else lost)[part.kind] += count
    return Tally(dict(sorted(held.items())), dict(sorted(lost.items())))
