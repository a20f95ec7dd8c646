"""What the comparison's pictures show: drawn once, kept in a folder, the same everywhere.

A scene has 8 to 30 things, of one to three parts each, some with holes, none on another: so a composite and the
instances' own masks say the same. Rows share scenes in turn, so that many rows cost no more drawing than ``SCENES``.
"""

from __future__ import annotations

import io
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
from PIL import Image, ImageDraw

from deploy.sandbox.project.identifiers import colours
from tests.benchmarks.bench_images import photograph
from tests.benchmarks.bench_masks import write_by_pillow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SIZE: Final = (1280, 853)
"""Width and height of every picture, in pixels."""
SCENES: Final = 512
THINGS: Final = (8, 30)
PHOTOGRAPHS: Final = 16
VERSION: Final = 1
"""Of what is drawn: raised where it changes, so that no older drawing is taken for it."""

Extent = tuple[int, int, int, int, int]
"""Area in pixels, then x, y, width and height of the box, as pycocotools gives them."""


class Scene(msgspec.Struct, frozen=True, gc=False):
    """A scene's composite as a PNG; of each thing its own mask as a PNG (grey, 255 where it is), and its extent."""

    composite: bytes
    masks: tuple[bytes, ...]
    extents: tuple[Extent, ...]


def scenes(folder: Path, count: int) -> list[Scene]:
    """The first so many scenes, at most ``SCENES``; what the folder does not hold is drawn, on every core."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        return list(pool.map(partial(kept_scene, folder), range(min(count, SCENES)), chunksize=4))


def kept_scene(folder: Path, number: int) -> Scene:
    """A scene from the folder, drawn and put there first where it is missing."""
    path = folder / f"scene-{VERSION}-{number}.msgpack"
    if not path.exists():
        partly = path.with_suffix(".part")
        partly.write_bytes(msgspec.msgpack.encode(drawn_scene(number)))
        partly.rename(path)
    return msgspec.msgpack.decode(path.read_bytes(), type=Scene)


def scene_colours(number: int, count: int) -> list[tuple[int, int, int]]:
    """The composite's colours, in the order of the things."""
    return colours(VERSION, number, count)


def drawn_scene(number: int) -> Scene:
    """Draw a scene."""
    things = drawn_things(np.random.default_rng((VERSION, number)))
    values = [value for value in range(1, int(things.max()) + 1) if (things == value).any()]
    palette = np.zeros((256, 3), np.uint8)
    palette[values] = scene_colours(number, len(values))
    masks = tuple((things == value).astype(np.uint8) * 255 for value in values)
    return Scene(
        write_by_pillow(palette[things]), tuple(write_by_pillow(mask) for mask in masks), tuple(map(extent, masks))
    )


def drawn_things(generator: np.random.Generator) -> NDArray[np.uint8]:
    """Which thing, from 1, each pixel shows (height × width), 0 for none; a later one hides what is below it."""
    image = Image.new("L", SIZE)
    draw = ImageDraw.Draw(image)
    count = int(generator.integers(THINGS[0], THINGS[1] + 1))
    size = (SIZE[0] * SIZE[1] * 0.5 / count / np.pi) ** 0.5
    for value in range(1, count + 1):
        radius = size * generator.uniform(0.5, 1.4)
        centre = generator.uniform((0, 0), SIZE)
        for part in range(int(generator.choice(3, p=(0.7, 0.2, 0.1))) + 1):
            away = generator.normal(0, 1.5 * radius, 2) if part else np.zeros(2)
            draw.polygon(outline(generator, centre + away, radius / (1 + part)), fill=value)
        if generator.random() < 0.4:
            draw.polygon(outline(generator, centre, radius / 5), fill=0)
    return np.asarray(image)


def outline(generator: np.random.Generator, centre: NDArray[np.float64], radius: float) -> list[tuple[float, float]]:
    """A wavy, slightly rough ring of 150 points around a centre (x, y)."""
    angles = np.linspace(0, 2 * np.pi, 150, endpoint=False)
    waves = sum(
        generator.normal(0, 0.2 / number) * np.cos(number * angles + generator.uniform(0, 2 * np.pi))
        for number in range(2, 12)
    )
    away = radius * np.clip(1 + waves + generator.normal(0, 0.006, angles.size), 0.2, 2)
    x, y = centre[0] + away * np.cos(angles), centre[1] + away * np.sin(angles)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def extent(mask: NDArray[np.uint8]) -> Extent:
    """The extent of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return int(np.count_nonzero(mask)), left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1


def photographs(folder: Path) -> list[bytes]:
    """A few JPEG images of the pictures' size."""
    folder.mkdir(parents=True, exist_ok=True)
    return list(_kept_photographs(folder))


def _kept_photographs(folder: Path) -> Iterator[bytes]:
    for number in range(PHOTOGRAPHS):
        path = folder / f"photograph-{VERSION}-{number}.jpg"
        if not path.exists():
            file = io.BytesIO()
            photograph(SIZE, number).save(file, "JPEG", quality=85)
            path.write_bytes(file.getvalue())
        yield path.read_bytes()


def named(photograph_: bytes, row: int) -> bytes:
    """A JPEG image with a comment that names a row: no two rows' images are the same bytes."""
    comment = f"row {row}".encode()
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    return photograph_[:2] + segment + photograph_[2:]
