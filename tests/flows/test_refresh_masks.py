"""Masks that lie over each other, from the export to the trees, by either rule of the dataset file."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from pycocotools.coco import COCO

from deploy.sandbox import ExportSettings, Fault, Sandbox
from flows.refresh import refresh
from labelsnap.references import open_snapshot, pull

SQUARE, COVERED, SMALL = 2500, 1000, 400
"""Pixels of 50 × 50, of 20 × 50 of them that lie under another, and of 20 × 20."""
DRAWN = {"under": SQUARE, "beneath": SMALL, "over": SQUARE, "absent": SQUARE, "beside": SQUARE}
SHOWN = DRAWN | {"under": SQUARE - COVERED, "beneath": 0, "absent": SQUARE - COVERED}
AREAS = {"composite": SHOWN, "instance": DRAWN}
COUNTS = {
    "composite": {"hidden": 1, "cut": 1, "overlapping": 0, "without_composite": 0, "from_composite": 0},
    "instance": {"hidden": 0, "cut": 0, "overlapping": 5, "without_composite": 0, "from_composite": 0},
}


@pytest.fixture
def layered(dataset, monkeypatch, tmp_path):
    """A sandbox of three rows, whose masks do not overlap, and two with masks that do; and its dataset file, read."""
    settings = ExportSettings(odd_lines=("overlapping_masks", "missing_mask"))
    with Sandbox(rows=3, directory=tmp_path / "own", settings=settings) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)

        def written(store="store", **changes):
            of_all = {"filters": {}, "split": {"train": 1, "val": 0, "test": 0}, "store": f"file://{tmp_path}/{store}"}
            return dataset(source={"project": sandbox.project_id}, **of_all | changes)

        yield sandbox, written


def coco_areas(tree):
    """The areas of the odd masks by their shapes: as the document says them, which must be as pycocotools counts."""
    coco = COCO(tree / "annotations" / "instances_train.json")
    odd = [each for each in coco.dataset["annotations"] if each["feature_id"].startswith("oddmask")]
    assert all(each["area"] == coco.annToMask(each).sum() for each in odd)
    return {each["feature_id"].split("-")[1]: each["area"] for each in odd}


def panoptic_areas(tree):
    """The areas of what is seen in the pictures of the odd rows, ascending; trees are all that they have."""
    document = json.loads((tree / "annotations" / "panoptic_train.json").read_bytes())
    odd = {image["id"] for image in document["images"] if "odd-" in image["file_name"]}
    segments = [each["segments_info"] for each in document["annotations"] if each["image_id"] in odd]
    return sorted(segment["area"] for found in segments for segment in found)


def table_areas(tree):
    """The areas of the odd masks by their shapes, and whether they have one."""
    rows = pq.read_table(tree / "annotations").to_pylist()
    odd = [row for row in rows if row["feature_id"].startswith("oddmask")]
    return {row["feature_id"].split("-")[1]: (row["mask"]["area"], row["has_area"]) for row in odd}


def pulled(result, name, directory):
    """The tree of a format."""
    pull(result["ref"], name, directory / name)
    return directory / name


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["composite", "instance"])
def test_masks_that_overlap_follow_the_rule_in_every_tree(layered, tmp_path, rule):
    """What lies under others is left to them, or everything is whole; panoptic shows what is seen, the last on top."""
    sandbox, dataset = layered
    result = refresh(dataset(masks=rule, formats={"coco": {"panoptic": True}}))
    assert result["rows"]["problems"] == 0
    assert result["masks"] == COUNTS[rule]
    coco = pulled(result, "coco", tmp_path)
    assert coco_areas(coco) == {name: area for name, area in AREAS[rule].items() if area}
    assert result["formats"]["coco"]["lost"].get("mask", 0) == (rule == "composite")
    assert panoptic_areas(coco) == [SQUARE - COVERED, SQUARE - COVERED, SQUARE, SQUARE]
    assert table_areas(pulled(result, "parquet", tmp_path)) == {
        name: (area, area > 0) for name, area in AREAS[rule].items()
    }
    asked = sandbox.requests
    if rule == "composite":
        assert (asked.count("instance_mask"), result["requests"]["instance_masks"]) == (2, 2)
    else:
        assert (asked.count("composite_mask"), result["requests"]["composite_masks"]) == (0, 0)
        assert asked.count("instance_mask") == result["requests"]["instance_masks"] == result["annotations"]["mask"]


@pytest.mark.slow
def test_another_rule_makes_masks_anew_and_no_image(layered):
    """There and back: each version's tables and trees are those of a dataset made anew; then nothing is asked for."""
    sandbox, dataset = layered
    made = {rule: contents(refresh(dataset(rule, masks=rule))) for rule in AREAS}
    refresh(dataset(masks="composite"))
    for rule in ("instance", "composite"):
        sandbox.requests.clear()
        result = refresh(dataset(masks=rule))
        assert (result["published"], result["masks"]) == (True, COUNTS[rule])
        assert contents(result) == made[rule]
        assert sandbox.requests.count("image") == 0
    sandbox.requests.clear()
    again = refresh(dataset(masks="composite"))
    assert (again["published"], again["reason"], again["masks"]) == (False, "unchanged", COUNTS["composite"])
    assert sandbox.requests.count("*mask") == 0


@pytest.mark.slow
def test_a_composite_that_fails_is_asked_for_again_and_its_instances_are_not(layered):
    """Nothing changes while it fails, and then the dataset is as if it never had."""
    sandbox, dataset = layered
    sandbox.faults.add(Fault("composite_mask", "status", status=404, times=None))
    first = refresh(dataset())
    without = first["masks"]["without_composite"]
    assert (first["rows"]["problems"], without > 0, first["masks"]["hidden"]) == (0, True, 0)
    composites = sandbox.requests.count("composite_mask")
    sandbox.requests.clear()
    second = refresh(dataset())
    assert (second["reason"], second["masks"]["without_composite"]) == ("unchanged", without)
    asked = [sandbox.requests.count(kind) for kind in ("composite_mask", "instance_mask", "image")]
    assert asked == [composites, 0, 0]
    sandbox.faults.clear()
    third = refresh(dataset())
    assert (third["published"], third["masks"]) == (True, COUNTS["composite"])
    assert sandbox.requests.count("instance_mask") == 0
    assert contents(third) == contents(refresh(dataset("another")))


def contents(result):
    """The sha256 of every file that the rows decide, by path."""
    files = open_snapshot(result["ref"]).manifest.files
    own = ("raw/", "parts/", "report.html", "tables/problems/", "tables/images/")
    return {
        file.path: file.sha256
        for file in files
        if not file.path.startswith(own) and not file.path.endswith("croissant.json")
    }
