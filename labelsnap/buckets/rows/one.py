"""Rows that come from one source: each of its lines ends in one place, and of those of a row the latest counts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from labelsnap.buckets.boundary import bounded
from labelsnap.records.choices.policy import select
from labelsnap.records.lines.moments import BEFORE_ALL, instant
from labelsnap.records.model import Excluded, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from labelsnap.buckets.rows.outcome import Outcome
    from labelsnap.records.choices.policy import Policy
    from labelsnap.records.model import Record, Row


def records_of_one(
    policy: Policy,
    lines: Iterable[tuple[int, bytes]],
    read: Callable[[int, bytes, Policy], Row | Problem],
    outcome: Outcome,
) -> Iterator[tuple[int, Record]]:
    """The records to publish by line number; refused, repeated and excluded rows are noted on the way.

    A refused line whose row comes well in a later one is a repetition: it was mended since.
    """
    rows: dict[str, tuple[int, Row]] = {}
    refused: list[Problem] = []
    for number, line in lines:
        row = read(number, line, policy)
        if isinstance(row, Problem):
            refused.append(row)
            continue
        standing = rows.get(row.data_row.id)
        if standing is None or activity(row) >= activity(standing[1]):
            rows[row.data_row.id] = number, row
        if standing is not None:
            outcome.several.add(row.data_row.id)
            outcome.repeated.append(standing[0] if rows[row.data_row.id][0] == number else number)
    for problem in refused:
        outcome.several.add(problem.data_row_id or "")
        if problem.data_row_id in rows and rows[problem.data_row_id][0] > problem.line:
            outcome.repeated.append(problem.line)
        else:
            outcome.problems.append(problem)
    outcome.excluded["duplicate"] += len(outcome.repeated)
    for number, row in rows.values():
        chosen = bounded(number, partial(_id, row), partial(select, row, policy))
        if isinstance(chosen, Problem):
            outcome.problems.append(chosen)
            continue
        outcome.labels_excluded.update(chosen.labels_excluded)
        outcome.annotations_dropped.update(chosen.annotations_dropped)
        if isinstance(chosen, Excluded):
            outcome.excluded[chosen.policy] += 1
        else:
            yield number, chosen


def activity(row: Row) -> datetime:
    """When something last happened to a row; before all else where the line does not say."""
    details = row.data_row.details
    return instant(details and details.last_activity_at) or BEFORE_ALL


def _id(row: Row) -> str:
    return row.data_row.id
