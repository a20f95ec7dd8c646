"""Datasets whose rows are all in one split, or nowhere, as readers open their trees."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from pycocotools.coco import COCO

from labelsnap.formats.description.card import card
from labelsnap.formats.description.croissant import croissant
from labelsnap.formats.description.facts import Listed
from labelsnap.formats.registry import format_of
from labelsnap.records.geometry import BoundingBox
from tests.formats.format_samples import (
    annotation,
    dataset,
    describing,
    label,
    picture,
    radio,
    sample,
    samples_of,
    whole_tree,
)

pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph:DeprecationWarning")  # rdflib, by mlcroissant

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from labelsnap.formats.interface import Dataset

QUESTION = "weather"
LOADED = {
    "huggingface": {},
    "huggingface-imagefolder": {"layout": "imagefolder"},
    "webdataset": {},
    "yolo": {"task": "classify", "question": QUESTION},
}
"""Formats that ``datasets`` loads, by name, with options."""


def rows(split: str) -> Dataset:
    """Make three rows of one split, with two answers."""
    return dataset(
        *[
            sample(
                label(annotation(BoundingBox(0, 0, 2, 2)), answers=[radio(QUESTION, answer)]), name=name, split=split
            )
            for name, answer in (("a", "rain"), ("b", "fog"), ("c", "rain"))
        ]
    )


def laid_out(source: Dataset, root: Path, name: str, options: dict[str, Any]) -> Path:
    """Lay out a whole tree with images and what describes it, as ``pull`` does."""
    form, description = format_of(name, options), describing(source)
    files = whole_tree(form, source)
    listed = [Listed(path, sha256(body).hexdigest(), small=False) for path, body in files.items()]
    files["README.md"] = card(description, form, listed)
    listed.append(Listed("README.md", sha256(files["README.md"]).hexdigest(), small=False))
    files["croissant.json"] = croissant(description, form, listed)
    files["snapshot.json"] = b"{}"
    for split in source.splits:
        for row in samples_of(source, split):
            if path := form.image_path(split, row.image.file_name):
                files[path] = picture(row) or b""
    for path, body in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(body)
    return root


@pytest.mark.parametrize("variant", LOADED)
@pytest.mark.parametrize(("split", "read_as"), [("train", "train"), ("val", "validation")])
def test_datasets_loads_the_folder(
    variant: str, split: str, read_as: str, datasets: ModuleType, tmp_path: Path
) -> None:
    """``load_dataset("DIR")`` has all rows in their one split, and no other split."""
    name = variant.partition("-")[0]
    root = laid_out(rows(split), tmp_path / "tree", name, LOADED[variant])
    loaded = datasets.load_dataset(str(root), cache_dir=str(tmp_path / "cache"))
    names = {read_as, split} if variant == "huggingface" else {read_as}
    assert {found: table.num_rows for found, table in loaded.items()} in [{each: 3} for each in names]


@pytest.mark.parametrize("variant", LOADED)
def test_croissant_and_card_name_what_there_is(variant: str, tmp_path: Path) -> None:
    """Neither names ``val``, which has no rows, and mlcroissant finds nothing to object to."""
    import mlcroissant

    name = variant.partition("-")[0]
    root = laid_out(rows("train"), tmp_path, name, LOADED[variant])
    described = mlcroissant.Dataset(str(root / "croissant.json"))
    assert [row["splits/name"] for row in described.records("splits")] == ["train"]
    table = (root / "README.md").read_text().partition("## Splits")[2].partition("## Classes")[0]
    assert "| train | 3 | 3 |" in table
    assert "| val |" not in table
    assert not list(root.glob("**/val*"))


@pytest.mark.parametrize("split", ["train", "val"])
def test_pycocotools_loads_a_split_without_images(split: str, tmp_path: Path) -> None:
    """COCO's files are there for every split: one without images has lists without items."""
    root = laid_out(rows("train"), tmp_path, "coco", {"panoptic": False})
    found = COCO(str(root / "annotations" / f"instances_{split}.json"))
    assert len(found.getImgIds()) == (3 if split == "train" else 0)
    assert len(found.getCatIds()) == 1


@pytest.mark.parametrize("name", ["coco", "huggingface", "masks", "voc", "webdataset", "yolo", "labelme"])
def test_a_dataset_without_rows_is_described(name: str, tmp_path: Path) -> None:
    """Its card and its Croissant are there, and hold no rows."""
    import mlcroissant

    root = laid_out(dataset(), tmp_path, name, {})
    assert json.loads((root / "croissant.json").read_bytes())["@type"] == "sc:Dataset"
    mlcroissant.Dataset(str(root / "croissant.json"))
    assert (root / "README.md").read_text().startswith("---\n")


def test_trees_of_one_name_and_other_rows_are_loaded_anew(datasets: ModuleType, tmp_path: Path) -> None:
    """``load_dataset(DIR)`` of a tree gives its own rows, whatever was loaded from a folder of that name before."""
    found = {}
    for place, options in (("first", {}), ("second", {}), ("third", {"layout": "imagefolder"})):
        source = rows("train") if place == "first" else dataset(sample(label(), name=place, split="train"))
        tree = laid_out(source, tmp_path / place / "huggingface", "huggingface", options)
        loaded = datasets.load_dataset(str(tree), cache_dir=str(tmp_path / "cache"))
        found[place] = loaded["train"]["data_row_id"][:]
    assert [len(names) for names in found.values()] == [3, 1, 1]
    assert found["second"] != found["third"]
