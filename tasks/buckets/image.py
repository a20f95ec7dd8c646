"""What an image must be to enter a snapshot: a known format, within the limits, upright, and of the declared size."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import get_sampling

if TYPE_CHECKING:
    from typing import IO

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
    """An upright image: its size in pixels, and what it really is."""

    width: int
    height: int
    mime_type: str


def check_image(file: IO[bytes]) -> None:
    """Raise ``ImageError`` for a file that does not begin like an image of a known format, and for a PNG not whole.

    PNG alone has checksums; nothing is decoded.
    """
    try:
        with Image.open(file, formats=FORMATS) as image:
            image.verify()
    except UnidentifiedImageError:
        raise ImageError("not_an_image", f"it is none of {', '.join(FORMATS)}") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError("image_damaged", f"its header cannot be read ({type(error).__name__})") from None


def upright(file: IO[bytes], *, max_pixels: int) -> Picture:
    """Look at an image's header; pixels are decoded only when EXIF says that they lie on their side.

    An image with an EXIF orientation other than 1 is transposed in its file and loses the tag, so that every reader
    sees one width and height; all others keep their bytes. Raises ``ImageError``.
    """
    check_image(file)
    with Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise ImageError("image_too_large", f"{image.width}×{image.height} pixels are more than {max_pixels}")
        try:
            lies = image.getexif().get(ORIENTATION, 1) in range(2, 9)
            turned = _turned(image) if lies else image
        except (OSError, SyntaxError, ValueError) as error:
            raise ImageError("image_damaged", f"its pixels cannot be read ({type(error).__name__})") from None
        if lies:
            options = {"quality": 95, "subsampling": get_sampling(image)} if image.format == "JPEG" else {}
            file.seek(0)
            file.truncate()
            turned.save(file, image.format or "PNG", **options)
        return Picture(turned.width, turned.height, Image.MIME[image.format or ""])


def check_declared(picture: Picture, media: MediaAttributes) -> None:
    """Raise ``ImageError`` when the export declares another size: its coordinates would not fit these pixels."""
    declared = (media.width, media.height)
    if None not in declared and declared != (picture.width, picture.height):
        raise ImageError(
            "image_size_mismatch",
            f"the export declares {media.width}×{media.height}, the image has {picture.width}×{picture.height} pixels",
        )


def _turned(image: Image.Image) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ImageOps.exif_transpose(image)
