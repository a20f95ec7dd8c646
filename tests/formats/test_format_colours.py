"""The colour map of Pascal VOC."""

from __future__ import annotations

import numpy as np

from labelsnap.formats.shared.colours import colours

PUBLISHED = {
    0: (0, 0, 0),
    1: (128, 0, 0),
    2: (0, 128, 0),
    7: (128, 128, 128),
    8: (64, 0, 0),
    15: (192, 128, 128),
    20: (0, 64, 128),
    255: (224, 224, 192),
}
"""Background, aeroplane, bicycle, car, cat, person, tv monitor and void, as the VOC2012 development kit lists them."""


def test_colours_are_those_of_the_development_kit() -> None:
    """The numbers of VOC's classes have VOC's colours."""
    assert (
        dict(zip(PUBLISHED, map(tuple, colours(np.array([*PUBLISHED], np.uint32)).tolist()), strict=True)) == PUBLISHED
    )


def test_each_number_has_a_colour_of_its_own() -> None:
    """Numbers of three bytes lose nothing: a step of 251 through all of them meets no colour twice."""
    found = colours(np.arange(0, 1 << 24, 251, dtype=np.uint32)).astype(int) @ [1, 256, 256**2]
    assert np.unique(found).size == found.size
