"""Raw pixel values and the colours they stand for; and a PNG's pixels as Pillow decodes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import deflate
import numpy as np
from PIL import Image

from labelsnap.masks.decoding.inflate import inflate
from labelsnap.masks.errors import MaskError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelsnap.masks.decoding.png import Png

DECODED = {  # Pillow's modes of the picture and of the file's rows, by colour type and bit depth
    (0, 1): ("P", "P;1"),
    (0, 2): ("L", "L;2"),
    (0, 4): ("L", "L;4"),
    (0, 8): ("L", "L"),
    (0, 16): ("I;16", "I;16B"),
    (2, 8): ("RGBX", "RGB"),
    (2, 16): ("RGBX", "RGB;16B"),
    (3, 1): ("P", "P;1"),
    (3, 2): ("P", "P;2"),
    (3, 4): ("P", "P;4"),
    (3, 8): ("P", "P"),
    (4, 8): ("RGBA", "LA"),
    (4, 16): ("RGBA", "LA;16B"),
    (6, 8): ("RGBA", "RGBA"),
    (6, 16): ("RGBA", "RGBA;16B"),
}
PIXELS: dict[str, type[np.unsignedinteger]] = {
    "L": np.uint8,
    "P": np.uint8,
    "I;16": np.uint16,
    "RGBX": np.uint32,
    "RGBA": np.uint32,
}
WORD = 8
RGB_BITS, ALPHA_SHIFT = np.uint32(0xFFFFFF), np.uint32(24)
BYTE, BYTE_BITS, GREY_TO_RGB = np.uint32(0xFF), np.uint32(8), np.uint32(0x010101)
BLACK_AND_WHITE = np.array([0xFF000000, 0xFFFFFFFF], np.uint32)
STORED = 0  # the level of compression that copies


@dataclass(frozen=True, slots=True)
class Pixels:
    """Raw values of pixels, the first byte lowest, in a mode of Pillow; ``palette`` has the colours of mode P."""

    mode: str
    values: NDArray[np.unsignedinteger]
    palette: NDArray[np.uint32]

    def choose(self, which: NDArray[np.bool_]) -> Pixels:
        """Return some of the pixels."""
        return Pixels(self.mode, self.values[which], self.palette)

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
        grey, alpha = wide & BYTE, BYTE
        if self.mode == "RGBX":
            return wide | alpha << ALPHA_SHIFT
        if self.mode == "LA":
            return grey * GREY_TO_RGB | wide >> BYTE_BITS << ALPHA_SHIFT
        if self.mode == "I;16":
            grey = wide >> BYTE_BITS
        return grey * GREY_TO_RGB | alpha << ALPHA_SHIFT

    def foreground(self) -> NDArray[np.bool_]:
        """Tell which pixels are not black, alpha left aside."""
        foreground: NDArray[np.bool_] = (self.values if self.mode == "I;16" else self.rgba() & RGB_BITS) != 0
        return foreground


def decode_pixels(png: Png) -> Pixels:
    """Un-filter by Pillow: interlaced files, every colour type and every bit depth.

    The values are (height, columns); columns right of the picture, which are zero, make each row whole 64-bit words.
    Pillow writes to this array itself. It gets the inflated rows, stored as they are: its own inflating takes longer
    than all the rest, and accepts streams that ``inflate`` refuses. Raises MaskError.
    """
    stored = deflate.zlib_compress(inflate(png), STORED)
    mode, raw_mode = DECODED[png.colour_type, png.bit_depth]
    pixel = np.dtype(PIXELS[mode])
    row_bytes = -(-png.width * pixel.itemsize // WORD) * WORD
    values = np.empty((png.height, row_bytes // pixel.itemsize), pixel)
    values[:, png.width :] = 0
    image = Image.frombuffer(mode, (png.width, png.height), values, "raw", mode, row_bytes, 1)
    image.frombytes(stored, "zip", raw_mode, int(png.interlaced))
    return Pixels(mode, values, png.palette if png.palette.size else BLACK_AND_WHITE)
