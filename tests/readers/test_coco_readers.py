"""The golden COCO files as pycocotools reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelsnap.formats.coco.writer import Coco
from labelsnap.records.geometry import Point
from tests.formats.format_samples import annotation, dataset, files_of, label, registry, sample

GOLDEN = Path(__file__).parents[1] / "formats" / "golden"
VARIANTS = ["coco", "coco-polygons", "coco-lists", "coco-instances", "coco-stuff"]
TREE = """
........
.###....
.#.#..#.
.###..#.
........
........
"""
CAR = """
........
.####...
.####...
.####...
........
........
"""
ROAD = """
........
........
........
........
########
########
"""
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own


def pixels(picture: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Read a boolean array from a picture of ``#`` and ``.``."""
    return np.array([[pixel == "#" for pixel in line] for line in picture.split()])


def average_precision(truth: COCO, results: COCO, kind: str, **params: Any) -> float:
    """Give COCO's average precision over IoU 0.50:0.95, all areas."""
    evaluation = COCOeval(truth, results, kind)
    for name, value in params.items():
        setattr(evaluation.params, name, value)
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return float(precision[precision > -1].mean())


@pytest.fixture(params=VARIANTS)
def annotations(request: pytest.FixtureRequest) -> Path:
    """Give the folder of annotations with each value of the format's options."""
    return GOLDEN / str(request.param) / "annotations"


@pytest.fixture
def truth(annotations: Path) -> COCO:
    """Load the instances of the train split."""
    return COCO(str(annotations / "instances_train.json"))


@pytest.fixture
def points(annotations: Path) -> COCO:
    """Load the keypoints of the train split."""
    return COCO(str(annotations / "person_keypoints_train.json"))


def test_images_and_categories_are_found(truth: COCO) -> None:
    """An image without objects is there; category ids are the registry's."""
    assert truth.getImgIds() == [1, 2]
    assert truth.getAnnIds(imgIds=[2]) == []
    assert {one["id"]: one["name"] for one in truth.loadCats(truth.getCatIds())} == {
        1: "car",
        2: "road",
        3: "lane",
        4: "light",
        5: "tree",
    }


@pytest.mark.parametrize(
    ("category", "picture"),
    [("car", CAR), ("road", ROAD), ("tree", TREE)],
    ids=["box", "polygon", "mask with a hole and two parts"],
)
def test_every_object_is_drawn(truth: COCO, category: str, picture: str) -> None:
    """AnnToMask gives the source's pixels, and the areas and boxes are those of the pixels."""
    (found,) = truth.loadAnns(truth.getAnnIds(catIds=truth.getCatIds(catNms=[category]), iscrowd=False))
    expected = pixels(picture)
    assert np.array_equal(truth.annToMask(found), expected)
    rows, columns = np.nonzero(expected)
    assert found["area"] == expected.sum()
    assert found["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_ground_truth_against_itself_is_perfect(truth: COCO, kind: str) -> None:
    """No object is ignored or lost by the evaluation: average precision 1 and three objects counted."""
    results = truth.loadRes([{**one, "score": 1.0} for one in truth.dataset["annotations"]])
    assert average_precision(truth, results, kind) == pytest.approx(1.0)
    evaluation = COCOeval(truth, results, kind)
    evaluation.evaluate()
    counted = [image for image in evaluation.evalImgs if image is not None and image["aRng"] == [0, 1e10]]
    assert sum(np.count_nonzero(image["gtIgnore"] == 0) for image in counted) == 3


def test_points_are_keypoints(truth: COCO, points: COCO) -> None:
    """All that the file of keypoints holds is evaluated as such, and none of it is an instance."""
    lights = points.getCatIds()
    results = points.loadRes([{**one, "score": 1.0} for one in points.dataset["annotations"]])
    found = average_precision(points, results, "keypoints", kpt_oks_sigmas=np.array([0.1]))
    assert found == pytest.approx(1.0)
    assert [(one["name"], one["keypoints"]) for one in points.loadCats(lights)] == [("light", ["point"])]
    assert truth.getAnnIds(catIds=lights) == []
    assert points.getImgIds() == truth.getImgIds()
    assert points.anns.keys().isdisjoint(truth.anns)


@pytest.mark.parametrize("at", [(6.5, 2.5), (0.5, 0.5), (7.5, 5.5)])
@pytest.mark.parametrize("scale", [3, 7.5])
def test_a_point_on_a_pixels_centre_stays_on_it_in_warps(at: tuple[float, float], scale: float) -> None:
    """OpenCV's warps count from the first pixel's centre; MMPose moves images by them and keypoints by their matrix."""
    x, y = at
    source = dataset(sample(label(annotation(Point(x, y), name="light"))), classes=registry("light", points=["light"]))
    body = files_of(Coco(panoptic=False), source, "train")["annotations/person_keypoints_train.json"]
    (found,) = json.loads(body)["annotations"]
    picture = np.zeros((6, 8), np.float32)
    picture[int(y), int(x)] = 1
    matrix = np.array([[scale, 0, 4 * scale], [0, scale, 4 * scale]], np.float64)
    warped = cv2.warpAffine(picture, matrix, (int(16 * scale), int(14 * scale)))
    rows, columns = np.mgrid[: warped.shape[0], : warped.shape[1]]
    seen = (warped * columns).sum() / warped.sum(), (warped * rows).sum() / warped.sum()
    expected = matrix @ [*found["keypoints"][:2], 1]
    assert seen == pytest.approx(expected.tolist(), abs=0.05)
    assert [each + 0.5 for each in found["keypoints"][:2]] == [x, y]  # as detectron2 reads it: by edges


@pytest.mark.parametrize(("kind", "category", "expected"), [("segm", "tree", 1.0), ("bbox", "car", 0.6)])
def test_predictions_are_results(truth: COCO, annotations: Path, kind: str, category: str, expected: float) -> None:
    """A model run's predictions load as results; a box of IoU 3.5 / 4.5 passes 6 of 10 thresholds."""
    results = truth.loadRes(str(annotations / "predictions_train.json"))
    found = average_precision(truth, results, kind, catIds=truth.getCatIds(catNms=[category]))
    assert found == pytest.approx(expected)


def test_one_pixel_mask_is_read(annotations: Path) -> None:
    """The smallest mask is one pixel, in the other split's file."""
    small = COCO(str(annotations / "instances_val.json"))
    (found,) = small.loadAnns(small.getAnnIds())
    assert np.array_equal(small.annToMask(found), pixels("...\n..#"))


def test_files_are_strict_json(annotations: Path) -> None:
    """No file has NaN or infinity, which JSON has not."""

    def refuse(constant: str) -> None:
        pytest.fail(constant)

    files = sorted(annotations.glob("*.json"))
    kinds = {"instances", "person_keypoints", "predictions", "keypoint_predictions", "panoptic"}
    if annotations.parent.name == "coco-instances":
        kinds -= {"panoptic"}
    assert {file.name for file in files} == {f"{kind}_{split}.json" for kind in kinds for split in ("train", "val")}
    for file in files:
        json.loads(file.read_bytes(), parse_constant=refuse)
