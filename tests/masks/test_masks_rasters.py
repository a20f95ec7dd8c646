from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from mask_pictures import from_mask

from labelsnap.masks.errors import MaskError
from labelsnap.masks.rasters.overlay import overlay
from labelsnap.masks.runs import empty_runs


@st.composite
def stacks(draw):
    """Draw up to five masks of one size."""
    shape = draw(arrays.array_shapes(min_dims=2, max_dims=2, max_side=12))
    return draw(arrays.arrays(np.bool_, (draw(st.integers(0, 5)), *shape)))


def painted_by_pixels(stack, values, background):
    """Paint masks one after another, pixel by pixel."""
    raster = np.full(stack.shape[1:], background, values.dtype)
    for mask, value in zip(stack, values, strict=True):
        raster[mask] = value
    return raster


@given(stacks(), st.sampled_from([np.uint8, np.uint16]), st.integers(0, 255))
def test_the_last_mask_lies_on_top(stack, number, background):
    """Painting from runs is painting pixel by pixel, in the given order."""
    values = np.arange(1, len(stack) + 1, dtype=number) * number(7)
    shown = overlay([from_mask(mask) for mask in stack], *stack.shape[1:])
    raster = shown.paint(values, background)
    assert raster.dtype == number
    assert np.array_equal(raster, painted_by_pixels(stack, values, background))


@given(stacks())
def test_what_is_seen_of_a_mask_is_its_pixels_less_those_above(stack):
    """Visible runs are those of the raster's pixels; what is covered whole is None."""
    shown = overlay([from_mask(mask) for mask in stack], *stack.shape[1:])
    raster = painted_by_pixels(stack, np.arange(1, len(stack) + 1, dtype=np.uint8), 0)
    seen = [raster == value for value in range(1, len(stack) + 1)]
    assert shown.visible() == tuple(from_mask(pixels) if pixels.any() else None for pixels in seen)


@given(stacks(), st.data())
def test_masks_of_a_group_are_seen_as_one(stack, data):
    """What is seen of a group is what is seen of its masks, together."""
    groups = data.draw(st.lists(st.integers(0, 2), min_size=len(stack), max_size=len(stack)))
    shown = overlay([from_mask(mask) for mask in stack], *stack.shape[1:]).grouped(groups)
    raster = painted_by_pixels(stack, np.array(groups, np.uint8), 255)
    seen = [raster == group for group in range(max(groups, default=-1) + 1)]
    assert shown.visible() == tuple(from_mask(pixels) if pixels.any() else None for pixels in seen)


def test_two_masks_may_have_one_value():
    """Objects of a class share its value; 300 does not fit a byte and needs none."""
    left, right = (from_mask(np.array([[column == at for column in range(3)]])) for at in (0, 2))
    shown = overlay([left, right], 1, 3)
    assert shown.paint(np.array([300, 300], np.uint16)).tolist() == [[300, 0, 300]]


def test_a_mask_of_another_size_is_refused():
    """The error names both sizes as width × height."""
    with pytest.raises(MaskError, match="expected a mask of 4 × 3 pixels, found 3 × 3") as caught:
        overlay([empty_runs(3, 4), empty_runs(3, 3)], 3, 4)
    assert caught.value.code == "size_mismatch"
