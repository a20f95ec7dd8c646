"""The kinds of image files that a dataset may hold, told apart by their first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.images import bmp, gif, jpeg, png, tiff, webp
from labelsnap.images.files import Found, read_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

_LONGEST: Final = 16


class Container(NamedTuple):
    """One kind of file.

    ``is_whole`` tells whether a file has its end; None where only decoding tells. ``orientation`` is what readers see.
    ``is_compressed``: whether readers fail over damage inside that lengths and checksums do not tell. ``bits`` are
    those of a sample. ``unsupported`` says what common readers cannot read of a file that is whole, if anything.
    ``held`` are the bytes of memory that readers take for the header, and to check the file, at most; ``at_once`` those
    of a part of the pixels that is decoded at once, where that may be more than the pixels. All raise
    ``ImageDamagedError``.
    """

    mime_type: str
    is_whole: Callable[[IO[bytes]], bool | None]
    orientation: Callable[[IO[bytes]], Found]
    is_compressed: Callable[[IO[bytes]], bool] = lambda _: False
    bits: Callable[[IO[bytes]], int] = lambda _: 8
    unsupported: Callable[[IO[bytes]], str | None] = lambda _: None
    held: Callable[[IO[bytes]], int] = lambda _: 0
    at_once: Callable[[IO[bytes]], int] = lambda _: 0


def _never_turned(_file: IO[bytes]) -> Found:
    return Found()


_JPEG: Final = Container("image/jpeg", jpeg.is_whole, jpeg.orientation, held=jpeg.held)
_PNG: Final = Container("image/png", png.is_whole, png.orientation, bits=png.bits, held=png.held)
_WEBP: Final = Container("image/webp", webp.is_whole, webp.orientation, held=webp.held)
_TIFF: Final = Container(
    "image/tiff",
    tiff.is_whole,
    tiff.orientation,
    tiff.is_compressed,
    tiff.bits,
    tiff.unsupported,
    tiff.held,
    tiff.at_once,
)
_BMP: Final = Container("image/bmp", bmp.is_whole, _never_turned)
_GIF: Final = Container("image/gif", gif.is_whole, _never_turned, is_compressed=lambda _: True)
_BEGINNINGS: Final = {
    b"\xff\xd8\xff": _JPEG,
    b"\x89PNG\r\n\x1a\n": _PNG,
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+"), _TIFF),
    b"BM": _BMP,
    b"GIF87a": _GIF,
    b"GIF89a": _GIF,
}
NEVER_TURNED: Final = frozenset(each.mime_type for each in (_BMP, _GIF))
"""Types in which no reader looks for an orientation."""


def container_of(file: IO[bytes]) -> Container | None:
    """Return what kind of file it is by its first bytes; None for none of these."""
    head = read_at(file, 0, _LONGEST)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _WEBP
    return next((container for start, container in _BEGINNINGS.items() if head.startswith(start)), None)
