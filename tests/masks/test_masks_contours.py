from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_masks import blobs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from mask_pictures import from_mask, pixels, to_mask
from pycocotools import mask as coco

from labelsnap.masks.runs import empty_runs
from labelsnap.masks.shapes.contours import corner_polygons, keyholed_rings
from labelsnap.masks.shapes.polygons import fill_rings

MASKS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=16))


def enclosed(ring):
    """Return a ring's area by the shoelace formula: positive where it runs clockwise on a screen."""
    x, y = ring.T
    return int((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2


@given(MASKS)
def test_rings_filled_give_the_mask_back(mask):
    """Runs → polygons → runs is the identity for any mask."""
    runs = from_mask(mask)
    rings = [ring for region in corner_polygons(runs) for ring in (region.exterior, *region.holes)]
    assert fill_rings(rings, *mask.shape) == runs


@given(MASKS)
def test_a_region_is_a_connected_part_with_its_holes(mask):
    """Regions are OpenCV's 4-connected components; their signed areas are pixels; each ring turns at every vertex."""
    components, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    regions = corner_polygons(from_mask(mask))
    assert len(regions) == components - 1
    found = [to_mask(fill_rings([region.exterior, *region.holes], *mask.shape)) for region in regions]
    expected = [labels == label for label in range(1, components)]
    assert {part.tobytes() for part in found} == {part.tobytes() for part in expected}
    for region, part in zip(regions, found, strict=True):
        areas = [enclosed(ring) for ring in (region.exterior, *region.holes)]
        assert areas[0] > 0 > max(areas[1:], default=-1)
        assert sum(areas) == part.sum()
        for ring in (region.exterior, *region.holes):
            assert np.all((np.roll(ring, -1, axis=0) != ring).sum(axis=1) == 1)
            assert np.all((np.roll(ring, -1, axis=0) == ring)[:, 0] != (np.roll(ring, 1, axis=0) == ring)[:, 0])


@given(MASKS.filter(lambda mask: mask.any()))
def test_pycocotools_draws_regions_without_holes_exactly(mask):
    """The outer rings in COCO's polygon form are decoded by pycocotools to the mask with its holes filled."""
    rings = [region.exterior.ravel().tolist() for region in corner_polygons(from_mask(mask))]
    drawn = coco.decode(coco.merge(coco.frPyObjects(rings, *mask.shape)))
    components, labels = cv2.connectedComponents((~np.pad(mask, 1)).astype(np.uint8), connectivity=8)
    assert components > 1
    assert np.array_equal(drawn, (labels != labels[0, 0])[1:-1, 1:-1])


@pytest.mark.parametrize(
    ("picture", "rings"),
    [
        pytest.param("#", [[(0, 0), (1, 0), (1, 1), (0, 1)]], id="one pixel"),
        pytest.param("... ### ...", [[(0, 1), (3, 1), (3, 2), (0, 2)]], id="one-pixel line across"),
        pytest.param(".#. .#. .#.", [[(1, 0), (2, 0), (2, 3), (1, 3)]], id="one-pixel line down"),
        pytest.param(
            "### #.# ###",
            [[(0, 0), (3, 0), (3, 3), (0, 3)], [(2, 1), (1, 1), (1, 2), (2, 2)]],
            id="hole",
        ),
        pytest.param(
            "#. .#",
            [[(0, 0), (1, 0), (1, 1), (0, 1)], [(1, 1), (2, 1), (2, 2), (1, 2)]],
            id="pixels that touch at a corner",
        ),
        pytest.param("##. #.. ...", [[(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]], id="notch"),
    ],
)
def test_rings_traced_by_hand(picture, rings):
    """Outer rings run clockwise, holes the other way, along the edges of the pixels."""
    regions = corner_polygons(from_mask(pixels(picture)))
    found = [ring.tolist() for region in regions for ring in (region.exterior, *region.holes)]
    rotations = [[[list(vertex) for vertex in ring[at:] + ring[:at]] for at in range(len(ring))] for ring in rings]
    assert len(found) == len(rotations)
    assert all(ring in possible for ring, possible in zip(found, rotations, strict=True))


@given(MASKS.filter(lambda mask: mask.any()) | blobs())
def test_pycocotools_draws_rings_with_keyholes_exactly(mask):
    """One ring a 4-connected part, whatever its holes; drawn together they are the mask, and so are their areas."""
    rings = keyholed_rings(from_mask(mask))
    drawn = coco.decode(coco.merge(coco.frPyObjects([ring.ravel().tolist() for ring in rings], *mask.shape)))
    assert np.array_equal(drawn, mask)
    assert [enclosed(ring) for ring in rings] == [
        enclosed(region.exterior) + sum(map(enclosed, region.holes)) for region in corner_polygons(from_mask(mask))
    ]


@given(MASKS)
def test_a_part_without_holes_has_no_keyhole(mask):
    """Its ring is that of its border, vertex by vertex."""
    pairs = zip(keyholed_rings(from_mask(mask)), corner_polygons(from_mask(mask)), strict=True)
    assert all(np.array_equal(ring, region.exterior) for ring, region in pairs if not region.holes)


def test_a_keyhole_leads_up_the_side_of_a_column():
    """From the top of a hole to the border above it, and back: here between the hole's two columns."""
    (ring,) = keyholed_rings(from_mask(pixels("#### #..# ####")))
    assert ring.tolist() == [
        [0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [3, 2], [3, 1], [2, 1], [2, 0], [4, 0], [4, 3], [0, 3],
    ]  # fmt: skip


def test_a_mask_without_pixels_has_no_regions():
    """Nothing gives nothing."""
    assert corner_polygons(empty_runs(3, 4)) == keyholed_rings(empty_runs(3, 4)) == ()


@given(st.integers(1, 6), st.integers(1, 6))
def test_a_hole_in_a_hole_s_island_belongs_to_the_island(height, width):
    """Nested frames: each frame is a region with one hole, whatever lies inside."""
    mask = np.zeros((height + 8, width + 8), bool)
    for border in range(0, 4, 2):
        mask[border : -border or None, border : -border or None] = True
        mask[border + 1 : -border - 1, border + 1 : -border - 1] = False
    regions = corner_polygons(from_mask(mask))
    assert [len(region.holes) for region in regions] == [1, 1]
    assert [np.ptp(region.exterior, axis=0).tolist() for region in regions] == [
        [width + 8, height + 8],
        [width + 4, height + 4],
    ]
    assert [np.ptp(region.holes[0], axis=0).tolist() for region in regions] == [
        [width + 6, height + 6],
        [width + 2, height + 2],
    ]
