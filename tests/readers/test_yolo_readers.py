"""YOLO trees by the rules of Ultralytics, and as globox and supervision read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import yaml
from globox import AnnotationSet
from hypothesis import given, settings

from labelsnap.formats.yolo.writer import Yolo
from labelsnap.records.geometry import BoundingBox, Point
from tests.examples import of_a_hundred
from tests.formats.format_samples import (
    annotation,
    dataset,
    every_kind,
    files_of,
    label,
    mask_of,
    picture,
    sample,
    samples_of,
)
from tests.formats.yolo_rules import POINTS, fill, read_labels
from tests.masks.drawn_masks import blobs, scattered

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from labelsnap.formats.interface import Dataset

    Pixels = NDArray[np.bool_]


def written(source: Dataset, root: Path, **options: Any) -> Path:
    """Lay out a whole tree with images, as ``pull`` does."""
    form = Yolo(**options)
    for split in source.splits:
        files = files_of(form, source, split)
        files |= {
            form.image_path(split, each.image.file_name): picture(each) or b"" for each in samples_of(source, split)
        }
        for path, body in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(body)
    return root


def outlines(pixels: Pixels, **options: Any) -> list[Any]:
    """Write a mask and read its outlines as Ultralytics does."""
    height, width = pixels.shape
    source = dataset(sample(label(annotation(mask_of(pixels))), size=(width, height)))
    files = files_of(Yolo(task="segment", **options), source, "train")
    return read_labels(files["labels/train/street.txt"].decode(), classes=1).outlines


def painted(found: list[Any], shape: tuple[int, int], *, points: int = 0) -> Pixels:
    """Paint outlines as Ultralytics does."""
    empty: Pixels = np.zeros(shape, bool)
    return np.logical_or.reduce([empty, *(fill(each, shape[1], shape[0], points=points) for each in found)])


def iou(one: Pixels, other: Pixels) -> float:
    """Intersection over union of two masks."""
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def blob(shape: tuple[int, int], x: float, y: float, radius: float, waves: int) -> Pixels:
    """Draw a wavy disc."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    angle = np.arctan2(rows - y, columns - x)
    disc: Pixels = np.hypot(rows - y, columns - x) < radius * (1 + 0.2 * np.sin(waves * angle))
    return disc


@pytest.mark.parametrize("points", [0, POINTS], ids=["as written", "resampled"])
@given(pixels=blobs())
def test_split_parts_are_painted_exactly(points: int, pixels: Pixels) -> None:
    """With ``parts: split`` any mask, with holes and parts, comes back with IoU 1."""
    assert np.array_equal(painted(outlines(pixels, parts="split"), pixels.shape, points=points), pixels)


@pytest.mark.parametrize("points", [0, POINTS], ids=["as written", "resampled"])
@pytest.mark.parametrize("size", [(300, 2560), (480, 641)], ids=["wide", "odd width"])
def test_a_solid_shape_and_one_with_holes_are_one_row_of_iou_one(size: tuple[int, int], points: int) -> None:
    """Of one part nothing is lost, whatever the image's size and however many holes."""
    height, width = size
    solid = blob(size, width / 2, height / 2, height / 3, 5)
    holes = blob(size, width / 2, height / 2, height / 9, 3) | blob(size, width / 2.6, height / 2.4, height / 20, 4)
    for pixels in (solid, solid & ~holes):
        found = outlines(pixels)
        assert len(found) == 1
        assert np.array_equal(painted(found, size, points=points), pixels)


@pytest.mark.parametrize("width", [1, 3, 640, 2560, 8191])
def test_every_column_is_cut_to_itself(width: int) -> None:
    """The centre of each pixel, written as part of the width and read as float32, is cut to that pixel."""
    line = np.ones((1, width), bool)
    line[0, 1::2] = False
    columns = [int(outline[0, 0] * np.float32(width)) for outline in outlines(line, parts="split")]
    assert columns == list(range(0, width, 2))


@pytest.mark.parametrize("seed", range(4))
def test_near_parts_stay_one_row(seed: int) -> None:
    """Two to five large parts with a hole, in an image of 640 × 480: one row, IoU 0.97 at least, nothing left out."""
    generator = np.random.default_rng(seed)
    pixels = np.zeros((480, 640), bool)
    for _ in range(2 + seed):
        x, y, radius = generator.uniform((80, 80, 30), (560, 400, 70))
        pixels |= blob(pixels.shape, x, y, radius, int(generator.integers(2, 7)))
        pixels &= ~blob(pixels.shape, x, y, radius / 5, 3)
    found = outlines(pixels)
    filled = painted(found, pixels.shape, points=POINTS)
    assert len(found) == 1
    assert not (pixels & ~filled).any()
    assert iou(pixels, filled) >= 0.97


@pytest.mark.parametrize("points", [0, POINTS], ids=["as written", "resampled"])
@given(pixels=scattered(1000))
@settings(max_examples=of_a_hundred(40))
def test_joined_parts_keep_an_iou_of_97_percent_however_they_are_scattered(points: int, pixels: Pixels) -> None:
    """The rows together are the mask but for 3 %, and so is each row beside the parts that it covers."""
    found = outlines(pixels)
    together = painted(found, pixels.shape, points=points)
    assert not (pixels & ~together).any()
    assert iou(pixels, together) >= 0.97
    labelled = cv2.connectedComponents(pixels.astype(np.uint8), connectivity=8)[1]
    for each in found:
        filled = painted([each], pixels.shape, points=points)
        covered = np.setdiff1d(labelled[filled & pixels], labelled[pixels & ~filled])
        assert iou(np.isin(labelled, covered), filled) >= 0.97


BOXES = [(10, 20, 300, 101), (0, 0, 641, 480), (640, 479, 1, 1), (12.5, 7.25, 3.125, 99.9)]


def boxes() -> Dataset:
    """Make an image of 641 × 480 with four boxes."""
    objects = [annotation(BoundingBox(*box)) for box in BOXES]
    return dataset(sample(label(*objects), size=(641, 480)), sample(name="empty", size=(641, 480), split="val"))


def test_globox_reads_boxes_exactly(tmp_path: Path) -> None:
    """Corners come back to a millionth of a pixel, and an image without objects is there."""
    root = written(boxes(), tmp_path)
    found = AnnotationSet.from_yolo_v5(
        root / "labels" / "train", image_folder=root / "images" / "train", image_extension=".png"
    )
    (street,) = found
    expected = [(left, top, left + width, top + height) for left, top, width, height in BOXES]
    np.testing.assert_allclose([box.ltrb for box in street.boxes], expected, atol=1e-6)
    empty = AnnotationSet.from_yolo_v5(
        root / "labels" / "val", image_folder=root / "images" / "val", image_extension=".png"
    )
    assert [len(each.boxes) for each in empty] == [0]


def test_supervision_reads_the_tree(tmp_path: Path) -> None:
    """Boxes and class names of the samples with every kind, as written."""
    import supervision

    root = written(every_kind(), tmp_path)
    found = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(root / "images" / "train"),
        annotations_directory_path=str(root / "labels" / "train"),
        data_yaml_path=str(root / "data.yaml"),
    )
    assert found.classes == ["car", "road", "lane", "light", "tree", "ghost"]
    assert len(found) == 2
    detections = found.annotations[str(root / "images" / "train" / "street.png")]
    assert detections.class_id.tolist() == [0, 1, 4]
    np.testing.assert_allclose(detections.xyxy, [[1, 1, 5, 4], [0, 4, 8, 6], [1, 1, 7, 4]], atol=1e-4)


def test_pose_is_read_by_its_declared_shape() -> None:
    """Each row has a class, a box and kpt_shape's numbers."""
    source = dataset(sample(label(annotation(Point(2.5, 1.75)))))
    files = files_of(Yolo(task="pose"), source, "train")
    points, numbers = yaml.safe_load(files["data.yaml"])["kpt_shape"]
    found = read_labels(files["labels/train/street.txt"].decode(), classes=1, keypoints=points * numbers)
    np.testing.assert_allclose(found.keypoints * [8, 6, 1], [[2.5, 1.75, 2]], atol=1e-5)
    np.testing.assert_allclose(found.boxes * [8, 6, 8, 6], [[2.5, 1.5, 1, 1]], atol=1e-5)


@pytest.mark.parametrize("at", [(6.5, 2.5), (0.5, 0.5), (7.5, 5.5)])
def test_a_point_on_a_pixels_centre_stays_on_it_where_images_are_resized(at: tuple[float, float]) -> None:
    """Ultralytics resizes images by OpenCV, which counts from their edges, and multiplies points by the new size."""
    x, y = at
    files = files_of(Yolo(task="pose"), dataset(sample(label(annotation(Point(x, y))))), "train")
    ((found,),) = [read_labels(files["labels/train/street.txt"].decode(), classes=1, keypoints=3).keypoints]
    pixels = np.zeros((6, 8), np.float32)
    pixels[int(y), int(x)] = 1
    resized = cv2.resize(pixels, (80, 60), interpolation=cv2.INTER_NEAREST)
    rows, columns = np.nonzero(resized)
    seen = [columns.mean() + 0.5, rows.mean() + 0.5]
    np.testing.assert_allclose(found[:2] * [80, 60], seen, atol=1e-4)


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_every_file_keeps_the_rules(task: str) -> None:
    """Classes are in range, numbers inside the image, outlines of three vertices at least."""
    source = every_kind()
    for split in source.splits:
        files = files_of(Yolo(task=task), source, split)  # type: ignore[arg-type]
        for path, body in files.items():
            if path.startswith("labels/"):
                read_labels(body.decode(), classes=6)
