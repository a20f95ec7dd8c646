"""Where masks of one image have pixels in common. Nothing is painted: masks are compared where they begin and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelsnap.masks.toggles import runs_of, toggles_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from labelsnap.records.geometry import Runs


def union(masks: Sequence[Runs], height: int, width: int) -> Runs:
    """Return the pixels that at least one of the masks has, in an image of this size. Raises MaskError."""
    positions, levels = _levels([(1, toggles_of(runs)) for runs in masks])
    return _where(positions, levels > 0, height, width)


def remainder(own: Runs, others: Runs, exempt: Runs | None) -> Runs:
    """Return the pixels of a mask that ``others`` does not have, and those of ``exempt``, a part of ``others``.

    All are of one size. Raises MaskError.
    """
    weighted = [(1, toggles_of(own)), (2, toggles_of(others))]
    if exempt is not None:
        weighted.append((-2, toggles_of(exempt)))
    positions, levels = _levels(weighted)
    return _where(positions, levels == 1, own.height, own.width)


def shared_areas(masks: Sequence[Runs]) -> tuple[int, ...]:
    """Return of each mask how many of its pixels other masks have too. All are of one size. Raises MaskError."""
    toggles = [toggles_of(runs) for runs in masks]
    positions, levels = _levels([(1, own) for own in toggles])
    lengths = np.diff(positions, append=positions[-1:]) * (levels > 1)
    before = np.concatenate([[0], np.cumsum(lengths)])
    at = [before[np.searchsorted(positions, own)] for own in toggles]
    return tuple(int((own[1::2] - own[0::2]).sum()) for own in at)


def _levels(weighted: Sequence[tuple[int, NDArray[np.int64]]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where masks begin or end, and the sum of the weights of those that a stretch is of, from there on."""
    positions = np.concatenate([np.zeros(0, np.int64), *(own for _, own in weighted)])
    signs = [np.where(np.arange(own.size) % 2 == 0, weight, -weight) for weight, own in weighted]
    distinct, place = np.unique(positions, return_inverse=True)
    changes = np.zeros(distinct.size, np.int64)
    np.add.at(changes, place, np.concatenate([np.zeros(0, np.int64), *signs]))
    return distinct, changes.cumsum()


def _where(positions: NDArray[np.int64], inside: NDArray[np.bool_], height: int, width: int) -> Runs:
    """Return the mask of the stretches that are inside; each begins at its position, and the last is none."""
    changes = inside != np.concatenate([[False], inside[:-1]])
    return runs_of(positions[changes], height, width)
