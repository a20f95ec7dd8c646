"""Rows that come from one source, and what those of several have in common with them.

Each line ends in one place, and of the lines that one source has of a row the latest counts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

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

    Parsed: TypeAlias = tuple[Row, ...]
    """A line's row as it is for each project and model run of its source, one at least."""
    OfRow: TypeAlias = dict[str, tuple[int, Parsed]]
    """What sources have of a row, by name: the number of the line that counts, and what it says."""

_ALONE = ""


def records_of_one(
    policy: Policy,
    lines: Iterable[tuple[int, bytes]],
    read: Callable[[int, bytes, Policy], Row | Problem],
    outcome: Outcome,
) -> Iterator[tuple[int, Record]]:
    """The records to publish by line number; refused, repeated and excluded rows are noted on the way."""

    def parsed(number: int, line: bytes) -> Parsed | Problem:
        row = read(number, line, policy)
        return row if isinstance(row, Problem) else (row,)

    for of_row in rows_of_lines(lines, parsed, lambda _: _ALONE, outcome).values():
        number, (row,) = of_row[_ALONE]
        chosen = bounded(number, partial(_id, row), partial(select, row, policy))
        if record := published(chosen, outcome):
            yield number, record


def rows_of_lines(
    lines: Iterable[tuple[int, bytes]],
    parsed: Callable[[int, bytes], Parsed | Problem],
    source_of: Callable[[int], str],
    outcome: Outcome,
) -> dict[str, OfRow]:
    """Return what each source has of rows, by data row id; refused and repeated lines are noted.

    A refused line whose row comes well in a later one of its source is a repetition: it was mended since.
    """
    rows: dict[str, OfRow] = {}
    refused: list[Problem] = []
    for number, line in lines:
        found = parsed(number, line)
        if isinstance(found, Problem):
            refused.append(found)
            continue
        row_id, name = found[0].data_row.id, source_of(number)
        of_row = rows.setdefault(row_id, {})
        standing = of_row.get(name)
        if standing is None or _activity(found[0]) >= _activity(standing[1][0]):
            of_row[name] = number, found
        if standing is not None:
            outcome.several.add(row_id)
            outcome.repeated.append(standing[0] if of_row[name][0] == number else number)
    for problem in refused:
        outcome.several.add(problem.data_row_id or "")
        standing = rows.get(problem.data_row_id or "", {}).get(source_of(problem.line))
        if standing is not None and standing[0] > problem.line:
            outcome.repeated.append(problem.line)
        else:
            outcome.problems.append(problem)
    outcome.excluded["duplicate"] += len(outcome.repeated)
    return rows


def published(chosen: Record | Excluded | Problem, outcome: Outcome) -> Record | None:
    """Return the record that a row comes to; None where it is a problem or excluded, which is noted."""
    if isinstance(chosen, Problem):
        outcome.problems.append(chosen)
        return None
    outcome.labels_excluded.update(chosen.labels_excluded)
    outcome.annotations_dropped.update(chosen.annotations_dropped)
    if isinstance(chosen, Excluded):
        outcome.excluded[chosen.policy] += 1
        return None
    return chosen


def _activity(row: Row) -> datetime:
    """When something last happened to a row; before all else where the line does not say."""
    details = row.data_row.details
    return instant(details and details.last_activity_at) or BEFORE_ALL


def _id(row: Row) -> str:
    return row.data_row.id
