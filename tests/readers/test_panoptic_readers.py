"""The golden panoptic files by the rules of panopticapi, which is on no package index.

The rules are those that its ``evaluation.py`` enforces while it computes the panoptic quality, and its ``utils.py``
for the ids of pixels.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
GOLDEN = Path(__file__).parents[1] / "formats" / "golden" / "coco"


def ids_of(path: Path) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Give the segment of each pixel: ``rgb2id``."""
    with Image.open(path) as image:
        pixels = np.array(image, dtype=np.uint32)
    return pixels[..., 0] + 256 * pixels[..., 1] + 256 * 256 * pixels[..., 2]


@pytest.fixture(params=["train", "val"])
def split(request: pytest.FixtureRequest) -> str:
    """Give each split."""
    return str(request.param)


@pytest.fixture
def document(split: str) -> dict[str, Any]:
    """Load the annotation file."""
    found: dict[str, Any] = json.loads((GOLDEN / "annotations" / f"panoptic_{split}.json").read_bytes())
    return found


def test_every_image_has_one_annotation(document: dict[str, Any]) -> None:
    """Annotations are matched to images by id; the picture's size is the image's."""
    assert [one["id"] for one in document["images"]] == [one["image_id"] for one in document["annotations"]]


def test_pixels_and_segments_agree(document: dict[str, Any], split: str) -> None:
    """Each id of the picture is a segment of the list or void, and each segment has its area and box of pixels."""
    sizes = {one["id"]: (one["height"], one["width"]) for one in document["images"]}
    categories = {one["id"] for one in document["categories"]}
    for found in document["annotations"]:
        ids = ids_of(GOLDEN / f"panoptic_{split}" / found["file_name"])
        assert ids.shape == sizes[found["image_id"]]
        segments = {one["id"]: one for one in found["segments_info"]}
        assert len(segments) == len(found["segments_info"])
        assert set(np.unique(ids).tolist()) - {0} == segments.keys()
        for segment_id, segment in segments.items():
            rows, columns = np.nonzero(ids == segment_id)
            assert segment["area"] == rows.size
            assert segment["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert segment["category_id"] in categories
            assert segment["iscrowd"] == 0


def test_panoptic_quality_of_the_instances_is_one(document: dict[str, Any], split: str) -> None:
    """The instances, decoded by pycocotools, match the segments of their category one to one with IoU 1."""
    instances = COCO(str(GOLDEN / "annotations" / f"instances_{split}.json"))
    matched: Counter[int] = Counter()
    for found in document["annotations"]:
        ids = ids_of(GOLDEN / f"panoptic_{split}" / found["file_name"])
        for segment in found["segments_info"]:
            of_category = instances.getAnnIds(imgIds=[found["image_id"]], catIds=[segment["category_id"]])
            (instance,) = instances.loadAnns(of_category)
            assert segment["feature_ids"] == [instance["feature_id"]]
            assert np.array_equal(ids == segment["id"], instances.annToMask(instance).astype(bool))
            matched[segment["category_id"]] += 1
    assert matched == {"train": {2: 1, 5: 1}, "val": {5: 1}}[split]


def test_categories_say_what_readers_ask_for(document: dict[str, Any]) -> None:
    """Readers take the name, whether it is a thing, and a colour for drawing."""
    for category in document["categories"]:
        assert category.keys() >= {"id", "name", "supercategory", "isthing", "color"}
        assert category["isthing"] in {0, 1}
        assert all(0 <= part <= 255 for part in category["color"])
