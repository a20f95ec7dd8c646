"""Shards that are joined from those of two versions before, as other people's readers read them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import webdataset
from pyarrow import parquet

from labelsnap.formats.shared.groups import row_groups
from tests.buckets.converting import Converting, Row, image_of

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

ROWS = {f"row{number:02}": Row(number % 4, "train") for number in range(240)}
EDITED = ROWS | {"row04": Row(2, "train"), "row11": Row(1, "train", 1)}
LAST = {name: row for name, row in EDITED.items() if name != "row20"} | {"row50": Row(3, "train")}
IMAGES = {f"{name}.png": image_of(name, row.image) for name, row in LAST.items()}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay out both formats' shards of a version upon a version upon a version, each joined from objects of these."""
    monkeypatch.setattr(row_groups, "ROWS_TO_AN_END", 8)
    store = tmp_path / "store"
    store.mkdir()
    converting = Converting(store, {"webdataset": {}, "huggingface": {}}, copied=True)
    version = None
    for rows in (ROWS, EDITED, LAST):
        version = converting.convert(rows, version)
    assert version is not None
    assert len([file for file in version.manifest.below("formats/") if file.parts]) == 2
    for path, body in converting.tree(version).items():
        place = tmp_path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)
    return tmp_path / "formats"


@pytest.mark.slow
def test_webdataset_reads_every_sample(tree: Path) -> None:
    """Each has its own image, JSON and map."""
    with (tree / "webdataset/train-000000.tar").open("rb") as stream:
        files = webdataset.tariterators.tar_file_expander([{"url": "train", "stream": stream}])
        found = list(webdataset.tariterators.group_by_keys(files))
    assert {f"{each['__key__']}.png": each["png"] for each in found} == IMAGES
    assert all({"json", "mask.png"} <= each.keys() for each in found)


@pytest.mark.slow
def test_pyarrow_and_duckdb_read_every_row(tree: Path) -> None:
    """All columns of all groups; DuckDB by the statistics and indexes of the footer too."""
    path = tree / "huggingface/data/train-00000-of-00001.parquet"
    file = parquet.ParquetFile(path)
    assert file.num_row_groups > 2
    rows = file.read().to_pylist()
    assert {row["image"]["path"]: row["image"]["bytes"] for row in rows} == IMAGES
    with closing(duckdb.connect()) as connection:
        query = "SELECT file_name, octet_length(image.bytes) FROM read_parquet(?) WHERE data_row_id = ?"
        found = connection.execute(query, [str(path), "row-row11"]).fetchall()
        (count,) = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone() or (0,)
    assert found == [("row11.png", len(image_of("row11", 1)))]
    assert count == len(LAST)


@pytest.mark.slow
def test_datasets_loads_every_row(tree: Path, datasets: ModuleType, tmp_path: Path) -> None:
    """Images stay bytes, for they are none; objects are those of the rows."""
    files = {"train": str(tree / "huggingface/data/train-*.parquet")}
    loaded: Any = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))["train"]
    undecoded = loaded.cast_column("image", datasets.Image(decode=False))
    assert {row["image"]["path"]: row["image"]["bytes"] for row in undecoded} == IMAGES
    kinds = {row["file_name"]: row["objects"]["kind"] for row in undecoded}
    assert kinds["row04.png"] == ["bounding_box", "point"]
    assert kinds["row11.png"] == ["mask"]
