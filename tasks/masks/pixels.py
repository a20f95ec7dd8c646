"""Raw pixel values and the colours they stand for; and a PNG's pixels as Pillow decodes them."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import PngImagePlugin

from tasks.masks.errors import MaskError
from tasks.masks.inflate import inflate
from tasks.masks.png import SIGNATURE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.masks.png import Png

RGB_BITS, ALPHA_SHIFT = np.uint32(0xFFFFFF), np.uint32(24)
BYTE, BYTE_BITS, GREY_TO_RGB = np.uint32(0xFF), np.uint32(8), np.uint32(0x010101)
WINDOW_32K = b"\x78\x01"  # a zlib header that allows what any deflate stream does


@dataclass(frozen=True, slots=True)
class Pixels:
    """Raw values of pixels in one of Pillow's modes; ``palette`` has the colours of mode P, as ``rgba`` gives them."""

    mode: str
    values: NDArray[np.unsignedinteger]
    palette: NDArray[np.uint32]

    def rgba(self) -> NDArray[np.uint32]:
        """Return the colours, red in the lowest byte and alpha in the highest.

        Of 16-bit samples the high byte counts, as everywhere in Pillow. Raises MaskError for an index that the palette
        does not have.
        """
        if self.mode == "P":
            if self.values.size and (highest := int(self.values.max())) >= self.palette.size:
                raise MaskError("damaged", f"expected palette indexes below {self.palette.size}, found {highest}")
            return self.palette.take(self.values)
        wide = self.values.astype(np.uint32, copy=False)
        if self.mode == "RGBA":
            return wide
        grey, alpha = wide & BYTE, np.full_like(wide, BYTE)
        if self.mode == "RGB":
            return wide | alpha << ALPHA_SHIFT
        if self.mode == "LA":
            alpha = wide >> BYTE_BITS
        elif self.mode == "I;16":
            grey = wide >> BYTE_BITS
        return grey * GREY_TO_RGB | alpha << ALPHA_SHIFT

    def choose(self, which: NDArray[np.bool_]) -> Pixels:
        """Return some of the pixels."""
        return Pixels(self.mode, self.values[which], self.palette)

    def foreground(self) -> NDArray[np.bool_]:
        """Tell which pixels are not black, alpha left aside."""
        foreground: NDArray[np.bool_] = (self.values if self.mode == "I;16" else self.rgba() & RGB_BITS) != 0
        return foreground


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded PNG in Pillow's memory, read by rows as raw pixel values of one unsigned integer each."""

    image: PngImagePlugin.PngImageFile
    height: int
    width: int
    palette: NDArray[np.uint32]

    @property
    def pixel(self) -> np.dtype[np.unsignedinteger]:
        """The raw pixel's type: L, P and 1 take one byte, LA and I;16 two, RGB and RGBA four (red in the lowest)."""
        return np.dtype({"LA": "<u2", "I;16": "<u2", "RGB": "<u4", "RGBA": "<u4"}.get(self.image.mode, "u1"))

    def words(self, top: int, bottom: int) -> NDArray[np.unsignedinteger]:
        """Rows ``top`` to ``bottom`` (exclusive) as machine words, (rows, words a row); padding is zero."""
        raw_mode = {"1": "L", "RGB": "RGBX"}.get(self.image.mode, self.image.mode)
        row_bytes = self.width * self.pixel.itemsize
        word = 4 if self.pixel.itemsize == 4 and row_bytes % 8 else 8  # noqa: PLR2004 - bytes of a pixel and a word
        stride = -(-row_bytes // word) * word
        raw = self.image.crop((0, top, self.width, bottom)).tobytes("raw", raw_mode, stride, 1)
        return np.frombuffer(raw, dtype=f"<u{word}").reshape(bottom - top, -1)

    def pixels(self, values: NDArray[np.unsignedinteger]) -> Pixels:
        """Return raw values of this picture with what they stand for."""
        return Pixels(self.image.mode, values, self.palette)


def decode_pixels(png: Png) -> Picture:
    """Decode by Pillow: interlaced files, every colour type and every bit depth.

    ``inflate`` judges the stream first, so that no way to read a PNG accepts what another one refuses. Without
    ``Image.open``, whose limit on pixels is the process's and not ours. Raises MaskError.
    """
    inflate(png)
    header = struct.pack(">2I5B", png.width, png.height, png.bit_depth, png.colour_type, 0, 0, int(png.interlaced))
    chunks = ((b"IHDR", header), (b"IDAT", WINDOW_32K + png.data[2:]), (b"IEND", b""))
    file = SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    try:
        image = PngImagePlugin.PngImageFile(io.BytesIO(file))
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise MaskError("damaged", f"expected pixels in the PNG's data, found: {error}") from error
    return Picture(image, png.height, png.width, png.palette)
