"""An image's masks and polygons as one array of numbers; where they overlap, a pixel is of what lies on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tasks.errors import ConfigurationError
from tasks.formats.segments import overlay_of, segments_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.records.classes import ClassRegistry
    from tasks.records.model import Sample

BYTE_VOID: Final = 255
WORD_VOID: Final = 65535


def void_of(registry: ClassRegistry) -> int:
    """Return the value that no class has: 255 where every id is below it, else 65535.

    Raises ConfigurationError where an id does not fit 16 bits.
    """
    highest = max((each.id for each in registry.classes), default=0)
    if highest >= WORD_VOID:
        raise ConfigurationError(
            f"Expected class ids below {WORD_VOID} for label maps, found {highest}.",
            remedy="Leave the formats with label maps out, or merge classes under `classes` in a new dataset.",
            code="too_many_classes",
        )
    return BYTE_VOID if highest < BYTE_VOID else WORD_VOID


def semantic_map(sample: Sample, registry: ClassRegistry, void: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Paint class ids, 0 where nothing is: 8 bits where ``void_of`` gives 255, else 16."""
    segments = segments_of(sample.record.entry.labels, sample.image)
    ids = [registry.class_of(segment.annotation).id for segment in segments]
    shown = overlay_of(segments, sample.image)
    return shown.paint(np.array(ids, np.uint16)) if void == WORD_VOID else shown.paint(np.array(ids, np.uint8))


def instance_map(sample: Sample) -> NDArray[np.uint16]:
    """Paint the places of objects in ``segments_of``, from 1 up; 0 where nothing is."""
    segments = segments_of(sample.record.entry.labels, sample.image)
    return overlay_of(segments, sample.image).paint(np.arange(1, len(segments) + 1, dtype=np.uint16))
