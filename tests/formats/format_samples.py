"""Samples made by hand for the formats' tests, with masks encoded by pycocotools."""

from __future__ import annotations

import struct
import zlib
from collections import Counter, defaultdict
from functools import partial
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace
from pycocotools import mask as coco_mask

from labelsnap.formats.description.census import Census, census
from labelsnap.formats.description.facts import Description
from labelsnap.formats.interface import Artifact, Dataset, Format, Row, Shard, shard_count, written
from labelsnap.formats.registry import FORMATS
from labelsnap.formats.shared.attributes import image_choices
from labelsnap.records.choices.classes import Class, ClassRegistry
from labelsnap.records.geometry import BoundingBox, Geometry, Mask, MaskReference, Point, Polygon, Polyline, Runs
from labelsnap.records.image import Image
from labelsnap.records.model import (
    Annotation,
    ChecklistAnswer,
    Classification,
    DataRow,
    Label,
    MediaAttributes,
    ModelRunEntry,
    Option,
    ProjectEntry,
    RadioAnswer,
    Record,
    Relationship,
    Sample,
    TextAnswer,
)
from labelsnap.records.tables.tables import to_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

REFERENCE = MaskReference(url="https://api.labelbox.example/mask/1", composite_url=None, color_rgb=None)

QUESTION = "time of day"
"""The radio question about images that the samples with every kind answer."""

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in sorted(FORMATS)},
    "coco-polygons": ("coco", {"segmentation": "polygons"}),
    "coco-lists": ("coco", {"segmentation": "rle_lists"}),
    "coco-instances": ("coco", {"panoptic": False}),
    "coco-stuff": ("coco", {"stuff": ["car"]}),
    "huggingface-imagefolder": ("huggingface", {"layout": "imagefolder"}),
    "masks-instance": ("masks", {"kind": "instance"}),
    "masks-grey": ("masks", {"palette": False}),
    "voc-grey": ("voc", {"palette": False}),
    "webdataset-instance": ("webdataset", {"mask": "instance"}),
    "yolo-segment": ("yolo", {"task": "segment"}),
    "yolo-segment-split": ("yolo", {"task": "segment", "parts": "split"}),
    "yolo-pose": ("yolo", {"task": "pose"}),
    "yolo-classify": ("yolo", {"task": "classify", "question": QUESTION}),
}
"""Formats with their defaults, and with each other value of their options."""

RING_AND_PART = """
........
.###....
.#.#..#.
.###..#.
........
........
"""
"""A mask of 8 × 6 pixels with a hole and two parts: 10 pixels in the box [1, 1, 6, 3]."""


def mask(picture: str) -> Mask:
    """Read a mask from a picture of ``#`` and ``.``."""
    return mask_of(np.array([[pixel == "#" for pixel in line] for line in picture.split()]))


def mask_of(pixels: Any) -> Mask:
    """Encode a boolean array of H × W."""
    encoded = coco_mask.encode(np.asfortranarray(pixels, dtype=np.uint8))
    left, top, box_width, box_height = (int(value) for value in coco_mask.toBbox(encoded))
    height, width = pixels.shape
    runs = Runs(height, width, encoded["counts"], int(coco_mask.area(encoded)), (left, top, box_width, box_height))
    return Mask(REFERENCE, runs)


def annotation(
    geometry: Geometry, *, name: str = "car", feature_id: str = "f-1", answers: Sequence[Classification] = ()
) -> Annotation:
    """Make an object of a class whose feature schema id is ``schema-NAME``."""
    return Annotation(feature_id, f"schema-{name}", name, None, geometry, tuple(answers))


def radio(question: str, answer: str, *nested: Classification) -> Classification:
    """Answer a radio question."""
    return Classification(None, None, question, None, RadioAnswer(Option(None, None, answer, None, nested)))


def checklist(question: str, *answers: str) -> Classification:
    """Answer a checklist."""
    options = tuple(Option(None, None, answer, None) for answer in answers)
    return Classification(None, None, question, None, ChecklistAnswer(options))


def text(question: str, content: str, *nested: Classification) -> Classification:
    """Answer a question in free text."""
    return Classification(None, None, question, None, TextAnswer(content, nested))


def label(
    *annotations: Annotation,
    label_id: str = "label-1",
    answers: Sequence[Classification] = (),
    relationships: Sequence[Relationship] = (),
) -> Label:
    """Make a label."""
    return Label(label_id, None, None, None, None, annotations, tuple(answers), tuple(relationships))


def sample(
    *labels: Label,
    name: str = "street",
    split: str = "train",
    size: tuple[int, int] = (8, 6),
    predictions: Sequence[Label] | None = None,
    copied: bool = True,
) -> Sample:
    """Make a sample of an image of ``size`` (width, height); with ``predictions`` it is a model run's."""
    width, height = size
    data_row = DataRow(
        f"row-{name}", f"key-{name}", f"{name}.jpg", f"https://images.example/{name}.jpg", None, MediaAttributes()
    )
    entry = (
        ProjectEntry("project-1", None, None, labels)
        if predictions is None
        else ModelRunEntry("run-1", None, "model-1", None, None, None, labels, tuple(predictions))
    )
    content, length = ("0" * 64, 1000) if copied else (None, None)
    image = Image(f"{name}.png", width, height, "image/png", content, length)
    return Sample(Record(data_row, entry, "fingerprint"), image, split)


def registry(*names: str, removed: Sequence[str] = (), points: Sequence[str] = ()) -> ClassRegistry:
    """Make a registry in which the classes have the ids 1, 2, … and the feature schema ids ``schema-NAME``."""
    return ClassRegistry(
        classes=tuple(
            Class(
                id=number,
                feature_schema_id=f"schema-{name}",
                name=name,
                previous_names=(),
                removed=name in removed,
                kinds=("point",) if name in points else ("bounding_box",),
            )
            for number, name in enumerate(names, start=1)
        )
    )


def dataset(*samples: Sample, classes: ClassRegistry | None = None, model_run: bool = False) -> Dataset:
    """Make a dataset with the splits train and val."""

    def of_split(split: str) -> Iterator[Sample]:
        return iter([each for each in samples if each.split == split])

    def shards(split: str, size: int) -> Iterator[Shard]:
        count = shard_count(sum(each.image.size or 0 for each in of_split(split)), size)
        for index in range(count):
            yield Shard(index, count, partial(of_shard, split, index, count))

    def of_shard(split: str, index: int, count: int) -> Iterator[Sample]:
        return (each for each in of_split(split) if shard_of(each, count) == index)

    return Dataset(
        name="street-scenes",
        registry=classes or registry("car"),
        splits=("train", "val"),
        rows=lambda split: numbered(of_split(split)),
        shards=shards,
        read_image=picture,
        counts=Counter(each.split for each in samples),
        choices=lambda: choices_of(samples),
        model_run=model_run,
    )


def numbered(samples: Iterable[Sample]) -> Iterator[Row]:
    """Give rows numbered in their order."""
    return (Row(number, each) for number, each in enumerate(samples, start=1))


def samples_of(source: Dataset, split: str) -> Iterator[Sample]:
    """Give the samples of a split."""
    return (row.sample for row in source.rows(split))


def choices_of(samples: Iterable[Sample]) -> dict[str, frozenset[str]]:
    """Give the answers to each radio question about the image, of samples that have one answer to it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for each in samples:
        for question, answer in image_choices(each.record.entry.labels).items():
            found[question] |= set() if answer is None else {answer}
    return {question: frozenset(answers) for question, answers in found.items()}


def shard_of(of: Sample, count: int) -> int:
    """Give the shard that a sample belongs to: the low bits of its row id's sha256."""
    return int.from_bytes(sha256(of.record.data_row.id.encode()).digest()[:8], "big") % count


def picture(of: Sample) -> bytes | None:
    """Draw a sample's image as grey PNG, as large as it says; None where it is not copied.

    The pixels are stored and not deflated, so that every zlib gives the same bytes.
    """
    image = of.image
    if image.sha256 is None:
        return None
    header = struct.pack(">2I5B", image.width, image.height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * image.width) * image.height
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, level=0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def contents(artifacts: Iterator[Artifact]) -> dict[str, bytes]:
    """Read a format's files; no path stands twice."""
    files: dict[str, bytes] = {}
    for artifact in artifacts:
        assert artifact.path not in files
        files[artifact.path] = b"".join(artifact.chunks)
    return files


def files_of(form: Format, source: Dataset, split: str) -> dict[str, bytes]:
    """Read a format's files of one split; no path stands twice."""
    return contents(written(form, source, split))


def whole_tree(form: Format, source: Dataset) -> dict[str, bytes]:
    """Read a format's files of all splits; no path stands twice."""
    return contents(chain.from_iterable(written(form, source, split) for split in source.splits))


def every_kind() -> Dataset:
    """Make a model run with each kind of annotation, an image without objects, and a one-pixel mask in ``val``."""
    colour = radio("colour", "red", radio("shade", "dark"), checklist("wear", "rust", "dent"))
    street = label(
        annotation(BoundingBox(1, 1, 4, 3), name="car", feature_id="f-box", answers=[colour, text("plate", "LS 1")]),
        annotation(Polygon(((0, 4), (8, 4), (8, 6), (0, 6), (0, 4))), name="road", feature_id="f-polygon"),
        annotation(Polyline(((0, 5.5), (8, 4.5))), name="lane", feature_id="f-line", answers=[radio("paint", "solid")]),
        annotation(Point(6.5, 2.25), name="light", feature_id="f-point"),
        annotation(mask(RING_AND_PART), name="tree", feature_id="f-mask"),
        answers=[radio("time of day", "dusk"), checklist("weather", "rain", "fog"), text("remark", 'a "quoted" lane')],
        relationships=[Relationship("f-tie", "schema-tie", "in front of", None, "f-mask", "f-box")],
    )
    predicted = label(
        annotation(BoundingBox(1.5, 1, 4, 3), name="car", feature_id="p-box", answers=[radio("colour", "red")]),
        annotation(mask(RING_AND_PART), name="tree", feature_id="p-mask"),
        annotation(Polyline(((0, 5), (8, 4))), name="lane", feature_id="p-line"),
        label_id="prediction-1",
        answers=[radio("time of day", "night")],
    )
    pixel = label(annotation(mask("...\n..#"), name="tree", feature_id="f-pixel"), label_id="label-2")
    return dataset(
        sample(street, predictions=[predicted]),
        sample(name="empty", predictions=[]),
        sample(pixel, name="small", split="val", size=(3, 2), predictions=[]),
        classes=registry("car", "road", "lane", "light", "tree", "ghost", removed=["ghost"], points=["light"]),
        model_run=True,
    )


def count(samples: Iterable[Sample]) -> Census:
    """Count samples in their tables, as a refresh does."""
    return census(to_tables(list(samples)))


def describing(source: Dataset) -> Description:
    """Describe a dataset as a refresh does, with a time of its last change."""
    counted = count(row for split in source.splits for row in samples_of(source, split))
    return Description(
        name=source.name,
        text="Streets, drawn for tests.",
        license="cc-by-4.0",
        source="Labelbox model run run-1",
        registry=source.registry,
        census=replace(counted, latest="2024-04-08T16:34:01Z"),
        splits=source.splits,
        model_run=source.model_run,
    )
