"""Pascal VOC files, value by value; other people's readers are in ``tests/readers``."""

from __future__ import annotations

import io
import json
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from format_samples import annotation, count, dataset, every_kind, files_of, label, mask, registry, sample
from msgspec.structs import replace
from PIL import Image

from labelsnap.formats import voc
from labelsnap.formats.description.advice import advice_of
from labelsnap.formats.description.census import Census
from labelsnap.formats.voc import Voc
from labelsnap.records.geometry import BoundingBox, Geometry, Point, Polygon, Polyline
from labelsnap.shown import line, markdown

LEFT = mask("###.\n###.\n....")
MIDDLE = mask(".##.\n.##.\n.##.")


def written(*geometries: Any, **options: Any) -> dict[str, bytes]:
    """Write objects in an image of 4 × 3 pixels; those that are no annotations yet are cars."""
    objects = [each if hasattr(each, "geometry") else annotation(each) for each in geometries]
    return files_of(Voc(), dataset(sample(label(*objects), size=(4, 3)), **options), "train")


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
    """A box without an area, a polygon on a line and a mask without pixels are no objects: all is background."""
    flat = (BoundingBox(4, 3, 0, 0), Polygon(((1, 1), (2, 2), (3, 3))), mask("....\n" * 3))
    found = files_of(Voc(), dataset(sample(label(*map(annotation, flat)), size=(4, 3))), "train")
    assert found == files_of(Voc(), dataset(sample(label(), size=(4, 3))), "train")


def test_lines_and_points_are_left_out() -> None:
    """An image with nothing else has no object in its XML file, and beside a mask they change nothing."""
    strokes = (Polyline(((0, 0), (3, 2))), Point(1, 1))
    body = written(*strokes)["Annotations/street.xml"]
    assert body == written()["Annotations/street.xml"].replace(b"<segmented>1<", b"<segmented>0<")
    assert written(*strokes, LEFT) == written(LEFT)


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
    files = files_of(Voc(), dataset(two), "train")
    assert pixels(files["SegmentationObject/street.png"]) == [[1, 2, 2, 0], [1, 2, 2, 0], [0, 2, 2, 0]]


@pytest.mark.parametrize(("objects", "mode"), [(254, "P"), (255, "I;16")])
def test_more_than_254_objects_take_16_bits(objects: int, mode: str) -> None:
    """No object is given void's number."""
    strip = [annotation(mask("." * at + "#" + "." * (objects - 1 - at))) for at in range(objects)]
    files = files_of(Voc(), dataset(sample(label(*strip), size=(objects, 1))), "train")
    with Image.open(io.BytesIO(files["SegmentationObject/street.png"])) as image:
        assert image.mode == mode
        assert np.asarray(image).tolist() == [list(range(1, objects + 1))]
    assert len(set(pixels(files["SegmentationClass/street.png"])[0])) == 1


def test_lists_are_of_their_split() -> None:
    """Main lists name all images of a split, segmentation lists those with maps; so do images without objects."""
    source = every_kind()
    train, val = (files_of(Voc(), source, split) for split in source.splits)
    assert train["ImageSets/Main/train.txt"] == b"street\nempty\n"
    assert train["ImageSets/Segmentation/train.txt"] == b"street\nempty\n"
    assert val["ImageSets/Main/val.txt"] == val["ImageSets/Segmentation/val.txt"] == b"small\n"
    assert {"classes.json", "labelmap.txt"} <= train.keys()
    assert not {"classes.json", "labelmap.txt"} & val.keys()
    assert Voc().image_path("val", "street.jpg") == "JPEGImages/street.jpg"


@pytest.mark.parametrize("options", [{}, {"palette": False}])
def test_an_image_without_objects_is_background(options: dict[str, Any]) -> None:
    """It has an XML file without objects, is in both lists, and its maps are black."""
    files = files_of(Voc(**options), dataset(sample(label(), size=(4, 3))), "train")
    assert ET.fromstring(files["Annotations/street.xml"]).findtext("filename") == "street.png"  # noqa: S314 - our own
    assert b"<object>" not in files["Annotations/street.xml"]
    assert b"<segmented>1</segmented>" in files["Annotations/street.xml"]
    assert files["ImageSets/Main/train.txt"] == files["ImageSets/Segmentation/train.txt"] == b"street\n"
    for of in ("Class", "Object"):
        assert pixels(files[f"Segmentation{of}/street.png"]) == [[0] * 4] * 3


@pytest.mark.parametrize(
    "geometry", [BoundingBox(0, 0, 2, 2), Polyline(((0, 0), (3, 2))), Point(1, 1)], ids=lambda each: type(each).__name__
)
def test_where_no_region_is_drawn_the_background_is_not_known(geometry: Geometry) -> None:
    """An image with a box, a line or a point alone has no maps: all of it would be trained as background."""
    files = written(geometry, BoundingBox(1, 1, 0, 0))
    assert files["ImageSets/Main/train.txt"] == b"street\n"
    assert files["ImageSets/Segmentation/train.txt"] == b""
    assert b"<segmented>0</segmented>" in files["Annotations/street.xml"]
    assert not any(path.endswith(".png") for path in files)


def test_label_map_has_the_colours_of_the_maps() -> None:
    """A line's number is the class id, removed ones included; void is last. Colours are those of VOC's own classes."""
    classes = registry("car", "road", "ghost", "tree", removed=["ghost"])
    files = written(annotation(LEFT, name="road"), annotation(MIDDLE, name="tree"), classes=classes)
    assert files["labelmap.txt"].decode() == (
        "# label:color_rgb:parts:actions\n"
        "background:0,0,0::\n"
        "car:128,0,0::\n"
        "road:0,128,0::\n"
        "ghost:128,128,0::\n"
        "tree:0,0,128::\n"
        "void:224,224,192::\n"
    )
    with Image.open(io.BytesIO(files["SegmentationClass/street.png"])) as image:
        shown = np.asarray(image.convert("RGB"))
    assert {tuple(colour) for colour in shown.reshape(-1, 3).tolist()} == {(0, 0, 0), (0, 128, 0), (0, 0, 128)}


def test_without_a_palette_maps_are_grey() -> None:
    """Any reader gives class ids and objects' numbers then, and all else is as it is."""
    source = dataset(sample(label(annotation(LEFT), annotation(MIDDLE)), size=(4, 3)))
    coloured, grey = (files_of(Voc(palette=palette), source, "train") for palette in (True, False))
    assert coloured.keys() == grey.keys()
    changed = {path for path in grey if grey[path] != coloured[path]}
    assert changed == {"SegmentationClass/street.png", "SegmentationObject/street.png"}
    for path in changed:
        with Image.open(io.BytesIO(grey[path])) as image:
            assert image.mode == "L"
        assert pixels(grey[path]) == pixels(coloured[path])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lane:left", "lane_left"),
        ("#1", "_1"),
        ("car #1", "car #1"),
        ("red, green", "red, green"),
        ("two\nlines", "two lines"),
        ("vehicle/car", "vehicle/car"),
        ("/etc/passwd", "_etc_passwd"),
        ("a/../../b", "a_.._.._b"),
        ("..\\b", ".._b"),
        ("background", "background_2"),
        ("void", "void_2"),
    ],
)
def test_names_fit_the_label_map(name: str, expected: str) -> None:
    """A class has one name in all files, which no field, comment, folder or name of VOC's own is taken for."""
    files = written(annotation(LEFT, name=name), classes=registry(name))
    assert ET.fromstring(files["Annotations/street.xml"]).findtext("object/name") == expected  # noqa: S314 - our own
    assert files["labelmap.txt"].decode().splitlines()[2] == f"{expected}:128,0,0::"
    assert json.loads(files["classes.json"])["classes"][0]["name"] == expected
    told = advice_of(Voc(), Census(rows={"train": 1}), registry(name), line)
    assert told == (
        (f"Classes that have another name in this format's files: {line(name)} is {expected}.",)
        if name != expected
        else ()
    )


def test_no_more_names_are_told_than_people_read() -> None:
    """Twenty, and how many more."""
    (told,) = advice_of(Voc(), Census(), registry(*(f"lane:{number}" for number in range(23))), line)
    assert told.count(" is ") == 20
    assert told.endswith(", lane:19 is lane_19, and 3 more.")


def test_names_are_told_as_text() -> None:
    """No mark of a name is live where the card has it."""
    (told,) = advice_of(Voc(), Census(), registry("*a*:b"), markdown)
    assert told == "Classes that have another name in this format's files: &#42;a&#42;:b is &#42;a&#42;&#95;b."


@pytest.mark.parametrize(
    ("endings", "others"),
    [
        ({"train": {".jpg": 3, ".jpeg": 1}}, 0),
        ({"train": {".jpg": 3, ".png": 2}, "val": {".tif": 1}}, 3),
        ({}, 0),
    ],
)
def test_images_that_readers_of_jpegs_miss_are_told(endings: dict[str, dict[str, int]], others: int) -> None:
    """Readers ask for ``NAME.jpg``; where images are referenced there are no files."""
    told = Voc().advice(Census(rows={"train": 4, "val": 1}, endings=endings), registry("car"))
    assert [sentence.split()[0] for sentence in told] == ([str(others)] if others else [])


def test_class_ids_that_no_palette_holds_are_told() -> None:
    """Above 254 the maps have no colours."""
    told = [Voc().advice(Census(), registry(*map(str, range(most)))) for most in (254, 255)]
    assert [len(sentences) for sentences in told] == [0, 1]
    assert "16 bits" in told[1][0]
    assert "wrong masks" in told[1][0]
    assert "`voc_detection`" in told[1][0]


BOXES = (BoundingBox(0, 0, 1, 1),)
FLAT = (BoundingBox(0, 0, 0, 1),)


@pytest.mark.parametrize(
    ("objects", "is_crowded"),
    [
        pytest.param(BOXES * 253 + (LEFT,), False, id="a mask is the 254th"),
        pytest.param(BOXES * 254 + (LEFT,), True, id="a mask is the 255th"),
        pytest.param(BOXES * 254 + (Polygon(((0, 0), (4, 0), (4, 3))),), True, id="a polygon is the 255th"),
        pytest.param((LEFT, *BOXES * 300), False, id="boxes come after a mask"),
        pytest.param(BOXES * 300, False, id="boxes alone"),
        pytest.param((*FLAT, Point(1, 1), Polyline(((0, 0), (3, 2)))) * 99 + (LEFT,), False, id="no box before a mask"),
    ],
)
def test_images_whose_objects_8_bits_do_not_number_are_told(objects: tuple[Geometry, ...], is_crowded: bool) -> None:
    """They are those whose map of objects has 16 bits, over all labels of an image."""
    drawn = [*map(annotation, objects)]
    labels = [label(*drawn[:100], label_id="label-1"), label(*drawn[100:], label_id="label-2")]
    rows = [sample(*labels, name=name, size=(4, 3)) for name in ("street", "lane")] + [sample(name="empty")]
    files = files_of(Voc(), dataset(*rows), "train")
    maps = [body for path, body in files.items() if path.startswith("SegmentationObject/")]
    counted = count(rows)
    assert sum(np.max(pixels(body)) > 254 for body in maps) == counted.crowded == 2 * is_crowded
    told = [each for each in Voc().advice(counted, registry("car")) if "wrong masks" in each]
    assert [each.split()[0] for each in told] == ["2"] * is_crowded


def test_names_are_text() -> None:
    """Mark-up in a name stays text, and what XML has no place for is replaced."""
    name = "<car> & \x00\x1f'\uffff\" 🚗"
    root = ET.fromstring(written(annotation(LEFT, name=name), classes=registry(name))["Annotations/street.xml"])  # noqa: S314
    assert root.findtext("object/name") == "<car> & ��'�\" 🚗"


def test_file_names_are_text() -> None:
    """Mark-up in an image's name stays text too, in the file that keeps it as its name."""
    named = sample(label(annotation(LEFT)), size=(4, 3))
    named = replace(named, image=replace(named.image, file_name="a<b>&amp;'c.png"))
    files = files_of(Voc(), dataset(named), "train")
    assert ET.fromstring(files["Annotations/a<b>&amp;'c.xml"]).findtext("filename") == "a<b>&amp;'c.png"  # noqa: S314


def test_objects_of_a_row_are_looked_at_once_for_all_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The XML file and both label maps are of one list of what has an area; the list of a split asks once more."""
    looked_at: list[Geometry] = []
    in_pixels = voc._box_of

    def noted(geometry: Geometry) -> voc.Box | None:
        looked_at.append(geometry)
        return in_pixels(geometry)

    monkeypatch.setattr(voc, "_box_of", noted)
    described = dataset(sample(label(annotation(LEFT), annotation(MIDDLE)), size=(4, 3)))
    (row,) = described.rows("train")
    assert len(list(Voc().files_of_row(described)(row.sample))) == 3
    assert len(looked_at) == 2


def test_classes_that_xml_spells_alike_stay_apart() -> None:
    """Names that differ in what XML has not, in line breaks or outer blanks are names of their own, as listed."""
    names = ("a\x01b", "a\x02b", "x\ry", "x\ny", " car", "car", " ")
    files = written(*(annotation(LEFT, name=name) for name in names), classes=registry(*names))
    root = ET.fromstring(files["Annotations/street.xml"])  # noqa: S314
    read = [found.text for found in root.iterfind("object/name")]
    assert read == ["a\ufffdb", "a\ufffdb_2", "x y", "x y_2", "car", "car_2", "_"]
    assert read == [each["name"] for each in json.loads(files["classes.json"])["classes"]]
