"""Rows that look odd, from the export to every tree, in one project: none is lost, and none is labelled wrongly."""

from __future__ import annotations

import io
import json
import tarfile
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image, ImageOps
from ruamel.yaml import YAML

from deploy.sandbox import ExportSettings, Sandbox
from deploy.sandbox.oddities.odd_pictures import COLOUR, SQUARE
from flows.refresh import refresh
from labelsnap.references import pull

pytestmark = pytest.mark.slow

CONTAINERS = {"jpeg": "jpg", "png": "png", "webp": "webp", "tiff": "tif"}
ORIENTED = tuple(f"{container}_orientation_{number}" for container in CONTAINERS for number in range(1, 9))
FORMATS = {
    "coco": {},
    "yolo": {"task": "detect"},
    "voc": {},
    "masks": {"kind": "semantic"},
    "labelme": {},
    "webdataset": {},
    "huggingface": {},
}
TEXTS = ("unanswered", "half_emoji", "trifles", "byte_order_mark", "carriage_return", "benchmark", "names")
BLANK = ("blank", "white_space")


@pytest.fixture
def project(monkeypatch, tmp_path):
    """Starts a sandbox of 20 rows with some odd lines, and leads the environment there."""
    running = []

    def start(*odd):
        sandbox = Sandbox(rows=20, directory=tmp_path / "own", settings=ExportSettings(odd_lines=odd))
        running.append(sandbox)
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        return sandbox

    yield start
    for sandbox in running:
        sandbox.close()


def published(dataset, sandbox, **changes):
    """What a refresh of the sandbox's whole project gives."""
    return refresh(
        dataset(source={"project": sandbox.project_id}, filters={}, split={"train": 1, "val": 0, "test": 0}, **changes)
    )


def pulled(result, name, directory):
    """The tree of a format."""
    pull(result["ref"], name, directory / name)
    return directory / name


def lines_of(tree):
    """The export's lines as they came."""
    return (tree / "export.ndjson").read_bytes().split(b"\n")


def test_no_row_is_lost_for_a_detail(dataset, project, tmp_path):
    """Unanswered questions, half an emoji, odd details, marks and line ends cost no row; blank lines do not count."""
    sandbox = project(*TEXTS, *BLANK)
    result = published(dataset, sandbox, formats={"yolo": {}})
    skipped = sum(row.skipped for row in sandbox.rows())
    rows = result["rows"]
    assert rows["exported"] == 20 + len(TEXTS)
    assert rows["problems"] == 0
    assert rows["published"] == 20 + len(TEXTS) - rows["excluded"].get("skipped", 0)
    assert rows["excluded"].keys() <= {"skipped"}
    assert rows["excluded"]["skipped"] >= skipped
    assert result["answers"] == {"unanswered": 4}
    assert result["text"] == {"replaced": 1}
    assert result["fields"]["unreadable"] >= 5
    raw = lines_of(pulled(result, "raw", tmp_path))
    assert len(raw) == 20 + len(TEXTS) + len(BLANK) + 1  # the last line ends with a break
    assert b"" in raw[:-1]
    assert b" \t\r" in raw
    assert sum(line.startswith(b"\xef\xbb\xbf{") for line in raw) == 1
    assert sum(line.endswith(b"}\r") for line in raw) == 1
    assert sum(rb"wet \ud83d" in line for line in raw) == 1
    tables = pulled(result, "parquet", tmp_path)
    texts = pq.read_table(tables / "classifications")["text"].to_pylist()
    assert "wet \N{REPLACEMENT CHARACTER}" in texts
    golds = pq.read_table(tables / "labels").filter(pq.read_table(tables / "labels")["is_benchmark"])
    assert len(golds) == 1
    paths = set(pq.read_table(tables / "unreadable")["path"].to_pylist())
    assert any(path.endswith("exif_rotation") for path in paths)
    tree = pulled(result, "yolo", tmp_path)
    assert len(list((tree / "images" / "train").glob("*photo-*.jpeg"))) == 1
    for read in (yaml.safe_load, YAML(typ="safe", pure=True).load):
        names = read((tree / "data.yaml").read_text(encoding="utf-8"))["names"]
        assert "1e3" in names.values()
        assert {type(name) for name in names.values()} == {str}


def test_gold_alone(dataset, project, tmp_path):
    """With ``labels: benchmark`` the one row that has a gold label is published with it, and every other is counted."""
    sandbox = project("benchmark")
    result = published(dataset, sandbox, labels="benchmark", skipped="keep")
    assert result["rows"] == {"exported": 21, "published": 1, "excluded": {"not_benchmark": 20}, "problems": 0}
    assert result["labels"]["published"] == 1
    assert result["labels"]["excluded"]["not_selected"] >= 1
    (label,) = pq.read_table(pulled(result, "parquet", tmp_path) / "labels").to_pylist()
    assert label["is_benchmark"]
    assert label["benchmark_score"] is None


def test_boxes_hold_what_was_drawn_in_every_tree(dataset, project, tmp_path):
    """Whatever a picture's container and orientation, in each format's tree each reader sees the square in its box."""
    sandbox = project(*ORIENTED, "turned", "multi_picture")
    result = published(dataset, sandbox, formats=FORMATS)
    assert result["rows"]["problems"] == 0
    assert result["images"] == {"turned": 1, "converted": 0, "turned_by_readers": 0, "unconfirmed": 0}
    for name in FORMATS:
        seen = list(READERS[name](pulled(result, name, tmp_path)))
        for key, body, (left, top, width, height) in seen:
            for pixels in read_in_every_way(body):
                inside = pixels[round(top) + 3 : round(top + height) - 3, round(left) + 3 : round(left + width) - 3]
                assert np.abs(inside.astype(int) - COLOUR).max() < 60, (name, key)
        assert len(seen) == len(ORIENTED) + 2 * (name != "masks"), name


def test_every_image_of_every_tree_is_whole(dataset, project, tmp_path):
    """All pictures of all trees are decoded to their end; a cut one is a problem, asked for more than once."""
    sandbox = project(*ORIENTED, "turned", "multi_picture", "cut_jpeg", "empty_mask", "degenerate")
    result = published(dataset, sandbox, formats=FORMATS)
    assert result["rows"]["problems"] == 1
    problems = pulled(result, "raw", tmp_path) / "problems.ndjson"
    (problem,) = map(json.loads, problems.read_bytes().splitlines())
    assert problem["code"] == "image_damaged"
    assert result["requests"]["retries"] >= 3
    for name in FORMATS:
        tree = pulled(result, name, tmp_path)
        bodies = {
            path.name: path.read_bytes()
            for path in tree.rglob("*")
            if path.suffix[1:] in {*CONTAINERS.values(), "jpeg"}
        }
        for shard in tree.rglob("*.tar"):
            with tarfile.open(shard) as tar:
                bodies |= {
                    f"{shard.name}/{member.name}": tar.extractfile(member).read()
                    for member in tar
                    if not member.name.endswith(".json")
                }
        for shard in (tree / "data").glob("*.parquet"):
            images = pq.read_table(shard, columns=["image"])["image"].to_pylist()
            bodies |= {f"{shard.name}/{image['path']}": image["bytes"] for image in images}
        assert len(bodies) > 20
        for body in bodies.values():
            with Image.open(io.BytesIO(body)) as image:
                image.load()


def read_in_every_way(body):
    """The picture as readers see it that heed an orientation, and as those that do not."""
    with Image.open(io.BytesIO(body)) as image:
        yield np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    with Image.open(io.BytesIO(body)) as image:
        yield np.asarray(image.convert("RGB"))
    encoded = np.frombuffer(body, np.uint8)
    for flags in (cv2.IMREAD_COLOR, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION):
        yield cv2.imdecode(encoded, flags)[:, :, ::-1]


def is_square(box, size):
    """Whether a box (left, top, width, height) is the one around the square, upright or turned."""
    left, top, across, down = SQUARE
    turned = (size[0] - top - down, left, down, across)
    return any(np.allclose(box, expected, atol=0.01) for expected in (SQUARE, turned))


def size_of(body):
    """Width and height of what is stored."""
    with Image.open(io.BytesIO(body)) as image:
        return image.size


def coco(tree):
    """The square's boxes by pycocotools' keys."""
    document = json.loads((tree / "annotations" / "instances_train.json").read_bytes())
    images = {image["id"]: image for image in document["images"]}
    for annotation in document["annotations"]:
        image = images[annotation["image_id"]]
        if annotation["feature_id"].startswith("c") and is_square(
            annotation["bbox"], (image["width"], image["height"])
        ):
            yield image["file_name"], (tree / "images" / "train" / image["file_name"]).read_bytes(), annotation["bbox"]


def yolo(tree):
    """The square's rows, by the rule that names an image's label file."""
    for path in sorted((tree / "images" / "train").iterdir()):
        body = path.read_bytes()
        width, height = size_of(body)
        for line in (tree / "labels" / "train" / f"{path.stem}.txt").read_text().splitlines():
            _, x, y, across, down = map(float, line.split())
            box = ((x - across / 2) * width, (y - down / 2) * height, across * width, down * height)
            if is_square(box, (width, height)):
                yield path.name, body, box
                break


def voc(tree):
    """The square's boxes, whose corners count from 1 and lie inside."""
    for path in sorted((tree / "Annotations").iterdir()):
        root = ET.fromstring(path.read_bytes())  # noqa: S314 - written by the code under test
        body = (tree / "JPEGImages" / root.findtext("filename")).read_bytes()
        for found in root.iter("object"):
            left, top, right, bottom = (
                int(found.findtext(f"bndbox/{name}")) for name in ("xmin", "ymin", "xmax", "ymax")
            )
            box = (left - 1, top - 1, right - left + 1, bottom - top + 1)
            if is_square(box, size_of(body)):
                yield path.name, body, box
                break


def masks(tree):
    """The boxes of the square's mask; the turned and the multi-picture row have only a box, which no mask holds."""
    document = json.loads((tree / "semantic" / "train.json").read_bytes())
    for image in document["images"]:
        for found in image["objects"]:
            if found["feature_id"].startswith("oddmask"):
                yield image["image"], (tree / "images" / "train" / image["image"]).read_bytes(), found["visible_bbox"]


def labelme(tree):
    """The square's rectangles."""
    for path in sorted((tree / "train").glob("*.json")):
        document = json.loads(path.read_bytes())
        size = document["imageWidth"], document["imageHeight"]
        for shape in document["shapes"]:
            (left, top), (right, bottom) = (shape["points"] * 2)[:2]
            box = (left, top, right - left, bottom - top)
            if shape["shape_type"] == "rectangle" and is_square(box, size):
                yield document["imagePath"], (path.parent / document["imagePath"]).read_bytes(), box
                break


def webdataset(tree):
    """The square's boxes beside the image of the same key."""
    files = {}
    for shard in tree.glob("train-*.tar"):
        with tarfile.open(shard) as tar:
            files |= {member.name: tar.extractfile(member).read() for member in tar}
    for name, body in files.items():
        if name.endswith(".json"):
            document = json.loads(body)
            image = files[document["file_name"]]
            for found in document["objects"]:
                if found["kind"] == "bounding_box" and is_square(found["bbox"], size_of(image)):
                    yield name, image, found["bbox"]
                    break


def huggingface(tree):
    """The square's boxes beside the image's bytes."""
    for shard in sorted((tree / "data").glob("train-*.parquet")):
        for row in pq.read_table(shard).to_pylist():
            size = row["width"], row["height"]
            for kind, box in zip(row["objects"]["kind"], row["objects"]["bbox"], strict=True):
                if kind == "bounding_box" and is_square(box, size):
                    yield row["file_name"], row["image"]["bytes"], box
                    break


READERS = {
    "coco": coco,
    "yolo": yolo,
    "voc": voc,
    "masks": masks,
    "labelme": labelme,
    "webdataset": webdataset,
    "huggingface": huggingface,
}
