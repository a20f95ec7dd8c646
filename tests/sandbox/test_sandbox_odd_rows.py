"""Rows that are right and look odd: their pictures and masks are what they say."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image

from deploy.sandbox import ExportSettings, Sandbox
from deploy.sandbox.oddities.odd_pictures import COLOUR, ORIENTATION, odd_picture
from deploy.sandbox.scenes.scene import picture_size

if TYPE_CHECKING:
    from collections.abc import Iterator


def _masks(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for project in line["projects"].values():
        for label in project["labels"]:
            yield from (each for each in label["annotations"]["objects"] if "mask" in each)


@pytest.mark.slow
def test_odd_pictures_lie_as_their_names_say() -> None:
    """Each orientation's file has that EXIF tag and the square at the upper left of what is stored; one file is cut."""
    for orientation in range(1, 9):
        for ending in ("jpg", "png", "webp", "tif"):
            body = odd_picture(0, 1, f"orientation_{orientation}.{ending}")
            with Image.open(io.BytesIO(body)) as image:
                assert image.getexif()[ORIENTATION] == orientation
                assert set(image.size) == set(picture_size(1))  # of a TIFF Pillow tells the turned size
                if ending == "png":
                    assert image.convert("RGB").getpixel((8, 8)) == image.convert("RGB").getpixel((55, 55)) == COLOUR
                    assert image.convert("RGB").getpixel((56, 56)) != COLOUR
    with Image.open(io.BytesIO(odd_picture(0, 1, "multi_picture.jpg"))) as image:
        assert (image.format, image.n_frames) == ("MPO", 2)
    with Image.open(io.BytesIO(odd_picture(0, 1, "cut.jpg"))) as image, pytest.raises(OSError, match="truncated"):
        image.load()


def test_odd_rows_have_their_pictures_and_masks() -> None:
    """Whoever follows an odd row's URLs with the key gets its picture, and its mask as large as the picture."""
    with Sandbox(20, settings=ExportSettings(odd_lines=("png_orientation_6", "empty_mask"))) as sandbox:
        task = sandbox.exports.start({}, {})
        assert task.poll() == ("COMPLETE", 100)
        lines = [json.loads(line) for line in task.files["RESULT"].read_text(encoding="utf-8").splitlines()]
        masks = [mask for line in lines for mask in _masks(line) if "oddmask" in mask["feature_id"]]
        assert len(masks) == 2
        for mask, extremes in zip(masks, ((0, 255), (0, 0)), strict=True):
            url = mask["mask"]["url"]
            served = requests.get(url, headers={"Authorization": f"Bearer {sandbox.api_key}"}, timeout=10)
            with Image.open(io.BytesIO(served.content)) as image:
                assert image.size in {picture_size(index) for index in range(20)}
                assert image.getextrema() == extremes
        odd = next(line for line in lines if "orientation" in line["data_row"]["row_data"])
        with Image.open(io.BytesIO(requests.get(odd["data_row"]["row_data"], timeout=10).content)) as image:
            assert (image.format, image.getexif()[ORIENTATION]) == ("PNG", 6)
