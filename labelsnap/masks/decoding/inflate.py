"""A PNG's zlib stream → its filtered rows, by libdeflate; neither one byte more nor less than the header says."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import deflate
import numpy as np

from labelsnap.masks.errors import MaskError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelsnap.masks.decoding.png import Png

PIECE = 2**20
FILTERS = 5  # None, Sub, Up, Average and Paeth, the numbers 0 to 4


def inflate(png: Png) -> bytearray:
    """Return all rows, each a filter type and its filtered bytes, pass after pass.

    Takes the rows' own memory once, whatever the stream would inflate to, and the stream's. Raises MaskError:
    ``truncated`` for a stream that ends early, ``damaged`` for one that goes on after the last row, whose Adler-32 is
    another, that is no zlib stream or that has a filter type above 4.
    """
    size, data = png.row_bytes, png.data
    try:
        inflated = deflate.zlib_decompress(data, size)
    except deflate.DeflateError:
        raise _name_damage(data, size) from None
    if len(inflated) < size:
        raise _name_damage(data, size)
    _check_filters(png, np.frombuffer(inflated, np.uint8))
    return inflated


def _check_filters(png: Png, inflated: NDArray[np.uint8]) -> None:
    start = 0
    for rows, row_bytes in png.passes:
        end = start + rows * row_bytes
        if (highest := int(inflated[start:end:row_bytes].max())) >= FILTERS:
            raise MaskError("damaged", f"expected filter types below {FILTERS}, found {highest}")
        start = end


def _name_damage(data: bytes, size: int) -> MaskError:
    """Find out, piece by piece, what libdeflate does not tell."""
    stream, found, rest = zlib.decompressobj(), 0, data
    try:
        while piece := stream.decompress(rest, PIECE):
            found += len(piece)
            if found > size:
                return MaskError("damaged", f"expected {size} bytes of rows, found more")
            rest = stream.unconsumed_tail
    except zlib.error as error:
        return MaskError("damaged", f"expected a zlib stream of {size} bytes of rows, found: {error}")
    code = "damaged" if found == size and stream.eof else "truncated"
    return MaskError(code, f"expected a finished zlib stream of {size} bytes of rows, found {found}")
