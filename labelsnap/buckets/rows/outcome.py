"""What becomes of a bucket's rows while it is built."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from labelsnap.buckets.receipt import Counts
    from labelsnap.buckets.rows.made import Made
    from labelsnap.records.model import Problem, Sample


@dataclass(slots=True)
class Outcome:
    """Where the rows of a bucket went, as it is found out; each ends in exactly one place.

    ``kept`` are the ids of rows that are taken over as they stand. ``samples`` are the others, until all is ``made`` of
    them that is written. ``anew`` are the ids of those samples that are not what the earlier snapshot has: another
    line, URL, image or split, other masks or another rule of masks. ``reused`` are the ids of those that have its
    content. ``repeated`` are the numbers of lines whose row has another, ``numbers`` those of records by data row id,
    ``given`` the splits that rows had before. ``several`` are the ids of rows that have more lines than one, and of
    those of which a line was refused. ``renamed`` counts samples whose file the version before calls otherwise,
    ``of_sources`` lines by source, where there are several.
    """

    kept: Collection[str] = ()
    samples: list[Sample] = field(default_factory=list)
    made: Made | None = None
    problems: list[Problem] = field(default_factory=list)
    excluded: Counter[str] = field(default_factory=Counter)
    repeated: list[int] = field(default_factory=list)
    labels_excluded: Counter[str] = field(default_factory=Counter)
    annotations_dropped: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    anew: set[str] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)
    several: set[str] = field(default_factory=set)
    renamed: int = 0
    of_sources: Counts = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def problems_by_line(self) -> list[Problem]:
        """The problems, in the order of lines."""
        return sorted(self.problems, key=lambda problem: problem.line)
