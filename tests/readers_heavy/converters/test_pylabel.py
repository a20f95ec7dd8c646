"""pylabel reads COCO, YOLO and Pascal VOC."""

from __future__ import annotations

import pytest
from seen import DRAWN, Seen


def seen_boxes(frame):
    """What it saw, by image: a row a box, and one without a class for an image that has none."""
    found = {}
    for row in frame.to_dict("records"):
        boxes = found.setdefault(row["img_filename"], [])
        if row["cat_name"]:
            sides = (row["ann_bbox_xmin"], row["ann_bbox_ymin"], row["ann_bbox_width"], row["ann_bbox_height"])
            boxes.append(Seen(row["cat_name"], sides))
    return found


@pytest.mark.reads("pylabel", "coco")
def test_pylabel_reads_coco(load, agrees, split):
    """Every image and box."""
    agrees(seen_boxes(load(split)["dataset"].df), DRAWN, within=1e-3)


@pytest.mark.reads("pylabel", "yolo-detect")
def test_pylabel_reads_yolo(load, agrees, split):
    """Every image and box, as far as it lies in the image."""
    agrees(seen_boxes(load(split)["dataset"].df), DRAWN, within=1e-2, clipped=True)


@pytest.mark.reads("pylabel", "voc")
def test_pylabel_reads_voc(load, truth, agrees, split):
    """Every image of a split's list that has a box, and every box; of images without boxes it knows nothing."""
    given = load(split)
    frame = given["dataset"].df
    seen = seen_boxes(frame[frame.img_filename.str.rpartition(".")[0].isin(given["listed"])])
    seen |= {name: [] for name, each in truth.split(split).items() if not each.of(DRAWN)}
    agrees(seen, DRAWN, within=2, clipped=True)
