"""Readers of Pascal VOC that ask for ``NAME.jpg`` find every image where ``images: jpg`` was asked for."""

from __future__ import annotations

import numpy as np
import pytest

datasets = pytest.importorskip("torchvision.datasets", exc_type=ImportError)

from odd_voc import BOX, LISTED, PLACES, SIZE, SPELLED, made  # noqa: E402 - only where readers are

CLASSES = {name: number for number, name in enumerate(SPELLED.values(), start=1)}


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """Trees of JPEGs, and one of PNGs."""
    return made(tmp_path_factory.mktemp("voc"))


def laid_out(tree, place):
    """The tree where torchvision looks for one."""
    (place / "VOCdevkit").mkdir()
    (place / "VOCdevkit" / "VOC2007").symlink_to(tree, target_is_directory=True)
    return place


def corners(left, top, width, height):
    """A box as VOC has it."""
    return {"xmin": str(left + 1), "ymin": str(top + 1), "xmax": str(left + width), "ymax": str(top + height)}


@pytest.mark.parametrize("tree", ["palette", "grey"])
def test_torchvision_reads_label_maps_of_every_image(trees, tmp_path, tree):
    """Of each class its pixels by their class id; of an image without objects a map without any."""
    dataset = datasets.VOCSegmentation(laid_out(trees / tree, tmp_path), year="2007", image_set="train")
    found = {path.rpartition("/")[2]: pair for path, pair in zip(dataset.images, dataset, strict=True)}
    assert found.keys() == {f"{name}.jpg" for name in LISTED["Segmentation"]}
    expected = np.zeros(SIZE[::-1], int)
    for name, (left, top, width, height) in PLACES.items():
        expected[top : top + height, left : left + width] = CLASSES[name]
    for image, target in found.values():
        assert image.size == target.size == SIZE
    assert np.array_equal(np.asarray(found["regions.jpg"][1]), expected)
    assert not np.asarray(found["nothing.jpg"][1]).any()


def test_torchvision_reads_boxes_of_every_image(trees, tmp_path):
    """Those without objects too."""
    dataset = datasets.VOCDetection(laid_out(trees / "palette", tmp_path), year="2007", image_set="train")
    found = {target["annotation"]["filename"]: target["annotation"]["object"] for _, target in dataset}
    read = {path: [(each["name"], each["bndbox"]) for each in objects] for path, objects in found.items()}
    assert read == {
        "regions.jpg": [(name, corners(*place)) for name, place in PLACES.items()],
        "boxes.jpg": [("car", corners(*BOX))],
        "strokes.jpg": [],
        "nothing.jpg": [],
    }


def test_torchvision_does_not_find_other_types(trees, tmp_path):
    """What the note and the card say of a tree whose images are as they came."""
    dataset = datasets.VOCDetection(laid_out(trees / "png", tmp_path), year="2007", image_set="train")
    with pytest.raises(FileNotFoundError):
        dataset[0]


def test_detectron2_reads_every_image(trees):
    """Its loader gives paths that are there, and boxes that count from 0."""
    pascal = pytest.importorskip("detectron2.data.datasets.pascal_voc", exc_type=ImportError)
    records = pascal.load_voc_instances(str(trees / "palette"), "train", list(CLASSES))
    found = {record["image_id"]: [each["bbox"] for each in record["annotations"]] for record in records}
    assert found.keys() == LISTED["Main"]
    assert all(
        (trees / "palette" / "JPEGImages" / f"{name}.jpg").samefile(record["file_name"])
        for name, record in zip(found, records, strict=True)
    )
    left, top, width, height = BOX
    assert found["boxes"] == [[left, top, left + width, top + height]]
    assert (len(found["regions"]), found["nothing"]) == (len(PLACES), [])


def test_mmdetection_reads_every_image(trees):
    """Its paths are there, and it takes every class by its name."""
    mmdet = pytest.importorskip("mmdet.datasets", exc_type=ImportError)
    dataset = mmdet.XMLDataset(
        data_root=str(trees / "palette"),
        ann_file="ImageSets/Main/train.txt",
        data_prefix={"sub_data_root": ""},
        metainfo={"classes": list(CLASSES)},
        test_mode=True,
    )
    found = {each["img_id"]: each for each in map(dataset.get_data_info, range(len(dataset)))}
    assert found.keys() == LISTED["Main"]
    for name, each in found.items():
        assert (trees / "palette" / "JPEGImages" / f"{name}.jpg").samefile(each["img_path"])
    assert [each["bbox_label"] for each in found["regions"]["instances"]] == list(range(len(PLACES)))
