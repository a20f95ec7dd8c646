"""Points as a reader has them, compared with those that were drawn."""

from __future__ import annotations

from collections import Counter
from math import hypot
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from truth import Picture

Spot = tuple[str, float, float]
"""A class, and x and y in pixels from the upper left corner of the image."""


def compare_points(seen: Mapping[str, Iterable[Spot]], pictures: Mapping[str, Picture], *, within: float) -> str:
    """Assert that a reader saw every image and point, ``within`` so many pixels, and give the numbers in a sentence."""
    assert seen.keys() == pictures.keys()
    classes: Counter[str] = Counter()
    for name, picture in pictures.items():
        left, drawn = list(seen[name]), picture.of({"point"}, has_area=False)
        assert Counter(each[0] for each in left) == Counter(each.name for each in drawn), name
        for thing in drawn:
            x, y = thing.vertices[0]
            same = [each for each in left if each[0] == thing.name]
            nearest = min(same, key=lambda each: hypot(each[1] - x, each[2] - y))
            left.remove(nearest)
            assert hypot(nearest[1] - x, nearest[2] - y) <= within, (name, thing.feature_id, nearest, (x, y))
        classes.update(each.name for each in drawn)
    return f"{len(pictures)} images, {classes.total()} points of {len(classes)} classes"
