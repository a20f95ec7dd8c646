"""Areas and boxes of outlines, beside those of other people's code."""

from __future__ import annotations

import subprocess
import sys
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask

from labelsnap.snapshots.checking import extents
from labelsnap.snapshots.checking.extents import OutlineError, mask_extents, ring_extents, run_extents

PICTURES = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))


def extents_of(pairs):
    """The extents of encoded masks, (counts, (height, width)), as lists."""
    sizes = np.array([size for _, size in pairs], np.int32).reshape(-1, 2)
    return mask_extents([counts for counts, _ in pairs], *sizes.T).tolist()


@given(pictures=st.lists(PICTURES, max_size=6), together=st.sampled_from([1, 20, 1 << 16]))
def test_extents_of_masks_are_those_of_pycocotools(pictures, together):
    """Area and box of any masks are what COCO's own code says, however many are looked at together."""
    encoded = [coco_mask.encode(np.asfortranarray(picture, dtype=np.uint8)) for picture in pictures]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extents, "_CHARACTERS", together)
        found = extents_of([(each["counts"], each["size"]) for each in encoded])
    assert found == [[coco_mask.area(each), *coco_mask.toBbox(each)] for each in encoded]


@given(pictures=st.lists(PICTURES, max_size=6))
def test_extents_of_run_lengths_are_those_of_pycocotools(pictures):
    """Area and box of any masks are the same where their runs are plain numbers, counted here pixel by pixel."""
    counts = [
        [len(list(run)) for _, run in groupby([False, *picture.ravel(order="F").tolist()])] for picture in pictures
    ]
    sizes = np.array([picture.shape for picture in pictures], np.int32).reshape(-1, 2)
    found = run_extents([[first - 1, *others] for first, *others in counts], *sizes.T).tolist()
    encoded = [coco_mask.encode(np.asfortranarray(picture, dtype=np.uint8)) for picture in pictures]
    assert found == [[coco_mask.area(each), *coco_mask.toBbox(each)] for each in encoded]


def test_masks_are_measured_without_numba():
    """Where numba cannot be imported the loops run as they stand: 3 pixels after 10, across two columns of 12."""
    measured = """
import sys
sys.modules["numba"] = None
import numpy as np
from labelsnap.snapshots.checking.extents import mask_extents
print(mask_extents([sys.argv[1].encode()], np.array([12]), np.array([2])).tolist())
"""
    encoded = coco_mask.frPyObjects({"size": [12, 2], "counts": [10, 3, 11]}, 12, 2)
    command = [sys.executable, "-c", measured, encoded["counts"].decode()]
    found = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603 - this interpreter
    assert found.stdout == "[[3, 0, 0, 2, 12]]\n"


def test_long_runs_are_read():
    """Runs of 10, 50 million, 3, 60 million and 7 pixels, whose numbers take five characters, one of them negative."""
    lengths = [10, 50_000_000, 3, 60_000_000, 7]
    height = sum(lengths)
    encoded = coco_mask.frPyObjects({"size": [height, 1], "counts": lengths}, height, 1)
    assert extents_of([(encoded["counts"], (height, 1))]) == [[110_000_000, 0, 10, 1, 110_000_003]]


def test_a_mask_behind_a_run_of_nine_characters_is_measured():
    """The last three pixels of 2^20 × 2^20: 2^40 - 3 is a group of 29, seven of 31 and one of 0."""
    side = 1 << 20
    assert extents_of([(b"mooooooo03", (side, side))]) == [[3, side - 1, side - 3, 1, 3]]


@pytest.mark.parametrize(
    ("counts", "size", "reason"),
    [
        (b"0p", (1, 1), "cannot be read"),  # a character beyond 'o'
        (b"0/", (1, 1), "cannot be read"),  # one below '0'
        (b"0P", (1, 1), "cannot be read"),  # the last number goes on
        (b"P" * 12 + b"0", (1, 1), "cannot be read"),  # of thirteen characters
        (b"12O", (1, 2), "run of -1 pixels"),
        (b"13", (1, 3), "do not fill 1×3"),
        (b"", (2, 2), "do not fill 2×2"),
    ],
)
def test_runs_that_are_none_are_refused(counts, size, reason):
    """Foreign characters, unfinished and endless numbers, negative lengths, and runs that do not fill their picture."""
    whole = (b"11", (1, 2))
    with pytest.raises(OutlineError, match=reason):
        extents_of([whole, (counts, size), whole])


def test_masks_without_runs_have_no_extent():
    """Beside others: one without a pixel, and one without a place for any."""
    assert extents_of([(b"11", (1, 2)), (b"", (0, 3)), (b"2", (1, 2)), (b"02", (1, 2))]) == [
        [1, 1, 0, 1, 1],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [2, 0, 0, 2, 1],
    ]


def test_extents_of_rings_are_those_counted_by_hand():
    """A square of 2 at (1, 5), closed, a triangle with legs of 3 and 4, a line there and back, and one vertex."""
    rings = [
        [(1, 5), (3, 5), (3, 7), (1, 7), (1, 5)],
        [(-1, 0), (-1, 4), (2, 0)],
        [(0, 0), (5, 5)],
        [(8, 9)],
    ]
    vertices = np.array([vertex for ring in rings for vertex in ring], float)
    assert ring_extents(vertices, np.array([len(ring) for ring in rings])).tolist() == [
        [4, 1, 5, 2, 2],
        [6, -1, 0, 3, 4],
        [0, 0, 0, 5, 5],
        [0, 8, 9, 0, 0],
    ]


def test_ring_without_vertices_is_refused():
    """It has no box; and no rings have no extents."""
    with pytest.raises(OutlineError, match="without vertices"):
        ring_extents(np.zeros((1, 2)), np.array([1, 0]))
    assert ring_extents(np.zeros((0, 2)), np.array([], int)).shape == (0, 5)
