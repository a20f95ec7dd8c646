from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from mask_pictures import compressed, from_mask

from labelsnap.masks.decoding import compiling
from labelsnap.masks.errors import MaskError
from labelsnap.masks.rasters.overlay import overlay
from labelsnap.masks.runs import empty_runs, encode_counts
from labelsnap.records.geometry import Runs


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


@pytest.fixture(params=[True, False], ids=["compiled", "numpy"])
def compiles(request, monkeypatch):
    """Both ways to lay masks over each other."""
    monkeypatch.setattr(compiling, "COMPILES", request.param)


BOTH_WAYS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def seen_of(pixels):
    """Measure pixels: how many they are, and the box around them; None of none."""
    if not pixels.any():
        return None
    rows, columns = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
    left, top, right, bottom = (int(each) for each in (columns[0], rows[0], columns[-1], rows[-1]))
    return int(pixels.sum()), (left, top, right - left + 1, bottom - top + 1)


@pytest.mark.usefixtures("compiles")
@BOTH_WAYS
@given(stacks(), st.sampled_from([np.uint8, np.uint16]), st.integers(0, 255))
def test_the_last_mask_lies_on_top(stack, number, background):
    """Painting from runs is painting pixel by pixel, in the given order."""
    values = np.arange(1, len(stack) + 1, dtype=number) * number(7)
    shown = overlay([from_mask(mask) for mask in stack], *stack.shape[1:])
    raster = shown.paint(values, background)
    assert raster.dtype == number
    assert np.array_equal(raster, painted_by_pixels(stack, values, background))


@pytest.mark.usefixtures("compiles")
@BOTH_WAYS
@given(stacks())
def test_what_is_seen_of_a_mask_is_its_pixels_less_those_above(stack):
    """Areas and boxes are those of the raster's pixels; what is covered whole is None."""
    shown = overlay([from_mask(mask) for mask in stack], *stack.shape[1:])
    raster = painted_by_pixels(stack, np.arange(1, len(stack) + 1, dtype=np.uint8), 0)
    seen = [raster == value for value in range(1, len(stack) + 1)]
    assert shown.visible() == tuple(map(seen_of, seen))


@pytest.mark.usefixtures("compiles")
@BOTH_WAYS
@given(stacks(), st.data())
def test_masks_of_a_group_are_seen_as_one(stack, data):
    """What is seen of a group is what is seen of its masks, together."""
    groups = data.draw(st.lists(st.integers(0, 2), min_size=len(stack), max_size=len(stack)))
    shown = overlay([from_mask(mask) for mask in stack], *stack.shape[1:]).grouped(groups)
    raster = painted_by_pixels(stack, np.array(groups, np.uint8), 255)
    seen = [raster == group for group in range(max(groups, default=-1) + 1)]
    assert shown.visible() == tuple(map(seen_of, seen))


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


@pytest.mark.usefixtures("compiles")
def test_of_more_masks_than_a_block_has_the_last_is_seen():
    """Two hundred masks that begin one after another end one after another, and each is seen where it lies on top."""
    columns = np.arange(400)
    stack = [((columns >= at) & (columns < 400 - at))[np.newaxis] for at in range(200)]
    shown = overlay([from_mask(mask) for mask in stack], 1, 400)
    expected = painted_by_pixels(np.array(stack), np.arange(1, 201, dtype=np.uint16), 0)
    assert np.array_equal(shown.paint(np.arange(1, 201, dtype=np.uint16)), expected)


@pytest.mark.usefixtures("compiles")
@pytest.mark.parametrize("side", [1 << 20, 1 << 23, 1 << 29])
def test_masks_behind_long_runs_are_laid_over_each_other(side):
    """In an image of 2^40 to 2^58 pixels five lie before the end, of which the last two are seen of another mask."""
    pixels = side * side
    below = Runs(side, side, compressed([pixels - 5, 4, 1]), 4, (side - 1, side - 5, 1, 4))
    above = Runs(side, side, compressed([pixels - 2, 2]), 2, (side - 1, side - 2, 1, 2))
    seen = overlay([below, above], side, side).visible()
    assert seen == ((3, (side - 1, side - 5, 1, 3)), (2, (side - 1, side - 2, 1, 2)))


@pytest.mark.usefixtures("compiles")
@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (encode_counts(np.array([2, 3])), "expected runs over 6 pixels, found 5"),
        (encode_counts(np.array([2, 5])), "expected runs over 6 pixels, found 7"),
        (b"", "expected runs over 6 pixels, found 0"),
        (b"1 5", "expected characters from '0' to 'o'"),
        (b"1p5", "expected characters from '0' to 'o'"),
        (b"15a", "a finished last number"),
        (b"oooooooooooo0", "expected numbers of at most 12 characters, found 13"),
        (encode_counts(np.array([3, -1, 4])), "expected run lengths from 0 up, found -1"),
    ],
)
def test_runs_that_do_not_fill_the_image_are_refused(counts, reason):
    """The error says what is wrong with the string, whichever way it is read."""
    with pytest.raises(MaskError, match=reason) as caught:
        overlay([empty_runs(2, 3), Runs(2, 3, counts, 3, (0, 0, 3, 2))], 2, 3)
    assert caught.value.code == "bad_counts"


@pytest.mark.usefixtures("compiles")
def test_runs_without_length_are_laid_as_if_they_were_none():
    """Other people's strings may hold runs of no pixels: 1 off, 2 on, 0 off, 1 on, 2 off is one run of three."""
    runs = Runs(2, 3, encode_counts(np.array([1, 2, 0, 1, 2])), 3, (0, 0, 2, 2))
    assert overlay([runs], 2, 3).paint(np.ones(1, np.uint8)).tolist() == [[0, 1, 0], [1, 1, 0]]
