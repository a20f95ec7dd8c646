"""A mask as the ascending positions where it begins or ends: the form in which masks are combined and traced.

A position is x·height + y, so that an image is read down its columns. A mask begins at the first position, ends before
the second, begins again at the third, and so on. ``Runs`` hold the same, written as COCO's string.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelsnap.masks.errors import MaskError
from labelsnap.masks.runs import count_pixels, decode_counts, empty_runs, group_runs
from labelsnap.records.geometry import Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray


def toggles_of(runs: Runs) -> NDArray[np.int64]:
    """Return where a mask begins and ends, strictly ascending. Raises MaskError where runs do not fill the image."""
    pixels = count_pixels(runs.height, runs.width)
    lengths = decode_counts(runs.counts)
    positions = lengths.cumsum()
    total = int(positions[-1]) if positions.size else 0
    if total != pixels or positions.min(initial=0) < 0:  # a sum beyond int64 is negative first
        raise MaskError("bad_counts", f"expected runs over {pixels} pixels, found {sum(lengths.tolist())}")
    toggles = positions[: positions.size // 2 * 2]
    return toggles if lengths[1:].all() else without_pairs(toggles)


def runs_of(toggles: NDArray[np.int64], height: int, width: int) -> Runs:
    """Return the runs of a mask that begins and ends at these positions, strictly ascending and even in number.

    Raises MaskError for an image of too many pixels.
    """
    if not toggles.size:
        return empty_runs(height, width)
    return _encoded(toggles, height, width) or _grouped(toggles, height, width)


def _encoded(toggles: NDArray[np.int64], height: int, width: int) -> Runs | None:
    """Return the runs of a mask with pixels, by compiled loops; None where there are none, or for too many pixels."""
    from labelsnap.masks.decoding.compiling import COMPILES  # noqa: PLC0415 - numba takes a fifth of a second to load

    if not COMPILES:
        return None
    from labelsnap.masks.decoding import encode  # noqa: PLC0415

    if height * width > encode.MAX_PIXELS:
        return None
    of = np.zeros((1, encode.FIELDS), np.int64)
    characters = np.empty(encode.NUMBER_BYTES * (toggles.size + 2), np.uint8)
    encode.encode_toggles(toggles, height, width, of, characters)
    end, *_, area, x, y, right, bottom = of[0].tolist()
    return Runs(height, width, characters[:end].tobytes(), area, (x, y, right - x, bottom - y))


def _grouped(toggles: NDArray[np.int64], height: int, width: int) -> Runs:
    """Return the same by numpy, for all pixels that can be written."""
    labels = np.zeros(toggles.size + 1, np.int8)
    labels[0::2] = -1
    (runs,) = group_runs(height, width, np.concatenate([[0], toggles]), labels, 1)
    return runs or empty_runs(height, width)


def without_pairs(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop pairs of equal positions, for a mask that ends where it begins goes on: each is left once or not at all."""
    distinct, times = np.unique(positions, return_counts=True)
    left: NDArray[np.int64] = distinct[times % 2 == 1]
    return left
