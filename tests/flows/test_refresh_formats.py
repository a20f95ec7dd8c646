"""Training formats from an export to a pulled tree."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from deploy.sandbox import row_truth
from flows.refresh import refresh
from flows.trees import lay_out
from tests.formats.yolo_rules import fill, read_labels

pytestmark = pytest.mark.xdist_group("prefect")


def quiet(*_):
    """Show nothing."""
    return


@pytest.mark.slow
def test_images_travel_inside_the_shards(dataset, tmp_path):
    """Every published row is in one shard with the image that the COCO tree has as a file, and nothing is lost."""
    result = refresh(dataset(formats={"coco": {}, "huggingface": {"shard_size": "20kB"}}))
    lay_out(result["ref"], "coco", tmp_path / "coco", quiet)
    lay_out(result["ref"], "huggingface", tmp_path / "shards", quiet)
    files = {path.name: path.read_bytes() for path in (tmp_path / "coco" / "images").rglob("*.*")}
    shards = sorted((tmp_path / "shards" / "data").glob("*.parquet"))
    images = [row for shard in shards for row in parquet.read_table(shard)["image"].to_pylist()]
    assert len(shards) > 3
    assert len(images) == result["rows"]["published"]
    assert {image["path"]: image["bytes"] for image in images} == files
    assert result["formats"]["huggingface"] == {"held": result["annotations"], "lost": {}}


def raster(path):
    """A picture's raw values."""
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.slow
def test_label_maps_and_outlines_are_the_generator_s_pixels(sandbox, dataset, tmp_path):
    """Of every mask, label maps show the pixels that nothing covers, and YOLO's rows paint all of them."""
    formats = {"masks": {"kind": "instance"}, "yolo": {"task": "segment", "parts": "split"}, "voc": {}, "coco": {}}
    result = refresh(dataset(formats=formats))
    for name in formats:
        lay_out(result["ref"], name, tmp_path / name, quiet)
    truth = {name: mask for row in sandbox.rows("DONE") for name, mask in row_truth(row).items()}
    checked = 0
    for listed in sorted((tmp_path / "masks" / "instance").glob("*.json")):
        for image in json.loads(listed.read_bytes())["images"]:
            instances = raster(listed.with_suffix("") / image["file_name"])
            rows = (tmp_path / "yolo" / "labels" / listed.stem / image["file_name"]).with_suffix(".txt").read_text()
            outlines = read_labels(rows, classes=100).outlines
            painted = np.zeros(instances.shape, bool)
            for outline in outlines:
                painted |= fill(outline, instances.shape[1], instances.shape[0])
            for each in image["objects"]:
                seen = instances == each["id"]
                assert np.count_nonzero(seen) == each["visible_area"]
                if (mask := truth.get(each["feature_id"])) is not None:
                    covered = instances > each["id"]
                    assert np.array_equal(seen, mask.pixels & ~covered)
                    assert not (mask.pixels & ~painted).any()
                    checked += 1
            if image["objects"]:
                classes = raster(tmp_path / "voc" / "SegmentationClass" / image["file_name"])
                of_object = np.array([0, *(each["class_id"] for each in image["objects"])])
                assert np.array_equal(classes, of_object[instances])
    assert checked == result["annotations"]["mask"] > 0
    lists = (tmp_path / "voc" / "ImageSets" / "Main").glob("*.txt")
    assert sum(len(path.read_text().split()) for path in lists) == result["rows"]["published"]
    assert len(list((tmp_path / "voc" / "JPEGImages").iterdir())) == result["rows"]["published"]
    for name in formats:
        held, lost = (Counter(result["formats"][name][part]) for part in ("held", "lost"))
        assert held + lost == result["annotations"]
