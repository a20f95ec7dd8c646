"""Label maps: one PNG an image, whose pixels are numbers of classes (``semantic``) or of objects (``instance``).

Background is 0. A semantic map has 8 bits and a palette, and 255 stands for void; where a class id is above 254 it has
16 bits, and 65535 stands for void. An instance map has 16 bits. Nothing is void in what is written here. Where objects
overlap, a pixel is of what lies on top: ``labelsnap.formats.shared.segments`` says which that is.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from msgspec import Struct

from labelsnap.formats.interface import NOTHING, Artifact, Dataset, Document, Holdings
from labelsnap.formats.shared.colours import palette_of
from labelsnap.formats.shared.documents import rows
from labelsnap.formats.shared.endings import PICTURES
from labelsnap.formats.shared.extras import row_keys
from labelsnap.formats.shared.label_maps import WORD_VOID, class_list, instance_map, semantic_map, void_of
from labelsnap.formats.shared.names import png_name
from labelsnap.formats.shared.segments import shown_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from labelsnap.formats.shared.extras import JsonObject
    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.model import Sample


class Masks(Struct, frozen=True, forbid_unknown_fields=True):
    """Semantic or instance maps of masks and polygons.

    Without ``palette`` a semantic map of 8 bits is grey, for readers that give colours instead of a palette's indexes.
    """

    kind: Literal["semantic", "instance"] = "semantic"
    palette: bool = True

    name: ClassVar[str] = "masks"
    readable: ClassVar[frozenset[str]] = PICTURES
    takes_references: ClassVar[bool] = True
    holds: ClassVar[Holdings] = replace(NOTHING, mask=True, polygon=True)
    holds_of_predictions: ClassVar[Holdings] = NOTHING

    def image_path(self, split: str, file_name: str) -> str:
        """Put the images of a split in one folder, as its maps."""
        return f"images/{split}/{file_name}"

    def files(self, dataset: Dataset, split: str) -> Iterator[Document | Artifact]:
        """Give a list of the split's maps and their objects; ``classes.json`` comes with the first split.

        Raises ConfigurationError where a class id does not fit 16 bits.
        """
        registry = dataset.registry
        if split == dataset.splits[0]:
            yield Artifact("classes.json", iter([class_list(registry, self._void(registry), registry.unique_names())]))
        yield Document(f"{self.kind}/{split}.json", (b'{"images":', rows(partial(_image, registry)), b"}\n"))

    def files_of_row(self, dataset: Dataset) -> Callable[[Sample], Iterator[Artifact]]:
        """Give the map of a row. Raises ConfigurationError where a class id does not fit 16 bits."""
        void = self._void(dataset.registry)
        palette = palette_of(dataset.registry) if self.palette and self.kind == "semantic" else None

        def files(sample: Sample) -> Iterator[Artifact]:
            png = self._map(sample, dataset, void, palette)
            yield Artifact(f"{self.kind}/{sample.split}/{png_name(sample.image)}", iter([png]), small=True)

        return files

    def _void(self, registry: ClassRegistry) -> int:
        return WORD_VOID if self.kind == "instance" else void_of(registry)

    def _map(self, sample: Sample, dataset: Dataset, void: int, palette: NDArray[np.uint8] | None) -> bytes:
        if self.kind == "instance":
            return instance_map(sample, memory=dataset.memory)
        return semantic_map(sample, dataset.registry, void, palette=palette, memory=dataset.memory)


def _image(registry: ClassRegistry, _: int, sample: Sample) -> Iterator[JsonObject]:
    segments, shown = shown_of(sample)
    yield {
        "file_name": png_name(sample.image),
        "image": sample.image.file_name,
        **row_keys(sample.record.data_row),
        "objects": [
            {
                "id": number,
                "class_id": registry.class_of(segment.annotation).id,
                "label_id": segment.label.id,
                "feature_id": segment.annotation.feature_id,
                "visible_area": seen.area if seen else 0,
                "visible_bbox": seen.bounding_box if seen else None,
            }
            for number, (segment, seen) in enumerate(zip(segments, shown.visible(), strict=True), start=1)
        ],
    }
