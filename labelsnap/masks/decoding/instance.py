from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelsnap.masks.decoding.png import DEFAULT_LIMITS, Limits, read_png
from labelsnap.masks.decoding.reading import read_runs
from labelsnap.masks.runs import empty_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelsnap.masks.decoding.pixels import Pixels
    from labelsnap.masks.decoding.png import Body
    from labelsnap.records.geometry import Runs


def decode_instance(
    png: Body, *, size: tuple[int, int] | None = None, limits: Limits = DEFAULT_LIMITS, sparse: bool = True
) -> Runs:
    """Read a mask that shows one instance: every pixel that is not black belongs to it, whatever its alpha.

    ``size`` is the (height, width) in pixels that the picture must have. ``sparse`` lets the sparse way read what it
    can, with the same result as the numpy way. A black picture gives runs of area 0. Raises MaskError.
    """
    picture = read_png(png, size=size, limits=limits)
    (runs,) = read_runs(picture, _label, 1, limits, sparse=sparse).runs
    return runs or empty_runs(picture.height, picture.width)


def _label(pixels: Pixels) -> NDArray[np.int8]:
    """Return 0 for the instance's pixels and -1 for black ones."""
    return pixels.foreground().astype(np.int8) - np.int8(1)
