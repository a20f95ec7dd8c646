"""COCO's panoptic segmentation: for each image a PNG in which every pixel names its segment, and a list of segments.

Format: https://cocodataset.org/#format-data, section 4, as panopticapi reads it. A pixel's segment is
R + 256·G + 256²·B, and 0 is void. Segments do not overlap: what is covered belongs to what lies on top, and a segment
that is covered whole is left out; it stands among the instances. All regions of a stuff class in an image are one
segment. Boxes, lines and points are no segments.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from labelsnap.formats.shared.colours import colours
from labelsnap.formats.shared.names import png_name
from labelsnap.formats.shared.segments import shown_of
from labelsnap.masks.rasters.png_writer import encode_overlay
from labelsnap.records.choices.classes import ClassRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from labelsnap.formats.shared.extras import JsonObject
    from labelsnap.formats.shared.segments import Segment
    from labelsnap.masks.rasters.overlay import Overlay
    from labelsnap.memory import Budget
    from labelsnap.records.model import Sample


class Panoptic(Struct, frozen=True, dict=True):
    """What is written of a dataset with these classes, of which those named in ``stuff`` are stuff, others things."""

    registry: ClassRegistry
    stuff: tuple[str, ...]

    def categories(self) -> Iterator[JsonObject]:
        """Give the classes in use, with a colour for each."""
        names = self.registry.unique_names()
        used = [category for category in self.registry.classes if not category.removed]
        of_used = colours(np.array([category.id for category in used], np.uint32)).tolist()
        for category, colour in zip(used, of_used, strict=True):
            yield {
                "id": category.id,
                "name": names[category.id],
                "supercategory": "",
                "isthing": int(category.id not in self._stuff),
                "color": colour,
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
        segments = zip(segment_ids(len(members)), shown.visible(), members, strict=True)
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
        return encode_overlay(shown, segment_colours(len(members)), memory=memory)

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
    def _stuff(self) -> frozenset[int]:
        return frozenset(each for each, name in self.registry.unique_names().items() if name in self.stuff)


def segment_colours(segments: int) -> NDArray[np.uint8]:
    """Return a colour for each segment of an image: its id, spelled so that the PNG can be looked at."""
    return colours(np.arange(1, segments + 1, dtype=np.uint32))


def segment_ids(segments: int) -> list[int]:
    """Return the ids of the segments of an image."""
    return [red + (green << 8) + (blue << 16) for red, green, blue in segment_colours(segments).tolist()]
