"""COCO with each of its options, of images with many masks, as pycocotools and supervision read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelsnap.formats.coco.writer import Coco
from labelsnap.records.geometry import BoundingBox, Polygon
from tests.formats.format_samples import annotation, dataset, files_of, label, mask_of, picture, registry, sample

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Pixels = NDArray[np.bool_]

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
SIZE = (120, 90)
NAMES = ("car", "tree")
DRAWN = ((10.25, 7.5), (60.0, 12.125), (33.3, 70.7))


def discs(seed: int, count: int) -> list[Pixels]:
    """Draw masks of one to three discs with holes."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    found = []
    for _ in range(count):
        pixels = np.zeros(rows.shape, bool)
        for _ in range(generator.integers(1, 4)):
            x, y, radius = generator.uniform((0, 0, 4), (*SIZE, 25))
            away = np.hypot(rows - y, columns - x)
            pixels |= (away < radius) & (away > radius * generator.choice([0, 0.4]))
        found.append(pixels)
    return [pixels for pixels in found if pixels.any()]


MASKS = {f"f-{seed}-{number}": pixels for seed in range(3) for number, pixels in enumerate(discs(seed, 12))}


@pytest.fixture(params=["rle", "polygons", "rle_lists"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Lay out three images with twelve masks, a box and a drawn polygon each."""
    samples = [
        sample(
            label(
                *(
                    annotation(mask_of(pixels), name=NAMES[number % 2], feature_id=name)
                    for number, (name, pixels) in enumerate(MASKS.items())
                    if name.startswith(f"f-{seed}-")
                ),
                annotation(BoundingBox(4.5, 3, 20, 30.25), feature_id="f-box"),
                annotation(Polygon((*DRAWN, DRAWN[0])), feature_id="f-drawn"),
            ),
            name=f"street-{seed}",
            size=SIZE,
        )
        for seed in range(3)
    ]
    source = dataset(*samples, classes=registry(*NAMES))
    form = Coco(segmentation=request.param)
    files = files_of(form, source, "train")
    files |= {form.image_path("train", each.image.file_name): picture(each) or b"" for each in samples}
    for path, body in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(body)
    return tmp_path


@pytest.fixture
def truth(tree: Path) -> COCO:
    """Load the instances."""
    return COCO(str(tree / "annotations" / "instances_train.json"))


def test_every_mask_is_drawn_exactly(truth: COCO) -> None:
    """AnnToMask gives the source's pixels for each mask, with holes and parts."""
    found = {each["feature_id"]: each for each in truth.dataset["annotations"]}
    assert found.keys() == MASKS.keys() | {"f-box", "f-drawn"}
    for name, pixels in MASKS.items():
        assert np.array_equal(truth.annToMask(found[name]), pixels)
        assert found[name]["area"] == np.count_nonzero(pixels)


def test_no_mask_is_written_in_another_form_than_others(truth: COCO) -> None:
    """As polygons a mask is a list for each reader that takes no runs; as lists it is runs for one that packs them."""
    forms = set()
    for each in truth.dataset["annotations"]:
        if each["feature_id"] not in MASKS:
            continue
        segmentation = each["segmentation"]
        forms.add(type(segmentation if isinstance(segmentation, list) else segmentation["counts"]))
        if forms == {str}:
            continue
        drawn = coco_mask.decode(coco_mask.frPyObjects(segmentation, SIZE[1], SIZE[0]))  # as DETR's processor does
        assert np.array_equal(drawn.reshape(SIZE[1], SIZE[0], -1).any(axis=2), MASKS[each["feature_id"]])
    assert len(forms) == 1
    assert len(MASKS) > 30


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_ground_truth_against_itself_is_perfect(truth: COCO, kind: str) -> None:
    """Average precision 1, and each object takes part: none is a crowd and none is ignored."""
    results = truth.loadRes([{**each, "score": 1.0} for each in truth.dataset["annotations"]])
    evaluation = COCOeval(truth, results, kind)
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    assert precision[precision > -1].min() == pytest.approx(1.0)
    counted = [image for image in evaluation.evalImgs if image is not None and image["aRng"] == [0, 1e10]]
    assert sum(np.count_nonzero(image["gtIgnore"] == 0) for image in counted) == len(MASKS) + 3 * 2
    assert {each["iscrowd"] for each in truth.dataset["annotations"]} == {0}


def test_drawn_polygons_keep_their_vertices(tree: Path) -> None:
    """Numbers are those that were drawn, whatever is done with masks."""
    document = json.loads((tree / "annotations" / "instances_train.json").read_bytes())
    drawn = [each["segmentation"] for each in document["annotations"] if each["feature_id"] == "f-drawn"]
    assert drawn == [[[coordinate for vertex in DRAWN for coordinate in vertex]]] * 3


def test_supervision_reads_masks_and_boxes(tree: Path) -> None:
    """Each image has its objects; masks in run-length encoding are the source's pixels."""
    import supervision

    found: Any = supervision.DetectionDataset.from_coco(
        images_directory_path=str(tree / "images" / "train"),
        annotations_path=str(tree / "annotations" / "instances_train.json"),
        force_masks=True,
    )
    assert found.classes == list(NAMES)
    document = json.loads((tree / "annotations" / "instances_train.json").read_bytes())
    for image in document["images"]:
        written = [each for each in document["annotations"] if each["image_id"] == image["id"]]
        detections = found.annotations[str(tree / "images" / "train" / image["file_name"])]
        left_top = np.array([each["bbox"] for each in written])
        expected = np.hstack([left_top[:, :2], left_top[:, :2] + left_top[:, 2:]])
        np.testing.assert_allclose(detections.xyxy, expected, atol=1e-4)
        for each, pixels in zip(written, detections.mask, strict=True):
            if isinstance(each["segmentation"], dict):
                assert np.array_equal(pixels, MASKS[each["feature_id"]])
