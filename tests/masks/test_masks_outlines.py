from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mask_pictures import from_mask

from labelsnap.masks.runs import empty_runs
from labelsnap.masks.shapes.outlines import JOINED, join, parts_of
from tests.masks.drawn_masks import NOISE, blobs, scattered


def fill(outlines, shape):
    """Fill polygons as OpenCV does: what lies inside, and the outline itself."""
    canvas = np.zeros(shape, np.uint8)
    for outline in outlines:
        cv2.fillPoly(canvas, [outline.astype(np.int32)], 1)
    return canvas.astype(bool)


@given(st.one_of(NOISE, blobs()))
def test_outlines_filled_are_the_mask(mask):
    """One outline for each 8-connected part, and OpenCV fills them to exactly the mask, holes left open."""
    parts = parts_of(from_mask(mask))
    assert len(parts) == cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
    assert np.array_equal(fill([part.outline for part in parts], mask.shape), mask)
    assert [part.area for part in parts] == [np.count_nonzero(fill([part.outline], mask.shape)) for part in parts]


@given(st.one_of(NOISE, blobs(), scattered(200)), st.sampled_from([0, 0.03, 0.5, 1e9]))
def test_joined_outlines_cover_the_mask(mask, most):
    """All outlines fill the whole mask, and no more beside it than was allowed for what they join, each by itself."""
    outlines = list(join(parts_of(from_mask(mask)), most))
    assert not (mask & ~fill(outlines, mask.shape)).any()
    labelled = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1]
    for outline in outlines:
        filled = fill([outline], mask.shape)
        covered = np.setdiff1d(labelled[filled & mask], labelled[mask & ~filled])
        assert np.count_nonzero(filled & ~mask) <= most * np.count_nonzero(np.isin(labelled, covered))


@given(st.one_of(NOISE, blobs(), scattered(200)), st.sampled_from([0, 1e9]))
def test_outlines_go_level_upright_or_diagonal(mask, most):
    """Every side leads through pixel centres only, so any reader draws it alike; no vertex stands twice in a row."""
    for outline in join(parts_of(from_mask(mask)), most):
        way = np.roll(outline, -1, axis=0) - outline
        assert np.all((way == 0).any(axis=1) | (np.abs(way[:, 0]) == np.abs(way[:, 1])))
        assert len(outline) == 1 or way.any(axis=1).all()


def test_two_squares_are_joined_by_the_shortest_way():
    """Two squares of 20 × 20, 4 apart, overlapping by 3 rows: the join paints the 4 pixels between them."""
    mask = np.zeros((40, 50), bool)
    mask[0:20, 0:20] = mask[17:37, 24:44] = True
    assert len(list(join(parts_of(from_mask(mask)), 3 / 800))) == 2
    (outline,) = join(parts_of(from_mask(mask)), 4 / 800)
    assert np.count_nonzero(fill([outline], mask.shape) & ~mask) == 4


def test_a_far_speck_does_not_keep_near_parts_apart():
    """Of two squares and a pixel far from both, the squares are one outline, and the pixel another."""
    mask = np.zeros((40, 400), bool)
    mask[0:20, 0:20] = mask[0:20, 24:44] = mask[39, 399] = True
    outlines = list(join(parts_of(from_mask(mask)), 0.03))
    assert [np.count_nonzero(fill([outline], mask.shape)) for outline in outlines] == [804, 1]


def test_what_the_nearest_part_may_not_have_a_larger_one_may():
    """A pixel 2 away from a square of 100 pixels waits until another square, 3 away, has joined it."""
    mask = np.zeros((13, 23), bool)
    mask[0:10, 0:10] = mask[0:10, 13:23] = mask[12, 0] = True
    painted = {}
    for most in (2.9 / 200, 3 / 200, 5 / 201):
        outlines = join(parts_of(from_mask(mask)), most)
        painted[most] = [np.count_nonzero(fill([outline], mask.shape)) for outline in outlines]
    assert list(painted.values()) == [[100, 100, 1], [203, 1], [206]]


def test_many_parts_stay_one_outline():
    """A chequered picture of 64 squares apart from each other becomes one closed outline that fills them all."""
    mask = np.kron(np.eye(8, dtype=bool) | True, np.pad(np.ones((3, 3), bool), 1))
    parts = parts_of(from_mask(mask))
    assert len(parts) == 64
    (outline,) = join(parts, 63 * 2 / 576)
    filled = fill([outline], mask.shape)
    assert not (mask & ~filled).any()
    assert np.count_nonzero(filled) <= np.count_nonzero(mask) + 63 * 2


@pytest.mark.parametrize(("side", "most"), [(1, 0.03), (3, 0.4)], ids=["specks", "squares"])
def test_thousands_of_parts_are_all_outlined(side, most):
    """A chequered picture of 9,216 parts is outlined whole: specks each alone, squares joined as far as is looked."""
    mask = np.kron(np.ones((96, 96), bool), np.pad(np.ones((side, side), bool), ((0, 1), (0, 1))))
    outlines = list(join(parts_of(from_mask(mask)), most))
    assert len(outlines) == (9216 if side == 1 else 9216 - JOINED + 1)
    assert not (mask & ~fill(outlines, mask.shape)).any()


def test_outlines_traced_by_hand():
    """A pixel is one vertex, a line two; a frame of 3 × 3 is its corners and a keyhole of no length."""
    (pixel,) = parts_of(from_mask(np.array([[False, True]])))
    assert (pixel.outline.tolist(), pixel.area) == ([[1, 0]], 1)
    (line,) = parts_of(from_mask(np.ones((1, 4), bool)))
    assert (sorted(line.outline.tolist()), line.area) == ([[0, 0], [3, 0]], 4)


def test_nothing_has_no_outline():
    """A mask without pixels has no parts, and joining none gives none."""
    assert parts_of(empty_runs(3, 4)) == ()
    assert list(join((), 1)) == []
