"""The query of the records' README, read by DuckDB over S3."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pytest

from flows.refresh import refresh
from labelsnap.references import pull
from tests.flows.plain_runs import plain_runs

prefect_server = plain_runs
README = Path(__file__).parents[2] / "labelsnap/records/README.md"


@pytest.fixture
def connection(sandbox):
    """DuckDB with its S3 extension, pointed at the sandbox's store."""
    package = Path(duckdb_extension_httpfs.__file__).parent
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{next(package.rglob('httpfs.duckdb_extension'))}'")
        endpoint = sandbox.s3_endpoint.removeprefix("http://")
        connection.execute(
            f"CREATE SECRET (TYPE s3, KEY_ID 'sandbox', SECRET 'sandbox', REGION 'us-east-1', "
            f"ENDPOINT '{endpoint}', URL_STYLE 'path', USE_SSL false)"
        )
        yield connection


@pytest.mark.slow
def test_the_readmes_query_counts_cars_per_night_image(sandbox, dataset, connection, tmp_path):
    """The figure is what counting in the pulled COCO tree gives; a second version does not disturb it."""
    store = f"s3://datasets/duckdb-{tmp_path.name}"
    refresh(dataset(store=store, classes={"tree": None}))
    result = refresh(dataset(store=store))
    assert result["version"] == 2
    (query,) = re.findall(r"```sql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    url = f"{store}/street-scenes"
    found = connection.execute(query.replace("s3://ml-datasets/labelsnap/street-scenes", url)).fetchone()

    pull(result["ref"], "coco", tmp_path / "tree")
    cars = []
    for path in (tmp_path / "tree" / "annotations").glob("instances_*.json"):
        content = json.loads(path.read_bytes())
        names = {category["id"]: category["name"] for category in content["categories"]}
        for image in content["images"]:
            times = [each for each in image["classifications"] if each["name"] == "time of day"]
            if any(each["answer"]["option"]["name"] == "night" for each in times):
                of_image = [each for each in content["annotations"] if each["image_id"] == image["id"]]
                cars.append(sum(names[each["category_id"]] == "car" for each in of_image))
    assert cars
    assert found == (pytest.approx(sum(cars) / len(cars)),)
