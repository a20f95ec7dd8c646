from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mask_pictures import from_mask, pixels, to_mask
from pycocotools import mask as coco

from labelsnap.masks.shapes.polygons import fill_rings

HEIGHT, WIDTH = 6, 8
QUARTERS = st.integers(-8, 40).map(lambda number: number / 4)
RINGS = st.lists(st.tuples(QUARTERS, QUARTERS), min_size=3, max_size=7)


def is_inside(x, y, rings):
    """Tell by fractions whether a point has an odd number of edges above it; one through the point itself counts."""
    above = 0
    for ring in rings:
        for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
            if min(x1, x2) <= x < max(x1, x2):
                slope = (Fraction(y2) - Fraction(y1)) / (Fraction(x2) - Fraction(x1))
                above += Fraction(y1) + slope * (x - Fraction(x1)) <= y
    return above % 2 == 1


def reference(rings, height, width):
    """Fill rings one pixel centre at a time."""
    half = Fraction(1, 2)
    return np.array([[is_inside(x + half, y + half, rings) for x in range(width)] for y in range(height)])


@given(st.lists(RINGS, min_size=1, max_size=2))
def test_pixels_are_those_whose_centres_lie_inside(rings):
    """Every pixel of rings on a quarter-pixel grid, also outside the image and through centres, is the reference's."""
    filled = to_mask(fill_rings(rings, HEIGHT, WIDTH))
    assert np.array_equal(filled, reference(rings, HEIGHT, WIDTH))


@given(RINGS)
def test_runs_are_those_of_the_pixels(ring):
    """Counts, area and box are the canonical ones of the pixels that were filled."""
    runs = fill_rings([ring], HEIGHT, WIDTH)
    assert runs == from_mask(to_mask(runs))


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), min_size=3, max_size=8))
def test_pycocotools_agrees_but_for_the_border(vertices):
    """Where pycocotools fills otherwise, the pixel's centre lies within two fifths of a pixel of the outline."""
    ring = np.array(vertices)
    filled = to_mask(fill_rings([ring], 60, 60))
    (encoded,) = coco.frPyObjects([ring.ravel().tolist()], 60, 60)
    rows, columns = np.nonzero(filled != coco.decode(encoded).astype(bool))
    centres = np.stack([columns, rows], axis=1)[:, np.newaxis] + 0.5
    edges = np.roll(ring, -1, axis=0) - ring
    along = ((centres - ring) * edges).sum(axis=2) / np.maximum((edges**2).sum(axis=1), 1e-12)
    nearest = ring + np.clip(along, 0, 1)[..., np.newaxis] * edges
    away = np.hypot(*(centres - nearest).transpose(2, 0, 1)).min(axis=1)
    assert away.max(initial=0) <= 0.4


def test_pycocotools_differs_by_one_pixel_in_twenty_of_an_outline():
    """Over 60 blobs the pixels that pycocotools fills otherwise are about 0.05 for each pixel of perimeter."""
    generator = np.random.default_rng(4)
    differing, perimeter = 0, 0.0
    for _ in range(60):
        angles = np.sort(generator.uniform(0, 2 * np.pi, 24))
        radii = generator.uniform(20, 45, 24)
        ring = np.stack([50 + radii * np.cos(angles), 50 + radii * np.sin(angles)], axis=1)
        (encoded,) = coco.frPyObjects([ring.ravel().tolist()], 100, 100)
        differing += np.count_nonzero(to_mask(fill_rings([ring], 100, 100)) != coco.decode(encoded))
        perimeter += np.hypot(*(np.roll(ring, -1, axis=0) - ring).T).sum()
    assert 0.04 < differing / perimeter < 0.06


@given(st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT)))
def test_polygons_that_share_a_border_share_no_pixel(middle):
    """Four triangles from the image's corners to any point cover each pixel once."""
    corners = [(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)]
    triangles = [(corners[n - 1], corners[n], middle) for n in range(4)]
    assert np.all(sum(to_mask(fill_rings([each], HEIGHT, WIDTH)).astype(int) for each in triangles) == 1)


@pytest.mark.parametrize(
    ("rings", "picture"),
    [
        pytest.param([[(1, 0), (3, 0), (3, 2), (1, 2)]], ".##.. .##.. .....", id="along pixel edges"),
        pytest.param([[(1, 0), (3, 0), (3, 2), (1, 2), (1, 0)]], ".##.. .##.. .....", id="closed"),
        pytest.param([[(0.5, 0.5), (2.5, 0.5), (2.5, 2.5), (0.5, 2.5)]], "##... ##... .....", id="through centres"),
        pytest.param([[(-9, 1), (99, 1), (99, 2), (-9, 2)]], "..... ##### .....", id="beyond both sides"),
        pytest.param(
            [[(0, 0), (5, 0), (5, 3), (0, 3)], [(2, 1), (3, 1), (3, 2), (2, 2)]], "##### ##.## #####", id="hole"
        ),
        pytest.param(
            [[(0, 0), (1, 0), (1, 3), (0, 3)], [(4, 0), (5, 0), (5, 3), (4, 3)]], "#...# #...# #...#", id="parts"
        ),
        pytest.param([[(2, 1), (4, 1), (4, 1.4), (2, 1.4)]], "..... ..... .....", id="between centres"),
        pytest.param([[(2, 0), (2, 3)], [(1, 1)], []], "..... ..... .....", id="without an area"),
        pytest.param([], "..... ..... .....", id="no rings"),
    ],
)
def test_rings_drawn_by_hand(rings, picture):
    """Rings on an image of 5 × 3 pixels cover the pixels that are drawn beside them."""
    assert np.array_equal(to_mask(fill_rings(rings, 3, 5)), pixels(picture))


def test_a_ring_far_outside_costs_no_more_than_the_image():
    """A polygon a thousand million pixels wide is cut off at the image before columns are counted."""
    far = 10.0**9
    assert fill_rings([[(-far, -far), (far, -far), (far, far), (-far, far)]], 3, 5).area == 15
