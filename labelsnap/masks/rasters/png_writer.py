"""Rasters as PNG bytes, for pictures of few values: label maps, in which most pixels equal the one above.

The format: W3C, Portable Network Graphics (PNG) Specification, Third Edition. Every row is filtered by Up, the
difference to the row above, which leaves mostly zeros; zlib then codes runs only. Of such pictures that makes smaller
files than a general encoder, in a fraction of its time.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from labelsnap.masks.decoding.png import PALETTE, SIGNATURE
from labelsnap.memory import MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from labelsnap.masks.rasters.overlay import Overlay
    from labelsnap.memory import Budget

GREY: Final = 0  # colour types
RGB: Final = 2
UP: Final = 2  # filter type
COLOURS: Final = 256  # of a palette, at most
BYTE_BITS: Final = 8
PLANE: Final = 2  # dimensions
BAND: Final = 1 << 24
"""Bytes of rows that are written at a time: a picture of any size takes no more for its rows, but for a longer row."""
ROW: Final = 3
"""Bytes that a row of few pixels is compressed to, and copied, beside a part of its length: its filter breaks runs."""
STRETCH: Final = 128
"""Bytes that each stretch of an overlay takes beside the rows, and each column; what they are compressed to counts."""


def encode_png(raster: NDArray[np.uint8]) -> bytes:
    """Write an array (height, width) of bytes as a grey PNG. Raises ValueError for other arrays."""
    if raster.ndim != PLANE or not raster.size or raster.dtype != np.uint8:
        raise ValueError(f"expected a plane of bytes, found {raster.dtype} {raster.shape}")
    height, width = raster.shape
    rows = _unfilled(height, width)
    rows[0, 1:] = raster[0]
    np.subtract(raster[1:], raster[:-1], out=rows[1:, 1:])
    return _png([rows], (height, width), BYTE_BITS, GREY)


def encode_overlay(
    shown: Overlay,
    values: NDArray[np.uint8] | NDArray[np.uint16],
    palette: NDArray[np.uint8] | None = None,
    *,
    memory: Budget = MEMORY,
) -> bytes:
    """Write an overlay as PNG: each pixel has the value of the mask that it shows, or 0.

    ``values`` are an array (masks) of 8 or 16 bits, for a grey picture, or (masks, 3) of 8 bits, for RGB. With a
    ``palette``, an array (colours, 3) of red, green and blue, values of 8 bits are its indexes. No picture is painted:
    a filtered row is zero but where a stretch of the overlay begins. Memory for them is claimed of ``memory``. Raises
    ValueError for other values, and BeyondBudgetError.
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
    row = shown.width * pixel_bytes + 1
    rows = shown.height * row
    held = min(rows, BAND + row) + rows // 32 + ROW * shown.height
    with memory.claim(held + STRETCH * (shown.positions.size + shown.width)):
        return _png(_residuals(shown, of_label), (shown.height, shown.width), depth, colour_type, palette)


def _residuals(shown: Overlay, of_label: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield an overlay's filtered rows, some after others. ``of_label`` are the bytes of a pixel for each label.

    A stretch is cut where a column ends: the first row's pixels are filtered as if the row above were 0.
    """
    pixel_bytes = of_label.shape[1]
    starts = np.union1d(shown.positions, np.arange(shown.width) * shown.height)
    labels = shown.labels[np.searchsorted(shown.positions, starts, side="right") - 1]
    columns, lines = np.divmod(starts, shown.height)
    above = np.where(lines > 0, np.roll(labels, 1), -1)
    residuals = of_label[labels] - of_label[above]
    row_bytes = shown.width * pixel_bytes
    height = max(1, BAND // (row_bytes + 1))
    for top in range(0, shown.height, height):
        rows = _unfilled(min(height, shown.height - top), row_bytes)
        inside = np.flatnonzero((lines >= top) & (lines < top + len(rows)))
        first = (lines[inside] - top) * rows.shape[1] + 1 + columns[inside] * pixel_bytes
        for byte in range(pixel_bytes):
            rows.reshape(-1)[first + byte] = residuals[inside, byte]
        yield rows


def _unfilled(height: int, row_bytes: int) -> NDArray[np.uint8]:
    """Return rows of zeros, each with the filter's type in front."""
    rows = np.zeros((height, row_bytes + 1), np.uint8)
    rows[:, 0] = UP
    return rows


def _png(
    bands: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    depth: int,
    colour_type: int,
    palette: NDArray[np.uint8] | None = None,
) -> bytes:
    """Write filtered rows, which come in bands, as a PNG of (height, width)."""
    height, width = size
    header = struct.pack(">2I5B", width, height, depth, colour_type, 0, 0, 0)
    colours = b"" if palette is None else _chunk(b"PLTE", palette.tobytes())
    pixels = _chunk(b"IDAT", _deflated(bands))
    return SIGNATURE + _chunk(b"IHDR", header) + colours + pixels + _chunk(b"IEND", b"")


def _deflated(bands: Iterable[NDArray[np.uint8]]) -> bytes:
    deflate = zlib.compressobj(strategy=zlib.Z_RLE)
    return b"".join([*(deflate.compress(rows.data) for rows in bands), deflate.flush()])


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
