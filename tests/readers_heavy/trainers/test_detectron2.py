"""detectron2 reads COCO in both of its forms of masks, and Pascal VOC."""

from __future__ import annotations

from pathlib import Path

import pytest
from seen import DRAWN, EXACT, Seen


def seen_instances(given, pixels):
    """What it saw, by image; ``pixels`` makes those of its masks, height × width, from an image's instances."""
    found = {}
    for record, instances in zip(given["records"], given["instances"], strict=True):
        boxes = instances.gt_boxes.tensor.numpy() if len(record["annotations"]) else []
        found[Path(record["file_name"]).name] = [
            Seen(given["names"][int(instances.gt_classes[place])], (*box[:2], *(box[2:] - box[:2])), mask)
            for place, (box, mask) in enumerate(zip(boxes, pixels(instances, record), strict=True))
        ]
    return found


def painted(instances, record):
    """The pixels of detectron2's polygons."""
    from detectron2.structures.masks import polygons_to_bitmask  # noqa: PLC0415 - after the row's own lines

    if not len(record["annotations"]):
        return []
    return [polygons_to_bitmask(each, record["height"], record["width"]) for each in instances.gt_masks.polygons]


@pytest.mark.reads("pb1-detectron2", "coco")
def test_detectron2_reads_bitmasks(load, agrees, split):
    """With ``INPUT.MASK_FORMAT: bitmask`` every image, box and mask, to the pixel."""

    def pixels(instances, record):
        return instances.gt_masks.tensor.numpy() if len(record["annotations"]) else []

    agrees(seen_instances(load(split), pixels), DRAWN, within=1e-2, overlap=EXACT)


@pytest.mark.reads("pb1-detectron2", "coco-polygons")
def test_detectron2_reads_polygons(load, agrees, split):
    """With ``INPUT.MASK_FORMAT: polygon``, its default, every image and box, and every outline to the pixel."""
    agrees(seen_instances(load(split), painted), DRAWN, within=1e-2, overlap=EXACT)


@pytest.mark.reads("pb1-detectron2", "voc")
def test_detectron2_reads_voc(load, agrees, split):
    """Every image of a split's list, and every box in whole pixels."""
    given = load(split)
    seen = {
        Path(record["file_name"]).name: [
            Seen(given["names"][each["category_id"]], sides(*each["bbox"])) for each in record["annotations"]
        ]
        for record in given["records"]
    }
    agrees(seen, DRAWN, within=1, clipped=True)


def sides(left, top, right, bottom):
    """Left, top, width and height."""
    return (left, top, right - left, bottom - top)


@pytest.mark.reads("pb1-detectron2", "coco keypoints")
def test_detectron2_reads_points(load, truth, tells, split):
    """Every image and point, exactly where it was drawn: it counts from a pixel's corner, and COCO from its centre."""
    given = load(split)
    seen, pictures = {}, truth.split(split)
    for record in given["records"]:
        seen[Path(record["file_name"]).name] = sorted(
            (given["names"][each["category_id"]], *each["keypoints"][:2]) for each in record["annotations"]
        )
    assert seen.keys() == pictures.keys()
    for name, picture in pictures.items():
        drawn = sorted((each.name, *each.vertices[0]) for each in picture.of({"point"}, has_area=False))
        assert seen[name] == drawn
    tells(f"{len(seen)} images, {sum(map(len, seen.values()))} points")
