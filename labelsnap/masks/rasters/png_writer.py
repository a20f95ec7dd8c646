"""Rasters as PNG bytes, for pictures of few values: label maps, in which most pixels equal the one above.

The format: W3C, Portable Network Graphics (PNG) Specification, Third Edition. Every row is filtered by Up, the
difference to the row above, which leaves zeros but where a column changes: so an overlay is neither painted nor looked
at pixel by pixel.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from labelsnap.masks.decoding.png import PALETTE, SIGNATURE
from labelsnap.masks.rasters.zero_runs import ALONE, Residuals, compressed
from labelsnap.memory import MEMORY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelsnap.masks.rasters.overlay import Overlay
    from labelsnap.memory import Budget

GREY: Final = 0  # colour types
RGB: Final = 2
UP: Final = 2  # filter type
COLOURS: Final = 256  # of a palette, at most
BYTE_BITS: Final = 8
WORD: Final = 4  # bytes
BLOCK: Final = 1 << 20
"""Bytes that compressing takes, however little it is."""
CHANGE: Final = 128
"""Bytes for each stretch of an overlay, each column and each row; those that they are compressed to, thrice, count."""
ZEROS: Final = 64
"""Of so many bytes of rows in which nothing changes, one counts for what they are compressed to, thrice."""


def encode_overlay(
    shown: Overlay,
    values: NDArray[np.uint8] | NDArray[np.uint16],
    palette: NDArray[np.uint8] | None = None,
    *,
    memory: Budget = MEMORY,
) -> bytes:
    """Write an overlay as PNG: each pixel has the value of the mask that it shows, or 0.

    ``values`` are an array (masks) of 8 or 16 bits, for a grey picture, or (masks, 3) of 8 bits, for RGB. With a
    ``palette``, an array (colours, 3) of red, green and blue, values of 8 bits are its indexes. The memory for it is
    claimed of ``memory``. Raises ValueError for other values, and BeyondBudgetError.
    """
    channels, depth = values.shape[1:], values.itemsize * BYTE_BITS
    if len(values) != shown.layers or channels not in {(), (3,)} or (channels and depth != BYTE_BITS):
        raise ValueError(f"expected {shown.layers} values: 8 or 16 bits, or RGB; found {values.dtype} {values.shape}")
    if palette is not None and (channels or depth != BYTE_BITS or not 0 < len(palette) <= COLOURS):
        raise ValueError(f"expected a palette of 1 to {COLOURS} colours, for indexes of 8 bits, found {len(palette)}")
    colour_type = RGB if channels else GREY if palette is None else PALETTE
    big_endian = np.ascontiguousarray(values, values.dtype.newbyteorder(">")).view(np.uint8)
    pixel_bytes = values.itemsize * (channels[0] if channels else 1)
    of_label = np.vstack([big_endian.reshape(-1, pixel_bytes), np.zeros((1, pixel_bytes), np.uint8)])  # -1 is the last
    rows = shown.height * (shown.width * pixel_bytes + 1)
    changes = shown.positions.size + shown.width + shown.height
    with memory.claim(BLOCK + CHANGE * changes + rows // ZEROS):
        pixels = compressed(_residuals(shown, of_label))
        return png_of(pixels, (shown.height, shown.width), depth, colour_type, palette)


def _residuals(shown: Overlay, of_label: NDArray[np.uint8]) -> Residuals:
    """Return what the filter leaves of an overlay. ``of_label`` are the bytes of a pixel for each label.

    The first row's pixels are filtered as if the row above were 0.
    """
    from labelsnap.masks.rasters import residuals  # noqa: PLC0415 - numba takes a fifth of a second to load

    height, width, pixel_bytes = shown.height, shown.width, of_label.shape[1]
    padded = np.zeros((len(of_label), WORD), np.uint8)
    padded[:, :pixel_bytes] = of_label
    words = padded.view("<u4").ravel()
    row_bytes = 1 + width * pixel_bytes
    picture = shown.positions, shown.labels, words, width, height, pixel_bytes
    ends = np.ones(height, np.int64)
    residuals.list_residuals(*picture, np.empty(0, np.int64), np.empty(0, np.uint32), ends)
    count = int(ends.sum())
    places, values = np.empty(count, np.int64), np.empty(count, np.uint32)
    first = ends.cumsum() - ends
    places[first], values[first] = np.arange(height) * row_bytes, ALONE | UP
    ends = first + 1
    residuals.list_residuals(*picture, places, values, ends)
    return Residuals(places, values, pixel_bytes, row_bytes, height * row_bytes)


def png_of(
    pixels: bytes, size: tuple[int, int], depth: int, colour_type: int, palette: NDArray[np.uint8] | None = None
) -> bytes:
    """Write a zlib stream of filtered rows as a PNG of (height, width)."""
    height, width = size
    header = struct.pack(">2I5B", width, height, depth, colour_type, 0, 0, 0)
    colours = b"" if palette is None else _chunk(b"PLTE", palette.tobytes())
    return SIGNATURE + _chunk(b"IHDR", header) + colours + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
