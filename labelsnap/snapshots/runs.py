"""Sets of versions, as the first and last of each run of neighbours: 1, 2, 3, 7 is (1, 3), (7, 7)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from labelsnap.snapshots.values import Number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Runs = tuple[tuple[Number, Number], ...]


def merged(runs: Iterable[tuple[int, int]]) -> Runs:
    """Return the runs in order, with those that meet or overlap made one."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def runs_of(versions: Iterable[int]) -> Runs:
    """Return the runs of single versions."""
    return merged((version, version) for version in versions)


def holds(runs: Runs, version: int) -> bool:
    """Say whether a version is in one of the runs."""
    return any(first <= version <= last for first, last in runs)


def outside(runs: Runs, versions: Iterable[int]) -> Iterator[int]:
    """Give those of the versions, which are ascending, that are in none of the runs."""
    left = list(reversed(merged(runs)))
    for version in versions:
        while left and left[-1][1] < version:
            left.pop()
        if not left or version < left[-1][0]:
            yield version


def gaps(runs: Iterable[tuple[int, int]], newest: int) -> Runs:
    """Return the versions from 1 to ``newest`` that are in none of the runs."""
    bounds = [(0, 0), *merged((first, last) for first, last in runs if first <= newest), (newest + 1, newest + 1)]
    pairs = ((before[1] + 1, after[0] - 1) for before, after in pairwise(bounds))
    return tuple((first, last) for first, last in pairs if first <= last)
