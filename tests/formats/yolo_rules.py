"""What Ultralytics does with a label file, from its documentation and behaviour: it is no dependency (AGPL)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

POINTS = 1000
"""Vertices that every outline is given before training."""


class Labels(NamedTuple):
    """A label file as it is read: class numbers, boxes [x, y, w, h], outlines and keypoints, as parts of the image."""

    classes: NDArray[np.int64]
    boxes: NDArray[np.float32]
    outlines: list[NDArray[np.float32]]
    keypoints: NDArray[np.float32]


def read_labels(text: str, classes: int, *, keypoints: int = 0) -> Labels:
    """Check and read a file of labels; a file that breaks a rule costs the image."""
    rows = [line.split() for line in text.strip().splitlines()]
    outlines: list[NDArray[np.float32]] = []
    if any(len(row) > 6 for row in rows) and not keypoints:
        outlines = [np.array(row[1:], np.float32).reshape(-1, 2) for row in rows]
        numbers = np.array([row[0] for row in rows], np.float32)
        corners = [np.concatenate([outline.min(axis=0), outline.max(axis=0)]) for outline in outlines]
        boxes = [[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1] for x1, y1, x2, y2 in corners]
        table = np.column_stack([numbers, np.array(boxes, np.float32)])
    else:
        table = np.array(rows, np.float32).reshape(len(rows), 5 + keypoints)
    coordinates = table[:, 1:5]
    assert np.all(table >= 0), "negative label values"
    assert np.all(coordinates <= 1.01), "non-normalized or out of bounds coordinates"
    assert np.all(table[:, 0] < classes), "label class exceeds dataset class count"
    assert all(outline.max() <= 1 and len(outline) >= 3 for outline in outlines)
    return Labels(table[:, 0].astype(int), coordinates, outlines, table[:, 5:])


def fill(outline: NDArray[np.float32], width: int, height: int, *, points: int = 0) -> NDArray[Any]:
    """Paint an outline: cut to whole pixels, then ``fillPoly``; before that with ``points`` vertices along it."""
    if points:
        closed = np.concatenate([outline, outline[:1]])
        vertices = np.arange(len(closed))
        along = np.union1d(vertices, np.linspace(0, len(closed) - 1, max(points, len(closed) + 1)))
        outline = np.column_stack([np.interp(along, vertices, closed[:, axis]) for axis in (0, 1)]).astype(np.float32)
    canvas = np.zeros((height, width), np.uint8)
    cv2.fillPoly(canvas, [(outline * np.float32([width, height])).astype(np.int32)], 1)
    return canvas.astype(bool)
