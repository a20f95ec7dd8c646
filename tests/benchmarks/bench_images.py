"""What it costs to look at an image that came down: is it whole, which way up is it? Run from the root.

Beside it stands what Pillow takes for the header, which it always took, and to decode the image, which this spares.
"""

from __future__ import annotations

import io
import statistics
import time
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from labelsnap.buckets.rows.image import FORMATS, check_image
from labelsnap.images.containers import container_of
from labelsnap.images.orientation import take_out

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE: Final = (4000, 3000)
ROUNDS: Final = 5
ENCODED: Final = {
    "jpeg": ("JPEG", {"quality": 90}),
    "progressive": ("JPEG", {"quality": 90, "progressive": True}),
    "png": ("PNG", {"compress_level": 1}),
    "webp": ("WEBP", {"quality": 80, "method": 0}),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "bmp": ("BMP", {}),
    "gif": ("GIF", {}),
}


def photograph(size: tuple[int, int] = SIZE, seed: int = 0) -> Image.Image:
    """A smooth picture with noise, which compresses about as a photograph does; ``size`` is its width and height."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (size[1] // 50, size[0] // 50, 3), np.uint8))
    smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    return Image.fromarray(np.clip(smooth + random.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8))


def seconds(work: Callable[[io.BytesIO], object], body: bytes) -> float:
    """The median of some rounds, each on a file of its own."""
    taken = []
    for _ in range(ROUNDS):
        file = io.BytesIO(body)
        begin = time.perf_counter()
        work(file)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def header(file: io.BytesIO) -> None:
    """Open and verify: of PNG all checksums."""
    with Image.open(file, formats=FORMATS) as image:
        image.verify()


def decode(file: io.BytesIO) -> None:
    """Decode every pixel."""
    with Image.open(file, formats=FORMATS) as image:
        image.load()


def orient(file: io.BytesIO) -> None:
    """Take an orientation out."""
    container = container_of(file)
    assert container
    take_out(file, container)


def main() -> dict[str, str]:
    """Milliseconds an image of 12 megapixels, by kind of file."""
    figures = {}
    picture = photograph()
    for name, (image_format, options) in ENCODED.items():
        target = io.BytesIO()
        exif = {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"}
        picture.save(target, image_format, **options, **(exif if image_format in {"JPEG", "PNG", "WEBP"} else {}))
        body = target.getvalue()
        works = {"header": header, "checked": lambda file: check_image(file, max_pixels=1), "oriented": orient}
        told = [f"{what} {seconds(work, body) * 1000:.2f} ms" for what, work in (works | {"decoded": decode}).items()]
        figures[f"{name}, {len(body) / 1e6:.1f} MB"] = ", ".join(told)
    return figures


if __name__ == "__main__":
    for figure, value in main().items():
        print(f"{figure:<24} {value}")  # noqa: T201 - a benchmark's result
