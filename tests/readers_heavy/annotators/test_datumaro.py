"""Datumaro reads COCO, YOLO and its three types of Pascal VOC."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from datumaro.components.annotation import AnnotationType
from maps import compare_maps
from points import compare_points
from pycocotools import mask as run_lengths
from seen import DRAWN, OUTLINED, Seen
from truth import rows_of

ROUNDED = {"mask": 1.0, "polygon": 0.97}
"""Datumaro keeps two decimals of a polygon's coordinates."""
BOX, MASK, POLYGON, POINTS = AnnotationType.bbox, AnnotationType.mask, AnnotationType.polygon, AnnotationType.points


def names_of(dataset):
    """The names of classes by Datumaro's numbers."""
    return [each.name for each in dataset.categories()[AnnotationType.label]]


def of_split(dataset, split):
    """The items of a split by their ids, which are names of files without the ending."""
    return {item.id: item for item in dataset.get_subset(split)}


def pixels_of(outline, item):
    """The pixels of a mask, or those that Datumaro draws of a polygon."""
    if outline.type == MASK:
        return outline.image.astype(bool)
    runs = run_lengths.frPyObjects([outline.points], *item.media.size)
    return run_lengths.decode(run_lengths.merge(runs)).astype(bool)


def groups_of(item):
    """The annotations of each object."""
    found = {}
    for each in item.annotations:
        found.setdefault(each.group, []).append(each)
    return found.values()


def whole(group, item, names):
    """An object by its box and the pixels of its outlines, which all have one class."""
    (box,) = (each for each in group if each.type == BOX)
    assert {each.label for each in group} == {box.label}
    outlines = [pixels_of(each, item) for each in group if each.type != BOX]
    return Seen(names[box.label], tuple(box.get_bbox()), np.any(outlines, axis=0) if outlines else None)


def boxes_of(dataset, split):
    """The boxes of a split, by image."""
    names = names_of(dataset)
    return {
        name: [Seen(names[each.label], tuple(each.get_bbox())) for each in item.annotations if each.type == BOX]
        for name, item in of_split(dataset, split).items()
    }


@pytest.mark.reads("datumaro", "coco")
def test_datumaro_reads_coco(load, agrees, split, trees):
    """Every image and object with its pixels, and every answer about it."""
    dataset = load(split)["instances"]
    items, names = of_split(dataset, split), names_of(dataset)
    seen = {name: [whole(group, item, names) for group in groups_of(item)] for name, item in items.items()}
    agrees(seen, DRAWN, within=1e-2, overlap=ROUNDED)
    answers = sum(
        len(each.attributes) - 1 for item in items.values() for each in item.annotations if each.type == BOX
    )  # is_crowd is Datumaro's own
    assert answers == answered(trees / "parquet", split)


def answered(tables, split):
    """How many questions about objects that have an area were answered in a split."""
    rows = {row["data_row_id"] for row in rows_of(tables, "data_rows") if row["split"] == split}
    objects = {
        (row["data_row_id"], row["feature_id"])
        for row in rows_of(tables, "annotations")
        if row["data_row_id"] in rows and row["kind"] in DRAWN and row["has_area"]
    }
    return sum(
        (row["data_row_id"], row["owner_feature_id"]) in objects
        for row in rows_of(tables, "classifications")
        if row["origin"] == "label" and row["owner"] == "object"
    )


@pytest.mark.reads("datumaro", "coco")
def test_datumaro_reads_points_of_coco(load, truth, tells, split):
    """Every image and point, half a pixel from where it was drawn: COCO counts from the first pixel's centre."""
    dataset = load(split)["points"]
    names = names_of(dataset)
    seen = {
        name: [
            (names[each.label], each.points[0] + 0.5, each.points[1] + 0.5)
            for each in item.annotations
            if each.type == POINTS
        ]
        for name, item in of_split(dataset, split).items()
    }
    pictures = {name.rpartition(".")[0]: each for name, each in truth.split(split).items()}
    tells(compare_points(seen, pictures, within=1e-2))


@pytest.mark.reads("datumaro", "coco")
def test_datumaro_reads_panoptic_of_coco(load, truth, tells, split):
    """Every image, and every object of which something is seen, under its class."""
    dataset, pictures = load(split)["panoptic"], truth.split(split)
    names, items = names_of(dataset), of_split(dataset, split)
    ids = {name: class_id for class_id, name in truth.classes.items()}
    tells(compare_maps({name: map_of(item, names, ids) for name, item in items.items()}, pictures))


def map_of(item, names, ids):
    """The label map that the masks of an item make, of the class ids of the registry."""
    found = np.zeros(item.media.size, np.int64)
    for each in item.annotations:
        if each.type == MASK:
            found[each.image.astype(bool)] = ids.get(names[each.label], 0)
    return found


@pytest.mark.reads("datumaro", "coco-polygons")
def test_datumaro_reads_polygons_of_coco(load, agrees, split):
    """The same of polygons, of which it keeps coordinates of two decimals."""
    dataset = load(split)["instances"]
    items, names = of_split(dataset, split), names_of(dataset)
    seen = {name: [whole(group, item, names) for group in groups_of(item)] for name, item in items.items()}
    agrees(seen, DRAWN, within=1e-2, overlap=ROUNDED)


@pytest.mark.reads("datumaro", "yolo-detect")
def test_datumaro_reads_yolo(load, agrees, split):
    """Every image and box."""
    agrees(boxes_of(load(split)["dataset"], split), DRAWN, within=0.1, clipped=True)


@pytest.mark.reads("datumaro", "voc")
@pytest.mark.parametrize("kind", ["voc", "voc_detection"])
def test_datumaro_reads_boxes_of_voc(load, agrees, split, kind):
    """Every image and box, in whole pixels, under its class."""
    seen = boxes_of(load(split)["by_kind"][kind], split)
    agrees(seen, DRAWN, within=1, clipped=True)


@pytest.mark.reads("datumaro", "voc")
@pytest.mark.parametrize("kind", ["voc", "voc_segmentation", "voc_instance_segmentation"])
def test_datumaro_reads_label_maps_of_voc(load, truth, tells, split, kind):
    """Every image but those with boxes alone, and each class's pixels; objects have masks of their own."""
    dataset, pictures = load(split)["by_kind"][kind], truth.split(split)
    names, items = names_of(dataset), of_split(dataset, split)
    if kind != "voc":
        pictures = {name: each for name, each in pictures.items() if each.of(OUTLINED) or not each.of(DRAWN)}
    ids = {name: class_id for class_id, name in truth.classes.items()}
    told = compare_maps({name: map_of(item, names, ids) for name, item in items.items()}, pictures)
    masks = Counter(names[each.label] for item in items.values() for each in item.annotations if each.type == MASK)
    labelled = truth.count(split, OUTLINED)
    assert masks <= labelled
    assert masks.total() >= 0.9 * labelled.total()
    tells(f"as {kind} {told}, {masks.total()} masks of {labelled.total()} objects")
