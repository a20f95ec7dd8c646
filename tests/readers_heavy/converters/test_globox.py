"""globox reads COCO and Pascal VOC; YOLO only where all images have one ending."""

from __future__ import annotations

import pytest
from seen import DRAWN, Seen


def seen_boxes(annotations):
    """What it saw, by image."""
    return {
        each.image_id: [Seen(box.label, (box.xmin, box.ymin, box.width, box.height)) for box in each.boxes]
        for each in annotations
    }


@pytest.mark.reads("globox", "coco")
def test_globox_reads_coco(load, agrees, split):
    """Every image and box."""
    agrees(seen_boxes(load(split)["annotations"]), DRAWN, within=1e-3)


@pytest.mark.reads("globox", "voc")
def test_globox_reads_voc(load, agrees, split):
    """Every image of a split's list, and every box in whole pixels."""
    given = load(split)
    seen = seen_boxes(each for each in given["annotations"] if each.image_id.rpartition(".")[0] in given["listed"])
    agrees(seen, DRAWN, within=1, clipped=True)
