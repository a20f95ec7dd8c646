"""Writes the version in ``fixed-lists``: run once, by labelsnap of commit 4a2e8b2; kept to show what it is.

Its tables have lists of a fixed length inside of structs that may be null, which pyarrow reads from 26 on by
Arrow's own schema, and always by Parquet's types.

PYTHONPATH=CHECKOUT_OF_4A2E8B2 python -m tests.golden.remake_fixed_lists DIRECTORY
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Final

import numpy as np
from PIL import Image

from labelsnap.buckets.base import BasePart
from labelsnap.buckets.build import BucketBuilder
from labelsnap.buckets.reading import read_earlier
from labelsnap.buckets.receipt import BucketInput, BucketReceipt
from labelsnap.buckets.rows.fetch import Fetcher
from labelsnap.labelbox.downloads.known import ImageAnswer
from labelsnap.records.choices.classes import Class, ClassRegistry
from labelsnap.records.choices.policy import Policy
from labelsnap.records.choices.splits import Split
from labelsnap.records.image import Validators
from labelsnap.records.model import Source
from labelsnap.records.tables.tables import classes_table, write_table
from labelsnap.snapshots import Committed, Draft, Manifest, commit
from labelsnap.snapshots.tables.bucket_tables import CLASSES_PATH
from labelsnap.storage import open_store, probe

PROJECT: Final = "project-1"
SIZE: Final = (24, 16)
"""Width and height of every picture."""
COLOUR: Final = (200, 9, 1)
TREE: Final = (3, 4, 10, 6)
"""Left, top, width and height of the trees."""
ROWS: Final = ("shown", "whole", "boxed", "bare")
"""``shown`` has a mask in a composite, ``whole`` one with an image of its own, ``boxed`` a box, ``bare`` no object."""
CREATED_AT: Final = "2026-11-29T00:00:00Z"


def as_png(pixels: np.ndarray) -> bytes:
    """Encode pixels."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


def painted(value: int | tuple[int, ...]) -> bytes:
    """Encode a picture that is black but for a tree."""
    left, top, width, height = TREE
    pixels = np.zeros((*SIZE[::-1], *np.shape(value)), np.uint8)
    pixels[top : top + height, left : left + width] = value
    return as_png(pixels)


def line(name: str) -> bytes:
    """Give a row's line of an export."""
    tree = {"annotation_kind": "ImageSegmentationMask", "name": "tree", "feature_id": f"tree-{name}"}
    box = {"top": 1.0, "left": 2.0, "height": 3.0, "width": 4.0}
    objects = {
        "shown": [tree | {"composite_mask": {"url": "https://api.example/composite", "color_rgb": COLOUR}}],
        "whole": [tree | {"mask": {"url": "https://api.example/whole"}}],
        "boxed": [
            {"annotation_kind": "ImageBoundingBox", "name": "car", "feature_id": "car-boxed", "bounding_box": box}
        ],
        "bare": [],
    }
    annotations = {"objects": objects[name], "classifications": [], "relationships": []}
    row = {
        "data_row": {"id": name, "external_id": f"{name}.png", "row_data": f"https://images.example/{name}.png"},
        "media_attributes": dict(zip(("width", "height"), SIZE, strict=True)),
        "projects": {PROJECT: {"name": "streets", "labels": [{"id": f"label-{name}", "annotations": annotations}]}},
    }
    return json.dumps(row).encode()


class Given:
    """Stands in for a downloader, and notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.counts = SimpleNamespace(retries=0, bytes=0)

    def image(self, url: str, target: io.BytesIO, **_: object) -> ImageAnswer:
        """Write a row's image."""
        self.asked.append(url)
        shade = 40 * (1 + ROWS.index(url.rpartition("/")[2].removesuffix(".png")))
        target.write(as_png(np.full((*SIZE[::-1], 3), shade, np.uint8)))
        return ImageAnswer(is_known=False, validators=Validators())

    def mask(self, url: str, **_: object) -> bytes:
        """Give a mask."""
        self.asked.append(url)
        return painted(COLOUR if url.endswith("composite") else 255)


def build(store_folder: Path, downloader: Given, base: BasePart = BasePart()) -> BucketReceipt:  # noqa: B008 - frozen
    """Build the bucket of all rows."""
    store = open_store(store_folder.resolve().as_uri())
    with TemporaryDirectory() as scratch:
        fetcher = Fetcher(
            downloader=downloader,
            directory=Path(scratch),
            images="copy",
            split=Split(),
            group_by=None,
            max_image_bytes=1 << 20,
            max_image_pixels=1 << 20,
            max_mask_bytes=1 << 20,
        )
        builder = BucketBuilder(
            store=store,
            draft=Draft(store, base),
            policy=Policy(Source("project", PROJECT)),
            keep_embeddings=False,
            earlier=read_earlier(store, base),
            fetcher=fetcher,
            threads=1,
        )
        lines = [(number, line(name)) for number, name in enumerate(ROWS, start=1)]
        return builder.build(BucketInput(0, 1, lines_key="", lines=len(lines)), lines)


def main(directory: Path) -> None:
    """Build the bucket, and publish it as version 1."""
    store = open_store(directory.resolve().as_uri())
    started_at = probe(store)
    receipt = build(directory, Given())
    classes = ClassRegistry((Class(1, None, "car", kinds=("bounding_box",)), Class(2, None, "tree", kinds=("mask",))))
    manifest = Manifest.of(
        dataset="fixed-lists",
        created_at=CREATED_AT,
        config={"dataset": "fixed-lists"},
        result={
            "rows": {"published": len(ROWS)},
            "labels": {"published": len(ROWS)},
            "annotations": {"bounding_box": 1, "mask": 2},
        },
        files=[*receipt.files, Draft(store).add_file(CLASSES_PATH, write_table(classes_table(classes)))],
        packs=receipt.packs,
    )
    outcome = commit(store, manifest, publish_id="run-1", parent=0, started_at=started_at)
    assert isinstance(outcome, Committed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
