"""YOLO files, value by value; other people's readers, and the rules of Ultralytics, are in ``tests/readers``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import yaml
from format_samples import annotation, dataset, files_of, label, mask, registry, sample
from yolo_rules import fill

from labelsnap.formats.description.census import Census
from labelsnap.formats.yolo.writer import Yolo
from labelsnap.records.geometry import BoundingBox, Geometry, Point, Polygon, Polyline


def rows(*geometries: Geometry, size: tuple[int, int] = (8, 4), **options: Any) -> list[list[float]]:
    """Write objects of the second class in an image of 8 × 4 pixels, and give the numbers of each row."""
    objects = [annotation(geometry, name="car") for geometry in geometries]
    source = dataset(sample(label(*objects), size=size), classes=registry("road", "car"))
    text = files_of(Yolo(**options), source, "train")["labels/train/street.txt"].decode()
    return [[float(number) for number in line.split(" ")] for line in text.splitlines()]


def test_detect_writes_centre_and_size() -> None:
    """A box of 4 × 2 at (2, 1) in an image of 8 × 4."""
    assert rows(BoundingBox(2, 1, 4, 2)) == [[1, 0.5, 0.5, 0.5, 0.5]]


def test_detect_keeps_the_boxes_of_polygons_and_masks() -> None:
    """A polygon's box is around its vertices, a mask's around its pixels."""
    triangle, pixel = Polygon(((2, 1), (6, 1), (2, 3))), mask("........\n....#...\n........\n........")
    assert rows(triangle, pixel) == [[1, 0.5, 0.5, 0.5, 0.5], [1, 0.5625, 0.375, 0.125, 0.25]]


def test_boxes_are_cut_off_at_the_image() -> None:
    """A reader refuses the whole image for one value above 1; a box outside has no row."""
    assert rows(BoundingBox(-4, -4, 8, 6), BoundingBox(9, 0, 5, 4)) == [[1, 0.25, 0.25, 0.5, 0.5]]


def test_segment_writes_drawn_polygons_as_drawn() -> None:
    """Vertices are divided by the image's size; the closing vertex is dropped."""
    assert rows(Polygon(((0, 0), (8, 0), (2, 3), (0, 0))), task="segment") == [[1, 0, 0, 1, 0, 0.25, 0.75]]


def test_polygons_are_cut_off_at_the_image() -> None:
    """A square over the right border ends at it; a triangle outside has no row."""
    over, outside = Polygon(((6, 1), (10, 1), (10, 3), (6, 3))), Polygon(((9, 1), (12, 1), (12, 3)))
    assert rows(over, outside, task="segment") == [[1, 0.75, 0.25, 1, 0.25, 1, 0.75, 0.75, 0.75]]


@pytest.mark.parametrize("task", ["detect", "segment"])
def test_what_has_no_area_has_no_row(task: str) -> None:
    """A mask without pixels, a box of no width and a polygon on a line; what is beside them keeps its row."""
    shapes = (
        mask("........\n" * 4),
        BoundingBox(1, 1, 0, 2),
        Polygon(((1, 1), (3, 3), (2, 2))),
        mask("........\n" * 3 + "#......."),
    )
    assert len(rows(*shapes, task=task)) == 1


def test_thin_boxes_are_as_wide_as_single_precision_tells() -> None:
    """A box of two millionths of a pixel in an image of 8 × 4 has a millionth of its width."""
    assert rows(BoundingBox(4, 1, 0.000002, 2)) == [[1, 0.500000125, 0.5, 0.000001, 0.5]]


def test_thin_polygons_are_outlined_as_the_pixels_that_they_touch() -> None:
    """One of no width in single precision is a row of single pixels, from a quarter to three quarters of these."""
    sliver = Polygon(((2.5, 1.25), (2.5, 2.75), (2.500004, 2.75)))
    assert rows(sliver, task="segment") == [[1, 0.28125, 0.3125, 0.34375, 0.3125, 0.34375, 0.6875, 0.28125, 0.6875]]


@pytest.mark.parametrize(
    "ring",
    [
        ((7.1, 4.0), (8.0, 4.0), (8.0, 3.2)),  # in the last column and row of pixels
        ((5.0, 4.0), (8.0, 4.0), (8.0, 3.9)),  # in the last row
        ((8.0, 2.0), (8.0, 4.0), (7.9, 4.0)),  # in the last column
    ],
)
def test_polygons_along_the_last_pixels_are_painted(ring: Any) -> None:
    """Their vertices lie on the image's border, which readers cut to pixels beyond it."""
    (row,) = rows(Polygon(ring), task="segment")
    assert fill(np.float32(row[1:]).reshape(-1, 2), 8, 4).any()


def test_segment_outlines_masks_through_the_centres_of_pixels() -> None:
    """A mask of 3 × 2 pixels at (1, 1) is the rectangle from (1.5, 1.5) to (3.5, 2.5)."""
    (row,) = rows(mask("........\n.###....\n.###....\n........"), task="segment")
    vertices = {(x * 8, y * 4) for x, y in zip(row[1::2], row[2::2], strict=True)}
    assert (row[0], vertices) == (1, {(1.5, 1.5), (3.5, 1.5), (3.5, 2.5), (1.5, 2.5)})


@pytest.mark.parametrize("picture", ["#", "##", "#\n#"], ids=["one pixel", "two across", "two down"])
def test_outline_of_single_pixels_holds_something(picture: str) -> None:
    """It is half a pixel wide: through their centres it would be a line, whose box readers drop."""
    lines = picture.split()
    width, height = len(lines[0]), len(lines)
    (row,) = rows(mask(picture), task="segment", size=(width, height))
    assert set(row[1::2]) == {0.25 / width, (width - 0.25) / width}
    assert set(row[2::2]) == {0.25 / height, (height - 0.25) / height}
    assert len(row) == 9


NEAR_PARTS = "########.########\n" * 3
"""Two parts of 24 pixels: to join them, one pixel is painted."""

FAR_PARTS = "##....##\n" * 4
"""Two parts of 8 pixels: to join them, four pixels would be painted."""


@pytest.mark.parametrize(
    ("picture", "parts", "count"),
    [(NEAR_PARTS, "join", 1), (NEAR_PARTS, "split", 2), (FAR_PARTS, "join", 2), (FAR_PARTS, "split", 2)],
)
def test_parts_are_joined_or_split(picture: str, parts: str, count: int) -> None:
    """A mask of two parts is one row or two; two also where the way between them is long beside them."""
    lines = picture.split()
    size = len(lines[0]), len(lines)
    assert len(rows(mask(picture), task="segment", size=size, parts=parts)) == count


def test_objects_in_several_rows_are_listed() -> None:
    """What one object is among the rows can be told; an image in which each has one row has no such file."""
    objects = [
        annotation(mask("#.......\n" + "........\n" * 3), feature_id="f-pixel"),
        annotation(BoundingBox(0, 0, 1, 1), feature_id="f-box"),
        annotation(mask(FAR_PARTS), feature_id="f-apart"),
    ]
    images = sample(label(*objects), size=(8, 4)), sample(label(objects[0]), name="whole", size=(8, 4))
    files = files_of(Yolo(task="segment"), dataset(*images), "train")
    assert {path: json.loads(body) for path, body in files.items() if path.startswith("divided/")} == {
        "divided/train/street.json": {"objects": [{"label_id": "label-1", "feature_id": "f-apart", "rows": [1, 2]}]}
    }
    assert len(files["labels/train/street.txt"].splitlines()) == 3


def test_pose_writes_a_point_with_its_pixel_as_box() -> None:
    """The point is visible (2); one on the border is in the last pixel."""
    assert rows(Point(2.5, 1.75), Point(8, 4), task="pose") == [
        [1, 0.3125, 0.375, 0.125, 0.25, 0.3125, 0.4375, 2],
        [1, 0.9375, 0.875, 0.125, 0.25, 1, 1, 2],
    ]


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_what_a_task_does_not_hold_is_not_written(task: str) -> None:
    """A row is written exactly for the kinds that are declared as held; an image without rows has an empty file."""
    kinds = {
        "bounding_box": BoundingBox(0, 0, 1, 1),
        "polygon": Polygon(((0, 0), (1, 0), (1, 1))),
        "polyline": Polyline(((0, 0), (1, 1))),
        "point": Point(1, 1),
        "mask": mask("#.......\n" + "........\n" * 3),
    }
    for kind, geometry in kinds.items():
        assert len(rows(geometry, task=task)) == Yolo(task=task).holds.holds(kind, kind)  # type: ignore[arg-type]
    assert rows(task=task) == []


def test_a_mask_without_pixels_has_no_outline() -> None:
    """There is nothing to outline, and nothing fails."""
    assert rows(mask("........\n" * 4), task="segment") == []


def test_classes_count_from_zero_and_keep_their_numbers() -> None:
    """A number is the registry's id less one, and a removed class keeps its own, so that no number ever moves."""
    classes = registry("car", "ghost", "naïve: 🚗", removed=["ghost"])
    source = dataset(sample(), sample(name="other", split="val"), classes=classes)
    files = files_of(Yolo(task="pose"), source, "train")
    assert yaml.safe_load(files["data.yaml"]) == {
        "train": "images/train",
        "val": "images/val",
        "kpt_shape": [1, 3],
        "flip_idx": [0],
        "names": {0: "car", 1: "ghost", 2: "naïve: 🚗"},
    }
    assert [(each["index"], each["id"], each["removed"]) for each in json.loads(files["classes.json"])["classes"]] == [
        (0, 1, False),
        (1, 2, True),
        (2, 3, False),
    ]


@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_only_folders_that_exist_are_named(task: Any) -> None:
    """Without rows in ``train`` it is not named, and ``data.yaml`` comes with it all the same."""
    files = files_of(Yolo(task=task), dataset(sample(split="val")), "train")
    document = yaml.safe_load(files["data.yaml"])
    assert {key: document.get(key) for key in ("train", "val")} == {"train": None, "val": "images/val"}
    assert files.keys() == {"data.yaml", "classes.json"}


def test_no_folder_is_named_where_no_image_is_taken() -> None:
    """A dataset whose images are none that the readers take has a ``data.yaml`` without splits."""
    source = replace(dataset(sample(split="train")), counts={"train": 0, "val": 0})
    assert yaml.safe_load(files_of(Yolo(), source, "train")["data.yaml"]).keys() == {"names"}


@pytest.mark.parametrize(
    ("images", "missing"),
    [
        ({"train": 3, "val": 1}, []),
        ({"train": 3, "test": 1}, ["val"]),
        ({"train": 0, "val": 1}, ["train"]),
        ({"train": 0, "val": 0}, ["train", "val"]),  # nothing but images that its readers do not take
        ({}, []),
    ],
)
@pytest.mark.parametrize("options", [{}, {"task": "classify", "question": "weather"}])
def test_what_training_needs_is_told(images: dict[str, int], missing: list[str], options: dict[str, Any]) -> None:
    """Ultralytics needs ``train`` and ``val``; of a dataset without rows there is nothing to say."""
    told = Yolo(**options).advice(Census(rows=images), registry())
    assert [
        sentence.startswith(f"`yolo train` needs `{split}`") for sentence, split in zip(told, missing, strict=True)
    ] == [True] * len(missing)


def test_images_lie_where_their_labels_are_looked_for() -> None:
    """Readers put labels in the place of images, and .txt in that of the extension."""
    assert Yolo().image_path("val", "street.jpg") == "images/val/street.jpg"
    assert files_of(Yolo(), dataset(sample(split="val")), "val") == {"labels/val/street.txt": b""}
