"""supervision reads COCO, YOLO and Pascal VOC."""

from __future__ import annotations

from pathlib import Path

import pytest
from seen import DRAWN, OUTLINED, Seen, joined


def seen_objects(dataset):
    """What it saw, by image; a mask is None where it read none."""
    return {
        Path(path).name: [
            Seen(dataset.classes[int(label)], (*box[:2], *(box[2:] - box[:2])), mask)
            for box, label, mask in zip(
                found.xyxy, found.class_id, [None] * len(found) if found.mask is None else found.mask, strict=True
            )
        ]
        for path, _, found in dataset
    }


@pytest.mark.reads("supervision", "coco")
def test_supervision_reads_coco(load, agrees, split):
    """Every image and box, every mask to the pixel, and polygons with the pixels that their outlines run through."""
    agrees(seen_objects(load(split)["dataset"]), DRAWN, within=1e-3, overlap={"mask": 1.0, "polygon": 0.9})


@pytest.mark.reads("supervision", "coco-polygons")
def test_supervision_reads_coco_polygons(load, agrees, split):
    """Every image and box, and masks with a pixel more along their edges: least IoU of the smallest."""
    agrees(seen_objects(load(split)["dataset"]), DRAWN, within=1e-3, overlap={"mask": 0.4, "polygon": 0.9})


@pytest.mark.reads("supervision", "yolo-detect")
def test_supervision_reads_yolo(load, agrees, split):
    """Every image and box, as far as it lies in the image."""
    agrees(seen_objects(load(split)["dataset"]), DRAWN, within=1e-2, clipped=True)


@pytest.mark.reads("supervision", "yolo-segment")
def test_supervision_reads_yolo_outlines(load, agrees, split):
    """Every image, mask and polygon, with a pixel more along edges where corners lie between pixels."""
    given = load(split)
    seen = joined(seen_objects(given["dataset"]), Path(given["DIR"]), split)
    agrees(seen, OUTLINED, within=1, clipped=True, overlap={"mask": 0.4, "polygon": 0.9})


@pytest.mark.reads("supervision", "voc")
def test_supervision_reads_voc(load, agrees, split):
    """Every image of a split's list, and every box in whole pixels."""
    given = load(split)
    seen = {name: found for name, found in seen_objects(given["dataset"]).items() if Path(name).stem in given["listed"]}
    agrees(seen, DRAWN, within=1, clipped=True)
