"""Ultralytics reads the four tasks of YOLO."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from seen import DRAWN, OUTLINED, Seen, joined

SMALLEST = 10
"""Pixels: Ultralytics refuses an image of which a side is shorter."""


def seen_rows(dataset, sizes):
    """What it saw, by image, with the pixels that it paints of outlines for a loss."""
    found = {}
    for each in dataset.labels:
        name = Path(each["im_file"]).name
        height, width = sizes[name]
        boxes = each["bboxes"] * (width, height, width, height)
        outlines = each["segments"] or [None] * len(boxes)
        found[name] = [
            Seen(
                dataset.data["names"][int(number)],
                (x - wide / 2, y - high / 2, wide, high),
                None if outline is None else painted(outline * (width, height), (height, width)),
            )
            for number, (x, y, wide, high), outline in zip(each["cls"].ravel(), boxes, outlines, strict=True)
        ]
    return found


def painted(outline, size):
    """The pixels of an outline, height × width, as ``ultralytics.data.utils.polygon2mask`` has them."""
    return cv2.fillPoly(np.zeros(size, np.uint8), [outline.astype(np.int32)], 1).astype(bool)


@pytest.fixture
def sizes(truth):
    """Height and width of every image."""
    return {each.name: (each.height, each.width) for each in truth.pictures}


@pytest.mark.reads("ultralytics", "yolo-detect")
def test_ultralytics_reads_boxes(load, agrees, sizes, split):
    """Every image and box, as far as it lies in the image."""
    agrees(seen_rows(load(split)["dataset"], sizes), DRAWN, within=1e-2, clipped=True)


@pytest.mark.reads("ultralytics", "yolo-segment")
def test_ultralytics_reads_outlines(load, agrees, sizes, split):
    """Every image, and every mask and polygon by its outline."""
    given = load(split)
    seen = joined(seen_rows(given["dataset"], sizes), Path(given["DIR"]), split)
    agrees(seen, OUTLINED, within=1, clipped=True, overlap={"mask": 0.97, "polygon": 0.9})


@pytest.mark.reads("ultralytics", "yolo-pose")
def test_ultralytics_reads_points(load, truth, agrees, sizes, split):
    """Every image and point, where it was drawn, in the pixel that is its box."""
    given = load(split)
    for each in given["dataset"].labels:
        height, width = sizes[Path(each["im_file"]).name]
        drawn = [
            thing.vertices[0] for thing in truth.split(split)[Path(each["im_file"]).name].of({"point"}, has_area=False)
        ]
        read = each["keypoints"][:, 0, :2] * (width, height)
        assert np.allclose(sorted(map(tuple, read)), sorted(map(tuple, drawn)), atol=1e-3)
    agrees(seen_rows(given["dataset"], sizes), {"point"}, within=1.001, has_area=False)


@pytest.mark.reads("ultralytics", "yolo-classify")
def test_ultralytics_reads_answers(load, truth, tells, split):
    """Every image that was asked the question, under its answer; images too small for it are left out."""
    dataset = load(split)["dataset"]
    classes = dataset.base.classes
    read = {Path(path).name: classes[number] for path, number, *_ in dataset.samples}
    answers = {
        name: each.answers["time of day"]
        for name, each in truth.split(split).items()
        if "time of day" in each.answers and min(each.width, each.height) >= SMALLEST
    }
    assert read == answers
    tells(f"{len(read)} images of {len(classes)} classes")
