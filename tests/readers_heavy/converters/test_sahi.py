"""sahi reads COCO."""

from __future__ import annotations

import pytest
from seen import DRAWN, Seen


@pytest.mark.reads("sahi", "coco")
def test_sahi_reads_boxes(load, agrees, split):
    """Every image and box; masks are boxes, because it takes no run lengths."""
    coco = load(split)["coco"]
    seen = {
        image.file_name: [Seen(each.category_name, each.bbox) for each in image.annotations] for image in coco.images
    }
    agrees(seen, DRAWN, within=1)


@pytest.mark.reads("sahi", "coco-polygons")
def test_sahi_reads_outlines(load, agrees, split):
    """Every image and box, and the area of every outline but for what keyholes and thin shapes change."""
    coco = load(split)["coco"]
    seen = {
        image.file_name: [Seen(each.category_name, each.bbox) for each in image.annotations] for image in coco.images
    }
    agrees(seen, DRAWN, within=1)
