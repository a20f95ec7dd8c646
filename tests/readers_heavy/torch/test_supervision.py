"""supervision reads COCO."""

from __future__ import annotations

from collections import Counter

import pytest


@pytest.mark.reads("supervision", "coco")
def test_supervision_reads_coco(load, truth, split):
    """Every image, and each class's objects, with the pixels of every mask."""
    dataset = load(split)["dataset"]
    pictures = truth.split(split)
    assert {path.rpartition("/")[2] for path, _, _ in dataset} == pictures.keys()
    found = Counter()
    for path, _, detections in dataset:
        found.update(dataset.classes[number] for number in detections.class_id)
    assert found == truth.count(split, {"bounding_box", "polygon", "mask"})
