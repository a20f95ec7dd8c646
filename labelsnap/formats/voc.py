"""Pascal VOC: an XML file an image, label maps of classes and of objects, and lists of images.

Format: the VOC2012 development kit. Boxes are whole pixels, counted from 1, and both ends are inside; a box that is
drawn between pixels is written as all pixels that it touches; what has no area is left out. In ``SegmentationObject``
an object has its place among the objects of the XML file as number, from 1. 255 is void, which nothing is here.
``labelmap.txt`` is Datumaro's and CVAT's (``voc/format.py`` of Datumaro 1.13): without it they take colours for VOC's
own twenty classes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain
from math import ceil, floor
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, TypeAlias
from xml.sax.saxutils import escape

import numpy as np
from msgspec import Struct

from labelsnap.formats.description.narrowing import Narrowed
from labelsnap.formats.interface import NOTHING, Artifact, Dataset, Document, Holdings, Rows
from labelsnap.formats.shared.colours import class_colours, colours, palette_of
from labelsnap.formats.shared.endings import PICTURES
from labelsnap.formats.shared.label_maps import BYTE_VOID, PALETTE, WORD_VOID, class_list, map_png, void_of
from labelsnap.formats.shared.names import one_line, png_name, stem
from labelsnap.formats.shared.segments import shown_of
from labelsnap.records.extent import has_area
from labelsnap.records.geometry import BoundingBox, Mask, Point, Polygon, Polyline
from labelsnap.records.shapes import clip_box, tight_box

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from labelsnap.formats.description.census import Census
    from labelsnap.memory import Budget
    from labelsnap.records.choices.classes import ClassRegistry
    from labelsnap.records.geometry import Geometry
    from labelsnap.records.image import Image
    from labelsnap.records.model import Annotation, Sample

Box: TypeAlias = tuple[float, float, float, float]

Corners: TypeAlias = tuple[int, int, int, int]

CHANNELS: Final = 3  # what readers turn every image to
BACKGROUND: Final = "background"
VOID: Final = "void"
_JPG: Final = ".jpg"
_WRONG_MASKS: Final = (
    "readers of 8 bits (Datumaro, and CVAT by it) take the numbers modulo 256 and give wrong masks without a word. "
    "Only boxes are safe there: Datumaro's type `voc_detection`."
)
_ANNOTATION: Final = """<annotation>
\t<folder>VOC</folder>
\t<filename>{file_name}</filename>
\t<source>
\t\t<database>{database}</database>
\t</source>
\t<size>
\t\t<width>{width}</width>
\t\t<height>{height}</height>
\t\t<depth>{depth}</depth>
\t</size>
\t<segmented>{segmented}</segmented>{objects}
</annotation>
"""
_OBJECT: Final = """
\t<object>
\t\t<name>{}</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>{}</xmin>
\t\t\t<ymin>{}</ymin>
\t\t\t<xmax>{}</xmax>
\t\t\t<ymax>{}</ymax>
\t\t</bndbox>
\t</object>"""
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FOLDERS: Final = re.compile(r"[\\/]")


class _Written(NamedTuple):
    """An object of the XML file: its place among all of the image, from 0, and its first and last pixel, from 1."""

    place: int
    annotation: Annotation
    corners: Corners


class Voc(Struct, frozen=True, forbid_unknown_fields=True):
    """Boxes of boxes, polygons and masks; and label maps of polygons and masks.

    Without ``palette`` a label map of 8 bits is grey, for readers that give colours instead of a palette's indexes.
    """

    palette: bool = True

    name: ClassVar[str] = "voc"
    readable: ClassVar[frozenset[str]] = PICTURES
    takes_references: ClassVar[bool] = True
    holds: ClassVar[Holdings] = replace(NOTHING, bounding_box=True, polygon=True, mask=True)
    holds_of_predictions: ClassVar[Holdings] = NOTHING

    def image_path(self, split: str, file_name: str) -> str:  # noqa: ARG002 - VOC has one folder for all splits
        """Put all images in one folder; lists say to which split each belongs. A JPEG's name ends with ``.jpg``.

        Many readers ask for the names of the lists with that ending.
        """
        return f"JPEGImages/{_jpg(file_name)}"

    def files(self, dataset: Dataset, split: str) -> Iterator[Document | Artifact]:
        """Give the lists of a split; what describes the classes comes with the first split.

        The list in ``ImageSets/Segmentation`` names the images that have label maps. Raises ConfigurationError where a
        class id does not fit 16 bits.
        """
        if split == dataset.splits[0]:
            void, names = void_of(dataset.registry), self.class_names(dataset.registry)
            yield Artifact("classes.json", iter([class_list(dataset.registry, void, names)]))
            yield Artifact("labelmap.txt", _label_map(dataset.registry, names, void))
        yield Document(f"ImageSets/Main/{split}.txt", (Rows(_listed, array=False),))
        yield Document(f"ImageSets/Segmentation/{split}.txt", (Rows(_segmented, array=False),))

    def files_of_row(self, dataset: Dataset) -> Callable[[Sample], Iterator[Artifact]]:
        """Give the XML file of a row, and its label maps: for images with a polygon or a mask, or without objects.

        Raises ConfigurationError where a class id does not fit 16 bits.
        """
        registry = dataset.registry
        void, names = void_of(registry), self.class_names(registry)
        palette = palette_of(registry) if self.palette else None

        def files(sample: Sample) -> Iterator[Artifact]:
            written = tuple(_written(sample))
            has_maps = _has_maps(sample, written)
            xml = _xml(dataset.name, sample, registry, names, written, has_maps=has_maps)
            yield Artifact(f"Annotations/{stem(sample.image)}.xml", iter([xml]), small=True)
            if has_maps:
                of_classes, of_objects = self._maps(
                    sample, registry=registry, void=void, written=written, palette=palette, memory=dataset.memory
                )
                yield Artifact(f"SegmentationClass/{png_name(sample.image)}", iter([of_classes]), small=True)
                yield Artifact(f"SegmentationObject/{png_name(sample.image)}", iter([of_objects]), small=True)

        return files

    def class_names(self, registry: ClassRegistry) -> dict[int, str]:
        """Give the name of each class as all of VOC's files and readers can have it, by id: see ``_spelled``."""
        return registry.unique_names(_spelled, (BACKGROUND, VOID))

    def advice(self, counted: Census, registry: ClassRegistry) -> tuple[str, ...]:
        """Say which readers miss images by their names, and which read wrong masks of more than 8 bits."""
        endings = chain.from_iterable(of_split.items() for of_split in counted.endings.values())
        others = sum(count for of_image, count in endings if _jpg(of_image) != _JPG)
        images = (
            f"{others} images are no JPEGs, and readers that ask for `NAME.jpg` (torchvision, detectron2, "
            "MMDetection) do not find them: `images: jpg` in the dataset file converts them."
        )
        classes = f"Class ids above {BYTE_VOID - 1} make the maps of classes 16 bits deep: {_WRONG_MASKS}"
        objects = (
            f"{'Up to ' if isinstance(counted, Narrowed) else ''}{counted.crowded} images have more than "
            f"{BYTE_VOID - 1} objects, and 16 bits in their maps of objects: "
            f"{_WRONG_MASKS}"
        )
        told = ((images, others), (classes, void_of(registry) == WORD_VOID), (objects, counted.crowded))
        return tuple(sentence for sentence, is_so in told if is_so)

    def _maps(
        self,
        sample: Sample,
        *,
        registry: ClassRegistry,
        void: int,
        written: Collection[_Written],
        palette: NDArray[np.uint8] | None,
        memory: Budget,
    ) -> tuple[bytes, bytes]:
        """Paint the map of classes and the map of objects, which has 16 bits where there are more than 254.

        In this an object has its number among those that are ``written`` to the XML file, from 1.
        """
        segments, shown = shown_of(sample)
        number_of = {each.place: number for number, each in enumerate(written, start=1)}
        numbers = [number_of[segment.place] for segment in segments]
        ids = [registry.class_of(segment.annotation).id for segment in segments]
        of_objects = BYTE_VOID if max(numbers, default=0) < BYTE_VOID else WORD_VOID
        return (
            map_png(shown, ids, void, palette=palette, memory=memory),
            map_png(shown, numbers, of_objects, palette=PALETTE if self.palette else None, memory=memory),
        )


def _label_map(registry: ClassRegistry, names: Mapping[int, str], void: int) -> Iterator[bytes]:
    """Give a line ``name:r,g,b:parts:actions`` a class: the background, classes by id, then what is void.

    So the number of a line is the class id, for readers of grey maps too; a removed class keeps its line. Labelbox
    knows neither parts nor actions: both fields are empty.
    """
    first, last = colours(np.array([0, void], np.uint32)).tolist()
    of_class = class_colours(registry)
    lines = ((BACKGROUND, first), *((name, of_class[each]) for each, name in names.items()), (VOID, last))
    yield b"# label:color_rgb:parts:actions\n"
    for name, colour in lines:
        yield f"{name}:{','.join(map(str, colour))}::\n".encode()


def _jpg(file_name: str) -> str:
    name, dot, ending = file_name.rpartition(".")
    return f"{name}{_JPG}" if f"{dot}{ending}".lower() in {_JPG, ".jpeg"} else file_name


def _listed(_: int, sample: Sample) -> Iterator[bytes]:
    yield f"{stem(sample.image)}\n".encode()


def _segmented(number: int, sample: Sample) -> Iterator[bytes]:
    if _has_maps(sample, tuple(_written(sample))):
        yield from _listed(number, sample)


def _has_maps(sample: Sample, written: Collection[_Written]) -> bool:
    """Whether an image's pixels are known: it has a polygon or a mask, or no object at all.

    Where there are boxes, lines or points alone, nobody said which of their pixels are background. What should have an
    area and has none counts as no object.
    """
    if written:
        return any(isinstance(each.annotation.geometry, Polygon | Mask) for each in written)
    return not any(isinstance(annotation.geometry, Polyline | Point) for annotation in _drawn(sample))


def _drawn(sample: Sample) -> Iterator[Annotation]:
    """Give all objects of an image, label by label."""
    return chain.from_iterable(label.annotations for label in sample.record.entry.labels)


def _written(sample: Sample) -> Iterator[_Written]:
    """Give the objects of an image that have a box and an area."""
    image = sample.image
    for place, annotation in enumerate(_drawn(sample)):
        if has_area(annotation.geometry, image.width, image.height) and (box := _box_of(annotation.geometry)):
            yield _Written(place, annotation, _corners(box, image))


def _xml(
    database: str,
    sample: Sample,
    registry: ClassRegistry,
    names: Mapping[int, str],
    written: Iterable[_Written],
    *,
    has_maps: bool,
) -> bytes:
    image = sample.image
    objects = ((names[registry.class_of(each.annotation).id], *each.corners) for each in written)
    text = _ANNOTATION.format(
        file_name=escape(_jpg(image.file_name)),
        database=escape(database),
        width=image.width,
        height=image.height,
        depth=CHANNELS,
        segmented=int(has_maps),
        objects="".join(_OBJECT.format(escape(name), *corners) for name, *corners in objects),
    )
    return text.encode(errors="xmlcharrefreplace")


def _spelled(name: str) -> str:
    """Spell a class's name as XML and ``labelmap.txt`` can, in one line.

    Characters that XML has not are U+FFFD; a colon parts the fields of ``labelmap.txt``, and a number sign at the
    beginning makes a comment: both are ``_``. So are slashes in a name that would lead out of a folder, since Datumaro
    looks for a file of the class's name.
    """
    written = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", one_line(name)).replace(":", "_")
    if written.startswith("#"):
        written = f"_{written[1:]}"
    folders = _FOLDERS.split(written)
    leads_out = not folders[0] or any(each.startswith("..") for each in folders)
    return _FOLDERS.sub("_", written) if len(folders) > 1 and leads_out else written


def _box_of(geometry: Geometry) -> Box | None:
    match geometry:
        case BoundingBox(left, top, width, height):
            return left, top, width, height
        case Polygon(vertices):
            return tight_box(vertices)
        case Mask(_, runs):
            return runs.bounding_box
        case _:
            return None


def _corners(box: Box, image: Image) -> Corners:
    """Return the first and the last pixel, counted from 1, that a box touches within the image."""
    left, top, width, height = clip_box(box, image.width, image.height)
    first_x, first_y = min(floor(left) + 1, image.width), min(floor(top) + 1, image.height)
    return first_x, first_y, max(ceil(left + width), first_x), max(ceil(top + height), first_y)
