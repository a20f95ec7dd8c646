"""The borders of a mask, followed edge by edge: what corner polygons and centre outlines are made of.

Down each column a mask is a number of spans. The upper edge of a span is passed to the right and its lower edge to the
left, so that the mask lies on the right hand. Where a column meets its neighbour, upright walls lead from edge to edge:
sorted by height, every second stretch between the edges of both columns is a wall, from one edge to its successor. A
wall has no length where an edge goes straight on. So each edge has one successor, and following them gives the rings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelsnap.masks.toggles import toggles_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelsnap.records.geometry import Runs


@dataclass(frozen=True, slots=True)
class Borders:
    """The edges of a mask's spans, ring after ring, each in the order in which it is passed.

    ``column`` and ``y`` say where an edge lies: on the line y, from x = column to column + 1. ``lower`` is true for the
    lower edge of a span, which is passed to the left. From the edge's end an upright wall leads to ``next_y``; there is
    none where that is ``y``. A ring begins at each of ``starts``, with the first upper edge in column-major order.
    ``enclosed`` counts the pixels in each ring, and is negative where they are not of the mask: in a ``hole``.
    ``bridge`` is, for each hole, the lower edge at its top and ``opposite`` the upper edge of the span above that.
    ``part`` is the index of each ring's outer ring.
    """

    column: NDArray[np.int64]
    y: NDArray[np.int64]
    next_y: NDArray[np.int64]
    lower: NDArray[np.bool_]
    starts: NDArray[np.int64]
    enclosed: NDArray[np.int64]
    hole: NDArray[np.bool_]
    bridge: NDArray[np.int64]
    opposite: NDArray[np.int64]
    part: NDArray[np.int64]

    @property
    def x(self) -> NDArray[np.int64]:
        """Where an edge ends: at the right of the column for upper edges, at its left for lower ones."""
        return self.column + ~self.lower


def trace(runs: Runs, *, diagonal: bool) -> Borders:
    """Follow the borders of a mask. ``diagonal``: pixels that touch at a corner only are of one part."""
    columns, tops, bottoms = _spans(runs)
    count = columns.size
    column, y = np.tile(columns, 2), np.concatenate([tops, bottoms])
    lower = np.arange(2 * count) >= count
    successor = _successors(column, y, lower, runs.height, diagonal=diagonal)
    order, starts = _follow(successor)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    ring = np.repeat(np.arange(starts.size), np.diff(starts, append=order.size))
    found_y, found_lower = y[order], lower[order]
    enclosed = np.add.reduceat(np.where(found_lower, found_y, -found_y), starts) if starts.size else starts
    hole = enclosed < 0
    heights = np.where(found_lower, found_y, runs.height + 1)
    highest = np.lexsort((heights, ring))[starts]
    opposite = rank[order[highest] - count]
    return Borders(
        column=column[order],
        y=found_y,
        next_y=y[successor[order]],
        lower=found_lower,
        starts=starts,
        enclosed=enclosed,
        hole=hole,
        bridge=highest[hole],
        opposite=opposite[hole],
        part=_parts(hole, heights[highest], ring[opposite]),
    )


def circles(starts: NDArray[np.int64], size: int) -> tuple[list[int], list[int]]:
    """Return what comes after and before each of ``size`` places on closed sequences that begin at ``starts``."""
    last = np.append(starts[1:], size)[: starts.size] - 1
    after, before = np.arange(1, size + 1), np.arange(-1, size - 1)
    after[last], before[starts] = starts, last
    return after.tolist(), before.tolist()


def _spans(runs: Runs) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the column, first row, and row after the last of every run within a column, in column-major order."""
    toggles = toggles_of(runs)
    starts, ends = toggles[0::2], toggles[1::2]
    first, last = starts // runs.height, (ends - 1) // runs.height
    columns_of_run = last - first + 1
    run = np.repeat(np.arange(starts.size), columns_of_run)
    columns = np.arange(run.size) - (columns_of_run.cumsum() - columns_of_run - first)[run]
    tops = np.maximum(starts[run] - columns * runs.height, 0)
    bottoms = np.minimum(ends[run] - columns * runs.height, runs.height)
    return columns, tops, bottoms


def _successors(
    column: NDArray[np.int64], y: NDArray[np.int64], lower: NDArray[np.bool_], height: int, *, diagonal: bool
) -> NDArray[np.int64]:
    """Return for each edge the one that is passed next.

    Two edges end in one point, one upper and one lower, only where pixels touch at a corner. Which of them comes first
    decides whether walls connect the two pixels.
    """
    count = column.size
    line = np.concatenate([column, column + 1])  # every edge has a left and a right end
    rank = (line * (height + 1) + np.tile(y, 2)) * 2 + np.tile(lower == diagonal, 2)
    walls = np.argsort(rank, kind="stable").reshape(-1, 2)
    partner = np.empty(2 * count, np.int64)
    partner[walls] = walls[:, ::-1]
    end = np.arange(count) + np.where(lower, 0, count)
    return partner[end] % max(count, 1)


def _follow(successor: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the edges ring after ring, and where each ring begins."""
    following, done = successor.tolist(), bytearray(successor.size)
    order: list[int] = []
    starts: list[int] = []
    for first in range(successor.size // 2):
        if not done[first]:
            starts.append(len(order))
            edge = first
            while not done[edge]:
                done[edge] = True
                order.append(edge)
                edge = following[edge]
    return np.array(order, np.int64), np.array(starts, np.int64)


def _parts(hole: NDArray[np.bool_], top: NDArray[np.int64], above: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the outer ring of each ring. ``above``: the ring of the span above a hole, which reaches higher up."""
    part = np.arange(hole.size)
    holes = np.flatnonzero(hole)
    for each in holes[np.argsort(top[holes], kind="stable")].tolist():
        part[each] = part[above[each]]
    return part
