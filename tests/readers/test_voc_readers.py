"""Pascal VOC trees as supervision, globox and Pillow read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from globox import AnnotationSet
from PIL import Image
from pycocotools.coco import COCO

from labelsnap.formats.voc import Voc
from labelsnap.records.geometry import BoundingBox
from tests.formats.format_samples import annotation, dataset, every_kind, files_of, label, picture, sample, samples_of

if TYPE_CHECKING:
    from labelsnap.formats.interface import Dataset

GOLDEN = Path(__file__).parents[1] / "formats" / "golden"
VOID = 255
MAPPED = {"f-polygon": 2, "f-mask": 3, "f-pixel": 1}
"""The places of polygons and masks in the XML files of the samples with every kind."""


def laid_out(source: Dataset, root: Path, split: str) -> Path:
    """Lay out the tree of a split with its images, as ``pull`` does."""
    files = files_of(Voc(), source, split)
    files |= {Voc().image_path(split, each.image.file_name): picture(each) or b"" for each in samples_of(source, split)}
    for path, body in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(body)
    return root


def values(path: Path) -> Any:
    """Read a label map's raw values."""
    with Image.open(path) as image:
        assert image.mode == "P"
        return np.asarray(image)


def test_supervision_reads_boxes_and_classes(tmp_path: Path) -> None:
    """Boxes of the samples with every kind, counted from 0 again, and an image without objects."""
    import supervision

    root = laid_out(every_kind(), tmp_path, "train")
    found = supervision.DetectionDataset.from_pascal_voc(
        images_directory_path=str(root / "JPEGImages"), annotations_directory_path=str(root / "Annotations")
    )
    street = found.annotations[str(root / "JPEGImages" / "street.png")]
    assert [found.classes[number] for number in street.class_id] == ["car", "road", "tree"]
    assert street.xyxy.tolist() == [[1, 1, 5, 4], [0, 4, 8, 6], [1, 1, 7, 4]]
    assert len(found.annotations[str(root / "JPEGImages" / "empty.png")]) == 0


def test_globox_reads_boxes_exactly(tmp_path: Path) -> None:
    """Boxes of whole pixels come back exactly: globox gives the numbers as they stand, counted from 1."""
    boxes = [(10, 20, 300, 101), (0, 0, 641, 480), (640, 479, 1, 1)]
    objects = [annotation(BoundingBox(*box)) for box in boxes]
    root = laid_out(dataset(sample(label(*objects), size=(641, 480))), tmp_path, "train")
    (street,) = AnnotationSet.from_pascal_voc(root / "Annotations")
    assert street.image_size == (641, 480)
    found = [(box.xmin - 1, box.ymin - 1, box.xmax - box.xmin + 1, box.ymax - box.ymin + 1) for box in street.boxes]
    assert found == boxes


@pytest.mark.parametrize("split", ["train", "val"])
def test_maps_are_the_instances_of_coco(split: str) -> None:
    """Pixel by pixel, an object's number and class are where pycocotools draws the object of the COCO files."""
    coco = COCO(str(GOLDEN / "coco" / "annotations" / f"instances_{split}.json"))
    listed = (GOLDEN / "voc" / "ImageSets" / "Segmentation" / f"{split}.txt").read_text(encoding="utf-8").split()
    assert listed == {"train": ["street", "empty"], "val": ["small"]}[split]
    for stem in listed:
        (image,) = [each for each in coco.dataset["images"] if each["file_name"] == f"{stem}.png"]
        classes, objects = (values(GOLDEN / "voc" / f"Segmentation{of}" / f"{stem}.png") for of in ("Class", "Object"))
        segments = [
            each for each in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]])) if each["feature_id"] in MAPPED
        ]
        assert set(np.unique(objects).tolist()) == {0} | {MAPPED[each["feature_id"]] for each in segments}
        for each in segments:
            drawn = coco.annToMask(each).astype(bool)
            assert np.array_equal(objects == MAPPED[each["feature_id"]], drawn)
            assert np.array_equal(classes == each["category_id"], drawn)
        assert not (classes == VOID).any()
