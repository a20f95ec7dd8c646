"""Polygons that hold no pixel's centre, and what pycocotools draws of polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mask_pictures import to_mask
from pycocotools import mask as coco_mask

from labelsnap.masks.shapes.coco_polygons import is_drawn
from labelsnap.masks.shapes.polygons import fill_rings, region_of, touched
from labelsnap.records.shapes import tight_box

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEIGHT, WIDTH = 6, 8
SQUARE = ((2, 1), (6, 1), (6, 5), (2, 5))


def painted(text: str) -> NDArray[np.bool_]:
    """Read a boolean array from a picture of ``#`` and ``.``."""
    return np.array([[pixel == "#" for pixel in line] for line in text.split()])


@pytest.mark.parametrize(
    ("ring", "picture"),
    [
        (((1.1, 1.1), (1.2, 1.1), (1.2, 1.2)), "........ .#...... ........ ........ ........ ........"),
        (((0.5, 2.1), (4.5, 2.1), (4.5, 2.2)), "........ ........ #####... ........ ........ ........"),
        (((2.1, 0.5), (2.1, 3.5), (2.2, 3.5)), "..#..... ..#..... ..#..... ..#..... ........ ........"),
        (((0.1, 0.2), (2.1, 2.2), (2.1, 2.3)), "#....... ##...... .##..... ........ ........ ........"),
        (((-3, 5.7), (1.2, 5.7), (1.2, 5.8)), "........ ........ ........ ........ ........ ##......"),
        (((7.9, 2.2), (9, 2.2), (9, 2.3)), "........ ........ .......# ........ ........ ........"),
        (SQUARE * 2, "........ ..#####. ..#####. ..#####. ..#####. ..#####."),
    ],
    ids=["in a pixel", "level", "upright", "diagonal", "over the left border", "over the right", "twice round"],
)
def test_touched_pixels(ring: Any, picture: str) -> None:
    """An outline paints each pixel that it passes through, and a ring that goes twice round what it goes round."""
    assert not fill_rings([ring], HEIGHT, WIDTH).area
    assert np.array_equal(to_mask(region_of(ring, HEIGHT, WIDTH)), painted(picture))


def test_a_polygon_with_centres_has_these() -> None:
    """A square of four pixels a side has sixteen."""
    assert region_of(SQUARE, HEIGHT, WIDTH) == fill_rings([SQUARE], HEIGHT, WIDTH)
    assert region_of(SQUARE, HEIGHT, WIDTH).area == 16


def test_vertices_without_end_are_cut_off() -> None:
    """A triangle that reaches farther than numbers do fills what it covers of the image."""
    far = ((-1e300, -1e300), (1e300, -1e300), (0, 1e308))
    assert region_of(far, HEIGHT, WIDTH).area == HEIGHT * WIDTH
    assert not is_drawn(far, tight_box(far), HEIGHT, WIDTH)


places = st.floats(-3, 11, width=32)
rings = st.lists(st.tuples(places, places), min_size=1, max_size=7)
quarters = st.integers(-12, 44).map(lambda number: number / 4)
on_a_grid = st.lists(st.tuples(quarters, quarters), min_size=1, max_size=7)


@given(ring=rings | on_a_grid)
def test_touched_pixels_are_those_of_points_on_the_outline(ring: Any) -> None:
    """Walking along the outline in steps of a thousandth stays on touched pixels, and inside the image touches some."""
    pixels = to_mask(touched(ring, HEIGHT, WIDTH))
    closed = np.array([*ring, ring[0]])
    along = np.linspace(0, len(ring), 1000 * len(ring) + 1)
    x, y = (np.interp(along, np.arange(len(closed)), closed[:, axis]) for axis in (0, 1))
    inside = (x >= 0) & (x < WIDTH) & (y >= 0) & (y < HEIGHT)
    away = np.minimum(abs(x - x.round()), abs(y - y.round())) > 1e-9
    columns, rows = (each[inside & away].astype(int) for each in (x, y))
    assert pixels[rows, columns].all()
    assert not (to_mask(fill_rings([ring], HEIGHT, WIDTH)) & ~pixels).any()


def drawn_by_pycocotools(ring: Any, height: int, width: int) -> bool:
    """Draw a ring and count its pixels; one of less than three vertices repeats its last, or it would be a box."""
    flat = [float(each) for vertex in [*ring, *ring[-1:] * 2] for each in vertex]
    return bool(coco_mask.area(coco_mask.frPyObjects([flat], height, width))[0])


tiny = st.tuples(places, places, st.lists(st.tuples(*[st.floats(-0.625, 0.625, width=32)] * 2), min_size=1, max_size=6))
around = tiny.map(lambda found: [(found[0] + x, found[1] + y) for x, y in found[2]])
folded = rings.map(lambda ring: [*ring, *ring[::-1]])
twice = rings.map(lambda ring: ring * 2)


@given(ring=rings | on_a_grid | around | folded | twice, height=st.integers(1, 9), width=st.integers(1, 9))
@example(ring=[(0.5, 0.5), (0.5, 4), (4, 0.5)], height=1, width=1)
def test_pycocotools_draws_what_is_told(ring: Any, height: int, width: int) -> None:
    """For rings of any shape, in images of any size: it draws a pixel if, and only if, that was told."""
    assert is_drawn(ring, tight_box(ring), height, width) == drawn_by_pycocotools(ring, height, width)


@given(
    ring=st.lists(st.tuples(st.floats(-20, 320), st.floats(-20, 260)), min_size=3, max_size=9)
    | st.tuples(st.floats(0, 300), st.floats(0.001, 3)).map(
        lambda found: [(found[0], -5), (found[0] + found[1], -5), (found[0] + found[1], 900), (found[0], 900)]
    )
)
def test_pycocotools_draws_what_is_told_of_large_rings(ring: Any) -> None:
    """In an image of 300 × 240 pixels, where most rings are known to be drawn by one look, and for upright slivers."""
    assert is_drawn(ring, tight_box(ring), 240, 300) == drawn_by_pycocotools(ring, 240, 300)
