"""What decoding an image takes of memory, by what its header declares.

The factors are what Pillow 13 took at most of its own process's peak, over pictures of 6 and 20 million pixels (smooth
ones, and noise), and are multiples of the pixels as it keeps them; a tenth is added. Beside the pixels it keeps a
pointer a row and two rows. What becomes a JPEG takes the decoded pixels, once more where they are turned, and twice
the widest ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from labelsnap.images.orientation import Size

_PIXEL: Final = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""Bytes that Pillow keeps of a pixel, by its mode; four in others."""
_WIDEST: Final = 4
_POINTER: Final = 8
_ROWS: Final = 2


class Factor(NamedTuple):
    """How many times its pixels an image takes to be decoded; and to be decoded, turned and encoded anew."""

    decode: float
    turn: float


FACTORS: Final = {
    "JPEG": Factor(3.5, 3.5),  # a progressive one keeps all coefficients
    "MPO": Factor(3.5, 3.5),
    "PNG": Factor(1.1, 2.25),
    "WEBP": Factor(4.5, 17.0),
    "TIFF": Factor(3.5, 3.5),  # a strip may be the whole picture, in 16 bits a sample
    "BMP": Factor(3.5, 3.5),
    "GIF": Factor(2.5, 2.5),
}
_UNKNOWN: Final = Factor(4.5, 17.0)


def decoded_bytes(
    image_format: str | None, mode: str, size: Size, *, turned: bool = False, converted: bool = False
) -> int:
    """Return the bytes that an image takes at most to be decoded, or to be turned or made a JPEG as well."""
    width, height = size
    pixel = _PIXEL.get(mode, _WIDEST)
    factor = FACTORS.get(image_format or "", _UNKNOWN)
    if converted:
        of_pixel = (factor.decode + turned) * pixel + 2 * _WIDEST
    else:
        of_pixel = (factor.turn if turned else factor.decode) * pixel
    return int(of_pixel * width * height) + (_POINTER + _ROWS * pixel) * (width + height)
