"""Plane geometry that formats share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.formats.shapes import drawable_ring, open_ring, shoelace_area, tight_box

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
