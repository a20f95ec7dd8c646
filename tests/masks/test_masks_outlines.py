from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from mask_pictures import from_mask

from tasks.masks.outlines import centre_outlines, join
from tasks.masks.runs import empty_runs

NOISE = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=16))


@st.composite
def blobs(draw):
    """Draw a mask of smooth blobs with holes and parts: noise, magnified six times."""
    noise = draw(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=10)))
    height, width = noise.shape
    return cv2.resize(noise.astype(np.uint8) * 255, (width * 6, height * 6), interpolation=cv2.INTER_CUBIC) > 127


def fill(outlines, shape):
    """Fill polygons as OpenCV does: what lies inside, and the outline itself."""
    canvas = np.zeros(shape, np.uint8)
    for outline in outlines:
        cv2.fillPoly(canvas, [outline.astype(np.int32)], 1)
    return canvas.astype(bool)


@given(st.one_of(NOISE, blobs()))
def test_outlines_filled_are_the_mask(mask):
    """One outline for each 8-connected part, and OpenCV fills them to exactly the mask, holes left open."""
    outlines = centre_outlines(from_mask(mask))
    assert len(outlines) == cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
    assert np.array_equal(fill(outlines, mask.shape), mask)


@given(st.one_of(NOISE, blobs()).filter(lambda mask: mask.any()))
def test_joined_outlines_cover_the_mask(mask):
    """One outline for all parts fills the whole mask, and only the mask where it has one part."""
    outlines = centre_outlines(from_mask(mask))
    filled = fill([join(outlines)], mask.shape)
    assert not (mask & ~filled).any()
    if len(outlines) == 1:
        assert np.array_equal(filled, mask)


@given(st.one_of(NOISE, blobs()))
def test_outlines_go_level_upright_or_diagonal(mask):
    """Every side leads through pixel centres only, so any reader draws it alike; no vertex stands twice in a row."""
    for outline in centre_outlines(from_mask(mask)):
        way = np.roll(outline, -1, axis=0) - outline
        assert np.all((way == 0).any(axis=1) | (np.abs(way[:, 0]) == np.abs(way[:, 1])))
        assert len(outline) == 1 or way.any(axis=1).all()


def test_two_squares_are_joined_by_the_shortest_way():
    """Two squares of 20 × 20, 4 apart, overlapping by 3 rows: the join paints the 4 pixels between them."""
    mask = np.zeros((40, 50), bool)
    mask[0:20, 0:20] = mask[17:37, 24:44] = True
    filled = fill([join(centre_outlines(from_mask(mask)))], mask.shape)
    assert np.count_nonzero(filled & ~mask) == 4


def test_many_parts_stay_one_outline():
    """A chequered picture of 64 squares apart from each other becomes one closed outline that fills them all."""
    mask = np.kron(np.eye(8, dtype=bool) | True, np.pad(np.ones((3, 3), bool), 1))
    outlines = centre_outlines(from_mask(mask))
    assert len(outlines) == 64
    filled = fill([join(outlines)], mask.shape)
    assert not (mask & ~filled).any()
    assert np.count_nonzero(filled) <= np.count_nonzero(mask) + 63 * 2


def test_outlines_traced_by_hand():
    """A pixel is one vertex, a line two; a frame of 3 × 3 is its corners and a keyhole of no length."""
    (pixel,) = centre_outlines(from_mask(np.array([[False, True]])))
    assert pixel.tolist() == [[1, 0]]
    (line,) = centre_outlines(from_mask(np.ones((1, 4), bool)))
    assert sorted(line.tolist()) == [[0, 0], [3, 0]]


def test_nothing_has_no_outline_and_cannot_be_joined():
    """A mask without pixels gives no outline; joining none is refused."""
    assert centre_outlines(empty_runs(3, 4)) == ()
    with pytest.raises(ValueError, match="found none"):
        join(())
