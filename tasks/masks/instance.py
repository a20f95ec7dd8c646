from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.masks.png import DEFAULT_LIMITS, Limits, decode_png
from tasks.masks.runs import empty_runs, group_runs
from tasks.masks.scan import find_changes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.records.geometry import Runs


def decode_instance(png: bytes, *, size: tuple[int, int] | None = None, limits: Limits = DEFAULT_LIMITS) -> Runs:
    """Read a mask that shows one instance: every pixel that is not black belongs to it, whatever its alpha.

    ``size`` is the (height, width) in pixels that the picture must have. A black picture gives runs of area 0.
    Raises MaskError.
    """
    picture = decode_png(png, size=size, limits=limits)
    changes = find_changes(picture, limits)
    labels: NDArray[np.int8] = picture.foreground(changes.values).astype(np.int8) - np.int8(1)
    (runs,) = group_runs(picture.height, picture.width, changes.positions, labels, 1)
    return runs or empty_runs(picture.height, picture.width)
