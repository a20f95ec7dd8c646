"""YOLO, as Ultralytics trains on it: a text file an image, with one row an object, and ``data.yaml``.

Format: https://docs.ultralytics.com/datasets/detect, /segment and /pose; ``image_folders.py`` writes /classify. A row
is ``class x y w h`` (the box's centre and size), ``class x1 y1 x2 y2 …`` (an outline), or ``class x y w h px py v``;
all but the class and v are divided by the image's width or height. Its reader refuses an image with a value above 1.01,
takes for an outline only what has more than two vertices, cuts vertices to whole pixels, and fills outlines as OpenCV's
``fillPoly`` does. So what is drawn by hand is cut off at the image, and a mask is outlined through the centres of its
pixels, half a pixel in; so is what lies in the last column or row of pixels, since vertices on the image's border are
cut to pixels beyond it. Its training drops boxes without an area, as it has them in single precision: what is thin is
drawn as wide as that tells from nothing, and what has no area has no row.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from labelsnap.formats.description.losses import images_held
from labelsnap.formats.interface import NOTHING, Artifact, Dataset, Holdings, Only
from labelsnap.formats.shared.documents import encode
from labelsnap.formats.shared.endings import PICTURES
from labelsnap.formats.shared.names import stem
from labelsnap.formats.shared.yaml_documents import dump
from labelsnap.formats.yolo.image_folders import FOLDERS, folders_of_split, image_of_row
from labelsnap.masks.shapes.outlines import join, parts_of
from labelsnap.masks.shapes.polygons import region_of
from labelsnap.records.extent import has_area
from labelsnap.records.geometry import BoundingBox, Mask, Point, Polygon, Runs
from labelsnap.records.shapes import clip_box, clip_ring, drawable_ring, pixel_of, tight_box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from labelsnap.formats.description.census import Census
    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.geometry import Geometry, Position
    from labelsnap.records.image import Image
    from labelsnap.records.model import Sample

Row: TypeAlias = str
"""A row without its class."""

_NEEDED: Final = ("train", "val")  # by Ultralytics' trainer
VISIBLE: Final = 2
CENTRE: Final = 0.5
DIGITS: Final = 10  # of what was drawn: a millionth of a pixel
PAINTED: Final = 0.03  # pixels between joined parts for each of theirs: an IoU of 1 / 1.03 at least
THINNEST: Final = 1e-6  # part of the image's width or height that single precision tells from nothing
ASIDE: Final = 0.25  # pixels from the centre of a pixel to the outline of a row of single ones
TRACED_DIGITS: Final = 6  # of the centre of a pixel: a fifth of a pixel would be enough
_HELD: Final[Mapping[str, Holdings]] = {
    "detect": replace(NOTHING, bounding_box=True, polygon=True, mask=True),
    "segment": replace(NOTHING, polygon=True, mask=True),
    "pose": replace(NOTHING, point=True),
}


class _Drawn(NamedTuple):
    """An object of a label as rows: none where the task has no place for it, several where its parts lie apart."""

    label_id: str
    feature_id: str
    rows: tuple[str, ...]


class Yolo(Struct, frozen=True, forbid_unknown_fields=True):
    """Rows for one of Ultralytics' tasks.

    ``detect`` writes boxes, ``segment`` outlines, ``pose`` points. ``parts`` says how a mask of several parts is
    outlined: joined by ways that are painted too, where they are short beside it, or split into a row a part.
    ``classify`` lays the images out by their answer to ``question``, a radio question about the image.
    """

    task: Literal["detect", "segment", "pose", "classify"] = "detect"
    parts: Literal["join", "split"] = "join"
    question: str = ""

    name: ClassVar[str] = "yolo"
    readable: ClassVar[frozenset[str]] = PICTURES - {".gif"}  # which Ultralytics takes for a film
    holds_of_predictions: ClassVar[Holdings] = NOTHING

    def __post_init__(self) -> None:
        if (self.task == "classify") != bool(self.question):
            raise ValueError("`task: classify` needs the `question` that it classifies by, and no other task takes one")

    @property
    def takes_references(self) -> bool:
        """Whether images may be elsewhere: ``classify`` lays them out by their answers."""
        return self.task != "classify"

    @property
    def holds(self) -> Holdings:
        """What a row of the task can say of an object; of polygons and masks ``detect`` keeps the box."""
        return replace(NOTHING, radio=Only(self.question)) if self.task == "classify" else _HELD[self.task]

    @property
    def decided_by(self) -> str:
        """The names of folders, of which one answer may take another's: only ``classify`` has any."""
        return FOLDERS if self.task == "classify" else ""

    def image_path(self, split: str, file_name: str) -> str | None:
        """Put an image where readers look for its labels: they put ``labels`` in the place of ``images``.

        ``classify`` puts it where its answer says, which is among the files.
        """
        return None if self.task == "classify" else f"images/{split}/{file_name}"

    def files(self, dataset: Dataset, split: str) -> Iterator[Artifact]:
        """Give ``data.yaml`` and ``classes.json`` with the first split; for ``classify`` the folders of each."""
        if self.task == "classify":
            yield from folders_of_split(dataset, split, self.question)
        elif split == dataset.splits[0]:
            yield Artifact("data.yaml", iter([self._data(dataset)]))
            yield Artifact("classes.json", iter([_classes(dataset.registry)]))

    def files_of_row(self, dataset: Dataset) -> Callable[[Sample], Iterator[Artifact]]:
        """Give the rows of an image, if only none; for ``classify`` the image.

        Where an object has several rows, ``divided`` says which.
        """
        if self.task == "classify":
            return image_of_row(dataset, self.question)
        return partial(self._rows_of_image, dataset.registry)

    def advice(self, counted: Census, registry: ClassRegistry) -> tuple[str, ...]:  # noqa: ARG002 - see ``Advising``
        """Say what ``yolo train`` cannot do without, where that split has no images."""
        images = images_held(self, counted)
        missing = [split for split in _NEEDED if images and not images.get(split)]
        instead = (
            "put a folder `{0}` into the tree" if self.task == "classify" else "name a folder as `{0}` in `data.yaml`"
        )
        return tuple(
            f"`yolo train` needs `{split}`, which has no images: give it a share under `split` in the dataset file, or "
            f"{instead.format(split)}."
            for split in missing
        )

    def _data(self, dataset: Dataset) -> bytes:
        """Give the file that training starts from; paths in it count from its own folder."""
        names = dataset.registry.unique_names()
        keypoints = {"kpt_shape": [1, 3], "flip_idx": [0]} if self.task == "pose" else {}
        document = {
            **{split: f"images/{split}" for split in dataset.filled},
            **keypoints,
            "names": {class_id - 1: name for class_id, name in names.items()},
        }
        return dump(document).encode()

    def _rows_of_image(self, registry: ClassRegistry, sample: Sample) -> Iterator[Artifact]:
        drawn = list(self._drawn(sample, registry))
        text = "".join(f"{row}\n" for each in drawn for row in each.rows)
        place = f"{sample.split}/{stem(sample.image)}"
        yield Artifact(f"labels/{place}.txt", iter([text.encode()]), small=True)
        if divided := _divided(drawn):
            yield Artifact(f"divided/{place}.json", iter([divided]), small=True)

    def _drawn(self, sample: Sample, registry: ClassRegistry) -> Iterator[_Drawn]:
        for label in sample.record.entry.labels:
            for annotation in label.annotations:
                number, image = registry.class_of(annotation).id - 1, sample.image
                is_flat = has_area(annotation.geometry, image.width, image.height) is False
                rows = (f"{number} {row}" for row in (() if is_flat else self._rows_of(annotation.geometry, image)))
                yield _Drawn(label.id, annotation.feature_id, tuple(rows))

    def _rows_of(self, geometry: Geometry, image: Image) -> Iterable[Row]:
        match self.task:
            case "detect":
                return _boxes(geometry, image)
            case "segment":
                return self._outlines(geometry, image)
            case "pose":
                return _points(geometry, image)
            case "classify":
                return ()

    def _outlines(self, geometry: Geometry, image: Image) -> Iterator[Row]:
        match geometry:
            case Polygon(vertices):
                ring = drawable_ring(clip_ring(vertices, image.width, image.height))
                left, top, wide, tall = tight_box(ring)
                is_thin = wide < THINNEST * image.width or tall < THINNEST * image.height
                if is_thin or left > image.width - 1 or top > image.height - 1:
                    yield from self._traced(region_of(vertices, image.height, image.width), image)
                else:
                    yield _relative(ring, image)
            case Mask(_, runs):
                yield from self._traced(runs, image)
            case _:
                pass

    def _traced(self, runs: Runs, image: Image) -> Iterator[Row]:
        """Outline pixels through their centres; one row or column of them, which would be a line, beside these."""
        parts = parts_of(runs)
        for outline in join(parts, PAINTED) if self.parts == "join" else (part.outline for part in parts):
            low, high = outline.min(axis=0), outline.max(axis=0)
            if (low == high).any():
                (left, top), (right, bottom) = low + ASIDE, high + 2 * CENTRE - ASIDE
                ring = [(left, top), (right, top), (right, bottom), (left, bottom)]
            else:
                ring = [(x, y) for x, y in (outline + CENTRE).tolist()]
            yield _relative(drawable_ring(ring), image, digits=TRACED_DIGITS)


def _boxes(geometry: Geometry, image: Image) -> Iterator[Row]:
    match geometry:
        case BoundingBox(left, top, width, height):
            box = (left, top, width, height)
        case Polygon(vertices):
            box = tight_box(vertices)
        case Mask(_, Runs(bounding_box=tight)):
            box = tight
        case _:
            return
    yield _box(clip_box(box, image.width, image.height), image)


def _points(geometry: Geometry, image: Image) -> Iterator[Row]:
    match geometry:
        case Point(x, y):
            inside = min(max(x, 0), image.width), min(max(y, 0), image.height)
            pixel = pixel_of(x, image.width), pixel_of(y, image.height)
            yield f"{_box((*pixel, 1, 1), image)} {_relative([inside], image)} {VISIBLE}"
        case _:
            pass


def _box(box: tuple[float, float, float, float], image: Image) -> Row:
    left, top, width, height = box
    size = max(width, THINNEST * image.width), max(height, THINNEST * image.height)
    return _relative([(left + width / 2, top + height / 2), size], image)


def _relative(positions: Iterable[Position], image: Image, *, digits: int = DIGITS) -> str:
    """Write positions as parts of the image's width and height."""
    return " ".join(f"{_part(x, image.width, digits)} {_part(y, image.height, digits)}" for x, y in positions)


@lru_cache(maxsize=1 << 16)
def _part(position: float, whole: int, digits: int) -> str:
    """Write a position as part of a width or height; the centres of a row of pixels are met again and again."""
    return f"{position / whole:.{digits}f}".rstrip("0").rstrip(".")


def _divided(drawn: Iterable[_Drawn]) -> bytes:
    """Say which rows of an image, counted from 0, are of one object, where an object has several; else nothing."""
    objects = []
    start = 0
    for each in drawn:
        end = start + len(each.rows)
        if end - start > 1:
            rows = list(range(start, end))
            objects.append({"label_id": each.label_id, "feature_id": each.feature_id, "rows": rows})
        start = end
    return encode({"objects": objects}) + b"\n" if objects else b""


def _classes(registry: ClassRegistry) -> bytes:
    """Say which class of the registry a number is: its id less one, so that it never changes."""
    names = registry.unique_names()
    classes = [
        {
            "index": each.id - 1,
            "id": each.id,
            "name": names[each.id],
            "feature_schema_id": each.feature_schema_id,
            "removed": each.removed,
        }
        for each in registry.classes
    ]
    return encode({"classes": classes}) + b"\n"
