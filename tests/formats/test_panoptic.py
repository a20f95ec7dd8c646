"""COCO's panoptic files, value by value; panopticapi's own rules are in ``tests/readers``."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from format_samples import annotation, dataset, files_of, label, mask, registry, sample
from msgspec.structs import replace
from PIL import Image

from labelsnap.formats.coco.panoptic import Panoptic
from labelsnap.formats.coco.writer import Coco
from labelsnap.formats.shared import segments
from labelsnap.masks.rasters.overlay import overlay
from labelsnap.memory import MEMORY
from labelsnap.records.geometry import BoundingBox, Point, Polygon, Polyline

LEFT = mask("###.\n###.\n....")
MIDDLE = mask(".##.\n.##.\n.##.")
DOT = mask("....\n.#..\n....")
CLASSES = registry("car", "road", "sky")


def panoptic(*annotations: Any, stuff: tuple[str, ...] = ()) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """Write an image of 4 × 3 pixels with these objects; give the document and the ids of the pixels."""
    source = dataset(sample(label(*annotations), size=(4, 3)), classes=CLASSES)
    files = files_of(Coco(stuff=stuff), source, "train")
    with Image.open(io.BytesIO(files["panoptic_train/street.png"])) as image:
        assert image.mode == "RGB"
        pixels = np.asarray(image).astype(int)
    return json.loads(files["annotations/panoptic_train.json"]), pixels @ [1, 256, 256**2]


def test_what_is_covered_belongs_to_what_lies_on_top() -> None:
    """The second mask covers two columns of the first; areas and boxes are those of what is seen."""
    document, ids = panoptic(annotation(LEFT, name="car"), annotation(MIDDLE, name="road"))
    below, above = document["annotations"][0]["segments_info"]
    assert ids.tolist() == [
        [below["id"], above["id"], above["id"], 0],
        [below["id"], above["id"], above["id"], 0],
        [0, above["id"], above["id"], 0],
    ]
    assert [below[key] for key in ("category_id", "area", "bbox", "iscrowd")] == [1, 2, [0, 0, 1, 2], 0]
    assert [above[key] for key in ("category_id", "area", "bbox", "iscrowd")] == [2, 6, [1, 0, 2, 3], 0]


def test_z_order_decides_before_the_order_of_objects() -> None:
    """A lower z_order lies below, wherever the object stands in the label."""
    first, second = annotation(LEFT, feature_id="f-top"), annotation(MIDDLE, feature_id="f-bottom")
    document, _ = panoptic(replace(first, z_order=1), replace(second, z_order=0))
    seen = {info["feature_ids"][0]: info["area"] for info in document["annotations"][0]["segments_info"]}
    assert seen == {"f-bottom": 2, "f-top": 6}


def test_what_is_covered_whole_is_no_segment() -> None:
    """A mask below another of which nothing is seen is left out, as panopticapi demands."""
    document, _ = panoptic(annotation(DOT, feature_id="f-hidden"), annotation(LEFT, feature_id="f-seen"))
    assert [info["feature_ids"] for info in document["annotations"][0]["segments_info"]] == [["f-seen"]]


def test_stuff_is_one_segment_an_image() -> None:
    """Two roads are one segment of both where road is stuff; two cars stay two."""
    roads = [
        annotation(each, name="road", feature_id=name) for each, name in ((DOT, "f-1"), (mask("...#\n" * 3), "f-2"))
    ]
    document, ids = panoptic(
        *roads, annotation(mask("#...\n....\n...."), name="car", feature_id="f-3"), stuff=("road",)
    )
    road, car = document["annotations"][0]["segments_info"]
    assert (road["feature_ids"], road["area"], car["feature_ids"]) == (["f-1", "f-2"], 4, ["f-3"])
    assert np.count_nonzero(ids == road["id"]) == 4
    assert {each["name"]: each["isthing"] for each in document["categories"]} == {"car": 1, "road": 0, "sky": 1}


def test_a_polygon_is_a_segment_of_the_pixels_whose_centres_it_holds() -> None:
    """A triangle over half the image has the pixels whose centres lie inside."""
    document, ids = panoptic(annotation(Polygon(((0, 0), (3.2, 0), (0, 3.2)))))
    (info,) = document["annotations"][0]["segments_info"]
    assert (ids == info["id"]).tolist() == [[True, True, True, False], [True, True, False, False], [True, *[False] * 3]]


def test_boxes_points_and_lines_are_no_segments() -> None:
    """Their image is there, all void."""
    others = [annotation(BoundingBox(0, 0, 2, 2)), annotation(Point(1, 1)), annotation(Polyline(((0, 0), (3, 3))))]
    document, ids = panoptic(*others)
    assert document["annotations"] == [{"image_id": 1, "file_name": "street.png", "segments_info": []}]
    assert not ids.any()


def test_ids_are_colours_of_their_own() -> None:
    """Three hundred segments have three hundred ids, none of them void, and categories the colours of their ids."""
    strip = [mask("." * at + "#" + "." * (299 - at)) for at in range(300)]
    source = dataset(sample(label(*map(annotation, strip)), size=(300, 1)))
    files = files_of(Coco(), source, "train")
    document = json.loads(files["annotations/panoptic_train.json"])
    ids = [info["id"] for info in document["annotations"][0]["segments_info"]]
    assert len(set(ids) - {0}) == 300
    assert document["categories"][0]["color"] == [128, 0, 0]


def test_what_is_written_of_a_sample_is_laid_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its segments and its picture show the same; another sample is laid anew, though it is equal."""
    laid: list[int] = []
    monkeypatch.setattr(segments, "overlay", lambda masks, *size: laid.append(len(masks)) or overlay(masks, *size))
    drawn = Panoptic(CLASSES, ())
    for each in (sample(label(annotation(LEFT), annotation(MIDDLE)), size=(4, 3)) for _ in range(2)):
        (found,) = drawn.annotation(1, each)
        with Image.open(io.BytesIO(drawn.png(each, MEMORY))) as image:
            ids = np.asarray(image).astype(int) @ [1, 256, 256**2]
        assert {info["id"]: info["area"] for info in found["segments_info"]} == Counter(ids[ids > 0].tolist())
    assert laid == [2, 2]


def test_what_is_laid_of_a_large_picture_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread keeps no more than a few megabytes of the sample before."""
    monkeypatch.setattr(segments, "_KEPT", 3)
    few, many = (sample(label(annotation(each)), size=(4, 3)) for each in (DOT, LEFT))
    assert segments.shown_of(few) is segments.shown_of(few)
    assert segments.shown_of(many) is not segments.shown_of(many)


@pytest.mark.parametrize("name", ["panoptic_train.json", "panoptic_train/street.png"])
def test_panoptic_can_be_left_out(name: str) -> None:
    """With ``panoptic: false`` there are only instances."""
    files = files_of(Coco(panoptic=False), dataset(sample()), "train")
    assert not any(path.endswith(name) for path in files)
    assert files.keys() == {"annotations/instances_train.json"}
