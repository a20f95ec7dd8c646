"""Shapes of every oddity, as readers get them: each format has what its counts say that it holds, and no more."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelsnap.formats.coco.writer import Coco
from labelsnap.formats.description.losses import report
from labelsnap.formats.labelme import LabelMe
from labelsnap.formats.masks import Masks
from labelsnap.formats.voc import Voc
from labelsnap.formats.yolo.writer import Yolo
from labelsnap.records.geometry import BoundingBox, Point, Polygon, Polyline
from tests.examples import of_a_hundred
from tests.formats.format_samples import annotation, count, dataset, files_of, label, mask_of, registry, sample
from tests.formats.yolo_rules import fill, read_labels

if TYPE_CHECKING:
    from labelsnap.formats.interface import Format
    from labelsnap.records.geometry import Geometry
    from labelsnap.records.model import Sample

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own

WIDTH, HEIGHT = 24, 16
CLASSES = registry("car", "light", points=["light"])
quarters = st.integers(-16, 112).map(lambda number: number / 4)
places = quarters | st.floats(-4, 28) | st.integers(-2, 26)
positions = st.tuples(places, places)
rings = st.lists(positions, min_size=1, max_size=6)
offsets = st.tuples(*[st.floats(-0.01, 0.01)] * 2)
tiny = st.tuples(positions, st.lists(offsets, min_size=1, max_size=6)).map(
    lambda found: [(found[0][0] + x, found[0][1] + y) for x, y in found[1]]
)
collinear = st.tuples(positions, positions, st.lists(st.integers(-4, 4), min_size=1, max_size=6)).map(
    lambda found: [(found[0][0] + step * found[1][0] / 3, found[0][1] + step * found[1][1] / 3) for step in found[2]]
)
bow_ties = st.tuples(places, places, st.floats(0.01, 9), st.floats(0.01, 9)).map(
    lambda found: [
        found[:2],
        (found[0] + found[2], found[1] + found[3]),
        (found[0] + found[2], found[1]),
        (found[0], found[1] + found[3]),
    ]
)
outlines = st.one_of(
    rings,
    rings.map(lambda ring: [*ring, ring[0]]),
    rings.map(lambda ring: ring * 2),
    rings.map(lambda ring: [*ring, *ring[::-1]]),
    tiny,
    collinear,
    bow_ties,
)
sides = st.sampled_from([0, 1e-9, 1e-5, 0.01, 1, 30]) | st.floats(0, 20)
pictures = st.lists(st.integers(0, WIDTH * HEIGHT - 1), max_size=4).map(
    lambda found: np.isin(np.arange(WIDTH * HEIGHT), found).reshape(HEIGHT, WIDTH)
)

shapes = st.one_of(
    outlines.map(lambda ring: Polygon(tuple(ring))),
    st.builds(BoundingBox, places, places, sides, sides),
    pictures.map(mask_of),
    st.builds(Point, places, places),
)
OF_KIND = {"rectangle": {2}, "point": {1}, "mask": {2}}
LEAST_OF_KIND = {"polygon": 3, "linestrip": 2}
"""How many points LabelMe asks for."""

drawings = st.lists(shapes, max_size=5)


def drawn(shapes: list[Geometry]) -> Sample:
    """Draw shapes on an image of 24 × 16 pixels."""
    objects = [
        annotation(each, name="light" if isinstance(each, Point) else "car", feature_id=f"f-{place}")
        for place, each in enumerate(shapes)
    ]
    return sample(label(*objects), size=(WIDTH, HEIGHT))


def files(form: Format, row: Sample) -> dict[str, bytes]:
    """Write one row."""
    return files_of(form, dataset(row, classes=CLASSES), "train")


def held(form: Format, row: Sample) -> int:
    """How many objects a format says that it holds of a row."""
    return sum(report(form, count([row])).labels.held.values())


@given(shapes=drawings, segmentation=st.sampled_from(["rle", "polygons", "rle_lists"]))
@settings(max_examples=of_a_hundred(40), deadline=None)
def test_coco_truth_against_itself_is_perfect(shapes: list[Geometry], segmentation: Any) -> None:
    """Of every list of shapes: average precision 1 by boxes and by pixels, and as many annotations as are counted.

    Points are apart; where polygons are asked for there is nothing else.
    """
    form, row = Coco(segmentation=segmentation, panoptic=False), drawn(shapes)
    truth = COCO()
    instances, keypoints = (
        json.loads(files(form, row)[f"annotations/{what}_train.json"]) for what in ("instances", "person_keypoints")
    )
    truth.dataset = instances
    truth.createIndex()
    found = truth.dataset["annotations"]
    points = sum(isinstance(each, Point) for each in shapes)
    assert (len(keypoints["annotations"]), len(found)) == (points, held(form, row) - points)
    assert segmentation != "polygons" or all(isinstance(each["segmentation"], list) for each in found)
    assert all(truth.annToMask(each).any() for each in found)
    if not found:
        return
    results = truth.loadRes([{**each, "score": 1.0} for each in found])
    for kind in ("bbox", "segm"):
        evaluation = COCOeval(truth, results, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        precision = evaluation.eval["precision"][:, :, :, 0, -1]
        assert precision[precision > -1].min() == pytest.approx(1)


@given(shapes=drawings, task=st.sampled_from(["detect", "segment", "pose"]), parts=st.sampled_from(["join", "split"]))
@settings(max_examples=of_a_hundred(40), deadline=None)
def test_yolo_rows_are_read(shapes: list[Geometry], task: Any, parts: Any) -> None:
    """Each object that is held has a row, or several in ``divided``; each row has a box with an area, and paints."""
    form, row = Yolo(task=task, parts=parts), drawn(shapes)
    found = files(form, row)
    text = found["labels/train/street.txt"].decode()
    labels = read_labels(text, classes=2, keypoints=3 if task == "pose" else 0)
    divided = json.loads(found.get("divided/train/street.json", b'{"objects":[]}'))["objects"]
    assert len(labels.classes) - sum(len(each["rows"]) - 1 for each in divided) == held(form, row)
    x, y, wide, tall = labels.boxes.reshape(-1, 4).T
    assert (x + wide / 2 > x - wide / 2).all()
    assert (y + tall / 2 > y - tall / 2).all()
    assert all(fill(outline, WIDTH, HEIGHT).any() for outline in labels.outlines)


@given(shapes=drawings)
@settings(max_examples=of_a_hundred(40), deadline=None)
def test_voc_objects_are_read(shapes: list[Geometry]) -> None:
    """Each object that is held has a box of pixels within the image; a polygon alone is in its map if it is held."""
    row = drawn(shapes)
    found = files(Voc(), row)
    boxes = [
        [int(box.findtext(name) or "") for name in ("xmin", "ymin", "xmax", "ymax")]
        for box in ET.fromstring(found["Annotations/street.xml"]).iter("bndbox")  # noqa: S314 - our own
    ]
    assert len(boxes) == held(Voc(), row)
    assert all(1 <= left <= right <= WIDTH and 1 <= top <= bottom <= HEIGHT for left, top, right, bottom in boxes)
    for alone in map(drawn, ([each] for each in shapes if isinstance(each, Polygon))):
        with Image.open(io.BytesIO(files(Voc(), alone)["SegmentationObject/street.png"])) as numbers:
            assert np.asarray(numbers).any() == held(Voc(), alone)


@given(shapes=drawings, kind=st.sampled_from(["semantic", "instance"]))
@settings(max_examples=of_a_hundred(40), deadline=None)
def test_label_maps_show_what_they_hold(shapes: list[Geometry], kind: Any) -> None:
    """What is held is in the list, and alone on its image it has a pixel; what is lost is in neither."""
    form = Masks(kind=kind)

    def listed(of: Sample) -> list[Any]:
        objects: list[Any] = json.loads(files(form, of)[f"{kind}/train.json"])["images"][0]["objects"]
        return objects

    assert len(listed(drawn(shapes))) == held(form, drawn(shapes))
    for alone in map(drawn, ([each] for each in shapes)):
        with Image.open(io.BytesIO(files(form, alone)[f"{kind}/train/street.png"])) as picture:
            assert np.asarray(picture).any() == held(form, alone) == len(listed(alone))


@given(shapes=st.lists(shapes | rings.map(lambda ring: Polyline(tuple(ring))), max_size=5))
def test_labelme_opens_every_shape(shapes: list[Geometry]) -> None:
    """It holds shapes without an area too: a polygon has three vertices at least, a line two, a mask a picture."""
    row = drawn(shapes)
    document = json.loads(files(LabelMe(), row)["train/street.json"])
    assert len(document["shapes"]) == len(shapes) == held(LabelMe(), row)
    for shape in document["shapes"]:
        kind, points = shape["shape_type"], len(shape["points"])
        assert points in OF_KIND[kind] if kind in OF_KIND else points >= LEAST_OF_KIND[kind]
        if kind == "mask":
            (left, top), (right, bottom) = shape["points"]
            with Image.open(io.BytesIO(b64decode(shape["mask"]))) as picture:
                assert picture.size == (right - left + 1, bottom - top + 1)
