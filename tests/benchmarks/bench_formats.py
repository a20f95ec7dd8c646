"""What formats cost: COCO against pycocotools with json.dump, and the peak memory of every format by rows.

A script, run from the project's root.
"""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
import time
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools import mask as coco

from labelsnap.formats.coco.writer import Coco
from labelsnap.formats.interface import Dataset, Shard, written
from labelsnap.formats.registry import FORMATS, format_of
from labelsnap.masks.decoding.instance import decode_instance
from labelsnap.records.geometry import Mask, MaskReference
from tests.formats.format_samples import annotation, checklist, dataset, label, numbered, radio, registry, sample, text
from tests.masks.mask_pictures import as_png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelsnap.records.model import Sample

ROUNDS = 7
COCO_ROWS = 1000
MASKS_PER_ROW = 3
ROWS = (2000, 10_000)
WIDTH, HEIGHT = 320, 240
SHAPES = 24
IMAGE = bytes(range(256)) * 80
CLASSES = registry("car", "tree", "sign")


@cache
def shapes() -> tuple[Mask, ...]:
    """Draw wavy discs, every other one with a hole."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    reference, found = MaskReference("https://api.labelbox.example/mask/1", None, None), []
    for number in range(SHAPES):
        x, y, radius = generator.uniform((60, 60, 20), (WIDTH - 60, HEIGHT - 60, 60))
        away, angle = np.hypot(rows - y, columns - x), np.arctan2(rows - y, columns - x)
        pixels = away < radius * (1 + 0.2 * np.sin(angle * generator.integers(3, 9)))
        pixels &= ~((away < radius / 4) & (number % 2 == 0))
        found.append(Mask(reference, decode_instance(as_png(pixels.view(np.uint8)))))
    return tuple(found)


def sample_of(number: int) -> Sample:
    """Make a row with three masks that have answers."""
    answers = [radio("colour", "red"), checklist("wear", "rust", "dent"), text("plate", f"LS {number}")]
    objects = [
        annotation(
            shapes()[(number * MASKS_PER_ROW + place) % SHAPES],
            name=("car", "tree", "sign")[place],
            feature_id=f"feature-{number}-{place}",
            answers=answers,
        )
        for place in range(MASKS_PER_ROW)
    ]
    return sample(label(*objects), name=f"street-{number:06}", size=(WIDTH, HEIGHT))


def dataset_of(rows: int) -> Dataset:
    """Make a dataset whose samples are made while they are read."""

    def samples(split: str) -> Iterator[Sample]:
        return (sample_of(number) for number in range(rows) if split == "train")

    def shards(split: str, size: int) -> Iterator[Shard]:
        bounds = [*range(0, rows, max(1, size // len(IMAGE))), rows]
        for index, (first, last) in enumerate(pairwise(bounds)):
            yield Shard(index, len(bounds) - 1, lambda first=first, last=last: map(sample_of, range(first, last)))

    return Dataset(
        "bench",
        CLASSES,
        ("train",),
        lambda split: numbered(samples(split)),
        shards,
        lambda _: IMAGE,
        {"train": rows},
        dict,
    )


def our_coco(samples: list[Sample]) -> bytes:
    """Write the instances."""
    source = dataset(*samples, classes=CLASSES)
    file = io.BytesIO()
    for artifact in written(Coco(panoptic=False), source, "train"):
        file.writelines(artifact.chunks)
    return file.getvalue()


def their_coco(prepared: list[tuple[dict[str, Any], list[dict[str, Any]]]], head: dict[str, Any]) -> bytes:
    """Write the same with pycocotools and json: area and box from the run-length encoding, the rest as given."""
    annotations, images = [], []
    for image, objects in prepared:
        images.append({**image, "id": len(images) + 1})
        for place, each in enumerate(objects, start=1):
            encoded = each["segmentation"]
            annotations.append(
                {
                    **each,
                    "id": len(images) + (place << 32),
                    "image_id": len(images),
                    "area": int(coco.area(encoded)),
                    "bbox": coco.toBbox(encoded).tolist(),
                    "segmentation": {"size": encoded["size"], "counts": encoded["counts"].decode("ascii")},
                }
            )
    file = io.StringIO()
    json.dump({**head, "images": images, "annotations": annotations}, file)
    return file.getvalue().encode()


def prepare(document: dict[str, Any]) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Take a document apart into what a script would have at hand: images, and objects with pycocotools' encodings."""
    left_out = {"id", "image_id", "area", "bbox"}
    by_image: dict[int, list[dict[str, Any]]] = {}
    for found in document["annotations"]:
        encoded = {"size": found["segmentation"]["size"], "counts": found["segmentation"]["counts"].encode()}
        kept = {key: value for key, value in found.items() if key not in left_out}
        by_image.setdefault(found["image_id"], []).append({**kept, "segmentation": encoded})
    return [(image, by_image[image["id"]]) for image in document["images"]]


def compare_coco() -> dict[str, float]:
    """Return the median of the pairs' ratios, of the same content."""
    samples = [sample_of(number) for number in range(COCO_ROWS)]
    document = json.loads(our_coco(samples))
    prepared = prepare(document)
    head = {key: document[key] for key in ("info", "licenses", "categories")}
    assert json.loads(their_coco(prepared, head)) == document
    ratios, seconds = [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        our_coco(samples)
        middle = time.perf_counter()
        their_coco(prepared, head)
        ratios.append((time.perf_counter() - middle) / (middle - begin))
        seconds.append(middle - begin)
    return {
        "coco_milliseconds_of_1000_rows": round(statistics.median(seconds) * 1000, 1),
        "pycocotools_and_json_dump_to_coco": round(statistics.median(ratios), 2),
    }


def peak(name: str, rows: int) -> float:
    """Return the peak resident memory, in MiB, of a process that writes one format."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_formats", name, str(rows)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603 - our own


def write(name: str, rows: int) -> float:
    """Write one format, throw its bytes away, and return this process's own peak, in MiB.

    ``getrusage`` would count the parent's memory from before this program was loaded.
    """
    for artifact in written(format_of(name), dataset_of(rows), "train"):
        for _ in artifact.chunks:
            pass
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def main() -> dict[str, float]:
    """Return COCO's ratio, and for each format the peak at many rows as a ratio to that at few."""
    figures = compare_coco()
    few, many = ROWS
    for name in FORMATS:
        small, large = peak(name, few), peak(name, many)
        figures[f"{name}_peak_mebibytes_{many}_rows"] = round(large, 1)
        figures[f"{name}_peak_{many}_to_{few}_rows"] = round(large / small, 3)
    return figures


if __name__ == "__main__":
    match sys.argv[1:]:
        case [name, rows]:
            sys.stdout.write(f"{write(name, int(rows))}\n")
        case _:
            sys.stdout.write(json.dumps(main(), indent=2) + "\n")
