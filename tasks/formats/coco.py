"""COCO: instances, keypoints and panoptic segments, and a model run's predictions in COCO's results form.

Format: https://cocodataset.org/#format-data and #format-results, as pycocotools reads them. Boxes are [left, top,
width, height] in pixels, vertices lie on pixel edges, and a mask is compressed RLE with ``iscrowd`` 0, because readers
leave crowds out of training and evaluation. What COCO has no key for stands in extra keys, which its readers pass over.

pycocotools cannot draw an empty ``segmentation``, and two empty boxes do not overlap for it. So a box's segmentation is
its own outline, the region of a point is the pixel that it lies in, and what has no area is left out. An outline of
which pycocotools would draw nothing stands under ``drawn``, and as ``segmentation`` the pixels that it touches.
Panoptic segmentation is in ``panoptic.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, assert_never

from msgspec import Struct

from tasks.formats.documents import array, array_of, encode
from tasks.formats.endings import PICTURES
from tasks.formats.extras import JsonObject, image_answers, object_keys, row_keys
from tasks.formats.interface import EVERYTHING, Artifact, Dataset, Holdings, predicted_labels
from tasks.formats.kept import NUMBERS, KeptLines, items
from tasks.formats.names import png_name
from tasks.formats.panoptic import Panoptic
from tasks.masks.coco_polygons import is_drawn
from tasks.masks.contours import corner_polygons
from tasks.masks.polygons import region_of
from tasks.records.extent import has_area, is_inside
from tasks.records.geometry import BoundingBox, Mask, MaskReference, Point, Polygon, Polyline, Runs
from tasks.records.model import Annotation, Label, Sample
from tasks.records.shapes import drawable_ring, pixel_of, shoelace_area, tight_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.masks.coco_polygons import Box
    from tasks.records.classes import ClassRegistry
    from tasks.records.geometry import Position
    from tasks.records.image import Image

Make: TypeAlias = Callable[[int, Sample], Iterable[JsonObject]]

_VISIBLE = 2
_SCORE = 1.0
_SURELY_DRAWN = 2  # pixels a side: such a box in the image holds the centre of one, however vertices are rounded


class Coco(Struct, frozen=True, forbid_unknown_fields=True):
    """COCO's instances, keypoints, panoptic segmentation and results.

    ``segmentation`` says how a mask is written: as ``rle``, or as ``polygons`` along its pixels' edges where it has no
    hole, which polygons cannot express in COCO. ``panoptic`` adds a PNG an image; of the classes named in ``stuff`` all
    regions in an image are one segment there.
    """

    segmentation: Literal["rle", "polygons"] = "rle"
    panoptic: bool = True
    stuff: tuple[str, ...] = ()

    name: ClassVar[str] = "coco"
    readable: ClassVar[frozenset[str]] = PICTURES
    holds: ClassVar[Holdings] = replace(EVERYTHING, polyline=False, flat=False)
    holds_of_predictions: ClassVar[Holdings] = replace(
        holds, relationship=False, radio="objects", checklist="objects", text="objects"
    )

    def image_path(self, split: str, file_name: str) -> str:
        """Put the images of a split in one folder: ``file_name`` in the annotation file is the bare name."""
        return f"images/{split}/{file_name}"

    def write(self, dataset: Dataset, split: str) -> Iterator[Artifact]:
        """Give the annotation files of a split, then its panoptic PNGs.

        Each file is one JSON document. So that nothing is held, it is made in two passes over the rows: one for the
        images, one for the annotations. An image's id is its row's number, in every file and version; annotations are
        counted within their image, so that one more in one image leaves all others their ids.
        """
        registry = dataset.registry
        things_and_stuff = Panoptic(registry, self.stuff)
        annotations, predictions = partial(self._annotations, registry), partial(self._predictions, registry)
        categories = _categories(registry)
        yield _document(dataset, split, "instances", categories, image=_image, annotations=annotations)
        if dataset.model_run:
            yield _results(dataset, split, predictions)
        if self.panoptic:
            image, annotation = things_and_stuff.image, things_and_stuff.annotation
            categories = things_and_stuff.categories()
            yield _document(dataset, split, "panoptic", categories, image=image, annotations=annotation)
            for row in dataset.rows(split):
                png = iter(() if row.sample is None else (things_and_stuff.png(row.sample, dataset.memory),))
                path = f"panoptic_{split}/{png_name(row)}"
                yield Artifact(path, png, small=True, kept=row.sample is None)

    def _annotations(self, registry: ClassRegistry, image_id: int, sample: Sample) -> Iterator[JsonObject]:
        held = self._objects(image_id, sample.image, sample.record.entry.labels, registry)
        for place, (_, found) in enumerate(held, start=1):
            yield {"id": image_id + NUMBERS * place, **found, "iscrowd": 0}

    def _predictions(self, registry: ClassRegistry, image_id: int, sample: Sample) -> Iterator[JsonObject]:
        for annotation, found in self._objects(image_id, sample.image, predicted_labels(sample), registry):
            yield found | {"score": _SCORE if annotation.confidence is None else annotation.confidence}

    def _objects(
        self, image_id: int, image: Image, labels: Iterable[Label], registry: ClassRegistry
    ) -> Iterator[tuple[Annotation, JsonObject]]:
        for label in labels:
            for annotation in label.annotations:
                region = self._region(annotation, image)
                if region is not None:
                    yield (
                        annotation,
                        {
                            "image_id": image_id,
                            "category_id": registry.class_of(annotation).id,
                            **region,
                            **object_keys(label, annotation),
                        },
                    )

    def _pixels(self, runs: Runs) -> JsonObject:
        """Give the pixels of a mask as rings, where that is asked for and can be, else as runs."""
        rings = _rings(runs) if self.segmentation == "polygons" else None
        return {"segmentation": rings or _rle(runs)}

    def _region(self, annotation: Annotation, image: Image) -> JsonObject | None:
        """Give the keys that say where an annotation lies; None for what COCO cannot hold: a line, or no area."""
        match annotation.geometry:
            case BoundingBox():
                return _box(annotation.geometry, image)
            case Polygon():
                return _polygon(annotation.geometry, image)
            case Mask(_, runs):
                return {"bbox": runs.bounding_box, "area": runs.area, **self._pixels(runs)} if runs.area else None
            case Point(x, y):
                pixel = (pixel_of(x, image.width), pixel_of(y, image.height), 1, 1)
                region = {"bbox": pixel, "area": 1, "segmentation": [_flat(_corners(*pixel))]}
                return region | {"keypoints": (x, y, _VISIBLE), "num_keypoints": 1}
            case Polyline():
                return None
            case MaskReference():
                message = (
                    f"the mask of annotation {annotation.feature_id} was not decoded: a sample has decoded masks only"
                )
                raise TypeError(message)
            case unreachable:
                assert_never(unreachable)


def _document(
    dataset: Dataset, split: str, what: str, categories: Iterable[JsonObject], *, image: Make, annotations: Make
) -> Artifact:
    path = f"annotations/{what}_{split}.json"

    def chunks() -> Iterator[bytes]:
        info: JsonObject = {"description": dataset.name, "split": split}
        yield b'{"info":' + encode(info) + b',"licenses":[],\n"categories":'
        yield from array(categories)
        for name, make in (("images", image), ("annotations", annotations)):
            yield f',\n"{name}":'.encode()
            yield from _list(dataset, split, path, name, make)
        yield b"}\n"

    return Artifact(path, chunks())


def _results(dataset: Dataset, split: str, predictions: Make) -> Artifact:
    """A model run's predictions: a document that is a list."""
    path = f"annotations/predictions_{split}.json"
    return Artifact(path, chain(_list(dataset, split, path, "", predictions), [b"\n"]))


def _list(dataset: Dataset, split: str, path: str, name: str, make: Make) -> Iterator[bytes]:
    """A document's list: items of rows that changed, and those that the earlier version's has of the others."""
    kept = KeptLines(dataset.earlier(path), name, dataset.buckets)
    return array_of(items(dataset.rows(split), make, kept))


def _image(image_id: int, sample: Sample) -> Iterator[JsonObject]:
    image, data_row = sample.image, sample.record.data_row
    yield {
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


def _box(drawn: BoundingBox, image: Image) -> JsonObject | None:
    if not has_area(drawn, image.width, image.height):
        return None
    box = (drawn.left, drawn.top, drawn.width, drawn.height)
    ring = _corners(*box)
    is_large = min(drawn.width, drawn.height) >= _SURELY_DRAWN and is_inside(box, image.width, image.height)
    outline = {"segmentation": [_flat(ring)]} if is_large else _outline(ring, box, image)
    return {"bbox": box, "area": drawn.width * drawn.height, **outline}


def _polygon(drawn: Polygon, image: Image) -> JsonObject | None:
    area, box = shoelace_area(drawn.vertices), tight_box(drawn.vertices)
    if not has_area(drawn, image.width, image.height, (area, *box)):
        return None
    return {"bbox": box, "area": area, **_outline(drawable_ring(drawn.vertices), box, image)}


def _outline(ring: Sequence[Position], box: Box, image: Image) -> JsonObject:
    """Give a ring as ``segmentation``; where pycocotools draws no pixel of it, as ``drawn``, with those it touches."""
    drawn = [_flat(ring)]
    if is_drawn(ring, box, image.height, image.width):
        return {"segmentation": drawn}
    touched = region_of(ring, image.height, image.width)
    return {"segmentation": _rings(touched) or _rle(touched), "drawn": drawn}


def _flat(ring: Iterable[Position]) -> list[float]:
    return [coordinate for vertex in ring for coordinate in vertex]


def _rle(runs: Runs) -> JsonObject:
    return {"size": (runs.height, runs.width), "counts": runs.counts.decode("ascii")}


def _rings(runs: Runs) -> list[list[int]] | None:
    """Give the rings of a mask along its pixels' edges; None where it has a hole."""
    regions = corner_polygons(runs)
    holes = any(region.holes for region in regions)
    return None if holes else [region.exterior.ravel().tolist() for region in regions]


def _corners(left: float, top: float, width: float, height: float) -> list[Position]:
    right, bottom = left + width, top + height
    return [(left, top), (right, top), (right, bottom), (left, bottom)]
