"""An image's masks and polygons as one picture of numbers, and what the numbers mean.

Where masks and polygons overlap, a pixel is of what lies on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from labelsnap.errors import ConfigurationError
from labelsnap.formats.shared.colours import class_colours, colours
from labelsnap.formats.shared.documents import encode
from labelsnap.formats.shared.segments import shown_of
from labelsnap.masks.rasters.png_writer import encode_overlay
from labelsnap.memory import MEMORY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labelsnap.masks.rasters.overlay import Overlay
    from labelsnap.memory import Budget
    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.model import Sample

BYTE_VOID: Final = 255
WORD_VOID: Final = 65535
OVERLAP: Final = "by z_order, or by the order of objects where there is none; the last lies on top"
PALETTE: Final[NDArray[np.uint8]] = colours(np.arange(256, dtype=np.uint32))
"""That of numbers which are no classes'."""


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


def semantic_map(
    sample: Sample,
    registry: ClassRegistry,
    void: int,
    *,
    palette: NDArray[np.uint8] | None = None,
    memory: Budget = MEMORY,
) -> bytes:
    """Write class ids as PNG, 0 where nothing is; ``void`` is that of ``void_of``, and the rest as in ``map_png``."""
    segments, shown = shown_of(sample)
    ids = [registry.class_of(segment.annotation).id for segment in segments]
    return map_png(shown, ids, void, palette=palette, memory=memory)


def instance_map(sample: Sample, *, memory: Budget = MEMORY) -> bytes:
    """Write the places of objects in ``segments_of``, from 1 up, as PNG of 16 bits; 0 where nothing is."""
    segments, shown = shown_of(sample)
    return map_png(shown, range(1, len(segments) + 1), WORD_VOID, memory=memory)


def map_png(
    shown: Overlay,
    values: Sequence[int],
    void: int,
    *,
    palette: NDArray[np.uint8] | None = None,
    memory: Budget = MEMORY,
) -> bytes:
    """Write each mask in its value as PNG: 16 bits where void has 16; else 8, with a palette or, without, as grey."""
    if void == WORD_VOID:
        return encode_overlay(shown, np.array(values, np.uint16), memory=memory)
    return encode_overlay(shown, np.array(values, np.uint8), palette, memory=memory)


def class_list(registry: ClassRegistry, void: int, names: Mapping[int, str]) -> bytes:
    """Write the classes in use with their names and colours, and what else the values of a map mean, as JSON."""
    of_class = class_colours(registry)
    document = {
        "background": 0,
        "void": void,
        "overlap": OVERLAP,
        "classes": [
            {
                "id": each.id,
                "name": names[each.id],
                "color": of_class[each.id],
                "feature_schema_id": each.feature_schema_id,
            }
            for each in registry.classes
            if not each.removed
        ],
    }
    return encode(document) + b"\n"
