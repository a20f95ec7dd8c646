"""Trees of ``task: classify`` as torchvision, by which Ultralytics reads them, and ``datasets`` do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from labelsnap.formats.yolo.writer import Yolo
from tests.formats.format_samples import dataset, label, picture, radio, sample, whole_tree

if TYPE_CHECKING:
    from types import ModuleType

ANSWERS = {
    "a": ("train", "rain"),
    "b": ("train", "fog / mist"),
    "c": ("val", "snow"),
    "d": ("val", "fog / mist"),
    "e": ("train", None),
}
FOLDERS = ["fog_mist", "rain", "snow"]
IMAGES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}
"""What torchvision's ImageFolder takes for an image."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Lay out a tree in which each split lacks a class, with files at its root as ``pull`` adds them."""
    rows = [
        sample(label(answers=[radio("weather", answer)] if answer else []), name=name, split=split)
        for name, (split, answer) in ANSWERS.items()
    ]
    source, form = dataset(*rows), Yolo(task="classify", question="weather")
    files = whole_tree(form, source)
    files |= {"README.md": b"---\nlicense: mit\n---\n", "snapshot.json": b"{}", "croissant.json": b"{}"}
    root = tmp_path / "tree"
    for path, body in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(body)
    return root


def image_folder(root: Path) -> tuple[list[str], dict[str, int]]:
    """Read one split as torchvision does: folders in order are classes; below them, all that has an image's suffix."""
    classes = sorted(path.name for path in root.iterdir() if path.is_dir())
    images = {
        path.name: number
        for number, name in enumerate(classes)
        for path in sorted((root / name).rglob("*"))
        if path.suffix.lower() in IMAGES
    }
    return classes, images


def test_each_split_numbers_the_classes_alike(tree: Path) -> None:
    """A class without an image in a split has its folder there all the same, so no number moves."""
    assert image_folder(tree / "train") == (FOLDERS, {"a.png": 1, "b.png": 0})
    assert image_folder(tree / "val") == (FOLDERS, {"c.png": 2, "d.png": 0})
    with Image.open(tree / "val" / "snow" / "c.png") as image:
        assert image.size == (8, 6)


@pytest.mark.parametrize("answer", ["valid", "not valid", "test", "train", "eval-2", "dev"])
def test_answers_that_are_called_like_splits_move_no_image(answer: str, datasets: ModuleType, tmp_path: Path) -> None:
    """``datasets`` takes any folder called ``valid`` for a split; each image is in its own split only."""
    rows = [
        sample(label(answers=[radio("weather", found)]), name=name, split=split)
        for name, found, split in (("a", answer, "train"), ("b", "rain", "train"), ("c", answer, "val"))
    ]
    source, form = dataset(*rows), Yolo(task="classify", question="weather")
    root = tmp_path / "tree"
    for path, body in whole_tree(form, source).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(body)
    loaded = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(tmp_path / "cache"))
    found = {split: sorted(Path(row["image"].filename).name for row in rows) for split, rows in loaded.items()}
    assert found == {"train": ["a.png", "b.png"], "validation": ["c.png"]}


def test_images_without_an_answer_are_in_no_split(tree: Path) -> None:
    """They are kept where no reader looks for a class."""
    assert (tree / "unanswered" / "e.png").read_bytes() == picture(sample(name="e"))
    assert {path.name for path in tree.iterdir() if path.is_dir()} == {"train", "val", "unanswered"}


def test_datasets_loads_it_as_imagefolder(tree: Path, datasets: ModuleType, tmp_path: Path) -> None:
    """The splits have the images, and labels the names of the folders."""
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tree), cache_dir=str(tmp_path / "cache"))
    found = {
        split: sorted((Path(row["image"].filename).name, FOLDERS[row["label"]]) for row in rows)
        for split, rows in loaded.items()
    }
    assert loaded["train"].features["label"].names == FOLDERS
    assert found == {
        "train": [("a.png", "rain"), ("b.png", "fog_mist")],
        "validation": [("c.png", "snow"), ("d.png", "fog_mist")],
    }
