"""Writes the bucket in ``before-orientation``: run once, by labelsnap of commit 2da2b99; kept to show what it is.

That labelsnap turned every image by its orientation. ``sources`` are the images as they were at their source, ``store``
holds the bucket's tables and pack, and ``receipt.json`` names them.

PYTHONPATH=CHECKOUT_OF_2DA2B99:. python tests/golden/remake_before_orientation.py DIRECTORY
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from PIL import Image

from labelsnap.buckets.build import BucketBuilder
from labelsnap.buckets.reading import read_earlier
from labelsnap.buckets.receipt import BasePart, BucketInput, BucketReceipt
from labelsnap.buckets.rows.fetch import Fetcher
from labelsnap.labelbox.downloads.download import Downloader
from labelsnap.labelbox.downloads.pace import Pace
from labelsnap.records.choices.policy import Policy
from labelsnap.records.choices.splits import Split
from labelsnap.records.model import Source
from labelsnap.snapshots.writing.draft import Draft
from labelsnap.storage import open_store

PROJECT = "project-1"
ADDRESS = "https://images.example/"
SIZE = (24, 16)
DECLARED = {
    "plain.jpg": (24, 16),
    "side.jpg": (16, 24),
    "head.jpg": (24, 16),
    "square.png": (16, 16),
    "plain.png": (24, 16),
    "plain.webp": (24, 16),
    "plain.tif": (24, 16),
    "plain.bmp": (24, 16),
    "pictures.jpg": (24, 16),
}
"""The images (``side`` lies on its side, ``head`` on its head, ``square`` too) and the sizes that the export tells."""
ORIENTATIONS = {"side.jpg": 6, "head.jpg": 3, "square.png": 6}


def source(name: str) -> bytes:
    """Encode an image."""
    size = (16, 16) if name.startswith("square") else SIZE
    values = np.arange(size[0] * size[1] * 3).reshape(size[1], size[0], 3) * 7 % 256
    image, exif, target = Image.fromarray(values.astype(np.uint8)), Image.Exif(), io.BytesIO()
    if name in ORIENTATIONS:
        exif[0x0112] = ORIENTATIONS[name]
    if name == "pictures.jpg":
        image.save(target, "MPO", save_all=True, append_images=[image.resize((8, 8))])
    else:
        image.save(target, Image.registered_extensions()[Path(name).suffix], **({"exif": exif} if exif else {}))
    return target.getvalue()


def line(name: str) -> bytes:
    """Give an image's line of an export: one label with one box."""
    width, height = DECLARED[name]
    box = {"top": 1.0, "left": 2.0, "height": 3.0, "width": 4.0}
    kind = {"annotation_kind": "ImageBoundingBox", "classifications": []}
    objects = [{"feature_id": f"box-{name}", "name": "car", "bounding_box": box} | kind]
    label = {"id": f"label-{name}", "annotations": {"objects": objects, "classifications": [], "relationships": []}}
    row = {
        "data_row": {"id": name.replace(".", "_"), "external_id": name, "row_data": f"{ADDRESS}{name}"},
        "media_attributes": {"width": width, "height": height},
        "projects": {PROJECT: {"name": "streets", "labels": [label]}},
    }
    return json.dumps(row).encode()


class FromFolder(Downloader):
    """Gives images from a folder in place of their address."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            api_key="", rest_endpoint="https://api.labelbox.com", allow_hosts=frozenset(), connections=1, pace=Pace(1)
        )
        self.folder = folder

    def image(self, url, target, **_: object) -> None:
        """Write the image."""
        target.write((self.folder / url.removeprefix(ADDRESS)).read_bytes())


def build(
    store_folder: Path,
    downloader: Downloader,
    base: BasePart = BasePart(),  # noqa: B008 - it is frozen
    taken: BasePart | None = None,
    **options: object,
) -> BucketReceipt:
    """Build the bucket of all images."""
    store = open_store(store_folder.resolve().as_uri())
    with TemporaryDirectory() as scratch:
        fetcher = Fetcher(
            downloader=downloader,
            directory=Path(scratch),
            split=Split(),
            group_by=None,
            max_image_bytes=1 << 20,
            max_image_pixels=1 << 20,
            max_mask_bytes=1,
            **{"images": "copy"} | options,
        )
        builder = BucketBuilder(
            store=store,
            draft=Draft(store, base),
            policy=Policy(Source("project", PROJECT)),
            keep_embeddings=False,
            earlier=read_earlier(store, base),
            fetcher=fetcher,
            threads=2,
            **({"taken": read_earlier(store, taken)} if taken else {}),
        )
        lines = [(number, line(name)) for number, name in enumerate(DECLARED, start=1)]
        return builder.build(BucketInput(0, 1, lines_key="", lines=len(lines)), lines)


def main(directory: Path) -> None:
    """Write the sources, and build from them."""
    sources = directory / "sources"
    sources.mkdir(parents=True)
    for name in DECLARED:
        (sources / name).write_bytes(source(name))
    receipt = build(directory / "store", FromFolder(sources))
    (directory / "receipt.json").write_bytes(msgspec.json.format(msgspec.json.encode(receipt)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
