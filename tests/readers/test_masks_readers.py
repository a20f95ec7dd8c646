"""The golden label maps as Pillow and OpenCV read them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

GOLDEN = Path(__file__).parents[1] / "formats" / "golden" / "masks"
STREET = """
........
.TTT....
.T.T..T.
.TTT..T.
RRRRRRRR
RRRRRRRR
"""
CLASSES = {".": 0, "R": 2, "T": 5}


def test_pillow_reads_class_ids() -> None:
    """A palette's indexes are the class ids of the source's pixels, with the hole open."""
    expected = [[CLASSES[pixel] for pixel in line] for line in STREET.split()]
    with Image.open(GOLDEN / "semantic" / "train" / "street.png") as image:
        assert np.asarray(image).tolist() == expected


def test_opencv_reads_the_colours_of_the_classes() -> None:
    """What OpenCV shows of a class is its colour in ``classes.json``."""
    colours = {each["id"]: each["color"] for each in json.loads((GOLDEN / "classes.json").read_bytes())["classes"]}
    pixels = cv2.imread(str(GOLDEN / "semantic" / "train" / "street.png"), cv2.IMREAD_COLOR_RGB)
    assert pixels[4, 0].tolist() == colours[2]
    assert pixels[1, 1].tolist() == colours[5]
    assert pixels[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("split", "images"), [("train", 2), ("val", 1)])
def test_every_image_has_a_map_of_its_size(split: str, images: int) -> None:
    """An image without objects has one of background."""
    listed = json.loads((GOLDEN / "semantic" / f"{split}.json").read_bytes())["images"]
    assert sorted(each["file_name"] for each in listed) == sorted(
        path.name for path in (GOLDEN / "semantic" / split).iterdir()
    )
    assert len(listed) == images
    if split == "train":
        with Image.open(GOLDEN / "semantic" / "train" / "empty.png") as image:
            assert (image.size, image.getextrema()) == ((8, 6), (0, 0))
