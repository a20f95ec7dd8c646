"""sahi reads COCO."""

from __future__ import annotations

import pytest
from seen import DRAWN, Seen


def seen_boxes(coco):
    """Class and box of each object, by image."""
    return {
        image.file_name: [Seen(each.category_name, each.bbox) for each in image.annotations] for image in coco.images
    }


@pytest.mark.reads("sahi", "coco")
def test_sahi_reads_boxes(load, agrees, split):
    """Every image and box; masks are boxes, because it takes no run lengths."""
    agrees(seen_boxes(load(split)["coco"]), DRAWN, within=1)


@pytest.mark.reads("sahi", "coco-polygons")
def test_sahi_reads_outlines(load, agrees, split):
    """Every image, and the box of every outline."""
    agrees(seen_boxes(load(split)["coco"]), DRAWN, within=1)
