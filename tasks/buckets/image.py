"""What an image must be to enter a snapshot: a known format, within the limits, upright, and of the declared size."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import get_sampling

if TYPE_CHECKING:
    from tasks.records.model import MediaAttributes

Image.MAX_IMAGE_PIXELS = None  # the limit is the caller's, and is checked on the header before anything is decoded

FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
ORIENTATION: Final = 0x0112
"""The EXIF tag."""


class ImageError(ValueError):
    """The bytes are no image that a dataset may hold. ``code`` is a problem's code."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Picture:
    """An upright image: its bytes as they are stored, size in pixels, and what it really is."""

    body: bytes
    width: int
    height: int
    mime_type: str


def check_image(body: bytes) -> None:
    """Raise ``ImageError`` for bytes that do not begin like an image of a known format, or are a PNG that is not whole.

    PNG alone has checksums; nothing is decoded.
    """
    try:
        with Image.open(io.BytesIO(body), formats=FORMATS) as image:
            image.verify()
    except UnidentifiedImageError:
        raise ImageError("not_an_image", f"it is none of {', '.join(FORMATS)}") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError("image_damaged", f"its header cannot be read ({type(error).__name__})") from None


def upright(body: bytes, *, max_pixels: int) -> Picture:
    """Look at an image's header; pixels are decoded only when EXIF says that they lie on their side.

    An image with an EXIF orientation other than 1 is transposed and loses the tag, so that every reader sees one width
    and height; all others keep their bytes. Raises ``ImageError``.
    """
    check_image(body)
    with Image.open(io.BytesIO(body), formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise ImageError("image_too_large", f"{image.width}×{image.height} pixels are more than {max_pixels}")
        try:
            if image.getexif().get(ORIENTATION, 1) in range(2, 9):
                return _transposed(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise ImageError("image_damaged", f"its pixels cannot be read ({type(error).__name__})") from None
        return Picture(body, image.width, image.height, _mime_type(image))


def check_declared(picture: Picture, media: MediaAttributes) -> None:
    """Raise ``ImageError`` when the export declares another size: its coordinates would not fit these pixels."""
    declared = (media.width, media.height)
    if None not in declared and declared != (picture.width, picture.height):
        raise ImageError(
            "image_size_mismatch",
            f"the export declares {media.width}×{media.height}, the image has {picture.width}×{picture.height} pixels",
        )


def _transposed(image: Image.Image) -> Picture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        turned = ImageOps.exif_transpose(image)
    target = io.BytesIO()
    options = {"quality": 95, "subsampling": get_sampling(image)} if image.format == "JPEG" else {}
    turned.save(target, image.format or "PNG", **options)
    return Picture(target.getvalue(), turned.width, turned.height, _mime_type(image))


def _mime_type(image: Image.Image) -> str:
    return Image.MIME[image.format or ""]
