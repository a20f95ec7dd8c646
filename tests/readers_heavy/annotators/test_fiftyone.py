"""FiftyOne's importers read COCO, YOLO, Pascal VOC, label maps and folders of classes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from maps import compare_maps
from points import compare_points
from seen import DRAWN, OUTLINED, Seen
from truth import rows_of

MASKS = {"mask": 1.0}
"""FiftyOne fills polygons by a rule of its own, in a mask of their box: of the thinnest nothing is left."""


def by_name(dataset):
    """The samples of a dataset by the names of their files."""
    return {Path(sample.filepath).name: sample for sample in dataset}


def in_pixels(box, picture):
    """A box in pixels, of one in shares of the image's sides."""
    return tuple(np.array(box) * np.array((picture.width, picture.height) * 2))


def whole(detection, picture):
    """The pixels of an object in its image: FiftyOne has those in its box."""
    left, top = (round(side) for side in in_pixels(detection.bounding_box, picture)[:2])
    found = np.zeros((picture.height, picture.width), bool)
    part = found[top : top + detection.mask.shape[0], left : left + detection.mask.shape[1]]
    part[:] = detection.mask[: part.shape[0], : part.shape[1]]
    return found


def detected(dataset, field, pictures):
    """The detections of a field, by image."""
    return {
        name: [
            Seen(
                each.label,
                in_pixels(each.bounding_box, pictures[name]),
                None if each.mask is None else whole(each, pictures[name]),
            )
            for each in (sample[field].detections if sample[field] else ())
        ]
        for name, sample in by_name(dataset).items()
    }


@pytest.mark.reads("fiftyone", "coco")
def test_fiftyone_reads_coco(load, truth, agrees, split):
    """The default import has every image, every object, and the pixels of every mask; points lie apart."""
    given = load(split)
    pictures = truth.split(split)
    agrees(detected(given["dataset"], "detections", pictures), DRAWN, within=1e-3)
    agrees(detected(given["dataset"], "segmentations", pictures), DRAWN, within=1e-3, overlap=MASKS)


@pytest.mark.reads("fiftyone", "coco")
def test_fiftyone_reads_answers_of_coco(load, truth, tells, split, trees):
    """Every answer about an object stands where FiftyOne has it under the name that the file gives it."""
    given, pictures = load(split), truth.split(split)
    found = {
        (name, each.feature_id): each
        for name, sample in by_name(given["dataset"]).items()
        for each in (sample.detections.detections if sample.detections else ())
    }
    rows = {each.data_row_id: name for name, each in pictures.items()}
    answers = Counter(
        (rows[row["data_row_id"]], row["owner_feature_id"])
        for row in rows_of(trees / "parquet", "classifications")
        if row["origin"] == "label" and row["owner"] == "object" and row["data_row_id"] in rows
    )
    written = json.loads((trees / "coco" / "annotations" / f"instances_{split}.json").read_bytes())
    names = {each["id"]: each["file_name"] for each in written["images"]}
    for each in written["annotations"]:
        key = names[each["image_id"]], each["feature_id"]
        assert len(each["attributes"]) == answers[key]
        assert {name: found[key][name] for name in each["attributes"]} == each["attributes"]
        assert found[key]["label_id"] == each["label_id"]
    tells(f"{sum(answers[key] for key in found)} answers about {len(found)} objects")


@pytest.mark.reads("fiftyone", "coco")
def test_fiftyone_reads_points_of_coco(load, truth, tells, split):
    """Every image and point, half a pixel from where it was drawn: COCO counts from the first pixel's centre."""
    pictures = truth.split(split)
    seen = {}
    for name, sample in by_name(load(split)["points"]).items():
        size = np.array((pictures[name].width, pictures[name].height))
        keypoints = sample.ground_truth.keypoints if sample.ground_truth else ()
        seen[name] = [(each.label, *(np.array(each.points[0]) * size + 0.5)) for each in keypoints]
    tells(compare_points(seen, pictures, within=1e-3))


@pytest.mark.reads("fiftyone", "coco-polygons")
def test_fiftyone_reads_polygons_of_coco(load, truth, agrees, split):
    """The same of polygons."""
    pictures = truth.split(split)
    agrees(detected(load(split)["dataset"], "segmentations", pictures), DRAWN, within=1e-3, overlap=MASKS)


@pytest.mark.reads("fiftyone", "yolo-detect")
def test_fiftyone_reads_yolo(load, truth, agrees, split):
    """Every image and box."""
    agrees(detected(load(split)["dataset"], "ground_truth", truth.split(split)), DRAWN, within=1e-2, clipped=True)


@pytest.mark.reads("fiftyone", "yolo-segment")
def test_fiftyone_reads_outlines_of_yolo(load, truth, tells, split):
    """Every image, and each object in one row or more."""
    samples, pictures = by_name(load(split)["dataset"]), truth.split(split)
    assert samples.keys() == pictures.keys()
    for name, picture in pictures.items():
        lines = samples[name].ground_truth.polylines if samples[name].ground_truth else ()
        found = Counter(each.label for each in lines)
        assert found >= Counter(each.name for each in picture.of(OUTLINED)), name
        assert all(each.closed and each.filled for each in lines)
    tells(f"{len(pictures)} images, {sum(len(each.of(OUTLINED)) for each in pictures.values())} objects")


@pytest.mark.reads("fiftyone", "voc")
def test_fiftyone_reads_voc(load, truth, agrees, split):
    """Every image of a split's list, and every box in whole pixels."""
    given, by_stem = load(split), {name.rpartition(".")[0]: each for name, each in truth.split(split).items()}
    assert set(given["listed"]) == by_stem.keys()
    pictures = {sample.filename: by_stem[sample.filename.rpartition(".")[0]] for sample in given["dataset"]}
    seen = detected(given["dataset"], "ground_truth", pictures)
    agrees(seen, DRAWN, within=1.01, clipped=True)


@pytest.mark.reads("fiftyone", "masks-grey")
def test_fiftyone_reads_label_maps(load, truth, tells, split):
    """Every image; its pixels of a class are those of the objects of that class that nothing covers."""
    samples = by_name(load(split)["dataset"])
    tells(compare_maps({name: sample.ground_truth.mask for name, sample in samples.items()}, truth.split(split)))


@pytest.mark.reads("fiftyone", "yolo-classify")
def test_fiftyone_reads_folders_of_classes(load, truth, tells, split):
    """Every image whose question was answered has that answer."""
    found = Counter(sample.ground_truth.label for sample in load(split)["dataset"])
    assert found == Counter(
        answer for each in truth.split(split).values() if (answer := each.answers.get("time of day"))
    )
    tells(f"{found.total()} images of {len(found)} classes")
