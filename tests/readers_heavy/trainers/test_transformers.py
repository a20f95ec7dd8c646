"""The image processors of transformers take COCO, panoptic COCO and label maps."""

from __future__ import annotations

import numpy as np
import pytest
from maps import compare_maps
from seen import DRAWN, EXACT, OUTLINED, Seen


def prepared(labels, names, *, masks):
    """The objects of an image as DETR's processor hands them to its model."""
    height, width = labels["orig_size"].tolist()
    for place, number in enumerate(labels["class_labels"].tolist()):
        x, y, across, down = labels["boxes"][place].tolist()
        box = ((x - across / 2) * width, (y - down / 2) * height, across * width, down * height)
        yield Seen(names[number], box, labels["masks"][place].numpy().astype(bool) if masks else None)


@pytest.mark.reads("transformers", "coco (DETR, boxes)")
def test_detr_takes_boxes_of_every_image(load, truth, agrees, split):
    """Every image is prepared, with every box."""
    given = load(split)["prepared"]
    seen = {name: list(prepared(each["labels"][0], truth.classes, masks=False)) for name, each in given.items()}
    agrees(seen, DRAWN, within=0.1, clipped=True)


@pytest.mark.reads("transformers", "coco-lists (DETR, masks)")
def test_detr_takes_runs_of_every_image(load, truth, agrees, split):
    """Every image is prepared, with every box and the very pixels of every object."""
    given = load(split)["prepared"]
    seen = {name: list(prepared(each["labels"][0], truth.classes, masks=True)) for name, each in given.items()}
    agrees(seen, DRAWN, within=0.1, clipped=True, overlap=EXACT)


@pytest.mark.reads("transformers", "coco-polygons (DETR, masks)")
def test_detr_takes_polygons_of_every_image(load, truth, agrees, split):
    """Every image is prepared, with every box and the pixels of every object."""
    given = load(split)["prepared"]
    seen = {name: list(prepared(each["labels"][0], truth.classes, masks=True)) for name, each in given.items()}
    agrees(seen, DRAWN, within=0.1, clipped=True, overlap={"mask": 0.97, "polygon": 1.0})


@pytest.mark.reads("transformers", "coco-lists (DETR, panoptic)")
def test_detr_takes_panoptic_maps_of_every_image(load, truth, tells, split):
    """Every image that has a segment is prepared, with every segment and its class."""
    given = load(split)
    seen, segments = {}, 0
    for name, each in given["prepared"].items():
        labels = each["labels"][0]
        assert len(labels["class_labels"]) == len(given["annotations"][name]["segments_info"])
        segments += len(labels["class_labels"])
        seen[name] = joined(labels["masks"].numpy(), labels["class_labels"].tolist(), labels["size"].tolist())
    tells(f"{segments} segments, {compare_maps(seen, truth.split(split))}")


def joined(masks, classes, size):
    """The label map of masks that do not overlap, one a class id of ``classes``."""
    found = np.zeros(size, np.int64)
    for mask, class_id in zip(masks, classes, strict=True):
        assert not found[mask.astype(bool)].any()
        found[mask.astype(bool)] = class_id
    return found


def instances(prepared, pictures, tells):
    """Compares masks and classes that processors of instances give with what was labelled; void is no mask."""
    found = {
        name: joined(each["mask_labels"][0].numpy(), each["class_labels"][0].tolist(), each["mask_labels"][0].shape[1:])
        for name, each in prepared.items()
    }
    masks = sum(len(each["class_labels"][0]) for each in prepared.values())
    labelled = sum(len(each.of(OUTLINED)) for each in pictures.values())
    assert 0.9 * labelled <= masks <= labelled
    tells(f"{masks} masks of {labelled} objects, {compare_maps(found, pictures)}")


@pytest.mark.reads("transformers", "masks-instance (Mask2Former)")
def test_mask2former_takes_instances(load, truth, tells, split):
    """Every image has a mask for each object of which something is seen, under its class."""
    instances(load(split)["prepared"], truth.split(split), tells)


@pytest.mark.reads("transformers", "masks-instance (OneFormer)")
def test_oneformer_takes_instances(load, truth, tells, split):
    """Every image that shows an object has a mask for each of which something is seen, under its class."""
    prepared, pictures = load(split)["prepared"], truth.split(split)
    by_stem = {name.rpartition(".")[0]: each for name, each in pictures.items()}
    shown = {name: by_stem.pop(name.rpartition(".")[0]) for name in prepared}
    assert not any(each.of(OUTLINED) for each in by_stem.values())
    instances(prepared, shown, tells)


@pytest.mark.reads("transformers", "masks-grey (SegFormer)")
def test_segformer_takes_label_maps(load, truth, tells, split):
    """Every image has its label map, of the registry's class ids."""
    given = load(split)["prepared"]
    tells(compare_maps({name: each["labels"][0].numpy() for name, each in given.items()}, truth.split(split)))
