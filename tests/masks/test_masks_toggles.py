from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as arrays
from mask_pictures import compressed, from_mask
from pycocotools import mask as coco_mask

from labelsnap.masks.decoding import compiling
from labelsnap.masks.errors import MaskError
from labelsnap.masks.runs import Runs, count_pixels, empty_runs, encode_counts
from labelsnap.masks.toggles import runs_of, toggles_of, without_pairs


@pytest.fixture(params=[True, False], ids=["compiled", "numpy"])
def compiles(request, monkeypatch):
    """Whether loops are compiled."""
    monkeypatch.setattr(compiling, "COMPILES", request.param and compiling.COMPILES)


@pytest.mark.usefixtures("compiles")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_toggles_are_where_a_mask_changes_down_its_columns(mask):
    """The positions are those of the changes in the column-major pixels, and lead back to the same runs."""
    runs = from_mask(mask)
    padded = np.concatenate([[False], mask.ravel(order="F"), [False]])
    assert toggles_of(runs).tolist() == np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    assert runs_of(toggles_of(runs), *mask.shape) == runs


@pytest.mark.usefixtures("compiles")
def test_a_mask_over_many_columns_is_as_cocos_own_code_has_it():
    """String, area and box of 300 random rows of pixels, some of them whole columns, are pycocotools'."""
    mask = np.random.default_rng(7).random((40, 300)) < np.repeat([0.03, 0.97, 1.0], 100)
    theirs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    padded = np.concatenate([[False], mask.ravel(order="F"), [False]])
    runs = runs_of(np.flatnonzero(padded[1:] != padded[:-1]), *mask.shape)
    assert (runs.counts, runs.area) == (theirs["counts"], coco_mask.area(theirs))
    assert list(runs.bounding_box) == coco_mask.toBbox(theirs).tolist()


LARGE = [
    (1 << 31, 1),
    (1 << 16, 1 << 16),
    ((1 << 39) - 1, 1),
    (1 << 20, 1 << 19),
    (1 << 20, 1 << 20),
    (10**6, 10**6),
    (1 << 23, 1 << 22),
    ((1 << 59) - 1, 1),
]


def by_counting(toggles, height, width):
    """The runs of a mask that begins and ends at these positions, by plain arithmetic."""
    borders = [0, *toggles, height * width]
    lengths = [end - begin for begin, end in pairwise(borders)]
    begins, ends = toggles[::2], toggles[1::2]
    x, right = begins[0] // height, (ends[-1] - 1) // height + 1
    one_column = all(begin // height == (end - 1) // height for begin, end in zip(begins, ends, strict=True))
    top = min(begin % height for begin in begins) if one_column else 0
    bottom = max((end - 1) % height for end in ends) + 1 if one_column else height
    counts = compressed(lengths[:-1] if lengths[-1] == 0 else lengths)
    return Runs(height, width, counts, sum(lengths[1::2]), (x, top, right - x, bottom - top))


@pytest.mark.usefixtures("compiles")
@pytest.mark.parametrize("size", LARGE, ids=lambda size: f"{size[0]}x{size[1]}")
def test_runs_of_any_length_are_written_as_coco_writes_them(size):
    """Up to 2^59 - 1 pixels, string, area and box are those of a plain writer of the rule, and are read back."""
    height, width = size
    last = height * width
    for toggles in (
        [0, last],
        [0, 1],
        [last - 1, last],
        [1, last - 1],
        [5, 9, last - 7, last - 3],
        [3, last - 9, last - 7, last - 3, last - 2, last],
        [last // 2, last // 2 + 1],
    ):
        expected = by_counting(toggles, height, width)
        assert runs_of(np.array(toggles, np.int64), height, width) == expected
        assert toggles_of(expected).tolist() == toggles
    assert empty_runs(height, width) == Runs(height, width, compressed([last]), 0, (0, 0, 0, 0))


@pytest.mark.usefixtures("compiles")
@pytest.mark.parametrize("size", [(1 << 59, 1), (1 << 31, 1 << 31), (1 << 40, 1 << 40)])
def test_an_image_of_more_pixels_than_can_be_written_is_refused(size):
    """From 2^59 pixels on none of its masks is written or read, empty ones neither."""
    for refused in (
        lambda: count_pixels(*size),
        lambda: runs_of(np.array([1, 2], np.int64), *size),
        lambda: empty_runs(*size),
        lambda: toggles_of(Runs(*size, compressed([1, 1]), 1, (1, 0, 1, 1))),
    ):
        with pytest.raises(MaskError, match="expected at most 576460752303423487 pixels") as caught:
            refused()
        assert caught.value.code == "too_large"


def test_runs_whose_sum_only_wraps_round_to_the_image_are_refused():
    """32 runs of 2^59 - 1 pixels and one of 38 are 2^64 + 6, which are no six pixels."""
    runs = Runs(2, 3, compressed([(1 << 59) - 1] * 32 + [38]), 3, (0, 0, 3, 2))
    with pytest.raises(MaskError, match="expected runs over 6 pixels, found 18446744073709551622") as caught:
        toggles_of(runs)
    assert caught.value.code == "bad_counts"


def test_runs_without_length_are_passed_over():
    """Other people's strings may hold runs of no pixels: 1 off, 2 on, 0 off, 1 on, 2 off is one run of three."""
    runs = Runs(2, 3, encode_counts(np.array([1, 2, 0, 1, 2])), 3, (0, 0, 2, 2))
    assert toggles_of(runs).tolist() == [1, 4]


def test_runs_that_do_not_fill_their_image_are_refused():
    """Runs over 5 pixels are no mask of 6."""
    with pytest.raises(MaskError, match="expected runs over 6 pixels, found 5") as caught:
        toggles_of(Runs(2, 3, encode_counts(np.array([2, 3])), 3, (0, 0, 3, 2)))
    assert caught.value.code == "bad_counts"


def test_pairs_cancel():
    """What is left of equal positions is one where their number is odd, and none where it is even."""
    assert without_pairs(np.array([7, 3, 3, 5, 5, 5])).tolist() == [5, 7]
