"""torchvision reads COCO, with its wrapper for transforms, Pascal VOC, and folders of classes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from seen import DRAWN, EXACT, Seen


@pytest.mark.reads("torchvision", "coco")
def test_torchvision_reads_coco(load, agrees, split):
    """Every image, box and mask, to the pixel."""
    given = load(split)
    dataset, coco = given["dataset"], given["coco"]
    seen = {}
    for number, (_, target) in zip(coco.ids, dataset, strict=True):
        boxes = target.get("boxes", [])
        seen[coco.coco.imgs[number]["file_name"]] = [
            Seen(
                coco.coco.cats[int(target["labels"][place])]["name"],
                (*box[:2], *(box[2:] - box[:2])),
                target["masks"][place].numpy().astype(bool),
            )
            for place, box in enumerate(boxes)
        ]
    agrees(seen, DRAWN, within=1e-2, overlap=EXACT)


@pytest.mark.reads("torchvision", "voc")
def test_torchvision_reads_voc(load, agrees, split):
    """Every image of a split's list, and every box in whole pixels, counted from 1."""
    dataset = load(split)["dataset"]
    seen = {}
    for path in dataset.annotations:
        found = dataset.parse_voc_xml(ET.parse(path).getroot())["annotation"]  # noqa: S314
        seen[found["filename"]] = [
            Seen(each["name"], sides(*(float(each["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax"))))
            for each in found["object"]
        ]
    agrees(seen, DRAWN, within=1, clipped=True)


def sides(left, top, right, bottom):
    """Left, top, width and height of a box whose first and last pixels are counted from 1."""
    return (left - 1, top - 1, right - left + 1, bottom - top + 1)


@pytest.mark.reads("torchvision", "yolo-classify")
def test_torchvision_reads_answers(load, truth, tells, split):
    """Every image that was asked the question, under its answer."""
    dataset = load(split)["dataset"]
    read = {Path(path).name: dataset.classes[number] for path, number in dataset.samples}
    answers = {name: each.answers.get("time of day") for name, each in truth.split(split).items()}
    assert read == {name: answer for name, answer in answers.items() if answer}
    tells(f"{len(read)} images of {len(dataset.classes)} classes")
