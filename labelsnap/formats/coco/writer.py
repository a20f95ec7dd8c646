"""COCO: instances, keypoints and panoptic segments, and a model run's predictions in COCO's results form.

Format: https://cocodataset.org/#format-data and #format-results, as pycocotools reads them. Boxes are [left, top,
width, height] in pixels, vertices lie on pixel edges, and a mask is RLE or rings with ``iscrowd`` 0, because readers
leave crowds out of training and evaluation. What COCO has no key for stands in extra keys, which its readers pass over.

pycocotools cannot draw an empty ``segmentation``, and two empty boxes do not overlap for it. So a box's segmentation is
its own outline, and what has no area is left out. An outline of which pycocotools would draw nothing stands under
``drawn``, and as ``segmentation`` the pixels that it touches.

Points are in files of their own, because readers of instances take none: the region of a point is the pixel that it
lies in, and its keypoint counts from the centre of the first pixel, as detectron2 and MMPose read it (COCO: "0-indexed
location"). Panoptic segmentation is in ``panoptic.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias, assert_never

from msgspec import Struct

from labelsnap.formats.coco.panoptic import Panoptic
from labelsnap.formats.coco.reserved import attribute_name
from labelsnap.formats.interface import EVERYTHING, Artifact, Dataset, Document, Holdings, predicted_labels
from labelsnap.formats.shared.documents import array, encode, rows
from labelsnap.formats.shared.endings import PICTURES
from labelsnap.formats.shared.extras import JsonObject, image_answers, object_keys, row_keys
from labelsnap.formats.shared.names import png_name
from labelsnap.masks.runs import decode_counts
from labelsnap.masks.shapes.coco_polygons import is_drawn
from labelsnap.masks.shapes.contours import corner_polygons, keyholed_rings
from labelsnap.masks.shapes.polygons import region_of
from labelsnap.records.extent import has_area, is_inside
from labelsnap.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline, Runs
from labelsnap.records.image import Image
from labelsnap.records.model import Annotation, Label, Sample
from labelsnap.records.shapes import drawable_ring, pixel_of, shoelace_area, tight_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelsnap.formats.shared.attributes import Path
    from labelsnap.masks.shapes.coco_polygons import Box
    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.geometry import Position

Make: TypeAlias = Callable[[int, Sample], Iterable[JsonObject]]
Regions: TypeAlias = Callable[[Annotation, Image], JsonObject | None]
"""Gives the keys that say where an annotation lies; None for what is in another file, or what COCO cannot hold."""

_POINT = "point"
_VISIBLE = 2
_CENTRE = 0.5  # of the first pixel, from which keypoints count
_SCORE = 1.0
NUMBERS: Final = 1 << 32  # an id, modulo this, is the number of its row
_INSTANCES = 1 << 20  # places in an image that are theirs, in ids: those of points come after, all below 2^53
_SURELY_DRAWN = 2  # pixels a side: such a box in the image holds the centre of one, however vertices are rounded


class Coco(Struct, frozen=True, forbid_unknown_fields=True):
    """COCO's instances, keypoints, panoptic segmentation and results.

    ``segmentation`` says how a mask is written: as ``rle``, as ``rle_lists``, which are the same without compression,
    or as ``polygons`` along its pixels' edges, a ring a part, with keyholes to its holes. ``panoptic`` adds a PNG an
    image; of the classes named in ``stuff`` all regions in an image are one segment there.
    """

    segmentation: Literal["rle", "polygons", "rle_lists"] = "rle"
    panoptic: bool = True
    stuff: tuple[str, ...] = ()

    name: ClassVar[str] = "coco"
    readable: ClassVar[frozenset[str]] = PICTURES
    takes_references: ClassVar[bool] = True
    holds: ClassVar[Holdings] = replace(EVERYTHING, polyline=False, flat=False)
    holds_of_predictions: ClassVar[Holdings] = replace(
        holds, relationship=False, radio="objects", checklist="objects", text="objects"
    )

    def image_path(self, split: str, file_name: str) -> str:
        """Put the images of a split in one folder: ``file_name`` in the annotation file is the bare name."""
        return f"images/{split}/{file_name}"

    def spelled(self, question: Path) -> str:
        """Give the name of a question's answer in ``attributes``: another than its own where readers use that."""
        return attribute_name(question)

    def files(self, dataset: Dataset, split: str) -> Iterator[Document]:
        """Give the annotation files of a split, each one JSON document.

        An image's id is its row's number, in every file and version; annotations are counted within their image, so
        that one more in one image leaves all others their ids.
        """
        registry = dataset.registry
        of_points = tuple(_categories_of_points(registry))
        regions, points = (partial(each, registry) for each in (self._annotations, _keypoints))
        yield _document(dataset, split, "instances", _categories(registry), images=_image, annotations=regions)
        if of_points:
            yield _document(dataset, split, "person_keypoints", of_points, images=_listed, annotations=points)
        if dataset.model_run:
            yield _results(split, "predictions", partial(_predictions, self._region, registry))
            if of_points:
                yield _results(split, "keypoint_predictions", partial(_predictions, _point, registry))
        if self.panoptic:
            drawn = Panoptic(registry, self.stuff)
            categories = drawn.categories()
            yield _document(dataset, split, "panoptic", categories, images=drawn.image, annotations=drawn.annotation)

    def files_of_row(self, dataset: Dataset) -> Callable[[Sample], Iterator[Artifact]]:
        """Give the panoptic PNG of a row."""
        drawn = Panoptic(dataset.registry, self.stuff)

        def files(sample: Sample) -> Iterator[Artifact]:
            if self.panoptic:
                path = f"panoptic_{sample.split}/{png_name(sample.image)}"
                yield Artifact(path, iter((drawn.png(sample, dataset.memory),)), small=True)

        return files

    def _annotations(self, registry: ClassRegistry, image_id: int, sample: Sample) -> Iterator[JsonObject]:
        found = _objects(self._region, registry, image_id, sample.image, sample.record.entry.labels)
        return _numbered(found, image_id)

    def _region(self, annotation: Annotation, image: Image) -> JsonObject | None:
        """Give where an object with an extent lies; None for what instances have none of: a point, a line, no area."""
        match annotation.geometry:
            case BoundingBox():
                return self._box(annotation.geometry, image)
            case Polygon():
                return self._polygon(annotation.geometry, image)
            case Mask(_, runs):
                return {"bbox": runs.bounding_box, "area": runs.area, **self._pixels(runs)} if runs.area else None
            case Point() | Polyline():
                return None
            case MaskReference():
                message = (
                    f"the mask of annotation {annotation.feature_id} was not decoded: a sample has decoded masks only"
                )
                raise TypeError(message)
            case unreachable:
                assert_never(unreachable)

    def _box(self, drawn: BoundingBox, image: Image) -> JsonObject | None:
        if not has_area(drawn, image.width, image.height):
            return None
        box = (drawn.left, drawn.top, drawn.width, drawn.height)
        ring = _corners(*box)
        is_large = min(drawn.width, drawn.height) >= _SURELY_DRAWN and is_inside(box, image.width, image.height)
        outline = {"segmentation": [_flat(ring)]} if is_large else self._outline(ring, box, image)
        return {"bbox": box, "area": drawn.width * drawn.height, **outline}

    def _polygon(self, drawn: Polygon, image: Image) -> JsonObject | None:
        area, box = shoelace_area(drawn.vertices), tight_box(drawn.vertices)
        if not has_area(drawn, image.width, image.height, (area, *box)):
            return None
        return {"bbox": box, "area": area, **self._outline(drawable_ring(drawn.vertices), box, image)}

    def _outline(self, ring: Sequence[Position], box: Box, image: Image) -> JsonObject:
        """Give a ring as ``segmentation``; where pycocotools draws no pixel of it, as ``drawn``, with those it touches.

        These are rings along the pixels' edges, whatever is asked for, but for pixels with a hole.
        """
        drawn = [_flat(ring)]
        if is_drawn(ring, box, image.height, image.width):
            return {"segmentation": drawn}
        touched = region_of(ring, image.height, image.width)
        regions = corner_polygons(touched)
        if any(region.holes for region in regions):
            return {**self._pixels(touched), "drawn": drawn}
        return {"segmentation": [region.exterior.ravel().tolist() for region in regions], "drawn": drawn}

    def _pixels(self, runs: Runs) -> JsonObject:
        """Give pixels as ``segmentation``, in the form that is asked for."""
        match self.segmentation:
            case "polygons":
                return {"segmentation": [ring.ravel().tolist() for ring in keyholed_rings(runs)]}
            case "rle":
                counts: str | list[int] = runs.counts.decode("ascii")
            case "rle_lists":
                counts = decode_counts(runs.counts).tolist()
        return {"segmentation": {"size": (runs.height, runs.width), "counts": counts}}


def _keypoints(registry: ClassRegistry, image_id: int, sample: Sample) -> Iterator[JsonObject]:
    """Give the points of an image, with ids beyond those of instances."""
    found = _objects(_point, registry, image_id, sample.image, sample.record.entry.labels)
    return _numbered(found, image_id, before=_INSTANCES)


def _numbered(
    found: Iterable[tuple[Annotation, JsonObject]], image_id: int, *, before: int = 0
) -> Iterator[JsonObject]:
    for place, (_, keys) in enumerate(found, start=before + 1):
        yield {"id": image_id + NUMBERS * place, **keys, "iscrowd": 0}


def _predictions(region: Regions, registry: ClassRegistry, image_id: int, sample: Sample) -> Iterator[JsonObject]:
    for annotation, keys in _objects(region, registry, image_id, sample.image, predicted_labels(sample)):
        yield keys | {"score": _SCORE if annotation.confidence is None else annotation.confidence}


def _objects(
    region: Regions, registry: ClassRegistry, image_id: int, image: Image, labels: Iterable[Label]
) -> Iterator[tuple[Annotation, JsonObject]]:
    for label in labels:
        for annotation in label.annotations:
            if (place := region(annotation, image)) is not None:
                keys = {"image_id": image_id, "category_id": registry.class_of(annotation).id}
                yield annotation, {**keys, **place, **object_keys(label, annotation, attribute_name)}


def _document(
    dataset: Dataset, split: str, what: str, categories: Iterable[JsonObject], *, images: Make, annotations: Make
) -> Document:
    info: JsonObject = {"description": dataset.name, "split": split}
    head = b'{"info":' + encode(info) + b',"licenses":[],\n"categories":' + array(categories) + b',\n"images":'
    pieces = head, rows(images), b',\n"annotations":', rows(annotations), b"}\n"
    return Document(f"annotations/{what}_{split}.json", pieces)


def _results(split: str, what: str, predictions: Make) -> Document:
    """A model run's predictions: a document that is a list."""
    return Document(f"annotations/{what}_{split}.json", (rows(predictions), b"\n"))


def _image(image_id: int, sample: Sample) -> Iterator[JsonObject]:
    for image in _listed(image_id, sample):
        yield {**image, **row_keys(sample.record.data_row), **image_answers(sample.record.entry.labels)}


def _listed(image_id: int, sample: Sample) -> Iterator[JsonObject]:
    """Give an image; more about it stands among the instances."""
    image, data_row = sample.image, sample.record.data_row
    yield {
        "id": image_id,
        "file_name": image.file_name,
        "width": image.width,
        "height": image.height,
        **({"coco_url": data_row.row_data} if image.sha256 is None else {}),
        "data_row_id": data_row.id,
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
            }


def _categories_of_points(registry: ClassRegistry) -> Iterator[JsonObject]:
    """Give the classes in use that have points; an object of one has a keypoint, so there are no lines between any."""
    used = (each for each in registry.classes if not each.removed)
    for category, keys in zip(used, _categories(registry), strict=True):
        if _POINT in category.kinds:
            yield {**keys, "keypoints": ["point"], "skeleton": []}


def _point(annotation: Annotation, image: Image) -> JsonObject | None:
    """Give a point as a visible keypoint, with the image's pixel that it lies in; None for another shape."""
    match annotation.geometry:
        case Point(x, y):
            pixel = (pixel_of(x, image.width), pixel_of(y, image.height), 1, 1)
            region = {"bbox": pixel, "area": 1, "segmentation": [_flat(_corners(*pixel))]}
            return {**region, "keypoints": (x - _CENTRE, y - _CENTRE, _VISIBLE), "num_keypoints": 1}
        case _:
            return None


def _flat(ring: Iterable[Position]) -> list[float]:
    return [coordinate for vertex in ring for coordinate in vertex]


def _corners(left: float, top: float, width: float, height: float) -> list[Position]:
    right, bottom = left + width, top + height
    return [(left, top), (right, top), (right, bottom), (left, bottom)]
