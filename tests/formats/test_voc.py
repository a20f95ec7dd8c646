"""Pascal VOC files, value by value; other people's readers are in ``tests/readers``."""

from __future__ import annotations

import io
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from format_samples import annotation, contents, dataset, every_kind, label, mask, registry, sample
from msgspec.structs import replace
from PIL import Image

from tasks.formats.voc import Voc
from tasks.records.geometry import BoundingBox, Geometry, Point, Polygon, Polyline

LEFT = mask("###.\n###.\n....")
MIDDLE = mask(".##.\n.##.\n.##.")


def written(*geometries: Any, **options: Any) -> dict[str, bytes]:
    """Write objects in an image of 4 × 3 pixels; those that are no annotations yet are cars."""
    objects = [each if hasattr(each, "geometry") else annotation(each) for each in geometries]
    return contents(Voc().write(dataset(sample(label(*objects), size=(4, 3)), **options), "train"))


def corners(geometry: Geometry) -> list[int]:
    """Give the four numbers of an object's box."""
    root = ET.fromstring(written(geometry)["Annotations/street.xml"])  # noqa: S314 - our own
    return [int(root.findtext(f"object/bndbox/{name}") or "") for name in ("xmin", "ymin", "xmax", "ymax")]


def pixels(png: bytes) -> list[list[int]]:
    """Give a picture's raw values."""
    with Image.open(io.BytesIO(png)) as image:
        found: list[list[int]] = np.asarray(image).tolist()
        return found


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        pytest.param(BoundingBox(1, 0, 2, 3), [2, 1, 3, 3], id="whole pixels"),
        pytest.param(BoundingBox(0, 0, 4, 3), [1, 1, 4, 3], id="the whole image"),
        pytest.param(BoundingBox(1.5, 0.2, 1, 1), [2, 1, 3, 2], id="between pixels"),
        pytest.param(BoundingBox(2.2, 1.1, 0.5, 0.5), [3, 2, 3, 2], id="within a pixel"),
        pytest.param(BoundingBox(-2, 2, 9, 9), [1, 3, 4, 3], id="beyond the image"),
        pytest.param(Polygon(((1, 1), (3, 1), (1, 2.5))), [2, 2, 3, 3], id="polygon"),
        pytest.param(MIDDLE, [2, 1, 3, 3], id="mask"),
    ],
)
def test_box_is_the_pixels_it_touches_counted_from_one(geometry: Geometry, expected: list[int]) -> None:
    """Both ends are inside the box and the image."""
    assert corners(geometry) == expected


def test_what_has_no_area_is_left_out() -> None:
    """A box without an area, a polygon on a line and a mask without pixels are no objects, and need no label map."""
    flat = (BoundingBox(4, 3, 0, 0), Polygon(((1, 1), (2, 2), (3, 3))), mask("....\n" * 3))
    found = contents(Voc().write(dataset(sample(label(*map(annotation, flat)), size=(4, 3))), "train"))
    assert found == contents(Voc().write(dataset(sample(label(), size=(4, 3))), "train"))


def test_lines_and_points_are_left_out() -> None:
    """Their image has a file without objects, is in the main list, and has no label maps."""
    files = written(Polyline(((0, 0), (3, 2))), Point(1, 1))
    assert b"<object>" not in files["Annotations/street.xml"]
    assert b"<segmented>0</segmented>" in files["Annotations/street.xml"]
    assert files["ImageSets/Main/train.txt"] == b"street\n"
    assert files["ImageSets/Segmentation/train.txt"] == b""
    assert not any(path.endswith(".png") for path in files)


def test_maps_show_classes_and_objects() -> None:
    """An object's number is its place in the XML file, where the box, which has no pixels, is the first."""
    road = annotation(LEFT, name="road")
    files = written(BoundingBox(0, 0, 1, 1), Point(1, 1), road, MIDDLE, classes=registry("car", "road"))
    assert pixels(files["SegmentationClass/street.png"]) == [[2, 1, 1, 0], [2, 1, 1, 0], [0, 1, 1, 0]]
    assert pixels(files["SegmentationObject/street.png"]) == [[2, 3, 3, 0], [2, 3, 3, 0], [0, 3, 3, 0]]
    names = [each.text for each in ET.fromstring(files["Annotations/street.xml"]).iterfind("object/name")]  # noqa: S314
    assert names == ["car", "road", "car"]


def test_numbers_stay_those_of_the_xml_whatever_lies_on_top() -> None:
    """The z_order changes what is seen and not an object's number; labels count on."""
    first, second = replace(annotation(LEFT), z_order=1), replace(annotation(MIDDLE), z_order=0)
    assert pixels(written(first, second)["SegmentationObject/street.png"]) == [[1, 1, 1, 0], [1, 1, 1, 0], [0, 2, 2, 0]]
    two = sample(label(first), label(second, label_id="label-2"), size=(4, 3))
    files = contents(Voc().write(dataset(two), "train"))
    assert pixels(files["SegmentationObject/street.png"]) == [[1, 2, 2, 0], [1, 2, 2, 0], [0, 2, 2, 0]]


@pytest.mark.parametrize(("objects", "mode"), [(254, "P"), (255, "I;16")])
def test_more_than_254_objects_take_16_bits(objects: int, mode: str) -> None:
    """No object is given void's number."""
    strip = [annotation(mask("." * at + "#" + "." * (objects - 1 - at))) for at in range(objects)]
    files = contents(Voc().write(dataset(sample(label(*strip), size=(objects, 1))), "train"))
    with Image.open(io.BytesIO(files["SegmentationObject/street.png"])) as image:
        assert image.mode == mode
        assert np.asarray(image).tolist() == [list(range(1, objects + 1))]
    assert len(set(pixels(files["SegmentationClass/street.png"])[0])) == 1


def test_lists_are_of_their_split() -> None:
    """Main lists name all images of a split, segmentation lists those with maps."""
    source = every_kind()
    train, val = (contents(Voc().write(source, split)) for split in source.splits)
    assert train["ImageSets/Main/train.txt"] == b"street\nempty\n"
    assert train["ImageSets/Segmentation/train.txt"] == b"street\n"
    assert val["ImageSets/Main/val.txt"] == val["ImageSets/Segmentation/val.txt"] == b"small\n"
    assert "classes.json" in train
    assert "classes.json" not in val
    assert Voc().image_path("val", "street.jpg") == "JPEGImages/street.jpg"


def test_names_are_text() -> None:
    """Mark-up in a name stays text, and what XML has no place for is replaced."""
    name = "<car> & \x00\x1f'\uffff\" 🚗"
    root = ET.fromstring(written(annotation(LEFT, name=name), classes=registry(name))["Annotations/street.xml"])  # noqa: S314
    assert root.findtext("object/name") == "<car> & ��'�\" 🚗"
