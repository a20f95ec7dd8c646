"""Which objects cover anything of their images: by hand, and by counting squares of a fine grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelsnap.masks.shapes.polygons import fill_rings
from labelsnap.records.extent import has_area
from labelsnap.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline, Runs, Vertices
from labelsnap.records.image import Image
from labelsnap.records.model import Annotation, DataRow, Label, MediaAttributes, ProjectEntry, Record, Sample
from labelsnap.records.tables.tables import to_tables

if TYPE_CHECKING:
    from labelsnap.records.geometry import Geometry

WIDTH, HEIGHT = 8, 6
REFERENCE = MaskReference("https://api.labelbox.example/mask/1", None, None)
TRIANGLE = ((1, 1), (4, 1), (1, 4))


def pixels(area: int) -> Mask:
    """A mask of so many pixels down the first column."""
    return Mask(REFERENCE, Runs(HEIGHT, WIDTH, b"", area, (0, 0, 1, area)))


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        (BoundingBox(1, 1, 2, 3), True),
        (BoundingBox(1, 1, 0.001, 3), True),
        (BoundingBox(1, 1, 0, 3), False),
        (BoundingBox(1, 1, 3, 0), False),
        (BoundingBox(3, 3, -2, 2), False),
        (BoundingBox(-2, 1, 3, 2), True),
        (BoundingBox(-2, 1, 2, 2), False),
        (BoundingBox(8, 1, 2, 2), False),
        (Polygon(TRIANGLE), True),
        (Polygon((*TRIANGLE, TRIANGLE[0])), True),
        (Polygon(Vertices.packed(*zip(*TRIANGLE, strict=True))), True),
        (Polygon(((2, 3),)), False),
        (Polygon(((2, 3), (4, 3))), False),
        (Polygon(((1, 1), (2, 2), (3, 3))), False),
        (Polygon(((0, 0), (0.3, 0.1), (0.9, 0.3))), False),
        (Polygon(((1, 1), (5, 1), (3, 1), (4, 1))), False),
        (Polygon(((1, 1), (5, 4), (5, 1), (1, 4))), True),
        (Polygon(TRIANGLE * 2), True),
        (Polygon((*TRIANGLE, *TRIANGLE[::-1])), False),
        (Polygon(((1, 1), (6, 1), (6, 1.001))), True),
        (Polygon(((9, 1), (12, 1), (12, 3))), False),
        (Polygon(((9, 1), (7, 1), (9, 3))), True),
        (Polygon(((8, 1), (12, 1), (12, 3))), False),
        (Polygon(((-4, 1), (12, 1), (12, 1), (-4, 1))), False),
        (pixels(1), True),
        (pixels(0), False),
        (Point(1, 1), None),
        (Polyline(((1, 1), (5, 1))), None),
        (REFERENCE, None),
    ],
)
def test_what_has_an_area(geometry: Geometry, expected: bool | None) -> None:
    """Thin and crossed shapes and what is partly outside have one; lines and what is outside have none."""
    assert has_area(geometry, WIDTH, HEIGHT) is expected


quarters = st.integers(-8, 40).map(lambda number: number / 4)
rings = st.lists(st.tuples(quarters, quarters), min_size=1, max_size=6).map(tuple)


@given(ring=rings)
def test_even_odd_region_is_an_area(ring: Any) -> None:
    """A polygon that holds the centre of a pixel 64 times as fine, moved off the grid, has an area."""
    fine = [(64 * x + 0.123, 64 * y + 0.371) for x, y in ring]
    if fill_rings([fine], 64 * HEIGHT - 64, 64 * WIDTH - 64).area:
        assert has_area(Polygon(ring), WIDTH, HEIGHT)


@given(step=st.tuples(quarters, quarters), places=st.lists(st.integers(-9, 9), min_size=1, max_size=9))
def test_what_lies_on_a_line_has_no_area(step: tuple[float, float], places: list[int]) -> None:
    """However often a ring goes to and fro along one line, it holds nothing."""
    ring = tuple((step[0] * place / 3 + 1, step[1] * place / 3 + 2) for place in places)
    assert has_area(Polygon(ring), WIDTH, HEIGHT) is False


def test_what_is_drawn_twice_hides_no_area() -> None:
    """Spikes that go and come back over the same vertices, taller than all else, hold nothing; a small knot does."""
    spikes = [(2 + place / 3000, end) for place in range(3000) for end in (0.1 + place / 6000, 5.9 - place / 6000)]
    knot = ((1, 3), (1.5, 3.5), (1.5, 3), (1, 3.5))
    assert has_area(Polygon((*spikes, *spikes[::-1])), WIDTH, HEIGHT) is False
    assert has_area(Polygon((*spikes, *spikes[::-1], *knot)), WIDTH, HEIGHT) is True


@pytest.mark.parametrize("vertices", [100, 20_000])
def test_a_ring_of_many_vertices_is_looked_at_in_bounded_work(vertices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many edges lie on each other on one line, those that are sorted grow no faster than they do."""
    places = [(place * 7919) % vertices / vertices for place in range(vertices)]
    sizes, sort = [], np.sort
    monkeypatch.setattr(np, "sort", lambda found: sizes.append(found.size) or sort(found))
    assert has_area(Polygon(tuple((WIDTH * each, HEIGHT * each) for each in places)), WIDTH, HEIGHT) is False
    assert 0 < sum(sizes) < 1_000_000 + 40 * vertices


shapes = st.one_of(
    rings.map(Polygon),
    rings.map(Polyline),
    st.builds(BoundingBox, *[st.sampled_from([-2.0, 0.0, 1e-7, 1e-5, 1.0, 7.9999999, 8.0])] * 4),
    st.builds(Point, quarters, quarters),
    st.integers(0, 2).map(pixels),
)


@given(drawn=st.lists(shapes, max_size=6))
def test_column_says_what_the_rule_says(drawn: list[Geometry]) -> None:
    """Each object has the answer for its own image's size, in its place in the table."""
    objects = tuple(Annotation(str(place), None, "car", None, each) for place, each in enumerate(drawn))
    samples = [
        Sample(
            Record(
                DataRow(row_id, None, None, "", None, MediaAttributes()),
                ProjectEntry("project", None, None, (Label(row_id, None, None, None, None, objects),)),
                "",
            ),
            Image(row_id, *size, "image/png", None, None),
            "train",
        )
        for row_id, size in (("a", (8, 6)), ("b", (2, 3)))
    ]
    column = to_tables(samples)["annotations"]["has_area"].to_pylist()
    assert column == [has_area(each, *size) for size in ((8, 6), (2, 3)) for each in drawn]
