"""Training formats from an export to a pulled tree."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from pyarrow import parquet
from pycocotools.coco import COCO

from deploy.sandbox import row_truth
from deploy.sandbox.project.lines import project_line
from deploy.sandbox.server import exports
from flows.refresh import refresh
from labelsnap.formats.registry import FORMATS
from labelsnap.references import open_snapshot, pull
from tests.formats.yolo_rules import fill, read_labels


@pytest.mark.prefect
@pytest.mark.slow
def test_every_format_is_published_and_pulled(sandbox, dataset, tmp_path):
    """Each tree has its files, a card, Croissant and the report; shards hold the images that COCO has as files."""
    small = {"shard_size": "20kB"}
    result = refresh(dataset(formats={name: {} for name in FORMATS} | {"huggingface": small, "webdataset": small}))
    trees = {}
    for name in FORMATS:
        trees[name] = tmp_path / name
        pull(result["ref"], name, trees[name])
        described = {"README.md", "croissant.json", "report.html", "snapshot.json"}
        there = {path.relative_to(trees[name]).as_posix() for path in trees[name].rglob("*") if path.is_file()}
        assert described < there
        assert json.loads((trees[name] / "snapshot.json").read_bytes())["files"].keys() == there - {"snapshot.json"}
        held, lost = result["formats"][name]["held"], result["formats"][name]["lost"]
        counted = {kind: held.get(kind, 0) + lost.get(kind, 0) for kind in result["annotations"]}
        assert counted == result["annotations"]
    files = {path.name: path.read_bytes() for path in (trees["coco"] / "images").rglob("*.*")}
    shards = sorted((trees["huggingface"] / "data").glob("*.parquet"))
    images = [row for shard in shards for row in parquet.read_table(shard)["image"].to_pylist()]
    assert len(shards) > 3
    assert len(images) == result["rows"]["published"]
    assert {image["path"]: image["bytes"] for image in images} == files
    assert b"data:image/jpeg;base64," in (trees["coco"] / "report.html").read_bytes()


@pytest.mark.slow
def test_an_unchanged_dataset_uploads_no_description(dataset):
    """Cards, Croissant and the report have no clock: a second refresh finds every one of their objects."""
    chosen = dataset()
    refresh(chosen)
    again = refresh(chosen)
    assert again["reason"] == "unchanged"
    assert again["objects"]["uploaded"] <= 2  # the raw lines, which name the export's task, and the problems


@pytest.fixture
def answers(sandbox, monkeypatch):
    """The answer of each row to the question "time of day", by the row's index; "dusk" where none is given."""
    given = {}

    def line(row, *wanted):
        found = json.loads(json.dumps(project_line(row, *wanted)))
        labels = chain.from_iterable(project["labels"] for project in found["projects"].values())
        for asked in chain.from_iterable(label["annotations"]["classifications"] for label in labels):
            if asked["name"] == "time of day":
                name = given.get(row.index, "dusk")
                asked["radio_answer"] |= {"name": name, "value": name, "feature_schema_id": f"schema-{name}"}
        return found

    monkeypatch.setattr(exports, "project_line", line)
    monkeypatch.setattr(exports, "_packed_line", exports._packed_line.__wrapped__)
    return given


@pytest.mark.slow
@pytest.mark.parametrize("ones_own", ["Dusk", "!dusk"])
def test_an_answer_that_takes_the_folder_of_another_moves_its_images(dataset, answers, tmp_path, ones_own, monkeypatch):
    """Whatever came or went, each image lies in the folder of its own answer, of rows too that are as they were."""
    monkeypatch.setenv("LABELSNAP_ROWS_PER_BUCKET", "4")
    chosen = dataset(formats={"yolo": {"task": "classify", "question": "time of day"}})

    def shown(night):
        pull(refresh(chosen)["ref"], "yolo", tmp_path / night)
        classes = json.loads((tmp_path / night / "classes.json").read_bytes())["classes"]
        folders = {each["folder"]: each["name"] for each in classes}
        return Counter(folders[path.parent.name] for path in (tmp_path / night).glob("*/*/*.*") if path.stem[0] != ".")

    before = shown("first")
    assert before.keys() == {"dusk"}
    answers.update(dict.fromkeys(range(5), ones_own))
    between = shown("second")
    assert between.keys() == {"dusk", ones_own}
    assert sum(between.values()) == before["dusk"]
    assert between[ones_own] <= 5
    answers.clear()
    assert shown("third") == before


@pytest.mark.slow
def test_images_are_laid_out_by_what_was_answered(dataset, tmp_path):
    """Each published image lies in its split, in the folder of the answer that its line of the export has."""
    question = "time of day"
    result = refresh(dataset(formats={"coco": {}, "yolo": {"task": "classify", "question": question}}))
    for name in ("coco", "yolo", "raw"):
        pull(result["ref"], name, tmp_path / name)
    answers = {}
    for line in (tmp_path / "raw" / "export.ndjson").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for project in row["projects"].values():
            for label in project["labels"]:
                for each in label["annotations"]["classifications"]:
                    if each["name"] == question:
                        answers[row["data_row"]["id"]] = each["radio_answer"]["name"]
    expected, images = {}, tmp_path / "coco" / "images"
    for listed in (tmp_path / "coco" / "annotations").glob("instances_*.json"):
        split = listed.stem.removeprefix("instances_")
        for image in json.loads(listed.read_bytes())["images"]:
            answer = answers.get(image["data_row_id"])
            folder = f"{split}/{answer}" if answer else "unanswered"
            expected[f"{folder}/{image['file_name']}"] = (images / split / image["file_name"]).read_bytes()
    pulled = {
        path.relative_to(tmp_path / "yolo").as_posix(): path for path in (tmp_path / "yolo").glob("**/*.[jp][pn]g")
    }
    assert {path: file.read_bytes() for path, file in pulled.items()} == expected
    assert len({Path(path).parent for path in pulled}) > 3
    assert result["formats"]["yolo"]["held"] == {"radio": sum(not path.startswith("unanswered/") for path in pulled)}
    stored = {file.path.removeprefix("formats/yolo/"): file.key for file in open_snapshot(result["ref"]).manifest.files}
    assert {stored[path].split("/")[1] for path in pulled} == {"images"}  # the packs that other formats' images lie in


def raster(path):
    """A picture's raw values."""
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["rle", "polygons", "rle_lists"])
def test_each_form_of_coco_has_the_generator_s_pixels(sandbox, dataset, tmp_path, form):
    """Every mask has its pixels, area and box as pycocotools reads them; points are apart, and nothing is missing."""
    result = refresh(dataset(formats={"coco": {"segmentation": form, "panoptic": False}}))
    pull(result["ref"], "coco", tmp_path)
    truth = {name: mask for row in sandbox.rows("DONE") for name, mask in row_truth(row).items()}
    forms, points, images = Counter(), [], 0
    for path in sorted((tmp_path / "annotations").glob("instances_*.json")):
        coco = COCO(path)
        images += len(coco.imgs)
        for annotation in coco.dataset["annotations"]:
            assert "keypoints" not in annotation
            if (mask := truth.get(annotation["feature_id"])) is None:
                forms["drawn"] += 1
                continue
            segmentation = annotation["segmentation"]
            forms[type(segmentation["counts"] if isinstance(segmentation, dict) else segmentation[0][0]).__name__] += 1
            assert np.array_equal(coco.annToMask(annotation).astype(bool), mask.pixels)
            assert (annotation["area"], tuple(annotation["bbox"])) == (mask.area, mask.box)
        points += COCO(path.with_name(path.name.replace("instances", "person_keypoints"))).dataset["annotations"]
    counts = result["annotations"]
    kind = {"rle": "str", "polygons": "int", "rle_lists": "list"}[form]
    assert forms == {kind: counts["mask"], "drawn": counts["bounding_box"] + counts["polygon"]}
    assert len(points) == counts["point"] > 0
    assert images == result["rows"]["published"]


@pytest.mark.slow
def test_label_maps_and_outlines_are_the_generator_s_pixels(sandbox, dataset, tmp_path):
    """Of every mask, label maps show the pixels that nothing covers, and YOLO's rows paint all of them."""
    formats = {"masks": {"kind": "instance"}, "yolo": {"task": "segment", "parts": "split"}, "voc": {}, "coco": {}}
    result = refresh(dataset(formats=formats))
    for name in formats:
        pull(result["ref"], name, tmp_path / name)
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


@pytest.mark.slow
def test_splits_without_rows_are_in_no_tree(sandbox, dataset, tmp_path):
    """With all rows in ``train``, trees have no other split, and the result says what Ultralytics would miss."""
    whole = {"train": 1, "val": 0, "test": 0}
    formats = {"yolo": {}, "huggingface": {}, "webdataset": {}, "coco": {"panoptic": False}, "voc": {}}
    result = refresh(dataset(split=whole, formats=formats))
    for name in formats:
        pull(result["ref"], name, tmp_path / name)
    (note,) = result["formats"]["yolo"]["notes"]
    assert "`val`" in note
    assert note in (tmp_path / "yolo" / "README.md").read_text()
    others = {each for name in formats if name != "yolo" for each in result["formats"][name].get("notes", ())}
    assert not any("`val`" in other for other in others)
    (renamed,) = result["formats"]["coco"]["notes"]
    assert "`attributes` as `attributes_`" in renamed
    assert renamed in (tmp_path / "coco" / "README.md").read_text()
    named = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_bytes())
    assert {split: named[split] for split in named.keys() & whole} == {"train": "images/train"}
    assert {path.name.split("-")[0] for path in (tmp_path / "huggingface" / "data").iterdir()} == {"train"}
    assert {path.name for path in (tmp_path / "webdataset").glob("*.tar")} == {"train-000000.tar"}
    assert json.loads((tmp_path / "coco" / "annotations" / "instances_val.json").read_bytes())["images"] == []
    assert (tmp_path / "voc" / "ImageSets" / "Main" / "val.txt").read_bytes() == b""
    header = yaml.safe_load((tmp_path / "huggingface" / "README.md").read_text().split("---\n")[1])
    assert [each["split"] for each in header["configs"][0]["data_files"]] == ["train"]
