"""Pictures and masks of odd rows: a scene with a square of one colour near its upper left corner, saved oddly."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw

from deploy.sandbox.scenes.drawing import encode_png, picture

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from deploy.sandbox.scenes.things import Colour

SQUARE: Final = (8, 8, 48, 48)
"""Left, top, width and height of the square, in the pixels as they are stored."""
COLOUR: Final = (230, 20, 200)
ORIENTATION: Final = 0x0112
"""The EXIF tag."""
ENDINGS: Final = {"jpeg": "jpg", "png": "png", "webp": "webp", "tiff": "tif"}
_MASK: Final = "oddmask"
_COMPOSITE: Final = "oddcomposite"
SHAPES: Final = {
    "square": SQUARE,
    "empty": (0, 0, 0, 0),
    "under": (10, 10, 50, 50),
    "beneath": (50, 20, 20, 20),
    "over": (40, 10, 50, 50),
    "absent": (10, 100, 50, 50),
    "beside": (40, 100, 50, 50),
}
"""Left, top, width and height of what each odd mask shows."""
LAYERS: Final = {"overlapping_masks": ("under", "beneath", "over"), "missing_mask": ("beside",)}
"""What the composites of odd rows show, the lowest first: ``over`` hides ``beneath``, and ``absent`` is in none."""
COLOURS: Final = {name: (40 * place + 15, 200, 7) for place, name in enumerate(SHAPES)}
"""The colour of each odd mask in a composite."""


@lru_cache(maxsize=64)
def odd_picture(seed: int, index: int, name: str) -> bytes | None:
    """The scene as the file ``name`` has it, or None where no odd picture has that name."""
    save = _SAVED.get(name)
    return save and save(_scene(seed, index))


def mask_feature(what: str, width: int, height: int, number: int) -> str:
    """A feature id under which ``odd_mask`` finds a mask: ``what`` is one of ``SHAPES``."""
    return f"{_MASK}-{what}-{width}-{height}-{number}"


def composite_of(what: str, width: int, height: int, number: int) -> str:
    """A composite's id under which ``odd_composite`` finds one: ``what`` is one of ``LAYERS``."""
    return f"{_COMPOSITE}-{what}-{width}-{height}-{number}"


def odd_mask(feature: str) -> bytes | None:
    """The mask PNG of a feature id of ``mask_feature``: the shape whole, in white on grey; None for any other."""
    kind, *parts = feature.split("-")
    if kind != _MASK:
        return None
    what, width, height, _ = parts
    pixels = np.zeros((int(height), int(width)), np.uint8)
    _fill(pixels, what, 255)
    return encode_png(pixels)


def odd_composite(composite: str) -> bytes | None:
    """The composite PNG of an id of ``composite_of``: each shape over those before it; None for any other."""
    kind, *parts = composite.split("-")
    if kind != _COMPOSITE:
        return None
    what, width, height, _ = parts
    pixels = np.zeros((int(height), int(width), 3), np.uint8)
    for name in LAYERS[what]:
        _fill(pixels, name, COLOURS[name])
    return encode_png(pixels)


def _fill(pixels: npt.NDArray[np.uint8], name: str, value: int | Colour) -> None:
    left, top, across, down = SHAPES[name]
    pixels[top : top + down, left : left + across] = value


def _scene(seed: int, index: int) -> Image.Image:
    image = Image.open(io.BytesIO(picture(seed, index, "PNG"))).convert("RGB")
    left, top, width, height = SQUARE
    ImageDraw.Draw(image).rectangle((left, top, left + width - 1, top + height - 1), fill=COLOUR)
    return image


def _oriented(container: str, orientation: int) -> Callable[[Image.Image], bytes]:
    """Saves with an EXIF orientation; the pixels stay as they are."""

    def saved(image: Image.Image) -> bytes:
        exif, output = Image.Exif(), io.BytesIO()
        exif[ORIENTATION] = orientation
        image.save(output, container.upper(), exif=exif, **({"quality": 84} if container == "jpeg" else {}))
        return output.getvalue()

    return saved


def _multi_picture(image: Image.Image) -> bytes:
    """What phones and stereo cameras write: a JPEG with a second, smaller picture behind it."""
    output = io.BytesIO()
    image.save(output, "MPO", save_all=True, append_images=[image.reduce(4)], quality=84)
    return output.getvalue()


def _cut(image: Image.Image) -> bytes:
    """The first two thirds of a JPEG."""
    whole = _oriented("jpeg", 1)(image)
    return whole[: len(whole) * 2 // 3]


_SAVED: Final[dict[str, Callable[[Image.Image], bytes]]] = {
    "multi_picture.jpg": _multi_picture,
    "cut.jpg": _cut,
    **{
        f"orientation_{orientation}.{ending}": _oriented(container, orientation)
        for container, ending in ENDINGS.items()
        for orientation in range(1, 9)
    },
}
