"""Scene → picture and instance map. Both draw the same shapes, so a mask covers exactly what is seen."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from deploy.sandbox.scenes.scene import Scene, TimeOfDay, scene

if TYPE_CHECKING:
    from deploy.sandbox.scenes.things import Colour, Item, Shape

Instances = npt.NDArray[np.uint8]

Tint = tuple[float, float, float]

KEPT = 1 << 13
"""How many pictures, and how many masks, are kept as they are sent: about 55 kB and 7 kB each."""

_SUPERSAMPLE = 2
_STEP = 8
_SKY: dict[TimeOfDay, tuple[Colour, Colour]] = {
    "day": ((92, 148, 208), (206, 226, 240)),
    "dusk": ((70, 66, 118), (250, 166, 108)),
    "night": ((8, 12, 30), (38, 46, 78)),
}
_TINT: dict[TimeOfDay, Tint] = {
    "day": (1.0, 1.0, 1.0),
    "dusk": (0.82, 0.66, 0.64),
    "night": (0.26, 0.29, 0.42),
}


@lru_cache(maxsize=16)
def instance_map(seed: int, index: int) -> Instances:
    """The scene's instance numbers, H × W: at each pixel the object seen there, 0 for anything else."""
    street = scene(seed, index)
    canvas = Image.new("L", (street.view.width, street.view.height), 0)
    draw = ImageDraw.Draw(canvas)
    for item in street.items:
        if item.kind not in {"building", "road", "backdrop"}:
            for shape in item.shapes:
                _paint(draw, shape, item.number, 1)
    pixels = np.asarray(canvas)
    pixels.setflags(write=False)
    return pixels


@lru_cache(maxsize=KEPT)
def picture(seed: int, index: int, image_format: str, replaced: int = 0) -> bytes:
    """The scene as an encoded picture; ``image_format`` is Pillow's name, ``JPEG`` or ``PNG``.

    The pixels of one that was ``replaced`` lie so many times eight pixels to the right.
    """
    street = scene(seed, index)
    tint = _TINT[street.time]
    canvas = _sky(street)
    draw = ImageDraw.Draw(canvas)
    for item in street.items:
        for shape in item.shapes:
            _paint(draw, shape, shape.fill if shape.lit else _tinted(shape.fill, tint), _SUPERSAMPLE)
    image = _weathered(_glowing(canvas.reduce(_SUPERSAMPLE), street, instance_map(seed, index)), street)
    image = ImageChops.offset(image, replaced * _STEP, 0)
    output = io.BytesIO()
    if image_format == "PNG":
        image.save(output, "PNG", compress_level=1)
    else:
        image.save(output, "JPEG", quality=84)
    return output.getvalue()


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An 8-bit PNG, grey for H × W and RGB for H × W × 3."""
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, "PNG", compress_level=1)
    return output.getvalue()


def _paint(draw: ImageDraw.ImageDraw, shape: Shape, fill: Colour | int, scale: int) -> None:
    points = [(x * scale, y * scale) for x, y in shape.points]
    if shape.ellipse:
        draw.ellipse(points, fill=fill)
    else:
        draw.polygon(points, fill=fill)


def _tinted(colour: Colour, tint: Tint) -> Colour:
    red, green, blue = (round(channel * factor) for channel, factor in zip(colour, tint, strict=True))
    return red, green, blue


def _sky(street: Scene) -> Image.Image:
    """A vertical gradient with the sun or the moon, clouds by day and stars by night."""
    size = street.view.width * _SUPERSAMPLE, street.view.height * _SUPERSAMPLE
    top, bottom = _SKY[street.time]
    gradient = Image.linear_gradient("L").resize((size[0], round(street.view.horizon) * _SUPERSAMPLE))
    sky = Image.composite(Image.new("RGB", gradient.size, bottom), Image.new("RGB", gradient.size, top), gradient)
    draw = ImageDraw.Draw(sky)
    disc_x, disc_y = (
        size[0] * (street.noise % 89 + 5) / 100,
        gradient.size[1] * (0.72 if street.time == "dusk" else 0.24),
    )
    if street.time == "night":
        for number in range(90):
            x, y = street.noise * (number + 3) * 7 % size[0], street.noise * (number + 7) * 3 % gradient.size[1]
            draw.ellipse((x, y, x + 2, y + 2), fill=(206, 212, 230))
    radius = size[1] * 0.035
    draw.ellipse(
        (disc_x - radius, disc_y - radius, disc_x + radius, disc_y + radius),
        fill=(236, 236, 222) if street.time == "night" else (255, 244, 206),
    )
    if "cloudy" in street.weather:
        sky.paste(
            _tinted((250, 250, 252), (0.9, 0.9, 0.92) if street.time == "day" else _TINT[street.time]),
            mask=_clouds(gradient.size, street.noise),
        )
    canvas = Image.new("RGB", size, bottom)
    canvas.paste(sky)
    return canvas


def _clouds(size: tuple[int, int], noise: int) -> Image.Image:
    small = Image.new("L", (size[0] // 8, size[1] // 8), 0)
    draw = ImageDraw.Draw(small)
    for number in range(26):
        x = (noise * (number // 5 + 1) * 13 + number * 7) % small.width
        y = (noise * (number // 5 + 2) * 5 + number * 3) % max(1, small.height * 2 // 3)
        draw.ellipse((x - 12, y - 3, x + 12, y + 4), fill=190)
    return small.filter(ImageFilter.GaussianBlur(2)).resize(size)


def _glowing(image: Image.Image, street: Scene, seen: Instances) -> Image.Image:
    """Light around the lamps that nothing hides, drawn small, blurred and screened over the picture."""
    if street.time == "day":
        return image
    halo = Image.new("RGB", (street.view.width // 4, street.view.height // 4))
    draw = ImageDraw.Draw(halo)
    lamps: list[tuple[Item, Shape]] = [(item, shape) for item in street.items for shape in item.shapes if shape.glow]
    for item, shape in lamps:
        (left, top), (right, bottom) = shape.points
        column, row = min(street.view.width - 1, max(0, round((left + right) / 2))), round((top + bottom) / 2)
        if seen[row, column] == item.number:
            x, y, radius = (left + right) / 8, (top + bottom) / 8, shape.glow / 4
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_tinted(shape.fill, (0.62, 0.62, 0.62)))
    return ImageChops.screen(image, halo.filter(ImageFilter.GaussianBlur(2.2)).resize(image.size))


def _weathered(image: Image.Image, street: Scene) -> Image.Image:
    """Fog, rain, and the camera's grain."""
    if "fog" in street.weather:
        grey = _tinted((214, 220, 226), _TINT[street.time])
        image = Image.blend(image, Image.new("RGB", image.size, grey), 0.34)
    if "rain" in street.weather:
        draw = ImageDraw.Draw(image)
        for number in range(170):
            x, y = street.noise * (number + 1) * 11 % image.width, street.noise * (number + 5) * 17 % image.height
            draw.line(
                (x, y, x - 2, y + 9),
                fill=_tinted((206, 214, 226), _TINT[street.time]),
            )
    return ImageChops.soft_light(image, _grain().crop((0, 0, *image.size)))


@lru_cache(maxsize=1)
def _grain() -> Image.Image:
    grain = np.random.default_rng(0).normal(128, 11, (400, 640)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(grain).convert("RGB")
