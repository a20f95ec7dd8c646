"""Label Studio's converters make its tasks of COCO and YOLO."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import PurePath

import numpy as np
import pytest
from points import compare_points
from seen import DRAWN, Seen


def tasks(path):
    """The results of each task of a file that is imported, by the name of its image."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return {
        PurePath(task["data"]["image"]).name.removeprefix("?d="): [
            result for each in task.get("annotations", ()) for result in each["result"]
        ]
        for task in found
    }


def box_of(result):
    """Left, top, width and height in pixels, of percents of the image's sides."""
    value, width, height = result["value"], result["original_width"], result["original_height"]
    sides = np.array([value[side] for side in ("x", "y", "width", "height")])
    return tuple(sides / 100 * (width, height, width, height))


@pytest.mark.reads("label-studio-sdk", "coco-polygons")
def test_label_studio_takes_coco(load, agrees, split):
    """Every image has a rectangle and a polygon an object, and the polygons' pixels are the objects'."""
    found = tasks(load(split)["made"])
    seen = {}
    for name, results in found.items():
        rectangles = [each for each in results if each["type"] == "rectanglelabels"]
        outlines = [each for each in results if each["type"] == "polygonlabels"]
        assert Counter(each["value"]["rectanglelabels"][0] for each in rectangles) <= Counter(
            each["value"]["polygonlabels"][0] for each in outlines
        )
        seen[name] = [Seen(each["value"]["rectanglelabels"][0], box_of(each)) for each in rectangles]
    agrees(seen, DRAWN, within=1e-3)


@pytest.mark.reads("label-studio-sdk", "coco-polygons")
def test_label_studio_takes_points_of_coco(load, truth, tells, split):
    """Every image and point, half a pixel from where it was drawn: COCO counts from the first pixel's centre."""
    seen = {
        name: [
            (each["value"]["keypointlabels"][0], *(side + 0.5 for side in spot_of(each)))
            for each in results
            if each["type"] == "keypointlabels"
        ]
        for name, results in tasks(load(split)["points"]).items()
    }
    tells(compare_points(seen, truth.split(split), within=1e-3))


def spot_of(result):
    """X and y in pixels."""
    value = result["value"]
    return value["x"] / 100 * result["original_width"], value["y"] / 100 * result["original_height"]


@pytest.mark.reads("label-studio-sdk", "yolo-detect")
def test_label_studio_takes_yolo(load, truth, agrees, split):
    """Every image and box, under names of one line."""
    names = {" ".join(name.split()): name for name in truth.classes.values()}
    seen = {
        name: [Seen(names[each["value"]["rectanglelabels"][0]], box_of(each)) for each in results]
        for name, results in tasks(load(split)["made"]).items()
    }
    agrees(seen, DRAWN, within=1e-2, clipped=True)
