"""What masks cost, as ratios within one run to Pillow's decode alone of the same PNG: run from the project's root.

Composites have blobs with holes and several parts. All ways are checked to give the same before they are timed, in
turn, by the processor's time, which other work on the machine disturbs least; two threads are timed by the clock, which
needs idle cores. Figures are medians. ``numpy_on_top`` is what the numpy way takes more than a decode.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import rlemasklib
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from labelsnap.masks.decoding.composite import decode_composite
from labelsnap.masks.decoding.instance import decode_instance
from labelsnap.masks.rasters.overlay import overlay
from labelsnap.masks.rasters.png_writer import encode_overlay

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from labelsnap.masks.decoding.composite import Colour
    from labelsnap.records.geometry import Runs

SIZES = {"4.4mp": (1707, 2560), "12mp": (3000, 4000)}
PICTURES = {"1.1mp": (853, 1280), "4.4mp": (1707, 2560)}
INSTANCES = (8, 30, 150)
ROUNDS, SLOW_ROUNDS = 7, 3
COMPOSITES_A_THREAD = 24


def draw_composite(
    height: int = 1707, width: int = 2560, instances: int = 30
) -> tuple[NDArray[np.uint8], list[Colour]]:
    """Draw blobs with holes, of one to three parts each: the pixels (height, width, 3), and the blobs' colours."""
    generator = np.random.default_rng(0)
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    colours = [(index + 1, 255 - index, index * 7 % 256) for index in range(instances)]
    for colour in colours:
        for _ in range(int(generator.integers(1, 4))):
            angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
            radius = generator.uniform(40, 170) * width / 2560
            wave = radius * (1 + 0.25 * np.sin(angles * generator.integers(2, 7)))
            x, y = generator.uniform((0, 0), (width, height))
            draw.polygon(list(zip(x + wave * np.cos(angles), y + wave * np.sin(angles), strict=True)), fill=colour)
            draw.ellipse((x - radius / 5, y - radius / 5, x + radius / 5, y + radius / 5), fill=(0, 0, 0))
    return np.asarray(image), colours


def write_by_pillow(pixels: NDArray[np.uint8]) -> bytes:
    """Write a PNG as Pillow does by default: of each row the filter that leaves the smallest bytes."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_by_opencv(pixels: NDArray[np.uint8]) -> bytes:
    """Write a PNG as OpenCV does by default: of all rows the filter Sub."""
    return cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim > 2 else pixels)[1].tobytes()


ENCODERS = {"pillow": write_by_pillow, "opencv": write_by_opencv}


def decode(png: bytes) -> Image.Image:
    """Decode by Pillow, which is the unit of all figures."""
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


def encode_each(png: bytes, colours: list[Colour]) -> list[dict[str, Any]]:
    """Do what people do: one comparison of the whole picture and one pycocotools encoding an instance."""
    pixels = np.asarray(decode(png))
    return [coco.encode(np.asfortranarray((pixels == colour).all(axis=-1).astype(np.uint8))) for colour in colours]


def medians(
    ways: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.thread_time
) -> dict[str, float]:
    """Return each way's median seconds, all ways timed in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begin = clock()
            way()
            seconds[name].append(clock() - begin)
    return {name: statistics.median(times) for name, times in seconds.items()}


def compare_composites() -> dict[str, float]:
    """Compare both ways with the decode: two sizes, three numbers of instances, two writers of PNGs."""
    figures = {}
    for size, (height, width) in SIZES.items():
        for instances in INSTANCES:
            pixels, colours = draw_composite(height, width, instances)
            for encoder, write in ENCODERS.items():
                png = write(pixels)
                sparse, one_pass = (decode_composite(png, colours, sparse=way) for way in (True, False))
                assert sparse == one_pass
                assert not sparse.unnamed_colours
                took = medians(
                    {
                        "decode": lambda png=png: decode(png),
                        "sparse": lambda png=png, colours=colours: decode_composite(png, colours),
                        "numpy": lambda png=png, colours=colours: decode_composite(png, colours, sparse=False),
                    },
                    ROUNDS,
                )
                case = f"{size}_{instances}_{encoder}"
                figures[f"{case}_decode_milliseconds"] = round(took["decode"] * 1000, 2)
                figures[f"{case}_sparse"] = round(took["sparse"] / took["decode"], 3)
                figures[f"{case}_numpy_on_top"] = round(took["numpy"] / took["decode"] - 1, 3)
    return figures


def compare_with_each() -> dict[str, float]:
    """Compare with a comparison and an encoding an instance: 30 instances at 4.4 megapixels, decode included."""
    pixels, colours = draw_composite()
    png = write_by_pillow(pixels)
    expected = [rle["counts"] for rle in encode_each(png, colours) if coco.area(rle)]
    assert [runs.counts for runs in decode_composite(png, colours).runs if runs] == expected
    took = medians(
        {
            "decode": lambda: decode(png),
            "each": lambda: encode_each(png, colours),
            "sparse": lambda: decode_composite(png, colours),
        },
        SLOW_ROUNDS,
    )
    return {
        "per_instance_to_decode": round(took["each"] / took["decode"], 1),
        "per_instance_to_sparse": round(took["each"] / took["sparse"], 1),
    }


def compare_instances() -> dict[str, float]:
    """Compare ways to read the mask of one instance, grey of 8 bits at 4.4 megapixels, with its decode."""
    pixels, colours = draw_composite()
    mask = (pixels == colours[-1]).all(axis=-1).astype(np.uint8) * np.uint8(255)
    png = write_by_opencv(mask)

    def by_pycocotools() -> dict[str, Any]:
        return coco.encode(np.asfortranarray(np.asarray(decode(png)) > 0))

    def by_rlemasklib() -> dict[str, Any]:
        return rlemasklib.RLEMask.from_png(data=png).to_dict()

    counts = decode_instance(png).counts
    assert counts == by_pycocotools()["counts"] == by_rlemasklib()["counts"]
    ways: dict[str, Callable[[], object]] = {
        "decode": lambda: decode(png),
        "instance_sparse": lambda: decode_instance(png),
        "instance_numpy": lambda: decode_instance(png, sparse=False),
        "instance_pycocotools": by_pycocotools,
        "instance_rlemasklib": by_rlemasklib,
    }
    took = medians(ways, ROUNDS)
    return {name: round(took[name] / took["decode"], 3) for name in ways if name != "decode"}


def write_from_runs(masks: list[Runs], height: int, width: int, values: NDArray[np.uint8]) -> bytes:
    """Lay masks over each other, and write what is seen."""
    return encode_overlay(overlay(masks, height, width), values)


def compare_pictures() -> dict[str, float]:
    """Compare the writing of PNGs from runs, masks laid over each other included, with the decode of the same PNG."""
    figures = {}
    for size, (height, width) in PICTURES.items():
        pixels, colours = draw_composite(height, width)
        masks = [runs for runs in decode_composite(write_by_pillow(pixels), colours).runs if runs]
        numbers = np.arange(1, len(masks) + 1, dtype=np.uint8)
        for kind, values in {"panoptic": np.array(colours[: len(masks)], np.uint8), "grey": numbers}.items():
            write = partial(write_from_runs, masks, height, width, values)
            png = write()
            painted = np.zeros((height, width, *values.shape[1:]), np.uint8)
            for runs, value in zip(masks, values, strict=True):
                painted[coco.decode({"size": (height, width), "counts": runs.counts}) > 0] = value
            assert np.array_equal(np.asarray(decode(png)), painted)
            took = medians({"decode": lambda png=png: decode(png), "write": write}, ROUNDS)
            figures[f"{size}_{kind}_png_from_runs"] = round(took["write"] / took["decode"], 3)
    return figures


def compare_threads() -> dict[str, float]:
    """Compare two threads with one on the same composites by the sparse way: how many times as many a second."""
    pixels, colours = draw_composite()
    png = write_by_pillow(pixels)

    def read(times: int) -> None:
        for _ in range(times):
            decode_composite(png, colours)

    with ThreadPoolExecutor(2) as pool:
        took = medians(
            {
                "one": lambda: list(pool.map(read, [COMPOSITES_A_THREAD])),
                "two": lambda: list(pool.map(read, [COMPOSITES_A_THREAD] * 2)),
            },
            ROUNDS,
            time.perf_counter,
        )
    return {"two_threads": round(2 * took["one"] / took["two"], 2)}


def main() -> dict[str, float]:
    """Return all figures."""
    return compare_composites() | compare_with_each() | compare_instances() | compare_pictures() | compare_threads()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(), indent=2) + "\n")
