"""One mask cut to its bounding box, as PNG: a grey picture of 0 and 1, which is filtered without being painted."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from labelsnap.masks.errors import MaskError
from labelsnap.masks.rasters.png_writer import BYTE_BITS, GREY, UP, png_of
from labelsnap.masks.toggles import toggles_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelsnap.records.geometry import Runs


def encode_cut_out(runs: Runs) -> bytes:
    """Write what the box of a mask cuts out as PNG; of a mask without pixels that is one pixel, 0.

    zlib codes what the filter leaves by runs: of a picture so small, codes of its own would take longer. Raises
    MaskError for runs that do not fill the image, and where the box does not hold them.
    """
    left, top, width, height = runs.bounding_box if runs.area else (0, 0, 1, 1)
    rows = np.zeros((height, width + 1), np.int8)
    rows[:, 0] = UP
    if runs.area and not _filter(runs, (left, top), rows):
        found = f"[{left}, {top}, {width}, {height}]"
        raise MaskError("size_mismatch", f"expected a box that holds its mask, found {found}")
    deflate = zlib.compressobj(strategy=zlib.Z_RLE)
    return png_of(deflate.compress(rows.data) + deflate.flush(), (height, width), BYTE_BITS, GREY)


def _filter(runs: Runs, corner: tuple[int, int], rows: NDArray[np.int8]) -> bool:
    """Write what the filter leaves of a mask into the rows of its box; say whether that holds all of it."""
    from labelsnap.masks.rasters import cutting  # noqa: PLC0415 - numba takes a fifth of a second to load

    pixels = runs.height * runs.width
    return bool(cutting.filter_box(_toggles(runs, pixels), pixels, runs.height, corner, rows))


def _toggles(runs: Runs, pixels: int) -> NDArray[np.int64]:
    """Return where a mask begins and ends, but for where it ends with the image. Raises MaskError for unsound runs."""
    from labelsnap.masks.decoding.compiling import COMPILES  # noqa: PLC0415
    from labelsnap.masks.rasters import laying  # noqa: PLC0415

    if COMPILES:
        toggles = np.empty(len(runs.counts), np.int64)
        characters = np.frombuffer(runs.counts, np.uint8)
        found = laying.list_toggles(characters, np.array([characters.size]), pixels, 0, toggles)
        if found != laying.UNSOUND:
            return toggles[:found]
    return toggles_of(runs)
