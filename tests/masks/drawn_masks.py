"""Masks that Hypothesis draws, as boolean arrays (height, width)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.bool_]

NOISE: st.SearchStrategy[Pixels] = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=16))
"""Any pixels."""


@st.composite
def blobs(draw: st.DrawFn) -> Pixels:
    """Draw smooth blobs with holes and parts: noise, magnified six times; at least a pixel of it."""
    shapes = arrays.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=8)
    noise = draw(arrays.arrays(np.bool_, shapes).filter(np.any))
    large: Pixels = cv2.resize(noise.astype(np.uint8) * 255, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC) > 127
    return large


@st.composite
def scattered(draw: st.DrawFn, side: int) -> Pixels:
    """Draw discs, some with a hole, of 1 to 4,000 pixels, anywhere in a picture of up to ``side`` pixels square."""
    shape = draw(st.integers(30, side)), draw(st.integers(30, side))
    pixels = np.zeros(shape, np.uint8)
    for _ in range(draw(st.integers(1, 12))):
        centre = draw(st.integers(0, shape[1] - 1)), draw(st.integers(0, shape[0] - 1))
        radius = draw(st.integers(0, 36))
        cv2.circle(pixels, centre, radius, 1, thickness=draw(st.sampled_from([-1, 3])) if radius > 3 else -1)
    return pixels.astype(bool)
