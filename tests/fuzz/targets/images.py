"""Images of every container, with an orientation in each place where one may stand, on their way into a snapshot."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

from labelsnap.buckets.rows.image import ImageError, check_image, publishable
from labelsnap.records.model import MediaAttributes
from tests.fuzz.mutation import bytes_mutator
from tests.fuzz.target import MEBIBYTE, Target
from tests.images.image_samples import PLACES, encoded, oriented, pixels
from tests.masks.png_damage import rechecked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from random import Random

    from tests.fuzz.target import Run

MAX_PIXELS = 1_000_000
RULES = ("declared", "stored", "upright")
DECLARED = (MediaAttributes(), MediaAttributes(width=48, height=32), MediaAttributes(width=32, height=48))
TOKENS = (
    b"Exif\0\0",
    b"II*\0",
    b"MM\0*",
    b"\x01\x12\x00\x03\x00\x00\x00\x01",
    b"\x12\x01\x03\x00\x01\x00\x00\x00",
    b"\xff\xe1",
    b"\xff\xda",
    b"\xff\xd9",
    b"\xff\xc2",
    b"eXIf",
    b"IDAT",
    b"IEND",
    b"zTXt",
    b"iTXt",
    b"RIFF",
    b"VP8X",
    b"EXIF",
    b"XMP ",
    b"ANMF",
    b"MPF\0",
    b"8BIM",
    b'tiff:Orientation="6"',
)


def seeds() -> dict[str, bytes]:
    """Draw the pictures."""
    places = {place: oriented(place, 6) for place in PLACES}
    modes = {f"png {mode}": encoded("PNG", _picture(mode)) for mode in ("1", "L", "P", "LA", "RGBA", "I;16")}
    modes |= {f"tiff {mode}": encoded("TIFF", _picture(mode)) for mode in ("1", "L", "P", "RGBA", "CMYK", "F")}
    compressed = {
        f"tiff {name}": encoded("TIFF", compression=name) for name in ("tiff_lzw", "packbits", "jpeg", "group4")[:3]
    }
    others = {
        "jpeg progressive": encoded("JPEG", progressive=True),
        "jpeg cmyk": encoded("JPEG", _picture("CMYK")),
        "gif": encoded("GIF"),
        "gif moving": encoded("GIF", save_all=True, append_images=[_picture("L")]),
        "webp moving": encoded("WEBP", save_all=True, append_images=[_picture("RGB").transpose(1)]),
        "bmp": encoded("BMP"),
        "mpo": encoded("MPO", save_all=True, append_images=[_picture("L").convert("RGB")]),
    }
    return places | modes | compressed | others


def _picture(mode: str):
    from PIL import Image  # noqa: PLC0415 - numpy's arrays do for the others

    picture = Image.fromarray(pixels())
    return picture.convert("L").convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)


def mutate(generator: Random, body: bytes, others: Sequence[bytes]) -> bytes:
    """Damage a file's bytes; half of the PNGs get right checksums again."""
    damaged = bytes_mutator(TOKENS)(generator, body, others)
    return rechecked(damaged) if generator.random() < 0.5 else damaged


def prepare(_: Path) -> Run:
    """Check an image and make it what is published, by a rule and a declared size that its bytes choose."""

    def run(_label: str, body: bytes) -> str:
        file = io.BytesIO(body)
        choice = zlib.crc32(body)
        try:
            check_image(file, max_pixels=MAX_PIXELS)
            publishable(file, rule=RULES[choice % 3], media=DECLARED[choice // 3 % 3], max_pixels=MAX_PIXELS)
        except ImageError as error:
            return error.code
        return "published"

    return run


TARGET = Target("images", seeds, prepare, mutate, budget=128 * MEBIBYTE, share=8)
