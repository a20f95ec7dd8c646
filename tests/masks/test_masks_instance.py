from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from mask_pictures import as_png
from PIL import Image
from pycocotools import mask as coco

from labelsnap.masks.decoding.instance import decode_instance
from labelsnap.masks.errors import MaskError

FOREGROUND = np.array([[0, 1, 1, 0, 0], [1, 1, 0, 0, 1], [0, 0, 0, 0, 1]], bool)


def coloured(mode):
    """Draw the foreground in a mode of Pillow, 255 or white."""
    return Image.fromarray(FOREGROUND.astype(np.uint8) * 255).convert(mode)


def palette_picture():
    """Draw the foreground as index 1 of a palette of black and red."""
    image = Image.fromarray(FOREGROUND.astype(np.uint8))
    image.putpalette(bytes([0, 0, 0, 255, 0, 0]))
    return image


PICTURES = {
    "1": lambda: FOREGROUND,
    "L": lambda: coloured("L"),
    "L with 1": lambda: FOREGROUND.astype(np.uint8),
    "LA": lambda: coloured("LA"),
    "RGB": lambda: coloured("RGB"),
    "RGBA": lambda: coloured("RGBA"),
    "P": palette_picture,
    "16 bit, 65535": lambda: FOREGROUND.astype(np.uint16) * 65535,
    "16 bit, 1": lambda: FOREGROUND.astype(np.uint16),
    "blue": lambda: np.stack([FOREGROUND * 0, FOREGROUND * 0, FOREGROUND * 3], axis=-1).astype(np.uint8),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_whatever_is_not_black_is_the_instance(picture, sparse):
    """In every mode and bit depth that Pillow writes, all pixels but black ones are the instance's."""
    runs = decode_instance(as_png(picture()), size=(3, 5), sparse=sparse)
    encoded = coco.encode(np.asfortranarray(FOREGROUND.astype(np.uint8)))
    assert (runs.height, runs.width, runs.counts) == (3, 5, encoded["counts"])
    assert (runs.area, runs.bounding_box) == (6, (0, 0, 5, 3))


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=70)))
def test_any_grey_picture_equals_pycocotools(sparse, grey):
    """Whatever the values of a grey picture, those above 0 are one mask, as pycocotools encodes it."""
    runs = decode_instance(as_png(grey), sparse=sparse)
    encoded = coco.encode(np.asfortranarray((grey > 0).astype(np.uint8)))
    assert (runs.counts, runs.area) == (encoded["counts"], coco.area(encoded))
    assert runs.bounding_box == tuple(coco.toBbox(encoded))


def test_alpha_is_left_aside(sparse):
    """Black opaque and transparent pixels are background; a coloured pixel is foreground also without opacity."""
    pixels = np.array([[(0, 0, 0, 255), (0, 0, 0, 0), (9, 0, 0, 0)]], np.uint8)
    assert decode_instance(as_png(pixels), sparse=sparse).bounding_box == (2, 0, 1, 1)


def test_a_black_picture_is_an_empty_mask(sparse):
    """A mask without pixels has area 0, box 0 and one run of zeros."""
    runs = decode_instance(as_png(np.zeros((4, 3), np.uint8)), sparse=sparse)
    assert (runs.area, runs.bounding_box, runs.counts) == (0, (0, 0, 0, 0), b"<")


def test_another_size_than_expected_is_refused(sparse):
    """Height and width are compared in this order."""
    with pytest.raises(MaskError, match="expected 3 × 5 pixels, found 5 × 3") as caught:
        decode_instance(as_png(FOREGROUND), size=(5, 3), sparse=sparse)
    assert caught.value.code == "size_mismatch"
