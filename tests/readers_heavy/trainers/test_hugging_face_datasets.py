"""Hugging Face's datasets load tables and folders of images."""

from __future__ import annotations

import pytest
from pycocotools import mask as run_lengths
from seen import Seen

EVERY = frozenset({"bounding_box", "polygon", "mask", "polyline", "point"})
MASKS = {"mask": 1.0}


def objects_of(row, names):
    """The objects of a row, which is a struct of lists."""
    objects = row["objects"]
    for place, number in enumerate(objects["category"]):
        runs = objects["rle"][place]
        size = [row["height"], row["width"]]
        pixels = run_lengths.decode({"size": size, "counts": runs}).astype(bool) if runs else None
        yield Seen(
            names[number], tuple(objects["bbox"][place]), pixels if pixels is not None and pixels.any() else None
        )


def compare_rows(rows, pictures, agrees):
    """Every row is an image of its size, with every object of every kind, and the pixels of masks."""
    names = rows.features["objects"]["category"].feature.names
    by_id = {each.data_row_id: name for name, each in pictures.items()}
    seen = {}
    for row in rows:
        name = by_id[row["data_row_id"]]
        assert row["image"].size == (row["width"], row["height"]) == (pictures[name].width, pictures[name].height)
        seen[name] = list(objects_of(row, names))
    agrees(seen, EVERY, within=1e-6, has_area=False, overlap=MASKS)


@pytest.mark.reads("datasets", "huggingface")
def test_datasets_loads_tables(load, truth, agrees, split):
    """Every image and every object of every kind."""
    compare_rows(load(split)["rows"], truth.split(split), agrees)


@pytest.mark.reads("datasets", "huggingface-imagefolder")
def test_datasets_loads_folders_of_images(load, truth, agrees, split):
    """Every image and every object of every kind."""
    compare_rows(load(split)["rows"], truth.split(split), agrees)


@pytest.mark.reads("datasets", "yolo-classify")
def test_datasets_loads_folders_of_classes(load, truth, tells, split):
    """Every image whose question was answered has that answer."""
    rows = load(split)["rows"]
    names = rows.features["label"].names
    found = sorted(names[number] for number in rows["label"])
    answers = (each.answers.get("time of day") for each in truth.split(split).values())
    assert found == sorted(answer for answer in answers if answer)
    tells(f"{len(found)} images of {len(set(found))} classes")
