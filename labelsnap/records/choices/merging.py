"""One row of several sources → one record: the source that wins gives its labels, and those of others are kept apart.

Sources are gone through in the order in which they win, and within one its projects and model runs in theirs. The first
that publishes a label of the row gives it; where none has a label, the first that has predictions, and else the first
that publishes the row. So what wins depends on names alone, and not on which line came first.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from labelsnap.records.choices.policy import select
from labelsnap.records.lines.fingerprint import joint_fingerprint
from labelsnap.records.model import Apart, Entry, Excluded, ModelRunEntry, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from labelsnap.records.choices.policy import SourcePolicy
    from labelsnap.records.model import Row

RowsOfSources: TypeAlias = "Mapping[str, Sequence[Row]]"
"""A row by source: as it is parsed for each project and model run of that, in the order of the source's policies."""


def merge(rows: RowsOfSources, policies: Sequence[SourcePolicy]) -> Record | Excluded:
    """Apply the policies of all sources to one row; ``policies`` has the source that wins first.

    A row that none publishes is excluded by the policy of the first that has an entry of it. Labels that are left out
    and annotations that are dropped count of all sources together.
    """
    there = [(each, rows[each.name]) for each in policies if each.name in rows]
    chosen = [
        (source.name, select(row, policy))
        for source, of_source in there
        for row, policy in zip(of_source, source.of, strict=True)
    ]
    records = [(name, each) for name, each in chosen if isinstance(each, Record)]
    labels = _sum(each.labels_excluded for _, each in chosen)
    dropped = _sum(each.annotations_dropped for _, each in chosen)
    if not records:
        without = [each for _, each in chosen if isinstance(each, Excluded)]
        told = next((each for each in without if each.policy != "not_selected_project"), without[0])
        return replace(told, labels_excluded=labels, annotations_dropped=dropped)
    place = min(range(len(records)), key=lambda place: (_rank(records[place][1].entry), place))
    name, winner = records.pop(place)
    return replace(
        winner,
        fingerprint=joint_fingerprint({name: of_source[0].fingerprint for name, of_source in rows.items()}),
        labels_excluded=labels,
        annotations_dropped=dropped,
        source=name,
        others=tuple(Apart(other, each.entry) for other, each in records),
    )


def _rank(entry: Entry) -> int:
    """How little an entry has to give: 0 where it has a label."""
    if entry.labels:
        return 0
    return 1 if isinstance(entry, ModelRunEntry) and entry.predictions else 2


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)
