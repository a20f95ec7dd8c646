"""Rows that come from several sources: the lines of each are put together, by data row id, into one record.

Each line ends in one place, as those of one source do. Of the lines that one source has of a row the one with the
latest activity counts, and the others are ``duplicate``. The lines of other sources are ``repeated``, whatever becomes
of the row, but for the one that stands for it. Where a line of any source is refused, the row is not published: its
labels would be another source's, and nobody would be told.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from labelsnap.buckets.boundary import bounded
from labelsnap.buckets.noted import REPEATED, SOURCES
from labelsnap.buckets.rows.one import published, rows_of_lines
from labelsnap.records.choices.merging import merge
from labelsnap.records.choices.policy import SourcePolicy
from labelsnap.records.model import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from labelsnap.buckets.receipt import Counts
    from labelsnap.buckets.rows.one import Parsed
    from labelsnap.buckets.rows.outcome import Outcome
    from labelsnap.records.choices.policy import Policy
    from labelsnap.records.model import Record, Row


class Several(Struct, frozen=True):
    """The sources of a dataset that has several, the one that wins first.

    ``begins`` tells where lines come from: the numbers of the first line of each stream, in order, and its source.
    """

    policies: tuple[SourcePolicy, ...]
    begins: tuple[tuple[int, str], ...]

    def source_of(self, number: int) -> str:
        """Return the name of the source that a line came from."""
        return self.begins[bisect_right(self.begins, number, key=lambda begin: begin[0]) - 1][1]

    def lines(self, numbers: Iterable[int]) -> Counts:
        """Count the lines of each source among these."""
        return dict(Counter(f"{SOURCES}.{self.source_of(number)}.exported" for number in numbers))

    def records(
        self,
        lines: Iterable[tuple[int, bytes]],
        read: Callable[[int, bytes, Policy], Row | Problem],
        outcome: Outcome,
    ) -> Iterator[tuple[int, Record]]:
        """The records to publish by the number of the line that won; all else is noted in ``outcome`` on the way."""
        of_source = {each.name: each for each in self.policies}

        def parsed(number: int, line: bytes) -> Parsed | Problem:
            return _parsed(number, line, of_source[self.source_of(number)], read)

        rows = rows_of_lines(lines, parsed, self.source_of, outcome)
        for problem in outcome.problems:
            outcome.excluded[REPEATED] += len(rows.pop(problem.data_row_id or "", {}))
        for row_id, of_row in rows.items():
            outcome.excluded[REPEATED] += len(of_row) - 1
            number = min(number for number, _ in of_row.values())
            of_sources = {name: found for name, (_, found) in of_row.items()}
            chosen = bounded(number, partial(str, row_id), partial(merge, of_sources, self.policies))
            if record := published(chosen, outcome):
                yield of_row[record.source][0], record


def _parsed(
    number: int, line: bytes, source: SourcePolicy, read: Callable[[int, bytes, Policy], Row | Problem]
) -> Parsed | Problem:
    """The row as it is for each project and model run of its source; those that the line does not name have nothing."""
    rows: list[Row] = []
    for policy in source.of:
        asked = policy.source.id
        if rows and asked.isascii() and asked.encode() not in line:
            rows.append(replace(rows[0], entry=None))
            continue
        found = read(number, line, policy)
        if isinstance(found, Problem):
            return found
        rows.append(found)
    return tuple(rows)
