"""torchmetrics evaluates what was labelled against itself."""

from __future__ import annotations

import pytest
from seen import DRAWN


@pytest.mark.reads("torchmetrics", "coco")
def test_torchmetrics_finds_the_truth_perfect(load, truth, tells, split):
    """Every object takes part, and average precision of boxes and of masks is 1."""
    given = load(split)
    read = sum(len(each["labels"]) for each in given["target"])
    assert read == truth.count(split, DRAWN).total()
    assert given["score"]["bbox_map"] == pytest.approx(1.0)
    assert given["score"]["segm_map"] == pytest.approx(1.0)
    tells(f"{len(given['target'])} images with objects, {read} objects, average precision 1 of boxes and of masks")
