"""Many masks on one image: which of them each pixel shows; ``png_writer`` writes it without painting it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from labelsnap.masks.errors import MaskError
from labelsnap.masks.runs import group_measures
from labelsnap.masks.toggles import toggles_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labelsnap.masks.runs import Measure
    from labelsnap.records.geometry import Runs

    Stretches = tuple[NDArray[np.int64], NDArray[np.int32]]
    """Positions and labels, as ``Overlay`` has them."""

Number = TypeVar("Number", bound=np.unsignedinteger)
_POSITION_BITS: Final = 62
"""Bits of a position with a mask's index, at most."""


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
        lengths = _lengths(self.positions, self.height * self.width)
        return np.repeat(of_label[self.labels], lengths).reshape((self.height, self.width), order="F")

    def grouped(self, groups: Sequence[int]) -> Overlay:
        """Count several masks as one: ``groups`` has the new label of each mask, from 0."""
        of_label = np.array([*groups, -1], np.int32)
        layers = max(groups, default=-1) + 1
        return Overlay(self.height, self.width, layers, self.positions, of_label[self.labels])

    def visible(self) -> tuple[Measure | None, ...]:
        """Return how much is seen of each mask; None where others cover it all, or where it has no pixel."""
        return group_measures(self.height, self.width, self.positions, self.labels, self.layers)


def overlay(masks: Sequence[Runs], height: int, width: int) -> Overlay:
    """Lay masks over each other in their order: the last lies on top.

    Nothing is painted: masks are laid over each other on the positions where at least one of them begins or ends.
    Raises MaskError for a mask of another size, and for runs that do not fill it.
    """
    for runs in masks:
        if (runs.height, runs.width) != (height, width):
            found = f"{runs.width} × {runs.height}"
            raise MaskError("size_mismatch", f"expected a mask of {width} × {height} pixels, found {found}")
    positions, labels = _stretches(masks, height * width) or _stretches_by_numpy(masks, height * width)
    return Overlay(height, width, len(masks), positions, labels)


def _lengths(positions: NDArray[np.int64], pixels: int) -> NDArray[np.int64]:
    """Return how many pixels each stretch has."""
    lengths = np.negative(positions)
    lengths[:-1] += positions[1:]
    lengths[-1] += pixels
    return lengths


def _stretches(masks: Sequence[Runs], pixels: int) -> Stretches | None:
    """Return where what is seen changes, by compiled loops; None where there are none, or for runs that are unsound."""
    from labelsnap.masks.decoding.compiling import COMPILES  # noqa: PLC0415 - numba takes a fifth of a second to load
    from labelsnap.masks.rasters import laying  # noqa: PLC0415

    shift = len(masks).bit_length()
    if not COMPILES or pixels.bit_length() + shift > _POSITION_BITS:
        return None
    characters = np.frombuffer(b"".join(runs.counts for runs in masks), np.uint8)
    ends = np.cumsum([len(runs.counts) for runs in masks], dtype=np.int64)
    toggles = np.empty(characters.size, np.int64)
    found = laying.list_toggles(characters, ends, pixels, shift, toggles)
    if found == laying.UNSOUND:
        return None
    toggles = toggles[:found]
    toggles.sort(kind="stable")  # it merges what is in order already: the places of each mask
    active, blocks = np.zeros(len(masks), np.uint8), np.zeros(len(masks) // laying.BLOCK + 1, np.int64)
    positions, labels = np.empty(found + 1, np.int64), np.empty(found + 1, np.int32)
    seen = laying.lay(toggles, shift, active, blocks, positions, labels)
    return positions[:seen], labels[:seen]


def _stretches_by_numpy(masks: Sequence[Runs], pixels: int) -> Stretches:
    """Return the same, with stretches between which nothing changes. Raises MaskError for runs that are unsound."""
    toggles = [toggles_of(runs) for runs in masks]
    positions = np.unique(np.concatenate([np.zeros(1, np.int64), *toggles]))
    labels = np.full(positions.size, -1, np.int32)
    for index, own in enumerate(toggles):
        if own.size:
            place = np.searchsorted(positions, own)
            inside = np.repeat(np.arange(own.size - 1) % 2 == 0, np.diff(place))
            labels[place[0] : place[-1]][inside] = index
    within = positions < pixels
    return positions[within], labels[within]
