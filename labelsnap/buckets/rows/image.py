"""What an image must be to enter a snapshot: a known format, whole, within the limits, and of the declared size.

It leaves as every reader shall see it: no orientation stands in it, and where that is asked for it is a JPEG.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import get_sampling
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION, TiffImageFile

from labelsnap.buckets.boundary import check_rows
from labelsnap.images.containers import container_of
from labelsnap.images.cost import decoded_bytes
from labelsnap.images.exif import ORIENTATION
from labelsnap.images.files import UNREADABLE
from labelsnap.images.orientation import placed, take_out, turned_size
from labelsnap.images.webp import is_lossless
from labelsnap.memory import MEMORY, BeyondBudgetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any

    from labelsnap.images.containers import Container
    from labelsnap.images.orientation import Declared, Rule, Size
    from labelsnap.memory import Budget
    from labelsnap.records.model import MediaAttributes

Image.MAX_IMAGE_PIXELS = None  # the limit is the caller's, and is checked on the header before anything is decoded
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")  # of damaged metadata, which is taken out here

FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_TRANSPOSED: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What an orientation asks of a reader (EXIF 2.3, 4.6.4)."""
_QUALITY: Final = 95
_BYTE: Final = 8
JPEG: Final = "image/jpeg"
_LONGEST_SIDE: Final = 65_500
"""What libjpeg writes at most."""
_WHITE_IS_ZERO: Final = 0
_DEEP: Final = "I;16"
_GREY: Final = frozenset({"1", "L", "LA"})
_COLOURS: Final = frozenset({"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})


class ImageError(ValueError):
    """The bytes are no image that a dataset may hold. ``code`` is a problem's code."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it is published: its size in pixels, what it really is, and whether its pixels were turned.

    ``orientation`` (1 to 8) is the one that readers saw in the file as it came, and ``converted_from`` its type, where
    it was made a JPEG of another one.
    """

    width: int
    height: int
    mime_type: str
    orientation: int
    turned: bool
    converted_from: str | None = None


def check_image(file: IO[bytes], *, max_pixels: int, memory: Budget = MEMORY) -> None:
    """Raise ``ImageError`` for a file that is no image of a known format, or not whole to its end.

    Pixels are decoded where the container does not tell, if they are no more than ``max_pixels``; what is read is
    claimed of ``memory``. What is larger, or what no reader would read although it is whole, passes: ``publishable``
    refuses it.
    """
    container = container_of(file)
    if container is None:
        raise ImageError("not_an_image", f"it is none of {', '.join(FORMATS)}")
    with suppress(BeyondBudgetError):
        _check(file, container, max_pixels, memory)


def _check(file: IO[bytes], container: Container, max_pixels: int, memory: Budget) -> None:
    with _reading("its header"):
        whole = container.is_whole(file)
        if whole and container.unsupported(file):
            return
        held = container.held(file)
        with memory.claim(held), Image.open(file, formats=FORMATS) as image:
            pixels = image.width * image.height
            needed = held + _needed(file, container, image)
            image.verify()
        untold = _is_untold(file, container, whole)
    if untold and pixels <= max_pixels:
        with _reading("its pixels"), memory.claim(needed), Image.open(file, formats=FORMATS) as image:
            image.load()
    if whole is False:
        raise ImageError("image_damaged", "it ends before its image does")


def _is_untold(file: IO[bytes], container: Container, whole: bool | None) -> bool:
    """Tell whether only decoding shows that an image is sound."""
    return whole is None or container.is_compressed(file)


def _needed(
    file: IO[bytes], container: Container, image: Image.Image, *, turned: bool = False, converted: bool = False
) -> int:
    """Return the bytes that decoding an image takes, or making another of it, beside what is held of its header."""
    of_pixels = decoded_bytes(image.format, image.mode, image.size, turned=turned, converted=converted)
    return container.at_once(file) + of_pixels


@contextmanager
def _named() -> Iterator[None]:
    """Refuse what is too large for the whole budget under the code of what is too large."""
    try:
        yield
    except BeyondBudgetError as error:
        raise ImageError("image_too_large", str(error)) from None


@_named()
def publishable(
    file: IO[bytes],
    *,
    rule: Rule,
    media: MediaAttributes,
    max_pixels: int,
    as_jpeg: bool = False,
    memory: Budget = MEMORY,
    was: int | None = None,
) -> Picture:
    """Make an image, which ``check_image`` has let pass, what is published, in its file.

    ``was`` is the orientation (1 to 8) that was taken out of it before; None: it still has its own.

    The orientation is taken out of it, and the pixels keep their bytes; they are decoded, turned and encoded anew only
    where ``placed`` says so, or where ``as_jpeg`` asks for a JPEG and it is none. What is read is claimed of
    ``memory``. Raises ``ImageError``.
    """
    container = container_of(file)
    if container is None:
        raise ImageError("not_an_image", f"it is none of {', '.join(FORMATS)}")
    converts = as_jpeg and container.mime_type != JPEG
    with _reading("its metadata"):
        if reason := container.unsupported(file):
            raise ImageError("image_unsupported", reason)
        held = container.held(file)
        with memory.claim(held):
            found = take_out(file, container)
            orientation = found if was is None else was
    with _reading("its header"), memory.claim(held), Image.open(file, formats=FORMATS) as image:
        stored = image.size
        if image.width * image.height > max_pixels:
            raise ImageError("image_too_large", f"{image.width}×{image.height} pixels are more than {max_pixels}")
        if image.format != "PNG" and image.getexif().get(ORIENTATION, 1) in _TRANSPOSED:  # PNG would be decoded
            raise ImageError("image_damaged", "its orientation cannot be taken out")
        unchecked = held + _needed(file, container, image)
        to_make = {
            turned: held + _needed(file, container, image, turned=turned, converted=converts)
            for turned in (False, True)
        }
    if unchecked > memory.size and _is_untold(file, container, container.is_whole(file)):
        raise BeyondBudgetError(unchecked, memory.size)
    declared = declared_size(media)
    place = placed(rule, orientation, stored, declared)
    if place == "mismatch":
        raise _mismatch(stored, orientation, declared)
    turned = place == "turned"
    if turned or converts:
        with _reading("its pixels"), memory.claim(to_make[turned]):
            _make_anew(file, container, orientation if turned else None, converts=converts)
    size = turned_size(stored, orientation) if turned else stored
    if converts:
        return Picture(*size, JPEG, orientation, turned, container.mime_type)
    return Picture(*size, container.mime_type, orientation, turned)


def declared_size(media: MediaAttributes) -> Declared:
    """Return what the export declares of the size, in pixels."""
    return media.width, media.height


def size_text(size: Declared) -> str:
    """Write a size for people, with a question mark for a side that is not declared."""
    return "×".join("?" if side is None else str(side) for side in size)


def _mismatch(stored: Size, orientation: int, declared: Declared) -> ImageError:
    told = size_text(declared)
    found = "{}×{} pixels".format(*stored)
    side = f" (EXIF orientation {orientation})" if orientation in _TRANSPOSED else ""
    return ImageError("image_size_mismatch", f"the export declares {told}, the image has {found}{side}")


def _make_anew(file: IO[bytes], container: Container, orientation: int | None, *, converts: bool) -> None:
    """Turn the pixels of an image that has no orientation any more, and encode them in its format, or as a JPEG.

    ``orientation`` is how they are turned; None: not at all. Raises ``ImageError`` where Pillow would cut its samples,
    and what Pillow raises.
    """
    with Image.open(file, formats=FORMATS) as image:
        written = "JPEG" if converts or image.format == "MPO" else image.format or "PNG"
        if not converts and (bits := container.bits(file)) > _BYTE and not image.mode.startswith(_DEEP):
            reason = f"it must be turned, and its {bits} bits a sample cannot be kept by that: turn it at its source"
            raise ImageError("image_unsupported", reason)
        options: dict[str, Any] = {}
        if written == "JPEG":
            options = {"quality": _QUALITY, "subsampling": 0 if converts else get_sampling(image)}
        elif written == "WEBP":
            options = {"lossless": True, "exact": True} if is_lossless(file) else {"quality": _QUALITY}
        is_of_profile = not converts or image.mode != "CMYK"
        options["icc_profile"] = image.info.get("icc_profile") if is_of_profile else None
        if not converts and _counts_from_white(image):
            options["tiffinfo"] = {PHOTOMETRIC_INTERPRETATION: _WHITE_IS_ZERO}
        made = _pixels_of_jpeg(image) if converts else image
        if orientation is not None:
            made = made.transpose(_TRANSPOSED[orientation])
        file.seek(0)
        file.truncate()
        made.save(file, written, **options)


def _counts_from_white(image: Image.Image) -> bool:
    """Tell whether an image's greatest sample is black (TIFF 6.0, section 4) and Pillow has left that as it is.

    It does so where samples have 16 bits, and makes others count from black.
    """
    if not isinstance(image, TiffImageFile) or not image.mode.startswith(_DEEP):
        return False
    return bool(image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO)


def _pixels_of_jpeg(image: Image.Image) -> Image.Image:
    """Return the first picture's pixels as readers of three colours show them: grey or RGB, of 8 bits.

    Transparency is left out, as Pillow's ``convert("RGB")`` and OpenCV leave it out; of 16 bits the 8 highest stay.
    Raises ``ImageError`` for pixels of other kinds, and for sides that no JPEG has.
    """
    if max(image.size) > _LONGEST_SIDE:
        reason = f"a JPEG has {_LONGEST_SIDE} pixels a side at most, it has {image.width}×{image.height}"
        raise ImageError("image_unsupported", reason)
    if image.mode.startswith(_DEEP):
        samples = (np.asarray(image) >> _BYTE).astype(np.uint8)
        return Image.fromarray(~samples if _counts_from_white(image) else samples)
    if image.mode not in _GREY | _COLOURS:
        raise ImageError("image_unsupported", f"no JPEG can be made of pixels of the kind {image.mode}")
    made = image.convert("L" if image.mode in _GREY else "RGB")
    made.info.clear()
    return made


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Tell what cannot be read of an image, whatever was raised about it."""
    try:
        yield
    except (ImageError, BeyondBudgetError):
        raise
    except MemoryError:
        raise ImageError("image_too_large", f"{what} need more memory than there is") from None
    except UnidentifiedImageError:
        raise ImageError("image_damaged", f"{what} cannot be read") from None
    except UNREADABLE as error:
        check_rows(error)
        raise ImageError("image_damaged", f"{what} cannot be read ({type(error).__name__})") from None
