"""LabelMe's files by LabelMe's own rules: it is GPL, so they are written down here from its behaviour.

Read of LabelMe 5 and 6: which keys a file must have and of which types, and how shapes become pixels: a mask's PNG
covers its two corner pixels inclusively, a polygon's vertices are drawn and filled by Pillow.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelsnap.formats.labelme import LabelMe
from labelsnap.records.geometry import BoundingBox
from tests.formats.format_samples import RING_AND_PART, annotation, dataset, files_of, label, mask_of, registry, sample

GOLDEN = Path(__file__).parents[1] / "formats" / "golden" / "labelme"
POINTS_OF = {"rectangle": {2}, "point": {1}, "mask": {2}}
LEAST_POINTS_OF = {"polygon": 3, "linestrip": 2}


def opened(path: Path) -> dict[str, Any]:
    """Open a file as LabelMe does: refuse what it refuses."""
    document: dict[str, Any] = json.loads(path.read_bytes())
    assert {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"} <= document.keys()
    assert document["imageData"] is None
    assert "/" not in document["imagePath"]
    for flags in (document["flags"], *(shape["flags"] for shape in document["shapes"])):
        assert all(isinstance(name, str) and isinstance(value, bool) for name, value in flags.items())
    for shape in document["shapes"]:
        assert isinstance(shape["label"], str)
        assert isinstance(shape["description"], str)
        assert shape["group_id"] is None or isinstance(shape["group_id"], int)
        points = shape["points"]
        assert points
        assert all(isinstance(number, int | float) for point in points for number in point)
        assert {len(point) for point in points} == {2}
        kind = shape["shape_type"]
        assert len(points) in POINTS_OF[kind] if kind in POINTS_OF else len(points) >= LEAST_POINTS_OF[kind]
        assert (shape["mask"] is not None) == (kind == "mask")
    return document


def pixels(document: dict[str, Any], shape: dict[str, Any]) -> Any:
    """Paint a mask as LabelMe does: its patch from the first corner pixel to the second, inclusively."""
    painted = np.zeros((document["imageHeight"], document["imageWidth"]), bool)
    (left, top), (right, bottom) = np.array(shape["points"]).astype(int)
    patch = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape["mask"])))).astype(bool)
    painted[top : bottom + 1, left : right + 1] = patch
    return painted


@pytest.fixture
def street() -> dict[str, Any]:
    """The image with every kind."""
    return opened(GOLDEN / "train" / "street.json")


def test_every_kind_is_a_shape(street: dict[str, Any]) -> None:
    """Boxes are exact, and polygons and lines have their vertices as drawn, the closing one dropped."""
    shapes = {shape["label"]: shape for shape in street["shapes"]}
    assert {name: shape["shape_type"] for name, shape in shapes.items()} == {
        "car": "rectangle",
        "road": "polygon",
        "lane": "linestrip",
        "light": "point",
        "tree": "mask",
    }
    assert shapes["car"]["points"] == [[1, 1], [5, 4]]
    assert shapes["road"]["points"] == [[0, 4], [8, 4], [8, 6], [0, 6]]
    assert shapes["lane"]["points"] == [[0, 5.5], [8, 4.5]]
    assert shapes["light"]["points"] == [[6.5, 2.25]]


def test_masks_are_exact_to_the_pixel(street: dict[str, Any]) -> None:
    """A mask with a hole and two parts, and one of one pixel."""
    (tree,) = (shape for shape in street["shapes"] if shape["shape_type"] == "mask")
    expected = np.array([[pixel == "#" for pixel in line] for line in RING_AND_PART.split()])
    assert np.array_equal(pixels(street, tree), expected)
    assert tree["points"] == [[1, 1], [6, 3]]
    small = opened(GOLDEN / "val" / "small.json")
    assert pixels(small, small["shapes"][0]).tolist() == [[False] * 3, [False, False, True]]


def test_masks_of_all_sizes_are_exact(tmp_path: Path) -> None:
    """Masks at random, on the border and of the whole image; one without pixels paints none."""
    random = np.random.default_rng(0)
    for height, width in ((1, 1), (1, 9), (7, 1), (6, 8)):
        for share in (0, 0.3, 1):
            expected = random.random((height, width)) < share
            source = dataset(sample(label(annotation(mask_of(expected))), size=(width, height)))
            path = tmp_path / "street.json"
            path.write_bytes(files_of(LabelMe(), source, "train")["train/street.json"])
            document = opened(path)
            assert np.array_equal(pixels(document, document["shapes"][0]), expected)


def test_answers_are_flags_and_ids_are_kept(street: dict[str, Any]) -> None:
    """What was chosen is seen in LabelMe's window; whole answers, relationships and ids are extra keys."""
    car = street["shapes"][0]
    assert car["flags"] == {
        "colour: red": True,
        "colour/shade: dark": True,
        "colour/wear: rust": True,
        "colour/wear: dent": True,
        "plate: LS 1": True,
    }
    assert (car["feature_id"], car["label_id"], car["attributes"]["plate"]) == ("f-box", "label-1", "LS 1")
    assert street["flags"]["weather: fog"] is True
    assert street["relationships"][0]["target"] == "f-box"
    assert street["data_row_id"] == "row-street"


def test_image_without_objects_has_a_file() -> None:
    """It opens, and has no shapes."""
    assert opened(GOLDEN / "train" / "empty.json")["shapes"] == []


def test_classes_in_use_are_listed() -> None:
    """``labelme --labels labels.txt`` offers the dataset's classes; removed ones are left out."""
    assert (GOLDEN / "labels.txt").read_text(encoding="utf-8").split() == ["car", "road", "lane", "light", "tree"]


def test_classes_that_a_line_spells_alike_stay_apart() -> None:
    """LabelMe strips the lines of ``labels.txt`` and refuses two alike: each class has its own."""
    names = ("car", "car ", "a\nb", "a\rb", "\t")
    drawn = [annotation(BoundingBox(1, 1, 3, 2), name=name, feature_id=name) for name in names]
    files = files_of(LabelMe(), dataset(sample(label(*drawn)), classes=registry(*names)), "train")
    lines = [line.strip() for line in files["labels.txt"].decode().split("\n")[:-1]]
    (document,) = (json.loads(body) for path, body in files.items() if path.endswith(".json"))
    assert lines == [shape["label"] for shape in document["shapes"]]
    assert len(set(lines)) == len(names)
