"""A box and a mask on pictures with an orientation, in every format: each reader finds the square within them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import webdataset
from msgspec.structs import replace
from PIL import Image
from pycocotools.coco import COCO

from labelsnap.buckets.rows.image import check_image, publishable
from labelsnap.formats.registry import format_of
from labelsnap.records.geometry import BoundingBox
from labelsnap.records.image import Image as Published
from labelsnap.records.model import MediaAttributes
from tests.formats.format_samples import annotation, dataset, files_of, label, mask_of, registry, sample
from tests.formats.yolo_rules import read_labels
from tests.images.image_samples import BOX, ORIENTATIONS, WIDE, box_of, oriented, pixels, readers, red, turned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from labelsnap.records.model import Sample

SUFFIX = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/tiff": ".tif"}
Region = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""


def row(name: str, body: bytes, declared: tuple[int, int], orientation: int) -> tuple[Sample, bytes]:
    """Make a sample with a box and a mask where the labeller saw the square, and its image as it is published."""
    file = io.BytesIO(body)
    check_image(file, max_pixels=10_000)
    media = MediaAttributes(width=declared[0], height=declared[1])
    picture = publishable(file, rule="declared", media=media, max_pixels=10_000)
    seen = red(turned(pixels(), orientation if declared != WIDE else 1))
    left, top, width, height = map(float, box_of(seen))
    drawn = [annotation(BoundingBox(left, top, width, height)), annotation(mask_of(seen), name="tree", feature_id="m")]
    made = sample(label(*drawn), name=name, size=(picture.width, picture.height))
    image = Published(
        f"{name}{SUFFIX[picture.mime_type]}",
        picture.width,
        picture.height,
        picture.mime_type,
        name.ljust(64, "0"),
        len(file.getvalue()),
        picture.orientation,
        picture.turned,
    )
    return replace(made, image=image), file.getvalue()


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[Sample, bytes]]:
    """Four containers, eight orientations, and the stored or the turned size declared."""
    made = {}
    for container in ("jpeg exif", "png eXIf", "webp exif", "tiff"):
        for orientation in ORIENTATIONS:
            for declared in (WIDE, WIDE[::-1])[: 1 + (orientation > 4)]:
                name = f"{container.split()[0]}-{orientation}-{declared[0]}"
                made[name] = row(name, oriented(container, orientation), declared, orientation)
    assert len(made) == 48
    return made


@pytest.fixture
def written(rows: dict[str, tuple[Sample, bytes]], tmp_path: Path) -> Callable[..., Path]:
    """Lay out the tree of a format with its images, as ``pull`` does."""
    source = dataclasses.replace(
        dataset(*(of for of, _ in rows.values()), classes=registry("car", "tree")),
        read_image=lambda of: rows[of.image.file_name.rpartition(".")[0]][1],
    )

    def write(name: str, **options: Any) -> Path:
        form = format_of(name, options)
        files = files_of(form, source, "train")
        for of, body in rows.values():
            if path := form.image_path("train", of.image.file_name):
                files[path] = body
        for path, body in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(body)
        return tmp_path

    return write


def check_each_holds(found: Iterator[tuple[str, bytes, Region]]) -> None:
    """Every reader finds the square of each image in its region; all images are there."""
    names = set()
    for name, body, region in found:
        names.add(name.rpartition(".")[0])
        for reader, shown in readers(body).items():
            assert np.allclose(box_of(red(shown)), region, atol=1), (name, reader, region)
    assert len(names) == 48


def test_coco(written: Callable[..., Path]) -> None:
    """Boxes as pycocotools reads them, and the boxes of its masks."""
    root = written("coco")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(root / "annotations" / "instances_train.json")

    def found() -> Iterator[tuple[str, bytes, Region]]:
        for each in coco.dataset["annotations"]:
            image = coco.imgs[each["image_id"]]
            body = (root / "images" / "train" / image["file_name"]).read_bytes()
            yield image["file_name"], body, tuple(each["bbox"])
            if isinstance(each["segmentation"], dict):
                yield image["file_name"], body, box_of(coco.annToMask(each).astype(bool))

    check_each_holds(found())


def test_yolo(written: Callable[..., Path]) -> None:
    """Boxes in shares of the size that readers see."""
    root = written("yolo")

    def found() -> Iterator[tuple[str, bytes, Region]]:
        for path in (root / "images" / "train").iterdir():
            body = path.read_bytes()
            height, width = readers(body)["opencv"].shape[:2]
            lines = (root / "labels" / "train" / f"{path.stem}.txt").read_text().split("\n")
            assert read_labels("\n".join(lines), classes=2)
            for line in filter(None, lines):
                x, y, w, h = map(float, line.split()[1:])
                yield path.name, body, ((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)

    check_each_holds(found())


def test_voc(written: Callable[..., Path]) -> None:
    """Corners from 1, and the sizes of label maps."""
    root = written("voc")

    def found() -> Iterator[tuple[str, bytes, Region]]:
        for path in (root / "Annotations").iterdir():
            tree = ET.parse(path)  # noqa: S314 - our own
            name = tree.findtext("filename") or ""
            body = (root / "JPEGImages" / name).read_bytes()
            for box in tree.iter("bndbox"):
                left, top, right, bottom = (float(box.findtext(side) or 0) for side in ("xmin", "ymin", "xmax", "ymax"))
                yield name, body, (left - 1, top - 1, right - left + 1, bottom - top + 1)
            with Image.open(root / "SegmentationClass" / f"{path.stem}.png") as labels:
                yield name, body, box_of(np.asarray(labels) == 2)

    check_each_holds(found())


def test_masks(written: Callable[..., Path]) -> None:
    """Semantic maps."""
    root = written("masks")

    def found() -> Iterator[tuple[str, bytes, Region]]:
        for path in (root / "images" / "train").iterdir():
            with Image.open(root / "semantic" / "train" / f"{path.stem}.png") as labels:
                yield path.name, path.read_bytes(), box_of(np.asarray(labels) == 2)

    check_each_holds(found())


def test_labelme(written: Callable[..., Path]) -> None:
    """Rectangles and the places of masks."""
    root = written("labelme")

    def found() -> Iterator[tuple[str, bytes, Region]]:
        for path in (root / "train").glob("*.json"):
            document = json.loads(path.read_bytes())
            body = (root / "train" / document["imagePath"]).read_bytes()
            assert readers(body)["pillow"].shape[:2] == (document["imageHeight"], document["imageWidth"])
            for shape in document["shapes"]:
                (left, top), (right, bottom) = shape["points"]
                inclusive = shape["shape_type"] == "mask"
                size = right - left + inclusive, bottom - top + inclusive
                yield document["imagePath"], body, (left, top, *size)

    check_each_holds(found())


def test_webdataset(written: Callable[..., Path]) -> None:
    """Boxes in JSON beside the image's bytes."""
    root = written("webdataset")

    def found() -> Iterator[tuple[str, bytes, Region]]:
        for shard in sorted(root.glob("*.tar")):
            with shard.open("rb") as stream:
                files = webdataset.tariterators.tar_file_expander([{"url": str(shard), "stream": stream}])
                for each in webdataset.tariterators.group_by_keys(files):
                    (suffix,) = each.keys() & {"jpg", "png", "webp", "tif"}
                    for item in json.loads(each["json"])["objects"]:
                        yield f"{each['__key__']}.{suffix}", each[suffix], tuple(item["bbox"])

    check_each_holds(found())


def test_huggingface(written: Callable[..., Path], datasets: ModuleType) -> None:
    """``load_dataset`` decodes images, and transposes them where they say so."""
    root = written("huggingface")
    loaded = datasets.load_dataset(
        "parquet",
        data_files=[os.fspath(path) for path in (root / "data").glob("train-*")],
        cache_dir=str(root / "cache"),
    )["train"]
    assert len(loaded) == 48
    for each in loaded:
        for region in each["objects"]["bbox"]:
            assert np.allclose(box_of(red(np.asarray(each["image"].convert("RGB")))), region, atol=1)
    raw = loaded.cast_column("image", datasets.Image(decode=False))
    check_each_holds(
        (f"{number}.", each["image"]["bytes"], each["objects"]["bbox"][0]) for number, each in enumerate(raw)
    )


def test_stored_pixels_keep_the_box_that_was_drawn(rows: dict[str, tuple[Sample, bytes]]) -> None:
    """Only where the turned size was declared were pixels turned."""
    for name, (of, body) in rows.items():
        assert of.image.turned == name.endswith("-32")
        if not of.image.turned:
            assert box_of(red(readers(body)["pillow"])) == BOX
