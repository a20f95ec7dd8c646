"""COCO files, value by value; other people's readers of them are in ``tests/readers``."""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np
import pytest
from format_samples import (
    REFERENCE,
    RING_AND_PART,
    annotation,
    checklist,
    dataset,
    files_of,
    label,
    mask,
    mask_of,
    radio,
    registry,
    sample,
    text,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pycocotools import mask as coco_mask

from labelsnap.formats.coco.writer import Coco
from labelsnap.records.choices.classes import Class, ClassRegistry
from labelsnap.records.geometry import BoundingBox, Geometry, Point, Polygon, Polyline
from labelsnap.records.model import Relationship, Sample

POINTS = registry("car", points=["car"])
FRAME = """
........
.####...
.#..#...
.#..#...
.####...
........
"""

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own


def documents(*samples: Sample, form: Coco | None = None, **options: Any) -> dict[str, Any]:
    """Write samples of the split train and decode the files, by what they hold."""
    files = files_of(form or Coco(), dataset(*samples, **options), "train")
    found = {path: json.loads(body) for path, body in files.items() if path.endswith("_train.json")}
    return {path.removeprefix("annotations/").removesuffix("_train.json"): each for path, each in found.items()}


def instances(*samples: Sample, **options: Any) -> dict[str, Any]:
    """Write samples of the split train and decode the file of instances."""
    document: dict[str, Any] = documents(*samples, **options)["instances"]
    return document


def written(geometry: Geometry) -> dict[str, Any]:
    """Write one object in an image of 8 × 6 pixels and give its annotation."""
    (found,) = instances(sample(label(annotation(geometry))))["annotations"]
    assert isinstance(found, dict)
    return found


def test_box_is_left_top_width_height_with_its_outline_as_segmentation() -> None:
    """A box keeps its numbers and is outlined, because pycocotools cannot draw an empty segmentation."""
    box = written(BoundingBox(1, 2, 3.5, 2))
    assert (box["bbox"], box["area"], box["iscrowd"]) == ([1, 2, 3.5, 2], 7, 0)
    assert box["segmentation"] == [[1, 2, 4.5, 2, 4.5, 4, 1, 4]]


@pytest.mark.parametrize("closing", [(), ((1.0, 1.0),)], ids=["open", "closed"])
def test_polygon_is_written_as_drawn_without_its_closing_vertex(closing: tuple[tuple[float, float], ...]) -> None:
    """A triangle with legs 4 and 3 has the area 6, whether the export closed it or not."""
    triangle = written(Polygon(((1, 1), (5, 1), (1, 4), *closing)))
    assert triangle["segmentation"] == [[1, 1, 5, 1, 1, 4]]
    assert (triangle["area"], triangle["bbox"]) == (6, [1, 1, 4, 3])


@pytest.mark.parametrize(
    "flat",
    [
        Polygon(((2, 3),)),
        Polygon(((2, 3), (4, 3), (2, 3))),
        Polygon(((1, 1), (2, 2), (4, 4))),
        Polygon(((9, 1), (12, 1), (12, 3))),
        BoundingBox(1, 1, 0, 3),
        BoundingBox(8, 1, 3, 3),
        mask("........\n" * 6),
    ],
    ids=["a point", "a line and back", "on a line", "outside", "a box of no width", "a box outside", "no pixel"],
)
def test_what_has_no_area_is_left_out(flat: Geometry) -> None:
    """No truth would match it: two boxes without an area do not overlap, and nothing of it is drawn."""
    assert instances(sample(label(annotation(flat))))["annotations"] == []


def test_a_sliver_is_drawn_as_the_pixels_that_it_touches() -> None:
    """Area, box and ``drawn`` are those of the drawn outline; the region is two pixels, where COCO would draw none."""
    sliver = written(Polygon(((1.25, 2.75), (2.75, 2.75), (2.75, 2.875))))
    assert (sliver["bbox"], sliver["area"]) == ([1.25, 2.75, 1.5, 0.125], 0.09375)
    assert sliver["drawn"] == [[1.25, 2.75, 2.75, 2.75, 2.75, 2.875]]
    assert sliver["segmentation"] == [[1, 2, 3, 2, 3, 3, 1, 3]]


def thin_frame() -> Polygon:
    """Draw a frame a twentieth of a pixel wide."""
    outer, inner = (
        ((1.25, 1.25), (4.75, 1.25), (4.75, 4.75), (1.25, 4.75)),
        ((1.3, 1.3), (4.7, 1.3), (4.7, 4.7), (1.3, 4.7)),
    )
    return Polygon((*outer, outer[0], inner[0], *inner[::-1]))


def test_a_thin_frame_keeps_its_hole() -> None:
    """Pixels with a hole among them are runs."""
    frame = written(thin_frame())
    expected = np.array([[pixel == "#" for pixel in row] for row in FRAME.split()])
    assert np.array_equal(coco_mask.decode(frame["segmentation"]), expected)


@given(data=st.data(), height=st.integers(1, 9), width=st.integers(1, 9))
def test_mask_decodes_to_its_source_pixels(data: st.DataObject, height: int, width: int) -> None:
    """The RLE that is written is the source's pixels, and area and box are those of the pixels."""
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width).filter(any))
    pixels = np.array(bits).reshape(height, width)
    (found,) = instances(sample(label(annotation(mask_of(pixels))), size=(width, height)))["annotations"]
    assert np.array_equal(coco_mask.decode(found["segmentation"]), pixels)
    rows, columns = np.nonzero(pixels)
    assert found["area"] == len(rows)
    left, top = columns.min(), rows.min()
    assert found["bbox"] == [left, top, columns.max() - left + 1, rows.max() - top + 1]
    assert found["iscrowd"] == 0


@pytest.mark.parametrize(
    ("x", "y", "keypoint", "box"),
    [
        (6.5, 2.25, [6, 1.75, 2], [6, 2, 1, 1]),
        (8, 6, [7.5, 5.5, 2], [7, 5, 1, 1]),
        (-0.5, 0, [-1, -0.5, 2], [0, 0, 1, 1]),
    ],
    ids=["inside", "on the border", "outside"],
)
def test_point_is_a_keypoint_whose_region_is_its_pixel(
    x: float, y: float, keypoint: list[float], box: list[int]
) -> None:
    """A point is one visible keypoint, counted from the first pixel's centre; its box is the pixel that it lies in."""
    (point,) = documents(sample(label(annotation(Point(x, y)))), classes=POINTS)["person_keypoints"]["annotations"]
    assert (point["keypoints"], point["num_keypoints"], point["iscrowd"]) == (keypoint, 1, 0)
    assert (point["bbox"], point["area"]) == (box, 1)


def test_points_are_in_no_file_but_that_of_keypoints() -> None:
    """Readers of instances take none; ids tell the objects of both files apart, and answers are with the point."""
    lit = annotation(Point(6.5, 2.25), feature_id="f-point", answers=[radio("colour", "red")])
    line, box = annotation(Polyline(((0, 0), (3, 3)))), annotation(BoundingBox(0, 0, 2, 2))
    rows = sample(label(lit, line), label(box, lit), predictions=[label(box, lit)]), sample(name="empty")
    found = documents(*rows, classes=POINTS, model_run=True, form=Coco(panoptic=False))
    assert {what: len(each if isinstance(each, list) else each["annotations"]) for what, each in found.items()} == {
        "instances": 1,
        "person_keypoints": 2,
        "predictions": 1,
        "keypoint_predictions": 1,
    }
    points = found["person_keypoints"]
    assert [(one["id"], one["attributes"]["colour"]) for one in points["annotations"]] == [
        (2**52 + 2**32 + 1, "red"),
        (2**52 + 2 * 2**32 + 1, "red"),
    ]
    assert [one["id"] for one in found["instances"]["annotations"]] == [2**32 + 1]
    listed = [{key: one[key] for key in points["images"][0]} for one in found["instances"]["images"]]
    assert points["images"] == listed
    (predicted,) = found["keypoint_predictions"]
    assert (predicted["keypoints"], predicted["score"]) == ([6, 1.75, 2], 1)


def test_only_classes_of_points_have_keypoints() -> None:
    """They are the categories of the file of keypoints, in every split alike; instances have all classes, plain."""
    found = documents(sample(), classes=registry("car", "light", points=["light"]))
    (light,) = found["person_keypoints"]["categories"]
    assert (light["id"], light["name"], light["keypoints"], light["skeleton"]) == (2, "light", ["point"], [])
    assert [category.keys() & {"keypoints", "skeleton"} for category in found["instances"]["categories"]] == [set()] * 2


@pytest.mark.parametrize("removed", [["light"], []])
def test_without_a_class_of_points_there_is_no_file_of_keypoints(removed: list[str]) -> None:
    """Neither where none was ever drawn, nor where the class is no longer in use."""
    classes = registry("light", removed=removed, points=removed)
    assert "person_keypoints" not in documents(sample(), classes=classes)


def test_polyline_is_left_out_and_ids_say_which_image() -> None:
    """COCO has no open line: it is left out, and the others count from 1 within their image, above its own id."""
    line = annotation(Polyline(((0, 0), (3, 3))))
    box = annotation(BoundingBox(0, 0, 2, 2))
    found = instances(sample(label(box, line, box)), sample(name="empty"), sample(label(box), name="last"))
    assert [(one["id"], one["image_id"]) for one in found["annotations"]] == [
        (2**32 + 1, 1),
        (2 * 2**32 + 1, 1),
        (2**32 + 3, 3),
    ]


def test_mask_that_was_not_decoded_is_refused() -> None:
    """A sample has decoded masks only; one that has not is a mistake of the caller and names the annotation."""
    with pytest.raises(TypeError, match="f-1 was not decoded"):
        written(REFERENCE)


def test_answers_and_ids_stand_in_extra_keys() -> None:
    """Readers find answers as attributes by name; whole answers and Labelbox's ids stand beside them."""
    answers = [radio("colour", "red", text("shade", "dark")), checklist("wear", "rust", "dent")]
    (found,) = instances(sample(label(annotation(BoundingBox(0, 0, 1, 1), answers=answers))))["annotations"]
    assert found["attributes"] == {"colour": "red", "colour/shade": "dark", "wear": ["rust", "dent"]}
    assert found["classifications"][0]["answer"]["option"]["classifications"][0]["answer"]["content"] == "dark"
    assert [found[key] for key in ("feature_id", "feature_schema_id", "label_id")] == ["f-1", "schema-car", "label-1"]


def test_image_carries_its_names_answers_and_relationships() -> None:
    """What belongs to no single object stands on the image, under the label that it comes from."""
    tie = Relationship("f-tie", None, "drives", None, "f-1", "f-2")
    (image,) = instances(sample(label(answers=[radio("time", "dusk")], relationships=[tie])))["images"]
    assert {key: image[key] for key in ("id", "file_name", "width", "height", "data_row_id")} == {
        "id": 1,
        "file_name": "street.png",
        "width": 8,
        "height": 6,
        "data_row_id": "row-street",
    }
    assert (image["global_key"], image["external_id"]) == ("key-street", "street.jpg")
    assert [(one["label_id"], one["name"]) for one in image["classifications"]] == [("label-1", "time")]
    assert [(one["label_id"], one["source"], one["target"]) for one in image["relationships"]] == [
        ("label-1", "f-1", "f-2")
    ]


def test_labels_of_a_consensus_row_are_told_apart() -> None:
    """With several labels on an image, each annotation names its own."""
    box = annotation(BoundingBox(0, 0, 1, 1))
    found = instances(sample(label(box, label_id="first"), label(box, label_id="second")))
    assert [one["label_id"] for one in found["annotations"]] == ["first", "second"]


def test_image_url_stands_where_images_are_not_copied() -> None:
    """A copied image has no URL; one that is referred to has."""
    copied, referred = instances(sample(), sample(name="far", copied=False))["images"]
    assert "coco_url" not in copied
    assert referred["coco_url"] == "https://images.example/far.jpg"


def test_categories_are_the_registry_s_without_removed_classes() -> None:
    """Ids are the registry's; a removed class leaves a gap."""
    found = instances(sample(), classes=registry("car", "ghost", "tree", removed=["ghost"]))["categories"]
    assert [(one["id"], one["name"], one["feature_schema_id"]) for one in found] == [
        (1, "car", "schema-car"),
        (3, "tree", "schema-tree"),
    ]


def test_two_feature_schemas_of_one_name_are_two_categories() -> None:
    """Readers look categories up by name, so the later of two equal names is another one."""
    classes = ClassRegistry((Class(1, "schema-car", "car"), Class(2, "schema-other", "car")))
    names = [category["name"] for category in instances(sample(), classes=classes)["categories"]]
    assert names[0] == "car"
    assert len(set(names)) == 2


def test_predictions_are_results_with_a_score() -> None:
    """A model run's predictions are a list of their own, by the image ids of the instances file."""
    predicted = label(annotation(BoundingBox(1, 1, 2, 2), feature_id="p-1"), annotation(Polyline(((0, 0), (1, 1)))))
    run = dataset(sample(predictions=[]), sample(name="second", predictions=[predicted]), model_run=True)
    files = files_of(Coco(), run, "train")
    (result,) = json.loads(files["annotations/predictions_train.json"])
    assert (result["image_id"], result["category_id"], result["score"]) == (2, 1, 1.0)
    assert (result["bbox"], result["feature_id"]) == ([1, 1, 2, 2], "p-1")
    assert "id" not in result
    assert json.loads(files["annotations/instances_train.json"])["annotations"] == []
    assert files_of(Coco(), run, "val")["annotations/predictions_val.json"] == b"[]\n"


def test_images_of_a_split_lie_in_one_folder() -> None:
    """The path that ``pull`` uses is the folder of the split and the bare name."""
    assert Coco().image_path("train", "street.jpg") == "images/train/street.jpg"


def with_option(form: Literal["polygons", "rle_lists"], geometry: Geometry) -> dict[str, Any]:
    """Write an object in an image of 8 × 6 pixels with a value of ``segmentation`` and give its annotation."""
    found: dict[str, Any] = instances(sample(label(annotation(geometry))), form=Coco(segmentation=form))
    (written,) = found["annotations"]
    assert isinstance(written, dict)
    return written


def test_masks_can_be_polygons_along_their_pixels() -> None:
    """Two parts are two rings, whose shoelace areas are the pixels; box and area are the mask's."""
    found = with_option("polygons", mask("........ .##..... .##...#. ........ ........ ........"))
    assert found["segmentation"] == [[1, 1, 3, 1, 3, 3, 1, 3], [6, 2, 7, 2, 7, 3, 6, 3]]
    assert (found["area"], found["bbox"], found["iscrowd"]) == (5, [1, 1, 6, 2], 0)


def test_a_hole_is_reached_by_a_keyhole() -> None:
    """Up the left side of the column above it: one ring a part, whose shoelace areas are the pixels."""
    found = with_option("polygons", mask(RING_AND_PART))
    assert found["segmentation"] == [
        [1, 1, 2, 1, 2, 3, 3, 3, 3, 2, 2, 2, 2, 1, 4, 1, 4, 4, 1, 4],
        [6, 2, 7, 2, 7, 4, 6, 4],
    ]
    assert (found["area"], found["bbox"]) == (10, [1, 1, 6, 3])


def test_a_thin_frame_with_a_hole_is_rings_where_polygons_are_asked_for() -> None:
    """No mask is RLE there, whatever it was drawn as: the pixels that the outline touches have a keyhole too."""
    found = with_option("polygons", thin_frame())
    expected = np.array([[pixel == "#" for pixel in row] for row in FRAME.split()])
    drawn = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(found["segmentation"], 6, 8)))
    assert np.array_equal(drawn, expected)


def test_runs_can_be_lists_of_numbers() -> None:
    """Column by column, zeros first: a column and a pixel, then 3 down, 3 off, and so on; what is drawn stays rings."""
    found = with_option("rle_lists", mask(RING_AND_PART))
    assert found["segmentation"] == {"size": [6, 8], "counts": [7, 3, 3, 1, 1, 1, 3, 3, 16, 2, 8]}
    assert (found["area"], found["bbox"]) == (10, [1, 1, 6, 3])
    assert with_option("rle_lists", BoundingBox(1, 1, 2, 2))["segmentation"] == [[1, 1, 3, 1, 3, 3, 1, 3]]


def test_score_is_the_model_s_confidence() -> None:
    """A prediction without a confidence counts as certain."""
    predicted = [annotation(BoundingBox(0, 0, 1, 1)), annotation(BoundingBox(0, 0, 2, 2))]
    predicted[0] = replace(predicted[0], confidence=0.25)
    source = dataset(sample(predictions=[label(*predicted)]), model_run=True)
    results = json.loads(files_of(Coco(), source, "train")["annotations/predictions_train.json"])
    assert [one["score"] for one in results] == [0.25, 1.0]
