"""RF-DETR and YOLOX read COCO in layouts of their own."""

from __future__ import annotations

import pytest
from seen import DRAWN, EXACT, Seen


@pytest.mark.reads("rfdetr", "coco")
def test_rfdetr_reads_coco(load, agrees, split):
    """Every image, box and mask, to the pixel, as far as it lies in the image."""
    dataset = load(split)["dataset"]
    seen = {}
    for place, number in enumerate(dataset.ids):
        _, target = dataset[place]
        seen[dataset.coco.imgs[number]["file_name"]] = [
            Seen(
                dataset.coco.cats[dataset.label2cat[int(label)]]["name"], (*box[:2], *(box[2:] - box[:2])), mask.numpy()
            )
            for label, box, mask in zip(target["labels"], target["boxes"], target["masks"], strict=True)
        ]
    agrees(seen, DRAWN, within=1e-2, clipped=True, overlap=EXACT)


@pytest.mark.reads("yolox-datamint", "coco")
def test_yolox_reads_coco(load, agrees, split):
    """Every image and box, as far as it lies in the image."""
    dataset = load(split)["dataset"]
    seen = {}
    for objects, (height, width), _, name in dataset.annotations:
        scale = min(dataset.img_size[0] / height, dataset.img_size[1] / width)
        seen[name] = [
            Seen(dataset._classes[int(label)], (left, top, right - left, bottom - top))
            for left, top, right, bottom, label in objects / ([scale] * 4 + [1])
        ]
    agrees(seen, DRAWN, within=1e-2, clipped=True)
