"""The golden Hugging Face files as ``datasets`` and DuckDB read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from labelsnap.formats.huggingface import HuggingFace
from tests.formats.format_samples import RING_AND_PART, every_kind, files_of, picture, samples_of

if TYPE_CHECKING:
    from types import ModuleType

GOLDEN = Path(__file__).parents[1] / "formats" / "golden" / "huggingface"
CLASSES = ["car", "road", "lane", "light", "tree", "ghost"]


@pytest.fixture
def loaded(datasets: ModuleType, tmp_path: Path) -> Any:
    """Load both splits as a training script does."""
    files = {split: str(GOLDEN / "data" / f"{split}-*.parquet") for split in ("train", "val")}
    return datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))


def ring_and_part() -> Any:
    """The mask with a hole and two parts, as pixels."""
    return np.array([[pixel == "#" for pixel in line] for line in RING_AND_PART.split()])


def test_features_are_intact(loaded: Any, datasets: ModuleType) -> None:
    """Images decode, and classes are labels with names whose numbers are their places."""
    features = loaded["train"].features
    assert isinstance(features["image"], datasets.Image)
    assert features["objects"]["category"].feature.names == CLASSES
    assert features["objects"]["bbox"].feature.length == 4
    assert {split: found.num_rows for split, found in loaded.items()} == {"train": 2, "val": 1}
    assert loaded["train"].features == loaded["val"].features


def test_image_is_the_stored_one(loaded: Any) -> None:
    """The pixels are those of the image that the sample has."""
    (first, *_) = samples_of(every_kind(), "train")
    decoded = loaded["train"][0]["image"]
    assert decoded.size == (8, 6)
    assert picture(first).startswith(b"\x89PNG")
    assert np.array_equal(np.asarray(decoded), np.full((6, 8), 128))


def test_objects_of_every_kind_are_there(loaded: Any) -> None:
    """Boxes are exact, a polygon has its vertices as drawn, and a line and a point are there."""
    found = loaded["train"][0]["objects"]
    assert found["kind"] == ["bounding_box", "polygon", "polyline", "point", "mask"]
    assert [CLASSES[number] for number in found["category"]] == ["car", "road", "lane", "light", "tree"]
    assert found["bbox"][0] == [1, 1, 4, 3]
    assert found["vertices"][1:4] == [[[0, 4], [8, 4], [8, 6], [0, 6]], [[0, 5.5], [8, 4.5]], [[6.5, 2.25]]]
    assert json.loads(found["attributes"][0])["plate"] == "LS 1"


def test_masks_are_exact_to_the_pixel(loaded: Any) -> None:
    """The run lengths of a mask, with its image's size, are COCO's."""
    street = loaded["train"][0]
    encoded = {"size": [street["height"], street["width"]], "counts": street["objects"]["rle"][4]}
    assert np.array_equal(coco_mask.decode(encoded).astype(bool), ring_and_part())
    assert street["objects"]["area"][4] == ring_and_part().sum()
    small = loaded["val"][0]
    pixel = coco_mask.decode({"size": [2, 3], "counts": small["objects"]["rle"][0]})
    assert pixel.tolist() == [[0, 0, 0], [0, 0, 1]]


def test_image_without_objects_is_a_row(loaded: Any) -> None:
    """It has an image and empty lists."""
    empty = loaded["train"][1]
    assert empty["data_row_id"] == "row-empty"
    assert all(column == [] for column in empty["objects"].values())


def test_predictions_stand_apart(loaded: Any) -> None:
    """A model run's predictions are a column of their own."""
    predicted = loaded["train"][0]["predictions"]
    assert predicted["kind"] == ["bounding_box", "mask", "polyline"]
    assert len(predicted["score"]) == 3
    assert "night" in loaded["train"][0]["prediction_classifications"]


def test_imagefolder_reads_the_other_layout(datasets: ModuleType, tmp_path: Path) -> None:
    """The files of the layout ``imagefolder``, with the images where ``pull`` puts them, load with their splits."""
    source, layout = every_kind(), HuggingFace(layout="imagefolder")
    tree = tmp_path / "tree"
    for split in source.splits:
        files = files_of(layout, source, split)
        files |= {
            str(layout.image_path(split, row.image.file_name)): picture(row) or b"" for row in samples_of(source, split)
        }
        for path, body in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(body)
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tree), cache_dir=str(tmp_path / "cache"))
    assert {split: found.num_rows for split, found in loaded.items()} == {"train": 2, "validation": 1}
    rows = {row["data_row_id"]: row for row in loaded["train"]}
    street = rows["row-street"]
    assert street["image"].size == (8, 6)
    assert [CLASSES[number] for number in street["objects"]["category"]] == ["car", "road", "lane", "light", "tree"]
    assert loaded["validation"].features["objects"]["category"].feature.names == CLASSES
    encoded = {"size": [street["height"], street["width"]], "counts": street["objects"]["rle"][4]}
    assert np.array_equal(coco_mask.decode(encoded).astype(bool), ring_and_part())
    assert rows["row-empty"]["objects"]["bbox"] == []


def test_duckdb_reads_the_shards() -> None:
    """The same files answer SQL: objects by kind over all splits."""
    query = f"""
        SELECT kind, count(*) FROM (SELECT unnest(objects.kind) AS kind FROM '{GOLDEN}/data/*.parquet')
        GROUP BY kind ORDER BY kind
    """  # noqa: S608 - a path of this test
    with duckdb.connect() as connection:
        found = connection.execute(query).fetchall()
    assert found == [("bounding_box", 1), ("mask", 2), ("point", 1), ("polygon", 1), ("polyline", 1)]
