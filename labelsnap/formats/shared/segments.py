"""The objects of an image that are regions of pixels, in the order in which rasters paint them."""

from __future__ import annotations

import threading
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from labelsnap.masks.rasters.overlay import Overlay, overlay
from labelsnap.masks.shapes.polygons import region_of
from labelsnap.records.extent import has_area
from labelsnap.records.geometry import Mask, Polygon

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labelsnap.records.geometry import Runs
    from labelsnap.records.image import Image
    from labelsnap.records.model import Annotation, Label, Sample

_KEPT: Final = 1 << 18
"""Stretches of an overlay that a thread keeps, at most: a few megabytes."""


class Segment(NamedTuple):
    """An object that is a region: its label and annotation, and its pixels; a polygon has those of ``region_of``.

    ``place`` counts all objects of the image, from 0 in the order of labels.
    """

    place: int
    label: Label
    annotation: Annotation
    runs: Runs


def segments_of(labels: Iterable[Label], image: Image) -> tuple[Segment, ...]:
    """Return the masks and polygons of an image that have an area, the lowest first.

    Labels lie over each other in their order. Within a label the ``z_order`` decides where the export has one, which
    counts from the lowest object; an object without one has its place in the label instead.
    """
    found: list[Segment] = []
    first = 0
    for label in labels:
        of_label = []
        for place, annotation in enumerate(label.annotations):
            if (runs := runs_of_region(annotation, image)) is not None:
                height = place if annotation.z_order is None else annotation.z_order
                of_label.append((height, Segment(first + place, label, annotation, runs)))
        found += [segment for _, segment in sorted(of_label, key=itemgetter(0))]
        first += len(label.annotations)
    return tuple(found)


def runs_of_region(annotation: Annotation, image: Image) -> Runs | None:
    """Return the pixels of a mask or polygon; None for what is no region: boxes, lines, points, and without an area."""
    match annotation.geometry:
        case Mask(_, runs) if runs.area:
            return runs
        case Polygon(vertices) if has_area(annotation.geometry, image.width, image.height):
            return region_of(vertices, image.height, image.width)
        case _:
            return None


class Shown(NamedTuple):
    """The ``segments_of`` a sample, and how they lie over each other, the last on top."""

    segments: tuple[Segment, ...]
    overlay: Overlay


class _Last(threading.local):
    """A thread's last sample, with what is shown of it."""

    sample: Sample | None = None
    shown: Shown


_LAST = _Last()


def shown_of(sample: Sample) -> Shown:
    """Lay the labels of a sample over each other.

    All that is written of a sample shows the same, one file after the other: so a thread keeps the last that it made,
    but for large ones.
    """
    if _LAST.sample is sample:
        return _LAST.shown
    image = sample.image
    segments = segments_of(sample.record.entry.labels, image)
    shown = Shown(segments, overlay([segment.runs for segment in segments], image.height, image.width))
    if shown.overlay.positions.size <= _KEPT:
        _LAST.sample, _LAST.shown = sample, shown
    return shown
