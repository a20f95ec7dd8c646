"""albumentations moves what COCO says of an image as it moves the image."""

from __future__ import annotations

import numpy as np
import pytest
from seen import DRAWN, EXACT, Seen


@pytest.mark.reads("albumentations", "coco")
def test_albumentations_takes_boxes_and_masks(load, truth, agrees, split):
    """Mirrored, every box and mask lies where the mirror image of what was labelled lies."""
    given = load(split)
    pictures = truth.split(split)
    seen = {}
    for name, mirrored in given["mirrored"].items():
        assert mirrored["image"].shape[:2] == (pictures[name].height, pictures[name].width)
        seen[name] = [
            Seen(given["names"][label], unmirrored(box, pictures[name].width), mask[:, ::-1].astype(bool))
            for label, box, mask in zip(mirrored["labels"], mirrored["bboxes"], mirrored["masks"], strict=True)
        ]
    agrees(seen, DRAWN, within=1e-2, clipped=True, overlap=EXACT)


def unmirrored(box, width):
    """The box as it was before its image, of ``width`` pixels, was mirrored."""
    return (width - box[0] - box[2], *box[1:])


@pytest.mark.reads("albumentations", "coco keypoints")
def test_albumentations_takes_points(load, truth, tells, split):
    """Mirrored, every point lies where the mirror image of what was labelled lies, counted from a pixel's centre."""
    given = load(split)
    pictures = truth.split(split)
    assert given["mirrored"].keys() == pictures.keys()
    points = 0
    for name, mirrored in given["mirrored"].items():
        read = [(x + 0.5, y + 0.5) for x, y in mirrored["keypoints"]]
        drawn = [each.vertices[0] for each in pictures[name].of({"point"}, has_area=False)]
        expected = [(pictures[name].width - x, y) for x, y in drawn]
        assert len(read) == len(expected)
        assert np.allclose(sorted(read), sorted(expected), atol=1e-3)
        points += len(read)
    tells(f"{len(pictures)} images, {points} points")
