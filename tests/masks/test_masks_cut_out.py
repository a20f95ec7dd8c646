from __future__ import annotations

import io
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as arrays
from mask_pictures import compressed, from_mask
from PIL import Image

from labelsnap.masks.decoding import compiling
from labelsnap.masks.errors import MaskError
from labelsnap.masks.rasters.cut_out import encode_cut_out
from labelsnap.masks.runs import encode_counts
from labelsnap.memory import BeyondBudgetError, Budget
from labelsnap.records.geometry import Runs


@pytest.fixture(params=[True, False], ids=["compiled", "numpy"])
def compiles(request, monkeypatch):
    """Whether loops that read a mask's string are compiled."""
    monkeypatch.setattr(compiling, "COMPILES", request.param and compiling.COMPILES)


def pixels_of(png):
    """What Pillow reads, which is of one grey channel."""
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == "L"
        return np.asarray(image)


@pytest.mark.usefixtures("compiles")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_a_picture_is_what_the_box_cuts_out(mask):
    """It has the box's size; of a mask without pixels it is one pixel, empty."""
    runs = from_mask(mask)
    left, top, width, height = runs.bounding_box
    expected = mask[top : top + height, left : left + width] if runs.area else np.zeros((1, 1))
    assert np.array_equal(pixels_of(encode_cut_out(runs)), expected)


def test_rows_are_differences_to_the_row_above():
    """Every row has the filter Up, as zlib reads it: 2, and what each pixel is more than the one above, modulo 256."""
    png = encode_cut_out(from_mask(np.array([[0, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]], bool)))
    (size,) = np.frombuffer(png, ">u4", 1, png.index(b"IDAT") - 4)
    begin = png.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompress(png[begin : begin + size]), np.uint8).reshape(3, 3)
    assert rows.tolist() == [[2, 1, 0], [2, 0, 1], [2, 255, 0]]


@pytest.mark.usefixtures("compiles")
def test_runs_without_length_are_cut_out_as_if_they_were_none():
    """Other people's strings may hold runs of no pixels: 1 off, 2 on, 0 off, 1 on, 2 off is one run of three."""
    runs = Runs(2, 3, encode_counts(np.array([1, 2, 0, 1, 2])), 3, (0, 0, 2, 2))
    assert pixels_of(encode_cut_out(runs)).tolist() == [[0, 1], [1, 1]]


@pytest.mark.usefixtures("compiles")
@pytest.mark.parametrize("box", [(1, 0, 2, 2), (0, 1, 2, 1), (0, 0, 1, 2), (0, 0, 2, 1), (5, 5, 1, 1), (0, -1, 2, 2)])
def test_a_box_that_does_not_hold_its_mask_is_refused(box):
    """A column or row short at any side, far away, or beyond the image: the box is named, and nothing is written."""
    mask = from_mask(np.ones((2, 2), bool))
    with pytest.raises(MaskError, match="expected a box that holds its mask") as caught:
        encode_cut_out(Runs(2, 2, mask.counts, 4, box))
    assert caught.value.code == "size_mismatch"


@pytest.mark.parametrize(
    "box",
    [
        (-1, -1, 3, 3),
        (0, 0, -3, 2),
        (0, 0, 2, 0),
        (1, 0, 2, 2),
        (0, 0, 1 << 17, 1 << 17),
        (0, 0, 1 << 62, 1 << 62),
        (1 << 63, 0, 2, 2),
    ],
)
def test_a_box_that_does_not_lie_in_its_image_takes_no_memory(box):
    """Negative, empty, beyond a border, or huge: it is named, and neither allocated nor claimed."""
    runs = Runs(2, 2, from_mask(np.ones((2, 2), bool)).counts, 4, box)
    tracemalloc.start()
    try:
        with pytest.raises(MaskError, match="expected a box that holds its mask") as caught:
            encode_cut_out(runs, memory=Budget(0))
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == "size_mismatch"
    assert taken < 1 << 20


def test_what_a_cut_out_takes_is_claimed():
    """A mask of 2^34 pixels, whose box is all of them, is refused by a budget of a MiB, and a part of it is not."""
    side = 1 << 17
    whole = Runs(side, side, compressed([0, side * side]), side * side, (0, 0, side, side))
    with pytest.raises(BeyondBudgetError):
        encode_cut_out(whole, memory=Budget(1 << 20))
    corner = Runs(side, side, compressed([0, 3, side * side - 3]), 3, (0, 0, 1, 3))
    budget = Budget(1 << 20)
    assert pixels_of(encode_cut_out(corner, memory=budget)).tolist() == [[1], [1], [1]]
    assert budget.taken == 0


@pytest.mark.usefixtures("compiles")
def test_a_mask_behind_a_long_run_is_cut_out():
    """The last three pixels of 2^40 are one column of three."""
    side = 1 << 20
    runs = Runs(side, side, compressed([side * side - 3, 3]), 3, (side - 1, side - 3, 1, 3))
    assert pixels_of(encode_cut_out(runs)).tolist() == [[1], [1], [1]]


@pytest.mark.usefixtures("compiles")
def test_runs_that_do_not_fill_the_image_are_refused():
    """The error says how many pixels the string has, whichever way it is read."""
    with pytest.raises(MaskError, match="expected runs over 6 pixels, found 5") as caught:
        encode_cut_out(Runs(2, 3, encode_counts(np.array([2, 3])), 3, (0, 0, 3, 2)))
    assert caught.value.code == "bad_counts"
