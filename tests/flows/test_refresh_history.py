"""A dataset over several snapshots: what must stay as it was stays."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flows.refresh import refresh
from labelsnap.errors import StorageRefusedError
from labelsnap.snapshots import latest, tag
from labelsnap.storage import open_store


@pytest.mark.slow
def test_class_ids_and_splits_stay_while_the_project_changes(sandbox, dataset, tables):
    """A class renamed at Labelbox, another dropped from the dataset, a third new, and 500 more rows: nothing moves."""
    without_lanes = {"classes": {"building / façade": None, "lane": None}}
    first = refresh(dataset(**without_lanes))
    sandbox.rename_class("car", "automobile")
    sandbox.add_rows(500)
    second = refresh(dataset())
    third = refresh(dataset(classes={"tree": None}))
    assert [each["version"] for each in (first, second, third)] == [1, 2, 3]

    classes = [
        {each["feature_schema_id"]: each for each in tables(result, "classes")} for result in (first, second, third)
    ]
    for earlier, later in pairwise(classes):
        assert {schema: later[schema]["id"] for schema in earlier} == {s: each["id"] for s, each in earlier.items()}
    assert len(classes[1]) > len(classes[0])
    renamed = [each for each in classes[1].values() if each["previous_names"]]
    assert [(each["name"], each["previous_names"]) for each in renamed] == [("automobile", ["car"])]
    assert [each["name"] for each in classes[2].values() if each["removed"]] == ["tree"]

    splits = [
        {row["data_row_id"]: row["split"] for row in tables(result, "data_rows")} for result in (first, second, third)
    ]
    assert len(splits[1]) > 300
    for later in splits[1:]:
        assert {row: later[row] for row in splits[0]} == splits[0]
    assert splits[1] == splits[2]


def test_a_row_that_leaves_done_leaves_the_dataset(sandbox, dataset, first_version, tables):
    """The next version does not have it, and the versions before still do."""
    first = first_version(dataset())
    gone = next(row for row in sandbox.rows("DONE") if not row.skipped)
    sandbox.set_status(gone.index, "IN_REWORK")
    second = refresh(dataset())
    assert second["rows"]["published"] == first["rows"]["published"] - 1
    assert gone.id in {row["data_row_id"] for row in tables(first, "data_rows")}
    assert gone.id not in {row["data_row_id"] for row in tables(second, "data_rows")}


def test_a_dataset_that_lost_its_records_does_not_begin_again(sandbox, dataset, first_version):
    """A tag says that there was a version: nothing is exported or published; under another name it begins anew."""
    lost = dataset()
    first_version(lost)
    tag(open_store(lost.url), "model", 1)
    shutil.rmtree(Path(urlsplit(lost.url).path, "commits"))
    sandbox.requests.clear()
    with pytest.raises(StorageRefusedError) as refused:
        refresh(lost)
    assert refused.value.code == "version_gap"
    assert "give `dataset` another name" in refused.value.remedy
    assert sandbox.requests.count("*mask") == sandbox.requests.count("image") == 0
    other = dataset(dataset="streets-anew")
    assert refresh(other)["version"] == latest(open_store(other.url)).version == 1
