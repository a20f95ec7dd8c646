"""The census of one output: what it selects of everything that was counted, and how much it leaves out, by kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from labelsnap.formats.description.census import Census, Member
from labelsnap.records.choices.selection import EVERYTHING

if TYPE_CHECKING:
    from labelsnap.records.choices.selection import Choice


class Narrowed(Census, frozen=True):
    """Counts of what an output selects, its members under the names that classes have there.

    ``left_out`` is what is not selected, by kind: of labels, and of a model run's predictions. ``crowded`` is that of
    all objects, and so the most that it can be. What only the report of the whole dataset shows (``objects`` and
    ``sides``) is not counted.
    """

    left_out: tuple[dict[str, int], dict[str, int]] = ({}, {})


def narrowed(counted: Census, choice: Choice) -> Census:
    """Count what is selected; all of it, where everything is."""
    if choice.selection == EVERYTHING:
        return counted
    left_out = Counter[str](), Counter[str]()
    parts = []
    for part, count in counted.parts:
        if choice.has(part.kind, part.things, part.above):
            parts.append((part, count))
        else:
            left_out[part.predicted][part.kind] += count
    members: Counter[Member] = Counter()
    for member, count in counted.members:
        name = choice.name_of(member.feature_schema_id, member.name, member.kind)
        if name is not None:
            members[replace(member, name=name)] += count
    kept = {
        "parts": tuple(parts),
        "members": tuple(sorted(members.items())),
        "asked": tuple(
            (each, count) for each, count in counted.asked if choice.has(each.kind, each.things, each.above)
        ),
        "choices": counted.choices if choice.takes("radio") else {},
        "objects": {},
        "sides": {},
    }
    labels, predictions = (dict(sorted(each.items())) for each in left_out)
    return Narrowed(**{**asdict(counted), **kept}, left_out=(labels, predictions))
