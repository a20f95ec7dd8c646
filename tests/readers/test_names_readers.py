"""Trees whose images are called by their keys, as other people's readers read them."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
import webdataset
from pycocotools.coco import COCO

from flows.refresh import refresh
from labelsnap.references import pull
from tests.flows.plain_runs import plain_runs
from tests.flows.test_refresh_names import done, named

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["plain_runs"]


@pytest.fixture
def prefect_server(plain_runs: Any) -> Any:
    """None: a flow is its function."""
    return plain_runs


@pytest.mark.slow
def test_other_peoples_readers_find_every_image(dataset: Any, sandbox: Any, tmp_path: Path, datasets: Any) -> None:
    """Names with dots, letters of any script, brackets and capitals: each reader finds all images of its tree."""
    given = ("front.v2.jpg", "街道_001.JPG", "Größe (1).jpg", "Größe_(1).jpg", "a=b@2x+c.jpg")
    rows = dict(zip(given, done(sandbox), strict=False))
    for key, row in rows.items():
        sandbox.set_key(row.index, key)
    formats = {"webdataset": {}, "huggingface": {"layout": "imagefolder"}, "coco": {}, "yolo": {"task": "detect"}}
    names = named(first := refresh(dataset(file_names="key", formats=formats)))
    assert {names[row.id] for row in rows.values()} == {
        "front.v2.jpg",
        "街道_001.JPG",
        f"0_Groe_1--{rows['Größe (1).jpg'].id}.jpg",
        "Größe_(1).jpg",
        "a=b@2x+c.jpg",
    }
    for name in formats:
        pull(first["ref"], name, tmp_path / name)
    keys = set()
    for shard in (tmp_path / "webdataset").glob("*.tar"):
        with shard.open("rb") as stream:
            files = webdataset.tariterators.tar_file_expander([{"url": shard.name, "stream": stream}])
            for found in webdataset.tariterators.group_by_keys(files):
                keys.add(json.loads(found["json"])["file_name"])
                assert {"jpg", "png"} & found.keys()
    assert keys == set(names.values())
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "huggingface"), cache_dir=str(tmp_path / "c"))
    assert sum(len(split) for split in loaded.values()) == len(names)
    assert {row["data_row_id"] for split in loaded.values() for row in split} == names.keys()
    for split in ("train", "val", "test"):
        coco = COCO(str(tmp_path / f"coco/annotations/instances_{split}.json"))
        assert all((tmp_path / f"coco/images/{split}" / each["file_name"]).is_file() for each in coco.imgs.values())
    import supervision

    root = tmp_path / "yolo"
    read = supervision.DetectionDataset.from_yolo(
        str(root / "images/train"), str(root / "labels/train"), str(root / "data.yaml")
    )
    in_train = {path.name for path in (root / "images/train").iterdir()}
    assert {PurePosixPath(path).name for path, _, _ in read} == in_train
