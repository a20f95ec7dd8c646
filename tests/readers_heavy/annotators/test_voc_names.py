"""Datumaro reads the classes of Pascal VOC trees whatever they are called, by colours and by grey class ids."""

from __future__ import annotations

import shutil

import pytest

datumaro = pytest.importorskip("datumaro")

from datumaro.components.annotation import AnnotationType  # noqa: E402 - it may not be there
from odd_voc import BOX, LISTED, PLACES, made  # noqa: E402 - only where readers are


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """Trees with odd names."""
    return made(tmp_path_factory.mktemp("voc"))


def read(tree, kind):
    """The annotations of each item: type, class, and left, top, width and height of its box; pixels of a mask."""
    dataset = datumaro.Dataset.import_from(str(tree), kind, coordinate_mode="voc-one-based")
    names = [each.name for each in dataset.categories()[AnnotationType.label]]
    assert names[0] == "background"
    assert names[-1] == "void"
    return {
        item.id: sorted(
            (each.type.name, names[each.label], *map(int, each.get_bbox()), *pixels_of(each))
            for each in item.annotations
        )
        for item in dataset.get_subset("train")
    }


def pixels_of(each):
    """How many pixels a mask has."""
    return (int(each.image.sum()),) if each.type == AnnotationType.mask else ()


@pytest.mark.parametrize("tree", ["palette", "grey", "png"])
@pytest.mark.parametrize("kind", ["voc", "voc_detection", "voc_segmentation", "voc_instance_segmentation"])
def test_datumaro_sees_the_right_class_of_every_object(trees, tree, kind):
    """Each class has its box and its pixels; images without objects are there, those of boxes or lines without maps."""
    found = read(trees / tree, kind)
    boxes = [("bbox", name, *place) for name, place in PLACES.items()] if kind != "voc_segmentation" else []
    masks = [("mask", name, *place, 12) for name, place in PLACES.items()] if kind != "voc_detection" else []
    expected = {"regions": sorted(boxes + masks), "nothing": []}
    if "segmentation" not in kind:
        expected |= {"boxes": [("bbox", "car", *BOX)], "strokes": []}
    assert found == expected
    assert found.keys() == LISTED["Segmentation" if "segmentation" in kind else "Main"]


def test_without_the_label_map_datumaro_takes_classes_for_those_of_pascal(trees, tmp_path):
    """In silence: the colours of ids 1, 2, … are those of VOC's own first classes. So the file must be there."""
    tree = shutil.copytree(trees / "palette", tmp_path / "tree")
    (tree / "labelmap.txt").unlink()
    dataset = datumaro.Dataset.import_from(str(tree), "voc_segmentation")
    names = [each.name for each in dataset.categories()[AnnotationType.label]]
    (regions,) = (item for item in dataset if item.id == "regions")
    found = sorted(each.label for each in regions.annotations)
    assert [names[number] for number in found[:3]] == ["aeroplane", "bicycle", "bird"]
