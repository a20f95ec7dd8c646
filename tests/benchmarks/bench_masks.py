"""What the mask kernel costs, as ratios to Pillow's decode of the same PNG: a script, run from the project's root."""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from tasks.masks.composite import decode_composite

if TYPE_CHECKING:
    from collections.abc import Callable

HEIGHT, WIDTH, INSTANCES, ROUNDS = 1707, 2560, 30, 9


def draw_composite(seed: int = 0) -> tuple[bytes, list[tuple[int, int, int]]]:
    """Draw blobs with holes and several parts at 4.4 megapixels, as PNG bytes, and their colours."""
    generator = np.random.default_rng(seed)
    image = Image.new("RGB", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    colours = [(index + 1, 255 - index, index * 7 % 256) for index in range(INSTANCES)]
    for colour in colours:
        for _ in range(int(generator.integers(1, 4))):
            angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
            radius = generator.uniform(40, 170)
            wave = radius * (1 + 0.25 * np.sin(angles * generator.integers(2, 7)))
            x, y = generator.uniform((0, 0), (WIDTH, HEIGHT))
            draw.polygon(list(zip(x + wave * np.cos(angles), y + wave * np.sin(angles), strict=True)), fill=colour)
            draw.ellipse((x - radius / 5, y - radius / 5, x + radius / 5, y + radius / 5), fill=(0, 0, 0))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue(), colours


def encode_each(png: bytes, colours: list[tuple[int, int, int]]) -> list[bytes]:
    """Do what people do: one comparison of the whole picture and one pycocotools encoding an instance."""
    pixels = np.asarray(Image.open(io.BytesIO(png)))
    masks = [np.asfortranarray((pixels == colour).all(axis=-1).astype(np.uint8)) for colour in colours]
    return [coco.encode(mask)["counts"] for mask in masks]


def main() -> dict[str, float]:
    """Return the decode's median milliseconds and the ratios to it, measured in turn."""
    png, colours = draw_composite()
    ways: dict[str, Callable[[], object]] = {
        "decode": lambda: Image.open(io.BytesIO(png)).load(),
        "decode_to_array": lambda: np.asarray(Image.open(io.BytesIO(png))),
        "one_pass": lambda: decode_composite(png, colours),
        "per_instance": lambda: encode_each(png, colours),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(ROUNDS):
        for name, way in ways.items():
            if name == "per_instance" and round_ > 1:
                continue
            begin = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ratios = {f"{name}_to_decode": round(medians[name] / medians["decode"], 3) for name in ways if name != "decode"}
    return {"decode_milliseconds": round(medians["decode"] * 1000, 2), **ratios}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(), indent=2) + "\n")
