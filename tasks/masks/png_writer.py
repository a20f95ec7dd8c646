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

from tasks.masks.png import PALETTE, SIGNATURE

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREY: Final = 0  # colour types
RGB: Final = 2
UP: Final = 2  # filter type
COLOURS: Final = 256  # of a palette, at most
BYTE_BITS: Final = 8


def encode_png(raster: NDArray[np.uint8] | NDArray[np.uint16], palette: NDArray[np.uint8] | None = None) -> bytes:
    """Write an array as PNG: (height, width) of 8 or 16 bits as grey, (height, width, 3) of 8 bits as RGB.

    With a ``palette``, an array (colours, 3) of red, green and blue, the values are its indexes. Raises ValueError
    for other arrays.
    """
    depth = raster.itemsize * BYTE_BITS
    height, width, *channels = raster.shape
    if not raster.size or channels not in ([], [3]) or (channels and depth != BYTE_BITS):
        raise ValueError(f"expected pixels as grey of 8 or 16 bits or as RGB, found {raster.dtype} {raster.shape}")
    if palette is not None and (channels or depth != BYTE_BITS or not 0 < len(palette) <= COLOURS):
        raise ValueError(f"expected a palette of 1 to {COLOURS} colours, for indexes of 8 bits, found {len(palette)}")
    colour_type = RGB if channels else GREY if palette is None else PALETTE
    header = struct.pack(">2I5B", width, height, depth, colour_type, 0, 0, 0)
    body = [_chunk(b"IHDR", header), _chunk(b"IDAT", _deflated(_filtered(raster))), _chunk(b"IEND", b"")]
    if palette is not None:
        body.insert(1, _chunk(b"PLTE", palette.tobytes()))
    return SIGNATURE + b"".join(body)


def _filtered(raster: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return the rows of bytes, big-endian, each less the row above and with the filter's type in front."""
    big_endian = np.ascontiguousarray(raster, raster.dtype.newbyteorder(">"))
    pixels = big_endian.view(np.uint8).reshape(len(raster), -1)
    rows = np.empty((len(pixels), pixels.shape[1] + 1), np.uint8)
    rows[:, 0] = UP
    rows[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=rows[1:, 1:])
    return rows


def _deflated(rows: NDArray[np.uint8]) -> bytes:
    deflate = zlib.compressobj(strategy=zlib.Z_RLE)
    return deflate.compress(rows.data) + deflate.flush()


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
