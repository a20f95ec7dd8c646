"""Label maps, pixel by pixel."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from format_samples import annotation, dataset, files_of, label, mask, registry, sample
from msgspec.structs import replace
from PIL import Image

from labelsnap.errors import ConfigurationError
from labelsnap.formats.masks import Masks
from labelsnap.records.choices.classes import Class, ClassRegistry
from labelsnap.records.geometry import BoundingBox, Polygon

LEFT = mask("###.\n###.\n....")
MIDDLE = mask(".##.\n.##.\n.##.")
OVERLAPPING = label(
    annotation(LEFT, name="road", feature_id="f-road"), annotation(MIDDLE, name="car", feature_id="f-car")
)
CLASSES = registry("car", "road")


def written(*labels: Any, classes: ClassRegistry = CLASSES, **options: Any) -> dict[str, bytes]:
    """Write an image of 4 × 3 pixels."""
    return files_of(Masks(**options), dataset(sample(*labels, size=(4, 3)), classes=classes), "train")


def pixels(png: bytes) -> tuple[str, list[list[int]]]:
    """Give a picture's mode and raw values."""
    with Image.open(io.BytesIO(png)) as image:
        return image.mode, np.asarray(image).tolist()


def test_a_semantic_pixel_is_a_class_id() -> None:
    """The road lies below the car; what neither covers is 0; the palette has the class's colour."""
    files = written(OVERLAPPING)
    png = files["semantic/train/street.png"]
    assert pixels(png) == ("P", [[2, 1, 1, 0], [2, 1, 1, 0], [0, 1, 1, 0]])
    with Image.open(io.BytesIO(png)) as image:
        assert image.convert("RGB").getpixel((1, 0)) == (128, 0, 0)
    classes = json.loads(files["classes.json"])
    assert [(each["id"], each["name"], each["color"]) for each in classes["classes"]] == [
        (1, "car", [128, 0, 0]),
        (2, "road", [0, 128, 0]),
    ]
    assert (classes["background"], classes["void"]) == (0, 255)


def test_an_instance_pixel_is_an_object_s_number() -> None:
    """Objects are numbered from the lowest; the list says which is which, and what is seen of it."""
    files = written(OVERLAPPING, kind="instance")
    assert pixels(files["instance/train/street.png"]) == ("I;16", [[1, 2, 2, 0], [1, 2, 2, 0], [0, 2, 2, 0]])
    (image,) = json.loads(files["instance/train.json"])["images"]
    assert (image["file_name"], image["image"], image["data_row_id"]) == ("street.png", "street.png", "row-street")
    assert [
        [each[key] for key in ("id", "class_id", "feature_id", "visible_area", "visible_bbox")]
        for each in image["objects"]
    ] == [
        [1, 2, "f-road", 2, [0, 0, 1, 2]],
        [2, 1, "f-car", 6, [1, 0, 2, 3]],
    ]


def test_an_object_that_is_covered_whole_is_still_listed() -> None:
    """It has its number, and no pixel is seen."""
    hidden = label(annotation(mask("....\n.#..\n....")), annotation(LEFT))
    (image,) = json.loads(written(hidden)["semantic/train.json"])["images"]
    assert [(each["id"], each["visible_area"], each["visible_bbox"]) for each in image["objects"]] == [
        (1, 0, None),
        (2, 6, [0, 0, 3, 2]),
    ]


def test_z_order_decides_what_lies_on_top() -> None:
    """With a z_order the first object can lie on the second."""
    road, car = OVERLAPPING.annotations
    files = written(label(replace(road, z_order=1), replace(car, z_order=0)))
    assert pixels(files["semantic/train/street.png"])[1] == [[2, 2, 2, 0], [2, 2, 2, 0], [0, 1, 1, 0]]


def test_labels_lie_over_each_other_in_their_order() -> None:
    """A z_order counts within its label only."""
    road, car = OVERLAPPING.annotations
    files = written(label(replace(road, z_order=7)), label(replace(car, z_order=0), label_id="label-2"))
    assert pixels(files["semantic/train/street.png"])[1] == [[2, 1, 1, 0], [2, 1, 1, 0], [0, 1, 1, 0]]


def test_a_polygon_is_the_pixels_whose_centres_it_holds() -> None:
    """A box is no region and is left out."""
    files = written(
        label(annotation(Polygon(((0, 0), (4, 0), (4, 1.5), (0, 1.5)))), annotation(BoundingBox(0, 2, 4, 1)))
    )
    assert pixels(files["semantic/train/street.png"])[1] == [[1] * 4, [0] * 4, [0] * 4]


def test_without_a_palette_the_map_is_grey() -> None:
    """The values are the same."""
    assert pixels(written(OVERLAPPING, palette=False)["semantic/train/street.png"]) == (
        "L",
        [[2, 1, 1, 0], [2, 1, 1, 0], [0, 1, 1, 0]],
    )


@pytest.mark.parametrize(("highest", "mode", "void"), [(254, "P", 255), (255, "I;16", 65535)])
def test_more_than_254_classes_take_16_bits(highest: int, mode: str, void: int) -> None:
    """254 is the last class id of 8 bits; whether the image shows that class makes no difference."""
    classes = ClassRegistry((*CLASSES.classes, Class(highest, None, "last")))
    files = written(OVERLAPPING, classes=classes)
    assert pixels(files["semantic/train/street.png"]) == (mode, [[2, 1, 1, 0], [2, 1, 1, 0], [0, 1, 1, 0]])
    assert json.loads(files["classes.json"])["void"] == void


def test_a_class_id_beyond_16_bits_is_refused() -> None:
    """The error says what was found, before anything is written."""
    with pytest.raises(ConfigurationError, match="found 65535"):
        written(classes=ClassRegistry((Class(65535, None, "last"),)))


def test_classes_come_once() -> None:
    """The file that belongs to no split comes with the first."""
    source = dataset(sample(split="val"))
    assert "classes.json" not in files_of(Masks(), source, "val")
    assert Masks().image_path("val", "street.jpg") == "images/val/street.jpg"
