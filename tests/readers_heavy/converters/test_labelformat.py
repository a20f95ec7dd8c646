"""labelformat reads COCO, YOLO and Pascal VOC."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as run_lengths
from seen import DRAWN, EXACT, OUTLINED, Seen, joined


def seen_boxes(labels):
    """What it saw, by image."""
    return {
        label.image.filename: [Seen(each.category.name, sides(each.box)) for each in label.objects] for label in labels
    }


def seen_outlines(labels, fill):
    """What it saw, by image, with the pixels that ``fill`` makes of its polygons."""
    found = {}
    for label in labels:
        size = (label.image.height, label.image.width)
        found[label.image.filename] = [
            Seen(each.category.name, sides(each.segmentation.bounding_box()), fill(each.segmentation.polygons, size))
            for each in label.objects
        ]
    return found


def sides(box):
    """Left, top, width and height."""
    return (box.xmin, box.ymin, box.xmax - box.xmin, box.ymax - box.ymin)


def filled(polygons, size):
    """The pixels whose centres lie in some polygons, as COCO's readers fill them, height × width."""
    rings = [[coordinate for vertex in polygon for coordinate in vertex] for polygon in polygons]
    return run_lengths.decode(run_lengths.merge(run_lengths.frPyObjects(rings, *size))).astype(bool)


def painted(polygons, size):
    """The same with the pixels that the outline runs through, as YOLO's trainers paint them."""
    rings = [np.array(polygon, dtype=np.int32) for polygon in polygons]
    return cv2.fillPoly(np.zeros(size, np.uint8), rings, 1).astype(bool)


@pytest.mark.reads("labelformat", "coco")
def test_labelformat_reads_coco(load, agrees, split):
    """Every image and box."""
    agrees(seen_boxes(load(split)["labels"]), DRAWN, within=1e-3)


@pytest.mark.reads("labelformat", "coco-polygons")
def test_labelformat_reads_polygons(load, agrees, split):
    """Every image, and every mask, polygon and box as an outline."""
    agrees(seen_outlines(load(split)["labels"], filled), DRAWN, within=1, overlap=EXACT)


@pytest.mark.reads("labelformat", "yolo-detect")
def test_labelformat_reads_yolo(load, agrees, split):
    """Every image and box, as far as it lies in the image."""
    agrees(seen_boxes(load(split)["labels"]), DRAWN, within=1e-2, clipped=True)


@pytest.mark.reads("labelformat", "yolo-segment")
def test_labelformat_reads_yolo_outlines(load, agrees, split):
    """Every image, and every mask and polygon by its outline."""
    given = load(split)
    seen = joined(seen_outlines(given["labels"], painted), Path(given["DIR"]), split)
    agrees(seen, OUTLINED, within=1, clipped=True, overlap={"mask": 0.97, "polygon": 0.9})


@pytest.mark.reads("labelformat", "voc")
def test_labelformat_reads_voc(load, agrees, split):
    """Every image of a split's list, and every box in whole pixels."""
    given = load(split)
    listed = {label.image.filename: label for label in given["labels"]}
    seen = seen_boxes(label for name, label in listed.items() if name.rpartition(".")[0] in given["listed"])
    agrees(seen, DRAWN, within=1, clipped=True)
