"""One mask cut to its bounding box, as PNG: a grey picture of 0 and 1, which is filtered without being painted."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from labelsnap.masks.errors import MaskError
from labelsnap.masks.rasters.png_writer import BYTE_BITS, GREY, UP, png_of
from labelsnap.masks.runs import count_pixels
from labelsnap.masks.toggles import toggles_of
from labelsnap.memory import MEMORY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelsnap.memory import Budget
    from labelsnap.records.geometry import Runs

FILTERED: Final = 2
"""Bytes of a byte of the rows: as they are, and compressed."""
COUNTED: Final = 128
"""Bytes for each character of the runs."""


def encode_cut_out(runs: Runs, *, memory: Budget = MEMORY) -> bytes:
    """Write what the box of a mask cuts out as PNG; of a mask without pixels that is one pixel, 0.

    zlib codes what the filter leaves by runs: of a picture so small, codes of its own would take longer. The memory for
    it is claimed of ``memory``. Raises MaskError for runs that do not fill the image, and where the box does not lie in
    it and hold them; and BeyondBudgetError.
    """
    left, top, width, height = runs.bounding_box if runs.area else (0, 0, 1, 1)
    if runs.area and not _lies_in_image(runs):
        raise _wrong_box(runs)
    with memory.claim(FILTERED * height * (width + 1) + COUNTED * len(runs.counts)):
        rows = np.zeros((height, width + 1), np.int8)
        rows[:, 0] = UP
        if runs.area and not _filter(runs, (left, top), rows):
            raise _wrong_box(runs)
        deflate = zlib.compressobj(strategy=zlib.Z_RLE)
        return png_of(deflate.compress(rows.data) + deflate.flush(), (height, width), BYTE_BITS, GREY)


def _lies_in_image(runs: Runs) -> bool:
    """Tell whether a mask's box has pixels, and all of them in the image."""
    left, top, width, height = runs.bounding_box
    return 0 <= left < left + width <= runs.width and 0 <= top < top + height <= runs.height


def _wrong_box(runs: Runs) -> MaskError:
    found = f"{list(runs.bounding_box)} in {runs.width} × {runs.height} pixels"
    return MaskError("size_mismatch", f"expected a box that holds its mask, found {found}")


def _filter(runs: Runs, corner: tuple[int, int], rows: NDArray[np.int8]) -> bool:
    """Write what the filter leaves of a mask into the rows of its box; say whether that holds all of it."""
    from labelsnap.masks.rasters import cutting  # noqa: PLC0415 - numba takes a fifth of a second to load

    pixels = count_pixels(runs.height, runs.width)
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
