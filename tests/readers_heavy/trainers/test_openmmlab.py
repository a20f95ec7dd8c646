"""MMDetection reads COCO and Pascal VOC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as run_lengths
from seen import DRAWN, EXACT, Seen


def seen_objects(dataset):
    """What it saw, by image."""
    found = {}
    for each in map(dataset.get_data_info, range(len(dataset))):
        found[Path(each["img_path"]).name] = [
            Seen(
                dataset.metainfo["classes"][one["bbox_label"]],
                (*one["bbox"][:2], *(np.array(one["bbox"][2:]) - one["bbox"][:2])),
                pixels(one["mask"], (each["height"], each["width"])) if "mask" in one else None,
            )
            for one in each["instances"]
        ]
    return found


def pixels(segmentation, size):
    """What mmdet's ``LoadAnnotations`` makes of a segmentation for ``BitmapMasks``."""
    runs = segmentation
    if isinstance(segmentation, list):
        runs = run_lengths.merge(run_lengths.frPyObjects(segmentation, *size))
    return run_lengths.decode(runs).astype(bool)


def too_thin(thing):
    """Whether MMDetection leaves an object out: one of its sides is shorter than a pixel."""
    return min(thing.box[2:]) < 1


@pytest.mark.reads("mmdet", "coco")
def test_mmdet_reads_coco(load, agrees, split):
    """Every image, box and mask, to the pixel, but for what is thinner than a pixel."""
    agrees(seen_objects(load(split)["dataset"]), DRAWN, within=1e-3, but=too_thin, overlap=EXACT)


@pytest.mark.reads("mmdet", "voc")
def test_mmdet_reads_voc(load, agrees, split):
    """Every image of a split's list, and every box in whole pixels."""
    agrees(seen_objects(load(split)["dataset"]), DRAWN, within=1, clipped=True)
