"""The golden trees as ``mlcroissant`` and ``datasets`` read what they say of themselves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.formats.format_samples import VARIANTS

if TYPE_CHECKING:
    from types import ModuleType

GOLDEN = Path(__file__).parents[1] / "formats" / "golden"

pytestmark = [  # mlcroissant's own use of rdflib and pandas
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:Warning"),
]
CLASSES = ["car", "road", "lane", "light", "tree"]


@pytest.fixture(params=VARIANTS)
def tree(request: pytest.FixtureRequest) -> Path:
    """Give the golden tree of each format, with its defaults and with other options."""
    return GOLDEN / str(request.param)


def records(described: Any, name: str) -> list[dict[str, Any]]:
    """Read a record set; keys without its name, texts as text."""
    return [
        {key.partition("/")[2]: value.decode() if isinstance(value, bytes) else value for key, value in found.items()}
        for found in described.records(name)
    ]


def test_mlcroissant_validates_every_tree(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No error, and no warning of a property that is missing."""
    import mlcroissant

    described = mlcroissant.Dataset(str(tree / "croissant.json"))
    assert described.metadata.name == "street-scenes"
    assert described.metadata.license == ["cc-by-4.0"]
    complaints = [line for record in caplog.records for line in record.getMessage().splitlines() if " - " in line]
    assert complaints == []


def test_files_have_their_hashes(tree: Path) -> None:
    """Every file that is not one of many is named with the sha256 of its bytes, and the many by folder."""
    document = json.loads((tree / "croissant.json").read_bytes())
    objects = {
        each["contentUrl"]: each["sha256"] for each in document["distribution"] if each["@type"] == "cr:FileObject"
    }
    assert "README.md" in objects
    for path, digest in objects.items():
        assert hashlib.sha256((tree / path).read_bytes()).hexdigest() == digest
    sets = [each["includes"] for each in document["distribution"] if each["@type"] == "cr:FileSet"]
    there = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    described = set(objects) | {path for path in there for glob in sets if Path(path).match(glob)}
    assert described | {"croissant.json"} == there


def test_splits_and_classes_are_records(tree: Path) -> None:
    """A tool learns the splits and classes without opening a file."""
    import mlcroissant

    described = mlcroissant.Dataset(str(tree / "croissant.json"))
    assert records(described, "splits") == [{"name": "train", "images": 2}, {"name": "val", "images": 1}]
    classes = records(described, "class")
    assert [(each["id"], each["name"]) for each in classes] == list(
        enumerate(["car", "road", "lane", "light", "tree"], 1)
    )
    assert [each["objects"] for each in classes] == [1, 1, 1, 1, 2]


def test_rows_of_the_shards_are_records() -> None:
    """Mlcroissant reads the plain columns of the Parquet shards."""
    import mlcroissant

    described = mlcroissant.Dataset(str(GOLDEN / "huggingface" / "croissant.json"))
    rows = sorted((each["data_row_id"], each["width"]) for each in records(described, "rows"))
    assert rows == [("row-empty", 8), ("row-small", 3), ("row-street", 8)]


def test_columns_of_every_canonical_table_are_described() -> None:
    """A tree of tables says which tables and plain columns it has."""
    document = json.loads((GOLDEN / "parquet" / "croissant.json").read_bytes())
    tables = {each["name"]: {field["name"] for field in each["field"]} for each in document["recordSet"]}
    assert {"data_row_id", "kind", "z_order", "confidence"} <= tables["annotations"]
    assert {"data_rows", "labels", "classifications", "relationships", "predictions", "classes"} <= set(tables)


def test_card_has_the_header_that_the_hub_reads(tree: Path) -> None:
    """YAML between two lines of dashes: licence, name, tasks, size."""
    _, header, body = (tree / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    found = yaml.safe_load(header)
    assert (found["license"], found["pretty_name"], found["size_categories"]) == (
        "cc-by-4.0",
        "street-scenes",
        ["n<1K"],
    )
    assert found["task_categories"] == [
        "image-classification",
        "image-segmentation",
        "keypoint-detection",
        "object-detection",
    ]
    assert "| 5 | tree | 1 | 1 |" in body


def test_datasets_loads_the_tree_by_its_card(datasets: ModuleType, tmp_path: Path) -> None:
    """``load_dataset(DIR)`` finds the splits that the card names."""
    loaded = datasets.load_dataset(str(GOLDEN / "huggingface"), cache_dir=str(tmp_path))
    assert {split: found.num_rows for split, found in loaded.items()} == {"train": 2, "val": 1}
