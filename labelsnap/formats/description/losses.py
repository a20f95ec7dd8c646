"""The loss report: what of a dataset a format holds, and what it cannot hold, by kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from labelsnap.formats.description.narrowing import Narrowed
from labelsnap.formats.shared.endings import takes

if TYPE_CHECKING:
    from labelsnap.formats.description.census import Census
    from labelsnap.formats.interface import Format

Kind: TypeAlias = str


class Tally(Struct, frozen=True):
    """Counts by kind, without zeros: for each kind, held + lost + not_selected is what the samples have.

    ``not_selected`` is what the output leaves out by its ``classes`` and ``kinds``.
    """

    held: dict[Kind, int]
    lost: dict[Kind, int]
    not_selected: dict[Kind, int] = {}


class Images(Struct, frozen=True):
    """How many images a format holds, and how many it loses, by ending (without its dot)."""

    held: int
    lost: dict[str, int]


class FormatReport(Struct, frozen=True):
    """What one format holds of the labels, of a model run's predictions, and of the images."""

    labels: Tally
    predictions: Tally
    images: Images


def report(each: Format, counted: Census) -> FormatReport:
    """Divide what was counted into what a format holds and what it loses.

    Where it was counted for an output, what that leaves out is told too. An answer about something that is lost is lost
    with it, and all of an image that is.
    """
    return FormatReport(
        _tally(each, counted, predicted=False), _tally(each, counted, predicted=True), _images(each, counted)
    )


def images_held(each: Format, counted: Census) -> dict[str, int]:
    """Return how many images of each split a format holds; nothing for a dataset without rows."""
    lost = {
        split: sum(count for of_image, count in of_split.items() if not takes(each, of_image))
        for split, of_split in counted.endings.items()
    }
    return {split: count - lost.get(split, 0) for split, count in counted.rows.items()}


def _images(each: Format, counted: Census) -> Images:
    lost: Counter[str] = Counter()
    for of_split in counted.endings.values():
        lost.update({ending[1:]: count for ending, count in of_split.items() if not takes(each, ending)})
    return Images(sum(images_held(each, counted).values()), dict(sorted(lost.items())))


def _tally(each: Format, counted: Census, *, predicted: bool) -> Tally:
    holdings = each.holds_of_predictions if predicted else each.holds
    held: Counter[Kind] = Counter()
    lost: Counter[Kind] = Counter()
    for part, count in counted.parts:
        if part.predicted is predicted:
            is_held = takes(each, part.ending) and holdings.holds(part.kind, part.about, part.question, flat=part.flat)
            (held if is_held else lost)[part.kind] += count
    left_out = counted.left_out[predicted] if isinstance(counted, Narrowed) else {}
    return Tally(dict(sorted(held.items())), dict(sorted(lost.items())), left_out)
