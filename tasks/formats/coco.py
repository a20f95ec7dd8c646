"""COCO: instances and keypoints, one file a split, and a model run's predictions in COCO's results form.

Format: https://cocodataset.org/#format-data and #format-results, as pycocotools reads them. Boxes are [left, top,
width, height] in pixels, vertices lie on pixel edges, and a mask is compressed RLE with ``iscrowd`` 0, because readers
leave crowds out of training and evaluation. What COCO has no key for stands in extra keys, which its readers pass over.

pycocotools cannot draw an empty ``segmentation``, and two empty boxes do not overlap for it. So a box's segmentation is
its own outline, and the region of a point is the pixel that it lies in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import floor
from typing import TYPE_CHECKING, ClassVar, TypeAlias, assert_never

from msgspec import Struct
from msgspec.json import Encoder

from tasks.formats.extras import JsonObject, image_answers, object_keys, row_keys
from tasks.formats.interface import EVERYTHING, Artifact, Dataset, Holdings, predicted_labels
from tasks.formats.shapes import drawable_ring, shoelace_area, tight_box
from tasks.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline
from tasks.records.model import Annotation, Image, Label, Sample

if TYPE_CHECKING:
    from tasks.records.classes import ClassRegistry

Samples: TypeAlias = Callable[[], Iterator[Sample]]

_VISIBLE = 2
_SCORE = 1.0
_encode = Encoder().encode


class Coco(Struct, frozen=True, forbid_unknown_fields=True):
    """COCO's instances, keypoints and results. It has no options."""

    name: ClassVar[str] = "coco"
    holds: ClassVar[Holdings] = replace(EVERYTHING, polyline=False)
    holds_of_predictions: ClassVar[Holdings] = replace(
        holds, relationship=False, radio="objects", checklist="objects", text="objects"
    )

    def image_path(self, split: str, file_name: str) -> str:
        """Put the images of a split in one folder: ``file_name`` in the annotation file is the bare name."""
        return f"images/{split}/{file_name}"

    def write(self, dataset: Dataset, split: str) -> Iterator[Artifact]:
        """Give ``instances_SPLIT.json``, and ``predictions_SPLIT.json`` for a model run.

        Each file is one JSON document. So that nothing is held, the instances are made in two passes over the samples:
        one for the images, one for the annotations. Ids count from 1 in each file; a prediction's ``image_id`` is that
        of the instances file.
        """

        def samples() -> Iterator[Sample]:
            return dataset.samples(split)

        yield Artifact(f"annotations/instances_{split}.json", _instances(dataset, split, samples))
        if dataset.model_run:
            yield Artifact(f"annotations/predictions_{split}.json", _predictions(dataset.registry, samples))


def _instances(dataset: Dataset, split: str, samples: Samples) -> Iterator[bytes]:
    info = {"description": dataset.name, "split": split}
    yield b'{"info":' + _encode(info) + b',"licenses":[],\n"categories":'
    yield from _array(_categories(dataset.registry))
    yield b',\n"images":'
    yield from _array(_image(image_id, sample) for image_id, sample in enumerate(samples(), start=1))
    yield b',\n"annotations":'
    yield from _array(_annotations(dataset.registry, samples))
    yield b"}\n"


def _predictions(registry: ClassRegistry, samples: Samples) -> Iterator[bytes]:
    yield from _array(
        found | {"score": _SCORE}
        for image_id, sample in enumerate(samples(), start=1)
        for found in _objects(image_id, sample.image, predicted_labels(sample), registry)
    )
    yield b"\n"


def _array(items: Iterable[JsonObject]) -> Iterator[bytes]:
    """Give a JSON array with one item a line."""
    before = b"[\n"
    for item in items:
        yield before + _encode(item)
        before = b",\n"
    yield b"[]" if before == b"[\n" else b"\n]"


def _image(image_id: int, sample: Sample) -> JsonObject:
    image, data_row = sample.image, sample.record.data_row
    return {
        "id": image_id,
        "file_name": image.file_name,
        "width": image.width,
        "height": image.height,
        **({"coco_url": data_row.row_data} if image.sha256 is None else {}),
        **row_keys(data_row),
        **image_answers(sample.record.entry.labels),
    }


def _categories(registry: ClassRegistry) -> Iterator[JsonObject]:
    names = registry.unique_names()
    for category in registry.classes:
        if not category.removed:
            yield {
                "id": category.id,
                "name": names[category.id],
                "supercategory": "",
                "feature_schema_id": category.feature_schema_id,
                **({"keypoints": ["point"], "skeleton": []} if "point" in category.kinds else {}),
            }


def _annotations(registry: ClassRegistry, samples: Samples) -> Iterator[JsonObject]:
    annotation_id = 0
    for image_id, sample in enumerate(samples(), start=1):
        for found in _objects(image_id, sample.image, sample.record.entry.labels, registry):
            annotation_id += 1
            yield {"id": annotation_id, **found, "iscrowd": 0}


def _objects(image_id: int, image: Image, labels: Iterable[Label], registry: ClassRegistry) -> Iterator[JsonObject]:
    for label in labels:
        for annotation in label.annotations:
            region = _region(annotation, image)
            if region is not None:
                yield {
                    "image_id": image_id,
                    "category_id": registry.class_of(annotation).id,
                    **region,
                    **object_keys(label, annotation),
                }


def _region(annotation: Annotation, image: Image) -> JsonObject | None:
    """Give the keys that say where an annotation lies; None for a kind that COCO cannot hold."""
    match annotation.geometry:
        case BoundingBox(left, top, width, height):
            return _box(left, top, width, height)
        case Polygon(vertices):
            ring = drawable_ring(vertices)
            outline = [[coordinate for vertex in ring for coordinate in vertex]]
            return {"bbox": tight_box(ring), "area": shoelace_area(ring), "segmentation": outline}
        case Mask(_, runs):
            counts = {"size": (runs.height, runs.width), "counts": runs.counts.decode("ascii")}
            return {"bbox": runs.bounding_box, "area": runs.area, "segmentation": counts}
        case Point(x, y):
            pixel = _box(_pixel(x, image.width), _pixel(y, image.height), 1, 1)
            return pixel | {"keypoints": (x, y, _VISIBLE), "num_keypoints": 1}
        case Polyline():
            return None
        case MaskReference():
            message = f"the mask of annotation {annotation.feature_id} was not decoded: a sample has decoded masks only"
            raise TypeError(message)
        case unreachable:
            assert_never(unreachable)


def _box(left: float, top: float, width: float, height: float) -> JsonObject:
    right, bottom = left + width, top + height
    outline = [left, top, right, top, right, bottom, left, bottom]
    return {"bbox": (left, top, width, height), "area": width * height, "segmentation": [outline]}


def _pixel(position: float, pixels: int) -> int:
    """Give the pixel that a position lies in; one on or beyond the image's border is given the outermost pixel."""
    return min(max(floor(position), 0), pixels - 1)
