"""COCO's panoptic segmentation: for each image a PNG in which every pixel names its segment, and a list of segments.

Format: https://cocodataset.org/#format-data, section 4, as panopticapi reads it. A pixel's segment is
R + 256·G + 256²·B, and 0 is void. Segments do not overlap: what is covered belongs to what lies on top, and a segment
that is covered whole is left out; it stands among the instances. All regions of a stuff class in an image are one
segment. Boxes, lines and points are no segments.
"""

from __future__ import annotations

from functools import cached_property
from itertools import count, product
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from labelsnap.formats.shared.colours import INDEXES, class_colours, colour_of, colours
from labelsnap.formats.shared.names import png_name
from labelsnap.formats.shared.segments import shown_of
from labelsnap.masks.rasters.png_writer import encode_overlay
from labelsnap.records.choices.classes import ClassRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from labelsnap.formats.shared.colours import Colour
    from labelsnap.formats.shared.extras import JsonObject
    from labelsnap.formats.shared.segments import Segment
    from labelsnap.masks.rasters.overlay import Overlay
    from labelsnap.memory import Budget
    from labelsnap.records.model import Sample

_STEPS: Final = (0, 12, -12, 24, -24, 6, -6, 18, -18, 30, -30)
_NEAR: Final = sorted(product(_STEPS, repeat=3), key=lambda steps: max(map(abs, steps)))
"""What is added to a colour's channels for one that is like it, the least first."""


class Panoptic(Struct, frozen=True, dict=True):
    """What is written of a dataset with these classes, of which those named in ``stuff`` are stuff, others things."""

    registry: ClassRegistry
    stuff: tuple[str, ...]

    def categories(self) -> Iterator[JsonObject]:
        """Give the classes in use, with a colour for each."""
        names = self.registry.unique_names()
        of_class = self._of_class
        for category in (each for each in self.registry.classes if not each.removed):
            yield {
                "id": category.id,
                "name": names[category.id],
                "supercategory": "",
                "isthing": int(category.id not in self._stuff),
                "color": of_class[category.id],
            }

    def image(self, image_id: int, sample: Sample) -> Iterator[JsonObject]:
        """Give an image; more about it stands among the instances."""
        image = sample.image
        yield {
            "id": image_id,
            "file_name": image.file_name,
            "width": image.width,
            "height": image.height,
            "data_row_id": sample.record.data_row.id,
        }

    def annotation(self, image_id: int, sample: Sample) -> Iterator[JsonObject]:
        """Give the segments of which something is seen; area and box are those of what is seen."""
        shown, members = self._segments(sample)
        ids = (red + (green << 8) + (blue << 16) for red, green, blue in self._colours(members).tolist())
        segments = zip(ids, shown.visible(), members, strict=True)
        yield {
            "image_id": image_id,
            "file_name": png_name(sample.image),
            "segments_info": [
                {
                    "id": segment_id,
                    "category_id": self.registry.class_of(regions[0].annotation).id,
                    "area": seen.area,
                    "bbox": seen.bounding_box,
                    "iscrowd": 0,
                    "feature_ids": [region.annotation.feature_id for region in regions],
                }
                for segment_id, seen, regions in segments
                if seen is not None
            ],
        }

    def png(self, sample: Sample, memory: Budget) -> bytes:
        """Give the picture of an image's segments."""
        shown, members = self._segments(sample)
        return encode_overlay(shown, self._colours(members), memory=memory)

    def _colours(self, members: Sequence[Sequence[Segment]]) -> NDArray[np.uint8]:
        """Give a colour for each segment of an image, an array (segments, 3): its id, spelled so that the PNG tells.

        Where the ontology has colours a segment has its class's, or one near it, which is no other class's.
        """
        if not self.registry.has_colours:
            return colours(np.arange(1, len(members) + 1, dtype=np.uint32))
        of_class = self._of_class
        own, taken = set(of_class.values()), {colour_of(0)}
        near: dict[int, Iterator[Colour]] = {}
        found: list[Colour] = []
        for regions in members:
            category = self.registry.class_of(regions[0].annotation).id
            candidates = near.setdefault(category, _near_to(of_class[category]))
            colour = next(
                each for each in candidates if each not in taken and (each not in own or each == of_class[category])
            )
            taken.add(colour)
            found.append(colour)
        return np.array(found, np.uint8).reshape(-1, 3)

    def _segments(self, sample: Sample) -> tuple[Overlay, Sequence[Sequence[Segment]]]:
        """Make a segment of each region, and one of all those of a stuff class; give also the regions of each."""
        regions, shown = shown_of(sample)
        members: dict[tuple[int, int], list[Segment]] = {}
        keys = []
        for place, region in enumerate(regions):
            category = self.registry.class_of(region.annotation).id
            keys.append((category, 0) if category in self._stuff else (category, place + 1))
            members.setdefault(keys[-1], []).append(region)
        number = {key: number for number, key in enumerate(members)}
        return shown.grouped([number[key] for key in keys]), tuple(members.values())

    @cached_property
    def _of_class(self) -> dict[int, Colour]:
        return class_colours(self.registry)

    @cached_property
    def _stuff(self) -> frozenset[int]:
        return frozenset(each for each, name in self.registry.unique_names().items() if name in self.stuff)


def _near_to(colour: Colour) -> Iterator[Colour]:
    """Give a colour, and without end others: near ones first, then VOC's."""
    for steps in _NEAR:
        red, green, blue = (value + step for value, step in zip(colour, steps, strict=True))
        if min(red, green, blue) >= 0 and max(red, green, blue) < INDEXES:
            yield red, green, blue
    yield from map(colour_of, count(1))
