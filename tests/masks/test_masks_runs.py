from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from mask_pictures import from_mask
from pycocotools import mask as coco

from labelsnap.masks.errors import MaskError
from labelsnap.masks.runs import decode_counts, empty_runs, encode_counts, group_runs

MASKS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))


LABELS = arrays.arrays(np.int8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(-1, 3))


@given(LABELS)
def test_runs_of_instances_equal_those_of_pycocotools(labels):
    """Counts, area and box of every instance of any small picture are pycocotools' own; None where it has no pixel."""
    found = group_runs(*labels.shape, np.arange(labels.size), labels.ravel(order="F"), 4)
    masks = [labels == instance for instance in range(4)]
    assert found == tuple(from_mask(mask) if mask.any() else None for mask in masks)


@given(arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))
def test_runs_of_no_pixel_equal_those_of_pycocotools(shape):
    """An empty mask has pycocotools' string, area and box."""
    assert empty_runs(*shape) == from_mask(np.zeros(shape, bool))


def uncompress_by_loop(counts):
    """Read a counts string one character at a time, as maskApi.c's rleFrString does."""
    lengths, value, shift = [], 0, 0
    for character in counts:
        group = character - 48
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            value -= (group >> 4 & 1) << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    return lengths


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(0, 10**8))
def test_run_lengths_survive_the_string(lengths, long_run):
    """Run lengths up to a hundred million pixels are read back, also by a plain reading of maskApi.c's rule."""
    lengths = [*lengths, long_run, 1, *lengths]
    counts = encode_counts(np.array(lengths))
    assert decode_counts(counts).tolist() == lengths == uncompress_by_loop(counts)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=50))
def test_run_lengths_are_written_as_pycocotools_writes_them(lengths):
    """The string of any run lengths is that of pycocotools' frPyObjects."""
    size = [1, sum(lengths)]
    assert encode_counts(np.array(lengths)) == coco.frPyObjects({"size": size, "counts": lengths}, *size)["counts"]


def test_a_run_that_is_too_long_to_be_read_is_not_written():
    """One of 2^59 pixels is refused, and so is a difference below -2^59; one pixel less is read back."""
    longest = [5, 0, (1 << 59) - 1, 1, 0]
    assert decode_counts(encode_counts(np.array(longest))).tolist() == longest
    for lengths in ([1 << 59], [1, (1 << 63) - 1, 1, 0]):
        with pytest.raises(MaskError, match="expected runs of at most 576460752303423487 pixels") as caught:
            encode_counts(np.array(lengths))
        assert caught.value.code == "too_large"


def test_no_run_lengths_are_no_characters():
    """An empty list and an empty string stand for each other."""
    assert encode_counts(np.array([], np.int64)) == b""
    assert decode_counts(b"").tolist() == []


@pytest.mark.parametrize("counts", [b"0p", b"0/", b"0\xff", b"0P", b"P" * 12 + b"0", b"12O3"])
def test_a_string_that_is_no_counts_is_refused(counts):
    """Foreign characters, an unfinished or endless number, and a negative length are named as such."""
    with pytest.raises(MaskError) as caught:
        decode_counts(counts[:-1] + b"O" if counts == b"12O3" else counts)
    assert caught.value.code == "bad_counts"


def test_a_hand_counted_mask():
    """A 3 × 4 mask counted by hand: columns 0-0, 1-2 and rows as drawn."""
    labels = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]]) - 1
    (runs,) = group_runs(3, 4, np.arange(12), labels.ravel(order="F"), 1)
    assert decode_counts(runs.counts).tolist() == [3, 2, 1, 1, 1, 1, 3]
    assert (runs.area, runs.bounding_box) == (4, (1, 0, 2, 3))
