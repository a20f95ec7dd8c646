"""Training formats from an export to a pulled tree."""

from __future__ import annotations

import pytest
from pyarrow import parquet

from flows.refresh import refresh
from flows.trees import lay_out

pytestmark = pytest.mark.xdist_group("prefect")


def quiet(*_):
    """Show nothing."""
    return


@pytest.mark.slow
def test_images_travel_inside_the_shards(dataset, tmp_path):
    """Every published row is in one shard with the image that the COCO tree has as a file, and nothing is lost."""
    result = refresh(dataset(formats={"coco": {}, "huggingface": {"shard_size": "20kB"}}))
    lay_out(result["ref"], "coco", tmp_path / "coco", quiet)
    lay_out(result["ref"], "huggingface", tmp_path / "shards", quiet)
    files = {path.name: path.read_bytes() for path in (tmp_path / "coco" / "images").rglob("*.*")}
    shards = sorted((tmp_path / "shards" / "data").glob("*.parquet"))
    images = [row for shard in shards for row in parquet.read_table(shard)["image"].to_pylist()]
    assert len(shards) > 3
    assert len(images) == result["rows"]["published"]
    assert {image["path"]: image["bytes"] for image in images} == files
    assert result["formats"]["huggingface"] == {"held": result["annotations"], "lost": {}}
