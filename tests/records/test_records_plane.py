"""Plane geometry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.masks.shapes.polygons import fill_rings
from labelsnap.records.shapes import clip_box, clip_ring, drawable_ring, open_ring, pixel_of, shoelace_area, tight_box

SQUARE_WITH_A_NOTCH = ((0, 0), (4, 0), (4, 4), (2, 2), (0, 4))


def test_closing_vertex_is_dropped_once() -> None:
    """A closed ring is opened; an open one, and a single vertex, stay."""
    assert open_ring(((0, 0), (1, 0), (0, 0))) == ((0, 0), (1, 0))
    assert open_ring(((0, 0), (1, 0))) == ((0, 0), (1, 0))
    assert open_ring(((0, 0),)) == ((0, 0),)


def test_ring_has_three_vertices_at_least() -> None:
    """A point and a line and back are rings of three; a longer ring is as drawn."""
    assert drawable_ring(((2, 3),)) == [(2, 3)] * 3
    assert drawable_ring(((2, 3), (4, 3), (2, 3))) == [(2, 3), (4, 3), (4, 3)]
    assert drawable_ring(SQUARE_WITH_A_NOTCH) == list(SQUARE_WITH_A_NOTCH)


@pytest.mark.parametrize("ring", [SQUARE_WITH_A_NOTCH, SQUARE_WITH_A_NOTCH[::-1]], ids=["one way", "the other way"])
def test_area_is_that_of_the_ring_whatever_its_winding(ring: tuple[tuple[float, float], ...]) -> None:
    """A square of 16 without a triangle of 4 is 12, open or closed."""
    assert shoelace_area(ring) == 12
    assert shoelace_area((*ring, ring[0])) == 12


@given(x=st.integers(-(2**40), 2**40), y=st.integers(-(2**40), 2**40))
def test_area_does_not_depend_on_the_place(x: int, y: int) -> None:
    """A ring far from the origin has exactly the area that it has at the origin."""
    assert shoelace_area([(x + left, y + top) for left, top in SQUARE_WITH_A_NOTCH]) == 12


def test_box_is_tight() -> None:
    """The box reaches from the least to the greatest coordinate."""
    assert tight_box(((2, 7.5), (-1, 3), (0, 9))) == (-1, 3, 3, 6)


def test_what_lies_inside_keeps_its_vertices() -> None:
    """A ring within the image, its border included, is not touched but for its closing vertex."""
    assert clip_ring((*SQUARE_WITH_A_NOTCH, (0, 0)), 4, 4) == list(SQUARE_WITH_A_NOTCH)


@given(
    ring=st.lists(st.tuples(st.integers(-6, 14), st.integers(-6, 14)), min_size=3, max_size=7),
    width=st.integers(1, 8),
    height=st.integers(1, 8),
)
def test_clipped_ring_holds_the_same_pixels(ring: list[tuple[float, float]], width: int, height: int) -> None:
    """What is cut off lies outside the image: the pixels inside are those of the whole ring, and no vertex is outside.

    The ring is moved a little, so that no edge goes through the centre of a pixel, which rounding would move over it.
    """
    moved = [(x + 0.0123, y + 0.0371) for x, y in ring]
    clipped = clip_ring(moved, width, height)
    assert fill_rings([clipped], height, width) == fill_rings([moved], height, width)
    assert all(-1e-9 <= x <= width + 1e-9 and -1e-9 <= y <= height + 1e-9 for x, y in clipped)


def test_box_is_cut_off_at_the_image() -> None:
    """Two sides over the border, and a box outside."""
    assert clip_box((-2, 3, 5, 9), 8, 6) == (0, 3, 3, 3)
    assert clip_box((9, 7, 2, 2), 8, 6) == (8, 6, 0, 0)


def test_pixel_is_the_one_that_a_position_lies_in() -> None:
    """A position on the right border belongs to the last pixel."""
    assert [pixel_of(position, 8) for position in (-0.5, 0, 2.99, 8, 11)] == [0, 0, 2, 7, 7]
