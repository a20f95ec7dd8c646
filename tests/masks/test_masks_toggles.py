from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as arrays
from mask_pictures import from_mask
from pycocotools import mask as coco_mask

from labelsnap.masks.decoding import compiling
from labelsnap.masks.errors import MaskError
from labelsnap.masks.runs import Runs, encode_counts
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
