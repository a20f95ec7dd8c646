"""MONAI loads images with label maps."""

from __future__ import annotations

import numpy as np
import pytest
from maps import compare_maps


@pytest.mark.reads("monai", "masks-grey")
def test_monai_loads_images_and_label_maps(load, truth, tells, split):
    """Every image has its label map, of the registry's class ids; both have x before y."""
    given, pictures = load(split), truth.split(split)
    seen = {}
    for name, (image, label) in zip(given["names"], given["dataset"], strict=True):
        assert tuple(image.shape[:2]) == (pictures[name].width, pictures[name].height)
        seen[name] = np.asarray(label).T.astype(np.int64)
    tells(compare_maps(seen, pictures))
