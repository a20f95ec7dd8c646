"""Many masks on one image: which of them each pixel shows; ``png_writer`` writes it without painting it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from labelsnap.masks.errors import MaskError
from labelsnap.masks.runs import group_runs
from labelsnap.masks.toggles import toggles_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labelsnap.records.geometry import Runs

Number = TypeVar("Number", bound=np.unsignedinteger)


@dataclass(frozen=True, slots=True)
class Overlay:
    """Which of ``layers`` masks each pixel shows, as stretches down the columns.

    A stretch begins at its position x·height + y and ends where the next begins; its label is the index of the mask
    that is seen there, or -1 for none. Positions ascend strictly from 0.
    """

    height: int
    width: int
    layers: int
    positions: NDArray[np.int64]
    labels: NDArray[np.int32]

    def paint(self, values: NDArray[Number], background: int = 0) -> NDArray[Number]:
        """Return an array (height, width) that has the value of the mask that each pixel shows, else the background."""
        of_label = np.append(values, values.dtype.type(background))  # label -1 finds the last
        lengths = np.diff(self.positions, append=self.height * self.width)
        return np.repeat(of_label[self.labels], lengths).reshape((self.height, self.width), order="F")

    def grouped(self, groups: Sequence[int]) -> Overlay:
        """Count several masks as one: ``groups`` has the new label of each mask, from 0."""
        of_label = np.array([*groups, -1], np.int32)
        layers = max(groups, default=-1) + 1
        return Overlay(self.height, self.width, layers, self.positions, of_label[self.labels])

    def visible(self) -> tuple[Runs | None, ...]:
        """Return what is seen of each mask; None where others cover it all, or where it has no pixel."""
        return group_runs(self.height, self.width, self.positions, self.labels, self.layers)


def overlay(masks: Sequence[Runs], height: int, width: int) -> Overlay:
    """Lay masks over each other in their order: the last lies on top.

    Nothing is painted: masks are laid over each other on the positions where at least one of them begins or ends.
    Raises MaskError for a mask of another size.
    """
    for runs in masks:
        if (runs.height, runs.width) != (height, width):
            found = f"{runs.width} × {runs.height}"
            raise MaskError("size_mismatch", f"expected a mask of {width} × {height} pixels, found {found}")
    toggles = [toggles_of(runs) for runs in masks]
    positions = np.unique(np.concatenate([np.zeros(1, np.int64), *toggles]))
    labels = np.full(positions.size, -1, np.int32)
    for index, own in enumerate(toggles):
        if own.size:
            place = np.searchsorted(positions, own)
            inside = np.repeat(np.arange(own.size - 1) % 2 == 0, np.diff(place))
            labels[place[0] : place[-1]][inside] = index
    within = positions < height * width
    return Overlay(height, width, len(masks), positions[within], labels[within])
