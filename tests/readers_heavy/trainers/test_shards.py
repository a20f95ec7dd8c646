"""webdataset and wids read shards."""

from __future__ import annotations

import io

import numpy as np
import pytest
from maps import compare_maps
from PIL import Image
from pycocotools import mask as run_lengths
from seen import Seen

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
EVERY = frozenset({"bounding_box", "polygon", "mask", "polyline", "point"})


def objects_of(described, size):
    """The objects that a sample's JSON has, in an image of width and height."""
    for each in described["objects"]:
        pixels = run_lengths.decode(each["rle"]).astype(bool) if "rle" in each else np.zeros(size[::-1], bool)
        assert pixels.shape == size[::-1]
        yield Seen(each["category"], tuple(each["bbox"]), pixels if pixels.any() else None)


@pytest.mark.reads("webdataset", "webdataset")
def test_webdataset_reads_shards(load, truth, agrees, split):
    """Every image and every object of every kind, and label maps of the registry's class ids."""
    samples = load(split)["samples"]
    seen = {each["__key__"]: list(objects_of(each["json"], each["image"].size)) for each in samples}
    agrees(seen, EVERY, within=1e-6, has_area=False, overlap={"mask": 1.0})
    compare_maps({each["__key__"]: each["mask.png"] for each in samples}, truth.split(split))


@pytest.mark.reads("wids", "webdataset")
def test_wids_reads_shards(load, agrees, split):
    """Every image and every object of every kind, by the sample's number."""
    samples = load(split)["samples"]
    seen = {each["__key__"]: list(objects_of(each[".json"], picture(each).size)) for each in samples}
    agrees(seen, EVERY, within=1e-6, has_area=False, overlap={"mask": 1.0})


def picture(sample):
    """The image of a sample, whose key is its ending; wids decodes JPEG and PNG alone."""
    (found,) = (sample[key] for key in sample if key in ENDINGS)
    return Image.open(found) if isinstance(found, io.BytesIO) else found
