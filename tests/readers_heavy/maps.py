"""Label maps as a reader has them, compared with the masks and polygons that were labelled."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
from seen import OUTLINED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from truth import Picture

EDGE = 0.03
"""What share of a class's pixels rules of filling a polygon may differ in, with ``SMALL`` pixels where that is less."""
SMALL = 60


def compare_maps(seen: Mapping[str, NDArray[np.integer]], pictures: Mapping[str, Picture]) -> str:
    """Assert that each pixel of a class lies in an object of it, and each object's pixel has a class.

    Gives the numbers in a sentence. ``seen`` has class ids, 0 where there is none.
    """
    by_stem = {PurePath(name).stem: found for name, found in seen.items()}
    assert by_stem.keys() == {PurePath(name).stem for name in pictures}
    total = 0
    for name, picture in pictures.items():
        found = np.asarray(by_stem[PurePath(name).stem])
        assert found.shape == (picture.height, picture.width), name
        labelled = np.zeros(found.shape, bool)
        of_class: dict[int, NDArray[np.bool_]] = {}
        for thing in picture.of(OUTLINED):
            of_class[thing.class_id] = of_class.get(thing.class_id, False) | thing.pixels
            labelled |= thing.pixels
        assert set(np.unique(found).tolist()) <= {0, *of_class}, name
        for class_id, pixels in of_class.items():
            assert ((found == class_id) & ~pixels).sum() <= SMALL + EDGE * pixels.sum(), (name, class_id)
        assert (labelled != (found > 0)).sum() <= SMALL + EDGE * labelled.sum(), name
        total += len(of_class)
    return f"{len(pictures)} label maps, {total} times a class"
