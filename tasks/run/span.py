"""Which rows a range of history has: those whose own time is in it."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from labelsnap.records.lines.moments import By, times_of


class Span(Struct, frozen=True):
    """A stretch of time in UTC, by one of the dates of a row; ``end`` is not in it."""

    by: By
    start: datetime
    end: datetime

    def holds(self, line: bytes, project: str) -> bool:
        """Whether the row of a project's export is in it: Labelbox's word counts where the line tells no time."""
        times = times_of(line, self.by, project)
        return not times or any(self.start <= moment < self.end for moment in times)
