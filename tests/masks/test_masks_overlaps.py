"""Pixels that masks have in common, against arrays of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from labelsnap.masks.errors import MaskError
from labelsnap.masks.rasters.overlaps import remainder, shared_areas, union
from labelsnap.masks.runs import empty_runs
from labelsnap.records.geometry import Runs

SHAPE = (5, 4)
PIXELS = arrays.arrays(bool, SHAPE)
STACKS = st.lists(PIXELS, max_size=5)


def runs_of(pixels):
    """Runs by pycocotools, of a boolean array (height, width)."""
    encoded = coco.encode(np.asfortranarray(pixels.astype(np.uint8)))
    box = tuple(int(side) for side in coco.toBbox(encoded))
    return Runs(*SHAPE, encoded["counts"], int(coco.area(encoded)), box)


@given(STACKS)
def test_union_has_the_pixels_of_all(stack):
    """None of no masks."""
    expected = np.any([np.zeros(SHAPE, bool), *stack], axis=0)
    assert union([runs_of(each) for each in stack], *SHAPE) == runs_of(expected)


@given(PIXELS, PIXELS, PIXELS)
def test_remainder_lacks_what_others_have_but_for_what_is_exempt(own, others, exempt):
    """The exempt pixels are some of the others'."""
    exempt &= others
    assert remainder(runs_of(own), runs_of(others), runs_of(exempt)) == runs_of(own & (~others | exempt))
    assert remainder(runs_of(own), runs_of(others), None) == runs_of(own & ~others)


@given(STACKS)
def test_shared_areas_count_the_pixels_that_others_have_too(stack):
    """Each mask's for itself, however many share a pixel."""
    depth = np.sum([np.zeros(SHAPE, int), *stack], axis=0)
    expected = tuple(int((each & (depth > 1)).sum()) for each in stack)
    assert shared_areas([runs_of(each) for each in stack]) == expected


def test_damaged_runs_are_refused():
    """Whichever of the masks has them."""
    damaged = Runs(*SHAPE, b"5", 0, (0, 0, 0, 0))
    for call in (
        lambda: union([damaged], *SHAPE),
        lambda: remainder(empty_runs(*SHAPE), damaged, None),
        lambda: shared_areas([empty_runs(*SHAPE), damaged]),
    ):
        with pytest.raises(MaskError):
            call()
