"""The colour map of Pascal VOC."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from typing import Any

import numpy as np
import pytest
from format_samples import annotation, dataset, files_of, label, mask, mask_of, picture, registry, sample
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image

from labelsnap.formats.coco.writer import Coco
from labelsnap.formats.masks import Masks
from labelsnap.formats.report.thumbnails import thumbnail
from labelsnap.formats.shared.colours import class_colours, colours, palette_of
from labelsnap.formats.voc import Voc
from labelsnap.records.choices.classes import Class, ClassRegistry, SeenClass, offered_classes, update
from labelsnap.records.geometry import BoundingBox
from labelsnap.records.ontology import Feature, Ontology
from labelsnap.records.tables.tables import classes_of, classes_table

PUBLISHED = {
    0: (0, 0, 0),
    1: (128, 0, 0),
    2: (0, 128, 0),
    7: (128, 128, 128),
    8: (64, 0, 0),
    15: (192, 128, 128),
    20: (0, 64, 128),
    255: (224, 224, 192),
}
"""Background, aeroplane, bicycle, car, cat, person, tv monitor and void, as the VOC2012 development kit lists them."""


def test_colours_are_those_of_the_development_kit() -> None:
    """The numbers of VOC's classes have VOC's colours."""
    assert (
        dict(zip(PUBLISHED, map(tuple, colours(np.array([*PUBLISHED], np.uint32)).tolist()), strict=True)) == PUBLISHED
    )


def test_each_number_has_a_colour_of_its_own() -> None:
    """Numbers of three bytes lose nothing: a step of 251 through all of them meets no colour twice."""
    found = colours(np.arange(0, 1 << 24, 251, dtype=np.uint32)).astype(int) @ [1, 256, 256**2]
    assert np.unique(found).size == found.size


RED, GREEN, VOC_1, VOC_2, VOC_3 = (230, 10, 20), (10, 220, 30), (128, 0, 0), (0, 128, 0), (128, 128, 0)
VOID = (224, 224, 192)


def classes(*given: str | None, removed: frozenset[int] = frozenset()) -> ClassRegistry:
    """Classes with these colours of an ontology, from id 1."""
    return ClassRegistry(
        tuple(
            Class(number, None, f"class {number}", removed=number in removed, colour=colour)
            for number, colour in enumerate(given, start=1)
        )
    )


def of_hex(*colour: int) -> str:
    """Spell a colour as an ontology does."""
    return "#" + bytes(colour).hex()


def test_a_class_has_the_colour_of_the_ontology() -> None:
    """And VOC's of its id where it has none."""
    assert class_colours(classes(of_hex(*RED), None, of_hex(*GREEN))) == {1: RED, 2: VOC_2, 3: GREEN}


def test_of_two_with_one_colour_the_one_in_use_has_it_and_then_the_older() -> None:
    """The other one has VOC's; so has one that is black as the background, or coloured as void."""
    red = of_hex(*RED)
    assert class_colours(classes(red, red, red)) == {1: RED, 2: VOC_2, 3: VOC_3}
    assert class_colours(classes(red, red, removed=frozenset({1}))) == {2: RED, 1: VOC_1}
    assert class_colours(classes("#000000", of_hex(*VOID))) == {1: VOC_1, 2: VOC_2}


def test_a_class_whose_colour_of_voc_another_has_gets_a_free_one() -> None:
    """The first of the numbers beyond a palette: (64, 0, 0) is VOC's 8, and 256 is the next that no class has."""
    found = class_colours(classes(None, of_hex(*VOC_1)))
    assert found[2] == VOC_1
    assert found[1] == tuple(colours(np.array([256], np.uint32))[0].tolist())


coloured = st.lists(
    st.one_of(st.none(), st.sampled_from([of_hex(*each) for each in (RED, VOC_1, VOC_2, VOC_3, VOID, (0, 0, 0))])),
    max_size=300,
)


@given(coloured, st.sets(st.integers(1, 300)))
def test_no_two_classes_and_no_two_numbers_of_a_palette_have_one_colour(given: Any, removed: Any) -> None:
    """Whatever colours the ontology has: readers find the number by the colour. Without any, all are VOC's."""
    registry = classes(*given, removed=frozenset(removed))
    found = class_colours(registry)
    assert found.keys() == set(range(1, len(given) + 1))
    assert len({*found.values(), (0, 0, 0)}) == len(found) + 1
    palette = palette_of(registry)
    assert len({tuple(each) for each in palette.tolist()}) == 256
    assert (tuple(palette[0]), tuple(palette[255])) == ((0, 0, 0), VOID)
    assert all(tuple(palette[each].tolist()) == colour for each, colour in found.items() if each < 255)
    if not any(given):
        assert np.array_equal(palette, colours(np.arange(256, dtype=np.uint32)))


CAR, TREE = registry("car", "tree").classes
STREET = ClassRegistry((replace(CAR, colour=of_hex(*RED)), replace(TREE, colour=of_hex(*GREEN))))
TWO = """
##......
##......
........
"""
ONE = """
......##
......##
........
"""


def drawn() -> Any:
    """An image of 8 × 3 pixels with two cars, a tree and the box of a car."""
    objects = (
        annotation(mask(TWO), name="car", feature_id="a"),
        annotation(mask(ONE), name="car", feature_id="b"),
        annotation(mask("........\n........\n...##..."), name="tree", feature_id="c"),
        annotation(BoundingBox(2, 0, 3, 2), name="car", feature_id="d"),
    )
    return sample(label(*objects), size=(8, 3))


def opened(png: bytes) -> Any:
    """Read a picture as Pillow does."""
    return Image.open(io.BytesIO(png))


def test_pillow_reads_the_ontologys_colours_out_of_palettes() -> None:
    """Of the maps of classes, and their numbers are class ids as ever; maps of objects have VOC's, by their numbers."""
    source = dataset(drawn(), classes=STREET)
    voc = files_of(Voc(), source, "train")
    of_masks = files_of(Masks(), source, "train")
    for png in (of_masks["semantic/train/street.png"], voc["SegmentationClass/street.png"]):
        assert np.unique(np.asarray(opened(png))).tolist() == [0, 1, 2]
        seen = [opened(png).convert("RGB").getpixel(at) for at in ((0, 0), (6, 1), (3, 2), (5, 0))]
        assert seen == [RED, RED, GREEN, (0, 0, 0)]
    of_objects = opened(voc["SegmentationObject/street.png"]).convert("RGB")
    assert [of_objects.getpixel(at) for at in ((0, 0), (6, 1), (3, 2))] == [VOC_1, VOC_2, VOC_3]
    assert b"car:230,10,20::\ntree:10,220,30::\nvoid:224,224,192::\n" in voc["labelmap.txt"]
    for files in (of_masks, voc):
        told = json.loads(files["classes.json"])["classes"]
        assert [tuple(each["color"]) for each in told] == [RED, GREEN]


def test_segments_have_their_classs_colour_or_one_near_it() -> None:
    """The first of a class has it, stuff has it in every image, and each pixel still names its segment alone."""
    files = files_of(Coco(stuff=("tree",)), dataset(drawn(), classes=STREET), "train")
    document = json.loads(files["annotations/panoptic_train.json"])
    assert [tuple(each["color"]) for each in document["categories"]] == [RED, GREEN]
    pixels = np.asarray(opened(files["panoptic_train/street.png"]))
    first, second, tree = (tuple(pixels[at].tolist()) for at in ((0, 0), (1, 6), (2, 3)))
    assert (first, tree) == (RED, GREEN)
    assert second != RED
    assert max(abs(one - other) for one, other in zip(second, RED, strict=True)) <= 30
    ids = [red + 256 * green + 256**2 * blue for red, green, blue in (first, second, tree)]
    assert [each["id"] for each in document["annotations"][0]["segments_info"]] == ids


def test_a_thousand_segments_of_one_class_have_colours_of_their_own() -> None:
    """Those near by are not so many; none has that of another class, or none at all."""
    pixels = np.zeros((40, 50), int)
    pixels.flat = np.arange(2000)
    objects = [annotation(mask_of(pixels == number), name="car", feature_id=str(number)) for number in range(2000)]
    files = files_of(Coco(), dataset(sample(label(*objects), size=(50, 40)), classes=STREET), "train")
    found = np.unique(np.asarray(opened(files["panoptic_train/street.png"])).reshape(-1, 3), axis=0)
    assert len(found) == 2000
    assert not {GREEN, (0, 0, 0)} & {tuple(each) for each in found.tolist()}


def test_the_report_draws_in_the_ontologys_colours() -> None:
    """Masks are blended with them, and boxes have them for strokes."""
    shown = thumbnail(drawn(), picture(drawn()) or b"", STREET)
    assert shown is not None
    assert f'stroke="rgb({RED[0]},{RED[1]},{RED[2]})"' in shown.svg
    content = shown.svg.partition("base64,")[2].partition('"')[0]
    left, right = (np.asarray(opened(b64decode(content)).convert("RGB"))[at].astype(int) for at in ((2, 4), (0, 0)))
    assert left[1] > left[0]
    assert right[0] > right[1]


def test_classes_keep_the_last_colour_that_an_ontology_gave_them() -> None:
    """Of several tools of one class that counts which is called like it; one that is offered none keeps its own."""
    tools = [("van", "#000001"), ("car", "#000002"), ("lorry", "#000003"), ("truck", "#000004")]
    ontology = Ontology(tuple(Feature("mask", (name,), f"s-{name}", colour=colour) for name, colour in tools))
    renames = {"van": "car", "lorry": "heavy", "truck": "heavy"}
    first = update(ClassRegistry(), [], renames, offered_classes(ontology, renames))
    assert {each.name: each.colour for each in first.classes} == {"car": "#000002", "heavy": "#000003"}
    assert classes_of(classes_table(first)) == first
    without = update(first, [SeenClass("s-car", "car")], renames)
    assert [(each.colour, each.removed) for each in without.classes] == [("#000002", False), ("#000003", True)]
    uncoloured = Ontology((Feature("mask", ("car",), "s-car"),))
    assert update(first, [], renames, offered_classes(uncoloured, renames)).classes[0].colour == "#000002"


def test_a_table_with_a_colour_that_is_none_is_damaged() -> None:
    """What is not as it was written names no colour, and reaches no picture."""
    table = classes_table(STREET)
    where = table.schema.get_field_index("colour")
    for spelled in ("#12345", "#12345G", "red", ""):
        with pytest.raises(ValueError, match="colour"):
            classes_of(table.set_column(where, table.schema.field(where), [[spelled, None]]))
    assert "colour" not in classes_table(registry("car")).column_names
