"""LabelMe: a JSON file beside each image, in which every kind of object can be looked at and edited.

Format: https://github.com/wkentaro/labelme, as its version 5 and 6 read it. Positions are pixels with the origin at the
image's upper left corner, as in Labelbox. A mask is an 8-bit PNG (0 or 1), in base64, of the pixels within its box,
whose points are the upper left and the lower right pixel. What LabelMe has no key for stands in extra keys, which it
keeps; an answer is a flag too, because that is what its window shows.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, ClassVar, assert_never

from msgspec import Struct
from msgspec.json import format as indented

from labelsnap.formats.interface import EVERYTHING, NOTHING, Artifact, Dataset, Holdings
from labelsnap.formats.shared.attributes import attributes, distinct_name
from labelsnap.formats.shared.documents import encode
from labelsnap.formats.shared.endings import PICTURES
from labelsnap.formats.shared.extras import JsonObject, image_answers, object_keys, row_keys
from labelsnap.formats.shared.names import one_line, stem
from labelsnap.masks.rasters.cut_out import encode_cut_out
from labelsnap.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline
from labelsnap.records.shapes import drawable_ring
from labelsnap.shown import line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from labelsnap.memory import Budget
    from labelsnap.records.geometry import Geometry, Position, Runs
    from labelsnap.records.model import Classification, Sample

_LEAST_OF_A_LINE = 2  # vertices
_VERSION = "5.5.0"  # the version of LabelMe from which on masks are known


class LabelMe(Struct, frozen=True, forbid_unknown_fields=True):
    """LabelMe's annotation files. It has no options."""

    name: ClassVar[str] = "labelme"
    readable: ClassVar[frozenset[str]] = PICTURES
    takes_references: ClassVar[bool] = True
    holds: ClassVar[Holdings] = EVERYTHING
    holds_of_predictions: ClassVar[Holdings] = NOTHING
    spelled = staticmethod(distinct_name)

    def image_path(self, split: str, file_name: str) -> str:
        """Put an image beside its JSON file."""
        return f"{split}/{file_name}"

    def files(self, dataset: Dataset, split: str) -> Iterator[Artifact]:
        """Give ``labels.txt``, the names of the classes in use, with the first split."""
        if split == dataset.splits[0]:
            names = dataset.registry.unique_names(_spelled)
            used = (names[each.id] for each in dataset.registry.classes if not each.removed)
            yield Artifact("labels.txt", (f"{name}\n".encode() for name in used))

    def files_of_row(self, dataset: Dataset) -> Callable[[Sample], Iterator[Artifact]]:
        """Give ``SPLIT/IMAGE.json`` of a row."""
        names = dataset.registry.unique_names(_spelled)

        def files(sample: Sample) -> Iterator[Artifact]:
            body = indented(encode(_document(sample, dataset, names)), indent=2)
            yield Artifact(f"{sample.split}/{stem(sample.image)}.json", iter((body, b"\n")), small=True)

        return files


def _spelled(name: str) -> str:
    """Spell a class's name for ``labels.txt``, which people read, and so for every label that is looked for there."""
    return line(one_line(name))


def _document(sample: Sample, dataset: Dataset, names: Mapping[int, str]) -> JsonObject:
    image, data_row, labels = sample.image, sample.record.data_row, sample.record.entry.labels
    return {
        "version": _VERSION,
        "flags": _flags(answered for label in labels for answered in label.classifications),
        "shapes": [
            {
                "label": names[dataset.registry.class_of(annotation).id],
                **_shape(annotation.geometry, dataset.memory),
                "group_id": None,
                "description": "",
                "flags": _flags(annotation.classifications),
                **object_keys(label, annotation),
            }
            for label in labels
            for annotation in label.annotations
        ],
        "imagePath": image.file_name,
        "imageData": None,
        "imageHeight": image.height,
        "imageWidth": image.width,
        **({"image_url": data_row.row_data} if image.sha256 is None else {}),
        **row_keys(data_row),
        **image_answers(labels),
    }


def _flags(classifications: Iterable[Classification]) -> dict[str, bool]:
    """Give ``QUESTION: ANSWER`` for every option that was chosen and every text."""
    answers = attributes(classifications)
    chosen = {question: answer if isinstance(answer, list) else [answer] for question, answer in answers.items()}
    return {f"{question}: {answer}": True for question, found in chosen.items() for answer in found}


def _shape(geometry: Geometry, memory: Budget) -> JsonObject:
    """Give the keys that say where an annotation lies."""
    match geometry:
        case BoundingBox(left, top, width, height):
            return _points("rectangle", [(left, top), (left + width, top + height)])
        case Polygon(vertices):
            return _points("polygon", drawable_ring(vertices))
        case Polyline(vertices):
            return _points("linestrip", [*vertices, *vertices][: max(len(vertices), _LEAST_OF_A_LINE)])
        case Point(x, y):
            return _points("point", [(x, y)])
        case Mask(_, runs):
            return _mask(runs, memory)
        case MaskReference():
            raise TypeError("a mask was not decoded: a sample has decoded masks only")
        case unreachable:
            assert_never(unreachable)


def _points(shape_type: str, points: Iterable[Position]) -> JsonObject:
    return {"shape_type": shape_type, "points": list(points), "mask": None}


def _mask(runs: Runs, memory: Budget) -> JsonObject:
    """Cut the mask to its box; a mask without pixels is one black pixel."""
    left, top, width, height = runs.bounding_box if runs.area else (0, 0, 1, 1)
    corners = [(left, top), (left + width - 1, top + height - 1)]
    png = encode_cut_out(runs, memory=memory)
    return _points("mask", corners) | {"mask": b64encode(png).decode("ascii")}
